"""Files of latents, and what is done with them."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stylemap.errors import InputError
from stylemap.inversion import latents
from stylemap.inversion.latents import SavedLatent
from tests.inversion import tiny


@pytest.fixture(scope="module")
def model():
    return tiny.vectors()


@pytest.fixture(scope="module")
def maps():
    return tiny.stylemaps()


def found(model, seed: int = 0) -> SavedLatent:
    noise = {f"noise.{k}": tiny.randn(*s, seed=seed) for k, s in enumerate(model.latents.noise_shapes)}
    return SavedLatent(tiny.randn(1, 6, 12, seed=seed), noise, {"method": "W"})


def test_safetensors_hold_everything(model, tmp_path):
    given = found(model)
    latents.write(tmp_path / "a.safetensors", given)
    read = latents.read(tmp_path / "a.safetensors", model)
    assert torch.equal(read.latent, given.latent) and read.info == given.info
    assert torch.equal(read.image(model), given.image(model))
    assert not torch.equal(read.image(model), SavedLatent(given.latent, {}, {}).image(model))


def test_npy_is_what_others_read(model, maps, tmp_path):
    for each, size in ((model, (6, 12)), (maps, (8, 4, 4))):
        given = SavedLatent(tiny.randn(1, *size), {}, {})
        latents.write(tmp_path / "a.npy", given)
        array = np.load(tmp_path / "a.npy")
        assert (array.dtype, array.shape) == (np.float32, size)
        assert torch.equal(latents.read(tmp_path / "a.npy", each).latent, given.latent)


@pytest.mark.parametrize("size", [(12,), (1, 12), (6, 12), (1, 6, 12)])
def test_npy_of_w_is_repeated_for_all_layers(model, tmp_path, size):
    np.save(tmp_path / "w.npy", np.arange(np.prod(size), dtype=np.float64).reshape(size))
    read = latents.read(tmp_path / "w.npy", model).latent
    assert read.shape == (1, 6, 12)
    assert torch.equal(read[0, 5], torch.arange(12.0) + (60 if len(size) > 1 and 6 in size else 0))


def test_files_that_cannot_be_used(model, tmp_path):
    np.save(tmp_path / "shape.npy", np.zeros((7, 12)))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "pickled.npy", np.array({"boundary": 1}, dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "cut.safetensors").write_bytes(b"no")
    save_file({"x": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    save_file({"x": torch.zeros(3)}, tmp_path / "empty.safetensors", {latents.FORMAT: "{}"})
    for name in ("shape.npy", "text.npy", "pickled.npy", "cut.npy", "missing.npy", "cut.safetensors", "foreign.safetensors",
                 "missing.safetensors", "empty.safetensors"):  # fmt: skip
        with pytest.raises(InputError, match=name) as caught:
            latents.read(tmp_path / name, model)
        assert "\n" not in str(caught.value)


LATENT = torch.zeros(1, 6, 12)


@pytest.mark.parametrize(
    ("tensors", "info", "says"),
    [
        ({"latent": LATENT}, "[]", "holds no latent"),
        ({"latent": LATENT}, "null", "holds no latent"),
        ({"latent": LATENT}, "1" * 5000, "5000 digits"),
        ({"latent": LATENT}, "[" * 100_000, "32 lists"),
        ({"latent": LATENT.int()}, "{}", "not finite numbers"),
        ({"latent": LATENT / 0}, "{}", "not finite numbers"),
        ({"latent": LATENT[:, 1:]}, "{}", "must hold [6, 12] numbers"),
        ({"latent": LATENT, "x": LATENT + 1}, "{}", "'x' [1, 6, 12], which these weights do not use"),
        ({"latent": LATENT, "noise.0": torch.zeros(1, 1, 4, 4)}, "{}", "lacks noise.1"),
        ({"latent": LATENT, "noise.0": torch.zeros(1, 1, 9, 9)}, "{}", "noise.0"),
        ({"latent": LATENT, "noise.99": torch.zeros(1, 1, 4, 4)}, "{}", "noise.99"),
        ({"latent": LATENT, "input": torch.zeros(1, 999, 8, 8)}, "{}", "input"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_content_is_checked(model, tmp_path, tensors, info, says):
    save_file(tensors, tmp_path / "a.safetensors", {latents.FORMAT: info})
    with pytest.raises(InputError) as caught:
        latents.read(tmp_path / "a.safetensors", model)
    message = str(caught.value)
    assert says in message and "a.safetensors" in message and "\n" not in message


def test_exchange_swaps_layers():
    a, b = tiny.randn(2, 6, 12), tiny.randn(2, 6, 12, seed=1)
    first, second = latents.exchange(a, b)
    for layer in range(6):
        swapped = layer in (3, 4)
        assert torch.equal(first[:, layer], (b if swapped else a)[:, layer])
        assert torch.equal(second[:, layer], (a if swapped else b)[:, layer])
    again = latents.exchange(first, second)
    assert torch.equal(again[0], a) and torch.equal(again[1], b)
    for layers in ([], [6], [-1]):
        with pytest.raises(ValueError, match="layers"):
            latents.exchange(a, b, layers)


def test_boundaries_have_length_one_in_every_layer(model, tmp_path):
    np.save(tmp_path / "w.npy", 5 * tiny.randn(1, 12).numpy())
    boundary = latents.read_boundary(tmp_path / "w.npy", model)
    torch.testing.assert_close(boundary.norm(dim=2), torch.ones(1, 6))
    layered = tiny.randn(1, 6, 12).numpy()
    layered[:, 2] = 0
    np.save(tmp_path / "layers.npy", layered)
    boundary = latents.read_boundary(tmp_path / "layers.npy", model)
    torch.testing.assert_close(boundary.norm(dim=2), torch.tensor([[1.0, 1, 0, 1, 1, 1]]))


def test_boundary_of_stylemaps_has_length_one_over_all(maps, tmp_path):
    vector = tiny.randn(1, 8 * 4 * 4).numpy()
    np.save(tmp_path / "b.npy", vector)
    boundary = latents.read_boundary(tmp_path / "b.npy", maps)
    torch.testing.assert_close(boundary.flatten(), torch.from_numpy(vector[0] / np.linalg.norm(vector)))
    np.save(tmp_path / "zero.npy", 0 * vector)
    with pytest.raises(InputError, match="has length 0 and so no direction"):
        latents.read_boundary(tmp_path / "zero.npy", maps)


def test_move(model):
    latent, boundary = tiny.randn(2, 6, 12), tiny.randn(1, 6, 12, seed=1)
    assert torch.equal(latents.move(latent, boundary, 0), latent)
    torch.testing.assert_close(latents.move(latent, boundary, -3), latent - 3 * boundary)
    some = latents.move(latent, boundary, 2, [1, 5]) - latent
    torch.testing.assert_close(some[:, [1, 5]], 2 * boundary[:, [1, 5]].expand(2, -1, -1))
    assert some[:, [0, 2, 3, 4]].abs().max() == 0
    with pytest.raises(ValueError, match="no layers"):
        latents.move(latent, boundary, 1, [6])


def test_morph_begins_and_ends_at_the_images(model):
    a, b = found(model), found(model, 1)
    frames = torch.cat(list(latents.morph(model, a, b, torch.linspace(0, 1, 20))))  # more than one batch
    assert len(frames) == 20
    torch.testing.assert_close(frames[:1], a.image(model), rtol=0, atol=1e-5)
    torch.testing.assert_close(frames[-1:], b.image(model), rtol=0, atol=1e-5)
    half = next(latents.morph(model, SavedLatent(a.latent, {}, {}), b, torch.tensor([0.5])))
    torch.testing.assert_close(half, model.synthesize((a.latent + b.latent) / 2), rtol=0, atol=1e-5)
