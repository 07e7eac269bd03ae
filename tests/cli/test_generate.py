"""`stylemap generate`: the promised files with the library's pixels; mistakes cost one line and leave nothing behind."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import images, interpolate, mix
from stylemap.cli import generate
from stylemap.editing import directions, motion
from stylemap.sheets import TILE
from tests.cli.conftest import PHOTOS, SIDE, pixels
from tests.memory import peak

ROOT = Path(__file__).parents[2]
WEIGHTS = "--weights IN/w.safetensors"


def by_library(picture: torch.Tensor) -> np.ndarray:
    return images.to_uint8(picture)[0].numpy()


def enlarged(picture: np.ndarray, times: int) -> np.ndarray:
    return picture.repeat(times, 0).repeat(times, 1)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


class TestSamples:
    def test_files(self, stylemap, tmp_path):
        ran = stylemap("generate samples --seeds 0..2,7 --out made", WEIGHTS)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == f"{Path('made') / 'grid.png'}\n"
        assert names(tmp_path / "made") == ["grid.png", "seed0000.png", "seed0001.png", "seed0002.png", "seed0007.png"]
        pictures = [pixels(tmp_path / f"made/seed{seed:04d}.png") for seed in (0, 1, 2, 7)]
        assert {p.shape for p in pictures} == {(SIDE, SIDE, 3)}
        assert len({p.tobytes() for p in pictures}) == 4
        sheet = pixels(tmp_path / "made/grid.png")  # one row of four
        for first, picture in ((2, pictures[0]), (-2 - TILE, pictures[3])):
            np.testing.assert_array_equal(sheet[2 : 2 + TILE, first:][:, :TILE], enlarged(picture, TILE // SIDE))

    def test_default_is_sixteen(self, stylemap, tmp_path):
        assert stylemap("generate samples --out made", WEIGHTS).code == 0
        assert names(tmp_path / "made") == ["grid.png", *(f"seed{seed:04d}.png" for seed in range(16))]

    @pytest.mark.parametrize(("seeds", "seed"), [("0..3", 2), ("0..18", 17)])  # 17 falls into the second chunk
    def test_picture_depends_on_its_seed_alone(self, stylemap, tmp_path, seeds, seed):
        assert stylemap("generate samples --out many --seeds", seeds, WEIGHTS).code == 0
        assert stylemap("generate samples --out one --seeds", str(seed), WEIGHTS).code == 0
        many, one = (pixels(tmp_path / folder / f"seed{seed:04d}.png").astype(int) for folder in ("many", "one"))
        assert abs(many - one).max() <= 1  # float32 sums in another order, then rounded

    def test_is_repeatable(self, stylemap, tmp_path):
        for folder in ("a", "b"):
            assert stylemap("generate samples --seeds 3 --truncation 0.5 --out", folder, WEIGHTS).code == 0
        assert (tmp_path / "a/seed0003.png").read_bytes() == (tmp_path / "b/seed0003.png").read_bytes()

    def test_truncation_pulls_towards_one_picture(self, stylemap, tmp_path):
        apart = {}
        for psi in ("0", "0.5", "1"):
            assert stylemap("generate samples --seeds 0,1 --truncation", psi, "--out", psi, WEIGHTS).code == 0
            first, second = (pixels(tmp_path / psi / f"seed000{seed}.png").astype(int) for seed in (0, 1))
            apart[psi] = abs(first - second).mean()
        assert apart["0"] == 0 < apart["0.5"] < apart["1"]

    def test_replaces_what_is_there(self, stylemap, tmp_path):
        (tmp_path / "made").mkdir()
        (tmp_path / "made/seed0000.png").write_text("old")
        (tmp_path / "made/other.txt").write_text("mine")
        assert stylemap("generate samples --seeds 0 --out made", WEIGHTS).code == 0
        assert pixels(tmp_path / "made/seed0000.png").shape == (SIDE, SIDE, 3)
        assert (tmp_path / "made/other.txt").read_text() == "mine"

    @pytest.mark.parametrize("seeds", ["a", "3..1", "1,,2", "0..3,x", "1.5", "0..3..5", "-1"])
    def test_bad_seeds(self, refused, seeds):
        assert f"--seeds: '{seeds}' is not a list like 0..3,7, with numbers from 0" in refused(
            "generate samples --out made", f"--seeds={seeds}"
        )

    def test_more_seeds_than_anybody_wants(self, refused):
        """10^13 of them would fill the memory."""
        tracemalloc.start()
        line = refused("generate samples --out made --seeds 0..9999999999999", WEIGHTS)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 100e6
        assert "--seeds: '0..9999999999999' is not a list of at most 100000 numbers" in line

    @pytest.mark.parametrize("psi", ["1.5", "-0.1", "nan", "inf", "x"])
    def test_bad_truncation(self, refused, psi):
        line = refused("generate samples --out made", f"--truncation={psi}", WEIGHTS)
        assert f"--truncation: '{psi}' is not a number from 0 to 1" in line


class TestReconstruct:
    def test_files_and_report(self, stylemap, model, inputs, tmp_path):
        ran = stylemap("generate reconstruct --photos IN/ada.png IN/bob.png --out made", WEIGHTS)
        assert (ran.code, ran.err) == (0, "")
        assert names(tmp_path / "made") == ["ada.png", "bob.png", "grid.png", "report.json"]
        report = json.loads((tmp_path / "made/report.json").read_text())
        errors = []
        for name in PHOTOS[:2]:
            original = images.from_uint8(torch.from_numpy(pixels(inputs / f"{name}.png"))[None])
            expected = model.synthesize(model.encode(original))
            assert abs(pixels(tmp_path / f"made/{name}.png").astype(int) - by_library(expected)).max() <= 1
            errors.append(float((expected.clamp(-1, 1) - original).square().mean()))
            entry = report["images"][f"{name}.png"]
            assert entry["source"] == str(inputs / f"{name}.png")
            assert entry["mse"] == pytest.approx(errors[-1], rel=1e-4)
        assert errors[0] != pytest.approx(errors[1], rel=1e-2)
        assert report["mse"] == pytest.approx(np.mean(errors), rel=1e-4)
        assert report["weights"] == str(inputs / "w.safetensors")
        assert f"mean squared error {np.mean(errors):.4f} over 2 images" in ran.out

    def test_grid_shows_each_photo_beside_its_reconstruction(self, stylemap, inputs, tmp_path):
        assert stylemap("generate reconstruct --photos IN/ada.png IN/bob.png --out made", WEIGHTS).code == 0
        sheet = pixels(tmp_path / "made/grid.png")
        cells = [sheet[2 : 2 + TILE, x : x + TILE] for x in range(2, sheet.shape[1] - TILE, TILE + 2)]
        for got, path in zip(
            cells,
            [inputs / "ada.png", tmp_path / "made/ada.png", inputs / "bob.png", tmp_path / "made/bob.png"],
            strict=True,
        ):
            np.testing.assert_array_equal(got, enlarged(pixels(path), TILE // SIDE))

    def test_folder(self, stylemap, tmp_path):
        assert stylemap("generate reconstruct --photos IN/photos IN/ada.png --out made", WEIGHTS).code == 0
        assert names(tmp_path / "made") == ["ada.png", "bob.png", "cyd.png", "grid.png", "report.json"]

    def test_folder_of_a_mac_with_what_is_passed_over(self, stylemap, inputs, tmp_path):
        for name in (
            "zoe\u0301.png",
            "._zoe\u0301.png",
            ".hidden.png",
            "Thumbs.db",
            "notes.txt",
            "a.svg",
            "deeper/a.png",
        ):
            (tmp_path / "mac" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mac" / name).write_bytes(b"" if "." in name[:2] else (inputs / "ada.png").read_bytes())
        ran = stylemap("generate reconstruct --photos mac --out made", WEIGHTS)
        assert ran.code == 0
        assert names(tmp_path / "made") == ["grid.png", "report.json", "zo\u00e9.png"]
        assert ran.err.splitlines()[:2] == [
            "note: mac: passed over 1 file that may be images (.svg 1); convert them to use them",
            "note: mac: passed over 1 folder in it",
        ]

    def test_equal_names_do_not_overwrite_one_another(self, stylemap, tmp_path):
        assert stylemap("generate reconstruct --photos IN/bob.png IN/photos --out made", WEIGHTS).code == 0
        assert names(tmp_path / "made") == ["bob-2.png", "bob.png", "cyd.png", "grid.png", "report.json"]
        assert (tmp_path / "made/bob.png").read_bytes() == (tmp_path / "made/bob-2.png").read_bytes()

    def test_photo_called_grid(self, stylemap, inputs, tmp_path):
        (tmp_path / "grid.png").write_bytes((inputs / "ada.png").read_bytes())
        assert stylemap("generate reconstruct --photos grid.png --out made", WEIGHTS).code == 0
        assert names(tmp_path / "made") == ["grid-2.png", "grid.png", "report.json"]

    def test_photos_are_never_overwritten(self, refused, inputs, tmp_path):
        (tmp_path / "mine.png").write_bytes((inputs / "ada.png").read_bytes())
        assert "mine.png" in refused("generate reconstruct --photos mine.png --out .", WEIGHTS)

    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            ("IN/missing.png", "missing.png: no such file"),
            ("IN/text.png", "text.png is not an image"),
            ("IN/empty.png", "empty.png is not an image"),
            ("IN/cut.png", "cut.png is damaged or cut short"),
            ("IN/nothing", "nothing holds no image (JPEG, PNG, "),
        ],
    )
    @pytest.mark.parametrize("before", ["", "IN/ada.png"])
    def test_bad_picture(self, refused, bad, reason, before):
        assert reason in refused("generate reconstruct --out made", WEIGHTS, "--photos", before, bad)


class TestMemory:
    """At most a pass and what the grid shows is there at once, however many images are made."""

    PICTURE = 3 * SIDE**2 * 4  # bytes

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(motion, "frames_at_once", lambda model: 4)
        monkeypatch.setattr(generate, "MOST_TILES", 8)

    @pytest.mark.parametrize(
        "run",
        [
            lambda count: f"samples --seeds 0-{count - 1}",
            lambda count: "reconstruct --photos " + " ".join(["IN/ada.png"] * count),
        ],
        ids=["samples", "reconstruct"],
    )
    def test_twelve_more_take_less_than_one(self, stylemap, run):
        few, many = (peak(lambda n=n: stylemap("generate", run(n), "--out made", WEIGHTS)) for n in (8, 20))
        assert many - few < self.PICTURE

    @pytest.mark.parametrize(
        ("verb", "shown"), [("samples --seeds 0..8", 8), ("reconstruct --photos IN/photos IN/photos IN/ada.png", 4)]
    )
    def test_the_grid_shows_the_first(self, stylemap, tmp_path, verb, shown):
        ran = stylemap("generate", verb, "--out made", WEIGHTS)
        written = len(names(tmp_path / "made")) - 1 - verb.startswith("reconstruct")
        assert ran.code == 0
        assert ran.err == f"note: {Path('made') / 'grid.png'} shows the first {shown} of {written} images\n"
        assert pixels(tmp_path / "made/grid.png").shape[0] == 2 + 8 // (4 if shown == 8 else 8) * (TILE + 2)


class TestEnlarging:
    """By a whole factor, so that an image can be seen and is read again as it was."""

    VERBS = (
        "generate samples --seeds 3",
        "generate reconstruct --photos IN/ada.png",
        "generate mix --coarse IN/ada.png --fine IN/bob.png",
        "local-edit blend --original IN/ada.png --reference IN/bob.png --half left",
        "local-edit transplant --original IN/ada.png --reference IN/bob.png --cells 0,0,2,2 --to-cell 4,4",
        "directions apply --original IN/ada.png --directions d.safetensors --direction one",
        "morph transfer --original IN/ada.png --neutral IN/bob.png --expressive IN/cyd.png",
    )

    @pytest.fixture(autouse=True)
    def direction(self, tmp_path, model):
        vector = torch.randn(model.config.stylemap_shape, generator=torch.Generator().manual_seed(0))
        found = directions.normalised("one", vector, 5.0, directions.Origin("npy"))
        directions.save(tmp_path / "d.safetensors", [found])

    @pytest.mark.parametrize("line", VERBS)
    def test_by_default_and_by_choice(self, stylemap, tmp_path, line):
        verb = line.split()[1]
        file = {"samples": "/seed0003.png", "reconstruct": "/ada.png"}.get(verb, ".png")
        asked = {"own": "--enlarge 1", "three": "--enlarge 3", "eyes": ""}
        made, said = {}, {}
        for name, flags in asked.items():
            ran = stylemap(line, flags, "--out", name + (file if "/" not in file else ""), WEIGHTS, as_given=True)
            assert ran.code == 0
            made[name], said[name] = tmp_path / f"{name}{file}", ran.err
        own = pixels(made["own"])
        assert own.shape == (SIDE, SIDE, 3)
        np.testing.assert_array_equal(pixels(made["three"]), enlarged(own, 3))
        np.testing.assert_array_equal(pixels(made["eyes"]), enlarged(own, 8))
        assert torch.equal(images.read(made["eyes"], SIDE), images.read(made["own"], SIDE))
        note = "note: images of 32 x 32 pixels are enlarged 8 times so that you can see them; --enlarge 1 writes the"
        assert [name for name, text in said.items() if note in text] == ["eyes"]
        assert said["eyes"].count(note) == 1

    def test_films(self, stylemap, tmp_path):
        line = "generate interpolate IN/ada.png IN/bob.png --frames 2 --out film.png"
        sides = []
        for flags in ("", "--enlarge 1", "--enlarge 2"):
            assert stylemap(line, flags, WEIGHTS, as_given=True).code == 0
            sides.append(pixels(tmp_path / "film.png").shape[0])
        assert sides == [256, 32, 64]

    @pytest.mark.parametrize("times", ["0", "-1", "1.5", "65", "x", "9" * 5000])
    def test_bad_factor(self, refused, times):
        assert "--enlarge" in refused("generate samples --out made", f"--enlarge={times}", WEIGHTS)

    def test_a_photo_keeps_its_size(self, refused):
        line = refused(self.VERBS[3], "--paste-back feather --enlarge 2 --out edit.png", WEIGHTS)
        assert "--enlarge goes with --paste-back none" in line


class TestInterpolate:
    @pytest.mark.parametrize("frames", [2, 5])
    @pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
    def test_film(self, stylemap, tmp_path, frames, suffix):
        out = f"made/film{suffix}"
        ran = stylemap(f"generate interpolate IN/ada.png IN/bob.png --frames {frames} --out {out}", WEIGHTS)
        assert (ran.code, ran.out, ran.err) == (0, f"{Path(out)}\n", "")
        assert names(tmp_path / "made") == [f"film{suffix}"]
        with Image.open(tmp_path / out) as film:
            assert (film.n_frames, film.size) == (frames, (SIDE, SIDE))

    def test_frames_are_the_library_s(self, stylemap, model, inputs, tmp_path):
        run = "generate interpolate IN/ada.png IN/bob.png --frames 3 --out film.png"  # PNG keeps every pixel
        assert stylemap(run, WEIGHTS).code == 0
        start, end = (model.encode(images.read(inputs / name, SIDE)) for name in ("ada.png", "bob.png"))
        expected = images.to_uint8(model.synthesize(interpolate(start, end, 3))).numpy()
        with Image.open(tmp_path / "film.png") as film:
            for i, frame in enumerate(expected):
                film.seek(i)
                np.testing.assert_array_equal(np.array(film.convert("RGB")), frame)

    def test_loop_and_ease(self, stylemap, model, inputs, tmp_path):
        run = "generate interpolate IN/ada.png IN/bob.png --frames 3 --loop --ease smooth --out film.png"
        assert stylemap(run, WEIGHTS).code == 0
        stylemaps = torch.cat([model.encode(images.read(inputs / name, SIDE)) for name in ("ada.png", "bob.png")])
        expected = torch.cat(list(motion.morph(model, stylemaps, 3, loop=True, space="w")))
        with Image.open(tmp_path / "film.png") as film:
            assert film.n_frames == len(expected) == 6
            for i, frame in enumerate(images.to_uint8(expected).numpy()):
                film.seek(i)
                np.testing.assert_array_equal(np.array(film.convert("RGB")), frame)

    def test_speed(self, stylemap, tmp_path):
        run = "generate interpolate IN/ada.png IN/bob.png --frames 2 --fps 5 --out film.gif"
        assert stylemap(run, WEIGHTS).code == 0
        with Image.open(tmp_path / "film.gif") as film:
            assert film.info["duration"] == 200  # ms

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("IN/bob.png --out f.gif --frames 1", "--frames: '1' is not a whole number from 2"),
            ("IN/bob.png --out f.gif --frames -3", "--frames: '-3' is not a whole number from 2"),
            ("IN/bob.png --out f.gif --frames x", "--frames"),
            ("IN/bob.png --out f.gif --fps 0", "--fps: '0' is not a number from 0.1 to 50"),
            ("IN/bob.png --out f.gif --fps nan", "--fps: 'nan' is not"),
            ("IN/bob.png --out f.gif --fps 51", "--fps: '51' is not"),
            ("IN/bob.png --out f.jpg", "'f.jpg' must end in .gif or .webp or .png or .mp4"),
            ("IN/bob.png --out f.gif --enlarge 0", "--enlarge: '0' is not a whole number from 1 to 64"),
            ("IN/bob.png --out f.png --sheet f.png", "--sheet f.png is --out as well"),
            ("IN/bob.png --out f", "'f' must end in"),
            ("IN/bob.png", "--out"),
            ("IN/missing.png --out f.gif", "missing.png: no such file"),
            ("IN/text.png --out f.gif", "text.png is not an image"),
            ("--out f.gif", "PHOTO"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused("generate interpolate IN/ada.png", arguments, WEIGHTS)


class TestMix:
    @pytest.mark.parametrize("layers", [None, 3, 6])
    def test_is_the_library_s(self, stylemap, model, inputs, tmp_path, layers):
        chosen = "" if layers is None else f"--layers 0..{layers - 1}"
        ran = stylemap("generate mix --coarse IN/ada.png --fine IN/bob.png --out made/mix.png", chosen, WEIGHTS)
        assert (ran.code, ran.out, ran.err) == (0, f"{Path('made/mix.png')}\n", "")
        coarse, fine = (model.encode(images.read(inputs / name, SIDE)) for name in ("ada.png", "bob.png"))
        expected = mix(model, coarse, fine) if layers is None else mix(model, coarse, fine, layers)
        np.testing.assert_array_equal(pixels(tmp_path / "made/mix.png"), by_library(expected))

    @pytest.mark.parametrize(("text", "layers"), [("2..3", (2, 4)), ("0..1", 2), ("5", (5, 6))])
    def test_chosen_layers(self, stylemap, model, inputs, tmp_path, text, layers):
        run = f"generate mix --coarse IN/ada.png --fine IN/bob.png --out mix.png --layers {text}"
        assert stylemap(run, WEIGHTS).code == 0
        coarse, fine = (model.encode(images.read(inputs / name, SIDE)) for name in ("ada.png", "bob.png"))
        np.testing.assert_array_equal(pixels(tmp_path / "mix.png"), by_library(mix(model, coarse, fine, layers)))

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--fine IN/bob.png --out m.png --layers 7", "--layers must lie in 0..5"),
            ("--fine IN/bob.png --out m.png --layers 4..6", "--layers must lie in 0..5"),
            *(
                (f"--fine IN/bob.png --out m.png --layers {text}", f"--layers: '{text}' is not a range like 2..5 or 2")
                for text in ("-1", "x", "3..1", "2..", "1,3", "1.5", "2-3")
            ),
            ("--fine IN/bob.png --out m.bmp", "'m.bmp' must end in"),
            ("--fine IN/bob.png --out IN/folder.png", "is a folder"),
            ("--fine IN/cut.png --out m.png", "cut.png is damaged"),
            ("--out m.png", "--fine"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused("generate mix --coarse IN/ada.png", arguments, WEIGHTS)


class TestSharedOptions:
    @pytest.mark.parametrize(
        ("weights", "reason"),
        [
            ("nowhere", "no weights 'nowhere'"),
            ("IN/missing.safetensors", "no weights"),
            ("IN/cut.safetensors", "cut.safetensors is damaged"),
            ("IN/text.safetensors", "text.safetensors is damaged or no .safetensors file"),
            ("IN/foreign.safetensors", "foreign.safetensors holds the weights of another program"),
            ("IN/ada.png", "ada.png is damaged or no .safetensors file"),
            ("IN/nothing", "nothing holds no weights.safetensors"),
        ],
    )
    def test_bad_weights(self, refused, weights, reason):
        assert reason in refused("generate samples --out made --seeds 0 --weights", weights)

    def test_weights_of_a_run_folder(self, stylemap, inputs, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run/weights.safetensors").write_bytes((inputs / "w.safetensors").read_bytes())
        assert stylemap("generate samples --seeds 0 --out made --weights run").code == 0

    @pytest.mark.parametrize("device", ["cuda:99", "gpu", "cuda:x"])
    def test_unusable_device(self, refused, device):
        line = refused("generate samples --out made --seeds 0", WEIGHTS, "--device", device)
        assert f"device {device!r} cannot be used here" in line and "--device cpu" in line

    @pytest.mark.parametrize("device", ["meta", "hpu", "vulkan"])
    def test_devices_that_torch_knows_but_cannot_use(self, refused, device):
        line = refused("generate samples --out made --seeds 0", WEIGHTS, "--device", device)
        assert f"device {device!r} cannot be used here" in line

    @pytest.mark.parametrize("out", ["IN/file", "IN/file/below"])
    @pytest.mark.parametrize("verb", ["samples --seeds 0", "reconstruct --photos IN/ada.png"])
    def test_out_folder_that_cannot_be_made(self, refused, verb, out):
        assert "cannot write" in refused("generate", verb, WEIGHTS, "--out", out)

    @pytest.mark.parametrize("verb", ["mix --coarse IN/ada.png --fine IN/bob.png", "interpolate IN/ada.png IN/bob.png"])
    def test_out_file_below_a_file(self, refused, verb):
        assert "cannot write" in refused("generate", verb, WEIGHTS, "--out IN/file/made.png")


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            "--help",
            "-h",
            "",
            "generate",
            "generate --help",
            "generate -h",
            "generate samples --help",
            "generate mix -h",
        ],
    )
    def test_help(self, stylemap, arguments):
        ran = stylemap(arguments)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("usage: stylemap")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("frobnicate", "unknown verb 'frobnicate'"),
            (
                "generate frobnicate",
                "unknown verb generate 'frobnicate'; known are generate samples, generate reconstruct,",
            ),
            ("generate samples", "--out"),
            ("generate samples --out made --frobnicate", "--frobnicate"),
            ("generate samples --out made --seed 0", "unknown flag --seed; the nearest is --seeds"),
            ("generate samples --out made --trunc 1", "unknown flag --trunc; the nearest is --truncation"),
            ("generate samples --out made --weight IN/w.safetensors", "--weight"),
            ("generate samples --out made extra", "extra"),
            ("generate samples --out", "--out: expected one argument"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(arguments)


def test_script(tmp_path):
    """The entry script in a folder, and with a package on Python's path, whose names are those of the project's own folders."""
    others = tmp_path / "others"
    for name in ("op", "configs", "pretrained"):
        for folder in (tmp_path / name, others / name):
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text("raise ImportError('this is not yours')")
    command = [
        sys.executable,
        ROOT / "generate.py",
        "samples",
        "--weights",
        "avatars32",
        "--seeds",
        "1",
        "--enlarge",
        "1",
        "--out",
        "made",
    ]
    settings = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{others}"}}
    done = subprocess.run(command, **settings, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{Path('made') / 'grid.png'}\n"
    assert names(tmp_path / "made") == ["grid.png", "seed0001.png"]
