"""``local-edit video``: a whole clip, with its sound; stopped and continued; and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import scenes
from stylemap import checkpoint, images, project
from stylemap.cli.values import CLIPS
from stylemap.clips import Clip, writing
from stylemap.datasets import Avatars
from stylemap.editing import carrying, clip_edit
from stylemap.editing.edit import Edit, Patch
from stylemap.inversion import fitting
from stylemap.photos.photo import from_pixels
from tests.cli.conftest import SIDE
from tests.clips import tiny

FRAMES = 12
VERB = "local-edit video clip.mp4 --project p.safetensors --out out.mp4 --weights IN/w.safetensors"


@pytest.fixture(scope="module")
def film():
    face = Avatars(64, split="heldout").face(5)
    return list(scenes.film(face, FRAMES, 64, 96, SIDE))


@pytest.fixture(scope="module")
def made(inputs, film, tmp_path_factory):
    """A clip, the points of its face, and a project, in a folder."""
    folder = tmp_path_factory.mktemp("video")
    tiny.write(folder / "clip.mp4", [scene.picture for scene in film])
    points = {str(k): scene.landmarks.tolist() for k, scene in enumerate(film)}
    (folder / "points.json").write_text(json.dumps(points))
    model = checkpoint.load(inputs / "w.safetensors")
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 12:20, 12:20] = 1
    photos = {"original": from_pixels(Avatars(SIDE)[7]), "0": from_pixels(np.full((SIDE, SIDE, 3), 90, np.uint8))}
    maps = {slot: torch.full((1, *model.config.stylemap_shape), 0.1) for slot in photos}
    about = "w", model.fingerprint(), model.config, photos, maps
    project.write(folder / "p.safetensors", project.Project(*about, Edit(patches=(Patch(reference=0, mask=mask),))))
    project.write(folder / "nothing.safetensors", project.Project(*about, Edit()))
    return folder


@pytest.fixture(autouse=True)
def folder(made, tmp_path, monkeypatch):
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(clip_edit, "PART", 5)
    return tmp_path


def test_the_face_is_edited_and_the_rest_and_the_sound_stay(stylemap, folder, film, monkeypatch):
    monkeypatch.setitem(writing.QUALITY, "libx264", {"crf": "0", "bf": "0"})  # loses nothing
    ran = stylemap(VERB, "--landmarks points.json")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == ["out.mp4", f"{FRAMES} frames, {FRAMES} edited"]
    assert tiny.packets(folder / "out.mp4") == tiny.packets(folder / "clip.mp4")
    before, after = (list(Clip(folder / name).frames()) for name in ("clip.mp4", "out.mp4"))
    assert [frame.pts for frame in before] == [frame.pts for frame in after]
    for a, b, scene in zip(before, after, film, strict=True):
        difference = np.abs(a.luma.astype(int) - b.luma)
        x, y = scene.alignment.quad.mean(0).round().astype(int)
        assert difference[y - 3 : y + 3, x - 3 : x + 3].mean() > 10  # a random network paints something else
        far = np.ones(a.luma.shape, bool)
        reach = int(np.hypot(*scene.alignment.edge) * 0.3)  # 4 of 32 pixels to each side, and the rim
        far[y - reach : y + reach, x - reach : x + reach] = False
        assert not difference[far].any()
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(p.name for p in made_files(folder)), "out.mp4"])


def made_files(folder):
    return [folder / name for name in ("clip.mp4", "points.json", "p.safetensors", "nothing.safetensors")]


@pytest.mark.parametrize("when", ["searching", "editing", "joining"])
def test_a_stopped_run_goes_on_to_the_same_bytes(stylemap, folder, monkeypatch, when):
    command = VERB, "--landmarks points.json"
    assert stylemap(*command).code == 0
    whole = (folder / "out.mp4").read_bytes()
    (folder / "out.mp4").unlink()
    encoded, looked = [], []
    encode = carrying.Carrier._encoded

    def stopping(kind, count, of=None):
        def function(*arguments):
            looked.append(kind)
            if len(looked) > count:
                raise KeyboardInterrupt
            return of(*arguments)

        return function

    with monkeypatch.context() as patch:
        if when == "searching":
            patch.setattr(clip_edit.files, "append", stopping("line", 7, clip_edit.files.append))
        elif when == "editing":
            patch.setattr(carrying.faces, "along", stopping("frame", 20, carrying.faces.along))
        else:
            patch.setattr(writing, "join", stopping("join", 0))
        ran = stylemap(*command)
    assert ran.code == 130
    assert ran.err.splitlines()[-1] == "stopped; run the same command again to continue"
    assert not (folder / "out.mp4").exists()
    assert not list(folder.rglob(".*.part*"))

    def counting(self, frames):
        for step in encode(self, frames):
            encoded.append(step)
            yield step

    monkeypatch.setattr(carrying.Carrier, "_encoded", counting)
    assert stylemap(*command).code == 0
    assert (folder / "out.mp4").read_bytes() == whole
    # 25 fps: the maps of a frame depend on 3 frames to each side, and where it shows on those of 3 more
    assert len(encoded) <= {"searching": FRAMES, "editing": FRAMES - 5 + 6, "joining": 0}[when]
    assert not (folder / "out.mp4.parts").exists()


@pytest.mark.slow
def test_the_weights_can_be_fitted_first(stylemap, folder, film, monkeypatch):
    """Also where a run is stopped: the fit is kept, so that the frames before and after are drawn by the same weights."""
    command = VERB, "--landmarks points.json --fit 4"
    ran = stylemap(*command)
    assert ran.code == 0, ran.err
    assert "clip.mp4: fitted to 8 frames in 4 steps; the error of their reconstructions is" in ran.out
    whole = (folder / "out.mp4").read_bytes()
    assert stylemap(VERB, "--landmarks points.json").code == 0 and (folder / "out.mp4").read_bytes() != whole
    with monkeypatch.context() as patch:
        patch.setattr(writing, "join", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert stylemap(*command).code == 130
    for part in sorted((folder / "out.mp4.parts").glob("*.mp4"))[1:]:
        part.unlink()
    monkeypatch.setattr(fitting, "fit_frames", lambda *arguments: pytest.fail("it was fitted before"))
    assert stylemap(*command).code == 0
    assert (folder / "out.mp4").read_bytes() == whole and not (folder / "out.mp4.parts").exists()


def test_a_project_that_is_fitted_to_its_photo_says_so(stylemap, folder, inputs):
    model, loaded = checkpoint.load(inputs / "w.safetensors"), project.read(folder / "p.safetensors")
    fit = fitting.fit(model, images.from_arrays([loaded.photos["original"].pixels]), 3)
    stylemaps = {**loaded.stylemaps, "original": fit.stylemap}
    project.write(folder / "p.safetensors", replace(loaded, fit=fit, stylemaps=stylemaps))
    ran = stylemap(VERB, "--crop 16,0,64 --end 0.1")
    assert ran.code == 0 and "drawn by the weights as they were, or fitted with --fit 200" in ran.err
    ran = stylemap(VERB, "--crop 16,0,64 --end 0.1 --fit 2")
    assert "clip.mp4: fitted to 3 frames in 2 steps" in ran.out and "as they were" not in ran.err


def test_half_a_line_that_a_kill_leaves_is_written_anew(stylemap, folder, monkeypatch):
    command = VERB, "--landmarks points.json"
    assert stylemap(*command).code == 0
    whole = (folder / "out.mp4").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(writing, "join", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert stylemap(*command).code == 130
    (record,) = (folder / "out.mp4.parts").glob("faces-*.jsonl")
    record.write_bytes(record.read_bytes()[:-40])
    assert stylemap(*command).code == 0
    assert (folder / "out.mp4").read_bytes() == whole


def test_other_settings_take_over_only_what_they_share(stylemap, folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(writing, "join", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        assert stylemap(VERB, "--landmarks points.json").code == 130
    assert stylemap(VERB, "--landmarks points.json --smooth-maps 0").code == 0
    found = (folder / "out.mp4").read_bytes()
    assert stylemap(VERB, "--landmarks points.json --smooth-maps 0").code == 0
    assert (folder / "out.mp4").read_bytes() == found


def test_frames_without_a_face_are_counted(stylemap, folder):
    points = json.loads((folder / "points.json").read_text())
    (folder / "points.json").write_text(json.dumps({k: v for k, v in points.items() if int(k) < 9}))
    ran = stylemap(VERB, "--landmarks points.json")
    assert ran.out.splitlines()[1] == f"{FRAMES} frames, 9 edited; 3 show no face and stay as before"


def test_a_square_needs_no_detector(stylemap, folder):
    ran = stylemap(VERB, "--crop 20,5,50 --start 0.1 --end 0.3")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[1] == "5 frames, 5 edited"
    assert len(list(Clip(folder / "out.mp4").frames())) == 5


def test_the_central_square(stylemap, folder):
    assert stylemap(VERB, "--frame centre").out.splitlines()[1] == f"{FRAMES} frames, {FRAMES} edited"
    centre = (folder / "out.mp4").read_bytes()
    assert stylemap(VERB, "--crop 16,0,64").code == 0
    assert (folder / "out.mp4").read_bytes() == centre


def test_one_frame(stylemap, folder, film):
    tiny.write(folder / "clip.mp4", [film[0].picture], sound=None)
    ran = stylemap(VERB, "--landmarks points.json")
    assert (ran.code, ran.out.splitlines()[1]) == (0, "1 frame, 1 edited")


def test_a_clip_that_is_cut_short_is_told(stylemap, folder, film):
    path = tiny.write(folder / "a.mkv", tiny.pictures(50), sound=None)
    (folder / "clip.mp4").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ran = stylemap(VERB, "--crop 0,0,48")
    assert ran.code == 0
    assert "note: clip.mp4 lasts 2.0 s by its header, but no frame after" in ran.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--crop 500,0,20", "this square does not fit a photo of 96 x 64 pixels"),
        ("--crop 0,0,40 --landmarks points.json", "--landmarks goes with --frame face"),
        ("--frame centre --detector none.onnx", "--detector goes with --frame face"),
        ("--crop 0,0,40 --start 2 --end 1", "--end 1 is not after --start 2"),
        ("--crop 0,0,40 --start 2", "has no frame from 2 s on; it lasts 0.5 s"),
        ("--detector none.onnx", "or choose a square with --crop"),
        ("--landmarks none.json", "none.json"),
    ],
)
def test_flags_that_cannot_be_used_are_refused(refused, flags, said):
    assert said in refused(VERB, flags)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clip.mp4": "still.png"}, "is a picture, not a video"),
        ({"clip.mp4": "text.mp4"}, "no video"),
        ({"p.safetensors": "nothing.safetensors"}, "holds no edit"),
        ({"p.safetensors": "text.mp4"}, "not a project file"),
        ({"IN/w.safetensors": "other.safetensors"}, "the project needs other weights, 'w'"),
        ({"out.mp4": "clip.mp4"}, "would be overwritten"),
        ({"out.mp4": "out.webm"}, "no place for the sound"),
        ({"out.mp4": "out.avi"}, "must end in"),
    ],
)
def test_files_that_cannot_be_used_are_refused(refused, folder, change, said):
    from tests import tiny as models

    Image.new("RGB", (64, 64)).save(folder / "still.png")
    (folder / "text.mp4").write_text("nothing of the kind")
    checkpoint.save(folder / "other.safetensors", models.model(models.SMALL, seed=1))
    command = VERB
    for old, new in change.items():
        command = command.replace(old, new)
    assert said in refused(command, "--crop 0,0,40")


def test_suffixes_are_those_that_are_written():
    assert set(CLIPS) == set(writing.FORMATS)
