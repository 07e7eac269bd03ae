"""The square, the image along it, and the way back: places to a fraction of a pixel, no seam, nothing else touched."""

import math
import tracemalloc

import cv2
import numpy as np
import pytest

from stylemap import resampling
from stylemap.datasets import Avatars
from stylemap.errors import InputError
from stylemap.faces import Alignment, align, align_mask, paste_back, quad, share
from stylemap.faces.alignment import FADE
from stylemap.faces.geometry import half_size
from stylemap.faces.pasting import FEATHER

FACE = np.array([[38.5, 47], [61.5, 47], [50, 58], [42, 71], [58, 71]])  # eyes 23 apart, mouth 24 below
CENTRE = np.array([50, 49.4])  # of its square
SIDE = 92  # of its square
AMPLITUDE = 90.0


def rotation(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


def placed(centre, scale: float = 1.0, degrees: float = 0.0) -> np.ndarray:
    """FACE with the centre of its square elsewhere; the square's side is 92 ``scale`` pixels."""
    return scale * (FACE - CENTRE) @ rotation(degrees).T + centre


def waves(x, y, period: float) -> np.ndarray:
    """An image known everywhere, [..., 3] around 128."""
    k = 2 * np.pi / period
    parts = np.sin(k * x), np.sin(k * (0.6 * x + 0.8 * y) + 1), np.cos(k * y)
    return 128 + AMPLITUDE * np.stack(parts, -1)


def waves_photo(height: int, width: int, period: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.rint(waves(x, y, period)).astype(np.uint8)


def in_photo(alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """x and y in the photo of every pixel of the aligned image, from the quad alone; [side, side] each."""
    up_left, down_left, _, up_right = alignment.quad
    v, u = (np.mgrid[: alignment.side, : alignment.side] + 0.5) / alignment.side
    at = up_left + u[..., None] * (up_right - up_left) + v[..., None] * (down_left - up_left)
    return at[..., 0], at[..., 1]


def in_aligned(alignment: Alignment, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The inverse: u and v of every pixel of the photo, [height, width] each."""
    up_left, down_left, _, up_right = alignment.quad
    y, x = np.mgrid[:height, :width]
    offset = np.stack([x, y], -1) - up_left
    length = ((up_right - up_left) ** 2).sum()
    u, v = offset @ (up_right - up_left) / length, offset @ (down_left - up_left) / length
    return u * alignment.side - 0.5, v * alignment.side - 0.5


def tolerance(period: float, step: float) -> float:
    """Of sampling waves: mean over a step instead of its middle, places to 1/32 pixel, Lanczos-4's ripple, rounding."""
    mean = (np.pi * step / period) ** 2 / 6
    place = 2 * np.pi / period * math.sqrt(2) / 64
    return AMPLITUDE * (mean + place + 0.01) + 2


class TestQuad:
    def test_upright(self):
        np.testing.assert_allclose(quad(FACE), [(4, 3.4), (4, 95.4), (96, 95.4), (96, 3.4)], atol=1e-9)

    def test_long_face(self):
        """Eyes 20 apart, mouth 40 below: half is 1.8 * 40 = 72, the centre 4 below the eyes."""
        points = np.array([[90, 100], [110, 100], [100, 120], [93, 140], [107, 140]], float)
        np.testing.assert_allclose(quad(points), [(28, 32), (28, 176), (172, 176), (172, 32)], atol=1e-9)

    def test_wide_face(self):
        """Eyes 40 apart, mouth 20 below: half is 2 * 40 = 80, the centre 2 below the eyes."""
        points = np.array([[80, 100], [120, 100], [100, 110], [90, 120], [110, 120]], float)
        np.testing.assert_allclose(quad(points), [(20, 22), (20, 182), (180, 182), (180, 22)], atol=1e-9)

    def test_nose_does_not_matter(self):
        moved = FACE.copy()
        moved[2] += 5
        np.testing.assert_array_equal(quad(moved), quad(FACE))

    @pytest.mark.parametrize("degrees", [0, 1, 45, 90, 133, 180, 271])
    @pytest.mark.parametrize("scale", [0.1, 1, 37.5])
    def test_turns_and_grows_with_the_face(self, degrees, scale):
        tilted = FACE + [(0, 3), (0, -2), (0, 0), (1, 2), (4, 0)]  # eyes and mouth not parallel
        matrix, shift = scale * rotation(degrees), np.array([-70.5, 1234.25])
        expected = quad(tilted) @ matrix.T + shift
        np.testing.assert_allclose(quad(tilted @ matrix.T + shift), expected, atol=1e-9 * scale + 1e-9)

    @pytest.mark.parametrize(
        "points",
        [
            np.full((5, 2), 7.0),
            FACE * 0.001,
            FACE * np.nan,
            np.array([[1, 0], [0, 0], [0.5, 0.5], [1, 1], [0, 1]]) * 50.0,  # left and right exchanged
        ],
    )
    def test_no_face(self, points):
        with pytest.raises(InputError, match="these landmarks do not form a face"):
            quad(points)
        with pytest.raises(InputError, match="these landmarks do not form a face"):
            align(np.zeros((100, 100, 3), np.uint8), points, 32)


class TestAlignment:
    @pytest.mark.parametrize("degrees", [0, 30, -100])
    def test_quad_and_maps(self, degrees):
        corners = quad(placed((200, 100), 1.7, degrees))
        alignment = Alignment.of(corners.tolist(), 64)
        np.testing.assert_allclose(alignment.quad, corners, atol=1e-9)
        x, y = in_photo(alignment)
        v, u = np.mgrid[:64, :64]
        mapped = np.einsum("ij,jvu->ivu", alignment.to_photo, np.stack([u, v, np.ones_like(u)]))
        np.testing.assert_allclose(mapped, [x, y], atol=1e-9)
        both = np.vstack([alignment.from_photo, [0, 0, 1]]) @ np.vstack([alignment.to_photo, [0, 0, 1]])
        np.testing.assert_allclose(both, np.eye(3), atol=1e-9)

    def test_scaled(self):
        """In a photo of 3 times the size, pixel 0 is pixels 0, 1, 2, centred at 1; the edge -0.5 stays -0.5."""
        alignment = Alignment((-0.5, 10), (20, 4), 16).scaled(3)
        assert alignment == Alignment((-0.5, 31), (60, 12), 16)


class TestAlign:
    @pytest.mark.parametrize("degrees", [0, 17, 90, -140])
    @pytest.mark.parametrize(("scale", "side"), [(0.5, 256), (1, 92), (1, 64), (3, 97), (4, 64), (5, 33), (5, 16)])
    def test_every_pixel_is_where_the_quad_says(self, scale, side, degrees):
        """From 1/6 to 29 pixels of the photo to a pixel, known answer everywhere."""
        step = SIDE * scale / side
        period = max(40, 10 * step)
        photo = waves_photo(701, 799, period)
        aligned = align(photo, placed((400.3, 350.8), scale, degrees), side)
        assert aligned.picture.shape == (side, side, 3) and aligned.picture.dtype == np.uint8
        x, y = in_photo(aligned.alignment)
        assert (x > 0).all() and (y > 0).all() and (x < 798).all() and (y < 700).all()
        assert abs(aligned.picture - waves(x, y, period)).max() <= tolerance(period, step)

    @pytest.mark.parametrize("degrees", [0, 20, 45])
    @pytest.mark.parametrize("step", [2.3, 3.1, 4, 5.7, 16.5])
    def test_fine_checkerboard_becomes_grey(self, step, degrees):
        """Samples alone would give 0 and 255. A mean of n samples d = step / n apart leaves of a wave of f per pixel at most
        1 / (n sin(pi f d)), and of the checkerboard f >= 0.5 along one axis; blocks of pixels, from step 4 on, cancel it.
        """
        y, x = np.mgrid[:900, :900]
        photo = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
        side = 40
        picture = align(photo, placed((450.2, 449.1), side * step / SIDE, degrees), side).picture
        samples = math.ceil(step)
        left = 0 if step >= 4 else 1 / (samples * min(math.sin(math.pi * f * step / samples) for f in (0.5, 0.7072)))
        assert abs(picture - 127.5).max() <= 127.5 * left + 2

    @pytest.mark.parametrize("side", [1, 2, 17, 31])
    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (40, 3), (33, 57)])
    @pytest.mark.parametrize("scale", [0.02, 0.3, 1.5])
    def test_odd_sizes(self, shape, side, scale):
        """A photo of one colour stays so, however small or far beyond its borders."""
        photo = np.full((*shape, 3), (3, 150, 254), np.uint8)
        height, width = shape
        scale = min(scale, 0.19 * max(shape))
        picture = align(photo, placed((width / 2, height / 2), scale, 10), side).picture
        assert (picture == (3, 150, 254)).all()

    @pytest.mark.parametrize("x", [-0.2, 0.5, 1.2])
    @pytest.mark.parametrize("y", [-0.2, 0.5, 1.2])
    @pytest.mark.parametrize("degrees", [0, 33])
    def test_beyond_the_photo(self, x, y, degrees):
        """At every side and corner: the photo as it is, around it no step, far from it the median."""
        height, width, side, period = 301, 251, 150, 200
        photo = waves_photo(height, width, period)
        at = placed((x * width, y * height), 3, degrees)
        aligned = align(photo, at, side)
        px, py = in_photo(aligned.alignment)
        beyond = np.maximum(np.maximum(-0.5 - px, px - width + 0.5), np.maximum(-0.5 - py, py - height + 0.5))
        step = 3 * SIDE / side
        inside = beyond < -6  # Lanczos reads 4 pixels around
        assert inside.any()
        assert abs(aligned.picture - waves(px, py, period))[inside].max() <= tolerance(period, step)
        picture = aligned.picture.astype(int)
        far = beyond >= FADE * 3 * SIDE
        if far.any():
            median = np.median(aligned.picture[beyond <= 0], axis=0)
            assert abs(picture[far] - median).max() <= 1  # of pixels whose middle is inside, but for rounding
        # slopes: of the waves, of giving way to what differs from them (255 at most) over 4 % and 30 % of the side
        slope = AMPLITUDE * 2 * np.pi / period * step * 1.5 + 255 * 1.5 / (0.04 * side) + 255 / (FADE * side) + 2
        for axis in (0, 1):
            assert abs(np.diff(picture, axis=axis)).max() <= slope

    def test_a_face_larger_than_the_photo(self):
        photo = waves_photo(60, 50, 200)
        aligned = align(photo, placed((25, 30), 4), 128)  # a square of 368 pixels
        x, y = in_photo(aligned.alignment)
        expected = waves(x[64, 64], y[64, 64], 200)
        assert abs(aligned.picture[64, 64] - expected).max() <= tolerance(200, 3)

    @pytest.mark.parametrize("points", [FACE + 1000, FACE - 200, placed((50, 50), 30)])
    def test_of_another_photo(self, points):
        with pytest.raises(InputError, match="do not fit a photo of 100 x 90 pixels"):
            align(np.zeros((90, 100, 3), np.uint8), points, 32)

    @pytest.mark.parametrize(
        ("photo", "side"),
        [
            (np.zeros((90, 100, 3), np.float32), 32),
            (np.zeros((90, 100), np.uint8), 32),
            (np.zeros((90, 100, 4), np.uint8), 32),
            (np.zeros((0, 100, 3), np.uint8), 32),
            (np.zeros((90, 100, 3), np.uint8), 0),
        ],
    )
    def test_wrong_arguments(self, photo, side):
        with pytest.raises(ValueError, match="needs a photo uint8"):
            align(photo, FACE, side)

    @pytest.mark.parametrize("degrees", [25, -60])
    @pytest.mark.parametrize("scale", [0.8, 2.5])
    def test_recovers_a_drawn_face(self, scale, degrees):
        """An avatar, turned and sized into a larger photo, comes out as it does where it was drawn."""
        side = 256
        drawn = Avatars(side)[3]
        points = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)]) * side - 0.5
        matrix = np.hstack([scale * rotation(degrees), np.zeros((2, 1))])
        matrix[:, 2] = (500, 450) - matrix[:, :2] @ (128, 128)
        photo = cv2.warpAffine(drawn, matrix, (1000, 900), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        there = align(photo, points @ matrix[:, :2].T + matrix[:, 2], 64).picture.astype(float)
        here = align(drawn, points, 64).picture.astype(float)
        error = np.sqrt(((there - here) ** 2).mean())
        aside = np.sqrt(((there[:, 1:] - here[:, :-1]) ** 2).mean())
        assert error < 3 < aside  # a pixel aside would be seen


class TestAlignMask:
    @pytest.mark.parametrize("degrees", [0, 70])
    @pytest.mark.parametrize(("scale", "side"), [(0.5, 100), (3, 50)])
    def test_the_same_places_as_the_photo(self, scale, side, degrees):
        y, x = np.mgrid[:400, :500].astype(np.float32)
        mask = x / 1000 + y / 800  # linear, so that means and interpolation are exact
        alignment = Alignment.of(quad(placed((250, 200), scale, degrees)), side)
        x, y = in_photo(alignment)
        result = align_mask(mask, alignment)
        assert result.dtype == np.float32 and result.shape == (side, side)
        np.testing.assert_allclose(result, x / 1000 + y / 800, atol=(1 / 1000 + 1 / 800) / 64 + 1e-5)

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_goes_on_beyond_the_photo(self, value):
        alignment = Alignment.of(quad(placed((0, 0), 1, 30)), 64)
        assert (align_mask(np.full((100, 80), value), alignment) == value).all()

    @pytest.mark.parametrize("x", [-0.3, 0.5, 1.3])
    @pytest.mark.parametrize("y", [-0.3, 0.5, 1.3])
    @pytest.mark.parametrize(("scale", "side"), [(2, 200), (2, 40), (2, 20)])
    def test_is_mirrored_at_the_photo_s_edge(self, x, y, scale, side):
        """However far the square leaves the photo, and with it what is read, up to the photo's far edge."""
        height, width = 120, 150
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        mask = rows / 240 + columns / 300
        alignment = Alignment.of(quad(placed((x * width, y * height), scale, 20)), side)
        px, py = in_photo(alignment)
        folded = [abs((v + 0.5 + n) % (2 * n) - n) for v, n in ((px, width), (py, height))]  # from the left, upper edge
        expected = (folded[1] - 0.5) / 240 + (folded[0] - 0.5) / 300
        step = SIDE * scale / side
        from_edge = [np.minimum(f, n - f) for f, n in zip(folded, (width, height), strict=True)]
        smooth = np.minimum(*from_edge) > step + 2  # not over the kink of the mirroring
        assert smooth.mean() > 0.3
        result = align_mask(mask, alignment)
        # blocks that do not fill the photo move its mirror by less than one of them, which is half a step at most
        shift = 2 * (step // 2 - 1) if step >= 4 else 0
        atol = (1 / 240 + 1 / 300) * (1 / 64 + shift) + 1e-5
        np.testing.assert_allclose(result[smooth], expected[smooth], atol=atol)


@pytest.mark.parametrize(("height", "width"), [(96, 140), (141, 96), (97, 97)])
@pytest.mark.parametrize("side", [16, 32])
def test_central_is_the_square_that_is_decoded(height, width, side):
    """A smooth image through the alignment is what `resampling.fit` makes of it."""
    photo = waves_photo(height, width, 60)
    alignment = Alignment.central(height, width, side)
    x, y = in_photo(alignment)
    left, top = (max(0, n - min(height, width)) // 2 for n in (width, height))
    assert x[0, 0] == pytest.approx(left - 0.5 + min(height, width) / side / 2)
    assert y[0, 0] == pytest.approx(top - 0.5 + min(height, width) / side / 2)
    # a mean over a pixel differs from the value in its middle by (2 pi step / period)^2 / 24 of the amplitude, in each direction
    step = min(height, width) / side
    atol = AMPLITUDE * (2 * np.pi * step / 60) ** 2 / 12 + 1
    np.testing.assert_allclose(resampling.fit(photo, side), waves(x, y, 60), atol=atol)


class TestPasteBack:
    @pytest.mark.parametrize("degrees", [0, 17, -140])
    @pytest.mark.parametrize(("scale", "side"), [(0.5, 256), (1, 92), (3, 97), (4, 64), (5, 33)])
    @pytest.mark.parametrize("masked", [False, True])
    def test_no_edit_no_change(self, scale, side, degrees, masked):
        """There and back: sampling twice, with steps of both frames."""
        step = SIDE * scale / side
        period = max(40, 10 * step)
        photo = waves_photo(701, 799, period)
        aligned = align(photo, placed((400.3, 350.8), scale, degrees), side)
        mask = np.zeros((side, side), np.float32)
        mask[side // 4 : -side // 4, side // 4 : -side // 4] = 1
        result = paste_back(photo, aligned.picture, aligned.alignment, mask if masked else None)
        there, back = tolerance(period, max(1, step)), tolerance(period / step, max(1, 1 / step))
        assert abs(result.astype(int) - photo).max() <= there + back

    @pytest.mark.parametrize("degrees", [0, 40])
    @pytest.mark.parametrize(("scale", "side"), [(0.4, 128), (1, 92), (5, 32)])
    def test_where_the_edit_shows(self, scale, side, degrees):
        """Black into white: in the mask all of it, beyond the feather nothing, no step in between."""
        photo = np.full((601, 555, 3), 255, np.uint8)
        edited = np.zeros((side, side, 3), np.uint8)
        alignment = Alignment.of(quad(placed((280, 290), scale, degrees)), side)
        mask = np.zeros((side, side), np.float32)
        first, last = round(0.3 * side), round(0.6 * side)
        mask[first : last + 1, first : last + 1] = 1
        result = paste_back(photo, edited, alignment, mask)

        u, v = in_aligned(alignment, 601, 555)
        outside = np.maximum(
            np.maximum(first - u, u - last), np.maximum(first - v, v - last)
        )  # of the mask, in its pixels
        radius = round(FEATHER * side / 2)
        reach = max(1, side / (SIDE * scale))  # of a pixel of the photo, in pixels of the mask
        assert (result[outside <= -reach] == 0).all()
        assert (result[outside >= 2 * radius + 1 + reach] == 255).all()  # linear in between: up to 1 beyond
        # the blur's kernel, cut at 2.5 sigma, is 1.02 / radius high; OpenCV 4 rounds places to 1/32 pixel
        slope = 255 * math.sqrt(2) * 1.02 / radius * (side / (SIDE * scale) + 1 / 32) + 1
        for axis in (0, 1):
            assert abs(np.diff(result.astype(int), axis=axis)).max() <= slope

    @pytest.mark.parametrize("degrees", [0, 40])
    @pytest.mark.parametrize(("scale", "side"), [(0.4, 128), (1, 92), (5, 32)])
    @pytest.mark.parametrize("mask", [None, 1])
    def test_no_seam_at_the_border(self, scale, side, degrees, mask):
        photo = np.full((601, 555, 3), 255, np.uint8)
        edited = np.zeros((side, side, 3), np.uint8)
        alignment = Alignment.of(quad(placed((280, 290), scale, degrees)), side)
        mask = None if mask is None else np.ones((side, side), np.float32)
        result = paste_back(photo, edited, alignment, mask)
        u, v = in_aligned(alignment, 601, 555)
        inside = np.minimum(np.minimum(u, side - 1 - u), np.minimum(v, side - 1 - v))
        assert (result[inside <= 0] == 255).mean() > 0.999  # pixels of the photo may be coarse and reach in
        assert (result[inside >= FEATHER * side + 3] == 0).all()
        # a smooth step over FEATHER * side pixels rises by at most 1.5 times its mean slope; two meet in the corners
        slope = 255 * math.sqrt(2) * 1.5 / (FEATHER * side) * max(1, side / (SIDE * scale)) + 1
        for axis in (0, 1):
            assert abs(np.diff(result.astype(int), axis=axis)).max() <= slope

    @pytest.mark.parametrize("x", [-0.2, 0.5, 1.2])
    @pytest.mark.parametrize("y", [-0.2, 0.5, 1.2])
    def test_all_else_is_byte_for_byte_the_photo(self, x, y):
        rng = np.random.default_rng(0)
        photo = rng.integers(0, 256, (203, 171, 3), np.uint8)
        before = photo.copy()
        alignment = Alignment.of(quad(placed((x * 171, y * 203), 1.5, 25)), 64)
        edited = rng.integers(0, 256, (64, 64, 3), np.uint8)
        result = paste_back(photo, edited, alignment)
        np.testing.assert_array_equal(photo, before)
        u, v = in_aligned(alignment, 203, 171)
        outside = np.minimum(np.minimum(u, 63 - u), np.minimum(v, 63 - v)) < 0
        np.testing.assert_array_equal(result[outside], photo[outside])
        assert (result[~outside] != photo[~outside]).mean() > 0.5

    def test_an_empty_mask(self):
        photo = waves_photo(100, 100, 50)
        alignment = Alignment.of(quad(FACE), 32)
        result = paste_back(photo, np.zeros((32, 32, 3), np.uint8), alignment, np.zeros((32, 32), np.float32))
        np.testing.assert_array_equal(result, photo)
        assert not np.shares_memory(result, photo)

    def test_outside_of_the_photo(self):
        """A photo that was cut after the face was found."""
        photo = waves_photo(50, 50, 50)
        alignment = Alignment.of(quad(FACE + 500), 32)
        np.testing.assert_array_equal(paste_back(photo, np.zeros((32, 32, 3), np.uint8), alignment), photo)

    def test_in_strips_as_at_once(self, monkeypatch):
        photo = waves_photo(300, 301, 30)
        alignment = Alignment.of(quad(placed((150, 140), 2.5, 20)), 64)
        edited = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        at_once = paste_back(photo, edited, alignment)
        monkeypatch.setattr("stylemap.resampling.STRIP", 1000)
        difference = abs(paste_back(photo, edited, alignment).astype(int) - at_once)
        # places are rounded to 1/32 pixel, here of 0.28 a pixel, from another origin
        assert difference.max() <= 255 * 3 / 32 and difference.mean() < 0.5

    def test_does_not_fade_where_the_photo_ends_too(self):
        """The central square of a wide photo: up to the border above and below, to nothing at the left and right."""
        photo = np.zeros((96, 140, 3), np.uint8)
        for side in (32, 64, 200):
            alignment = Alignment.central(96, 140, side)
            result = paste_back(photo, np.full((side, side, 3), 200, np.uint8), alignment)
            assert (result[:, 30:110] == 200).all()
            assert (result[:, :22] == 0).all() and (result[:, 118:] == 0).all()
            assert (np.diff(result[5, 22:40, 0].astype(int)) >= 0).all() and result[5, 22, 0] < 40
            weight = share(None, alignment, 96, 140)
            assert weight[0, side // 2] == weight[-1, side // 2] == 1 and weight[:, [0, -1]].max() == 0

    def test_floats_are_not_rounded_first(self):
        photo = np.zeros((100, 100, 3), np.uint8)
        alignment = Alignment.of(quad(FACE), 92)
        low, high = (paste_back(photo, np.full((92, 92, 3), v), alignment)[50, 50, 0] for v in (99.4, 99.6))
        assert (low, high) == (99, 100)

    @pytest.mark.parametrize(("shape", "side"), [((1, 1), 16), ((3, 200), 8), ((40, 40), 1)])
    def test_odd_sizes(self, shape, side):
        photo = np.full((*shape, 3), 9, np.uint8)
        alignment = Alignment.of(quad(placed((0, 0), 0.1)), side)
        assert (paste_back(photo, np.full((side, side, 3), 9, np.uint8), alignment) == 9).all()

    def test_feather_0_is_the_mask_itself(self):
        photo = np.zeros((92, 92, 3), np.uint8)
        alignment = Alignment((-0.5, -0.5), (92.0, 0.0), 92)  # the photo itself
        mask = np.zeros((92, 92), np.float32)
        mask[20:30, 40:60] = 0.5
        result = paste_back(photo, np.full((92, 92, 3), 200, np.uint8), alignment, mask, feather=0)
        np.testing.assert_array_equal(result[..., 0], np.where(mask > 0, 100, 0))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"edited": np.zeros((31, 32, 3), np.uint8)}, "edited"),
            ({"edited": np.full((32, 32, 3), np.nan)}, "edited"),
            ({"mask": np.zeros((31, 32), np.float32)}, "mask"),
            ({"mask": np.full((32, 32), 1.5, np.float32)}, "mask"),
            ({"mask": np.full((32, 32), np.nan, np.float32)}, "mask"),
            ({"feather": -0.1}, "feather"),
            ({"feather": 0.6}, "feather"),
        ],
    )
    def test_wrong_arguments(self, change, message):
        arguments = {"edited": np.zeros((32, 32, 3), np.uint8), "alignment": Alignment.of(quad(FACE), 32)} | change
        with pytest.raises(ValueError, match=message):
            paste_back(np.zeros((100, 100, 3), np.uint8), **arguments)


class TestMemory:
    """Of numpy's and OpenCV's arrays, which both count."""

    def peak(self, function) -> int:
        tracemalloc.start()
        try:
            function()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_a_small_face_in_a_large_photo(self):
        photo = np.zeros((5000, 5000, 3), np.uint8)
        assert self.peak(lambda: align(photo, placed((2500, 2500), 2), 64)) < 2e6

    def test_a_large_face_in_a_large_photo(self):
        photo = np.zeros((5000, 5000, 3), np.uint8)
        assert self.peak(lambda: align(photo, placed((2500, 2500), 60), 64)) < photo.nbytes / 10 + 2e6

    def test_pasting_needs_the_result_and_a_strip(self):
        photo = np.zeros((3000, 3000, 3), np.uint8)
        alignment = Alignment.of(quad(placed((1500, 1500), 30)), 64)
        edited = np.zeros((64, 64, 3), np.uint8)
        # a strip of 1M pixels: the new image, its mixture and intermediate results, 12 bytes each
        assert self.peak(lambda: paste_back(photo, edited, alignment)) < photo.nbytes + 80e6


def test_half_size():
    assert half_size(FACE) == 46
