"""PNG as its chunks say: transparent colours of every kind, and what stands around the pixels."""

import zlib

import numpy as np
import pytest
from PIL import Image

from stylemap import decoding
from stylemap.decoding import png as png_module
from stylemap.errors import InputError

from .files import chunk, encoded, noise, png

GREY, RGB, PALETTE = 0, 2, 3
WHITE = [255, 255, 255]


def packed(values: np.ndarray, depth: int) -> list[bytes]:
    """Rows of samples [H, W] or [H, W, C] of 1 to 16 bits."""
    values = values.reshape(len(values), -1)
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in values]
    bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :].reshape(len(values), -1)
    return [row.tobytes() for row in np.packbits(bits, axis=-1)]


def words(*values: int) -> bytes:
    return np.array(values, ">u2").tobytes()


class TestTransparentColour:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("high_bits", [0, 0xFF00], ids=["", "bits above the depth are left out"])
    def test_of_grey(self, depth, high_bits):
        if depth == 16 and high_bits:
            pytest.skip("no bits are above")
        most = (1 << depth) - 1
        values = np.array([[0, 1, most], [most, 1, 0]])
        key = 40000 if depth == 16 else 1
        values[values == 1] = key
        data = png((3, 2), depth, GREY, packed(values, depth), chunk(b"tRNS", words(key | high_bits)))
        shown = np.where(values == key, 255, np.rint(values * 255 / most))
        assert np.array_equal(decoding.decode(data), shown[..., None].repeat(3, -1))
        assert decoding.inspect(data).transparent

    @pytest.mark.parametrize("depth", [8, 16])
    def test_of_rgb(self, depth):
        key, near = ([40000, 300, 7], [40001, 300, 7]) if depth == 16 else ([200, 3, 7], [201, 3, 7])
        values = np.array([[key, near], [near, key]])
        data = png((2, 2), depth, RGB, packed(values, depth), chunk(b"tRNS", words(*key)))
        out = decoding.decode(data)
        assert out[0, 0].tolist() == out[1, 1].tolist() == WHITE
        # of 16 bits the upper 8 are kept, which is off by less than one level
        assert abs(out[0, 1] - np.array(near) * 255 / ((1 << depth) - 1)).max() < 1

    @pytest.mark.parametrize("depth", [1, 2, 4, 8])
    def test_of_a_palette(self, depth):
        colours = np.array([[10, 20, 30], [40, 50, 60]])
        data = png(
            (4, 1),
            depth,
            PALETTE,
            packed(np.array([[0, 1, 1, 0]]), depth),
            chunk(b"PLTE", colours.astype(np.uint8).tobytes()),
            chunk(b"tRNS", bytes([128, 0, 9, 9, 9])),  # more entries than colours
        )
        half = (colours[0] * 128 + 255 * 127) / 255
        out = decoding.decode(data)
        assert abs(out[0, [0, 3]] - half).max() <= 1  # two roundings of Pillow
        assert out[0, 1].tolist() == out[0, 2].tolist() == WHITE

    def test_too_short_is_damage(self):
        data = png((1, 1), 8, RGB, [b"abc"], chunk(b"tRNS", b"\0"))
        with pytest.raises(InputError, match="is damaged or cut short"):
            decoding.decode(data)


class TestWhatIsNotNeeded:
    PIXELS = noise(20, 20)

    def file(self, *extra: bytes, after: bytes = b"") -> bytes:
        return png((20, 20), 8, RGB, [row.tobytes() for row in self.PIXELS], *extra, after=after)

    @pytest.mark.parametrize(
        "extra",
        [
            chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b'{"node": 1}' * 200_000)),
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>" * 500_000)),
            chunk(b"tEXt", b"prompt\0" + bytes(2_000_000)),
            chunk(b"iCCP", b"large\0\0" + zlib.compress(bytes(1_500_000))),
            chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(20_000_000))),
            chunk(b"iCCP", b"broken\0\0" + b"no profile"),
            chunk(b"tEXt", b"a\0b", damage=1),
            chunk(b"tIME", b"short", damage=1),
            chunk(b"iCCP", b"broken", damage=1),
            chunk(b"eXIf", b"broken", damage=1),
            chunk(b"PLTE", bytes(6), damage=1),
            chunk(b"prVt", bytes(10)),
            chunk(b"acTL", b"broken"),
        ],
        ids=lambda extra: extra[4:8].decode(),
    )
    def test_does_not_spoil_the_pixels(self, extra):
        for data in (self.file(extra), self.file(after=extra)):
            assert np.array_equal(decoding.decode(data), self.PIXELS)
            assert decoding.read_size(data) == (20, 20)
            assert decoding.inspect(data).plain

    def test_header_beyond_any_preview_is_found(self, tmp_path):
        (tmp_path / "a.png").write_bytes(self.file(chunk(b"tEXt", b"prompt\0" + bytes(1_000_000))))
        with (tmp_path / "a.png").open("rb") as stream:
            assert decoding.read_size(stream) == (20, 20)

    def test_without_an_end(self):
        assert np.array_equal(decoding.decode(self.file()[:-12]), self.PIXELS)

    def test_orientation_after_the_pixels(self):
        exif = Image.Exif()
        exif[0x0112] = 3
        data = self.file(after=chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
        assert np.array_equal(decoding.decode(data), self.PIXELS[::-1, ::-1])

    def test_pixels_in_many_pieces(self):
        whole = self.file()
        at = whole.index(b"IDAT")
        size = int.from_bytes(whole[at - 4 : at], "big")
        body = whole[at + 4 : at + 4 + size]
        pieces = b"".join(chunk(b"IDAT", body[i : i + 7]) + chunk(b"IDAT", b"") for i in range(0, size, 7))
        assert np.array_equal(decoding.decode(whole[: at - 4] + pieces + chunk(b"IEND", b"")), self.PIXELS)


class TestWhatIsNeeded:
    """A wrong pixel is never shown: checksums tell what unpacking would not."""

    @pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
    def test_damage_is_told(self, kind):
        data = bytearray(encoded(Image.fromarray(noise(30, 30)).quantize(8), "PNG", transparency=1))
        at = data.index(kind) + 4
        size = int.from_bytes(data[at - 8 : at - 4], "big")
        data[at + size] ^= 1
        with pytest.raises(
            InputError, match=rf"the checksum of its part {kind.decode()} is wrong\); copy or export it"
        ):
            decoding.decode(bytes(data))

    def test_unknown_critical_part(self):
        with pytest.raises(InputError, match="it has an unknown part CgBI"):
            decoding.decode(png((1, 1), 8, RGB, [b"abc"], chunk(b"CgBI", bytes(4))))

    @pytest.mark.parametrize(("kind", "channels"), [(GREY, 1), (RGB, 3), (6, 4)])
    def test_missing_rows(self, kind, channels):
        """The packed pixels end as they should, but too early."""
        rows = [bytes([200]) * 20 * channels] * 20
        assert decoding.decode(png((20, 20), 8, kind, rows)).shape == (20, 20, 3)
        black = [*rows[1:], bytes(20 * channels)]
        assert decoding.decode(png((20, 20), 8, kind, black)).shape == (20, 20, 3)
        for read in (decoding.decode, decoding.inspect, lambda data: decoding.decode_square(data, 4)):
            with pytest.raises(InputError, match=r"it ends before its last row\); copy or export it"):
                read(png((20, 20), 8, kind, rows[:19]))
        with pytest.raises(InputError, match=r"it has \d+ bytes for 20 x 1000000 pixels"):
            decoding.decode(png((20, 1_000_000), 8, kind, rows))

    @pytest.mark.parametrize("side", [1, 2, 5, 8, 21])
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_black_and_interlaced(self, side, depth):
        """Nothing is missing, although the last row is zero."""
        black = np.zeros((side, side), int)
        parts = (black[top::down, left::across] for left, top, across, down in png_module.PASSES)
        rows = [row for part in parts if part.size for row in packed(part, depth)]
        plain, data = (png((side, side), depth, GREY, rows) for rows in (packed(black, depth), rows))
        header = data[16:28] + b"\1"
        for whole in (plain, data[:8] + chunk(b"IHDR", header) + data[33:]):
            assert not decoding.decode(whole).any()

    def test_no_pixels(self):
        data = encoded(Image.new("RGB", (4, 4)), "PNG")
        with pytest.raises(InputError, match="it ends before its pixels"):
            decoding.read_size(data[: data.index(b"IDAT") - 4])
