"""The loop on a renderer that changes nothing: steps of Adam in closed form, stopping, resuming."""

import copy
import io

import pytest
import torch

from stylemap.errors import InputError
from stylemap.inversion import engine
from stylemap.inversion.engine import Phase, Problem, State, Stopping
from tests.inversion.tiny import randn

TARGET = torch.tensor([[3.0, -2.0], [0.5, 1.0]])


def problem(*phases: Phase, seed: int = 0) -> Problem:
    return Problem(
        list(phases), lambda tensors: 1 * tensors["latent"], lambda x: (x - TARGET[: len(x)]).square().mean(1), seed
    )


def loss(_, images):
    return (images - TARGET).square().sum(dim=1)


def start() -> State:
    return State({"latent": torch.zeros(2, 2)})


def phase(**changes) -> Phase:
    return Phase(**({"name": "latent", "steps": 20, "rates": {"latent": 0.1}, "loss": loss} | changes))


def test_first_step_of_adam_has_the_length_of_the_rate():
    state = engine.optimise(problem(phase(steps=1)), start())
    torch.testing.assert_close(state.tensors["latent"], 0.1 * TARGET.sign())


def steered(*gradients: float) -> Phase:
    """The gradient of every number of the latent at each step is the one given."""
    left = iter(gradients)
    return phase(steps=len(gradients), loss=lambda _, images: next(left) * images.sum(dim=1))


def test_adam_is_that_of_the_papers():
    """Betas 0.9 and 0.999: two steps in closed form, of gradients 1 and 0. Eps 1e-8: it halves a step of a gradient as small."""
    moved = engine.optimise(problem(steered(1.0, 0.0)), start()).tensors["latent"]
    mean = 0.9 * (1 - 0.9) / (1 - 0.9**2)
    square = 0.999 * (1 - 0.999) / (1 - 0.999**2)
    torch.testing.assert_close(moved, torch.full((2, 2), -0.1 - 0.1 * mean / square**0.5))
    moved = engine.optimise(problem(steered(1e-8)), start()).tensors["latent"]
    torch.testing.assert_close(moved, torch.full((2, 2), -0.05))


def test_schedule_multiplies_the_rate_and_sees_the_share_of_steps():
    seen = []

    def schedule(t):
        seen.append(t)
        return 0.0 if t < 0.75 else 0.5

    state = engine.optimise(problem(phase(steps=4, schedule=schedule)), start())
    assert seen == [0, 0.25, 0.5, 0.75]
    # equal gradients so far, so that Adam's step is the rate still
    torch.testing.assert_close(state.tensors["latent"], 0.05 * TARGET.sign())


def test_latent_noise_is_seen_and_not_kept():
    seen = []

    def noted(tensors, images):
        seen.append(images.detach().clone())
        return loss(tensors, images)

    state = engine.optimise(
        problem(phase(steps=2, rates={"latent": 0.0}, loss=noted, latent_noise=lambda t: 1 - t)), start()
    )
    assert state.tensors["latent"].abs().max() == 0
    assert torch.equal(seen[0][0], seen[0][1])  # the same for all images
    assert seen[0].abs().min() > 0 and not torch.equal(seen[1], seen[0] / 2)


def test_what_is_not_named_stands_still():
    state = State({"latent": torch.zeros(2, 2), "noise.0": randn(2, 1, 4, 4)})
    before = state.tensors["noise.0"].clone()
    engine.optimise(problem(phase()), state)
    assert torch.equal(state.tensors["noise.0"], before)


def test_history_and_ticks():
    steps = []
    state = engine.optimise(
        problem(phase(steps=7), phase(name="more", steps=4)), start(), every=3, tick=lambda s, _: steps.append(s.ran)
    )
    assert [(row.phase, row.step) for row in state.history] == [
        ("latent", 0), ("latent", 2), ("latent", 5), ("latent", 6), ("more", 7), ("more", 9), ("more", 10),
    ]  # fmt: skip
    assert steps == [1, 3, 6, 7, 8, 10, 11]
    assert state.history[0].error == pytest.approx(TARGET.square().mean(1).tolist())
    assert state.history[0].loss == pytest.approx(TARGET.square().sum(1).tolist())
    assert sorted(row.seconds for row in state.history) == [row.seconds for row in state.history]
    assert 0 < engine.seconds_per_step(state) <= state.seconds


@pytest.mark.parametrize("stopped_at", [1, 12, 20, 30])
def test_resumed_is_uninterrupted_bit_for_bit(stopped_at):
    class Killed(Exception):
        pass

    kept = io.BytesIO()

    def kill(state, _):
        if state.ran == stopped_at:
            torch.save(state.plain(), kept)
            raise Killed

    def run(state, tick=None):
        phases = phase(latent_noise=lambda t: 0.3), phase(name="more", schedule=lambda t: 1 - t)
        return engine.optimise(
            problem(*phases), state, Stopping(patience=12), every=4 if stopped_at == 12 else 10, tick=tick
        )

    whole = run(start())
    with pytest.raises(Killed):
        run(start(), kill)
    kept.seek(0)
    resumed = run(State.of(torch.load(kept, weights_only=True)))
    assert torch.equal(whole.tensors["latent"], resumed.tensors["latent"])
    assert [r[:2] + r[3:] for r in whole.history] == [r[:2] + r[3:] for r in resumed.history]
    assert whole.ran == resumed.ran


def test_an_image_that_is_good_enough_is_left_alone():
    # the second target is nearer: it is reached first, and the first goes on
    state = engine.optimise(problem(phase(steps=200)), start(), Stopping(error=0.05), every=1)
    rows = [row.error for row in state.history]
    first_good = next(k for k, row in enumerate(rows) if row[1] <= 0.05)
    assert state.ran < 200
    assert rows[-1][0] <= 0.05
    assert len({row[1] for row in rows[first_good + 1 :]}) == 1


def test_a_run_killed_when_all_was_done_takes_no_further_step():
    kept = io.BytesIO()
    whole = engine.optimise(
        problem(phase(rates={"latent": 0.0}, steps=100)), start(), Stopping(patience=20), every=5,
        tick=lambda state, _: (kept.seek(0), torch.save(state.plain(), kept)),
    )  # fmt: skip
    kept.seek(0)
    state = State.of(torch.load(kept, weights_only=True))
    resumed = engine.optimise(problem(phase(rates={"latent": 0.0}, steps=100)), state, Stopping(patience=20), every=5)
    assert (resumed.ran, len(resumed.history)) == (whole.ran, len(whole.history))


def test_patience_ends_what_gets_no_better():
    state = engine.optimise(problem(phase(rates={"latent": 0.0}, steps=100)), start(), Stopping(patience=20), every=5)
    assert state.ran == 21 + 4  # better at step 1 alone; looked at every 5


@pytest.mark.parametrize("by_step", [0.0, 0.1])
def test_patience_does_not_look_at_the_regulariser(by_step):
    """It may rise while the image gets better, or fall while the image does not."""
    drawn = []

    def regulariser(tensors, step):
        drawn.append(None)
        return torch.full((2,), 1000.0 + (1 if by_step else -10) * len(drawn))

    state = engine.optimise(
        problem(phase(rates={"latent": by_step}, steps=30, regulariser=regulariser)),
        start(),
        Stopping(patience=6),
        every=3,
    )
    assert (state.ran < 30) == (not by_step)
    first = state.history[0]
    assert first.loss == pytest.approx(TARGET.square().sum(1).tolist())
    assert first.regulariser == [1001.0 if by_step else 990.0] * 2


def test_regulariser_is_made_small_too():
    held = phase(steps=200, regulariser=lambda tensors, _: 1e6 * tensors["latent"].square().sum(dim=1))
    state = engine.optimise(problem(held), start())
    assert state.tensors["latent"].abs().max() < 0.1
    assert engine.optimise(problem(phase(steps=1)), start()).history[0].regulariser == [0, 0]


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="diverged by step 1"):
        engine.optimise(problem(phase(loss=lambda _, x: loss(_, x) / 0)), start())


def test_networks_get_no_gradients():
    network = torch.nn.Linear(2, 2)
    own = Problem([phase()], lambda t: network(t["latent"]), lambda x: x.detach().square().mean(1))
    engine.optimise(own, copy.deepcopy(start()))
    assert network.weight.grad is None


def test_noise_maps_of_an_image_that_is_done_stay_to_the_last_bit():
    """They are put back to variance 1 after each step, which rounds anew: what is done must not depend on what goes on."""
    noise = randn(2, 1, 8, 8)
    state = State({"latent": torch.zeros(2, 2), "noise.0": noise.clone()}, done=torch.tensor([True, False]))
    whole = phase(rates={"latent": 0.1, "noise.0": 0.1}, steps=3, standardise=True,
                  loss=lambda tensors, images: loss(tensors, images) + tensors["noise.0"].sum(dim=(1, 2, 3)))  # fmt: skip
    found = engine.optimise(problem(whole), state).tensors["noise.0"]
    assert torch.equal(found[0], noise[0])
    assert found[1].square().mean() == pytest.approx(1, abs=1e-5)
