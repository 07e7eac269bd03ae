"""What a small file may become: no image of a few bytes fills the memory or takes minutes, whatever it claims.

Sizes are chosen so that nothing large is allocated where the bound holds.
"""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stylemap import decoding
from stylemap.decoding import opening
from stylemap.errors import InputError

from .files import HAS_AVIF, chunk, encoded, grey_tiff, jpeg_of_size, noise, png, tiff

SMALL = Image.new("RGB", (16, 16), (200, 30, 90))
TOO_FEW = "too few for so large an image; make it smaller first$"


def png_of_size(width: int, height: int, colour_type: int) -> bytes:
    return png((width, height), 8, colour_type, [bytes(1000)])


def gif_of_size(width: int, height: int) -> bytes:
    data = encoded(SMALL, "GIF")
    at = data.index(b",")
    size = struct.pack("<HH", width, height)
    return data[:6] + size + data[10 : at + 5] + size + data[at + 9 :]


def heif_of_size(kind: str, width: int, height: int) -> bytes:
    data = encoded(SMALL, kind)
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def claims(width: int, height: int) -> dict[str, bytes]:
    """Small files that claim a size."""
    files = {
        f"{mode} {'progressive' if progressive else 'baseline'}.jpg": jpeg_of_size(
            encoded(SMALL.convert(mode), "JPEG", progressive=progressive), width, height
        )
        for mode in ("L", "RGB", "CMYK")
        for progressive in (False, True)
    }
    files |= {f"{kind}.png": png_of_size(width, height, kind) for kind in (2, 6)}
    files["a.gif"] = gif_of_size(width, height)
    for compression in (1, 5, 8):
        tags = {256: width, 257: height, 258: (8, 8, 8), 259: compression, 262: 2, 277: 3, 278: height}
        files[f"{compression}.tif"] = tiff(tags, bytes(100))
    if HAS_AVIF:
        files["a.avif"] = heif_of_size("AVIF", width, height)
    return files


@pytest.mark.parametrize("name", claims(8, 8))
def test_what_a_file_claims_must_fit_its_bytes(name):
    data = claims(14_400, 12_400)[name]  # 179 million is the most that all of Pillow's readers take
    for read in (decoding.decode, lambda data: decoding.decode_square(data, 64)):
        with pytest.raises(InputError, match=f"{TOO_FEW}|it has .* bytes for 14400 x 12400 pixels"):
            read(data)


def test_a_jpeg_has_a_bit_for_each_block():
    data = encoded(Image.new("L", (16, 16)), "JPEG")
    side = int((512 * len(data)) ** 0.5)
    assert decoding.decode(jpeg_of_size(data, side, side)).shape == (side, side, 3)  # libjpeg fills up what is missing
    with pytest.raises(InputError, match=r"damaged or cut short \(it has \d+ bytes for"):
        decoding.decode(jpeg_of_size(data, side + 1, side + 1))


@pytest.mark.parametrize("size", [(16_383, 12_000), (16_383, 16_383)])
def test_webp(size):
    data = bytearray(encoded(SMALL, "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    (width, height) = size
    data[at : at + 4] = struct.pack("<I", width - 1 | (height - 1) << 14)
    with pytest.raises(InputError, match=f"{TOO_FEW}|million pixels; make it smaller first"):
        decoding.decode(bytes(data))


def test_bytes_earn_pixels(monkeypatch):
    monkeypatch.setattr(opening, "MEMORY", 10_000)
    picture = noise(100, 100)  # 70,000 bytes of memory
    assert np.array_equal(decoding.decode(encoded(picture, "PNG")), picture)
    with pytest.raises(InputError, match=rf"^a\.png claims 100 x 100 pixels in \d+ bytes, {TOO_FEW}"):
        decoding.decode(encoded(Image.new("RGB", (100, 100)), "PNG"), "a.png")
    assert decoding.decode(encoded(Image.new("RGB", (30, 30)), "PNG")).shape == (30, 30, 3)


@pytest.mark.parametrize(("passes", "size"), [(10, (16, 16)), (1000, (16, 16)), (30, (9000, 9000)), (30_000, (16, 16))])
def test_scans_of_a_jpeg(passes, size):
    data = encoded(SMALL, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    data = data[:-2] + data[last:-2] * (passes - data.count(b"\xff\xda")) + data[-2:]
    data = jpeg_of_size(data, *size) + bytes(size[0] * size[1] // 512)  # the end is long enough for the size
    if passes * (size[0] * size[1] + 100_000) < 2_000_000_000:
        assert decoding.decode(data).shape == (16, 16, 3)
    else:
        with pytest.raises(InputError, match=f"it goes over its pixels {passes} times"):
            decoding.decode(data)


class TestPieces:
    """Of what stands around the pixels nothing is read that they do not need."""

    HEAD, REST = encoded(SMALL, "JPEG")[:2], encoded(SMALL, "JPEG")[2:]
    WHOLE = decoding.decode(HEAD + REST)

    @pytest.mark.parametrize(
        "extra",
        [
            b"\xff\xe1\0\x09Exif\0\0x"
            * 100_000,  # Pillow joins them, in time that grows with the square of their number
            (b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)) * 20,
            b"\xff\xfe\0\2" * 50_000,
            b"\xff" * 50_000,
            b"\xff\0" * 50_000,
        ],
        ids=["exif", "large exif", "comments", "fill", "junk"],
    )
    def test_of_a_jpeg(self, extra):
        data = self.HEAD + extra + self.REST
        assert np.array_equal(decoding.decode(data), self.WHOLE)
        assert decoding.read_size(io.BytesIO(data)) == (16, 16)
        picture = decoding.open_with_metadata(data)
        assert picture is None or picture.size == (16, 16)

    def test_of_a_png(self):
        rows = [bytes(range(60))] * 20
        data = png((20, 20), 8, 2, rows, *[chunk(b"tEXt", b"")] * 20_000, after=chunk(b"IDAT", b"") * 20_000)
        assert np.array_equal(decoding.decode(data), decoding.decode(png((20, 20), 8, 2, rows)))

    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    def test_exif_whose_tags_share_their_values(self):
        # 500 tags of a megabyte each, all of them the same: no one asks for any but the orientation
        tags = b"".join(struct.pack("<HHII", 1000 + i, 1, 1_000_000, 8) for i in range(500))
        exif = b"II*\0" + struct.pack("<IH", 8, 501) + struct.pack("<HHII", 0x0112, 3, 1, 3) + tags + bytes(1_000_000)
        data = png((5, 3), 8, 2, [row.tobytes() for row in noise(3, 5)], chunk(b"eXIf", exif))
        assert np.array_equal(decoding.decode(data), noise(3, 5)[::-1, ::-1])

    def test_strips_of_a_tiff(self):
        grey = np.zeros((4, 4), np.uint8)
        with pytest.raises(InputError, match="it is cut into too many pieces"):
            decoding.decode(grey_tiff(grey, t324=tuple([8] * 500_001)))

    def test_tiles_of_a_tiff(self):
        tags = {256: 10, 257: 10, 258: 8, 259: 5, 262: 1, 277: 1, 322: 65_520, 323: 65_520, 324: 8, 325: 10}
        with pytest.raises(InputError, match="its tiles are larger than any image"):
            decoding.decode(tiff(tags, bytes(10)))

    def test_run_lengths_of_a_bmp(self):
        palette = bytes([1, 2, 3, 0]) + bytes(1020)
        info = struct.pack("<IiiHHIIiiII", 40, 5000, 5000, 1, 8, 1, 2, 0, 0, 0, 0)
        data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette)) + info + palette + b"\0\1"
        with pytest.raises(InputError, match="5000 x 5000 pixels in run lengths.*; export it as PNG or JPEG"):
            decoding.decode(data)


def test_too_little_memory_is_one_line(monkeypatch):
    def none(*_):
        raise MemoryError

    monkeypatch.setattr("stylemap.decoding.colours.rgb", none)
    with pytest.raises(InputError, match=r"^a\.png is 16 x 16: it does not fit into memory; make it smaller first$"):
        decoding.decode(encoded(SMALL, "PNG"), "a.png")


def test_pixels_that_unpack_to_more_are_not_unpacked_further():
    data = png((4, 4), 8, 0, [bytes(4)] * 4, after=b"")
    at = data.index(b"IDAT")
    bomb = zlib.compress(bytes(20 + 50_000_000))
    assert decoding.decode(data[: at - 4] + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")).shape == (4, 4, 3)


def test_a_file_too_large_to_be_a_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(SMALL, "PNG"))
    os.truncate(path, decoding.LARGEST_FILE + 1)  # sparse: takes no space
    for read in (decoding.decode, decoding.read_size):
        with pytest.raises(InputError, match=r"a\.png has more than 1 GiB; make it smaller first$"):
            read(path)
