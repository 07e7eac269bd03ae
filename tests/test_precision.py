"""What is float32 whatever the passes are: it is the same in autocast as outside, and of bfloat16 as of the same numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from stylemap import inversion
from stylemap.architectures import losses
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.vector import losses as vector_losses
from stylemap.inversion import losses as inversion_losses
from stylemap.inversion import projector
from stylemap.metrics import classifier, heldout, latent_distance, ppl, reconstruction, swd
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.metrics.reconstruction import mse
from stylemap.perceptual import inception, vgg
from stylemap.perceptual.registry import DiscriminatorFeatures
from tests.inversion import tiny
from tests.metrics import toys


def images(seed: int = 0, count: int = 2) -> Tensor:
    """[count, 3, 16, 16] of numbers that bfloat16 holds exactly."""
    return toys.images(count, tiny.SIDE, seed).bfloat16().float()


OTHER, MASK = images(1), images(2)[:, :1].abs()


def gradient_penalty(x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return losses.gradient_penalty(x, (x * x.detach()).flatten(1).sum(dim=1, keepdim=True))


def path_lengths(x: Tensor) -> Tensor:
    latent = torch.ones(2, 3, 16, dtype=x.dtype, requires_grad=True)
    return vector_losses.path_lengths(latent[:, :, None] * x, latent, OTHER)


LOSSES = {
    "fools": lambda x: losses.fools(x[:, 0, 0, :1], OTHER[:, 0, 0, :1]),
    "is_real": lambda x: losses.is_real(x[:, 0, 0, :1]),
    "is_fake": lambda x: losses.is_fake(x[:, 0, 0, :1]),
    "squared_error": lambda x: losses.squared_error(x, OTHER),
    "feature_distance": lambda x: losses.feature_distance([x], [OTHER]),
    "gradient_penalty": gradient_penalty,
    "wgan_critic": lambda x: vector_losses.wgan_critic(x[:, 0, 0, :1], OTHER[:, 0, 0, :1]),
    "path_lengths": path_lengths,
    "path_length_penalty": lambda x: vector_losses.path_length_penalty(x[:, 0, 0, 0], OTHER[0, 0, 0, 0]),
    "inversion's error": lambda x: inversion_losses.squared_error(x, OTHER, MASK),
    "inversion's gram": lambda x: inversion_losses.gram(x, MASK),
    "inversion's noise": lambda x: projector.correlation([x[:, :1]]),
    "mse": lambda x: mse(x, OTHER),
    "ssim": lambda x: reconstruction.ssim(x, OTHER),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_take_bfloat16_in_float32(name):
    expected, found = LOSSES[name](images()), LOSSES[name](images().bfloat16())
    assert found.dtype == expected.dtype
    # but for gradients that are bfloat16, as their images are: 8 bits of each, and twice as much of a square
    assert torch.allclose(found, expected, rtol=2 * 2**-8 if "gradient" in name or "path_l" in name else 0, atol=0)


MODEL, VECTORS = tiny.stylemaps(), tiny.vectors()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    DISCRIMINATOR = Discriminator(MODEL.config).requires_grad_(False)


def features_of() -> Tensor:
    kernel = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    extractor = inception.Extractor(lambda x: torch.conv2d(x.permute(0, 3, 1, 2).float(), kernel).flatten(1), {})
    return inception.extract(extractor, [toys.noise(2, 16)])


def inverted() -> Tensor:
    method = inversion.preset("hybrid", steps=2)
    return inversion.invert(method, MODEL, images(), vgg.random()).latent


def measured(name: str, model=MODEL) -> float:
    pictures = toys.Set(toys.noise(4, 16).numpy())
    reference = Reference(pictures, count=4)
    reference.lpips, reference.extractor = toys.Weighted(), toys.extractor()
    return Evaluation(model, reference, pictures, pairs=2).measure(name).value


MEASURES = {
    "inversion's VGG": lambda: vgg.random().maps(images())[0],
    "inversion's discriminator": lambda: DiscriminatorFeatures(DISCRIMINATOR).maps(images())[-1],
    "swd": lambda: swd.swd(*(swd.patches([toys.noise(2, 16, seed)]) for seed in (0, 1)))[16],
    "classifier": lambda: classifier.logits(classifier._build(16, 2, 0), toys.noise(2, 16)),
    "features": features_of,
    "path length": lambda: ppl.path_lengths(MODEL, toys.distance, 3, "z", "full"),
    "latent distance": lambda: latent_distance.moments(MODEL, count=50).deviation,
    "held-out score": lambda: heldout.score(MODEL, toys.noise(2, 16)).mse,
    "diversity": lambda: heldout.diversity(MODEL, toys.noise(2, 16), tiny.randn(3, 8)),
    "inversion": inverted,
    **{
        f"metric: {name}": lambda name=name: measured(name)
        for name in ("mse", "fid", "swd_lerp", "mse_src", "ppl_wend")
    },
    "metric, vectors": lambda: measured("swd_lerp", VECTORS),
}


@pytest.mark.parametrize("name", [*LOSSES, *MEASURES])
def test_autocast_does_not_reach_inside(name):
    function = MEASURES.get(name) or (lambda: LOSSES[name](images()))
    expected = function()
    with torch.autocast("cpu", torch.bfloat16):
        found = function()
        assert torch.is_autocast_enabled("cpu")
        assert (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == torch.bfloat16  # for the caller it goes on
    assert np.array_equal(found, expected)
