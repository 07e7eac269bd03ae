"""Blending: identities at the ends, samples that never meet, how far an edit reaches, several references."""

import pytest
import torch

from stylemap import blend
from stylemap.editing import masks
from tests.editing import tiny
from tests.editing.tiny import (
    CELL,
    CELLS,
    CHANNELS,
    SIDE,
    SPACES,
    assert_differ,
    assert_same,
    box_mask,
    random_mask,
    stylemaps,
)

every_way = pytest.mark.parametrize(("space", "hard"), [(s, h) for s in SPACES for h in (False, True)])


# ---- the ends


@every_way
def test_empty_mask_is_the_original(model, space, hard):
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    empty = torch.zeros(2, 1, SIDE, SIDE)
    assert_same(blend(model, a, b, empty, space, hard), model.synthesize(a))


@every_way
def test_full_mask_is_the_reference(model, space, hard):
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    full = torch.ones(2, 1, SIDE, SIDE)
    assert_same(blend(model, a, b, full, space, hard), model.synthesize(b))


@every_way
def test_in_autocast(model, space, hard):
    a, b, mask = stylemaps(model, 1, 1), stylemaps(model, 1, 2), random_mask(1)
    expected = blend(model, a, b, mask, space, hard)
    with torch.autocast("cpu", torch.bfloat16):
        found = blend(model, a, b, mask, space, hard)
    # 8 bits: 0.4 % a rounding, over some 20 layers
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.1 * float(expected.abs().max()))


@every_way
def test_of_a_picture_with_itself_is_the_picture(model, space, hard):
    a = stylemaps(model, 2, 1)
    assert_same(blend(model, a, a, random_mask(2), space, hard), model.synthesize(a))


def test_one_half_in_w_is_the_mean_stylemap(model):
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    half = torch.full((2, 1, SIDE, SIDE), 0.5)
    assert_same(blend(model, a, b, half, space="w"), model.synthesize((a + b) / 2))


def test_one_half_in_w_plus_is_the_mean_of_every_resized_stylemap(model):
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    half = torch.full((2, 1, SIDE, SIDE), 0.5)
    means = [(x + y) / 2 for x, y in zip(model.resize(a), model.resize(b), strict=True)]
    assert_same(blend(model, a, b, half, space="w+"), model.render(means))
    assert_differ(model.render(means), model.synthesize((a + b) / 2))  # the spaces are not the same


@pytest.mark.parametrize("space", SPACES)
def test_swapping_the_pictures_and_the_mask_changes_nothing(model, space):
    a, b, mask = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    assert_same(blend(model, a, b, mask, space), blend(model, b, a, 1 - mask, space))


@every_way
def test_inputs_are_left_alone(model, space, hard):
    inputs = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    before = [x.clone() for x in inputs]
    blend(model, *inputs, space, hard)
    assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))


# ---- strength


@every_way
def test_strength_scales_the_mask(model, space, hard):
    a, b, mask = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    assert_same(blend(model, a, b, mask, space, hard, strength=0), model.synthesize(a))
    assert_same(blend(model, a, b, mask, space, hard, strength=1), blend(model, a, b, mask, space, hard))


@pytest.mark.parametrize("space", SPACES)
def test_partial_strength_is_a_paler_mask(model, space):
    a, b, mask = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    assert_same(blend(model, a, b, mask, space, strength=0.3), blend(model, a, b, 0.3 * mask, space))


def test_strength_applies_after_the_hard_threshold(model):
    a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
    full = torch.ones(1, 1, SIDE, SIDE)
    assert_same(blend(model, a, b, full, "w", hard=True, strength=0.25), model.synthesize(torch.lerp(a, b, 0.25)))


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf")])
def test_strength_out_of_range(model, strength):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="strength"):
        blend(model, a, a, random_mask(1), strength=strength)


# ---- many at once


@every_way
@pytest.mark.parametrize("samples", [3, CHANNELS])
def test_many_edits_at_once_are_the_edits_one_by_one(model, space, hard, samples):
    a, b, mask = stylemaps(model, samples, 1), stylemaps(model, samples, 2), random_mask(samples)
    at_once = blend(model, a, b, mask, space, hard)
    alone = [blend(model, a[i : i + 1], b[i : i + 1], mask[i : i + 1], space, hard) for i in range(samples)]
    assert_same(at_once, torch.cat(alone))


def test_the_published_mistake_shows_on_these_inputs(model):
    """A mask [N, S, S] meets the channels instead of the samples: silent where N = C, and wrong."""
    a, b, mask = stylemaps(model, CHANNELS, 1), stylemaps(model, CHANNELS, 2), random_mask(CHANNELS)
    mixed_up = torch.lerp(a, b, masks.resize(mask, CELLS, hard=False)[:, 0])
    assert_differ(model.synthesize(mixed_up), blend(model, a, b, mask, space="w"))


@every_way
def test_one_mask_serves_all_samples(model, space, hard):
    a, b, mask = stylemaps(model, 3, 1), stylemaps(model, 3, 2), random_mask(1)
    assert_same(blend(model, a, b, mask, space, hard), blend(model, a, b, mask.repeat(3, 1, 1, 1), space, hard))


# ---- hard


@pytest.mark.parametrize(("y", "x"), [(0, 0), (13, 6), (SIDE - 1, SIDE - 1)])
def test_hard_in_w_a_single_pixel_takes_its_whole_cell(model, y, x):
    a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
    cell = box_mask(y // CELL * CELL, x // CELL * CELL, CELL, CELL)
    taken = blend(model, a, b, box_mask(y, x, 1, 1), "w", hard=True)
    assert_same(taken, blend(model, a, b, cell, "w", hard=False))
    assert (taken - model.synthesize(a)).abs().max() > (
        blend(model, a, b, box_mask(y, x, 1, 1), "w") - model.synthesize(a)
    ).abs().max()


@pytest.mark.parametrize("space", SPACES)
def test_hard_and_soft_agree_on_masks_of_whole_cells(space):
    """In w+ as well: a cell of the stylemap is made of whole cells at every finer side."""
    model = tiny.model()
    a, b, cells = stylemaps(model, 1, 1), stylemaps(model, 1, 2), box_mask(8, 4, 12, 20)
    assert_same(blend(model, a, b, cells, space, hard=True), blend(model, a, b, cells, space, hard=False))


# ---- how far an edit reaches


def reach(model, space: str) -> int:
    """Pixels beyond the mask (of whole cells) that can change where no statistic couples distant places.

    In w+ the styles change inside the mask alone; the 3 x 3 convolutions to gamma and beta and of the head add a cell each:
    2. In w the resizer's two layers at side S add to that, but the second reaches no further than the head: 3. Then every
    block turns r into 2 r + 2 (it doubles the side; transposed convolution and blur add 2) and + 1 (its second
    convolution). The resizer in w goes the same way, and stays behind.
    """
    r = {"w": 3, "w+": 2}[space]
    for _ in range(model.config.doublings):
        r = 2 * r + 2 + 1
    return r


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("flips", [(), (2,), (3,), (2, 3)])
@pytest.mark.parametrize(
    ("cells", "height", "width"),
    [(8, 4, 4), (16, SIDE // 2, SIDE)],  # a corner cell; the upper half
)
def test_beyond_the_receptive_field_nothing_changes(space, hard, flips, cells, height, width):
    """With batch norm's fixed statistics the reach is exact: that pixel still changes, the next one does not at all."""
    model = tiny.model(norm="batch", stylemap_size=cells)
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    mask = box_mask(0, 0, height, width).flip(flips)
    change = (blend(model, a, b, mask, space, hard) - model.synthesize(a)).abs().amax(dim=(0, 1), keepdim=True)
    change = change.flip(flips)[0, 0]  # [R, R], the mask at the upper left again
    last = height - 1 + reach(model, space)
    assert last < SIDE - 1
    assert change[last].max() > 0
    assert change[last + 1 :].max() == 0
    if width < SIDE:
        last = width - 1 + reach(model, space)
        assert change[:, last].max() > 0
        assert change[:, last + 1 :].max() == 0


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_layer_norm_distant_pixels_move_little(space, seed):
    """Layer norm looks at the whole image, so nothing stays exactly: one cell of 64 shifts every statistic by O(1 / 64).

    Six norms in a row make that about a tenth of the change inside. Measured on these weights: a 17th to an 87th; a fifth
    is asserted. (A mask over half the image moves the statistics by O(1): its other half changes by a half to a quarter
    as much, a matter of the architecture and not of the blending, see the test above.)
    """
    model = tiny.model(seed)
    a, b = stylemaps(model, 8, 1), stylemaps(model, 8, 2)
    change = blend(model, a, b, box_mask(0, 0, CELL, CELL), space) - model.synthesize(a)
    inside = change[..., :CELL, :CELL].square().mean().sqrt()
    far = CELL + reach(model, space)
    outside = torch.cat([change[..., far:, :].flatten(), change[..., :far, far:].flatten()]).square().mean().sqrt()
    assert inside > 5 * outside


# ---- several references


@every_way
def test_the_last_reference_is_on_top(model, space, hard):
    a, b, c = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
    full = torch.ones(2, 1, SIDE, SIDE)
    assert_same(blend(model, a, [b, c], [full, full], space, hard), model.synthesize(c))
    assert_same(blend(model, a, [c, b], [full, full], space, hard), model.synthesize(b))


@every_way
def test_disjoint_masks_commute(model, space, hard):
    a, b, c = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
    left, right = box_mask(0, 0, 20, 12), box_mask(4, 12, 28, 20)  # of whole cells: no cell is shared
    assert_same(
        blend(model, a, [b, c], [left, right], space, hard), blend(model, a, [c, b], [right, left], space, hard)
    )


def test_references_in_w_are_blended_in_turn(model):
    a, b, c = (stylemaps(model, 2, seed) for seed in (1, 2, 3))
    first, second = random_mask(2, 1), random_mask(2, 2)
    expected = torch.lerp(a, b, masks.resize(first, CELLS, hard=False))
    expected = torch.lerp(expected, c, masks.resize(second, CELLS, hard=False))
    assert_same(blend(model, a, [b, c], [first, second], space="w"), model.synthesize(expected))


@every_way
def test_a_list_of_one_is_the_one(model, space, hard):
    a, b, mask = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    assert_same(blend(model, a, [b], [mask], space, hard), blend(model, a, b, mask, space, hard))


# ---- mistakes


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("samples", "shape"),
    [
        (2, (2, SIDE, SIDE)),
        (CHANNELS, (CHANNELS, SIDE, SIDE)),  # ran silently in the published code
        (2, (CHANNELS, 1, SIDE, SIDE)),
        (2, (2, CHANNELS, SIDE, SIDE)),
        (2, (2, 1, CELLS, CELLS)),  # cells, not pixels
        (2, (SIDE, SIDE)),
    ],
)
def test_mask_of_another_shape(model, space, samples, shape):
    a, b = stylemaps(model, samples, 1), stylemaps(model, samples, 2)
    with pytest.raises(ValueError, match="mask must be"):
        blend(model, a, b, torch.zeros(shape), space)


@pytest.mark.parametrize("space", SPACES)
def test_every_mask_of_several_is_checked(model, space):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="mask must lie in"):
        blend(model, a, [a, a], [random_mask(1), 255 * random_mask(1)], space)


@pytest.mark.parametrize(("references", "selected"), [(2, 1), (1, 2), (0, 0)])
def test_each_reference_needs_a_mask(model, references, selected):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="each part needs a reference"):
        blend(model, a, [a] * references, [random_mask(1)] * selected)


@pytest.mark.parametrize("space", ["W", "w++", "z", "", None])
def test_unknown_space(model, space):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="space must be"):
        blend(model, a, a, random_mask(1), space)


def misfits() -> dict[str, tuple[int, ...]]:
    """Shapes of a reference for an original [2, C, S, S]."""
    return {
        "samples": (3, CHANNELS, CELLS, CELLS),
        "channels": (2, 1, CELLS, CELLS),
        "side": (2, CHANNELS, 1, CELLS),
        "dimensions": (CHANNELS, CELLS, CELLS),
    }


@pytest.mark.parametrize("misfit", ["channels", "side", "dimensions"])
def test_reference_of_another_shape_in_w_plus(model, misfit):
    with pytest.raises(ValueError, match="must be"):
        blend(model, stylemaps(model, 2, 1), torch.zeros(misfits()[misfit]), random_mask(2), "w+")


@pytest.mark.parametrize(
    ("space", "misfit"), [("w", "samples"), ("w+", "samples"), ("w", "channels"), ("w", "side"), ("w", "dimensions")]
)
def test_reference_of_another_shape(model, space, misfit):
    with pytest.raises(ValueError, match="must be"):
        blend(model, stylemaps(model, 2, 1), torch.zeros(misfits()[misfit]), random_mask(2), space)


# ---- other sizes of the stylemap


@every_way
@pytest.mark.parametrize("cells", [1, 2, 4, 16, 32])
def test_every_size_of_the_stylemap(cells, space, hard):
    model = tiny.model(stylemap_size=cells)
    a, b, mask = stylemaps(model, 2, 1), stylemaps(model, 2, 2), random_mask(2)
    assert_same(blend(model, a, b, torch.zeros_like(mask), space, hard), model.synthesize(a))
    assert_same(blend(model, a, b, torch.ones_like(mask), space, hard), model.synthesize(b))
    alone = [blend(model, a[i : i + 1], b[i : i + 1], mask[i : i + 1], space, hard) for i in range(2)]
    assert_same(blend(model, a, b, mask, space, hard), torch.cat(alone))


# ---- layers


def test_layers_are_those_of_the_reference_inside_the_mask(model):
    """A full mask over the first layers is the published style mixing."""
    a, b = stylemaps(model, 2, 1), stylemaps(model, 2, 2)
    full = torch.ones(1, 1, SIDE, SIDE)
    styles = model.resize(b)[:2] + model.resize(a)[2:]
    assert_same(blend(model, a, b, full, layers=(0, 2)), model.render(styles))
    assert_same(blend(model, a, b, full, layers=(0, 6)), model.synthesize(b))


def test_layers_in_w_are_refused(model):
    a = stylemaps(model, 1, 1)
    with pytest.raises(ValueError, match="layers"):
        blend(model, a, a, random_mask(1), space="w", layers=(0, 1))
