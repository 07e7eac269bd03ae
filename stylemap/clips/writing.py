"""Writing clips: in parts, each a file of its own, which are joined with the sound of another clip.

A part begins with a key frame and depends on nothing before it. So a film whose making is stopped and continued has the same
bytes as one that is made in one go. Nothing is encoded twice: the packets of the parts, and those of the sound, are copied.
"""

import heapq
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from stylemap.clips.reading import PLANAR, Clip, Frame
from stylemap.errors import InputError
from stylemap.files import atomic
from stylemap.photos.output_formats import by_suffix

OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")  # metadata that a muxer writes itself


@dataclass(frozen=True)
class ClipFormat:
    """A kind of clip, in FFmpeg's names."""

    container: str
    codecs: tuple[str, ...]  # the first that this FFmpeg has is taken
    options: tuple[tuple[str, str], ...] = ()

    @property
    def codec(self) -> str:
        return next((name for name in self.codecs if name in av.codecs_available), self.codecs[-1])


# without B-frames, packets are in the order of their times
QUALITY = {
    "libx264": {"crf": "16", "bf": "0"},  # 0 loses nothing, 23 is the usual
    "mpeg4": {"qmax": "2"},
    "libvpx-vp9": {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "lag-in-frames": "0"},
}
H264 = ("libx264", "mpeg4")
FINE = 10_000  # of a second
FAST_START = (("movflags", "+faststart"),)  # the index in front, so that a browser can begin before it has all
FORMATS = {
    ".mp4": ClipFormat("mp4", H264, FAST_START),
    ".mov": ClipFormat("mov", H264, FAST_START),
    ".mkv": ClipFormat("matroska", H264),
    ".webm": ClipFormat("webm", ("libvpx-vp9",)),
}


def check(path: str | Path, clip: Clip) -> None:
    """InputError unless the sound of a clip fits into this kind of file as it is."""
    kind = by_suffix(FORMATS, path)
    with clip.open() as source:
        for sound in source.streams.audio:
            try:
                with av.open(io.BytesIO(), "w", format=kind.container) as container:
                    container.add_stream_from_template(sound)
                    container.start_encoding()
            except (av.FFmpegError, ValueError) as err:
                name = sound.codec_context.name
                raise InputError(
                    f"{Path(path).suffix} has no place for the sound of {clip.path} ({name}); write an .mp4 or .mkv"
                ) from err


def write_part(path: Path, frames: Iterable[Frame], clip: Clip) -> None:
    """Atomically encode some frames of a clip, with its colours and the shape of its pixels.

    Raises:
        InputError: a folder that cannot be written, or a full disk.
    """
    kind = by_suffix(FORMATS, path)
    with atomic(path) as temporary:
        try:
            with av.open(str(temporary), "w", format=kind.container) as container:
                stream = container.add_stream(kind.codec, rate=clip.rate, options=dict(QUALITY[kind.codec]))
                stream.width, stream.height = clip.size
                stream.pix_fmt = PLANAR
                context = stream.codec_context
                context.time_base = clip.time_base
                context.colorspace, context.color_range = clip.colours.matrix, clip.colours.range
                context.color_primaries, context.color_trc = clip.colours.primaries, clip.colours.transfer
                if clip.pixel_shape:
                    context.sample_aspect_ratio = clip.pixel_shape
                for given in frames:
                    frame = av.VideoFrame.from_ndarray(given.planes, PLANAR)
                    frame.pts, frame.time_base = given.pts, clip.time_base
                    frame.colorspace, frame.color_range = clip.colours.matrix, clip.colours.range
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        except av.FFmpegError as err:
            raise OSError(err.errno, err.strerror) from err


def join(path: Path, parts: Sequence[Path], clip: Clip, times: Sequence[int], end: float | None = None) -> None:
    """Atomically write one clip of parts, with the sound that another clip has at these times.

    Args:
        clip: what the frames come from.
        times: `Frame.pts` of all frames of all parts.
        end: seconds after the clip's begin, where the sound ends; None: it is kept to its end.

    Raises:
        InputError: a folder that cannot be written, or a full disk.
    """
    kind = by_suffix(FORMATS, path)
    # all streams move by as much, so that what is cut off in front leaves no gap
    shift = Fraction(0) if times[0] == clip.start else times[0] * clip.time_base
    with atomic(path) as temporary:
        try:
            with clip.open() as source, av.open(str(parts[0])) as first:
                options = dict(kind.options)
                if (
                    "movflags" in options
                ):  # in units of this the streams begin; FFmpeg's own is a thousandth of a second
                    options["movie_timescale"] = str(
                        clip.time_base.denominator * -(-FINE // clip.time_base.denominator)
                    )
                with av.open(str(temporary), "w", format=kind.container, options=options) as container:
                    container.metadata.update({k: v for k, v in clip.metadata.items() if k not in OF_THE_FILE})
                    video = container.add_stream_from_template(first.streams.video[0])
                    video.time_base = clip.time_base
                    sounds = {s.index: container.add_stream_from_template(s) for s in source.streams.audio}
                    packets = [_video(parts, video, clip, times, shift)]
                    if sounds:
                        packets.append(_sound(source, sounds, clip, shift, end))
                    for packet in heapq.merge(*packets, key=lambda packet: packet.dts * packet.time_base):
                        container.mux(packet)
        except av.FFmpegError as err:
            raise OSError(err.errno, err.strerror) from err


def _video(
    parts: Sequence[Path], stream: av.VideoStream, clip: Clip, times: Sequence[int], shift: Fraction
) -> Iterator[av.Packet]:
    """The packets of all parts, at the times of their frames: the container of a part may have rounded them."""
    first = round(shift / clip.time_base)
    usual = max(1, round(1 / clip.rate / clip.time_base))
    nexts = itertools.chain(times[1:], [times[-1] + usual])
    moments = zip(times, nexts, strict=True)
    for part in parts:
        with av.open(str(part)) as container:
            for packet in container.demux(container.streams.video[0]):
                if packet.size == 0:
                    continue
                pts, following = next(moments)
                packet.stream, packet.time_base = stream, clip.time_base
                packet.pts = packet.dts = pts - first
                packet.duration = following - pts
                yield packet


def _sound(
    source: av.container.InputContainer,
    streams: dict[int, av.AudioStream],
    clip: Clip,
    shift: Fraction,
    end: float | None,
) -> Iterator[av.Packet]:
    """The packets of the sound, moved by ``shift`` seconds; those that begin before are left out, if anything is."""
    last = None if end is None else clip.start * clip.time_base + Fraction(end)
    for packet in source.demux(source.streams.audio):
        if packet.size == 0 or packet.dts is None:
            continue
        moment = packet.dts * packet.time_base
        if shift and moment < shift or last is not None and moment >= last:
            continue
        moved = round(shift / packet.time_base)
        packet.stream = streams[packet.stream.index]
        packet.dts -= moved
        packet.pts = packet.dts if packet.pts is None else packet.pts - moved
        yield packet
