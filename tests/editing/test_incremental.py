"""Edits from known modulations are the edits of the plain way, and cost what changes; what is known is kept within bounds."""

import functools
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from stylemap import Placement, morph
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import motion
from stylemap.editing.blending import edited, patch_change
from stylemap.editing.composing import Change, lay_out, region
from stylemap.editing.edit import Patch
from stylemap.editing.incremental import Cache, Known, modulate
from tests.editing import tiny
from tests.editing.tiny import SIDE, addition, assert_differ, assert_same, box_mask, random_mask, stylemaps
from tests.tiny import randn


@pytest.fixture(scope="module")
def model() -> StylemapModel:
    """Biases are not 1 and 0 as in the beginning: they must be counted once whatever is mixed. One lower side is an image too."""
    made = tiny.model(rgb_skips=1)
    for layer, _ in made.generator.synthesis.modulated:
        layer.style.bias += randn(len(layer.style.bias))
    return made


def known(model: StylemapModel, seed: int, samples: int = 1) -> Known:
    maps = model.resize(stylemaps(model, samples, seed))
    return Known(maps, model.modulations(maps))


def taken(model: StylemapModel, mask: Tensor | None, seed: int = 2, samples: int = 1, **settings) -> Change:
    return patch_change(Patch(reference=0, mask=mask, **settings), known(model, seed, samples))


def flops(work) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def assert_incremental(model: StylemapModel, original: Known, changes: list[Change]) -> None:
    """The image and every modulation are those of the plain way, and the edit shows."""
    plain = edited(model, Known(original.maps), changes, "w+")
    assert_same(edited(model, original, changes, "w+"), plain)
    assert_differ(model.render(original.maps), plain)


BOX = box_mask(9, 6, 11, 13)
MASKS = {
    "box": {"mask": BOX},
    "box, hard": {"mask": box_mask(9, 7, 10, 11), "hard": True},
    "pixel": {"mask": box_mask(17, 21, 1, 1)},
    "at the frame": {"mask": box_mask(0, 20, 12, 12)},
    "everywhere": {"mask": torch.ones(1, 1, SIDE, SIDE)},
    "no mask": {"mask": None},
    "feathered": {"mask": box_mask(4, 4, 24, 24), "feather": 3.0},
    "grey": {"mask": 0.4 * BOX},
    "uneven": {"mask": random_mask(1)},
    "rows": {"mask": torch.linspace(0, 1, SIDE).view(-1, 1).expand(1, 1, SIDE, SIDE)},
    "strength": {"mask": BOX, "strength": 0.3},
    "layers": {"mask": BOX, "layers": (1, 4)},
    "last layer": {"mask": BOX, "layers": (5, 6)},
}
PLACES = {
    "by pixels": Placement((4.0, -5.0)),
    "by cells": Placement((8.0, 4.0)),
    "by fractions": Placement((2.3, -1.75)),
    "along one axis": Placement((0.0, 6.0)),
    "over the frame": Placement((-9.0, -13.0)),
    "out of the frame": Placement((14.5, 0.0)),
    "enlarged": Placement(scale=1.4),
    "shrunk and moved": Placement((3.0, 2.0), scale=0.6),
    "mirrored": Placement(flip=True),
    "mirrored about the middle": Placement(flip=True, centre=(16, 16)),
    "mirrored and moved": Placement((5.0, 3.5), flip=True, centre=(10, 3)),
    "mirrored and enlarged": Placement(scale=1.5, flip=True),
}


@pytest.mark.parametrize("settings", MASKS.values(), ids=MASKS)
def test_masks(model, settings):
    assert_incremental(model, known(model, 1), [taken(model, **settings)])


@pytest.mark.parametrize("placement", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("mask", [BOX, torch.ones(1, 1, SIDE, SIDE), None], ids=["box", "everywhere", "no mask"])
def test_placements(model, placement, mask):
    assert_incremental(model, known(model, 1), [taken(model, mask, placement=placement)])


def test_several_references_in_turn(model):
    changes = [
        taken(model, random_mask(1), 2, strength=0.5),
        taken(model, box_mask(0, 0, 20, 20), 3, placement=Placement((3.0, 1.0))),
        taken(model, box_mask(12, 3, 9, 25), 4, layers=(2, 6)),
        taken(model, box_mask(2, 2, 9, 9), 3, placement=Placement(flip=True, scale=1.2)),
    ]
    assert_incremental(model, known(model, 1), changes)


@pytest.mark.parametrize("mask", [None, BOX, random_mask(1)], ids=["everywhere", "box", "uneven"])
def test_additions_and_references_of_which_less_is_known(model, mask):
    """Their modulations are computed where they show."""
    push = addition([0.3 * m for m in model.resize(stylemaps(model, 1, 5))], mask)
    changes = [taken(model, BOX), push, taken(model, box_mask(3, 14, 9, 9), 3)._replace(modulations=None)]
    assert_incremental(model, known(model, 1), changes)


@pytest.mark.parametrize("samples", [1, 3])
def test_many_at_once(model, samples):
    """Masks, and with them the places that parts are scaled about, of each sample; or one for all."""
    masks = torch.cat([box_mask(4 + 3 * i, 2 * i, 11, 13) for i in range(samples)])
    for placement in (Placement(), Placement((3.0, 2.0)), Placement(scale=1.3)):
        assert_incremental(model, known(model, 1, 3), [taken(model, masks, samples=3, placement=placement)])


def test_mirrored_maps_of_nobody_s_mirror_image(model):
    """As `transplant` mirrors small parts: there is no convolution of these maps to take from."""
    change = taken(model, BOX, placement=Placement(flip=True))
    change = Change(change.step, known(model, 2).maps)
    assert_incremental(model, known(model, 1), [change])


@pytest.mark.parametrize(
    "changes", [{"stylemap_size": s} for s in (1, 2, 16, 32)] + [{"norm": "batch"}, {"light": True}]
)
def test_other_networks(changes):
    model = tiny.model(**changes)
    assert_incremental(model, known(model, 1), [taken(model, BOX, placement=Placement((2.0, 0.0)))])


def test_in_autocast(model):
    expected = edited(model, Known(known(model, 1).maps), [taken(model, BOX)], "w+")
    with torch.autocast("cpu", torch.bfloat16):
        found = edited(model, known(model, 1), [taken(model, BOX)], "w+")
    # 8 bits: 0.4 % a rounding, over some 20 layers
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.1 * float(expected.abs().max()))


def test_inputs_are_left_alone(model):
    original, change = known(model, 1), taken(model, BOX)
    tensors = [*original.maps, *original.modulations, *change.maps, *change.modulations]
    before = [x.clone() for x in tensors]
    edited(model, original, [change], "w+")
    assert all(torch.equal(x, y) for x, y in zip(tensors, before, strict=True))


class TestCost:
    """Arithmetic of the modulations, against that of the plain way."""

    @staticmethod
    def share(model: StylemapModel, changes: list[Change]) -> float:
        original = known(model, 1)
        laid = lay_out(original.maps, changes, SIDE)
        return flops(lambda: list(modulate(model, original, laid))) / flops(lambda: model.modulations(original.maps))

    def test_of_no_change_is_nothing(self, model):
        assert self.share(model, []) == self.share(model, [taken(model, torch.zeros(1, 1, SIDE, SIDE))]) == 0

    @pytest.mark.parametrize("mask", [None, torch.full((1, 1, SIDE, SIDE), 0.3)])
    def test_of_the_same_share_everywhere_is_nothing(self, model, mask):
        assert self.share(model, [taken(model, mask), taken(model, mask, 3, strength=0.5)]) == 0

    def test_of_a_straight_edge_is_its_line(self, model):
        """Two columns at every side: of 8 cells a quarter, of 32 pixels a 16th."""
        half = box_mask(0, 0, SIDE, SIDE // 2)
        assert 2 / 32 < self.share(model, [taken(model, half)]) < 2 / 8
        moved = taken(model, half, placement=Placement((0.0, 8.0)))  # and the column at the frame that comes in
        assert 3 / 32 < self.share(model, [moved]) < 3 / 8

    def test_of_films_is_that_of_their_images(self, model):
        """One image more is one image more of modulations, and frames between them cost no convolution of a style."""
        w = stylemaps(model, 4, 1)

        def film(images: int, frames: int) -> int:
            return flops(lambda: list(morph(model, w[:images], frames)))

        styles = model.resize(w[:1])
        image = flops(lambda: model.modulations(model.resize(w[:1])))
        frame = flops(lambda: model.render(styles)) - flops(lambda: model.modulations(styles))
        assert film(2, 2) == 2 * image + 2 * frame
        assert film(2, 9) == 2 * image + 9 * frame
        assert film(4, 9) == 4 * image + 25 * frame

    def test_where_nothing_is_known_of_a_reference_is_the_region(self, model):
        """12 x 12 of 32 x 32 pixels, and a cell around it at each side: 10 / 32 of the way at side 8 counts most."""
        change = taken(model, box_mask(8, 8, 12, 12))._replace(modulations=None)
        assert (12 / 32) ** 2 < self.share(model, [change]) < 0.5


LARGE = 128  # the window of a preview is smaller than such an image


@pytest.fixture(params=[("batch", 3), ("layer", 0), ("group", 1)], scope="module")
def made(request) -> tuple[StylemapModel, Cache, Tensor, Tensor]:
    norm, rgb_skips = request.param
    model = tiny.model(resolution=LARGE, channel_base=1024, norm=norm, rgb_skips=rgb_skips)
    return model, Cache(model), *stylemaps(model, 2, 1).split(1)


class TestPreview:
    def change(self, cache: Cache, reference: Tensor, box: tuple[int, int, int, int], **settings) -> Change:
        mask = box_mask(*box, side=LARGE)
        return patch_change(Patch(reference=0, mask=mask, **settings), cache.known([reference])[0])

    @pytest.mark.parametrize("box", [(0, 0, 20, 20), (50, 60, 20, 9), (100, 30, 28, 20), (0, 120, 128, 8)])
    @pytest.mark.parametrize("placement", [Placement(), Placement((-4.0, 3.0), scale=0.8)])
    @pytest.mark.parametrize("hard", [False, True])
    def test_differs_from_the_exact_image_by_the_statistics_alone(self, made, box, placement, hard):
        """Those of batch norm are fixed: inside the mask it is exact. Far away it is the original, whatever the norm."""
        model, cache, a, b = made
        original, change = cache.drawn(a), self.change(cache, b, box, placement=placement, hard=hard)
        found, exact = (edited(model, known, [change], "w+") for known in (original, original._replace(drawn=None)))
        inside = lay_out(original.maps, [change], LARGE)[0].share(LARGE) > 0
        far = F.max_pool2d((region([change], LARGE) > 0).float(), 2 * 40 + 1, 1, 40) == 0
        assert far.any() and torch.equal(found[far.expand_as(found)], original.drawn.image[far.expand_as(found)])
        assert_differ(found, original.drawn.image)
        if model.config.norm == "batch":
            assert_same(found[inside.expand_as(found)], exact[inside.expand_as(found)])

    def test_of_an_image_over_itself_is_the_image(self, made):
        """So the statistics are those of the original, and nothing is lost at the rim of the window."""
        model, cache, a, _ = made
        original = cache.drawn(a)
        assert_same(original.drawn.image, model.synthesize(a))
        assert_same(edited(model, original, [self.change(cache, a, (50, 60, 20, 9))], "w+"), original.drawn.image)

    def test_what_is_drawn_makes_no_other_edit_a_preview(self, made):
        _, cache, a, _ = made
        assert cache.drawn(a).drawn is not None and cache.drawn(a).drawn is cache.drawn(a).drawn
        assert cache.known([a])[0].drawn is None

    def test_in_bfloat16(self):
        model = tiny.model(resolution=LARGE, channel_base=1024)
        model.compute_in(torch.bfloat16)
        cache, (a, b) = Cache(model), stylemaps(model, 2, 1).split(1)
        original, change = cache.drawn(a), self.change(cache, b, (50, 60, 20, 9))
        for known in (original, original._replace(drawn=None)):
            plain = edited(model, Known(original.maps), [change], "w+") if known.drawn is None else original.drawn.image
            here = [change] if known.drawn is None else [self.change(cache, a, (50, 60, 20, 9))]
            # 8 bits: 0.4 % a rounding, over some 20 layers
            error = (edited(model, known, here, "w+") - plain).abs().max()
            assert error < 0.1 * plain.abs().max()

    def test_costs_less(self, made):
        model, cache, a, b = made
        original, change = cache.drawn(a), self.change(cache, b, (0, 0, 20, 20))
        exact = flops(lambda: edited(model, original._replace(drawn=None), [change], "w+"))
        assert flops(lambda: edited(model, original, [change], "w+")) < 0.5 * exact


class TestCache:
    def test_what_is_known_is_what_the_model_says(self, model):
        a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
        cache = Cache(model)
        first, second, again = cache.known([a, b, a])
        assert first.maps is again.maps and len(cache) == 2 and cache.known([b])[0].modulations is second.modulations
        for w, found in ((a, first), (b, second)):
            assert all(torch.equal(x, y) for x, y in zip(found.maps, model.resize(w), strict=True))
            assert all(torch.equal(x, y) for x, y in zip(found.modulations, model.modulations(found.maps), strict=True))
        assert cache.bytes == 2 * (cache.styles_bytes + cache.modulations_bytes)

    def test_another_model_knows_the_same_stylemap_otherwise_in_the_same_room(self, model):
        a, other = stylemaps(model, 1, 1), tiny.model(seed=1)
        cache = Cache(model)
        its = cache.of(other)
        for _ in range(2):
            for each, of in ((cache, model), (its, other)):
                (known,) = each.known([a])
                assert all(torch.equal(x, y) for x, y in zip(known.maps, of.resize(a), strict=True))
                assert torch.equal(each.drawn(a).drawn.image, of.render_modulated(of.modulations(of.resize(a))))
        assert len(cache) == len(its) == 2
        cache.most_bytes = its.most_bytes = cache.styles_bytes + cache.modulations_bytes
        its.known([a])
        assert len(cache) == 1 and flops(lambda: its.known([a])) == 0 < flops(lambda: cache.known([a]))
        its.known([a])
        its = each = None
        assert len(cache) == 0

    def test_it_is_known_as_long_as_the_stylemap_lives(self, model):
        cache, a = Cache(model), stylemaps(model, 1, 1)
        cache.known([a, stylemaps(model, 1, 2)])
        assert len(cache) == 1
        del a
        assert len(cache) == cache.bytes == 0

    def test_what_was_used_last_is_kept(self, model):
        images = [stylemaps(model, 1, i) for i in range(4)]
        cache = Cache(model)
        cache.most_bytes = 2 * (cache.styles_bytes + cache.modulations_bytes)
        for i in (0, 1, 0, 2):
            cache.known([images[i]])
        assert cache.bytes == cache.most_bytes
        assert images[0] in cache._kept and images[2] in cache._kept

    @pytest.mark.parametrize(("room", "modulated"), [(0, [False, False]), (1, [True, False]), (2, [True, True])])
    def test_without_room_for_all_the_original_has_its_modulations(self, model, room, modulated):
        """And it keeps them: an edit after another computes nothing again."""
        images = [stylemaps(model, 1, i) for i in range(2)]
        cache = Cache(model)
        cache.most_bytes = 2 * cache.styles_bytes + room * cache.modulations_bytes
        found = cache.known(images)
        assert [known.modulations is not None for known in found] == modulated
        assert cache.bytes == cache.most_bytes and flops(lambda: cache.known(images)) == 0

    @pytest.mark.parametrize(("room", "images"), [(4, 3), (3, 0)])
    def test_a_film_knows_modulations_where_four_images_have_room(self, model, room, images, monkeypatch):
        w, cache, asked = stylemaps(model, 3, 1), Cache(model), []
        expected = torch.cat(list(morph(model, w, 3)))
        most = room * (cache.styles_bytes + cache.modulations_bytes)
        monkeypatch.setattr(motion, "Cache", functools.partial(Cache, most_bytes=most))
        modulations = StylemapModel.modulations
        monkeypatch.setattr(StylemapModel, "modulations", lambda *args: asked.append(1) or modulations(*args))
        assert_same(torch.cat(list(morph(model, w, 3))), expected)
        assert len(asked) == images

    def test_a_film_knows_four_images_at_a_time(self, model, monkeypatch):
        known, alive = [], []

        def noting(make):
            def noted(*args) -> Known:
                made = make(*args)
                known.append(weakref.ref(made.modulations[-1]))
                alive.append(sum(one() is not None for one in known))
                return made

            return noted

        for name in ("_known", "laid_over"):
            monkeypatch.setattr(motion, name, noting(getattr(motion, name)))
        for _ in morph(model, stylemaps(model, 4, 1), 2, [motion.Region(BOX)], loop=True):
            pass
        assert max(alive) == motion.KNOWN

    def test_images_without_room_are_not_kept(self, model):
        cache = Cache(model, 1)
        assert cache.known([stylemaps(model, 1, 1)])[0].modulations is None
        assert len(cache) == 0
