"""Moving pictures: the only place that writes them, frame after frame as they come.

Pillow compresses single frames; the files around them are written here, as Pillow's own writers hold all frames in memory
and join equal ones, which changes their number. A frame is stored as the rectangle that differs from the one before.
"""

import io
import itertools
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylemap import images
from stylemap.errors import InputError
from stylemap.files import atomic
from stylemap.photos import formats

SLOWEST = 0.1  # fps; slower ones overflow the 16 bits of a duration
FASTEST = 50  # fps; viewers show faster GIFs at 10
PALETTE_FRAMES, PALETTE_PIXELS = 64, 1 << 16  # at most, and about so many, that the colours of a GIF are chosen from
H264_CRF = "16"  # 0 loses nothing, 23 is the usual
BT709, LIMITED = 1, 1  # ITU-T H.273: the matrix, primaries and transfer of HD; values 16 .. 235


class Change(NamedTuple):
    """What of a frame is new."""

    left: int
    top: int
    pixels: np.ndarray  # uint8 [h, w, 3]


def write(path: str | Path, frames: Iterable[Tensor], fps: float = 12.5, loop: bool = True) -> None:
    """Write a film: .gif, lossless .webp or .png (APNG), or .mp4 (H.264, or MPEG-4 where that is missing), by suffix.

    Batches are taken when they are needed and dropped as uint8 is made of them, so that the length of a film costs no
    memory. A GIF waits on the disk, 3 bytes a pixel, until the 256 colours that all its frames share are chosen. An MP4
    with an odd side repeats its last row or column. Every frame is stored, equal neighbours too. The file appears whole or
    not at all; a missing folder is made.

    Args:
        frames: images [n, 3, H, W] in [-1, 1], any number of batches of any n; or a tensor of all.
        fps: frames per second, 0.1 to 50. GIF counts in 10 ms and the others but MP4 in 1 ms: single frames last so much
            more or less, the whole keeps its length.
        loop: repeat for ever, or play once. An MP4 does not know; players decide.

    Raises:
        InputError: a suffix that is not written, an MP4 without PyAV, a folder that cannot be written, a full disk, or NaN.
        ValueError: no frame, frames of different sizes, a bad shape, or fps out of range.
    """
    writer = formats.by_suffix(WRITERS, path)
    if not SLOWEST <= fps <= FASTEST:
        raise ValueError(f"fps must lie in {SLOWEST} .. {FASTEST}, got {fps}")
    if writer is _write_mp4:
        _av(path)
    batches = frames.split(1) if isinstance(frames, Tensor) else frames
    with atomic(path) as temporary, open(temporary, "w+b") as file:
        writer(file, _pixels(batches), fps, loop)


def contact_sheet(frames: Iterable[Tensor], columns: int = 8) -> Tensor:
    """All frames, images [n, 3, H, W], row after row on one sheet [3, H', W'], see `images.grid`."""
    return images.grid(torch.cat(list(frames)).float().cpu(), columns)


def evenly(total: int, most: int) -> list[int]:
    """At most ``most`` of the places 0 .. total - 1, first and last among them, as evenly spaced as whole numbers are."""
    return sorted({round(i) for i in np.linspace(0, total - 1, min(total, most))})


# ---- frames


def _pixels(batches: Iterable[Tensor]) -> Iterator[np.ndarray]:
    """-> uint8 [H, W, 3], one at a time."""
    shape = None
    for batch in batches:
        for frame in images.to_uint8(batch).cpu().numpy():
            shape = shape or frame.shape
            if frame.shape != shape:
                raise ValueError(f"frames must be of one size, got {shape} and {frame.shape}")
            yield frame
    if shape is None:
        raise ValueError("a film needs at least one frame")


def _changes(frames: Iterable[np.ndarray], even: bool = False) -> Iterator[Change]:
    """The first frame whole, of the others what changed, one pixel at least; ``even``: at even places."""
    before = None
    for frame in frames:
        changed = np.ones(frame.shape[:2], bool) if before is None else (frame != before).any(axis=2)
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        top, left = (int(at[0]) if len(at) else 0 for at in (rows, columns))
        bottom, right = (int(at[-1]) + 1 if len(at) else 1 for at in (rows, columns))
        if even:
            top, left = top // 2 * 2, left // 2 * 2
        yield Change(left, top, frame[top:bottom, left:right])
        before = frame


def _durations(fps: float, tick: int = 1) -> Iterator[int]:
    """Whole ticks [ms] of one frame after the other, so that their sum is never off by more than half a tick."""
    k = 0
    while True:
        yield round((k + 1) * 1000 / fps / tick) - round(k * 1000 / fps / tick)
        k += 1


def _encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- APNG (PNG specification, third edition, section 11.3.6)


def _write_apng(file: BinaryIO, frames: Iterator[np.ndarray], fps: float, loop: bool) -> None:
    count = numbers = 0  # frames; sequence numbers, which count the control and data chunks together
    for change, duration in zip(_changes(frames), _durations(fps), strict=False):
        height, width = change.pixels.shape[:2]
        header, data = _png_parts(change.pixels)
        if count == 0:
            file.write(b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header))
            at = file.tell()
            file.write(_png_chunk(b"acTL", bytes(8)))
        place = struct.pack(">IIII", width, height, change.left, change.top)
        # over the last frame, as it is: neither cleared nor blended
        file.write(_png_chunk(b"fcTL", struct.pack(">I", numbers) + place + struct.pack(">HHBB", duration, 1000, 0, 0)))
        numbers += 1
        if count == 0:
            file.write(_png_chunk(b"IDAT", data))
        else:
            file.write(_png_chunk(b"fdAT", struct.pack(">I", numbers) + data))
            numbers += 1
        count += 1
    file.write(_png_chunk(b"IEND", b""))
    file.seek(at)
    file.write(_png_chunk(b"acTL", struct.pack(">II", count, 0 if loop else 1)))


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_parts(pixels: np.ndarray) -> tuple[bytes, bytes]:
    """-> the header and the compressed pixels of a PNG."""
    png = _encoded(Image.fromarray(pixels), "PNG")
    parts, at = {b"IHDR": b"", b"IDAT": b""}, 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind in parts:
            parts[kind] += png[at + 8 : at + 8 + length]
        at += length + 12
    return parts[b"IHDR"], parts[b"IDAT"]


# ---- WebP (RFC 9649)


def _write_webp(file: BinaryIO, frames: Iterator[np.ndarray], fps: float, loop: bool) -> None:
    for k, (change, duration) in enumerate(zip(_changes(frames, even=True), _durations(fps), strict=False)):
        size = _24_bits(change.pixels.shape[1] - 1) + _24_bits(change.pixels.shape[0] - 1)
        if k == 0:
            file.write(b"RIFF" + bytes(4) + b"WEBP")
            file.write(_riff_chunk(b"VP8X", b"\x02\0\0\0" + size))  # the bit says that it moves
            file.write(_riff_chunk(b"ANIM", bytes(4) + struct.pack("<H", 0 if loop else 1)))
        place = _24_bits(change.left // 2) + _24_bits(change.top // 2)
        picture = _encoded(Image.fromarray(change.pixels), "WEBP", lossless=True)[12:]  # without the RIFF header
        # the bit: over the last frame, not blended with it
        file.write(_riff_chunk(b"ANMF", place + size + _24_bits(duration) + b"\x02" + picture))
    length = file.tell() - 8
    file.seek(4)
    file.write(struct.pack("<I", length))


def _24_bits(number: int) -> bytes:
    return number.to_bytes(3, "little")


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


# ---- GIF (version 89a)


def _write_gif(file: BinaryIO, frames: Iterator[np.ndarray], fps: float, loop: bool) -> None:
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as waiting:
        first = next(frames)
        waiting.write(first.tobytes())
        count = 1
        for frame in frames:
            waiting.write(frame.tobytes())
            count += 1

        def again(places: Iterable[int]) -> Iterator[np.ndarray]:
            for k in places:
                waiting.seek(k * first.nbytes)
                yield np.frombuffer(waiting.read(first.nbytes), np.uint8).reshape(first.shape)

        looked_at = evenly(count, PALETTE_FRAMES)
        # odd, so that it meets every column of an even width
        step = len(looked_at) * first[..., 0].size // PALETTE_PIXELS | 1
        palette = _palette(frame.reshape(-1, 3)[::step] for frame in again(looked_at))
        table = bytes(palette.getpalette()).ljust(768, b"\0")
        file.write(b"GIF89a" + struct.pack("<HHBBB", first.shape[1], first.shape[0], 0xF7, 0, 0) + table)
        if loop:
            # one that plays once has no loop count at all
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
        for change, duration in zip(_changes(again(range(count))), _durations(fps, tick=10), strict=False):
            picture = Image.fromarray(change.pixels).quantize(palette=palette, dither=Image.Dither.NONE)
            file.write(b"\x21\xf9\x04\x04" + struct.pack("<HBB", duration, 0, 0))  # left in place for the next
            file.write(b"\x2c" + struct.pack("<HHHHB", change.left, change.top, *picture.size, 0) + _lzw(picture))
        file.write(b"\x3b")


def _palette(samples: Iterable[np.ndarray]) -> Image.Image:
    """256 colours for pixels [n, 3] of all frames: one palette for each would make even what stands still flicker."""
    pixels = np.concatenate(list(samples))
    return Image.fromarray(pixels[None]).quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)


def _lzw(picture: Image.Image) -> bytes:
    """The compressed pixels of a picture with a palette, as they stand in a GIF."""
    gif = _encoded(picture, "GIF", optimize=False, interlace=False)
    at = 13 + 3 * 2 ** ((gif[10] & 7) + 1)  # past the header and the palette
    while gif[at] == 0x21:
        at += 2
        while gif[at]:
            at += gif[at] + 1
        at += 1
    return gif[at + 10 : -1]


# ---- MP4


def _write_mp4(file: BinaryIO, frames: Iterator[np.ndarray], fps: float, loop: bool) -> None:
    av = _av(file.name)
    first = next(frames)
    # colour is stored for two by two pixels
    height, width = (side + side % 2 for side in first.shape[:2])
    encoder, quality = ("libx264", {"crf": H264_CRF}) if "libx264" in av.codecs_available else ("mpeg4", {"qmax": "2"})
    try:
        # the index in front, so that a browser can begin before it has all
        with av.open(file.name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream(encoder, rate=Fraction(fps).limit_denominator(1001), options=quality)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            context = stream.codec_context
            # said, as players guess by the size of the picture
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED
            for frame in itertools.chain([first], frames):
                padded = np.pad(frame, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), "edge")
                picture = av.VideoFrame.from_ndarray(padded, "rgb24").reformat(format="yuv420p", dst_colorspace=BT709)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
    except av.FFmpegError as err:
        raise OSError(err.errno, err.strerror) from err


def _av(path: str | Path):
    try:
        import av
    except ImportError as err:
        raise InputError(
            f"cannot write {path}: MP4 needs PyAV; pip install 'stylemap[video]', or name a .gif, .webp or .png"
        ) from err
    return av


Writer = Callable[[BinaryIO, Iterator[np.ndarray], float, bool], None]
WRITERS: dict[str, Writer] = {".gif": _write_gif, ".webp": _write_webp, ".png": _write_apng, ".mp4": _write_mp4}
