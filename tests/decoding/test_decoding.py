"""Images of every mode and format against expected pixels; tolerances are derived where they are not zero."""

import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from stylemap import decoding, images, resampling
from stylemap.decoding import colours
from stylemap.errors import InputError
from tests.decoding.files import encoded, noise, png


def smooth(h: int, w: int) -> np.ndarray:
    """uint8 [h, w, 3]: red grows downwards, green to the right, blue along neither twice."""
    y, x = np.mgrid[:h, :w]
    return np.stack([255 * y / (h - 1), 255 * x / (w - 1), 60 + 120 * (y / (h - 1)) ** 2], -1).round().astype(np.uint8)


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """float [H, W, 3] in 0..255 from colour [H, W, 3] and alpha [H, W] in 0..255."""
    a = alpha[..., None] / 255
    return a * colour + (1 - a) * 255


class TestDecodeModes:
    H, W = 5, 7

    @pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True})])
    def test_rgb(self, kind, options):
        rgb = noise(self.H, self.W)
        out = decoding.decode(encoded(Image.fromarray(rgb), kind, **options))
        assert out.dtype == np.uint8
        assert np.array_equal(out, rgb)

    def test_grey(self):
        grey = noise(self.H, self.W, 1)
        assert np.array_equal(decoding.decode(encoded(Image.fromarray(grey[..., 0]), "PNG")), grey.repeat(3, -1))

    def test_one_bit(self):
        bits = noise(self.H, self.W, 1) > 127
        out = decoding.decode(encoded(Image.fromarray(bits[..., 0]), "PNG"))
        assert np.array_equal(out, bits.repeat(3, -1) * np.uint8(255))

    def test_palette(self):
        picture = Image.fromarray(noise(self.H, self.W)).quantize(8)
        assert np.array_equal(decoding.decode(encoded(picture, "PNG")), np.asarray(picture.convert("RGB")))

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_rgba_lies_over_white(self, kind):
        rgba = noise(self.H, self.W, 4)
        rgba[0, 0, 3], rgba[0, 1, 3] = 0, 255
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        out = decoding.decode(encoded(Image.fromarray(rgba), kind, **options))
        # one rounding to nearest: 0.5, and at most as much again for Pillow's integer division by 255
        assert abs(out - over_white(rgba[..., :3], rgba[..., 3])).max() <= 1
        assert out[0, 0].tolist() == [255, 255, 255]
        assert out[0, 1].tolist() == rgba[0, 1, :3].tolist()

    def test_grey_with_alpha_lies_over_white(self):
        la = noise(self.H, self.W, 2)
        picture = Image.merge("LA", [Image.fromarray(la[..., 0].copy()), Image.fromarray(la[..., 1].copy())])
        expected = over_white(la[..., :1].repeat(3, -1), la[..., 1])
        assert abs(decoding.decode(encoded(picture, "PNG")) - expected).max() <= 1  # as above

    @pytest.mark.parametrize("transparency", [2, bytes([255, 128, 0])], ids=["one index", "alpha per index"])
    def test_palette_with_transparency_lies_over_white(self, transparency):
        index = np.arange(9, dtype=np.uint8).reshape(3, 3) % 3
        palette = np.array([[200, 10, 20], [30, 100, 40], [50, 60, 70]], np.uint8)
        picture = Image.fromarray(index, "L")
        picture.putpalette(palette.tobytes())
        alpha = np.array([255, 255, 0] if transparency == 2 else list(transparency))[index]
        out = decoding.decode(encoded(picture, "PNG", transparency=transparency))
        assert abs(out - over_white(palette[index], alpha)).max() <= 1

    @pytest.mark.parametrize(
        ("picture", "key"),
        [
            (Image.new("L", (4, 4), 3), 3),
            (Image.new("1", (4, 4), 1), 1),
            (Image.new("RGB", (4, 4), (1, 2, 3)), (1, 2, 3)),
            (Image.fromarray(np.full((4, 4), 40000, np.uint16)), 40000),
        ],
        ids=["L", "1", "RGB", "I;16"],
    )
    def test_transparent_colour_key_becomes_white(self, picture, key):
        assert (decoding.decode(encoded(picture, "PNG", transparency=key)) == 255).all()

    def test_grey_16_bit_rounds_to_nearest(self):
        values = np.array([[0, 128, 129, 385, 386, 40000, 65535]], np.uint16)  # 128.5 and 385.5 are the half-way points
        out = decoding.decode(encoded(Image.fromarray(values), "PNG"))
        assert out[0, :, 0].tolist() == [0, 0, 1, 1, 2, 156, 255]
        assert (out[..., 0] == out[..., 1]).all()
        assert (out[..., 0] == out[..., 2]).all()

    @pytest.mark.parametrize("channels", [2, 3, 4], ids=["LA", "RGB", "RGBA"])
    def test_colour_16_bit(self, channels):
        values = np.random.default_rng(1).integers(0, 65536, (self.H, self.W, channels), dtype=np.uint16)
        data = png((self.W, self.H), 16, {2: 4, 3: 2, 4: 6}[channels], [row.astype(">u2").tobytes() for row in values])
        colour = values[..., : 1 if channels == 2 else 3].repeat(3 if channels == 2 else 1, -1)
        alpha = values[..., -1] if channels != 3 else np.full(values.shape[:2], 65535)
        expected = over_white(colour / 257, alpha / 257)
        # Pillow keeps the upper byte of these: colour and alpha are each off by up to 1, then the compositing's 1
        assert abs(decoding.decode(data) - expected).max() <= (1 if channels == 3 else 3)

    @pytest.mark.parametrize("colour", [(200, 30, 90), (0, 255, 0), (255, 255, 255), (12, 34, 56)])
    def test_jpeg(self, colour):
        out = decoding.decode(encoded(Image.new("RGB", (16, 16), colour), "JPEG", quality=100))
        # Y, Cb, Cr are rounded (0.5) and quantised (1/16); blue = Y + 1.772 Cb: 0.57 * 2.772 + 0.5 for rounding = 2.1
        assert abs(out.astype(int) - colour).max() <= 2

    def test_grey_jpeg(self):
        out = decoding.decode(encoded(Image.new("L", (16, 16), 77), "JPEG", quality=100))
        assert abs(out.astype(int) - 77).max() <= 1

    @pytest.mark.parametrize("ink", [(0, 0, 0, 0), (255, 0, 0, 0), (10, 200, 60, 40), (0, 0, 0, 255)])
    def test_cmyk_jpeg(self, ink):
        out = decoding.decode(encoded(Image.new("CMYK", (16, 16), ink), "JPEG", quality=100))
        c, m, y, k = ink
        expected = [(255 - part) * (255 - k) / 255 for part in (c, m, y)]
        # ink and black are each off by up to 1 through the JPEG, and the product is rounded
        assert abs(out - np.array(expected)).max() <= 3

    def test_cmyk_jpeg_without_the_mark_of_adobe_is_the_same(self):
        data = encoded(Image.fromarray(smooth(16, 16)).convert("CMYK"), "JPEG", quality=95)
        at = data.index(b"\xff\xee")
        bare = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
        assert np.array_equal(decoding.decode(bare), decoding.decode(data))

    @pytest.mark.parametrize(("at", "value", "reason"), [(4, 12, "12-bit layers"), (9, 2, "2-layer images")])
    def test_jpegs_of_other_kinds_are_told(self, at, value, reason):
        data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
        data[data.index(b"\xff\xc0") + at] = value
        with pytest.raises(
            InputError, match=f"is stored in a way that is not read .cannot handle {reason}.; export it"
        ):
            decoding.decode(bytes(data))

    def test_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
        for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
            data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
            assert (decoding.decode(data) == [255, 0, 0]).all()


class TestOrientation:
    # EXIF says on which sides of the upright image the stored row 0 and column 0 lie: here stored from upright
    STORED = {
        1: lambda u: u,
        2: lambda u: u[:, ::-1],  # row 0 = top, column 0 = right
        3: lambda u: u[::-1, ::-1],  # bottom, right
        4: lambda u: u[::-1],  # bottom, left
        5: lambda u: u.transpose(1, 0, 2),  # left, top
        6: lambda u: u[:, ::-1].transpose(1, 0, 2),  # right, top
        7: lambda u: u[::-1, ::-1].transpose(1, 0, 2),  # right, bottom
        8: lambda u: u[::-1].transpose(1, 0, 2),  # left, bottom
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_is_applied(self, orientation, kind):
        upright = noise(3, 5)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(self.STORED[orientation](upright)))
        data = encoded(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
        assert np.array_equal(decoding.decode(data), upright)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_is_applied_to_a_reduced_jpeg(self, orientation):
        upright = smooth(600, 400)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = Image.fromarray(np.ascontiguousarray(self.STORED[orientation](upright)))
        out = decoding.decode_square(encoded(stored, "JPEG", exif=exif, quality=95), 16)
        # neighbouring rows of the 16 differ by 10 or more in red, so a wrong turn is off by up to 170
        assert abs(out.astype(int) - resampling.fit(upright, 16)).max() <= 4

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_nonsense_is_ignored(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = noise(3, 5)
        assert np.array_equal(decoding.decode(encoded(Image.fromarray(upright), "PNG", exif=exif)), upright)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    def test_broken_exif_is_ignored(self):
        upright = noise(3, 5)
        data = encoded(Image.fromarray(upright), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
        assert np.array_equal(decoding.decode(data), upright)


class TestColourProfile:
    SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # the tag table with two names swapped: a profile whose red primary is green, and the other way round
    SWAPPED = SRGB.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_is_converted(self, kind):
        rgb = smooth(6, 9)
        options = {"lossless": True} if kind == "WEBP" else {}
        out = decoding.decode(encoded(Image.fromarray(rgb), kind, icc_profile=self.SWAPPED, **options))
        # the profile's numbers are 16-bit fixed point and the curve is steepest (12.9) in the dark: 1 to 2 levels
        assert abs(out.astype(int) - rgb[..., [1, 0, 2]]).max() <= 2

    def test_under_alpha_is_converted_before_compositing(self):
        rgba = np.concatenate([smooth(6, 9), np.full((6, 9, 1), 128, np.uint8)], -1)
        out = decoding.decode(encoded(Image.fromarray(rgba), "PNG", icc_profile=self.SWAPPED))
        assert abs(out - over_white(rgba[..., [1, 0, 2]], rgba[..., 3])).max() <= 2

    @pytest.mark.parametrize("profile", [SRGB, b"no profile at all", b""], ids=["sRGB", "broken", "empty"])
    def test_that_changes_nothing_leaves_pixels_exact(self, profile):
        rgb = noise(6, 9)
        assert np.array_equal(decoding.decode(encoded(Image.fromarray(rgb), "PNG", icc_profile=profile)), rgb)

    def test_of_srgb_costs_no_conversion(self):
        assert colours.profile_transform(self.SRGB, "RGB") is None
        assert colours.profile_transform(self.SWAPPED, "RGB") is not None

    def test_of_another_kind_of_picture_is_ignored(self):
        grey = noise(6, 9, 1)
        data = encoded(Image.fromarray(grey[..., 0]), "PNG", icc_profile=self.SWAPPED)
        assert np.array_equal(decoding.decode(data), grey.repeat(3, -1))


class TestBadFiles:
    NOISE = Image.fromarray(noise(64, 64))

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", r"is not an image \(JPEG, .* or HEIC\): it is empty"),
            (b"just a few words of text", r"is not an image \(JPEG, .* or HEIC\): it holds another format"),
            (encoded(NOISE, "JPEG2000"), "is really a JPEG 2000: it holds another format; convert it first"),
            (encoded(NOISE, "ICO"), "is really an icon: it holds another format; convert it first"),
            (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
            (b"\xff\xd8\xff", "damaged or cut short"),
            (encoded(NOISE, "PNG")[:2000], "damaged or cut short"),
            (encoded(NOISE, "JPEG")[:1500], "damaged or cut short"),
            (encoded(NOISE, "WEBP")[:1000], "damaged or cut short"),
        ],
        ids=["empty", "text", "jpeg 2000", "icon", "png start", "jpeg start", "png cut", "jpeg cut", "webp cut"],
    )
    @pytest.mark.parametrize("reader", [images.read, images.read_mask])
    def test_error_is_one_line_with_the_name(self, tmp_path, content, reason, reader):
        path = tmp_path / "photo.png"
        path.write_bytes(content)
        with pytest.raises(InputError, match=reason) as error:
            reader(path, 8)
        assert str(error.value).startswith(str(path))
        assert "\n" not in str(error.value)

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match=r"none\.png: no such file"):
            images.read(tmp_path / "none.png", 8)

    def test_folder(self, tmp_path):
        with pytest.raises(InputError, match="is not a file"):
            images.read(tmp_path, 8)

    def test_pipe_does_not_block(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(InputError, match="is not a file"):
            images.read(tmp_path / "pipe.png", 8)

    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    def test_damage_anywhere_is_an_input_error_or_a_picture(self):
        # 600 random damages; whatever else Pillow raises would escape here
        rng = np.random.default_rng(0)
        exif = Image.Exif()
        exif[0x0112] = 6
        for kind in ("PNG", "JPEG", "WEBP"):
            whole = np.frombuffer(encoded(self.NOISE.resize((12, 12)), kind, exif=exif), np.uint8)
            for _ in range(200):
                broken = whole[: rng.integers(1, len(whole) + 1)].copy()
                broken[rng.integers(0, len(broken), 3)] = rng.integers(0, 256, 3)
                try:
                    assert decoding.decode_square(broken.tobytes(), 4).shape == (4, 4, 3)
                except InputError:
                    continue

    def test_bytes_are_called_by_the_given_name(self):
        with pytest.raises(InputError, match=r"^upload 3 is not an image"):
            decoding.decode(b"x", name="upload 3")


class TestPixelLimit:
    def test_is_exact(self):
        data = encoded(Image.new("RGB", (10, 10)), "PNG")
        assert decoding.decode(data, max_pixels=100).shape == (10, 10, 3)
        with pytest.raises(InputError, match="10 x 10, more than"):
            decoding.decode(data, max_pixels=99)

    def test_bomb_is_refused_by_its_header(self):
        with pytest.raises(InputError, match="20000 x 20000, more than 200 million pixels; make it smaller"):
            decoding.decode(png((20000, 20000), 8, 2, [bytes(60000)]))

    @pytest.mark.filterwarnings("error")
    def test_pillows_own_lower_limit_is_not_met(self):
        decoding.read_size(
            png((14000, 14000), 8, 2, [bytes(42000)])
        )  # 196 million; Pillow warns at 89 and refuses at 179


class TestFit:
    @pytest.mark.parametrize(("h", "w"), [(4, 9), (9, 4), (4, 8), (8, 4), (4, 4)])
    def test_cuts_the_central_square(self, h, w):
        picture = noise(h, w)
        top, left = (h - 4) // 2, (w - 4) // 2
        assert np.array_equal(resampling.fit(picture, 4), picture[top : top + 4, left : left + 4])

    def test_axes(self):
        small = resampling.fit(smooth(120, 80), 8).astype(int)
        assert (np.diff(small[..., 0], axis=0) > 0).all()  # red grows downwards
        assert (np.diff(small[..., 1], axis=1) > 0).all()  # green to the right
        assert (np.ptp(small[..., 0], axis=1) == 0).all()

    def test_shrunk_checkerboard_is_its_mean(self):
        board = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, -1)
        for side in (1, 2, 4):
            assert np.isin(resampling.fit(board, side), [127, 128]).all()  # 127.5, rounded either way

    @pytest.mark.parametrize(("size", "side"), [(3, 2), (10, 7), (640, 100)])
    def test_shrinking_weighs_by_area(self, size, side):
        picture = noise(size, size)
        edges = np.arange(side + 1) * size / side
        pixels = np.arange(size)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = overlap.clip(0) * side / size  # [side, size], rows sum to 1
        expected = np.einsum("ij,jkc,lk->ilc", weights, picture, weights, optimize=True)
        assert abs(resampling.fit(picture, side) - expected).max() <= 0.51  # rounding, and float32 sums

    def test_enlarging(self):
        assert (resampling.fit(np.full((5, 5, 3), 77, np.uint8), 13) == 77).all()
        ramp = (np.arange(16) * 10)[None, :, None].repeat(16, 0).repeat(3, -1).astype(np.uint8)
        out = resampling.fit(ramp, 64)
        assert out.shape == (64, 64, 3)
        # pixel centres: x of the large image lies at (x + 0.5) / 4 - 0.5 of the small one. Lanczos-3 follows a ramp
        # within 2 % of its step (0.2), plus 1 for two roundings; its support of 3 pixels = 12 columns meets the border
        expected = ((np.arange(64) + 0.5) / 4 - 0.5) * 10
        assert abs(out[:, 12:-12, 0] - expected[12:-12]).max() <= 1.2


class TestLoad:
    def test_large_jpeg_is_reduced_but_never_below_twice_the_side(self, monkeypatch):
        sizes = []
        rgb = colours.rgb
        monkeypatch.setattr(colours, "rgb", lambda picture: sizes.append(picture.size) or rgb(picture))
        monkeypatch.setattr(decoding, "simplejpeg", None)
        for kind in ("JPEG", "PNG"):
            decoding.decode_square(encoded(Image.fromarray(smooth(896, 1200)), kind), 100)
        assert sizes == [(300, 224), (1200, 896)]  # a quarter: an eighth would have 112 rows, fewer than 200

    def test_reduced_jpeg_looks_as_if_decoded_whole(self):
        data = encoded(Image.fromarray(smooth(896, 1200)), "JPEG", quality=95)
        # a reduced decode rounds once more than a whole one; JPEG noise at quality 95 averages out in both
        assert abs(decoding.decode_square(data, 64).astype(int) - resampling.fit(decoding.decode(data), 64)).max() <= 2

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_is_fit_of_decode(self, kind):
        data = encoded(Image.fromarray(noise(40, 30)), kind)
        for side in (7, 30, 50):
            assert np.array_equal(decoding.decode_square(data, side), resampling.fit(decoding.decode(data), side))

    def test_read(self, tmp_path):
        rgb = noise(12, 12)
        Image.fromarray(rgb).save(tmp_path / "a.png")
        out = images.read(str(tmp_path / "a.png"), 12)
        assert out.shape == (1, 3, 12, 12)
        assert out.dtype == torch.float32
        assert np.array_equal(images.to_uint8(out)[0].numpy(), rgb)


class TestFastJpeg:
    """With the optional library the pixels are the same, and so are the errors."""

    @pytest.fixture(autouse=True)
    def _needs_it(self):
        pytest.importorskip("simplejpeg")

    @staticmethod
    def by_pillow(monkeypatch, data: bytes) -> np.ndarray:
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "simplejpeg", None)
            return decoding.decode(data)

    @pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
    @pytest.mark.parametrize(
        "options",
        [
            {"quality": 95, "subsampling": 0},
            {"quality": 60, "subsampling": 2},
            {"progressive": True},
            {"keep_rgb": True},
        ],
        ids=["444", "420", "progressive", "stored as RGB"],
    )
    def test_same_pixels(self, monkeypatch, mode, options):
        if mode != "RGB" and "keep_rgb" in options:
            pytest.skip("only RGB can be stored as RGB")
        data = encoded(Image.fromarray(smooth(37, 53)).convert(mode), "JPEG", **options)
        assert np.array_equal(decoding.decode(data), self.by_pillow(monkeypatch, data))

    def test_it_is_used_for_the_ordinary_only(self, monkeypatch):
        calls = []
        fast = decoding.simplejpeg.decode_jpeg
        monkeypatch.setattr(decoding.simplejpeg, "decode_jpeg", lambda data: calls.append(1) or fast(data))
        picture = Image.fromarray(smooth(40, 40))
        for data in (encoded(picture, "PNG"), encoded(picture.convert("CMYK"), "JPEG")):
            decoding.decode(data)
        assert not calls
        decoding.decode(encoded(picture, "JPEG"))
        assert len(calls) == 1
        decoding.decode_square(encoded(picture, "JPEG"), 4)  # reduced by Pillow
        assert len(calls) == 1

    @pytest.mark.parametrize("cut", [30, 300, 700])
    def test_same_error(self, monkeypatch, cut):
        data = encoded(Image.fromarray(smooth(64, 64)), "JPEG")[:-cut]
        with pytest.raises(InputError) as fast:
            decoding.decode(data)
        with pytest.raises(InputError) as slow:
            self.by_pillow(monkeypatch, data)
        assert str(fast.value) == str(slow.value)
