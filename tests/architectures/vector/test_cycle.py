"""Vector-latent generators train in the loop of StyleMapGAN: each phase what it should, resumable, alike in any split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stylemap import architectures, checkpoint, perceptual
from stylemap.architectures.chance import DISCRIMINATOR
from stylemap.architectures.vector import chance
from stylemap.architectures.vector import losses as vector_losses
from stylemap.architectures.vector.chance import PATH
from stylemap.architectures.vector.config import (
    StyleGAN2CycleConfig,
    StyleGANConfig,
    StyleGANTraining,
    VectorLoss,
)
from stylemap.architectures.vector.cycle import VectorCycle
from stylemap.architectures.vector.model import VectorModel
from stylemap.config import AugmentConfig, OptimConfig, TrainConfig
from stylemap.errors import InputError
from stylemap.metrics import heldout
from stylemap.training import augment, batching, loop, state
from stylemap.training.log import read_log
from stylemap.training.monitor import Meter
from tests.architectures.stylemap.test_cycle import Waits, snapshot
from tests.architectures.vector.tiny import training
from tests.training.test_distributed import in_float64
from tests.training.test_loop import assert_same, stop_after

GENERATOR = {"model.generator.mapping", "model.generator.synthesis"}
PARTS = GENERATOR | {"model.encoder", "discriminator"}
WGAN = {"loss": VectorLoss(adversarial="wgan-gp"), "optim": OptimConfig(r1_gamma=0)}


@pytest.fixture
def vectors(config) -> TrainConfig:
    return training(config, "stylegan2", vector=StyleGAN2CycleConfig(path_every=2))


def stylegan(config: TrainConfig) -> TrainConfig:
    return training(config, "stylegan")


def make(config: TrainConfig, passes: int = 1, double: bool = False):
    """A cycle at its start, and what gives the passes of random images after so many images."""
    trainee = loop.build(config, torch.device("cpu"))
    if double:
        trainee.networks.double()
    cycle = loop.cycle_of(config, trainee, perceptual.for_training(config.loss, torch.device("cpu")))

    def parts(seen: int = 0):
        rng = torch.Generator().manual_seed(seen)
        pixels = torch.randint(0, 256, (config.batch, 16, 16, 3), generator=rng, dtype=torch.uint8)
        samples = batching.assign_places(config.batch, passes=passes)
        found = batching.split(pixels[sum(samples, [])], config, seen, samples, trainee)
        return [in_float64(part) for part in found] if double else found

    return cycle, parts


def changed(networks, before) -> set[str]:
    names = {name for name, p in networks.named_parameters() if not torch.equal(p, before[name])}
    return {part for part in PARTS if any(name.startswith(part) for name in names)}


def test_each_step_trains_its_networks(vectors):
    cycle, parts = make(vectors)
    assert isinstance(cycle, VectorCycle)
    networks, passes = cycle.networks, parts()

    def step(function, *arguments):
        before = snapshot(networks)
        result = function(*arguments)
        return result, changed(networks, before)

    (terms, latents, fakes), trained = step(cycle.generator_step, passes)
    assert trained == GENERATOR
    assert latents[0].shape == (4, networks.model.latents.count, 4) and not fakes[0].requires_grad
    found, trained = step(cycle.path_step, passes)
    assert trained == GENERATOR
    terms |= found
    found, trained = step(cycle.latent_step, latents, fakes)
    assert trained == {"model.encoder"}
    terms |= found
    (found, judged), trained = step(cycle.discriminator_step, passes)
    assert trained == {"discriminator"} and len(judged[0]) == 1
    terms |= found
    found, trained = step(cycle.penalty_step, passes, judged)
    assert trained == {"discriminator"}
    terms |= found
    found, trained = step(cycle.image_step, passes)
    assert trained == {"model.encoder"}
    terms |= found
    left_out = {"r2_penalty", "critic", "gradient_penalty"}
    assert tuple(terms) == tuple(t for t in cycle.terms if t not in left_out)
    assert all(p.requires_grad for p in networks.parameters())


class TestSchedule:
    def test_penalties_are_due_every_so_many_iterations(self, vectors):
        cycle, parts = make(vectors)
        terms = [cycle.iterate(parts(4 * i), 4 * i) for i in range(8)]
        assert ["path_penalty" in t for t in terms] == [i % 2 == 0 for i in range(8)]
        assert ["r1_penalty" in t for t in terms] == [i % 4 == 0 for i in range(8)]

    def test_stylegan_has_no_paths(self, config):
        cycle, parts = make(stylegan(config))
        terms = cycle.iterate(parts(), 0)
        assert "path_penalty" not in terms and "r1_penalty" in terms
        assert not hasattr(cycle.networks, "path_length")

    def test_optimisers_that_step_more_often_are_slower(self, vectors):
        optimizers = make(vectors)[0].optimizers
        groups = {name: o.param_groups[0] for name, o in optimizers.named().items()}
        assert groups["generator"]["lr"] == pytest.approx(0.002 * 2 / 3)
        assert groups["generator"]["betas"] == (0.0, pytest.approx(0.99 ** (2 / 3)))
        assert groups["encoder"]["lr"] == 0.002
        assert groups["discriminator"]["lr"] == pytest.approx(0.002 * 4 / 5)
        plain = make(replace(vectors, vector=StyleGAN2CycleConfig(path_weight=0)))[0].optimizers
        assert plain.generator.param_groups[0]["lr"] == 0.002


class TestGenerator:
    def test_mean_of_w_follows_the_batches(self, vectors):
        """From zero, a batch moves it by 1 - decay of the mean of its w, before the step."""
        cycle, parts = make(vectors, passes=2)
        passes, generator = parts(), cycle.networks.generator
        with torch.no_grad():
            expected = 0.005 * torch.cat([generator.mapping(part.chance.z[0]) for part in passes]).mean(dim=0)
        cycle.generator_step(passes)
        torch.testing.assert_close(generator.w_avg, expected, rtol=1e-3, atol=1e-7)  # 1 - 0.995 in float32

    @pytest.mark.parametrize("mixing", [0.0, 1.0])
    def test_latents_are_mixed_as_often_as_told(self, vectors, mixing):
        cycle, parts = make(replace(vectors, vector=StyleGAN2CycleConfig(mixing=mixing)))
        z = parts()[0].chance.z[0]
        w, latent = cycle.generator.mapping(z), cycle._latent(parts()[0], PATH, z)
        assert torch.equal(latent[:, 0], w)  # the coarsest layer is never the partner's
        own = (latent == w[:, None]).all(dim=2).all(dim=1)
        assert own.tolist() == [mixing == 0] * 4

    def test_path_penalty_goes_to_the_running_mean(self, vectors):
        cycle, parts = make(vectors)
        target = cycle.networks.path_length
        first = cycle.path_step(parts())
        assert first["path_length"] ** 2 <= first["path_penalty"]  # from a mean of 0: E[x^2] >= E[x]^2
        assert float(target) == pytest.approx(0.01 * float(first["path_length"]), rel=1e-5)
        before = float(target)
        second = cycle.path_step(parts(4))
        assert float(target) == pytest.approx(0.99 * before + 0.01 * float(second["path_length"]), rel=1e-5)

    def test_path_penalty_is_scaled_by_weight_and_interval(self, vectors):
        gradients = []
        for settings in (
            StyleGAN2CycleConfig(path_weight=1, path_every=1),
            StyleGAN2CycleConfig(path_weight=2, path_every=4),
        ):
            cycle, parts = make(replace(vectors, vector=settings))
            cycle.path_step(parts())
            gradients.append(cycle.networks.generator.synthesis.constant.grad)
        torch.testing.assert_close(gradients[1], 8 * gradients[0], rtol=0, atol=0)  # powers of two scale exactly


class TestEncoder:
    def test_reconstructions_are_learned_without_the_generator(self, vectors):
        """The same images again and again: the error falls while G stays what it is."""
        loss = VectorLoss(encoder_adversarial=0, perceptual=0)
        cycle, parts = make(replace(vectors, loss=loss, optim=replace(vectors.optim, lr=0.01)))
        passes = parts()
        errors = [float(cycle.image_step(passes)["image_reconstruction"]) for _ in range(30)]
        assert errors[-1] < 0.98 * errors[0]

    def test_switched_off_there_is_none(self, vectors, tmp_path):
        config = replace(vectors, vector=StyleGAN2CycleConfig(encoder=False), images=16, tick=8)
        loop.train(config, tmp_path / "run")
        model = checkpoint.load_any(tmp_path / "run")
        assert model.encoder is None
        record = read_log(tmp_path / "run" / "log.jsonl")[-1]
        assert "sample_diversity" in record
        assert not {"heldout_mse", "encoder_adversarial", "latent_std"} & record.keys()
        with pytest.raises(InputError, match="no encoder"):
            model.encode(torch.zeros(1, 3, 16, 16))
        with pytest.raises(InputError, match=r"vector\.encoder"):
            loop.train(replace(config, vector=StyleGAN2CycleConfig()), tmp_path / "run", resume=True)


class TestWgan:
    def test_terms(self, config):
        cycle, parts = make(replace(stylegan(config), **WGAN))
        terms = cycle.iterate(parts(), 0)
        assert {"critic", "gradient_penalty"} < terms.keys()
        assert not {"discriminator_real", "r1_penalty", "real_sign"} & terms.keys()
        assert "gradient_penalty" in cycle.iterate(parts(4), 4)  # in every step

    def test_augmentation_that_is_left_open_is_none(self, config):
        """The adaptive one goes by the nonsaturating loss."""
        config = replace(stylegan(config), **WGAN, augment=AugmentConfig())
        assert augment.choose_mode(config, 10).augment.mode == "none"
        with pytest.raises(InputError, match="wgan-gp choose fixed or none"):
            replace(config, augment=AugmentConfig(mode="adaptive"))

    def test_gradient_of_the_critic(self, config):
        cycle, parts = make(replace(stylegan(config), **WGAN), double=True)
        (part,) = parts()
        d = cycle.networks.discriminator
        with torch.no_grad():
            latent = cycle._latent(part, DISCRIMINATOR, part.chance.z[1])
            fake = cycle._images(part, DISCRIMINATOR, latent)
        between = vector_losses.between(part.real, fake, part.chance.between)
        loss = vector_losses.wgan_critic(d(part.real), d(fake))
        loss = loss + 10 * vector_losses.wgan_gradient_penalty(between, d(between))
        (expected,) = torch.autograd.grad(loss.mean(), d.from_rgb.weight)
        cycle.discriminator_step([part])
        torch.testing.assert_close(d.from_rgb.weight.grad, expected)


class TestPasses:
    @pytest.mark.parametrize("kind", ["stylegan2", "relativistic", "wgan-gp"])
    def test_same_gradients_after_two_iterations(self, vectors, kind):
        changes = {
            "stylegan2": {},
            "relativistic": {"loss": VectorLoss(adversarial="relativistic")},
            "wgan-gp": WGAN,
        }[kind]
        config = replace(stylegan(vectors) if kind == "wgan-gp" else vectors, batch=16, **changes)
        results = []
        for count in (1, 4):
            cycle, parts = make(config, count, double=True)
            for seen in (0, 16):
                terms = cycle.iterate(parts(seen), seen)
            gradients = {n: p.grad for n, p in cycle.networks.named_parameters() if p.grad is not None}
            results.append((terms, gradients, dict(cycle.networks.named_buffers())))
        (one, ours, buffers), (many, theirs, others) = results
        assert one.keys() == many.keys() and ours.keys() == theirs.keys()
        for name in one:
            assert float(many[name]) == pytest.approx(float(one[name]), rel=1e-8)
        largest = max(g.abs().max() for g in ours.values())
        for name in ours:
            assert float((ours[name] - theirs[name]).abs().max() / largest) < 1e-8, name
        for name, buffer in buffers.items():
            torch.testing.assert_close(others[name], buffer, rtol=1e-9, atol=1e-12)


class TestChance:
    SHAPES = [(1, 1, 4, 4), (1, 1, 8, 8)]

    def test_it_is_a_function_of_seed_and_place(self):
        config = StyleGANTraining(batch=6, model=StyleGANConfig(resolution=32, latent_channels=4))
        a, b, c = (chance.draw(config, seen) for seen in (12, 12, 18))
        assert_same(vars(a), vars(b))
        assert not torch.equal(a.path_z, c.path_z) and a.seeds != c.seeds
        part = a.take([4, 1])
        assert torch.equal(part.partners, a.partners[:, [4, 1]])
        assert part.seeds[2] == (a.seeds[2][4], a.seeds[2][1])

    def test_noise_of_a_sample_does_not_depend_on_the_others(self):
        both = chance.normals([3, 2**62], self.SHAPES, torch.device("cpu"))
        alone = chance.normals([2**62], self.SHAPES, torch.device("cpu"))
        assert [tuple(x.shape) for x in both] == [(2, 1, 4, 4), (2, 1, 8, 8)]
        for x, y in zip(both, alone, strict=True):
            assert torch.equal(x[1:], y) and not torch.equal(x[0], x[1])

    def test_crossovers_are_uniform(self):
        """Of 30,000 draws a share has a standard deviation of 0.003 at most."""
        config = StyleGANTraining(batch=10_000, model=StyleGANConfig(resolution=16, latent_channels=1))
        crossovers = chance.draw(config, 0).crossovers.flatten()
        shares_ = torch.bincount(crossovers, minlength=7) / len(crossovers)
        expected = torch.tensor([0, 0.18, 0.18, 0.18, 0.18, 0.18, 0.1])
        assert ((shares_ - expected).abs() < 0.015).all()


@pytest.mark.parametrize("stops", [pytest.param([5], marks=pytest.mark.slow), [1, 2]], ids=str)
def test_resume_is_exact(vectors, tmp_path, stops):
    assert loop.train(vectors, tmp_path / "whole") == 40
    for i, iterations in enumerate(stops):
        loop.train(vectors, tmp_path / "parts", resume=i > 0, stop=stop_after(iterations))
    loop.train(vectors, tmp_path / "parts", resume=True)
    whole = state.load_newest(tmp_path / "whole")
    assert whole["networks"]["path_length"] > 0
    assert_same(whole, state.load_newest(tmp_path / "parts"))
    # the average has the buffers of the live generator, and the weights file is the average
    for name in ("w_avg", "synthesis.layers.0.noise.constant"):
        assert torch.equal(whole["average"][f"generator.{name}"], whole["networks"][f"model.generator.{name}"])
    model = checkpoint.load_any(tmp_path / "whole")
    assert isinstance(model, VectorModel)
    assert_same(dict(model.state_dict()), dict(whole["average"]))
    record = read_log(tmp_path / "whole" / "log.jsonl")[-1]
    assert {"heldout_mse", "path_length", "latent_std_of_layers", "sample_diversity"} <= record.keys()
    assert not [name for name in record if "stylemap" in name]


def test_fine_tuning_starts_from_vector_weights(vectors, tmp_path):
    """From weights with an encoder, and from some without one, which then starts anew."""
    torch.manual_seed(5)
    for encoder in (True, False):
        model = VectorModel(vectors.model, encoder)
        checkpoint.save(tmp_path / "w.safetensors", model)
        networks = loop.build(replace(vectors, init_from=str(tmp_path / "w.safetensors")), torch.device("cpu")).networks
        assert_same(dict(networks.generator.state_dict()), dict(model.generator.state_dict()))
        if encoder:
            assert_same(dict(networks.encoder.state_dict()), dict(model.encoder.state_dict()))


def test_grid_mixes_layers(vectors):
    model = loop.build(vectors, torch.device("cpu")).average
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))
    assert heldout.picture_grid(model, pictures, torch.zeros(3, 4)).shape[0] == 3
    statistics = heldout.latent_statistics(model, pictures)
    assert {name: tuple(x.shape) for name, x in statistics.items()} == {
        "latent_std": (),
        "latent_std_of_channels": (4,),
        "latent_std_of_layers": (6,),
    }


class TestRefusals:
    @pytest.mark.parametrize(
        ("architecture", "changes", "message"),
        [
            (
                "stylemap",
                {"vector": {"mixing": 0.5}},
                r"vector\.mixing is a setting of .*stylegan2 and stylegan, not",
            ),
            ("stylemap", {"vector": {"encoder": False}}, r"vector\.encoder is a setting of"),
            (
                "stylegan",
                {"vector": {"path_weight": 1}},
                r"vector\.path_weight is a setting of .*stylegan2, not of stylegan",
            ),
            ("stylegan2", {"loss": {"autoencoder_images": 4}}, r"loss\.autoencoder_images is a setting of"),
            ("stylegan2", {"loss": {"discriminator_reconstruction": 0}}, "discriminator_reconstruction"),
            ("stylegan2", {"speed": {"checkpointing": True}}, r"speed\.checkpointing is a setting of"),
            (
                "stylemap",
                {"loss": {"adversarial": "wgan-gp"}},
                r"loss\.adversarial must be one of nonsaturating, relativistic, not 'wgan-gp'",
            ),
            ("stylegan", {"loss": {"adversarial": "wgan-gp"}}, r"give optim\.r1_gamma 0"),
            ("stylegan", {"vector": {"mixin": 1}}, r"unknown settings vector\.mixin"),
        ],
    )
    def test_settings_that_do_not_go_together(self, architecture, changes, message):
        with pytest.raises(InputError, match=message) as caught:
            architectures.train_config({"model": {"architecture": architecture}, **changes})
        assert "\n" not in str(caught.value)

    def test_another_architecture(self, vectors, tmp_path):
        loop.train(replace(vectors, images=4), tmp_path)
        with pytest.raises(InputError, match=r"model\.architecture"):
            loop.train(stylegan(vectors), tmp_path, resume=True)


@pytest.mark.parametrize("loss", ["nonsaturating", "wgan-gp"])
def test_an_iteration_never_waits_for_the_device(vectors, monkeypatch, loss):
    config = vectors if loss == "nonsaturating" else replace(stylegan(vectors), **WGAN)
    cycle, parts = make(config)
    meter = Meter(cycle.terms, torch.device("cpu"))
    passes = {seen: parts(seen) for seen in (0, 4)}
    with Waits(monkeypatch) as waits:
        for seen in passes:
            meter.add(cycle.iterate(passes[seen], seen))
        assert waits.found == []


def test_bfloat16_passes_and_float32_penalties(vectors):
    cycle, parts = make(vectors)
    expected = cycle.iterate(parts(), 0)
    cycle, parts = make(vectors)
    cycle.precision = torch.bfloat16
    terms = cycle.iterate(parts(), 0)
    assert all(value.dtype == torch.float32 for value in terms.values())
    for name in ("generator_adversarial", "discriminator_fake", "image_reconstruction"):
        # 8 bits: 0.4 % a rounding, over some 20 layers
        assert float(terms[name]) == pytest.approx(float(expected[name]), rel=0.1, abs=0.1)
