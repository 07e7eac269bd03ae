import numpy as np
import pytest
import torch

from stylemap import images
from stylemap.datasets.parts import GROUPS, Part
from stylemap.editing import blend
from stylemap.errors import InputError
from stylemap.metrics import local_editing, pairing, streams
from stylemap.metrics.local_editing import EditedPair
from tests.editing import tiny
from tests.metrics import toys

SIDE = tiny.SIDE


@pytest.fixture(scope="module")
def pictures() -> toys.Set:
    return toys.Set(toys.noise(8, SIDE).numpy())


def label(index: int) -> np.ndarray:
    """Skin everywhere, and a nose whose place is that of index // 2: images 2 k and 2 k + 1 fit."""
    found = np.full((SIDE, SIDE), Part.SKIN, np.uint8)
    y = 8 * (index // 2)
    found[y : y + 6, 4 : 10 + index % 2] = Part.NOSE
    return found


class TestTasks:
    def test_parts(self):
        tasks = {t.name: t for t in local_editing.part_tasks(label, range(8), 250, SIDE)}
        assert list(tasks) == list(GROUPS)
        assert tasks["nose"].pairs == [(0, 1), (2, 3), (4, 5), (6, 7)]
        assert all(len(t.pairs) == 4 and t.space == "w+" for t in tasks.values())

    @pytest.mark.parametrize("compared", [256, 16])
    def test_masks_are_unions(self, monkeypatch, compared):
        """Also where the overlap is measured at another size than the edit has."""
        monkeypatch.setattr(local_editing, "COMPARED_SIDE", compared)
        tasks = {t.name: t for t in local_editing.part_tasks(label, range(8), 250, SIDE)}
        mask = tasks["nose"].mask(2, 5)
        assert mask.shape == (1, 1, SIDE, SIDE)
        assert torch.equal(mask[0, 0] > 0, torch.from_numpy((label(2) == Part.NOSE) | (label(5) == Part.NOSE)))
        assert not tasks["hair"].mask(2, 5).any()

    def test_subset(self):
        """Pairs name the images, not their places, and keep to the subset."""
        tasks = {t.name: t for t in local_editing.part_tasks(label, [1, 4, 5, 6], 1, SIDE)}
        assert tasks["nose"].pairs == [(4, 5)]
        assert torch.equal(tasks["nose"].mask(4, 5)[0, 0] > 0, torch.from_numpy(label(5) == Part.NOSE))

    def test_overlap(self):
        """Noses of a pair are 6 and 7 columns wide, from the same one on; nobody has hair."""
        hair, nose = local_editing.part_tasks(label, range(8), 250, SIDE, names=["hair", "nose"])
        assert (hair.name, nose.name) == ("hair", "nose")
        assert nose.overlap == dict.fromkeys(nose.pairs, pytest.approx(6 / 7))
        assert set(hair.overlap.values()) == {0}

    def test_halves(self):
        right, lower = local_editing.half_tasks([3, 5, 7, 9], 250, SIDE, seed=1)
        assert {i for pair in right.pairs for i in pair} == {3, 5, 7, 9}
        assert right.pairs == lower.pairs
        assert (right.space, lower.space) == ("w", "w")
        assert torch.equal(right.mask(3, 5)[0, 0, 0], (torch.arange(SIDE) >= SIDE / 2).float())
        assert torch.equal(lower.mask(3, 5)[0, 0, :, 0], (torch.arange(SIDE) >= SIDE / 2).float())


def test_edits_are_the_published_blend(pictures, monkeypatch):
    monkeypatch.setattr(streams, "MOST", 3)
    model = tiny.model()
    latents = streams.latents_of(model, pictures)
    task = next(t for t in local_editing.part_tasks(label, range(8), 250, SIDE) if t.name == "nose")
    found = list(local_editing.edits(model, pictures, {"latent": latents}, task))
    assert len(found) == 4
    for (a, b), edit in zip(task.pairs, found, strict=True):
        assert (edit.source == pictures[a]).all() and (edit.reference == pictures[b]).all()
        mask = task.mask(a, b)
        assert torch.equal(torch.from_numpy(edit.mask), mask[0, 0] > 0)
        expected = images.to_uint8(blend(model, latents[a : a + 1], latents[b : b + 1], mask, "w+", hard=True))[0]
        # Rounding to 8 bits may turn a difference of 1e-6 into one of 1.
        assert np.abs(edit.picture.astype(int) - expected.numpy()).max() <= 1


class TestMeasure:
    def flat(self, value: int) -> np.ndarray:
        return np.full((4, 4, 3), value, np.uint8)

    def edit(self, source: int, reference: int, picture: int, masked: int) -> EditedPair:
        mask = np.zeros((4, 4), bool)
        mask.flat[:masked] = True
        return EditedPair(self.flat(source), self.flat(reference), self.flat(picture), mask)

    def test_which_is_which(self):
        """51 steps are 0.4: outside 0.16 from the source, inside 0.64 from the reference."""
        found = local_editing.edit_errors([self.edit(100, 253, 151, 4)])
        assert found == pytest.approx((0.16, 0.64, 0.16, 0.64))

    def test_pooling(self):
        """Five edits: published, four are pooled and the fifth counts as much as they; exactly, every pixel counts alike."""
        edits = [self.edit(100, 100, 151, 4)] + [self.edit(100, 100, 100, 8)] * 3 + [self.edit(100, 100, 151, 16)]
        found = local_editing.edit_errors(edits)
        assert found.ref == pytest.approx((0.16 * 4 / 28 + 0.16) / 2)
        assert found.ref_exact == pytest.approx(0.16 * 20 / 44)
        assert found.src == found.src_exact == pytest.approx(0.16 * 12 / 36)
        assert found.src == pairing.pooled(pairing.squared_errors(e.picture, e.source, ~e.mask) for e in edits)

    def test_nothing_masked(self):
        found = local_editing.edit_errors([self.edit(100, 100, 100, 0)])
        assert found == (0, None, 0, None)
        assert local_editing.average([0.5, None, 1.5]) == 1
        assert local_editing.average([None]) is None


def test_models_without_places():
    local_editing.check_stylemaps(tiny.model())
    with pytest.raises(InputError, match="needs stylemaps"):
        local_editing.check_stylemaps(toys.Flat())
