"""Clips of a few small frames, as phones and programs write them."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = 90_000  # of a second
STEP = 3600  # 25 frames a second
TURNS = {  # degrees clockwise -> a, b, c, d of the display matrix
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """uint8 [height, width, 3]: soft colours that drift slowly, and a white corner that says what is up."""
    y, x = np.mgrid[:height, :width] / 16
    result = []
    for k in range(count):
        waves = np.stack([np.sin(x + k / 9), np.sin(y - k / 9), np.sin(x + y) / 2], -1)
        picture = np.rint(128 + 90 * waves).astype(np.uint8)
        picture[: height // 4, : width // 4] = 250
        result.append(picture)
    return result


def write(
    path: Path,
    frames: Sequence[np.ndarray],
    times: Sequence[int] | None = None,
    sound: str | None = "aac",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    full: bool = False,
    matrix: int = 2,
    options: dict[str, str] | None = None,
) -> Path:
    """A clip whose frames are shown at ``times``, in 90,000ths of a second."""
    times = times or [k * STEP for k in range(len(frames))]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options={"crf": "8"} if options is None else options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pixels
        context = video.codec_context
        context.time_base, context.color_range, context.colorspace = Fraction(1, TICKS), 1 + full, matrix
        tone = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for picture, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if pixels != "rgb24":
                frame = frame.reformat(
                    format=pixels, dst_colorspace=6 if matrix == 2 else matrix, dst_color_range=1 + full
                )
            frame.pts, frame.time_base = time, Fraction(1, TICKS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if tone is not None:
            noise = np.random.default_rng(0).normal(0, 0.1, (16, 1, 1024)).astype(np.float32)
            if tone.format.name == "s16":
                noise = (noise * 32_767).clip(-32_768, 32_767).astype(np.int16)
            for k, samples in enumerate(noise):
                frame = av.AudioFrame.from_ndarray(samples, tone.format.name, "mono")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, 1024 * k, Fraction(1, 48_000)
                container.mux(tone.encode(frame))
            container.mux(tone.encode())
    return path


def turn(path: Path, degrees: int) -> Path:
    """As a phone does that is held otherwise: the header of the MP4 says how to turn the frames, clockwise."""
    a, b, c, d = (x << 16 for x in TURNS[degrees])
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def packets(path: Path, kind: str = "audio") -> list[tuple]:
    """Of the first stream of a kind: when, and which bytes."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (packet.pts, packet.dts, packet.duration, packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]
