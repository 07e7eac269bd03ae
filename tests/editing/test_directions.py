"""Directions: fits find what was planted, edits go where they should and nowhere else, files hold what was saved."""

import importlib
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stylemap import InputError, editing
from stylemap.editing import directions, masks
from stylemap.editing import finding_directions as finding
from stylemap.editing.directions import Direction, Origin, normalised
from stylemap.errors import Note
from tests.editing.tiny import CELLS, CHANNELS, SIDE, SPACES, assert_differ, assert_same, random_mask, stylemaps
from tests.tiny import randn

SHAPE = (4, 3, 3)
SIZE = math.prod(SHAPE)
EVERY_METHOD = sorted(finding.METHODS)
every_way = pytest.mark.parametrize(("space", "hard"), [(s, h) for s in SPACES for h in (False, True)])


def direction(name: str = "d", seed: int = 0, shape: tuple = SHAPE, scale: float = 1.5) -> Direction:
    return normalised(name, randn(*shape, seed=seed), scale, Origin("means", pictures=7))


def planted(n: int, gap: float, seed: int = 0, deviations: torch.Tensor | float = 1.0):
    """Stylemaps of deviation 1 in all coordinates; those of the positives lie ``gap`` further along a unit vector."""
    vector = normalised("planted", randn(*SHAPE, seed=seed + 100), 1.0, Origin("npy")).vector
    labels = torch.arange(n) % 3 == 0
    return randn(n, *SHAPE, seed=seed) * deviations + gap * labels.view(-1, 1, 1, 1) * vector, labels, vector


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0))


# ---- fits


@pytest.mark.parametrize(("method", "n"), [(method, 900) for method in EVERY_METHOD] + [("means", 30)])
def test_a_planted_direction_is_found(method, n):
    x, labels, vector = planted(n, gap=30.0 if n < SIZE else 4.0)  # fewer images than coordinates, and more
    found = finding.find("planted", x, labels, method)
    assert found.vector.norm() == pytest.approx(1, abs=1e-5)
    # Means of m and 2 m images are off by sqrt(1.5 / m) in each of 36 coordinates: at n = 900, m = 240, by 0.47 against
    # the gap of 4, and by 2.6 against 30 at n = 30, m = 8: cosines of 0.99. Classifiers look at the border, not at the means.
    assert cosine(found.vector, vector) > (0.98 if method == "means" else 0.9)
    assert found.origin.method == method and found.origin.pictures == n
    assert found.origin.positive == pytest.approx(1 / 3)
    # halfway between the means a Gaussian errs beyond gap / 2 = 2 deviations: 2.3 %; 180 held-out images add 1.1 %
    assert found.origin.accuracy > 0.93 and found.origin.balanced_accuracy > 0.93
    assert found.origin.baseline == pytest.approx(2 / 3)


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_pictures_tell_chance_from_knowledge(method, seed):
    """Labels that mean nothing: fewer images than coordinates would fit perfectly, held-out ones are a coin's throw."""
    x = randn(200, 16, 4, 4, seed=seed)
    labels = randn(200, seed=seed + 5) > 0
    accuracy = finding.find("nothing", x, labels, method, heldout=0.5).origin.balanced_accuracy
    assert abs(accuracy - 0.5) < 0.2  # 100 throws deviate by 0.05


def test_means_and_their_scale_in_closed_form():
    x, labels, _ = planted(60, 2.0)
    found = finding.find("m", x, labels, heldout=1e-9)  # one image of either label is held out
    test = finding._stratified("m", labels, 1e-9, 0)
    assert test.sum() == 2
    delta = x[labels & ~test].double().mean(0) - x[~labels & ~test].double().mean(0)
    torch.testing.assert_close(found.vector, (delta / delta.norm()).float())
    along = (x.double() * delta / delta.norm()).sum(dim=(1, 2, 3))
    assert found.scale == pytest.approx(float(along.std()), rel=1e-6)


@pytest.mark.parametrize("n", [20, 80])
def test_fisher_s_discriminant_solves_its_equation(n):
    """By Woodbury's identity and without: (covariance within + floor) normal = difference of the means."""
    x, y = randn(n, SIZE).double(), torch.arange(n) % 2 == 0
    fit = finding._means(x, y)
    within = torch.zeros(SIZE, SIZE, dtype=torch.float64)
    for side in (y, ~y):
        rest = x[side] - x[side].mean(0)
        within += rest.T @ rest / n
    floor = finding.SHRINKAGE * within.trace() / SIZE
    torch.testing.assert_close(within @ fit.normal + floor * fit.normal, fit.vector)
    half = (x[y].mean(0) + x[~y].mean(0)) / 2
    assert fit.threshold == pytest.approx(float(half @ fit.normal))


def test_where_coordinates_vary_unequally_means_find_the_way_and_normals_the_detector():
    """Why "means" is the default: the images differ along a vector, the normal leans on quiet coordinates."""
    deviations = torch.logspace(0, 2, SIZE).view(SHAPE)
    vector = deviations / deviations.norm()
    labels = torch.arange(1200) % 2 == 0
    x = randn(1200, *SHAPE) * deviations + 200 * labels.view(-1, 1, 1, 1) * vector
    means, logistic = (finding.find("x", x, labels, method) for method in ("means", "logistic"))
    assert cosine(means.vector, vector) > 0.98
    assert cosine(logistic.vector, vector) < 0.7
    assert min(means.origin.accuracy, logistic.origin.accuracy) > 0.9


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_a_coordinate_that_never_varies_is_no_matter(method):
    x, labels, _ = planted(100, 6.0)
    x[:, 0, 0, 0] = 3.0
    found = finding.find("m", x, labels, method)
    assert found.vector[0, 0, 0] == 0
    assert found.origin.accuracy > 0.9


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_the_seed_chooses_the_held_out_pictures(method):
    x, labels, _ = planted(90, 2.0)
    first, again, other = (finding.find("m", x, labels, method, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.vector, again.vector) and first.origin == again.origin
    assert not torch.equal(first.vector, other.vector)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_held_out_pictures_are_stratified(share):
    labels = torch.arange(1000) % 10 == 0
    test = finding._stratified("m", labels, share, 0)
    assert int((test & labels).sum()) == round(100 * share) and int((test & ~labels).sum()) == round(900 * share)


@pytest.mark.parametrize("positives", [0, 4, 96, 100])
def test_too_few_of_one_side(positives):
    labels = torch.arange(100) < positives
    with pytest.raises(InputError, match=f"'smile': {positives} images have it and {100 - positives} do not"):
        finding.find("smile", randn(100, *SHAPE), labels)


@pytest.mark.parametrize("labels", [torch.zeros(9, dtype=torch.bool), torch.zeros(10), torch.zeros(10, 1) > 0])
def test_labels_of_another_shape(labels):
    with pytest.raises(ValueError, match=r"labels must be bool \[10\]"):
        finding.find("m", randn(10, *SHAPE), labels)


@pytest.mark.parametrize("method", ["logistic", "svm"])
def test_without_scikit_learn(method, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    x, labels, _ = planted(30, 5.0)
    with pytest.raises(InputError, match=r"pip install 'stylemap\[attributes\]'"):
        finding.find("m", x, labels, method)
    finding.find("m", x, labels)


# ---- principal components


@pytest.mark.parametrize("n", [20, 200])  # fewer images than coordinates, and more
def test_pca_is_the_svd(n):
    x = randn(n, *SHAPE) * torch.linspace(1, 3, SIZE).view(SHAPE)
    found = finding.pca(x, 5)
    flat = x.double().flatten(1)
    _, singular, vectors = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    for i, d in enumerate(found):
        assert d.name == f"pc{i + 1}"
        # float32 vectors: 6e-8 in a coordinate; the square of a cosine's angle
        assert abs(cosine(d.vector, vectors[i])) == pytest.approx(1, abs=1e-6)
        assert d.vector.flatten()[d.vector.abs().argmax()] > 0
        assert d.scale == pytest.approx(float(singular[i]) / (n - 1) ** 0.5, rel=1e-6)
        assert d.scale == pytest.approx(finding.deviation(d.vector, x), rel=1e-5)
        assert d.origin.explained == pytest.approx(float(singular[i] ** 2 / singular.square().sum()), rel=1e-6)
    basis = torch.stack([d.vector.flatten() for d in found])
    torch.testing.assert_close(basis @ basis.T, torch.eye(5), atol=1e-5, rtol=0)


def test_all_components_explain_everything():
    assert sum(d.origin.explained for d in finding.pca(randn(100, *SHAPE), SIZE)) == pytest.approx(1)


@pytest.mark.parametrize("components", [0, -1, 10])
def test_more_components_than_there_are(components):
    with pytest.raises(InputError, match="must be 1 to 9"):
        finding.pca(randn(10, *SHAPE), components)


def test_stylemaps_that_hardly_vary():
    x = randn(1, *SHAPE) + torch.arange(10.0).view(-1, 1, 1, 1) * randn(*SHAPE, seed=1)
    assert len(finding.pca(x, 1)) == 1
    with pytest.raises(InputError, match="vary in 1 ways only"):
        finding.pca(x, 2)


# ---- conditioning


def test_conditioned_is_orthogonal_to_every_other():
    d, a, b = direction("d", 0), direction("a", 1), direction("b", 2)
    left = directions.condition(d, [a, b])
    assert abs(cosine(left.vector, a.vector)) < 1e-6 and abs(cosine(left.vector, b.vector)) < 1e-6
    assert left.vector.norm() == pytest.approx(1, abs=1e-6)
    assert left.origin.conditional_on == ("a", "b")
    # what is left and what was removed make up the direction again
    removed = d.scale * d.vector - left.scale * left.vector
    basis = torch.linalg.qr(torch.stack([a.vector.flatten(), b.vector.flatten()], 1))[0]
    torch.testing.assert_close(basis @ (basis.T @ removed.flatten()), removed.flatten(), atol=1e-5, rtol=0)


def test_conditioned_on_the_same_twice_is_on_it_once():
    d, a = direction("d", 0), direction("a", 1)
    once, twice = directions.condition(d, [a]), directions.condition(d, [a, a])
    torch.testing.assert_close(once.vector, twice.vector, atol=1e-6, rtol=0)
    assert directions.condition(d, []) is d


@pytest.mark.parametrize("apart", [0, 2**-30, 1e-6, 1e-3])
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
def test_conditioned_on_others_that_are_nearly_one(apart, order):
    """It is orthogonal to all of them, and loses as many dimensions as they span, not what their rounding spans."""
    d, a, b = direction("d", 0), direction("a", 1), direction("b", 2)
    near = normalised("near", a.vector + apart * direction("c", 3).vector, 1.0, d.origin)
    others = [a, near, b]
    left = directions.condition(d, [others[i] for i in order])
    # float32 rounds both vectors by 2^-24, and what is dropped of the others is smaller than twice that
    for other in others:
        assert abs(cosine(left.vector, other.vector)) < 4 * 2**-24
    if apart < 2**-24:
        exact = directions.condition(d, [a, b])
        torch.testing.assert_close(left.vector, exact.vector, atol=1e-6, rtol=0)
        assert left.scale == pytest.approx(exact.scale, rel=1e-6)


def test_little_is_left():
    d, a = direction("d", 0), direction("a", 1)
    rest = directions.condition(d, [a])
    near = normalised("near", a.vector + 0.05 * rest.vector, 1.0, d.origin)
    with pytest.warns(
        Note, match=r"5\.0% of direction 'near' is left without a; the same amount changes images that much less"
    ):
        left = directions.condition(near, [a])
    assert cosine(left.vector, rest.vector) == pytest.approx(1, abs=1e-6)


def test_conditioned_again_names_what_still_holds():
    d, a, b = direction("d", 0), direction("a", 1), direction("b", 2)
    again = directions.condition(directions.condition(d, [a]), [b])
    assert again.origin.conditional_on == ("b",)
    assert abs(cosine(again.vector, b.vector)) < 4 * 2**-24 < abs(cosine(again.vector, a.vector))


def test_nothing_is_left():
    d, a = direction("d", 0), direction("a", 1)
    both = normalised("both", d.vector + a.vector, 1.0, d.origin)
    with pytest.raises(InputError, match="nothing is left of direction 'd' without both, a"):
        directions.condition(d, [both, a])


def test_conditioned_on_another_shape():
    with pytest.raises(InputError, match="other shapes"):
        directions.condition(direction(), [direction("o", shape=(2, 3, 3))])


# ---- edits


def test_move_is_linear_in_the_amount():
    x, d = randn(3, *SHAPE), direction()
    assert torch.equal(directions.move(x, d, 0), x)
    torch.testing.assert_close(directions.move(x, d, 2.0) - x, (2 * d.scale * d.vector).expand_as(x), atol=1e-5, rtol=0)
    back = directions.move(directions.move(x, d, 1.7), d, -1.7)
    torch.testing.assert_close(back, x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cells", [(0, 0, 1, 1), (1, 0, 2, 3), (0, 2, 3, 1), (0, 0, 3, 3)])
def test_cells_and_no_others_move(cells):
    x, d = randn(2, *SHAPE), direction()
    y, left, height, width = cells
    moved, everywhere = directions.move(x, d, 2.0, cells), directions.move(x, d, 2.0)
    expected = x.clone()
    expected[..., y : y + height, left : left + width] = everywhere[..., y : y + height, left : left + width]
    assert torch.equal(moved, expected)


@pytest.mark.parametrize(
    "cells", [(0, 0, 0, 1), (0, 0, 1, 0), (-1, 0, 1, 1), (0, -1, 1, 1), (3, 0, 1, 1), (0, 1, 1, 3)]
)
def test_cells_outside_the_map(cells):
    with pytest.raises(ValueError, match="leave the map of 3 x 3 cells"):
        directions.move(randn(1, *SHAPE), direction(), 1.0, cells)


@pytest.mark.parametrize("shape", [(1, 5, 3, 3), (1, 4, 3, 4), SHAPE, (4, 1, 3, 3)])
def test_direction_for_other_stylemaps(shape):
    with pytest.raises(ValueError, match="is for stylemaps"):
        directions.move(torch.zeros(shape), direction(), 1.0)


@pytest.fixture
def way() -> Direction:
    return direction(shape=(CHANNELS, CELLS, CELLS), scale=4.0)


def test_without_a_mask_it_is_the_moved_picture(model, way):
    w = stylemaps(model, 2, 1)
    assert_same(editing.push(model, w, way, 2.0), model.synthesize(directions.move(w, way, 2.0)))
    cells = (2, 3, 4, 2)
    assert_same(editing.push(model, w, way, 2.0, cells=cells), model.synthesize(directions.move(w, way, 2.0, cells)))
    assert_differ(editing.push(model, w, way, 2.0), model.synthesize(w))


@every_way
def test_masks_of_zero_and_one(model, way, space, hard):
    w = stylemaps(model, 2, 1)
    zero, one = torch.zeros(2, 1, SIDE, SIDE), torch.ones(2, 1, SIDE, SIDE)
    assert_same(editing.push(model, w, way, 2.0, zero, space, hard), model.synthesize(w))
    assert_same(editing.push(model, w, way, 2.0, one, space, hard), editing.push(model, w, way, 2.0))


@every_way
def test_inside_a_mask_it_is_a_blend_with_the_moved(model, way, space, hard):
    w, mask = stylemaps(model, 2, 1), random_mask(2)
    moved = directions.move(w, way, 2.0)
    if space == "w":
        expected = model.synthesize(w + masks.resize(mask, CELLS, hard) * (moved - w))
    else:
        pairs = zip(model.resize(w), model.resize(moved), strict=True)
        expected = model.render([a + masks.resize(mask, a.shape[-1], hard) * (b - a) for a, b in pairs])
    assert_same(editing.push(model, w, way, 2.0, mask, space, hard), expected)


def test_bad_masks(model, way):
    w = stylemaps(model, 2, 1)
    with pytest.raises(ValueError, match="mask must be"):
        editing.push(model, w, way, 1.0, torch.zeros(2, SIDE, SIDE))
    with pytest.raises(ValueError, match="space must be"):
        editing.push(model, w, way, 1.0, random_mask(2), "z")


# ---- files


def test_a_file_holds_what_was_saved(tmp_path):
    saved = [direction("smile", 1), direction("hair_colour=black", 2, scale=0.25)]
    saved[1] = replace(saved[1], origin=replace(saved[1].origin, accuracy=0.9, conditional_on=("smile",)))
    directions.save(tmp_path / "d.safetensors", saved)
    loaded = directions.load(tmp_path / "d.safetensors")
    assert list(loaded) == ["smile", "hair_colour=black"]
    for before, after in zip(saved, loaded.values(), strict=True):
        assert torch.equal(before.vector, after.vector)
        assert (before.name, before.scale, before.origin) == (after.name, after.scale, after.origin)


def test_names_must_differ(tmp_path):
    with pytest.raises(ValueError, match="differ"):
        directions.save(tmp_path / "d.safetensors", [direction(), direction()])
    with pytest.raises(ValueError, match="differ"):
        directions.save(tmp_path / "d.safetensors", [])


def test_npy_round_trip(tmp_path):
    d = direction("smile")
    directions.write_npy(tmp_path / "smile.npy", d)
    array = np.load(tmp_path / "smile.npy")
    assert array.shape == (1, SIZE) and array.dtype == np.float32
    np.testing.assert_array_equal(array[0], d.vector.flatten().numpy())
    read = directions.read_npy(tmp_path / "smile.npy", SHAPE)
    assert read.name == "smile" and read.scale == 1.0
    torch.testing.assert_close(read.vector, d.vector, atol=1e-7, rtol=0)


@pytest.mark.parametrize("shape", [(1, SIZE), (SIZE,), SHAPE])
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_npy_is_normalised(tmp_path, shape, dtype):
    array = np.arange(SIZE).reshape(shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    read = directions.read_npy(tmp_path / "a.npy", SHAPE, scale=3.0, name="other")
    assert read.vector.norm() == pytest.approx(1, abs=1e-6) and (read.name, read.scale) == ("other", 3.0)
    assert cosine(read.vector, torch.arange(SIZE)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((1, SIZE + 1)), "must hold"),
        (np.zeros((2, SIZE)), "must hold"),
        (np.zeros((1, SIZE)), "points nowhere"),
        (np.full((1, SIZE), np.nan), "not finite"),
        (np.full((1, SIZE), np.inf), "not finite"),
        (np.zeros((1, SIZE), complex), "real numbers"),
        (np.array([["a"] * SIZE]), "real numbers"),
        (np.array([[None] * SIZE], object), "real numbers"),  # a pickle
    ],
)
def test_bad_npy(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=reason) as caught:
        directions.read_npy(tmp_path / "a.npy", SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not an array"])
def test_npy_that_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError, match="no such file|no .npy file"):
        directions.read_npy(tmp_path / "a.npy", SHAPE)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "d.safetensors"
    with pytest.raises(InputError, match="no such file|is damaged"):
        directions.load(path)
    directions.save(path, [direction()])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="no such file|is damaged"):
        directions.load(path)
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="holds no directions"):
        directions.load(path)


@pytest.mark.parametrize(
    ("vector", "info"),
    [
        ("x", '{"x": {"scale": 1.0, "origin": {"method": "means", "conditional_on": []}}}'),  # no unit vector
        ("u", "{"),
        ("u", "[1]"),
        ("u", '{"v": {"scale": 1.0, "origin": {"method": "means", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": -1.0, "origin": {"method": "means", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": "1", "origin": {"method": "means", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": 1.0, "origin": {"method": "means", "conditional_on": [], "more": 1}}}'),
        ("u", '{"u": {"scale": 1.0}}'),
        ("u", "{}"),
        ("u", "[" * 100_000),
        ("u", '{"u": {"scale": 1e300, "origin": {"method": "means", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": true, "origin": {"method": "means", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": 1.0, "origin": {"method": 3, "conditional_on": []}}}'),
        ("u", '{"u": {"scale": 1.0, "origin": {"method": "means", "conditional_on": [[]]}}}'),
        ("u", '{"u": {"scale": 1.0, "origin": {"method": "means", "accuracy": "x", "conditional_on": []}}}'),
        ("u", '{"u": {"scale": 1.0, "origin": {"method": "means", "pictures": 1e99, "conditional_on": []}}}'),
        ("n", '{"n": {"scale": 1.0, "origin": {"method": "means", "conditional_on": []}}}'),
    ],
)
def test_damaged_headers(tmp_path, vector, info):
    tensors = {vector: {"x": torch.ones(SHAPE), "n": torch.full(SHAPE, torch.nan)}.get(vector, direction().vector)}
    save_file(tensors, tmp_path / "d.safetensors", {"format": directions.FORMAT, "directions": info})
    with pytest.raises(InputError, match="damaged directions"):
        directions.load(tmp_path / "d.safetensors")
