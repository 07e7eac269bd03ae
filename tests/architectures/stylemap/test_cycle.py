"""Each phase of the cycle trains what it should and nothing else."""

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stylemap import checkpoint, perceptual
from stylemap.architectures import losses
from stylemap.architectures.chance import Chance
from stylemap.architectures.cycle import Pass, frozen
from stylemap.architectures.stylemap import transplants
from stylemap.architectures.stylemap.config import StylemapLoss
from stylemap.architectures.stylemap.cycle import StylemapCycle
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import OptimConfig
from stylemap.errors import InputError
from stylemap.training import loop
from stylemap.training.batching import assign_places
from stylemap.training.monitor import Meter


def make(config, precision=torch.float32):
    """A cycle at its start, and a batch of 4."""
    trainee = loop.build(config, torch.device("cpu"))
    cycle = StylemapCycle(
        trainee.networks,
        trainee.optimizers,
        config,
        perceptual.for_training(config.loss, torch.device("cpu")),
        precision=precision,
    )
    return cycle, batch(config)


def batch(config, size=4):
    real = torch.rand(size, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Pass(real, StylemapCycle.draw(replace(config, batch=size), 0))


@pytest.fixture
def setup(config):
    return make(config)


def snapshot(networks):
    return {name: p.detach().clone() for name, p in networks.named_parameters()}


def changed(networks, before) -> set[str]:
    """Which of the networks have changed weights."""
    names = {name for name, p in networks.named_parameters() if not torch.equal(p, before[name])}
    parts = {
        "model.generator.mapping",
        "model.generator.resizer",
        "model.generator.synthesis",
        "model.encoder",
        "discriminator",
    }
    return {part for part in parts if any(name.startswith(part) for name in names)}


GENERATOR = {"model.generator.mapping", "model.generator.resizer", "model.generator.synthesis"}


def test_each_step_trains_its_networks(setup):
    cycle, part = setup
    networks = cycle.networks
    before = snapshot(networks)
    terms, stylemaps, fakes = cycle.generator_step([part])
    assert changed(networks, before) == GENERATOR
    assert not stylemaps[0].requires_grad and not fakes[0].requires_grad

    before = snapshot(networks)
    terms |= cycle.latent_step(stylemaps, fakes)
    assert changed(networks, before) == {"model.encoder"}

    before = snapshot(networks)
    more, judged = cycle.discriminator_step([part])
    terms |= more
    assert changed(networks, before) == {"discriminator"}
    ((samples, reconstructions),) = judged
    assert reconstructions.requires_grad and not samples.requires_grad

    before = snapshot(networks)
    terms |= cycle.penalty_step([part], judged)
    assert changed(networks, before) == {"discriminator"}

    before = snapshot(networks)
    terms |= cycle.image_step([part], judged)
    # the image cycle does not pass through the mapping network
    assert changed(networks, before) == {"model.generator.resizer", "model.generator.synthesis", "model.encoder"}

    assert tuple(terms) == tuple(t for t in cycle.terms if t != "r2_penalty")  # in the order of the cycle
    assert all(not value.requires_grad and value.dim() == 0 for value in terms.values())
    assert all(p.requires_grad for p in networks.parameters())


def test_frozen_restores_after_an_error(setup):
    networks = setup[0].networks
    with pytest.raises(RuntimeError), frozen(networks.discriminator):
        raise RuntimeError
    assert all(p.requires_grad for p in networks.discriminator.parameters())


def test_shared_reconstruction_gives_the_gradients_of_a_second_one(setup):
    """G(E(x)) of the discriminator's step, used after D has changed, is what a fresh computation gives."""
    cycle, part = setup
    networks = cycle.networks
    _, judged = cycle.discriminator_step([part])
    fresh = networks.generator.synthesize(networks.encoder(part.real))
    gradients = []
    for reconstruction in (judged[0][1], fresh):
        networks.zero_grad(set_to_none=True)
        with frozen(networks.discriminator):
            loss = losses.fools(networks.discriminator(reconstruction)).mean()
            loss = loss + losses.squared_error(reconstruction, part.real).mean()
            loss.backward()
        gradients.append([p.grad.clone() for p in networks.encoder.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert torch.equal(a, b)  # the same operations on the same numbers


def test_each_image_is_judged_with_its_own_kind(setup):
    """Minibatch statistics never mix real and fake: the discriminator sees three batches, not one."""
    cycle, part = setup
    sizes = []
    hook = cycle.networks.discriminator.from_rgb.register_forward_hook(
        lambda _, inputs, __: sizes.append(len(inputs[0]))
    )
    cycle.discriminator_step([part])
    hook.remove()
    assert sizes == [4, 4, 4]


def penalty_gradient(config, **optim):
    cycle, part = make(replace(config, optim=replace(config.optim, **optim)))
    _, judged = cycle.discriminator_step([part])
    restart, _ = make(config)
    cycle.networks.load_state_dict(restart.networks.state_dict())
    cycle.penalty_step([part], judged)
    return cycle.networks.discriminator.from_rgb.weight.grad.clone()


def test_penalties_are_scaled_by_their_interval(config):
    """One penalty in ``every`` iterations weighs as much as one at each: its gradient is ``every`` times as large."""
    gradients = [penalty_gradient(config, r1_every=every) for every in (1, 4)]
    torch.testing.assert_close(gradients[1], 4 * gradients[0], rtol=0, atol=0)  # a power of two scales exactly


def test_r2_is_the_penalty_on_fakes(config):
    """With equal strength, the gradient of both is the sum of each alone."""
    both = penalty_gradient(config, r1_gamma=10.0, r2_gamma=10.0)
    r1 = penalty_gradient(config, r1_gamma=10.0, r2_gamma=0.0)
    r2 = penalty_gradient(config, r1_gamma=0.0, r2_gamma=10.0)
    assert r2.abs().max() > 0
    torch.testing.assert_close(both, r1 + r2, rtol=1e-5, atol=1e-5 * both.abs().max().item())  # another order of sums


@pytest.mark.parametrize("name", ["image_reconstruction", "perceptual", "encoder_adversarial"])
def test_weights_of_the_image_cycle(config, name):
    """With all weights but one at 0 the step follows that term alone."""
    only = dict.fromkeys(("image_reconstruction", "perceptual", "encoder_adversarial"), 0.0) | {name: 1.0}
    cycle, part = make(replace(config, loss=StylemapLoss(**only)))
    networks, real = cycle.networks, part.real
    reconstruction = networks.generator.synthesize(networks.encoder(real))
    d = networks.discriminator
    with frozen(d):
        term = {
            "image_reconstruction": lambda: losses.squared_error(reconstruction, real),
            "perceptual": lambda: losses.feature_distance(d.features(real), d.features(reconstruction)),
            "encoder_adversarial": lambda: losses.fools(d(reconstruction)),
        }[name]()
        weight = networks.encoder.from_rgb.weight
        (expected,) = torch.autograd.grad(term.mean(), weight)
    cycle.image_step([part])
    # the other terms add exact zeros, in another order of summation
    torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-6)


def test_a_transplant_in_the_stylemaps_is_compared_with_the_same_in_the_images(config):
    cycle, part = make(replace(config, loss=StylemapLoss(transplants=1.0, perceptual_network="none")))
    model, real = cycle.networks.model, part.real
    with torch.no_grad():
        target = transplants.lay(real, part.chance, 16)
        expected = losses.squared_error(model.render(transplants.styles(model, real, part.chance)), target).mean()
    assert not torch.equal(target, real)
    torch.testing.assert_close(cycle.image_step([part], None, adversarial=False)["image_reconstruction"], expected)


def test_transplants_are_drawn_in_the_whole_cycle_too_and_the_discriminator_sees_plain_reconstructions(config):
    cycle, part = make(replace(config, loss=StylemapLoss(transplants=1.0)))
    model = cycle.networks.model
    _, (fakes,) = cycle.discriminator_step([part])
    with torch.no_grad():
        torch.testing.assert_close(fakes[-1], model.synthesize(model.encode(part.real)))
        target = transplants.lay(part.real, part.chance, 16)
        expected = losses.squared_error(model.render(transplants.styles(model, part.real, part.chance)), target).mean()
    torch.testing.assert_close(cycle.image_step([part], [fakes])["image_reconstruction"], expected)


def test_transplants_work_in_bfloat16(config):
    cycle, part = make(replace(config, loss=StylemapLoss(transplants=1.0)), torch.bfloat16)
    terms = cycle.image_step([part], None, adversarial=False)
    assert all(value.isfinite() and value.dtype == torch.float32 for value in terms.values())


def test_without_a_perceptual_network_the_term_is_zero(config):
    cycle, part = make(replace(config, loss=StylemapLoss(perceptual_network="none")))
    assert cycle.image_step([part])["perceptual"] == 0


def test_discriminator_optimizer_is_lazy(config):
    optimizers = loop.build(config, torch.device("cpu")).optimizers
    c = config.optim.r1_every / (config.optim.r1_every + 1)
    group = optimizers.discriminator.param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * c)
    assert group["betas"] == (0.0, pytest.approx(0.99**c))
    assert optimizers.generator.param_groups[0]["lr"] == 0.002


def test_discriminator_has_its_own_learning_rate(config):
    rates = []
    for multiple in (1.0, 2.5):
        optim = replace(config.optim, discriminator_lr_mul=multiple)
        optimizers = loop.build(replace(config, optim=optim), torch.device("cpu")).optimizers
        optimizers.scale_lr(0.5)  # warming up
        rates.append({name: optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.named().items()})
    once, more = rates
    assert more == once | {"discriminator": pytest.approx(2.5 * once["discriminator"])}


def test_frozen_layers_of_the_discriminator_keep_their_weights(config):
    cycle, part = make(replace(config, optim=replace(config.optim, freeze_d=2)))
    before = snapshot(cycle.networks)
    for seen in (0, 4):  # with the penalty, and without
        cycle.iterate([part], seen)
    same = {name for name, p in cycle.networks.named_parameters() if torch.equal(p, before[name])}
    d = {name for name in before if name.startswith(("discriminator.from_rgb", "discriminator.blocks.0"))}
    assert same == d


def test_gradients_are_clipped(config):
    norms = []
    for clip in (0.0, 1e-3):
        cycle, part = make(replace(config, optim=replace(config.optim, clip=clip)))
        cycle.image_step([part])
        grads = [p.grad for p in cycle.networks.encoder.parameters()]
        norms.append(torch.stack([g.norm() for g in grads]).norm())
    assert norms[0] > 1e-3
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)  # torch divides by norm + 1e-6


class TestWarmups:
    def test_learning_rate(self, config):
        optimizers = loop.build(config, torch.device("cpu")).optimizers
        full = [o.param_groups[0]["lr"] for o in optimizers.all()]
        for factor in (0.25, 0.5, 1.0):
            optimizers.scale_lr(factor)
            assert [o.param_groups[0]["lr"] for o in optimizers.all()] == pytest.approx([factor * lr for lr in full])

    def test_autoencoder(self, config):
        cycle, part = make(replace(config, loss=replace(config.loss, autoencoder_images=8)))
        for seen in (0, 4):
            before = snapshot(cycle.networks)
            assert set(cycle.iterate([part], seen)) == {"image_reconstruction", "perceptual"}
            assert "discriminator" not in changed(cycle.networks, before)
            assert "model.encoder" in changed(cycle.networks, before)
        assert "discriminator_fake" in cycle.iterate([part], 8)

    @pytest.mark.parametrize("start", [0, 8])
    def test_discriminator(self, config, start):
        loss = replace(config.loss, autoencoder_images=start, discriminator_images=8)
        cycle, part = make(replace(config, loss=loss))
        for seen in (start, start + 4):
            before = snapshot(cycle.networks)
            assert "discriminator_fake" in cycle.iterate([part], seen)
            assert changed(cycle.networks, before) == {"discriminator"}
        assert "generator_adversarial" in cycle.iterate([part], start + 8)

    def test_then_the_discriminator_begins_with_the_layers_of_the_encoder(self, config, monkeypatch):
        cycle, part = make(replace(config, loss=replace(config.loss, autoencoder_images=4)))
        seen = []
        monkeypatch.setattr(cycle, "generator_step", lambda passes: seen.append(snapshot(cycle.networks)) or 1 / 0)
        cycle.image_step([part], adversarial=False)
        with pytest.raises(ZeroDivisionError):
            cycle.iterate([part], 8)  # whatever the batch was before
        same = [
            [
                torch.equal(state[f"discriminator.{name}"], state[f"model.encoder.{name}"])
                for name, _ in cycle.networks.encoder.named_parameters()
                if f"discriminator.{name}" in state
            ]
            for state in seen
        ]
        assert len(same[0]) > 5 and all(same[0])  # when the phase is over

    def test_a_discriminator_that_has_learned_keeps_its_layers(self, config):
        """Also if the phase of the image cycle is made longer afterwards, as a run that goes on may."""
        cycle, part = make(replace(config, loss=replace(config.loss, autoencoder_images=4)))
        cycle.iterate([part], 4)
        cycle.config = replace(config, loss=replace(config.loss, autoencoder_images=8, discriminator_images=100))
        cycle.networks.discriminator.begin_with = lambda encoder: pytest.fail("it begins anew")
        cycle.iterate([part], 8)


def test_penalties_are_due_every_so_many_iterations(config):
    """With batches of 4, every 4th iteration: at 0, 16, 32 images."""
    cycle, part = make(config)
    found = ["r1_penalty" in cycle.iterate([part], 4 * i) for i in range(9)]
    assert found == [i % 4 == 0 for i in range(9)]


class TestRelativistic:
    def test_terms_and_networks(self, config):
        optim = OptimConfig(r1_gamma=1.0, r2_gamma=1.0, r1_every=1)
        cycle, part = make(replace(config, loss=replace(config.loss, adversarial="relativistic"), optim=optim))
        before = snapshot(cycle.networks)
        terms = cycle.iterate([part], 0)
        assert "discriminator_real" not in terms and "r2_penalty" in terms
        assert changed(cycle.networks, before) == GENERATOR | {"model.encoder", "discriminator"}

    def test_it_is_a_matter_of_the_difference(self):
        real, fake = torch.randn(2, 5, 1, generator=torch.Generator().manual_seed(0))
        shifted = losses.fools(fake + 7, real + 7)
        torch.testing.assert_close(shifted, losses.fools(fake, real), rtol=1e-5, atol=1e-6)
        # what one side gains the other loses: softplus(x) - softplus(-x) = x
        difference = losses.fools(fake, real) - losses.fools(real, fake)
        torch.testing.assert_close(difference, (real - fake)[:, 0], rtol=1e-5, atol=1e-6)


class TestPasses:
    """A batch in several passes gives the gradients of one."""

    @pytest.mark.parametrize("adversarial", ["nonsaturating", "relativistic"])
    @pytest.mark.parametrize("passes", [2, 4])
    def test_same_weights_after_two_iterations(self, config, passes, adversarial):
        # in float64: another order of sums is some 1e-15, which Adam's first steps and leaky ReLU's kink enlarge
        config = replace(config, batch=16, loss=replace(config.loss, adversarial=adversarial))
        results = []
        for parts in (1, passes):
            cycle, _ = make(config)
            cycle.networks.double()
            whole = batch(config, 16)
            split = [
                Pass(whole.real[places].double(), Chance(whole.chance.z[:, places].double()))
                for places in assign_places(16, passes=parts)
            ]
            for seen in (0, 16):
                terms = cycle.iterate(split, seen)
            results.append((terms, {n: p.grad for n, p in cycle.networks.named_parameters() if p.grad is not None}))
        (one, ours), (many, theirs) = results
        assert one.keys() == many.keys() and ours.keys() == theirs.keys()
        for name in one:
            assert float(many[name]) == pytest.approx(float(one[name]), rel=1e-8)
        largest = max(g.abs().max() for g in ours.values())  # some gradients are nothing but rounding
        for name in ours:
            assert float((ours[name] - theirs[name]).abs().max() / largest) < 1e-8, name


class TestPrecision:
    def test_passes_are_bfloat16_and_losses_penalties_and_weights_float32(self, config):
        cycle, part = make(config, torch.bfloat16)
        dtypes = []
        blocks = {"G": cycle.networks.generator.synthesis.head, "E": cycle.networks.encoder.to_stylemap,
                  "D": cycle.networks.discriminator.final_conv}  # fmt: skip
        for name, module in blocks.items():
            module.register_forward_hook(lambda _, __, out, name=name: dtypes.append((name, out.dtype)))
        _, stylemaps, fakes = cycle.generator_step([part])
        assert all(x.dtype == torch.float32 for x in (*stylemaps, *fakes))
        cycle.latent_step(stylemaps, fakes)
        terms, judged = cycle.discriminator_step([part])
        assert {dtype for _, dtype in dtypes} == {torch.bfloat16} and {name for name, _ in dtypes} == {"G", "E", "D"}
        dtypes.clear()
        terms |= cycle.penalty_step([part], judged)
        assert set(dtypes) == {("D", torch.float32)}
        dtypes.clear()
        terms |= cycle.image_step([part], judged)
        assert set(dtypes) == {("D", torch.bfloat16)}
        assert all(value.dtype == torch.float32 for value in terms.values())
        assert all(
            p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in cycle.networks.encoder.parameters()
        )

    def test_terms_are_near_those_of_float32(self, config):
        terms = []
        for dtype in (torch.float32, torch.bfloat16):
            cycle, part = make(config, dtype)
            terms.append(cycle.generator_step([part])[0] | cycle.discriminator_step([part])[0])
        for name, value in terms[0].items():
            if name != "real_sign":
                # 8 bits: 0.4 % a rounding, over some 20 layers
                assert float(terms[1][name]) == pytest.approx(float(value), rel=0.1, abs=0.1)


class Waits(TorchDispatchMode):
    """Collects what makes the host wait for a value of the device."""

    OPERATIONS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal.default", "masked_select")
    METHODS = ("tolist", "numpy", "cpu")  # on the CPU these are no operations

    def __init__(self, monkeypatch):
        super().__init__()
        self.found = []
        for name in self.METHODS:
            method = getattr(torch.Tensor, name)
            monkeypatch.setattr(
                torch.Tensor, name, lambda *a, m=method, n=name, **k: self.found.append(n) or m(*a, **k)
            )

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        if any(name in str(function) for name in self.OPERATIONS):
            self.found.append(str(function))
        return function(*arguments, **(keywords or {}))


def test_an_iteration_never_waits_for_the_device(config, monkeypatch):
    config = replace(config, optim=replace(config.optim, clip=1.0, r2_gamma=1.0))
    cycle, part = make(config)
    meter = Meter(cycle.terms, torch.device("cpu"))
    with Waits(monkeypatch) as waits:
        for seen in (0, 4):
            meter.add(cycle.iterate([part], seen))
            cycle.optimizers.scale_lr(0.5)
        assert waits.found == []
        meter.means()
        assert waits.found == ["tolist"]  # at a tick it does
        float(part.real.sum())
        assert len(waits.found) == 2


def test_a_run_in_float32_is_so_in_a_callers_autocast(config):
    expected, found = ({}, {})
    for terms, enabled in ((expected, False), (found, True)):
        cycle, part = make(replace(config, optim=OptimConfig(r2_gamma=1.0)))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            terms.update(cycle.iterate([part], 0))
    assert "r1_penalty" in found
    assert found == expected


def test_a_flow_gives_samples_but_does_not_learn_from_them(config, tmp_path):
    """It was trained alone; gradients would go through all its steps."""
    flow = replace(config.model, mapping="flow")
    checkpoint.save(tmp_path / "w.safetensors", StylemapModel(flow))
    config = replace(config, model=flow, init_from=str(tmp_path / "w.safetensors"))
    cycle, part = make(config)
    before = snapshot(cycle.networks)
    assert "generator_adversarial" in cycle.iterate([part], 0)
    after = changed(cycle.networks, before)
    assert "discriminator" in after and "model.generator.mapping" not in after


def test_a_flow_has_to_come_from_weights(config):
    with pytest.raises(InputError, match="train-mapping"):
        replace(config, model=replace(config.model, mapping="flow"))
