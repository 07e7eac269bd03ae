"""Reading clips by PyAV (FFmpeg), one frame at a time.

A frame keeps the planes of the file (YUV 4:2:0, 8 bits), and RGB is made of them when it is asked for. So what an edit does not
reach goes into the result as the decoder gave it, without a way through RGB and back.
"""

import contextlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from stylemap import files
from stylemap.errors import InputError

PLANAR = "yuv420p"
BT709, UNSPECIFIED, BT601 = 1, 2, 6  # ITU-T H.273
LIMITED, FULL = 1, 2  # FFmpeg: values 16 .. 235, or 0 .. 255
HD_ROWS = 720  # of a frame that does not name its matrix: players take BT.709 from here on, and BT.601 for less
STILL = ("image2", "_pipe")  # ends of the names that FFmpeg has for formats of pictures
ROTATION = "DISPLAYMATRIX"
ROLL = 2.0  # seconds before the wanted frame that are decoded too, since some frames depend on others across key frames


@dataclass(frozen=True)
class Colours:
    """How the planes of a clip mean colours, in numbers of ITU-T H.273 and FFmpeg."""

    matrix: int
    range: int
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame, upright. Its sides are even: an odd one repeats its last row or column."""

    pts: int  # when it is shown, in units of the clip's ``time_base``
    time: float  # the same in seconds, from the begin of the clip
    planes: np.ndarray  # uint8 [3 H / 2, W]: luma [H, W], then both planes of chroma [H / 2, W / 2]
    colours: Colours

    @property
    def luma(self) -> np.ndarray:
        """uint8 [H, W]."""
        return self.planes[: len(self.planes) * 2 // 3]

    def pixels(self) -> np.ndarray:
        """RGB, uint8 [H, W, 3]."""
        frame = av.VideoFrame.from_ndarray(self.planes, PLANAR)
        source = {"src_colorspace": self.colours.matrix, "src_color_range": self.colours.range}
        return frame.reformat(format="rgb24", dst_color_range=FULL, **source).to_ndarray()

    def with_pixels(self, before: np.ndarray, after: np.ndarray) -> "Frame":
        """The frame with new pixels where two RGB images uint8 [H, W, 3] differ; all other places keep their planes."""
        changed = (before != after).any(2)
        if not changed.any():
            return self
        lines = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
        rows, columns = (slice(int(at[0]) // 2, int(at[-1]) // 2 + 1) for at in lines)  # of chroma
        new = planes_of(after, self.colours)
        planes = self.planes.copy()
        for old, other in zip(_split(planes), _split(new), strict=True):
            scale = 2 if old.shape[0] == len(self.luma) else 1
            at = tuple(slice(lines.start * scale, lines.stop * scale) for lines in (rows, columns))
            old[at] = other[at]
        return replace(self, planes=planes)


class Clip:
    """A file with a video in it.

    Attributes:
        size: (width, height) of the frames as they are given, upright and even.
        time_base: seconds in a unit of `Frame.pts`.
        rate: frames per second, on average.
        expected: about how many frames there are; 0 if the file does not say.
        sounds: names of the codecs of its sound, one for each stream.
        lost: a line for everything that frames and sound leave out.

    Raises:
        InputError: no such file, one that FFmpeg cannot read, or one without a video.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with files.opened(path), self.open() as container:
            if any(container.format.name.endswith(end) for end in STILL):
                raise InputError(f"{path} is a picture, not a video; use `stylemap local-edit replay --photos`")
            stream = _video(container)
            if stream is None:
                what = "sound" if container.streams.audio else "no picture at all"
                raise InputError(f"{path} holds no video, only {what}; name a clip")
            self.time_base = Fraction(stream.time_base or Fraction(1, 90_000))
            self.rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            length = (
                stream.duration * self.time_base if stream.duration else Fraction(container.duration or 0, av.time_base)
            )
            self.seconds = float(length)
            self.expected = stream.frames or round(length * self.rate)
            self.sounds = [sound.codec_context.name for sound in container.streams.audio]
            self.metadata = dict(container.metadata)
            first = next(_decoded(container, stream), None)
            if first is None:
                raise InputError(f"{path} holds no frame that can be read; it is damaged or cut short, copy it again")
            shape = stream.codec_context.sample_aspect_ratio
            others = {other.type for other in container.streams} - {"video", "audio"}
        self._coded, self._matrix = (first.width, first.height), _matrix(first)
        self.start, self._timed = first.pts or 0, first.pts is not None
        self.colours = _colours(first)
        planes = self._planes(first)
        self.size = planes.shape[1], len(planes) * 2 // 3
        bits = max(component.bits for component in first.format.components)
        self.lost = [f"its frames have {bits} bits a channel; the result has 8"] if bits > 8 else []
        if first.width % 2 or first.height % 2:
            self.lost.append(
                f"its frames are {first.width} x {first.height}; the result repeats the last line of an odd side"
            )
        self.lost += [
            f"the result leaves out its {kind} stream" for kind in sorted(others & {"subtitle", "attachment"})
        ]
        turned = self._matrix[0] == 0
        self.pixel_shape = 1 / shape if shape and turned else shape  # width by height of a pixel; None: not known

    def frames(self, start: float = 0.0, end: float = math.inf) -> Iterator[Frame]:
        """The frames from ``start`` to ``end`` seconds after the begin, in the order of their times.

        Packets that cannot be decoded are passed over. A frame without a time follows the one before at the clip's rate.
        """
        first = self.start + round(start / self.time_base)
        step = max(1, round(1 / self.rate / self.time_base))
        with self.open() as container:
            stream = _video(container)
            assert stream is not None
            if start > ROLL and self._timed:
                with contextlib.suppress(av.FFmpegError):  # what cannot be sought is read from its begin
                    container.seek(first - round(ROLL / self.time_base), stream=stream)
            last = None
            for frame in _decoded(container, stream):
                pts = frame.pts if frame.pts is not None else self.start if last is None else last + step
                last = pts if last is None else max(pts, last + 1)
                time = float((last - self.start) * self.time_base)
                if time >= end:
                    return
                if last >= first:
                    yield Frame(last, time, self._planes(frame), self.colours)

    def _planes(self, frame: av.VideoFrame) -> np.ndarray:
        if (frame.width, frame.height) != self._coded:  # streams may change the size on their way
            frame = frame.reformat(*self._coded)
        return _upright(_planes(frame, self.colours), self._matrix)

    def open(self) -> av.container.InputContainer:
        """The file, for who closes it.

        Raises:
            InputError: FFmpeg cannot read it.
        """
        try:
            return av.open(str(self.path), metadata_errors="replace")
        except av.FFmpegError as err:
            raise InputError(
                f"{self.path} is no video, or damaged or cut short ({err.strerror}); copy it again"
            ) from err


def planes_of(pixels: np.ndarray, colours: Colours) -> np.ndarray:
    """Planes as a `Frame` has them, of RGB uint8 [H, W, 3]."""
    return _planes(av.VideoFrame.from_ndarray(pixels, "rgb24"), colours)


def _video(container: av.container.InputContainer) -> av.VideoStream | None:
    """The first video; the cover of a song is none."""
    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & cover), None)


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    with contextlib.suppress(av.FFmpegError):  # the file ends within a packet
        for packet in container.demux(stream):
            with contextlib.suppress(av.FFmpegError):
                yield from packet.decode()


def _colours(frame: av.VideoFrame) -> Colours:
    """Of the planes, with what players assume where the file says nothing."""
    if frame.format.is_rgb or "pal" in frame.format.name:
        return Colours(BT709, LIMITED)
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    matrix = frame.colorspace
    if matrix == UNSPECIFIED:
        matrix = BT709 if frame.height >= HD_ROWS else BT601
    return Colours(matrix, FULL if full else LIMITED, frame.color_primaries, frame.color_trc)


def _planes(frame: av.VideoFrame, colours: Colours) -> np.ndarray:
    """uint8 [3 H / 2, W], with even sides."""
    if frame.width % 2 or frame.height % 2:
        source = {"src_colorspace": colours.matrix, "src_color_range": colours.range}
        rgb = frame.reformat(format="rgb24", dst_color_range=FULL, **source).to_ndarray()
        frame = av.VideoFrame.from_ndarray(
            np.pad(rgb, ((0, frame.height % 2), (0, frame.width % 2), (0, 0)), "edge"), "rgb24"
        )
    if frame.format.name == PLANAR:
        return frame.to_ndarray()
    source = {} if frame.format.is_rgb else {"src_colorspace": colours.matrix, "src_color_range": colours.range}
    how = {"dst_colorspace": colours.matrix, "dst_color_range": colours.range, **source}
    return frame.reformat(format=PLANAR, **how).to_ndarray()


def _split(planes: np.ndarray) -> list[np.ndarray]:
    """Views: luma [H, W], and both planes of chroma [H / 2, W / 2]."""
    height, width = len(planes) * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    return [planes[:height], *chroma]


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """How a player turns and mirrors a frame: (a, b, c, d), each -1, 0 or 1; (x, y) goes to (a x + c y, b x + d y).

    A turn by no multiple of 90 degrees counts as none.
    """
    for data in frame.side_data:
        if data.type.name == ROTATION:
            a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
            signs = tuple((x > 0) - (x < 0) for x in (a, b, c, d))
            if abs(signs[0] * signs[3] - signs[1] * signs[2]) == 1 and 0 in signs:
                return signs
    return 1, 0, 0, 1


def _upright(planes: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    if matrix == (1, 0, 0, 1):
        return planes
    a, b, c, d = matrix
    parts = []
    for plane in _split(planes):
        plane = plane if a else plane.T
        parts.append(plane[:: b + d, :: a + c])
    return np.concatenate([part.ravel() for part in parts]).reshape(-1, parts[0].shape[1])
