"""Passes in bfloat16: what they change, and who chooses them. And what is float32 whatever the passes are."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from stylemap import blend, checkpoint, inversion, precision
from stylemap import images as pixels
from stylemap.architectures import losses
from stylemap.architectures.discriminator import Discriminator
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.vector import losses as vector_losses
from stylemap.datasets import Avatars
from stylemap.errors import InputError
from stylemap.inversion import losses as inversion_losses
from stylemap.inversion import projector
from stylemap.metrics import classifier, heldout, latent_distance, ppl, reconstruction, swd
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.metrics.reconstruction import mse
from stylemap.perceptual import inception, vgg
from stylemap.perceptual.registry import DiscriminatorFeatures
from stylemap.precision import remembered
from tests import tiny as models
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


# ---- passes in bfloat16


@pytest.mark.parametrize("name", ["avatars32", "avatars64", "avatars128"])
@torch.no_grad()
def test_images_in_bfloat16_are_those_of_float32(name):
    """Numbers have 8 bits, half of the last is 0.25 levels of 255 of a pixel near 1; errors of layers add up to less."""
    model, low = checkpoint.load(name), checkpoint.load(name, precision="bfloat16")
    faces = Avatars(model.config.resolution, 4, "heldout")
    x = pixels.from_arrays(faces[i] for i in range(4))
    expected, found = model.encode(x), low.encode(x)
    assert found.dtype == torch.float32
    assert torch.linalg.vector_norm(found - expected) < 2**-6 * torch.linalg.vector_norm(expected)
    expected, found = model.synthesize(expected).clamp(-1, 1), low.synthesize(found).clamp(-1, 1)
    error = (found - expected) * 127.5  # levels
    assert 0 < error.abs().mean(dim=(1, 2, 3)).max() < 0.5
    assert error.mean(dim=(2, 3)).abs().max() < 0.3  # no tint
    assert error.abs().max() < 8  # along sharp edges
    psnr = [10 * math.log10(4 / (image - x).square().mean()) for image in (expected, found)]
    assert psnr[1] == pytest.approx(psnr[0], abs=0.02)  # dB


@pytest.fixture
def low() -> StylemapModel:
    model = models.model(models.SMALL)
    model.compute_in(torch.bfloat16)
    return model


@torch.no_grad()
def test_edits_take_bfloat16(low):
    """The ways through the networks that edits go, in both spaces; the masks have soft edges."""
    plain = models.model(models.SMALL)
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = torch.linspace(-1, 2, 32).clamp(0, 1).expand(1, 1, 32, 32)
    for space in ("w", "w+"):
        expected, found = (blend(m, *m.encode(x).split(1), mask, space=space) for m in (plain, low))
        assert found.dtype == torch.float32
        assert (found - expected).abs().mean() < 2**-6 * expected.abs().mean()


def test_rounded_weights_are_not_saved(low, tmp_path):
    with pytest.raises(ValueError, match="load it in float32 to save it"):
        checkpoint.save(tmp_path / "w.safetensors", low)


def test_vectors_are_refused_and_auto_leaves_them(tmp_path):
    checkpoint.save(tmp_path / "v.safetensors", VECTORS)
    assert checkpoint.load_any(tmp_path / "v.safetensors", precision="auto").passes == torch.float32
    with pytest.raises(InputError, match="give --precision float32"):
        checkpoint.load_any(tmp_path / "v.safetensors", precision="bfloat16")


class Slow(torch.nn.Module):
    """Takes some times as long in float32."""

    def __init__(self, times: float):
        super().__init__()
        self.times, self.kind = times, torch.float32
        self.weight = torch.nn.Parameter(torch.ones(1, 1, 1, 1))

    def inputs(self) -> list[Tensor]:
        return [torch.ones(1)]

    def compute_in(self, kind: torch.dtype) -> None:
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        low = self.kind == torch.bfloat16 or torch.is_autocast_enabled("cpu")
        end = time.thread_time() + 0.002 * (1 if low else self.times)
        while time.thread_time() < end:
            pass
        return x * self.weight


class TestChoice:
    CPU = torch.device("cpu")

    @pytest.mark.parametrize("learning", [False, True])
    def test_bfloat16_must_be_faster_by_a_margin(self, learning, monkeypatch):
        monkeypatch.setattr(precision, "PROBE_S", 0)
        assert [precision.pays(Slow(times), learning) for times in (0.5, 0.9, 2)] == [False, False, True]

    @pytest.fixture
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
        monkeypatch.setattr(precision, "remembered", remembered)
        return tmp_path / "cache" / precision.ANSWERS

    def test_what_was_measured_is_remembered(self, cache, monkeypatch):
        asked = []
        monkeypatch.setattr(precision, "pays", lambda *question: bool(asked.append(question)) or len(asked) == 1)
        parts = [models.model(config).last_doubling() for config in (models.SMALL, models.TINY)]
        for _ in range(2):
            assert precision.pick("auto", self.CPU, parts[0]) == torch.bfloat16
            assert precision.pick("auto", self.CPU, parts[1]) == torch.float32
            assert precision.pick("auto", self.CPU, parts[0], learning=True) == torch.float32
        assert len(asked) == 3
        cache.write_text('damaged {"')
        for _ in range(2):
            assert precision.pick("auto", self.CPU, parts[0]) == torch.float32  # measured anew, once
        assert len(asked) == 4

    def test_two_first_runs_at_once_choose_the_same(self, cache, monkeypatch):
        """Though each measured, and found another answer."""
        both, found = threading.Barrier(2), iter([True, False])

        def pays(*question) -> bool:
            both.wait(30)
            return next(found)

        monkeypatch.setattr(precision, "pays", pays)
        with ThreadPoolExecutor(2) as threads:
            kinds = list(threads.map(lambda part: precision.pick("auto", self.CPU, part), [Slow(2), Slow(2)]))
        assert kinds[0] == kinds[1] == precision.pick("auto", self.CPU, Slow(2))
        assert len(cache.read_text().split()) > 0

    def test_what_cannot_be_remembered_is_not_measured(self, cache, monkeypatch):
        cache.parent.touch()
        monkeypatch.delattr(precision, "pays")
        assert precision.pick("auto", self.CPU, Slow(2)) == torch.float32

    @pytest.mark.parametrize("names", [(), ("avx512_bf16",), ("amx_bf16",), ("bf16",)])
    def test_processors_say_whether_they_have_it(self, names, monkeypatch):
        capabilities = dict.fromkeys(("avx512_f", *precision.OF_PROCESSORS), False) | dict.fromkeys(names, True)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
        assert precision.has_bfloat16(self.CPU) == bool(names)
