"""Pivotal tuning: weights that make one image, what holds them elsewhere, and the files that keep them."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file

from stylemap.errors import InputError
from stylemap.inversion import Subject, invert, latents, preset, render, tuning
from stylemap.inversion.latents import SavedLatent
from stylemap.perceptual.registry import Pixels
from tests.inversion import tiny

KNOBS = {"pivot_steps": 20, "steps": 20, "rate": 3e-3, "statistics_samples": 100}


@pytest.fixture(scope="module")
def models():
    return {"vectors": tiny.vectors(), "stylemaps": tiny.stylemaps()}


@pytest.fixture(scope="module")
def found(models):
    """By kind: of two images that the generator made, in two ways of holding."""
    made = {}
    for kind, model in models.items():
        subject, images = Subject(model), tiny.images(model)
        for locality in (0.0, 30.0):
            method = preset("pivotal", **KNOBS, locality=locality)
            made[kind, locality] = invert(method, subject, images, Pixels())
    return made


@pytest.mark.parametrize("kind", ["vectors", "stylemaps"])
def test_error_falls_below_that_of_the_pivot(models, found, kind):
    tuned = found[kind, 0.0]
    others = {name: x for name, x in tuned.extras.items() if name not in tuning.of(tuned.extras)}
    pivot = render(models[kind], tuned.latent, others)
    error = (pivot.clamp(-1, 1) - tiny.images(models[kind])).square().mean(dim=(1, 2, 3))
    assert (tuned.error < 0.5 * error).all(), tuned.error / error
    assert list(dict.fromkeys(row.phase for row in tuned.history)) == (
        ["projection", "weights"] if kind == "vectors" else ["weights"]
    )
    if kind == "vectors":  # one w for all layers
        assert tuned.latent.std(dim=1).max() == 0
    else:
        torch.testing.assert_close(tuned.latent, models[kind].encode(tiny.images(models[kind])))


@pytest.mark.parametrize("kind", ["vectors", "stylemaps"])
def test_samples_near_the_pivot_change_less_where_they_are_held(models, found, kind):
    """At other samples than those that were held, as far from the pivot."""
    model, changes = models[kind], []
    subject = Subject(model)
    away = subject.statistics(100, 123).spread * (2 * model.latents.count) ** 0.5
    for locality in (0.0, 30.0):
        inversion, change = found[kind, locality], 0.0
        for seed in range(100, 108):
            with torch.no_grad():
                way = model.map(tiny.randn(1, model.latents.z_channels, seed=seed)) - inversion.latent
                length = way.flatten(1).norm(dim=1).view(-1, *[1] * (way.dim() - 1))
                near = inversion.latent + away * way / length
            noise = {name: x for name, x in inversion.extras.items() if name.startswith("noise.")}
            before, after = render(model, near, noise), render(model, near, inversion.extras)
            change += (after - before).square().mean().item()
        changes.append(change)
    assert changes[1] < 0.5 * changes[0]


def test_images_of_a_batch_have_weights_of_their_own(models, found):
    """Each image of a batch is that of its own differences, and the model is as it was."""
    model, inversion = models["stylemaps"], found["stylemaps", 0.0]
    for i in range(2):
        extras = {name: x[i : i + 1] for name, x in inversion.extras.items()}
        own = tuning.tuned(model, extras)
        expected = own.synthesize(inversion.latent[i : i + 1])
        torch.testing.assert_close(inversion.image[i : i + 1], expected)
        assert (model.synthesize(inversion.latent[i : i + 1]) - expected).abs().max() > 0.01
    assert tuning.tuned(model, {}) is model


@pytest.mark.parametrize("kind", ["vectors", "stylemaps"])
def test_files_restore_the_image_within_the_stated_error(models, found, tmp_path, kind):
    model, inversion = models[kind], found[kind, 0.0]
    extras = {name: x[:1] for name, x in inversion.extras.items()}
    path = tmp_path / "a.safetensors"
    latents.write(path, SavedLatent(inversion.latent[:1], extras, {}))
    read = latents.read(path, model)
    torch.testing.assert_close(read.image(model), inversion.image[:1])
    # what rounding changed is told, and is less than what 8 bits change in an image
    assert 0 < inversion.rounding.max() < (2 / 255) ** 2 / 12
    # less than a byte for each weight, and a step of 4 bytes for each channel
    numbers = tuning.of(extras)
    steps = sum(x.shape[1] if x.dim() > 2 else 1 for x in numbers.values())
    stored = sum(x.numel() for x in load_file(path).values() if x.dtype == torch.uint8)
    assert stored < sum(x.numel() for x in numbers.values())
    assert sum(x.numel() for name, x in load_file(path).items() if name in numbers) == steps


def test_rounding_by_hand():
    """Steps of a fifteenth of the largest of a channel: nothing moves by more than half a step, and twice is once."""
    x = {
        "weights.a": tiny.randn(2, 3, 4, 5),
        "weights.b": tiny.randn(2, 6),
        "weights.c": torch.zeros(2, 1),
        "noise.0": tiny.randn(2, 1),
    }
    rounded = tuning.rounded(x)
    assert rounded.keys() == x.keys() - {"noise.0"}
    step = x["weights.a"].abs().amax(dim=(2, 3), keepdim=True) / 15
    assert ((rounded["weights.a"] - x["weights.a"]).abs() <= step * (0.5 + 1e-5)).all()
    step = x["weights.b"].abs().amax(dim=1, keepdim=True) / 15
    assert ((rounded["weights.b"] - x["weights.b"]).abs() <= step * (0.5 + 1e-5)).all()
    assert rounded["weights.c"].abs().max() == 0
    for name, again in tuning.rounded(rounded).items():
        torch.testing.assert_close(again, rounded[name])


def test_files_of_tuned_weights_that_do_not_fit(models, found, tmp_path):
    model, inversion = models["stylemaps"], found["stylemaps", 0.0]
    latents.write(
        tmp_path / "a.safetensors",
        SavedLatent(inversion.latent[:1], {k: x[:1] for k, x in inversion.extras.items()}, {}),
    )
    tensors, header = load_file(tmp_path / "a.safetensors"), {latents.FORMAT: "{}"}
    name = next(name for name in tensors if name.startswith("weights."))
    for change in (
        {"codes": tensors["codes"][:-9]},
        {"codes": torch.zeros(4, dtype=torch.uint8)},
        {name: torch.ones(99)},
        {"weights.other": torch.ones(3)},
    ):
        save_file(tensors | change, tmp_path / "b.safetensors", header)
        with pytest.raises(InputError, match="b.safetensors: its? (tuned weights are damaged|holds tuned weights of)"):
            latents.read(tmp_path / "b.safetensors", model)
    rounded = tiny.stylemaps()
    rounded.compute_in(torch.bfloat16)
    with pytest.raises(InputError, match="--precision float32"):
        latents.read(tmp_path / "a.safetensors", rounded)
    with pytest.raises(InputError, match="--precision float32"):
        invert(preset("pivotal"), rounded, tiny.images(rounded), Pixels())


def test_knobs_of_the_pivot(models):
    vectors, maps = (models[kind].latents for kind in ("vectors", "stylemaps"))
    assert preset("pivotal").for_latents(vectors).counts == {"pivot_steps": 450, "steps": 350}
    assert preset("pivotal").for_latents(maps).counts == {"steps": 350}
    assert preset("pivotal", pivot="encoder").for_latents(vectors).begins_at_encoder
    with pytest.raises(InputError, match="one vector per layer"):
        preset("pivotal", pivot="w").for_latents(maps)


def test_a_stopped_run_goes_on_to_the_same_weights(models):
    """Its samples depend on seed and step alone."""
    model = models["stylemaps"]
    method, images = preset("pivotal", **KNOBS | {"steps": 6}), tiny.images(model)
    kept = []
    whole = invert(method, model, images, Pixels(), every=3, tick=lambda state, _: kept.append(copy.deepcopy(state)))
    rest = invert(method, model, images, Pixels(), kept[1], every=3)
    assert rest.steps == 6
    for name, x in whole.extras.items():
        assert torch.equal(rest.extras[name], x), name
