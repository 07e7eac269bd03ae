"""What all verbs have in common: help without torch, one meaning of a flag, answers to other spellings, completion."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from typing import get_args

import pytest

from stylemap import cli, exporting, images
from stylemap.cli import directions, export_onnx, flags, project, values, verbs
from stylemap.config import Precision
from stylemap.datasets import parts
from stylemap.editing import edit, finding_directions, masks, motion, pasting
from stylemap.inversion import PRESETS
from stylemap.perceptual import NAMES
from stylemap.photos import photo

HELP = """
import contextlib, io, sys
from stylemap import cli
from stylemap.cli import verbs

for name in verbs.VERBS:
    for flag in ("--help", "--help-all"):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            try:
                code = cli.main([*name.split(), flag])
            except SystemExit as stop:
                code = stop.code or 0
        known = flag == "--help" or "--help-all" in verbs.parser(name).flags
        assert code == (0 if known else 2), (name, flag, code)
        assert not known or text.getvalue().startswith(f"usage: stylemap {name} "), (name, flag)
        assert not {"torch", "numpy", "cv2", "PIL", "tqdm"} & sys.modules.keys(), (name, flag)
"""


def actions(name: str) -> list[argparse.Action]:
    return verbs.parser(name).arguments


def test_help_waits_for_no_large_library():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", verbs.VERBS)
class TestFlags:
    def test_are_written_with_hyphens(self, name):
        assert not [flag for action in actions(name) for flag in action.option_strings if "_" in flag]

    def test_have_a_sentence_as_help(self, name):
        for action in actions(name):
            if "." in action.dest:  # settings, whose docstrings are the help
                continue
            assert action.help and action.help[0] == action.help[0].upper(), action.dest
            sentence = re.sub(r" \([^()]*\)$", "", action.help)  # without bounds and default
            assert sentence.rstrip(")").endswith((".", "?")), action.help

    def test_their_defaults_are_values_that_they_take(self, name):
        for action in actions(name):
            if action.choices and action.default not in (None, [], argparse.SUPPRESS):
                assert action.default in action.choices, action.dest


@pytest.mark.parametrize("name", verbs.VERBS)
def test_help_fits_a_terminal(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, verbs.parser(name).format_help().splitlines())) <= 80


def test_list_of_verbs_fits_a_terminal():
    assert max(map(len, verbs.usage().splitlines())) <= 80


def test_a_flag_of_several_verbs_is_declared_once():
    """So that it means the same everywhere. What differs is named here, with what it has in common."""
    differing = {
        "--out",
        "--config",
        "--method",
        "--images",
        "--batch",
        "--amounts",
    }  # a path, a recipe, a way, numbers
    declared = defaultdict(list)
    for name in verbs.VERBS:
        for action in actions(name):
            for flag in action.option_strings:
                if flag.startswith("--") and flag not in ("--help", "--help-all") and name != "train":
                    declared[flag].append(name)
    several = {flag for flag, names in declared.items() if len(names) > 1}
    twice = {"--part", "--half", "--feather", "--reference", "--reference-part-labels"}  # by `selecting.add_flags`
    others = {
        "--paste-back",
        "--mask-on",
        "--strength",
        "--add",
        "--faces",
        "--every",
    }  # by functions as well
    assert several - set(flags.SHARED) - differing - twice - others == set()


def test_names_that_the_help_repeats_are_those_of_the_library():
    assert tuple(PRESETS) == project.METHODS
    assert tuple(finding_directions.METHODS) == directions.METHODS
    assert flags.PERCEPTUAL == NAMES
    assert flags.HALVES == masks.HALVES
    assert get_args(photo.Frame) == flags.FRAMES
    assert tuple(parts.GROUPS) == flags.PARTS
    assert ("none", *pasting.WAYS) == flags.WAYS
    assert all(callable(getattr(motion, ease)) for ease in flags.EASES)
    assert (edit.PIXELS.most, edit.AMOUNT.most) == (flags.FARTHEST, flags.MOST_AMOUNT)
    assert get_args(Precision) == flags.PRECISIONS
    assert flags.MOST_ENLARGED == images.MOST_TIMES
    assert (exporting.GRAPHS, exporting.STORED) == (export_onnx.GRAPHS, export_onnx.PRECISIONS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("morph path a.png b.png --size 300", "unknown flag --size; see --enlarge"),
        ("serve --prot 1", "unknown flag --prot; the nearest is --port"),
    ],
)
def test_an_unknown_flag_is_answered_with_the_nearest(line, said, capsys):
    assert cli.main(line.split()) == 2
    (answer,) = capsys.readouterr().err.splitlines()
    assert answer.startswith(f"error: {said}; see stylemap {line.split()[0]}")


@pytest.mark.parametrize(
    ("line", "renamed"),
    [
        ("data prepare nowhere --holdout 3 --out x.zip", "--holdout is now --heldout"),
        ("generate reconstruct --images nowhere.png --out x", "--images is now --photos"),
        ("directions train --images nowhere --labels l.csv --out x", "--images is now --data"),
        (
            "evaluate --lpips-vgg nowhere.pth --metrics mse --count=0",
            "--lpips-vgg is now --vgg, --count is now --samples",
        ),
        ("project --batch x --photos a.png --out x", "--batch is now --batch-gpu"),
        ("project --stop_error x --images a.png --out x", "--stop_error is now --stop-error, --images is now --photos"),
    ],
)
def test_an_earlier_name_of_a_flag_is_taken_with_a_note(line, renamed, capsys):
    assert cli.main(line.split()) == 2  # for another reason
    note, error = capsys.readouterr().err.splitlines()
    assert note == f"note: {renamed}"
    assert "unknown" not in error


def test_help_of_many_flags_shows_those_that_matter(capsys):
    shown = {}
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit):
            cli.main(["train", flag])
        shown[flag] = {
            words[0]
            for line in capsys.readouterr().out.splitlines()
            if (words := line.split()) and line.startswith("  --")
        }
    assert {"--data", "--config", "--out", "--images", "--batch", "--resume"} < shown["--help"] < shown["--help-all"]
    assert len(shown["--help"]) <= 20 < 60 < len(shown["--help-all"])
    assert "--optim.r1-gamma" in shown["--help-all"] - shown["--help"]


class TestValues:
    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            (values.whole(0, 9), "7", 7),
            (values.real(-1, 1), "-.5e-1", -0.05),
            (values.Range(values.whole(0, 63)), "2..5", (2, 5)),
            (values.Range(values.whole(0, 63)), "2", (2, 2)),
            (values.Range(values.real(0, 1)), "0..0.5", (0.0, 0.5)),
            (values.Numbers(values.whole(0)), "0..2,7,1", [0, 1, 2, 7]),
            (values.Numbers(values.real(-20, 20)), "-2..0,2.5", [-2.0, -1.0, 0.0, 2.5]),
            (values.Names(("a", "b", "c"), "name"), "all", ["a", "b", "c"]),
            (values.Names(("a", "b", "c"), "name"), "b,a,b", ["b", "a"]),
        ],
    )
    def test_are_read(self, kind, text, value):
        assert kind(text) == value

    @pytest.mark.parametrize(
        ("kind", "text", "said"),
        [
            (values.whole(0, 9), "10", "'10' is not a whole number from 0 to 9"),
            (values.whole(0, 9), "9" * 5000, f"'{'9' * 40}...' is not a whole number"),
            (values.real(0, 1), "nan", "'nan' is not a number from 0 to 1"),
            (values.real(0), "1e999", "'1e999' is not a number from 0"),
            (values.Range(values.whole(0, 63)), "2-5", "numbers from 0 to 63; write 2..5"),
            (values.Range(values.whole(0, 63)), "5..2", "'5..2' is not a range like 2..5"),
            (values.Numbers(values.whole(0)), "1,,2", "'1,,2' is not a list like 0..3,7"),
            (values.Names(("a", "b"), "name"), "c", "unknown name 'c'; known are all, a, b"),
        ],
    )
    def test_wrong_ones_are_answered(self, kind, text, said):
        with pytest.raises(argparse.ArgumentTypeError, match=".") as info:
            kind(text)
        assert said in str(info.value)


class TestCompletion:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("stylemap gen", ["generate"]),
            ("stylemap generate ", ["samples", "reconstruct", "interpolate", "mix"]),
            ("stylemap generate samples --tr", ["--truncation"]),
            ("stylemap local-edit blend --half le", ["left"]),
            ("stylemap weights pull yu", ["yunet", "yunet-opencv4"]),
            ("stylemap train --optim.r1", ["--optim.r1-gamma", "--optim.r1-every"]),
        ],
    )
    def test_of_verbs_flags_and_choices(self, line, expected, tmp_path):
        asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
        answer = tmp_path / "answer"
        command = [sys.executable, "-m", "stylemap"]
        environment = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
        assert [word.strip() for word in answer.read_text().split("\n")] == expected

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_script(self, shell, capsys):
        assert cli.main(["completion", shell]) == 0
        assert "stylemap" in capsys.readouterr().out

    @pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
    def test_in_fish(self, tmp_path):
        (tmp_path / "stylemap").write_text(f'#!/bin/sh\nexec {sys.executable} -m stylemap "$@"\n')
        (tmp_path / "stylemap").chmod(0o755)
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        script = "stylemap completion fish | source; complete -C 'stylemap data check --wor'"
        done = subprocess.run(["fish", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("--workers\tNumber of worker processes."), done.stderr
