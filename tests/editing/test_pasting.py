"""Edits back in their photos: byte for byte the photo beyond the rim, no jump at its border, regions of every shape."""

import numpy as np
import pytest

from stylemap import faces, resampling
from stylemap.editing import pasting
from stylemap.faces.pasting import FEATHER
from tests.metrics.test_pairing import box

SIDE = 32
HEIGHT, WIDTH = 150, 210  # of the photo; its square starts at column 30
STEP = HEIGHT / SIDE  # pixels of the photo to one of the model's


def photo() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.stack([np.sin(x / 17 + y / 23), np.cos(x / 29 - y / 13), np.sin(y / 19)], -1)
    noise = np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH, 3))
    return np.rint(120 + 60 * waves + noise).astype(np.uint8)


def setting(region: np.ndarray | None = None) -> dict:
    """A photo, its central square at the model's side, and an edit: there another light and tint, of a reference."""
    region = np.ones((SIDE, SIDE), bool) if region is None else region
    picture = resampling.fit(photo(), SIDE)
    reference = (picture.astype(np.float32) * 0.8 + (50, 0, -10)).clip(0, 255)
    return {
        "photo": photo(),
        "image": picture,
        "edited": np.where(region[..., None], reference, picture),
        "alignment": faces.Alignment.central(HEIGHT, WIDTH, SIDE),
        "sources": [pasting.Source(reference, region, region.astype(np.float32))],
    }


def in_model(height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """y and x in pixels of the model of every pixel of the photo."""
    y, x = np.mgrid[:height, :width]
    return (y + 0.5) / STEP - 0.5, (x - 30 + 0.5) / STEP - 0.5


REGIONS = {
    "middle": box(10, 12, 8, 6, SIDE),
    "pixel": box(17, 9, 1, 1, SIDE),
    "corner": box(0, 0, 12, 9, SIDE),
    "half": box(0, 16, 32, 16, SIDE),
    "two": box(2, 2, 5, 5, SIDE) | box(20, 22, 6, 6, SIDE),
    "frame": ~box(8, 8, 16, 16, SIDE),
}
every_way = pytest.mark.parametrize("how", pasting.WAYS)


class TestPaste:
    @every_way
    @pytest.mark.parametrize("name", REGIONS)
    def test_beyond_the_rim_it_is_the_photo_to_the_bit(self, how, name):
        region = REGIONS[name]
        result = pasting.paste(**setting(region), region=region.astype(np.float32), how=how)
        y, x = in_model()
        at = np.argwhere(region)
        distance = np.full((HEIGHT, WIDTH), np.inf)
        for v, u in at:
            np.minimum(distance, np.maximum(abs(y - v), abs(x - u)), out=distance)
        # grown and blurred by half the feather each, in a square; a pixel's weight reaches the next one's centre
        rim = 2 * round(FEATHER * SIDE / 2) + 1 + 1 / STEP
        np.testing.assert_array_equal(result[distance >= rim], photo()[distance >= rim])
        assert (result[distance < 0.5] != photo()[distance < 0.5]).any(-1).mean() > 0.8
        assert result.dtype == np.uint8 and result.shape == (HEIGHT, WIDTH, 3)

    @every_way
    def test_an_empty_region_is_the_photo(self, how):
        np.testing.assert_array_equal(pasting.paste(**setting(), region=np.zeros((SIDE, SIDE)), how=how), photo())

    @every_way
    def test_a_full_region_stays_in_the_square(self, how):
        result = pasting.paste(**setting(), region=np.ones((SIDE, SIDE)), how=how)
        for columns in (slice(0, 30), slice(180, None)):
            np.testing.assert_array_equal(result[:, columns], photo()[:, columns])
        middle = np.s_[:, 60:150]  # up to the photo's border above and below, where nothing has to be met
        assert (result[middle] != photo()[middle]).any(-1).mean() > 0.95

    @every_way
    def test_of_a_square_photo_everything(self, how):
        """No border of the edit lies within the photo, so nothing fades and nothing is matched."""
        square = np.ascontiguousarray(photo()[:, 30:180])
        arguments = setting() | {"photo": square, "alignment": faces.Alignment.central(HEIGHT, HEIGHT, SIDE)}
        arguments["edited"] = np.full((SIDE, SIDE, 3), 99, np.uint8)
        assert (pasting.paste(**arguments, region=np.ones((SIDE, SIDE)), how=how) == 99).all()

    def test_a_direction_has_no_colours_to_bring(self):
        region = REGIONS["middle"].astype(np.float32)
        results = [pasting.paste(**setting() | {"sources": ()}, region=region, how=how) for how in pasting.WAYS]
        np.testing.assert_array_equal(*results)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"how": "naive"}, "how must be one of feather, poisson"),
            ({"image": np.zeros((16, 16, 3), np.uint8)}, "alike"),
            ({"region": np.zeros((16, 16))}, "mask must be"),
            ({"region": np.full((SIDE, SIDE), np.nan)}, "mask must be"),
        ],
    )
    def test_mistakes(self, change, message):
        with pytest.raises(ValueError, match=message):
            pasting.paste(**setting() | {"region": np.zeros((SIDE, SIDE))} | change)


def match(picture: np.ndarray, *parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Parts (image of the reference, where) laid over an image in turn, and their colours brought to it."""
    edited, sources = picture.astype(np.float32), []
    for reference, inside in parts:
        edited = np.where(inside[..., None], reference, edited)
        sources.append(pasting.Source(reference, inside, inside.astype(np.float32)))
    return pasting.match(picture, edited, sources)


# the residual of a membrane on its finest level, added up over the width of a region, is some ten times ENOUGH
CLOSE = 0.5


class TestMatch:
    @pytest.mark.parametrize("name", REGIONS)
    def test_another_light_becomes_the_photo_s(self, name):
        picture = setting()["image"]
        matched = match(picture, (picture + np.float32((40, -40, 20)), REGIONS[name]))
        np.testing.assert_allclose(matched, picture, atol=CLOSE)

    def test_content_keeps_its_edge(self):
        """Lips up to the border of the mask, on skin that is darker than the original's: lips on the original's skin."""
        lips = box(12, 10, 6, 12, SIDE)
        skin, dark, red = (np.float32(c) for c in ((220, 180, 160), (90, 60, 50), (40, -20, -10)))
        picture = np.broadcast_to(skin, (SIDE, SIDE, 3)).copy()
        reference = dark + lips[..., None] * red
        np.testing.assert_allclose(match(picture, (reference, lips)), skin + lips[..., None] * red, atol=CLOSE)

    def test_of_two_the_one_on_top(self):
        picture = setting()["image"]
        first, second = picture + np.float32(30), picture - np.float32(50)
        matched = match(picture, (first, box(4, 4, 16, 16, SIDE)), (second, box(12, 12, 14, 14, SIDE)))
        np.testing.assert_allclose(matched, picture, atol=CLOSE)

    def test_as_much_as_is_shown(self):
        """An edit at half strength has half of the reference's tint to lose."""
        picture = setting()["image"].astype(np.float32)
        reference, region = picture + 60, REGIONS["middle"]
        edited = picture + 30 * region[..., None]
        matched = pasting.match(picture, edited, [pasting.Source(reference, region, region / np.float32(2))])
        np.testing.assert_allclose(matched, picture, atol=CLOSE)

    def test_all_of_the_picture_has_no_border(self):
        picture = setting()["image"]
        np.testing.assert_array_equal(match(picture, (picture * 0.5, np.ones((SIDE, SIDE), bool))), picture * 0.5)

    def test_detail_stays(self):
        """A bright dot in the reference stays as bright against what is around it."""
        picture = setting()["image"]
        reference = picture + np.float32(20)
        reference[15, 15] += 60
        matched = match(picture, (reference, box(8, 8, 16, 16, SIDE)))
        np.testing.assert_allclose(matched[15, 15] - picture[15, 15], 60, atol=CLOSE)


class TestShown:
    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_is_the_share(self, share):
        before, source = setting()["image"].astype(np.float32), 255 - setting()["image"].astype(np.float32)
        found = pasting.share(before, before + share * (source - before), source)
        np.testing.assert_allclose(found, share, atol=0.05)  # a pixel that is alike in both has none to tell

    def test_nothing_to_tell_is_nothing(self):
        before = setting()["image"]
        assert (pasting.share(before, before, before) == 0).all()


class TestChanged:
    def test_is_where_the_change_can_be_seen(self):
        before = setting()["image"]
        after = before.copy()
        after[:16] ^= 3  # a repaint that nobody sees
        after[20:24, 8:14, 1] ^= 128
        found = pasting.changed(before, after)
        assert found.dtype == np.float32 and set(np.unique(found)) == {0, 1}
        assert (found[20:24, 8:14] == 1).all()
        found[17:27, 5:17] = 0
        assert not found.any()

    @pytest.mark.parametrize("side", [4, 16, 256])
    def test_of_every_side(self, side):
        before = np.zeros((side, side, 3), np.uint8)
        assert pasting.changed(before, before).sum() == 0
        assert pasting.changed(before, before + np.uint8(100)).all()


class TestMembrane:
    def harmonic(self, height: int, width: int) -> np.ndarray:
        """Two functions that are the mean of their four neighbours everywhere, in levels."""
        y, x = np.mgrid[:height, :width] / max(height, width)
        return np.stack([100 * (x**2 - y**2) + 30, 80 * x * y - 50 * y], -1)

    @pytest.mark.parametrize(("height", "width"), [(20, 33), (64, 64), (130, 97), (256, 256)])
    def test_restores_harmonic_functions(self, height, width):
        values = self.harmonic(height, width)
        y, x = np.mgrid[:height, :width]
        inside = np.hypot(y - height / 2, x - width / 2) < 0.4 * min(height, width)
        spoilt = np.where(inside[..., None], np.random.default_rng(0).normal(0, 50, values.shape), values)
        np.testing.assert_allclose(pasting.membrane(spoilt, inside), values, atol=0.5)  # half a level

    def test_is_the_dense_solution(self):
        """On 6 x 7 pixels with an inside that touches the frame, by linear algebra."""
        rng = np.random.default_rng(0)
        inside, values = rng.random((6, 7)) < 0.6, rng.uniform(0, 255, (6, 7, 1))
        matrix, right = np.eye(42), values.reshape(42).copy()
        for i, (y, x) in enumerate(np.ndindex(6, 7)):
            if inside[y, x]:
                near = [
                    (y + a, x + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0)) if 0 <= y + a < 6 and 0 <= x + b < 7
                ]
                matrix[i, i], right[i] = len(near), 0
                for p in near:
                    matrix[i, p[0] * 7 + p[1]] -= 1
        expected = np.linalg.solve(matrix, right).reshape(6, 7, 1)
        np.testing.assert_allclose(pasting.membrane(values, inside), expected, atol=0.1)

    def test_stays_between_the_values_around(self):
        rng = np.random.default_rng(0)
        values, inside = rng.uniform(0, 255, (50, 50, 3)), rng.random((50, 50)) < 0.8
        result = pasting.membrane(values, inside)
        assert result.min() >= values[~inside].min() - 0.5 and result.max() <= values[~inside].max() + 0.5
        np.testing.assert_array_equal(result[~inside], values.astype(np.float32)[~inside])

    def test_without_inside_or_outside(self):
        values = np.random.default_rng(0).uniform(0, 255, (9, 9, 3))
        assert (pasting.membrane(values, np.ones((9, 9), bool)) == 0).all()
        np.testing.assert_array_equal(pasting.membrane(values, np.zeros((9, 9), bool)), values.astype(np.float32))
