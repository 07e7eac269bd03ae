"""BMP, TIFF, GIF and AVIF: the pixels that the files mean, or one line. Tolerances are derived where they are not zero."""

import io
import struct

import numpy as np
import PIL
import pytest
from PIL import Image

from stylemap import decoding, resampling
from stylemap.datasets import ImageFolder
from stylemap.decoding import channels
from stylemap.errors import InputError

from .files import HAS_AVIF, bmp, encoded, grey_tiff, noise, tiff

H, W = 5, 7
RGB = {256: W, 257: H, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: H}  # tags of a TIFF

needs_avif = pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour [H, W, 3] in 0..255 and alpha [H, W, 1] in 0..1."""
    return colour * alpha + 255 * (1 - alpha)


class TestEveryFormat:
    KINDS = [
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
    ]

    @pytest.mark.parametrize(("kind", "options"), KINDS)
    def test_pixels(self, kind, options, tmp_path):
        rgb = noise(H, W)
        data = encoded(rgb, kind, **options)
        assert np.array_equal(decoding.decode(data), rgb)
        assert np.array_equal(decoding.decode_square(data, 3), resampling.fit(rgb, 3))
        assert decoding.read_size(io.BytesIO(data)) == (W, H)
        assert decoding.inspect(data) == decoding.FileInfo(kind, "RGB", W, H, False, False, False)
        (tmp_path / "a").write_bytes(data)
        assert np.array_equal(decoding.decode(tmp_path / "a"), rgb)

    def test_gif(self):
        palette = Image.fromarray(noise(H, W)).quantize(20)
        assert np.array_equal(decoding.decode(encoded(palette, "GIF")), np.asarray(palette.convert("RGB")))

    @needs_avif
    def test_avif(self):
        y, x = np.mgrid[:32, :48]
        rgb = np.stack([7 * y, 5 * x, 90 + 0 * x], -1).astype(np.uint8)
        data = encoded(rgb, "AVIF", quality=95, subsampling="4:4:4")
        assert abs(decoding.decode(data).astype(int) - rgb).max() <= 8  # of a smooth image; most are within 2
        assert decoding.read_size(data) == (48, 32)
        assert decoding.inspect(data).kind == "AVIF"

    @needs_avif
    def test_avif_under_the_brand_of_all_heifs(self):
        data = encoded(Image.new("RGB", (16, 16), (9, 120, 40)), "AVIF")
        data = data.replace(b"ftypavif", b"ftypmif1", 1)
        assert abs(decoding.decode(data).astype(int) - [9, 120, 40]).max() <= 4

    def test_the_first_of_several(self):
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        for kind in ("GIF", "TIFF"):
            data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
            assert (decoding.decode(data) == [255, 0, 0]).all()

    def test_folders_find_them_by_their_endings(self, tmp_path):
        for name, kind in {"a.BMP": "BMP", "b.tif": "TIFF", "c.tiff": "TIFF", "d.gif": "GIF", "e.dib": "BMP"}.items():
            Image.new("RGB", (16, 16), (10, 20, 30)).save(tmp_path / name, kind)
        data = ImageFolder(tmp_path, 8)
        assert len(data) == 5
        assert all((data[i] == [10, 20, 30]).all() for i in range(5))

    @pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF", "AVIF"])
    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    def test_damage_anywhere_is_an_input_error_or_a_picture(self, kind):
        if kind == "AVIF" and not HAS_AVIF:
            pytest.skip("this Pillow has no AVIF")
        rng = np.random.default_rng(0)
        whole = np.frombuffer(encoded(noise(9, 12), kind), np.uint8)
        for _ in range(100):
            broken = whole[: rng.integers(1, len(whole) + 1)].copy()
            broken[rng.integers(0, len(broken), 3)] = rng.integers(0, 256, 3)
            try:
                assert decoding.decode_square(broken.tobytes(), 4).shape == (4, 4, 3)
            except InputError as err:
                assert "\n" not in str(err)

    @pytest.mark.parametrize("kind", ["BMP", "TIFF", "GIF"])
    def test_cut_short(self, kind):
        data = encoded(noise(40, 40), kind)
        data = data[: data.index(noise(40, 40).tobytes()[:50]) + 400] if kind == "TIFF" else data[:-300]
        with pytest.raises(InputError, match="is damaged or cut short"):
            decoding.decode(data)


class TestTiff:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("compression", [None, "tiff_lzw"])
    def test_grey_16_bit(self, order, compression):
        values = np.random.default_rng(0).integers(0, 65536, (H, W), dtype=np.uint16)
        data = grey_tiff(values, order) if compression is None else encoded(values, "TIFF", compression=compression)
        assert abs(decoding.decode(data)[..., 0] - values / 257).max() <= 0.5

    def test_grey_12_bit(self):
        # 0, 4095, 2048, 1 in 12 bits each
        tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 277: 1, 278: 1}
        data = tiff(tags, bytes.fromhex("000fff800001"))
        assert abs(decoding.decode(data)[0, :, 0] - np.array([0, 4095, 2048, 1]) * 255 / 4095).max() <= 0.51

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_white_is_zero(self, dtype):
        values = np.array([[0, 1000 % (np.iinfo(dtype).max + 1), np.iinfo(dtype).max]], dtype)
        data = grey_tiff(values, t262=0)
        expected = (1 - values / np.iinfo(dtype).max) * 255
        assert abs(decoding.decode(data)[..., 0] - expected).max() <= 0.5

    def test_zero_is_black_where_nothing_is_said(self):
        values = noise(H, W, 1)[..., 0]
        data = tiff({256: W, 257: H, 258: 8, 259: 1, 277: 1, 278: H}, values.tobytes())
        assert np.array_equal(decoding.decode(data)[..., 0], values)

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("extra", [0, 1, 2], ids=["no alpha", "premultiplied", "alpha"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_fourth_channel(self, channels, extra, order):
        alpha = noise(H, W, 1, seed=1)
        colour = noise(H, W, channels)
        stored_colour = np.rint(colour * (alpha / 255)).astype(np.uint8) if extra == 1 else colour
        if channels == 1 and extra < 2 and int(PIL.__version__.split(".")[0]) < 13:
            pytest.skip("this Pillow does not read it, and says so")
        tags = {**RGB, 258: (8,) * (channels + 1), 262: 2 if channels == 3 else 1, 277: channels + 1, 338: extra}
        data = tiff(tags, np.concatenate([stored_colour, alpha], -1).tobytes(), order)
        expected = over_white(colour, alpha / 255) if extra else colour
        # roundings: of the blend, and of what is premultiplied before and after
        assert abs(decoding.decode(data) - expected).max() <= (1.5 if extra == 1 else 0.5)

    def test_colour_16_bit(self):
        values = np.random.default_rng(0).integers(0, 65536, (H, W, 3), dtype=np.uint16)
        data = tiff({**RGB, 258: (16, 16, 16)}, values.tobytes())
        assert abs(decoding.decode(data) - values / 257).max() < 1  # the upper byte is kept

    @pytest.mark.parametrize("ink", [(0, 0, 0, 0), (255, 0, 0, 0), (10, 200, 60, 40), (0, 0, 0, 255)])
    def test_cmyk(self, ink):
        data = tiff({**RGB, 258: (8,) * 4, 262: 5, 277: 4}, bytes(ink) * (H * W))
        c, m, y, k = ink
        expected = [(255 - part) * (255 - k) / 255 for part in (c, m, y)]
        assert abs(decoding.decode(data)[0, 0] - np.array(expected)).max() <= 1

    @pytest.mark.parametrize(("lightness", "grey"), [(0, 0), (128, 119), (255, 255)])
    def test_lab(self, lightness, grey):
        data = tiff({**RGB, 262: 8}, bytes([lightness, 0, 0]) * (H * W))
        # L* = 50.2 is Y = 0.185, which is 119.0 in sRGB; the conversion works with 16 bits and tables
        assert abs(decoding.decode(data).astype(int) - grey).max() <= 1

    def test_palette(self):
        colours = noise(1, 256)[0]
        index = noise(H, W, 1)[..., 0]
        tags = {**RGB, 258: 8, 262: 3, 277: 1, 320: tuple((colours.T.astype(int) * 257).ravel().tolist())}
        assert np.array_equal(decoding.decode(tiff(tags, index.tobytes())), colours[index])

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_orientation(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        rgb = noise(H, W)
        same = encoded(rgb, "PNG", exif=exif)  # which is tested on its own
        data = tiff({**RGB, 274: orientation}, rgb.tobytes())
        assert np.array_equal(decoding.decode(data), decoding.decode(same))
        assert decoding.inspect(data).turned == (orientation > 1)
        assert np.array_equal(channels.read(data, "a").colour, decoding.decode(same))

    def test_orientation_of_16_bits_at_full_depth(self):
        values = np.random.default_rng(0).integers(0, 65536, (H, W, 3), dtype=np.uint16)
        data = tiff({**RGB, 258: (16, 16, 16), 274: 3}, values.tobytes())
        assert np.array_equal(channels.read(data, "a").colour, values[::-1, ::-1])

    @pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint32, np.int16])
    def test_numbers_without_a_white_are_refused(self, dtype):
        for read in (decoding.decode, decoding.inspect, lambda data, name: decoding.decode_square(data, 4, name)):
            with pytest.raises(
                InputError, match=r"^a\.tif is stored in a way that is not read .*; export it as PNG or JPEG$"
            ):
                read(grey_tiff(np.ones((H, W), dtype)), "a.tif")

    @pytest.mark.parametrize(
        "tags",
        [
            {**RGB, 258: (16, 16, 16), 284: 2},  # Pillow makes noise of it
            {**RGB, 262: 6},  # colours at half the size: out of step
            {**RGB, 258: (4, 4, 4)},
            {**RGB, 259: 34713},  # a camera's own compression
        ],
        ids=["16-bit planes", "YCbCr 4:2:0", "4 bits a colour", "unknown compression"],
    )
    def test_what_would_come_out_wrong_is_refused(self, tags):
        with pytest.raises(InputError, match="is stored in a way that is not read"):
            decoding.decode(tiff(tags, bytes(H * W * 6)))

    @pytest.mark.parametrize("tags", [{"t254": 1}, {"t50706": (1, 4, 0, 0)}], ids=["NEF, ARW", "DNG"])
    def test_the_preview_of_a_raw_file_is_not_the_photo(self, tags):
        for read in (decoding.decode, decoding.read_size):
            with pytest.raises(InputError, match="begins with a preview, as raw files of cameras do"):
                read(grey_tiff(noise(H, W, 1)[..., 0], **tags))


class TestGif:
    def test_transparent_colour(self):
        index = Image.frombytes("P", (2, 2), bytes([0, 1, 1, 0]))
        index.putpalette([10, 20, 30, 40, 50, 60])
        out = decoding.decode(encoded(index, "GIF", transparency=1))
        assert out.tolist() == [[[10, 20, 30], [255] * 3], [[255] * 3, [10, 20, 30]]]

    @pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
    def test_what_the_first_frame_leaves_out_is_transparent(self, version):
        data = encoded(Image.new("RGB", (2, 2), (10, 20, 30)), "GIF")
        screen = version + struct.pack("<HH", 6, 4) + data[10:]
        at = screen.index(b",")
        screen = screen[: at + 1] + struct.pack("<HH", 3, 1) + screen[at + 5 :]
        expected = np.full((4, 6, 3), 255)
        expected[1:3, 3:5] = [10, 20, 30]
        assert np.array_equal(decoding.decode(screen), expected)


class TestBmp:
    MASKS = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)

    def test_alpha(self):
        bgra = noise(4, 4, 4)
        data = bmp(bgra[::-1].tobytes(), 4, 4, 32, self.MASKS, compression=3)
        expected = over_white(bgra[..., 2::-1], bgra[..., 3:] / 255)
        assert abs(decoding.decode(data) - expected).max() <= 1

    def test_alpha_that_is_nowhere_set_is_none(self):
        bgra = noise(4, 4, 4)
        bgra[..., 3] = 0
        data = bmp(bgra[::-1].tobytes(), 4, 4, 32, self.MASKS, compression=3)
        assert np.array_equal(decoding.decode(data), bgra[..., 2::-1])

    def test_fourth_byte_is_no_alpha(self):
        bgrx = noise(4, 4, 4)
        assert np.array_equal(decoding.decode(bmp(bgrx[::-1].tobytes(), 4, 4, 32)), bgrx[..., 2::-1])

    @pytest.mark.parametrize("mode", ["1", "L", "P"])
    def test_fewer_bits(self, mode):
        picture = Image.fromarray(noise(H, W)).convert(mode)
        assert np.array_equal(decoding.decode(encoded(picture, "BMP")), np.asarray(picture.convert("RGB")))


class TestOrientation:
    @needs_avif
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_of_avif(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        rgb = np.zeros((16, 32, 3), np.uint8)
        rgb[:8, :16] = 255  # one quarter is white
        same = encoded(rgb, "PNG", exif=exif)
        found, expected = decoding.decode(encoded(rgb, "AVIF", quality=100, exif=exif)), decoding.decode(same)
        assert found.shape == expected.shape
        assert abs(found.astype(int) - expected).mean() < 2  # another quarter would be off by 127

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_of_broken_exif_is_none(self, kind):
        for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0", b"nonsense"):
            assert decoding.read_size(encoded(noise(3, 5), kind, exif=exif)) == (5, 3)
            assert decoding.decode(encoded(noise(3, 5), kind, exif=exif)).shape == (3, 5, 3)
