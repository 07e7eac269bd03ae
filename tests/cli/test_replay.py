"""``local-edit replay``: what the editor showed, and the same on other photos."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stylemap import checkpoint, decoding, images, project
from stylemap.datasets import Avatars
from stylemap.editing import masks
from stylemap.editing.edit import Edit, Patch, Placement
from stylemap.editor.studio import Studio
from stylemap.inversion import fitting
from stylemap.photos.photo import from_pixels, open_square
from tests.cli.conftest import SIDE, pixels
from tests.decoding.files import encoded

# painted where the project's patch takes from its reference
BOX = np.zeros((SIDE, SIDE), np.uint8)
BOX[8:20, 10:22] = 255


@pytest.fixture(scope="session")
def wide(inputs) -> np.ndarray:
    """A photo of 150 x 100 pixels with a drawn face in the middle."""
    photo = np.full((100, 150, 3), 200, np.uint8)
    photo[:, 25:125] = Avatars(100)[7]
    return photo


@pytest.fixture(scope="session")
def saved(inputs, tmp_path_factory, wide):
    """A project, the images of its session and its edit."""
    studio = Studio(checkpoint.load(inputs / "w.safetensors"), "w", {}, maps_bytes=1 << 20)
    original = studio.encode(open_square(encoded(wide), SIDE))
    reference = studio.encode(from_pixels(Avatars(SIDE)[8]))
    pictures = {"original": original, "0": reference}
    edit = Edit("w+", (Patch(reference=0, mask=masks.from_bytes(BOX), placement=Placement((1.0, -2.0))),))
    path = tmp_path_factory.mktemp("project") / "p.safetensors"
    project.write(path, studio.project(edit, pictures, {}))
    return path, studio, pictures, edit


def test_own_original_is_as_the_editor_showed_it(stylemap, saved, tmp_path):
    path, studio, pictures, edit = saved
    ran = stylemap("local-edit replay", path, "--out edit.png --weights IN/w.safetensors")
    assert (ran.code, ran.out.strip()) == (0, "edit.png")
    assert np.array_equal(pixels(tmp_path / "edit.png"), studio.render(edit, pictures).pixels)


@pytest.mark.parametrize("how", ["feather", "poisson"])
def test_own_photo_at_full_size(stylemap, saved, tmp_path, wide, how):
    path = saved[0]
    ran = stylemap("local-edit replay", path, "--out edit.png --weights IN/w.safetensors --paste-back", how)
    assert ran.code == 0, ran.err
    seen = pixels(tmp_path / "edit.png")
    assert seen.shape == wide.shape
    changed = (seen != wide).any(2)
    assert changed[28:60, 50:90].any() and not changed[:, :30].any() and not changed[80:].any()


def test_another_photo_is_encoded_and_edited_alike(stylemap, saved, inputs, tmp_path):
    path, studio, pictures, edit = saved
    assert stylemap("local-edit replay", path, "--photos IN/bob.png --out e.png --weights IN/w.safetensors").code == 0
    bob = studio.encode(from_pixels(decoding.decode_square(inputs / "bob.png", SIDE)))
    assert np.array_equal(pixels(tmp_path / "e.png"), studio.render(edit, {**pictures, "original": bob}).pixels)


def test_a_fit_belongs_to_its_photo(stylemap, saved, inputs, tmp_path):
    """Another photo is drawn by the weights as they were, which is said, or by a fit of its own."""
    path, studio, pictures, edit = saved
    fit = fitting.fit(studio.model, images.from_arrays([pictures["original"].photo.pixels]), 5)
    loaded = project.read(path)
    fitted = replace(loaded, fit=fit, stylemaps={**loaded.stylemaps, "original": fit.stylemap})
    project.write(tmp_path / "fitted.safetensors", fitted)
    rest = "--photos IN/bob.png --enlarge 1 --weights IN/w.safetensors --out"
    ran = stylemap("local-edit replay fitted.safetensors", rest, "plain.png")
    assert "fitted.safetensors is fitted to its own photo" in ran.err and "--fit 50" in ran.err
    assert "fitted to its own" not in stylemap("local-edit replay", path, rest, "never.png").err
    assert np.array_equal(pixels(tmp_path / "plain.png"), pixels(tmp_path / "never.png"))
    ran = stylemap("local-edit replay fitted.safetensors --fit 5", rest, "anew.png")
    assert "IN/bob.png: fitted in 5 steps" in ran.out.replace(str(inputs), "IN") and "fitted to its own" not in ran.err
    image = images.read(inputs / "bob.png", SIDE)
    found = fitting.fit(studio.model, image, 5)
    expected = project.Replay(studio.model, loaded).fitted(found.model(studio.model)).of(found.stylemap).pixels
    assert np.array_equal(pixels(tmp_path / "anew.png"), expected)
    own = stylemap("local-edit replay", path, "--fit 5 --enlarge 1 --out own.png --weights IN/w.safetensors")
    assert own.code == 0 and "fitted in 5 steps" in own.out


def test_many_photos_go_into_a_folder(stylemap, saved, inputs, tmp_path):
    path = saved[0]
    names = "IN/bob.png IN/cyd.png IN/ada.png"
    ran = stylemap(f"local-edit replay --photos {names} --out out --weights IN/w.safetensors", path)
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["out/bob.png", "out/cyd.png", "out/ada.png"]
    assert len({(tmp_path / "out" / f"{name}.png").read_bytes() for name in ("ada", "bob", "cyd")}) == 3
    stylemap("local-edit replay", path, "--photos IN/cyd.png --out alone --weights IN/w.safetensors")
    assert np.array_equal(pixels(tmp_path / "alone/cyd.png"), pixels(tmp_path / "out/cyd.png"))


def test_folders_of_photos_and_photos_of_one_name(stylemap, saved, tmp_path):
    ran = stylemap("local-edit replay", saved[0], "--photos IN/photos IN/bob.png --out out --weights IN/w.safetensors")
    assert ran.code == 0, ran.err
    assert ran.out.split() == ["out/bob.png", "out/cyd.png", "out/bob-2.png"]
    assert np.array_equal(pixels(tmp_path / "out/bob.png"), pixels(tmp_path / "out/bob-2.png"))


def test_aligned_photo(stylemap, saved, tmp_path, wide):
    points = [[60, 45], [90, 45], [75, 60], [63, 75], [87, 75]]
    Image.fromarray(wide).save(tmp_path / "party.png")
    (tmp_path / "points.json").write_text(f'{{"party.png": {points}}}')
    ran = stylemap(
        "local-edit replay", saved[0], "--photos party.png --frame face --landmarks points.json --out edit.png "
        "--weights IN/w.safetensors",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert pixels(tmp_path / "edit.png").shape == wide.shape


def test_shipped_weights_are_found_by_name(stylemap, tmp_path):
    studio = Studio(checkpoint.load("avatars32"), "avatars32", {}, maps_bytes=1 << 20)
    side = studio.model.config.resolution
    pictures = {"original": studio.encode(from_pixels(Avatars(side)[1]))}
    project.write(tmp_path / "p.safetensors", studio.project(Edit(), pictures, {}))
    assert stylemap("local-edit replay p.safetensors --out e.png").code == 0
    assert np.array_equal(pixels(tmp_path / "e.png"), pictures["original"].reconstruction)


def test_refusals(refused, saved, inputs):
    path, weights = saved[0], "--weights IN/w.safetensors"
    assert "'w'" in refused("local-edit replay", path, "--out e.png")
    assert "other weights" in refused("local-edit replay", path, "--out e.png --weights avatars32")
    assert "--out" in refused("local-edit replay", path, "--out folder", weights)
    assert "name a folder" in refused("local-edit replay", path, weights, "--out e.png --photos IN/ada.png IN/bob.png")
    assert "or name a folder" in refused("local-edit replay", path, weights, "--out e.gif --photos IN/ada.png")
    for bad in ("none.png", "text.png", "empty.png"):
        # nothing is written for the first either
        assert bad in refused("local-edit replay", path, weights, f"--photos IN/ada.png IN/{bad} --out out")
    for flag in ("--frame face", "--crop 1,2,9"):
        assert "goes with --photos" in refused("local-edit replay", path, weights, flag, "--out e.png")
    line = refused("local-edit replay", path, weights, "--crop 1,2,9 --out out --photos IN/ada.png IN/bob.png")
    assert "--crop is a square of one photo, and there are 2" in line
    assert "overwritten" in refused("local-edit replay", path, weights, "--photos IN/ada.png --out IN/ada.png")
    for name in (
        "IN/text.safetensors",
        "IN/w.safetensors",
        "IN/cut.safetensors",
        "IN/none",
        "IN/folder.png",
        "IN/empty.png",
    ):
        refused("local-edit replay", name, weights, "--out e.png")
    for name in ("IN/text.png", "IN/none.png"):
        assert "/" + name[3:] in refused("local-edit replay", path, weights, "--out e.png --photos", name)


def test_a_name_in_a_project_is_no_path(refused, saved, tmp_path):
    loaded = project.read(saved[0])
    project.write(tmp_path / "p.safetensors", replace(loaded, weights="../pretrained/avatars32"))
    assert "give them with --weights" in refused("local-edit replay p.safetensors --out e.png")


@pytest.mark.slow
def test_reading_needs_no_web_packages(saved):
    """Projects are for the command line too, where the extra may not be installed."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['starlette', 'uvicorn']))\n"
        "from stylemap import project\n"
        "from stylemap.cli import replay\n"
        f"print(project.read({str(saved[0])!r}).weights)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "w", done.stderr
