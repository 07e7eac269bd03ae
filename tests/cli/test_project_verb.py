"""`stylemap project` and `stylemap latents`: the library's results in the promised files; mistakes cost one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import checkpoint, images, perceptual, provenance
from stylemap.inversion import engine, invert, latents, preset
from tests.cli.conftest import KNOWING, SIDE, pixels
from tests.cli.test_morph import frames_of
from tests.inversion import tiny

SHIPPED = "project --weights avatars32 --photos IN/ada.png IN/bob.png --out made"
VECTORS = "project --photos IN/ada.png --out made --weights v.safetensors --perceptual-network none --steps 12"


@pytest.fixture
def vectors(tmp_path, stylemap):
    """The small generator in the folder in which commands run."""
    checkpoint.save(tmp_path / "v.safetensors", tiny.vectors(), info=KNOWING)
    return checkpoint.load_any(tmp_path / "v.safetensors")


def enlarged(picture: np.ndarray) -> np.ndarray:
    """[..., r, r, 3] -> [..., 256, 256, 3]: every pixel repeated."""
    factor = 256 // picture.shape[-2]
    return picture.repeat(factor, -2).repeat(factor, -3)


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
    assert ("perceptual network: discriminator instead of VGG-16" in ran.out) == (method == "hybrid")
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
    assert film.shape[1:] == (256, 512, 3)
    assert (film[0, :, :256] == film[-1, :, :256]).all()  # the photo
    np.testing.assert_array_equal(film[-1, :, 256:], enlarged(pixels(tmp_path / "made/ada.png")))


@pytest.fixture
def begun(monkeypatch):
    """How each run of the loop begins: (images at once, steps that were done)."""
    optimise, seen = engine.optimise, []

    def noted(problem, state, *rest):
        seen.append((len(state.tensors["latent"]), state.ran))
        return optimise(problem, state, *rest)

    monkeypatch.setattr(engine, "optimise", noted)
    return seen


@pytest.fixture
def killed(stylemap, monkeypatch):
    """Runs a command and stops it by Ctrl-C after so many steps. Returns its last words."""
    optimise = engine.optimise

    def run(*arguments, after: int) -> str:
        def until(problem, state, stopping, every, tick):
            def last(state, shown):
                tick(state, shown)
                if state.ran == after:
                    raise KeyboardInterrupt

            return optimise(problem, state, stopping, every, last)

        with monkeypatch.context() as patch:
            patch.setattr(engine, "optimise", until)
            ran = stylemap(*arguments)
        assert ran.code == 130
        return ran.err.splitlines()[-1]

    return run


WPLUS = f"{VECTORS} --method w+ --every 4 --save-every 4"
BOTH = WPLUS.replace("IN/ada.png", "IN/ada.png IN/bob.png IN/cyd.png")


def test_goes_on_where_it_was_killed(stylemap, vectors, tmp_path, killed, begun):
    assert stylemap(WPLUS.replace("made", "whole")).code == 0
    says = killed(WPLUS, after=8)
    assert says == "stopped with 0 of 1 photos done; the same command continues from step 8 of 12"
    begun.clear()
    ran = stylemap(WPLUS)
    assert (ran.code, ran.err, begun) == (0, "resuming at step 8 of 12\n", [(1, 8)])
    assert not (tmp_path / "made/state.pt").exists()
    for name in ("ada.png", "ada.npy", "ada.safetensors", "ada.gif"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # done is done
    assert stylemap(WPLUS).code == 0 and len(begun) == 1


def test_a_state_goes_on_whatever_the_batch_and_the_order(stylemap, vectors, tmp_path, killed, begun):
    assert "1 of 3" not in killed(BOTH, "--batch-gpu 2", after=8)
    begun.clear()
    other = BOTH.replace("IN/ada.png IN/bob.png IN/cyd.png", "IN/cyd.png IN/bob.png IN/ada.png")
    ran = stylemap(other, "--batch-gpu 1")
    assert (ran.code, ran.err, begun) == (0, "resuming at step 8 of 12\n", [(2, 8), (1, 0)])
    assert stylemap(BOTH.replace("made", "whole"), "--batch-gpu 2").code == 0
    for name in ("ada", "bob"):
        assert (tmp_path / f"made/{name}.npy").read_bytes() == (tmp_path / f"whole/{name}.npy").read_bytes()


def test_what_is_done_is_told_and_kept(stylemap, vectors, tmp_path, killed, begun):
    one = WPLUS.replace("IN/ada.png", "IN/bob.png")
    assert stylemap(one).code == 0
    says = killed(BOTH, "--batch-gpu 1", after=4)
    assert says == "stopped with 1 of 3 photos done; the same command continues from step 4 of 12"
    begun.clear()
    assert stylemap(BOTH, "--batch-gpu 3").code == 0
    assert begun == [(1, 4), (1, 0)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: run.replace("--steps 12", "--steps 20"), "steps 12, not 20"),
        (lambda run: run.replace("--every 4", "--every 2"), "every 4, not 2"),
        (lambda run: run.replace("w+", "w"), "preset w+, not w"),
        (lambda run: f"{run} --patience 3", "stopping"),
        (lambda run: run.replace("IN/ada.png", "IN/bob.png"), "on other photos"),
    ],
)
def test_a_state_of_another_run_is_kept(refused, vectors, killed, change, says):
    killed(WPLUS, after=4)
    line = refused(change(WPLUS))
    assert "state.pt is the state of " in line and says in line and "delete the file" in line


def test_a_state_that_cannot_be_read_is_kept(refused, vectors, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/state.pt").write_bytes(b"cut")
    assert "state.pt cannot be read" in refused(WPLUS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: f"{run} --seed 1", "holds another result, method w+, steps=12 (seed 0, not 1)"),
        (lambda run: run.replace("w+", "w"), "(preset w+, not w)"),
        (lambda run: run.replace("IN/ada.png", "other/ada.png"), "(another photo)"),
    ],
)
def test_results_of_another_run_are_kept(stylemap, refused, vectors, inputs, tmp_path, change, says):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/ada.png").write_bytes((inputs / "bob.png").read_bytes())
    assert stylemap(WPLUS).code == 0
    line = refused(change(WPLUS))
    assert "made/ada.json" in line and says in line and "give another --out" in line


def test_notes_of_others_are_kept(refused, vectors, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/ada.json").write_text("[1]")
    assert "ada.json was not written by" in refused(WPLUS)


@pytest.mark.parametrize("lost", ["png", "npy", "safetensors", "gif"])
def test_a_file_that_is_gone_is_made_again(stylemap, vectors, tmp_path, lost):
    assert stylemap(WPLUS).code == 0
    path = tmp_path / f"made/ada.{lost}"
    before = path.read_bytes()
    path.unlink()
    assert stylemap(WPLUS).code == 0
    assert path.read_bytes() == before


def test_a_film_that_is_asked_for_later_is_made(stylemap, vectors, tmp_path, begun):
    assert stylemap(WPLUS, "--film none").code == 0
    latent, few = (tmp_path / "made/ada.npy").read_bytes(), len(begun)
    assert not (tmp_path / "made/ada.gif").exists()
    assert stylemap(WPLUS).code == 0 and len(begun) == few + 1
    frames = len(frames_of(tmp_path / "made/ada.gif"))
    # another pace is another film, of the same latent
    assert stylemap(WPLUS.replace("--every 4", "--every 2")).code == 0
    assert len(frames_of(tmp_path / "made/ada.gif")) > frames
    assert (tmp_path / "made/ada.npy").read_bytes() == latent
    assert len(begun) == few + 2
    # and none is not asked for
    assert stylemap(WPLUS, "--film none").code == 0 and len(begun) == few + 2


def test_every_decides_where_photos_are_left(stylemap, refused, vectors):
    """Without stopping it changes no latent, and what is done is done."""
    run = f"{WPLUS} --film none"
    assert stylemap(run).code == 0
    assert stylemap(run.replace("--every 4", "--every 3")).code == 0
    stopping = run.replace("made", "stopped") + " --patience 3"
    assert stylemap(stopping).code == 0
    assert "every 4, not 3" in refused(stopping.replace("--every 4", "--every 3"))


def test_a_photo_may_be_called_like_the_report(stylemap, vectors, inputs, tmp_path):
    (tmp_path / "report.png").write_bytes((inputs / "ada.png").read_bytes())
    run = WPLUS.replace("IN/ada.png", "report.png")
    for _ in range(2):
        assert stylemap(run).code == 0
    assert json.loads((tmp_path / "made/report.json").read_text())["images"].keys() == {"report-2.png"}


@pytest.mark.parametrize(
    ("photo", "flags"),
    [
        ("me.webp", "--photos me.webp --film webp"),
        ("me.png", "--photos me.png"),
        ("me.film.png", "--photos photos/me.png --mask me.film.png --film png"),
    ],
)
def test_no_photo_is_written_over(refused, inputs, tmp_path, photo, flags):
    """The results beside the photos: whatever is written, not the image alone."""
    images.write(tmp_path / photo, images.read(inputs / "ada.png", SIDE))
    images.write(tmp_path / "photos/me.png", images.read(inputs / "ada.png", SIDE))
    said = refused("project --method hybrid --steps 2 --out .", flags)
    assert said.startswith(f"{photo} is one of the files to read and would be overwritten")


def test_films_and_pictures_do_not_collide(stylemap, inputs, tmp_path):
    for name in ("b.png", "b.film.png"):
        (tmp_path / name).write_bytes((inputs / "ada.png").read_bytes())
    run = "project --weights avatars32 --method hybrid --steps 2 --photos b.png b.film.png --film png --out made"
    assert stylemap(run).code == 0
    assert json.loads((tmp_path / "made/report.json").read_text())["images"].keys() == {"b.png", "b.film-2.png"}
    assert pixels(tmp_path / "made/b.film.png").shape == (256, 512, 3)
    assert pixels(tmp_path / "made/b.film-2.png").shape == (32, 32, 3)


def test_no_steps_are_the_encoder(stylemap, tmp_path):
    for flags in (
        "--method encoder --out a",
        "--method hybrid --out b --steps 0",
        "--method hybrid --out c --set steps=0",
    ):
        assert stylemap("project --photos IN/ada.png", flags).code == 0
    files = [(tmp_path / f"{folder}/ada.npy").read_bytes() for folder in "abc"]
    assert files[0] == files[1] == files[2]
    assert not (tmp_path / "b/ada.gif").exists()


def test_history_has_the_regulariser(stylemap, vectors, tmp_path):
    assert stylemap(WPLUS).code == 0
    rows = json.loads((tmp_path / "made/ada.json").read_text())["history"]
    assert all(row["regulariser"] > 0 and row["loss"] == pytest.approx(row["error"], rel=0.2) for row in rows)


def test_masks_and_crossover(stylemap, tmp_path):
    run = "project --method hybrid --steps 3 --photos IN/ada.png --mask IN/mask.png --film none"
    run += " --weights IN/w.safetensors --perceptual-network none"
    assert stylemap(run, "--out hole").code == 0
    assert stylemap(run, "--out both --crossover IN/bob.png").code == 0
    assert not np.array_equal(pixels(tmp_path / "hole/ada.png"), pixels(tmp_path / "both/ada.png"))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--method w --set pace=3", "method w has no setting pace; it has seed, space"),
        ("--method w --set rate", "method w: rate must be SETTING=VALUE"),
        ("--method w --set rate=fast", "method w: rate=fast must be float"),
        ("--method w --set rate=-1", "0 or more"),
        ("--method w --set space=z", "space=z must be one of w, w+"),
        ("--method image2stylegan --set layers=conv1_1,x", "x is not a layer of VGG-16"),
        ("--method image2stylegan", "one vector per layer"),
        ("--method w+", "these weights have stylemaps; take encoder, hybrid or stylemap"),
        ("--method w-ada", "these weights have stylemaps"),
        ("--method hybrid --mask black.png", "is black: paint white what counts"),
        ("--method magic", "--method"),
        ("--method w --steps -1", "'-1' is not a whole number from 0"),
        ("--method hybrid --set pixels=0 --set distance=0", "pixels, features, distance, domain are all 0"),
        ("--method hybrid --stop-error 0", "--stop-error must be above 0"),
        ("--method w --crossover IN/bob.png", "--crossover needs --mask"),
        ("--method w --mask IN/missing.png --weights missing", "--mask: "),
        ("--method w --mask IN/mask.png --crossover IN/missing.png --weights missing", "--crossover: "),
        ("--method w --mask made/ada.png", "--mask: "),
        ("--method hybrid --perceptual-network lpips --vgg IN/text.png", "VGG-16"),
        ("--method hybrid --perceptual-network discriminator --weights IN/w.safetensors", "holds no discriminator"),
        ("--method w --weights IN/text.safetensors", "text.safetensors"),
    ],
)
def test_refusals(refused, tmp_path, flags, says):
    images.write(tmp_path / "black.png", -torch.ones(3, 8, 8))
    assert says in refused("project --photos IN/ada.png --out made", flags)


@pytest.mark.parametrize(("paths", "says"), [("IN/nothing", "holds no"), ("IN/text.png", "text.png")])
def test_refuses_pictures(refused, paths, says):
    assert says in refused("project --method encoder --out made --photos", paths)


@pytest.fixture
def pair(vectors, tmp_path):
    for seed, name in enumerate("ab"):
        noise = {f"noise.{k}": tiny.randn(*s, seed=seed) for k, s in enumerate(vectors.latents.noise_shapes)}
        found = latents.SavedLatent(vectors.map(tiny.randn(1, 12, seed=seed)), noise, {})
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
        np.testing.assert_array_equal(frame, enlarged(images.to_uint8(end.image(vectors))[0].numpy()))


def test_latents_edit(stylemap, vectors, pair, tmp_path):
    run = "latents edit a.npy --boundary boundary.npy --weights v.safetensors --amounts -2..2 --frames 3 --layers 0,1 --out e.png"
    assert stylemap(run).code == 0
    boundary = latents.read_boundary(tmp_path / "boundary.npy", vectors)
    last = vectors.synthesize(latents.move(pair[0].latent, boundary, 2, [0, 1]))
    with Image.open(tmp_path / "e.png") as sheet:
        assert sheet.size == (3 * 258 + 2, 260)
        np.testing.assert_array_equal(np.asarray(sheet)[2:258, 518:774], enlarged(images.to_uint8(last)[0].numpy()))


def test_latents_exchange(stylemap, vectors, pair, tmp_path):
    assert stylemap("latents exchange a.npy b.npy --weights v.safetensors --layers 2 --out made").code == 0
    first, second = latents.exchange(pair[0].latent, pair[1].latent, [2])
    np.testing.assert_array_equal(np.load(tmp_path / "made/first.npy"), first[0].numpy())
    assert torch.equal(latents.read(tmp_path / "made/second.safetensors", vectors).latent, second)
    np.testing.assert_array_equal(
        pixels(tmp_path / "made/first.png"), images.to_uint8(vectors.synthesize(first))[0].numpy()
    )


@pytest.mark.filterwarnings("always:.*found with other weights")
@pytest.mark.parametrize("verb", ["morph a.safetensors b.npy --out m.gif", "exchange b.npy a.safetensors --out m"])
def test_latents_of_other_weights_are_told(stylemap, vectors, tmp_path, pair, verb):
    assert stylemap(VECTORS, "--method w+").code == 0
    (tmp_path / "made/ada.safetensors").replace(tmp_path / "a.safetensors")
    run = f"latents {verb} --weights"
    assert stylemap(run, "v.safetensors").err == ""
    checkpoint.save(tmp_path / "tuned.safetensors", tiny.vectors(seed=1))
    ran = stylemap(run, "tuned.safetensors")
    assert (ran.code, len(ran.err.splitlines())) == (0, 1)
    assert ran.err.startswith("warning: a.safetensors was found with other weights")
    if (made := tmp_path / "m/second.safetensors").exists():  # the weights of a latent stay noted
        digest = provenance.sha256(tmp_path / "v.safetensors")
        assert latents.read(made, vectors).info["weights_sha256"] == digest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("morph a.npy missing.npy --out m.gif", "missing.npy"),
        ("morph a.npy b.npy --out m.gif --frames 1", "--frames: '1' is not a whole number from 2"),
        ("morph a.npy b.npy --out m.txt", "must end in"),
        ("edit a.npy --boundary boundary.npy --layers 4..9 --out e.png", "--layers must lie in 0..5"),
        ("edit a.npy --boundary boundary.npy --amounts 3 --out e.png", "is not a range"),
        ("exchange a.npy b.npy --layers 6 --out made", "--layers must lie in 0..5"),
        (
            "edit a.npy --boundary a.safetensors --out e.png",
            "a.safetensors is not a .npy file; directions of this project",
        ),
        ("edit a.npy --boundary pickled.npy --out e.png", "pickled.npy must hold one array of real numbers"),
    ],
)
def test_latents_refusals(refused, pair, tmp_path, arguments, says):
    np.save(tmp_path / "pickled.npy", np.array([{"direction": 1}], dtype=object))
    assert says in refused("latents", arguments, "--weights v.safetensors")


def test_pivotal_tells_what_storing_its_weights_changed(stylemap, vectors, tmp_path):
    """The reconstruction is that of the file, and so is its error."""
    ran = stylemap(VECTORS, "--method pivotal --set pivot_steps=2 --set statistics_samples=50")
    assert ran.code == 0 and "the tuned weights are stored in 5 bits" in ran.out
    note = json.loads((tmp_path / "made/ada.json").read_text())
    assert 0 < note["rounding"] < 1e-5 and note["steps"] == 14
    kept = latents.read(tmp_path / "made/ada.safetensors", vectors)
    np.testing.assert_array_equal(pixels(tmp_path / "made/ada.png"), images.to_uint8(kept.image(vectors))[0].numpy())
