"""Edits back in their photos: byte for byte the photo beyond the rim, no jump at its border, regions of every shape."""

import numpy as np
import pytest

from stylemap import decoding, faces
from stylemap.editing import pasting
from stylemap.faces.alignment import FEATHER
from tests.editing.test_pairing import box

SIDE = 32
HEIGHT, WIDTH = 150, 210  # of the photo; its square starts at column 30
STEP = HEIGHT / SIDE  # pixels of the photo to one of the model's


def photo() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = np.stack([np.sin(x / 17 + y / 23), np.cos(x / 29 - y / 13), np.sin(y / 19)], -1)
    noise = np.random.default_rng(0).integers(0, 9, (HEIGHT, WIDTH, 3))
    return np.rint(120 + 60 * waves + noise).astype(np.uint8)


def setting() -> dict:
    """A photo, its central square at the model's side, and an edit of another light and tint."""
    picture = decoding.fit(photo(), SIDE)
    edited = picture.astype(np.float32) * 0.8 + (50, 0, -10)
    return {
        "photo": photo(),
        "picture": picture,
        "edited": edited.clip(0, 255),
        "alignment": faces.Alignment.central(HEIGHT, WIDTH, SIDE),
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
        result = pasting.paste(**setting(), region=region.astype(np.float32), how=how)
        y, x = in_model()
        at = np.argwhere(region)
        distance = np.full((HEIGHT, WIDTH), np.inf)
        for v, u in at:
            np.minimum(distance, np.maximum(abs(y - v), abs(x - u)), out=distance)
        # grown and blurred by half the feather each, in a square; a pixel's weight reaches the next one's centre
        rim = 2 * round(FEATHER * SIDE / 2) + 1 + 1 / STEP
        np.testing.assert_array_equal(result[distance >= rim], photo()[distance >= rim])
        assert (result[distance < 0.5] != photo()[distance < 0.5]).any(-1).mean() > 0.9
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

    @pytest.mark.parametrize("name", REGIONS)
    def test_poisson_jumps_less_at_the_border(self, name):
        """Where the region ends, at the model's side: the edit against the picture, before and after its colours are matched."""
        arguments, region = setting(), REGIONS[name]
        matched = pasting.match(arguments["picture"], arguments["edited"], region)
        jumps = []
        for edit in (arguments["edited"], matched):
            change = np.where(region[..., None], edit - arguments["picture"].astype(np.float32), 0)
            jumps.append(np.concatenate([abs(np.diff(change, axis=a))[np.diff(region, axis=a)] for a in (0, 1)]).mean())
        assert jumps[1] < (0.75 if name == "pixel" else 0.5) * jumps[0]

    def test_poisson_keeps_detail(self):
        """A bright dot in the edit stays as bright against what is around it."""
        arguments = setting()
        arguments["edited"][15, 15] += 60
        matched = pasting.match(arguments["picture"], arguments["edited"], box(8, 8, 16, 16, SIDE))
        np.testing.assert_allclose(
            matched[15, 15] - matched[15, 13:18:4].mean(0),
            arguments["edited"][15, 15] - arguments["edited"][15, 13:18:4].mean(0),
            atol=2,
        )

    def test_poisson_undoes_a_change_of_light(self):
        """An edit that is the picture, all of it brighter, becomes the picture: the correction is a constant."""
        arguments = setting() | {"edited": setting()["picture"] + np.float32(40)}
        matched = pasting.match(arguments["picture"], arguments["edited"], box(4, 6, 20, 17, SIDE))
        inside = box(4, 6, 20, 17, SIDE)
        np.testing.assert_allclose(matched[inside], arguments["picture"][inside], atol=0.5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"how": "naive"}, "how must be one of feather, poisson"),
            ({"picture": np.zeros((16, 16, 3), np.uint8)}, "alike"),
            ({"region": np.zeros((16, 16))}, "mask must be"),
            ({"region": np.full((SIDE, SIDE), np.nan)}, "mask must be"),
        ],
    )
    def test_mistakes(self, change, message):
        with pytest.raises(ValueError, match=message):
            pasting.paste(**setting() | {"region": np.zeros((SIDE, SIDE))} | change)


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
