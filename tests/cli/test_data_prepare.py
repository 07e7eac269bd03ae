"""``stylemap data prepare`` from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from stylemap.datasets import Avatars, ImageFolder, packing


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        Image.fromarray(Avatars(24)[i]).save(folder / f"{i}.png")
    (folder / "broken.png").write_text("no")
    return folder


def test_report_and_result(stylemap, pictures, tmp_path):
    done = stylemap(
        "data", "prepare", str(pictures), "--out", str(tmp_path / "x.zip"), "--resolution", "16", "--workers", "0"
    )
    assert done.code == 0
    assert "8 images: 8 converted, 0 kept byte for byte" in done.out
    assert "1 left out:\n  broken.png is not an image" in done.out
    assert len(ImageFolder(tmp_path / "x.zip", 16)) == 8


def test_splits_options_and_enlarged(stylemap, pictures, tmp_path):
    flags = ["--resolution", "32", "--heldout", "2", "--test", "1", "--pad", "--format", "png", "--workers", "0"]
    done = stylemap("data", "prepare", str(pictures), "--out", str(tmp_path / "x.zip"), *flags)
    assert "splits: train 5, val 2, test 1" in done.out or "splits: train 6, val 2, test 1" in done.out
    assert "8 were smaller and had to be enlarged" in done.out
    names = zipfile.ZipFile(tmp_path / "x.zip").namelist()
    assert all(name.endswith(".png") for name in names[:-1])


def test_training_starts_from_it(stylemap, pictures, tmp_path):
    stylemap("data", "prepare", str(pictures), "--out", str(tmp_path / "x.zip"), "--resolution", "16", "--workers", "0")
    config = tmp_path / "tiny.yaml"
    config.write_text(
        "{images: 4, batch: 2, heldout: 2, tick: 4, workers: 0, device: cpu, model: {resolution: 16, stylemap_size: 4, "
        "stylemap_channels: 4, channel_base: 64, channel_max: 4, mapping_layers: 1}}"
    )
    done = stylemap("train", "--config", str(config), "--data", str(tmp_path / "x.zip"), "--out", str(tmp_path / "run"))
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--resolution", "0"], "--resolution: '0' is not a whole number from 8 to 4096"),
        (["--quality", "200"], "--quality: '200' is not a whole number from 1 to 100"),
        (["--heldout", "9"], "cannot hold out 9 + 0 of 9 images; lower --heldout or --test"),
        (["--heldout", "-1"], "--heldout: '-1' is not a whole number from 0"),
        (["--format", "gif"], "invalid choice: 'gif'"),
        (["--workers", "-1"], "'-1' is not a whole number from 0 to 1024"),
    ],
)
def test_bad_flags_are_one_line(refused, pictures, flags, error):
    assert error in refused("data prepare pictures --out x.zip", *flags)


def test_what_is_passed_over_is_told_and_noted(stylemap, pictures, tmp_path):
    for name in ("a.svg", "b.SVG", "notes.txt", ".DS_Store"):
        (pictures / name).touch()
    ran = stylemap("data prepare pictures --out x.zip --resolution 16 --workers 0")
    assert "passed over, since they are not images that this project reads: .svg 2, .txt 1\n" in ran.out
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert json.loads(archive.read("dataset.json"))["passed_over"] == {".svg": 2, ".txt": 1}


@pytest.mark.parametrize("out", ["x", "x.tar", "pictures"])
def test_out_must_be_a_zip(refused, pictures, out):
    assert "must end in .zip" in refused("data prepare pictures --out", out)


@pytest.mark.parametrize("source", ["none", "pictures/0.png"])
def test_source_that_is_none(refused, pictures, source):
    assert source in refused("data prepare", source, "--out x.zip")


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(
    "kill",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_killed_with_workers_and_run_again(tmp_path, kill, stylemap):
    folder, out = tmp_path / "many", tmp_path / "x.zip"
    folder.mkdir()
    picture = Image.fromarray(Avatars(128)[0])
    for i in range(3 * packing.CHUNK):
        picture.save(folder / f"{i:04}.png", compress_level=1)
    command = [
        sys.executable,
        "-m",
        "stylemap",
        "data",
        "prepare",
        str(folder),
        "--out",
        str(out),
        "--resolution",
        "120",
    ]
    process = subprocess.Popen([*command, "--workers", "2"], start_new_session=True, stderr=subprocess.PIPE)
    work = packing.unfinished(out)
    deadline = time.monotonic() + 60
    while not list(work.glob("000*.zip")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, kill) if kill == signal.SIGINT else process.send_signal(kill)  # Ctrl-C reaches all of them
    _, err = process.communicate()
    if kill == signal.SIGINT:
        assert process.returncode == 130
        assert err.decode().splitlines()[-1].startswith("stopped; finished work is in ")
        assert b"Traceback" not in err
    assert not out.exists()
    finished = {path.name: path.stat().st_mtime_ns for path in work.glob("000*.zip")}
    assert 1 <= len(finished) < 3
    assert (
        stylemap("data", "prepare", str(folder), "--out", str(out), "--resolution", "120", "--workers", "2").code == 0
    )
    assert len(ImageFolder(out, 120)) == 3 * packing.CHUNK
    assert not work.exists()
