"""The model of SEAN: codes by parts, images under masks, and edits of both."""

from dataclasses import asdict

import pytest
import torch

from stylemap import architectures, checkpoint, images
from stylemap.architectures.sean.config import PARTS, SeanConfig
from stylemap.architectures.sean.discriminator import PatchDiscriminators
from stylemap.architectures.sean.model import SeanModel
from stylemap.datasets.parts import Part
from stylemap.errors import InputError
from tests.architectures.sean import tiny
from tests.tiny import randn


@pytest.fixture(scope="module")
def seen():
    """(model, images, masks, codes) of three drawn faces."""
    model = tiny.model()
    pictures, labels = images.from_labelled(tiny.faces())
    masks = model.masks_of(labels)
    return model, pictures, masks, model.encode(pictures, masks)


def test_parts_are_those_of_the_labels():
    assert len(Part) == PARTS


@pytest.mark.parametrize("resolution", [16, 32])
@pytest.mark.parametrize("plain", [0, 1])
def test_shapes(resolution, plain):
    config = SeanConfig(
        resolution=resolution, code_channels=3, mask_channels=2, plain_blocks=plain, channel_base=128, channel_max=4
    )
    model, masks = SeanModel(config), torch.zeros(2, PARTS, resolution, resolution)
    masks[:, 1] = 1
    codes = model.encode(randn(2, 3, resolution, resolution), masks)
    assert codes.shape == (2, *model.latents.shape) == (2, PARTS, 3)
    assert (codes[:, 0] == 0).all() and (codes[:, 1] != 0).any()
    image = model.generate(codes, masks)
    assert image.shape == (2, 3, resolution, resolution) and image.abs().max() <= 1
    judged = PatchDiscriminators(config)(image, masks)
    assert [len(scale) for scale in judged] == [config.patch_layers + 1] * 2
    assert all(scale[-1].shape[:2] == (2, 1) for scale in judged)


def test_masks_are_the_labels(seen):
    model, _, masks, _ = seen
    labels = tiny.faces()[..., 3]
    assert torch.equal(masks.argmax(dim=1), labels.long()) and torch.equal(masks.sum(dim=1), torch.ones(3, 16, 16))
    with pytest.raises(ValueError, match=r"labels must be \[N, 16, 16\]"):
        model.masks_of(labels[:, :8])


def test_a_swap_takes_the_code_of_a_part(seen):
    model, _, masks, codes = seen
    swapped = model.swap(codes, codes.roll(1, dims=0), [Part.HAIR, Part.SKIN])
    others = [part for part in Part if part not in (Part.HAIR, Part.SKIN)]
    assert torch.equal(swapped[:, others], codes[:, others])
    assert torch.equal(swapped[:, Part.SKIN], codes.roll(1, dims=0)[:, Part.SKIN])
    assert not torch.equal(model.generate(swapped, masks), model.generate(codes, masks))
    assert torch.equal(model.swap(codes, torch.zeros_like(codes[:1]), [Part.SKIN]), codes)  # it has no such part


def test_a_part_is_taken_with_its_mask_and_code(seen):
    """Outside of the place the mask stays; what comes with the mask and was not there brings its code."""
    model, _, masks, codes = seen
    where = masks[:, [Part.HAIR]].maximum(masks.roll(1, dims=0)[:, [Part.HAIR]])
    original = {"latent": codes, "masks": masks}
    reference = {name: x.roll(1, dims=0) for name, x in original.items()}
    taken = model.take(original, reference, where, [Part.HAIR])
    inside = (where == 1).expand_as(masks)
    assert torch.equal(taken["masks"], torch.where(inside, reference["masks"], masks))
    assert torch.equal(taken["latent"][:, Part.HAIR], reference["latent"][:, Part.HAIR])
    absent = (codes == 0).all(dim=2)
    assert torch.equal(taken["latent"][absent], reference["latent"][absent])
    kept = ~absent & (torch.arange(PARTS) != Part.HAIR)
    assert torch.equal(taken["latent"][kept], codes[kept])
    nothing = model.take(original, reference, torch.zeros_like(where), [])
    assert torch.equal(model.generate(*nothing.values()), model.generate(codes, masks))


def test_codes_of_parts_that_are_not_there_have_no_effect(seen):
    model, _, masks, codes = seen
    absent = (masks.sum(dim=(2, 3)) == 0)[:, :, None]
    assert absent.any()
    changed = torch.where(absent, codes + 1, codes)
    assert torch.equal(model.generate(changed, masks), model.generate(codes, masks))


def test_another_mask_moves_the_parts(seen):
    model, _, masks, codes = seen
    moved = masks.roll(2, dims=3)
    assert not torch.equal(model.generate(codes, moved), model.generate(codes, masks))


def test_without_a_mask_there_is_one_line(seen):
    model, pictures, _, codes = seen
    for call in (
        lambda: model.encode(pictures),
        lambda: model.synthesize(codes),
        lambda: model.map(torch.zeros(1, 0)),
        model.mean_latent,
        lambda: model.extras_of(None),
    ):
        with pytest.raises(InputError, match="a sean model sees and draws images under part masks alone"):
            call()


def test_files_keep_the_model(seen, tmp_path):
    model, _, masks, codes = seen
    checkpoint.save(tmp_path / "w.safetensors", model)
    loaded = checkpoint.load_any(tmp_path / "w.safetensors")
    assert isinstance(loaded, SeanModel) and loaded.config == model.config
    assert torch.equal(loaded.generate(codes, masks), model.generate(codes, masks))
    with pytest.raises(
        InputError, match="sean generator, whose latents have no places .* goes with stylemap train, eval"
    ):
        checkpoint.load(tmp_path / "w.safetensors")


class TestSettings:
    def test_mapping_is_no_setting(self):
        assert architectures.model_config(asdict(tiny.CONFIG)) == tiny.CONFIG
        with pytest.raises(InputError, match=r"model\.mapping_layers is a setting of .*, not of sean"):
            architectures.model_config({"architecture": "sean", "mapping_layers": 2})

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"data": "photos"}, "give part_labels"),
            ({"part_labels": "labels"}, "avatars have their own labels"),
            ({"augment": {"mode": "fixed", "p": 0.1}}, "give augment.mode none"),
            ({"optim": {"r1_gamma": 1}}, r"give optim\.r1_gamma 0"),
            ({"model": {"plain_blocks": 7}}, r"model\.plain_blocks 7 must be less than 6"),
            ({"loss": {"latent_reconstruction": 1}}, "a setting of .*, not of sean"),
        ],
        ids=str,
    )
    def test_refusals(self, changes, message):
        settings = {**changes, "model": {"architecture": "sean", **changes.get("model", {})}}
        with pytest.raises(InputError, match=message):
            architectures.train_config(settings)
