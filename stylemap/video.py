"""Films: GIF, WebP, APNG and MP4, encoded by PyAV (FFmpeg) frame after frame as they come.

Pillow's own writers hold all frames in memory and join equal neighbours, which changes the number of frames.
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylemap import images
from stylemap.files import atomic
from stylemap.photos.output_formats import by_suffix

SLOWEST = 0.1  # fps; slower ones overflow the 16 bits of a duration
FASTEST = 50  # fps; viewers show faster GIFs at 10
PALETTE_FRAMES, PALETTE_PIXELS = 64, 1 << 16  # that decide on the colours of a GIF: at most, and about
BT709, LIMITED = 1, 1  # ITU-T H.273: the matrix, primaries and transfer of HD; values 16 .. 235


def write(path: str | Path, frames: Iterable[Tensor], fps: float = 12.5, loop: bool = True) -> None:
    """Write a film: .gif, lossless .webp or .png (APNG), or .mp4 (H.264, or MPEG-4 where FFmpeg lacks it), by suffix.

    Batches are taken when they are needed and dropped as uint8 is made of them, so that the length of a film costs no
    memory. The frames of a GIF wait on the disk, 3 bytes a pixel, until the 256 colours that they share are chosen. An MP4
    with an odd side repeats its last row or column. Every frame is stored, equal neighbours too. The file appears whole or
    not at all; a missing folder is made.

    Args:
        frames: images [n, 3, H, W] in [-1, 1], any number of batches of any n; or a tensor of all.
        fps: frames per second, 0.1 to 50. GIF counts in 10 ms and the others but MP4 in 1 ms: single frames last so much
            more or less, the whole keeps its length.
        loop: repeat for ever, or play once. An MP4 does not know; players decide.

    Raises:
        InputError: a suffix that is not written, a folder that cannot be written, a full disk, or NaN.
        ValueError: no frame, frames of different sizes, a bad shape, or fps out of range.
    """
    kind = by_suffix(FORMATS, path)
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"fps must lie in {SLOWEST} .. {FASTEST}, got {fps}")
    if kind is H264 and kind.codec not in av.codecs_available:
        kind = MPEG4
    pixels = _pixels(frames.split(1) if isinstance(frames, Tensor) else frames)
    with atomic(path) as temporary, tempfile.TemporaryFile(dir=temporary.parent) as scratch:
        try:
            with av.open(str(temporary), "w", format=kind.container, options=kind.options(loop)) as container:
                rate = Fraction(fps).limit_denominator(1001)
                stream = container.add_stream(kind.codec, rate=rate, options=kind.quality)
                for k, frame in enumerate(kind.frames(pixels, scratch)):
                    if k == 0:
                        _set_up(stream, frame, kind.pixels)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        except av.FFmpegError as err:
            raise OSError(err.errno, err.strerror) from err


def contact_sheet(frames: Iterable[Tensor], columns: int = 8) -> Tensor:
    """All frames, images [n, 3, H, W], row after row on one sheet [3, H', W'], see `images.grid`."""
    return images.grid(torch.cat(list(frames)).float().cpu(), columns)


def evenly(total: int, most: int) -> list[int]:
    """At most ``most`` of the places 0 .. total - 1, first and last among them, as evenly spaced as whole numbers are."""
    return sorted({round(i) for i in np.linspace(0, total - 1, min(total, most))})


def _set_up(stream: av.VideoStream, frame: av.VideoFrame, pixels: str) -> None:
    stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixels
    if pixels == "yuv420p":  # players guess the matrix by the size of the image where the file does not name it
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED


# ---- frames: uint8 [H, W, 3] each, and FFmpeg's


def _pixels(batches: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """The frames of all batches, one at a time."""
    shape = None
    for batch in batches:
        for frame in images.to_uint8(batch).cpu().numpy():
            shape = shape or frame.shape
            if frame.shape != shape:
                raise ValueError(f"frames must be of one size, got {shape} and {frame.shape}")
            yield frame
    if shape is None:
        raise ValueError("a film needs at least one frame")


def _rgb(frames: Iterator[np.ndarray], scratch: BinaryIO) -> Iterator[av.VideoFrame]:
    return (av.VideoFrame.from_ndarray(frame, "rgb24") for frame in frames)


def _yuv(frames: Iterator[np.ndarray], scratch: BinaryIO) -> Iterator[av.VideoFrame]:
    """Colour is stored for two by two pixels, so sides are made even."""
    for frame in frames:
        even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge")
        yield av.VideoFrame.from_ndarray(even, "rgb24").reformat(format="yuv420p", dst_colorspace=BT709)


def _paletted(frames: Iterator[np.ndarray], scratch: BinaryIO) -> Iterator[av.VideoFrame]:
    """In 256 colours for all frames: a palette for each frame would make even what stands still flicker."""
    count, shape = 0, ()
    for frame in frames:
        scratch.write(frame.tobytes())
        count, shape = count + 1, frame.shape

    def stored(place: int) -> np.ndarray:
        scratch.seek(place * math.prod(shape))
        return np.frombuffer(scratch.read(math.prod(shape)), np.uint8).reshape(shape)

    sample = evenly(count, PALETTE_FRAMES)
    # odd, so that it meets every column of an even width
    step = len(sample) * math.prod(shape[:2]) // PALETTE_PIXELS | 1
    pixels = np.concatenate([stored(k).reshape(-1, 3)[::step] for k in sample])
    palette = Image.fromarray(pixels[None]).quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    colours = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
    colours[:, 1:] = np.frombuffer(bytes(palette.getpalette()).ljust(768, b"\0"), np.uint8).reshape(256, 3)
    for k in range(count):
        indices = Image.fromarray(stored(k)).quantize(palette=palette, dither=Image.Dither.NONE)
        yield av.VideoFrame.from_ndarray((np.asarray(indices), colours), "pal8")


# ---- kinds of files


@dataclass(frozen=True)
class FilmFormat:
    """A kind of film, in FFmpeg's names."""

    container: str
    codec: str
    pixels: str
    frames: Callable[[Iterator[np.ndarray], BinaryIO], Iterator[av.VideoFrame]]
    quality: dict[str, str] = field(default_factory=dict)  # options of the codec
    plays: tuple[str, str, str] | None = None  # the container's option, its value for ever, and for once

    def options(self, loop: bool) -> dict[str, str]:
        """Those of the container."""
        if self.plays is None:
            return {"movflags": "+faststart"}  # the index in front, so that a browser can begin before it has all
        option, for_ever, once = self.plays
        return {option: for_ever if loop else once}


H264 = FilmFormat("mp4", "libx264", "yuv420p", _yuv, {"crf": "16"})  # 0 loses nothing, 23 is the usual
MPEG4 = FilmFormat("mp4", "mpeg4", "yuv420p", _yuv, {"qmax": "2"})
FORMATS = {  # by suffix
    ".gif": FilmFormat("gif", "gif", "pal8", _paletted, plays=("loop", "0", "-1")),
    ".webp": FilmFormat("webp", "libwebp", "bgra", _rgb, {"lossless": "1"}, ("loop", "0", "1")),
    ".png": FilmFormat("apng", "apng", "rgb24", _rgb, plays=("plays", "0", "1")),
    ".mp4": H264,
}
