"""Our networks, filled with the same numbers as the published ones, print what those printed.

Everything goes through the import of a published checkpoint, as a user would. See README.md for the fixture.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.architectures import losses
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.model import truncate
from stylemap.architectures.stylemap import published
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import blend, mix
from tests.parity import detfill, layout
from tests.parity.layout import CELLS, CHANNELS, SIZE

HERE = Path(__file__).parent
EXPECTED = np.load(HERE / "official_64_8x8.npz")
ARRAYS = sorted(set(EXPECTED.files) - {"config", "losses"})
LOSSES = json.loads(str(EXPECTED["losses"]))
# An image takes 150 GFLOP: `make test` draws three of them, which pass through every layer and one edit, the slow tests the
# other nine.
QUICK = {
    "mapping",
    "mean_stylemap",
    "encoded",
    "logits",
    "image_from_z",
    "edit_wplus",
    "generator_adversarial",
    "discriminator_real_fake",
    "r1_penalty_unweighted",
    "r1_grad_norm",
}


def state(network: str) -> dict[str, Tensor]:
    return {
        name: layout.blur_buffer(name)
        if name.endswith("kernel")
        else torch.from_numpy(detfill.parameter(name, shape, layout.LR_MUL))
        for name, shape in layout.shapes(network).items()
    }


def unit(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(detfill.unit(name, shape))


class Ours:
    """What our networks make of the inputs of the fixture; each property is the array or loss of that name."""

    def __init__(self, model: StylemapModel, discriminator: Discriminator):
        self.model, self.discriminator = model.eval(), discriminator.eval()
        self.z = unit("input.z", 2, CHANNELS)
        self.first, self.second = unit("input.stylemap", 2, CHANNELS, CELLS, CELLS).split(1)
        self.images = F.avg_pool2d(torch.tanh(0.6 * unit("input.image", 2, 3, SIZE, SIZE)), 5, stride=1, padding=2)
        self.mask = torch.zeros(1, 1, SIZE, SIZE)
        self.mask[:, :, SIZE // 4 : SIZE // 2, SIZE // 8 : 5 * SIZE // 8] = 1

    @functools.cached_property
    def stylemap(self):
        return self.model.map(self.z)

    @functools.cached_property
    def mean(self):
        return self.model.mean_mapped(unit("input.meanz", 64, CHANNELS))

    @property
    def mapping(self):
        return self.stylemap.flatten(1)

    @property
    def mean_stylemap(self):
        return self.mean.flatten(1)

    @functools.cached_property
    def image_from_z(self):
        return self.model.synthesize(self.stylemap)

    @property
    def image_from_stylemap(self):
        return self.model.synthesize(torch.cat([self.first, self.second]))

    @property
    def image_truncated(self):
        return self.model.synthesize(truncate(self.stylemap, self.mean, 0.7))

    @functools.cached_property
    def encoded(self):
        return self.model.encode(self.images)

    @functools.cached_property
    def reconstruction(self):
        return self.model.synthesize(self.encoded)

    @functools.cached_property
    def logits(self):
        return self.discriminator(self.images)

    @functools.cached_property
    def logits_of_samples(self):
        return self.discriminator(self.image_from_z)

    @functools.cached_property
    def logits_of_reconstructions(self):
        return self.discriminator(self.reconstruction)

    @property
    def edit_w(self):
        return blend(self.model, self.first, self.second, self.mask, "w", hard=True)

    @property
    def edit_wplus(self):
        return blend(self.model, self.first, self.second, self.mask, "w+", hard=True)

    @property
    def mix_coarse(self):
        return mix(self.model, self.first, self.second)

    @property
    def mix_fine(self):
        return mix(self.model, self.second, self.first)

    @property
    def generator_adversarial(self):
        return losses.fools(self.logits_of_samples).mean()

    @property
    def latent_reconstruction(self):
        return losses.squared_error(self.model.encode(self.image_from_z), self.stylemap).mean()

    @property
    def image_reconstruction(self):
        return losses.squared_error(self.reconstruction, self.images).mean()

    @property
    def encoder_adversarial(self):
        return losses.fools(self.logits_of_reconstructions).mean()

    @property
    def discriminator_real_fake(self):
        return (losses.is_real(self.logits) + losses.is_fake(self.logits_of_samples)).mean()

    @property
    def discriminator_reconstruction(self):
        return losses.is_fake(self.logits_of_reconstructions).mean()

    @functools.cached_property
    def r1_penalty_unweighted(self):
        with torch.enable_grad():
            images = self.images.clone().requires_grad_()
            return losses.gradient_penalty(images, self.discriminator(images)).mean()

    @property
    def r1_grad_norm(self):
        # the bias of the last layer has no part in the penalty
        gradients = torch.autograd.grad(
            self.r1_penalty_unweighted, list(self.discriminator.parameters()), retain_graph=True, allow_unused=True
        )
        return torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt()


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Ours:
    path = tmp_path_factory.mktemp("parity") / "published.pt"
    torch.save(layout.checkpoint(*map(state, ("generator", "encoder", "discriminator")), layout.arguments()), path)
    networks = published.load(path)
    path.unlink()  # 450 MB
    return Ours(*networks)


def split_by_speed(names: list[str]) -> list:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", split_by_speed(ARRAYS))
@torch.no_grad()
def test_array(ours, name):
    expected = torch.from_numpy(EXPECTED[name])
    actual = getattr(ours, name)
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-4
    assert expected.abs().max() > 100 * 1e-4  # values near zero would let anything pass


@pytest.mark.parametrize("name", split_by_speed(list(LOSSES)))
@torch.no_grad()
def test_loss(ours, name):
    assert getattr(ours, name).item() == pytest.approx(LOSSES[name], rel=1e-4, abs=0)
