"""Edits carried out: the image of `compose`, where it differs, and the colours of parts brought to the photo's."""

import numpy as np
import pytest
import torch

import stylemap as package
from stylemap import blend, images
from stylemap.datasets import Avatars
from stylemap.editing import applying, composing, directions, pasting
from stylemap.editing.blending import in_space, push_change
from stylemap.editing.composing import Change
from stylemap.editing.edit import Placement, Push
from stylemap.editing.incremental import Known
from stylemap.faces import Alignment
from stylemap.resources import PRETRAINED
from tests.editing.tiny import SIDE, addition, box_mask, patch, stylemaps


@pytest.fixture(scope="module")
def shipped():
    return package.load("avatars32")


@pytest.fixture(scope="module")
def faces():
    return Avatars(SIDE, count=40, split="heldout")


def encode(model, picture: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return model.encode(images.from_uint8(torch.from_numpy(picture)[None]))


def edit(model, original: torch.Tensor, steps: list, space: str = "w+", how: str = "none") -> applying.Edited:
    with torch.no_grad():
        return applying.apply_changes(model, Known(in_space(model, original, space)), steps, space, how)


class TestPicture:
    @pytest.mark.parametrize("how", ["none", *pasting.WAYS])
    def test_is_the_library_s(self, model, how):
        original, reference = stylemaps(model, 1, 0), stylemaps(model, 1, 1)
        mask = box_mask(4, 6, 9, 12)
        made = edit(model, original, [patch(model.resize(reference), mask, strength=0.7)], how=how)
        expected = blend(model, original, reference, mask, strength=0.7)
        np.testing.assert_array_equal(made.pixels, images.to_uint8(expected)[0].numpy())
        assert (made.region is None) == (how == "none") and len(made.sources) == (how == "poisson")

    def test_sources_are_the_references_where_they_go(self, model):
        original, other = stylemaps(model, 1, 0), stylemaps(model, 1, 1)
        maps = model.resize(other)
        steps = [patch(maps, box_mask(4, 6, 9, 12)), patch(maps, box_mask(4, 4, 8, 8), Placement((8.0, 0.0)))]
        first, second = edit(model, original, steps, how="poisson").sources
        reference = images.to_uint8(model.synthesize(other))[0].numpy()
        np.testing.assert_array_equal(first.image, reference)
        np.testing.assert_array_equal(second.inside, box_mask(12, 4, 8, 8)[0, 0] > 0)
        assert (second.image != reference).any()


class TestRegion:
    def test_is_of_the_masks_where_there_are_masks(self, model):
        original = stylemaps(model, 1, 0)
        delta = [torch.ones_like(m) for m in model.resize(original)]
        steps = [
            patch(model.resize(stylemaps(model, 1, 1)), box_mask(0, 0, 5, 5)),
            addition(delta, box_mask(9, 9, 5, 5)),
        ]
        expected = torch.maximum(box_mask(0, 0, 5, 5), box_mask(9, 9, 5, 5))[0, 0]
        np.testing.assert_array_equal(edit(model, original, steps, how="feather").region, expected)

    @pytest.mark.parametrize("name", ["smile", "mouth_open", "glasses"])
    def test_of_a_direction_everywhere_is_where_it_shows(self, shipped, faces, name):
        """The lower half of a face for the mouth, the upper for glasses; never the whole photo, which would lose its detail."""
        direction = directions.load(PRETRAINED / "directions/avatars32.safetensors")[name]
        for i in range(4):
            w = encode(shipped, faces[i])
            step = push_change(shipped, Push(direction=direction, amount=2.0), w, Known(shipped.resize(w)), "w+")
            region = edit(shipped, w, [step], how="feather").region
            assert 0.01 < region.mean() < 0.45
            half = region[14:] if name != "glasses" else region[:22]
            assert half.sum() > 0.7 * region.sum()

    def test_of_no_amount_is_nowhere(self, shipped, faces):
        w = encode(shipped, faces[0])
        made = edit(shipped, w, [addition([torch.zeros_like(m) for m in shipped.resize(w)])], how="feather")
        assert not made.region.any()


MOVES = {
    "as it lies": {},
    "shifted": {"placement": Placement((3.0, -2.0))},
    "scaled": {"placement": Placement(scale=1.3)},
    "flipped": {"placement": Placement(flip=True)},
    "half": {"strength": 0.5},
    "layers": {"layers": (0, 3)},
}


@pytest.fixture(scope="module")
def pairs(shipped, faces):
    """Images and the same faces with another skin, darker ones lighter and lighter ones darker."""
    tone = directions.load(PRETRAINED / "directions/avatars32.safetensors")["skin_tone"]
    made = []
    for i in range(6):
        amount = -2.5 if faces.attributes(i)["skin_tone"] > 0.5 else 2.5
        moved = directions.move(encode(shipped, faces[i]), tone, amount)
        made.append((faces[i], images.to_uint8(shipped.synthesize(moved))[0].numpy()))
    return made


class TestPoisson:
    """The reference is the original with another skin, so that what it brings is the difference of tone alone."""

    MASK = box_mask(14, 9, 10, 14)

    def left(self, shipped, pairs, space: str, parts: list[tuple[torch.Tensor, dict]]) -> float:
        """What is left of the change of tone, against the same edit with the original as its reference."""
        sums = np.zeros(2)
        for original, reference in pairs:
            w, steps = encode(shipped, original), {}
            for name, picture in (("plain", original), ("toned", reference)):
                steps[name] = []
                for mask, settings in parts:
                    flip = settings.get("placement", Placement()).flip
                    turned = np.ascontiguousarray(picture[:, ::-1]) if flip else picture
                    maps = in_space(shipped, encode(shipped, turned), space)
                    maps = [m.flip(3) for m in maps] if flip else maps
                    steps[name].append(patch(maps, mask, **settings))
            plain = edit(shipped, w, steps["plain"], space).pixels.astype(float)
            made = edit(shipped, w, steps["toned"], space, "poisson")
            matched = pasting.match(original, made.pixels, made.sources)
            sums += [abs((x - plain)[made.region > 0].mean()) for x in (made.pixels, matched)]
        assert sums[0] > 15 * len(pairs)  # levels: there is something to bring
        return sums[1] / sums[0]

    @pytest.mark.parametrize("space", ["w", "w+"])
    @pytest.mark.parametrize("move", MOVES)
    def test_a_tint_becomes_the_original_s(self, shipped, pairs, space, move):
        """At most a third is left, 15 to 30 % as measured: tone and content are told apart by their smoothness alone."""
        if space == "w+" or "layers" not in MOVES[move]:
            assert self.left(shipped, pairs, space, [(self.MASK, MOVES[move])]) < 1 / 3

    def test_several(self, shipped, pairs):
        parts = [(box_mask(12, 9, 8, 10), {}), (box_mask(16, 13, 8, 10), {"strength": 0.8})]
        assert self.left(shipped, pairs, "w+", parts) < 1 / 3

    @pytest.mark.parametrize("how", pasting.WAYS)
    def test_beyond_the_rim_it_is_the_photo(self, shipped, faces, how):
        photo = Avatars(256, count=40, split="heldout")[9]
        part = patch(shipped.resize(encode(shipped, faces[22])), box_mask(18, 10, 6, 12))
        made = edit(shipped, encode(shipped, faces[9]), [part], how=how)
        alignment = Alignment.central(256, 256, SIDE)
        pasted = pasting.paste(photo, faces[9], made.pixels, alignment, made.region, how, made.sources)
        changed = (pasted != photo).any(-1)
        assert changed[18 * 8 : 24 * 8, 10 * 8 : 22 * 8].mean() > 0.9
        changed[15 * 8 : 27 * 8, 7 * 8 : 25 * 8] = False
        assert not changed.any()


def test_everywhere_lies_as_the_part_does(model):
    """Mirrored and scaled about the middle of the part, not of the image."""
    maps = [torch.rand(1, 4, SIDE, SIDE)]
    change = patch(maps, box_mask(3, 5, 8, 10), Placement((2.0, 3.0), 1.5, True), strength=0.5)
    whole = Change(composing.everywhere(change.step, SIDE), maps)
    zeros = [torch.zeros_like(maps[0])]
    part = composing.compose(zeros, [change], SIDE)[0]
    rest = composing.compose(zeros, [whole], SIDE)[0]
    inside = (composing.region([change], SIDE) == 1).expand_as(part)
    torch.testing.assert_close(part[inside], 0.5 * rest[inside])
