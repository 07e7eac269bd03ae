"""`stylemap train` from the outside: recipes, flags and mistakes."""

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from stylemap import checkpoint, reading
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.cli import foresight, main, running, train, verbs
from stylemap.config import TrainConfig
from stylemap.errors import InputError, Note
from stylemap.resources import CONFIGS
from tests.archives import fill, picture

ROOT = Path(__file__).parents[2]


def parse(argv: list[str]) -> tuple[TrainConfig, Path | None, bool, bool]:
    """-> (config, run folder, resume, dry run)."""
    arguments = verbs.parser("train").parse_args(argv)
    return (*train.configured(arguments), arguments.resume, arguments.dry_run)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"{i}.jpg")
    return folder


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.stem)
def test_recipes_are_complete_and_valid(path, capsys, monkeypatch):
    monkeypatch.setattr(foresight, "foresee", lambda *_: None)  # seconds each
    assert main(["train", "--config", path.stem, "--dry-run"]) == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    given = yaml.safe_load(path.read_text())
    for key, value in given.items():  # what the recipe says is what is used
        found = resolved[key]
        assert found == value or all(found[k] == v for k, v in value.items())


def test_published_recipes_have_the_published_settings():
    for name in ("celeba_hq256", "afhq256", "ffhq256", "ffhq1024_light"):
        config, *_ = parse(["--config", name])
        assert (config.batch, config.mirror, config.ema.ramp) == (16, True, None)
        assert (config.optim.lr, config.optim.beta1, config.optim.beta2) == (0.002, 0.0, 0.99)
        assert (config.optim.r1_gamma, config.optim.r1_every) == (10, 16)
        assert config.loss.perceptual_network == "lpips"
        assert config.model.stylemap_channels == 64
        assert config.model.stylemap_size == (16 if config.model.light else 8)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--images", "x"], "--images: 'x' is not a whole number"),
        (["--optim.lr", "fast"], "--optim.lr: 'fast' is not a number"),
        (["--optim.r1-gamma", "y"], "--optim.r1-gamma: 'y' is not a number or null"),
        (["--batch-gpu", "q"], "--batch-gpu: 'q' is not a whole number or null"),
        (["--speed.tf32", "7"], "--speed.tf32: '7' is not true or false"),
        (["--model.norm", "z"], "--model.norm: 'z' is not one of layer, instance, batch, group"),
        (["--optim", "5"], "--optim is a group of settings; give one of them, as --optim.NAME VALUE"),
    ],
    ids=lambda x: x[0] if isinstance(x, list) else "",
)
def test_values_that_do_not_fit_in_plain_words(recipe, capsys, flags, said):
    assert main(["train", "--config", str(recipe), *flags]) == 2
    assert capsys.readouterr().err == f"error: {said}; see stylemap train --help\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not store such names")
def test_names_in_no_encoding(recipe, tmp_path, capsys, monkeypatch):
    """Of images and their folder they are taken; of a run they are refused, since TensorBoard cannot write there."""
    monkeypatch.chdir(tmp_path)
    latin = os.fsdecode(b"caf\xe9")
    fill(tmp_path / latin, {f"{latin}{i}.png": picture(i) for i in range(6)})
    command = ["train", "--config", str(recipe), "--data", latin]
    assert main([*command, "--out", latin + "-run"]) == 2
    assert "is not a name in UTF-8; choose another" in capsys.readouterr().err
    assert not (tmp_path / (latin + "-run")).exists()
    assert main(command) == 0
    assert main(["train", "--out", "runs/00000-caf%E9", "--resume", "--images", "12"]) == 0


def test_errors_of_several_processes_say_whose(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert main(["nothing"]) == 2
    assert capsys.readouterr().err.startswith("error: process 3: unknown verb 'nothing'")


def test_flags_override_the_recipe(recipe):
    config, out, resume, dry = parse(
        ["--config", str(recipe), "--optim.lr", "0.001", "--model.resolution=32", "--data", "x", "--out", "runs/a"]
    )
    assert (config.optim.lr, config.model.resolution, config.data, out) == (0.001, 32, "x", Path("runs/a"))
    assert config.model.stylemap_size == 4  # from the recipe
    assert not resume and not dry


def test_flags_override_the_recipe_wherever_it_stands(recipe):
    flags = [["--data", "x"], ["--optim.lr=0.001"]]
    given = [["--config", str(recipe)], [f"--config={recipe}"]]
    orders = [order for form in given for order in itertools.permutations([form, *flags])]
    found = {parse(sum(order, [])) for order in orders}
    ((config, *_),) = found  # one and the same
    assert (config.data, config.optim.lr, config.model.stylemap_size) == ("x", 0.001, 4)


@pytest.mark.parametrize("text", ["#1", "&a", "~", "a: b", "1e5", "off", "-1"])
def test_a_name_is_taken_as_it_is_given(recipe, text):
    config, *_ = parse(["--config", str(recipe), f"--data={text}", f"--init-from={text}"])
    assert (config.data, config.init_from) == (text, text)


@pytest.mark.parametrize("value", ["-0.5", "-.5", "-1e-3", "-5E-1"])
def test_numbers_below_0(recipe, value):
    config, *_ = parse(["--augment.target", value, "--config", str(recipe)])
    assert config.augment.target == float(value)


@pytest.mark.parametrize("flags", [["--out", ""], ["--out="], ["--resume", "--out", ""], ["--data", ""]], ids=str)
def test_an_empty_name_is_none(recipe, tmp_path, monkeypatch, capsys, flags):
    """As of a variable of the shell that is not set: here is another run, and images of anything."""
    fill(tmp_path, {f"{i}.png": picture(i) for i in range(6)})
    (tmp_path / checkpoint.CONFIG_FILE).write_text(recipe.read_text())
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", str(recipe), *flags]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(tmp_path.iterdir()) == before


def test_of_two_recipes_the_later_wins(recipe, tmp_path):
    second = tmp_path / "second.yaml"
    second.write_text("batch: 12\n")
    config, *_ = parse(["--config", str(recipe), "--images", "5", "--config", str(second)])
    assert (config.batch, config.images, config.model.stylemap_size) == (12, 5, 4)


def test_a_recipe_is_not_hidden_by_a_folder_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "avatars32").mkdir()
    assert parse(["--config", "avatars32"])[0].model.resolution == 32


def test_networks_come_from_the_weights_to_begin_with(recipe, capsys, monkeypatch):
    """Where no recipe is named. Flags change them, to grow for instance."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    known = checkpoint.read_config("avatars64")
    assert parse(["--init-from", "avatars64"])[0].model == known
    assert "taking the networks of avatars64" in capsys.readouterr().err
    assert parse(["--init-from", "avatars64", "--model.resolution", "128", "--model.rgb-skips", "1"])[0].model == (
        known.grown()
    )
    other = parse(["--config", str(recipe), "--init-from", "avatars64"])[0].model
    assert other == parse(["--config", str(recipe)])[0].model
    with pytest.raises(InputError) as refused:
        checkpoint.fitting("avatars64", replace(known, light=False, channel_max=8))
    flags = str(refused.value).partition("give ")[2].split()
    assert parse(["--config", "photos64", "--init-from", "avatars64", *flags])[0].model.light


def test_hyphens_in_flags(recipe):
    flags = ["--batch-gpu", "2", "--save-every=7", "--model.stylemap-channels", "8", "--init-from", "my-run"]
    config, out, _, dry = parse(["--config", str(recipe), *flags, "--out=a-b/c-d", "--data", "my-photos", "--dry-run"])
    assert (config.batch_gpu, config.save_every, config.model.stylemap_channels) == (2, 7, 8)
    assert (config.init_from, out, config.data) == ("my-run", Path("a-b/c-d"), "my-photos")  # values stay as they are
    assert dry


def test_underscores_in_flags_are_taken_with_a_note(recipe):
    with pytest.warns(Note, match="--batch_gpu is now --batch-gpu, --model.stylemap_channels is now"):
        config, *_ = parse(["--config", str(recipe), "--batch_gpu=2", "--model.stylemap_channels", "8"])
    assert (config.batch_gpu, config.model.stylemap_channels) == (2, 8)


def test_an_unknown_flag_is_answered_with_the_nearest(capsys):
    assert main(["train", "--model.resolutoin=32"]) == 2
    said = "unknown flag --model.resolutoin; the nearest is --model.resolution; see stylemap train --help"
    assert capsys.readouterr().err == f"error: {said}\n"


def test_without_gpu_a_small_recipe_is_taken(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config, *_ = parse(["--data", "x"])
    assert config.model.resolution == 64
    assert "photos64" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert parse(["--data", "x"])[0] == StylemapTraining(data="x")


def test_train_and_resume(recipe, photos, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", "--config", str(recipe), "--data", str(photos), "--out", str(run)]) == 0
    assert (run / "weights.safetensors").exists()
    out = capsys.readouterr().out
    assert "explained" in out
    assert out.splitlines()[-1].startswith(str(run / "report.html"))
    # the recipe of the run itself is taken; flags still override it
    assert main(["train", "--resume", "--out", str(run), "--images", "16"]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["images"] == 16
    assert (run / "state-0000000016.pt").exists()
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(run)]) == 0
    captured = capsys.readouterr()
    assert "all 16 images are done already; to train longer, give --images 32" in captured.out + captured.err


def test_default_run_folder(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for expected in ("00000-avatars", "00001-avatars"):
        assert main(["train", "--config", str(recipe), "--images", "4"]) == 0
        assert (tmp_path / "runs" / expected / "weights.safetensors").exists()


@pytest.mark.parametrize("flags", [[], ["--out", "a/b"]], ids=["numbered", "given"])
def test_a_start_that_is_refused_leaves_no_folder(recipe, tmp_path, monkeypatch, flags):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["train", "--config", str(recipe), "--data", "nowhere", *flags]) == 2
    assert sorted(tmp_path.rglob("*")) == before


def test_starts_at_once_get_a_folder_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    together = threading.Barrier(8)

    def start(_: int) -> Path:
        together.wait()
        with running.next_run("photos.zip") as out:
            (out / "config.yaml").touch()
        return out

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(start, range(8))) == [Path(f"runs/{i:05d}-photos") for i in range(8)]


class TestProgress:
    @pytest.fixture
    def said(self, monkeypatch):
        """What is said, line by line, as it comes."""
        lines = queue.Queue()
        monkeypatch.setattr(running.Progress, "_say", lambda _, line: lines.put(line))
        monkeypatch.setattr(running, "WATCH_S", 0.01)
        return lines

    def test_a_log_gets_lines_while_nothing_happens(self, said, monkeypatch):
        monkeypatch.setattr(running, "QUIET_S", 0.0)
        with contextlib.closing(running.Progress(running.Stop())) as progress:
            progress.start(100, 300)
            assert said.get(timeout=20) == "      100 images  of 300, an unknown time left"
            progress.began -= 3600  # this took an hour
            progress.advance(100)
            lines = iter(lambda: said.get(timeout=20), "      200 images  of 300, 1:00:00 left")
            assert all(line.startswith("      100 images") for line in lines)

    def test_a_signal_is_answered_outside_of_its_handler(self, said, capsys):
        with running.Stop() as stop, contextlib.closing(running.Progress(stop)):
            stop._note(signal.SIGTERM, None)
            assert (stop(), capsys.readouterr()) == (True, ("", ""))
            assert said.get(timeout=20) == "saving the state, then stopping (press Ctrl-C again to stop at once)"


def test_entry_script(tmp_path):
    """From another folder than its own. tests/training/test_loop.py trains with it."""
    command = [sys.executable, ROOT / "train.py", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (result.returncode, result.stderr) == (0, "") and result.stdout.startswith("usage: stylemap train")


# ---- mistakes


def make_mistakes(folder: Path) -> dict[str, tuple[list[str], str]]:
    """name -> (flags after a valid recipe, what the message must say)."""
    (folder / "empty").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "a.png").write_text("no image")
    (folder / "texts" / "b.png").write_text("no image")
    (folder / "broken.zip").write_bytes(b"PK no zip")
    (folder / "note.txt").write_text("hello")
    (folder / "unknown.yaml").write_text("modell: {a: 3}\n")
    (folder / "notyaml.yaml").write_text("a: [1, 2\n")
    (folder / "other").mkdir()
    (folder / "other" / "config.yaml").write_text("images: 3\n")
    (folder / "file").write_text("")
    return {
        "missing data": (["--data", str(folder / "nowhere")], "nowhere"),
        "empty data": (["--data", str(folder / "empty")], "empty"),
        "no images": (["--data", str(folder / "texts")], "texts"),
        "broken zip": (["--data", str(folder / "broken.zip")], "broken.zip"),
        "text file": (["--data", str(folder / "note.txt")], "note.txt"),
        "unknown flag": (["--modle.resolution", "64"], "modle"),
        "abbreviated flag": (["--image", "64"], "--image"),
        "flag given twice": (["--batch", "4", "--batch=8"], "--batch is given twice"),
        "recipe without a name": (["--config"], "--config: expected one argument"),
        "unknown key": (["--config", str(folder / "unknown.yaml")], "modell"),
        "broken yaml": (["--config", str(folder / "notyaml.yaml")], "notyaml"),
        "unknown recipe": (["--config", "celebs"], "celeba_hq256"),
        "no number": (["--images", "many"], "images"),
        "resolution": (["--model.resolution", "100"], "model.resolution 100"),
        "stylemap larger than image": (["--model.stylemap-size", "32"], "stylemap_size 32"),
        "norm": (["--model.norm", "spectral"], "model.norm"),
        "negative": (["--batch", "-1"], "batch must be a whole number from 1 to 1048576, not -1"),
        "lpips without weights": (
            ["--loss.perceptual-network", "lpips", "--loss.vgg", str(folder / "no.pth")],
            "no.pth",
        ),
        "device": (["--device", "cuda:99"], "cuda:99"),
        "another run": (["--out", str(folder / "other")], "holds another run"),
        "out is a file": (["--out", str(folder / "file")], "file"),
    }


NAMES = [
    "missing data", "empty data", "no images", "broken zip", "text file", "unknown flag", "abbreviated flag",
    "flag given twice", "recipe without a name", "unknown key",
    "broken yaml", "unknown recipe", "no number", "resolution", "stylemap larger than image", "norm", "negative",
    "lpips without weights", "device", "another run", "out is a file",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")  # skipped files are named in warnings as well
def test_mistakes_are_one_line(name, recipe, tmp_path, capsys):
    flags, expected = make_mistakes(tmp_path)[name]
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    out = [] if "--out" in flags else ["--out", str(tmp_path / "run")]
    assert main(["train", "--config", str(recipe), *out, *flags]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1 and lines[0].startswith("error: ") and expected in lines[0], lines
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before  # nothing half-written


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"data: avatars\n# caf\xe9\n", "UTF-8 (line 2)"),
        (b"a: &a [*a]\n", "alias"),
        (b"model: 16\n", "model must be a group of settings, not 16"),
        (b"optim: 0\n", "optim must be a group of settings, not 0"),
        (b"model: {norm: [layer]}\n", "model.norm must be one of layer, instance, batch, group, not ['layer']"),
        (
            b"model: {mapping_layers: 3000000}\n",
            "model.mapping_layers must be a whole number from 1 to 64, not 3000000",
        ),
        (b"images: 1" + 30 * b"0" + b"\n", "images must be a whole number from 1, not 1000"),
        (b"batch: 4\nbatch: 8\n", "'batch' stands twice"),
        (b"optim: {lr: .nan}\n", "optim.lr must be a number above 0, not nan"),
        (b"x" * 900 + b": 1\n", "unknown settings xxx"),
    ],
    ids=lambda value: value.decode("latin-1")[:20] if isinstance(value, bytes) else "",
)
def test_recipes_and_configs_that_anybody_wrote(resume, text, said, tmp_path, capsys):
    (tmp_path / "config.yaml").write_bytes(text)
    flags = ["--resume", "--out", tmp_path] if resume else ["--config", tmp_path / "config.yaml"]
    assert main(["train", *map(str, flags), "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'config.yaml'}") and said in line
    assert len(line) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("setting", ["batch", "optim.lr", "loss", "model.norm"])
def test_a_run_whose_config_lacks_settings_does_not_get_the_defaults(setting, tmp_path, capsys):
    config = asdict(StylemapTraining())
    *group, last = setting.split(".")
    del (config[group[0]] if group else config)[last]
    (tmp_path / "config.yaml").write_text(reading.to_yaml(config))
    assert main(["train", "--resume", "--out", str(tmp_path), "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'config.yaml'} lacks {setting}")


def test_data_that_looks_like_a_number(recipe, tmp_path, monkeypatch):
    """Its name is text in the run's own config too."""
    for name in ("1e5", "695e0514", "0x10", "1_000", "yes", "2024-01-01", "1:30"):
        config, *_ = parse(["--config", str(recipe), "--data", name])
        (tmp_path / "config.yaml").write_text(reading.to_yaml(asdict(config)))
        assert parse(["--resume", "--out", str(tmp_path)])[0] == config
        assert config.data == name


@pytest.mark.parametrize("flags", [["--resume"], ["--resume", "--out", "nowhere"]], ids=str)
def test_nothing_to_resume(flags, capsys):
    assert main(["train", *flags]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_one_picture_is_too_few(recipe, photos, tmp_path, capsys):
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    assert main(["train", "--config", str(recipe), "--data", str(photos), "--out", str(tmp_path / "run")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
