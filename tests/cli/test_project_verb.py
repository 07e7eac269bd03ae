"""`stylemap project` and `stylemap latents`: the library's results in the promised files; mistakes cost one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import checkpoint, images
from stylemap.inversion import engine, invert, latents, perceptual, preset
from tests.cli.conftest import SIDE, pixels
from tests.cli.test_morph import frames_of
from tests.inversion import tiny

SHIPPED = "project --images IN/ada.png IN/bob.png --out made"
VECTORS = "project --images IN/ada.png --out made --weights v.safetensors --perceptual none --steps 12"


@pytest.fixture
def vectors(tmp_path, stylemap):
    """The small generator in the folder in which commands run."""
    checkpoint.save(tmp_path / "v.safetensors", tiny.vectors())
    return checkpoint.load(tmp_path / "v.safetensors")


def photos(inputs, side=SIDE):
    return torch.cat([images.read(inputs / f"{name}.png", side) for name in ("ada", "bob")])


@pytest.mark.parametrize(
    ("method", "flags", "knobs"),
    [("encoder", "", {}), ("hybrid", "--steps 6 --set rate=0.02", {"steps": 6, "rate": 0.02})],
)
def test_shipped_weights(stylemap, inputs, tmp_path, method, flags, knobs):
    ran = stylemap(SHIPPED, "--method", method, flags)
    assert (ran.code, ran.err) == (0, "")
    model = checkpoint.load("avatars32")
    network = perceptual.load("discriminator", weights="avatars32")
    found = invert(preset(method, **knobs), model, photos(inputs), network)
    assert f"mean squared error {found.error.mean():.4f} over 2 images" in ran.out
    assert ("perceptual: discriminator instead of VGG-16" in ran.out) == (method == "hybrid")
    report = json.loads((tmp_path / "made/report.json").read_text())
    assert report["mse"] == pytest.approx(found.error.mean().item(), rel=1e-5)
    for i, name in enumerate(("ada", "bob")):
        np.testing.assert_array_equal(pixels(tmp_path / f"made/{name}.png"), images.to_uint8(found.image)[i].numpy())
        np.testing.assert_array_equal(np.load(tmp_path / f"made/{name}.npy"), found.latent[i].numpy())
        assert torch.equal(latents.read(tmp_path / f"made/{name}.safetensors", model).latent, found.latent[i : i + 1])
        note = json.loads((tmp_path / f"made/{name}.json").read_text())
        assert note["error"] == found.error[i].item()
        assert [(row["step"], row["error"]) for row in note["history"]] == [(r.step, r.error[i]) for r in found.history]
        assert (tmp_path / f"made/{name}.gif").exists() == (method == "hybrid")
    assert not (tmp_path / "made/state.pt").exists()


@pytest.mark.parametrize("method", ["w", "w+", "image2stylegan++", "structured-noise"])
def test_vectors(stylemap, vectors, tmp_path, method):
    extra = "--set noise_steps=5" if method.endswith("++") else ""
    ran = stylemap(VECTORS, "--method", method, extra, "--film png")
    assert (ran.code, ran.err) == (0, "")
    assert "pixels alone" in ran.out
    read = latents.read(tmp_path / "made/ada.safetensors", vectors)
    np.testing.assert_array_equal(images.to_uint8(read.image(vectors))[0].numpy(), pixels(tmp_path / "made/ada.png"))
    film = frames_of(tmp_path / "made/ada.film.png")
    assert film.shape[1:] == (tiny.SIDE, 2 * tiny.SIDE, 3)
    assert (film[0, :, : tiny.SIDE] == film[-1, :, : tiny.SIDE]).all()  # the photo
    np.testing.assert_array_equal(film[-1, :, tiny.SIDE :], pixels(tmp_path / "made/ada.png"))


def test_goes_on_where_it_was_killed(stylemap, vectors, tmp_path, monkeypatch):
    run = f"{VECTORS} --method w+ --every 4 --save-every 4"
    assert stylemap(run.replace("made", "whole")).code == 0
    optimise = engine.optimise

    def killed(problem, state, stopping, every, tick):
        def last(state, shown):
            tick(state, shown)
            if state.ran == 8:
                raise KeyboardInterrupt

        return optimise(problem, state, stopping, every, last)

    monkeypatch.setattr(engine, "optimise", killed)
    assert stylemap(run).code == 130
    assert (tmp_path / "made/state.pt").exists()
    begun = []
    monkeypatch.setattr(
        engine, "optimise", lambda p, state, *rest: [begun.append(state.ran), optimise(p, state, *rest)][1]
    )
    assert stylemap(run).code == 0
    assert begun == [8]
    for name in ("ada.png", "ada.npy", "ada.safetensors", "ada.gif"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # done is done: nothing is optimised again, unless something else is asked for
    assert stylemap(run).code == 0 and begun == [8]
    assert stylemap(run, "--seed 1").code == 0 and begun == [8, 0]


def test_masks_and_crossover(stylemap, tmp_path):
    run = "project --method hybrid --steps 3 --images IN/ada.png --mask IN/mask.png --film none"
    assert stylemap(run, "--out hole").code == 0
    assert stylemap(run, "--out both --crossover IN/bob.png").code == 0
    assert not np.array_equal(pixels(tmp_path / "hole/ada.png"), pixels(tmp_path / "both/ada.png"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--method w --set pace=3", "method w has no pace; it has seed, space"),
        ("--method w --set rate", "--set rate must be KNOB=VALUE"),
        ("--method w --set rate=fast", "--set rate=fast must be float"),
        ("--method w --set rate=-1", "0 or more"),
        ("--method w --set space=z", "space=z must be one of w, w+"),
        ("--method image2stylegan --set layers=conv1_1,x", "x is none of VGG-16's"),
        ("--method image2stylegan", "one vector per layer"),
        ("--method magic", "--method"),
        ("--method w --steps 0", "'0' is not a whole number from 1"),
        ("--method w --stop-error 0", "--stop-error 0 must be above 0"),
        ("--method w --crossover IN/bob.png", "--crossover needs --mask"),
        ("--method w --mask IN/missing.png", "missing.png"),
        ("--method w --perceptual lpips --lpips-vgg IN/text.png", "VGG-16"),
        ("--method w --perceptual discriminator --weights IN/w.safetensors", "holds no discriminator"),
        ("--method w --weights IN/text.safetensors", "text.safetensors"),
    ],
)
def test_refusals(refused, flags, says):
    assert says in refused("project --images IN/ada.png --out made", flags)


@pytest.mark.parametrize(("paths", "says"), [("IN/nothing", "holds no"), ("IN/text.png", "text.png")])
def test_refuses_pictures(refused, paths, says):
    assert says in refused("project --method encoder --out made --images", paths)


@pytest.fixture
def pair(vectors, tmp_path):
    for seed, name in enumerate("ab"):
        noise = {f"noise.{k}": tiny.randn(*s, seed=seed) for k, s in enumerate(vectors.generator.noise_shapes())}
        found = latents.Found(vectors.map(tiny.randn(1, 12, seed=seed)), noise, {})
        latents.write(tmp_path / f"{name}.safetensors", found)
        latents.write(tmp_path / f"{name}.npy", found)
    np.save(tmp_path / "boundary.npy", tiny.randn(1, 12).numpy())
    return [latents.read(tmp_path / f"{name}.safetensors", vectors) for name in "ab"]


def test_latents_morph(stylemap, vectors, pair, tmp_path):
    assert (
        stylemap("latents morph a.safetensors b.safetensors --weights v.safetensors --frames 5 --out m.webp").code == 0
    )
    film = frames_of(tmp_path / "m.webp")
    assert len(film) == 5
    for frame, end in ((film[0], pair[0]), (film[-1], pair[1])):
        np.testing.assert_array_equal(frame, images.to_uint8(end.image(vectors))[0].numpy())


def test_latents_edit(stylemap, vectors, pair, tmp_path):
    run = "latents edit a.npy --boundary boundary.npy --weights v.safetensors --span -2,2 --frames 3 --layers 0-1 --out e.png"
    assert stylemap(run).code == 0
    boundary = latents.read_boundary(tmp_path / "boundary.npy", vectors)
    last = vectors.synthesize(latents.move(pair[0].latent, boundary, 2, [0, 1]))
    with Image.open(tmp_path / "e.png") as sheet:
        assert sheet.size == (3 * 18 + 2, 20)
        np.testing.assert_array_equal(np.asarray(sheet)[2:18, 38:54], images.to_uint8(last)[0].numpy())


def test_latents_exchange(stylemap, vectors, pair, tmp_path):
    assert stylemap("latents exchange a.npy b.npy --weights v.safetensors --layers 2 --out made").code == 0
    first, second = latents.exchange(pair[0].latent, pair[1].latent, [2])
    np.testing.assert_array_equal(np.load(tmp_path / "made/first.npy"), first[0].numpy())
    assert torch.equal(latents.read(tmp_path / "made/second.safetensors", vectors).latent, second)
    np.testing.assert_array_equal(
        pixels(tmp_path / "made/first.png"), images.to_uint8(vectors.synthesize(first))[0].numpy()
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("morph a.npy missing.npy --out m.gif", "missing.npy"),
        ("morph a.npy b.npy --out m.gif --frames 1", "--frames 1"),
        ("morph a.npy b.npy --out m.txt", "must end in"),
        ("edit a.npy --boundary boundary.npy --layers 4-9 --out e.png", "--layers must lie in 0..5"),
        ("edit a.npy --boundary boundary.npy --span 3 --out e.png", "two numbers"),
        ("exchange a.npy b.npy --layers 6 --out made", "--layers must lie in 0..5"),
    ],
)
def test_latents_refusals(refused, pair, arguments, says):
    assert says in refused("latents", arguments, "--weights v.safetensors")
