"""``stylemap data check`` from the command line, and the dispatcher of ``stylemap data``."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from stylemap.datasets import Avatars
from tests.decoding.files import encoded

ROOT = Path(__file__).parents[2]


def png(index: int, side: int = 24, kind: str = "PNG") -> bytes:
    return encoded(Image.fromarray(Avatars(24)[index]).resize((side, side)), kind)


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        (folder / f"{i}.png").write_bytes(png(i))
    return folder


@pytest.fixture
def awkward(pictures) -> Path:
    (pictures / "copy.png").write_bytes(png(0))
    (pictures / "tiny.png").write_bytes(png(9, 8))
    (pictures / "empty.png").touch()
    (pictures / "jp2.png").write_bytes(png(9, kind="JPEG2000"))
    (pictures / "cut.jpg").write_bytes(png(1, 99, "JPEG")[:-300])
    (pictures / "line\nbreak \x1b[31m.jpg").touch()
    (pictures / ("long name " * 25)).with_suffix(".jpg").touch()
    (pictures / "clip.MOV").touch()
    (pictures / "notes.txt").touch()
    return pictures


def rows(out: str) -> dict[str, str]:
    """label -> text of the report."""
    found, label = {}, ""
    for line in out.splitlines()[1:]:
        if line.startswith("  ") and line[2:3].strip():
            label, line = line[2:15].strip(), line[13:]
        found[label] = f"{found.get(label, '')} {line.strip()}".strip()
    return found


class TestReport:
    def test_of_a_good_set(self, stylemap, pictures):
        ran = stylemap("data check pictures --resolution 16 --workers 0")
        assert (ran.code, ran.err) == (0, "")
        size = sum(path.stat().st_size for path in pictures.iterdir()) / 1e6
        assert ran.out.splitlines()[0] == f"pictures: 8 images, {size:.1f} MB, all can be read"
        told = rows(ran.out)
        assert told["formats"] == "PNG 8"
        assert told["modes"] == "RGB 8"
        assert told["short side"] == "24 smallest, 24 median, 24 largest, in pixels"
        assert told["square"] == "all"
        assert told["corrected"] == "nothing"
        assert told["splits"] == "none; training holds some images out by itself"
        assert told["copies"] == "none"
        assert "images/s by each loading process" in told["loading"]
        assert not told.keys() & {"small", "other files", "LEAK", "CANNOT READ"}

    def test_of_an_awkward_set(self, stylemap, awkward):
        ran = stylemap("data check pictures --resolution 16 --workers 0")
        assert ran.code == 0
        assert ran.out.startswith("pictures: 15 images; 10 can be read (")
        told = rows(ran.out)
        assert told["small"] == "1 below 16 px will be enlarged; prepare --skip-small leaves them out: tiny.png (8 x 8)"
        assert told["copies"] == "1 image too many; prepare --drop-duplicates keeps one of: 0.png = copy.png"
        assert told["other files"] == ".mov 1, .txt 1: not images that this project reads; convert them"
        assert "jp2.png is really a JPEG 2000: it holds another format; convert it first" in told["CANNOT READ"]
        assert (
            "cut.jpg is damaged or cut short (image file is truncated); copy or export it again" in told["CANNOT READ"]
        )
        assert "line%0Abreak %1B[31m.jpg" in told["CANNOT READ"]
        assert "\x1b" not in ran.out
        *lines, command = ran.out.splitlines()
        assert max(map(len, lines)) <= 80
        assert command.endswith("prepare pictures --out pictures-16.zip --resolution 16 --drop-duplicates --skip-small")

    def test_leak_is_told_apart(self, stylemap, tmp_path):
        for name, index in {"train/a.png": 0, "train/b.png": 1, "val/c.png": 0}.items():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(png(index))
        told = rows(stylemap("data check set --resolution 16 --workers 0").out)
        assert told["splits"] == "train 2, val 1, by folder"
        assert told["copies"] == "none"
        assert told["LEAK"].startswith("1 image in several splits: ")
        assert "train/a.png = val/c.png" in told["LEAK"]

    def test_strays_beside_splits(self, stylemap, tmp_path):
        for index, name in enumerate(["train/a.png", "val/c.png", "cover.png"]):
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(png(index))
        told = rows(stylemap("data check set --resolution 16 --workers 0").out)
        assert told["splits"].startswith("do not count, since 1 image outside of train/")
        assert told["splits"].endswith("cover.png")

    def test_many_names_are_cut_and_the_json_has_all(self, stylemap, pictures, tmp_path):
        for i in range(30):
            (pictures / f"empty{i:02}.jpg").touch()
        ran = stylemap("data check pictures --resolution 16 --workers 0 --json r.json")
        assert "and 24 more; --json lists all" in ran.out
        assert len(ran.out.splitlines()) < 30
        assert len(json.loads((tmp_path / "r.json").read_text())["unreadable"]) == 30

    def test_json(self, stylemap, awkward, tmp_path):
        assert stylemap("data check pictures --resolution 16 --workers 0 --json sub/r.json").code == 0
        content = json.loads((tmp_path / "sub" / "r.json").read_text())
        assert content["pictures"] == 15
        assert content["duplicates"] == [["0.png", "copy.png"]]
        assert content["others"] == {".mov": 1, ".txt": 1}
        assert content["usable"] is True
        assert os.listdir(tmp_path / "sub") == ["r.json"]

    def test_zip(self, stylemap, pictures, tmp_path):
        shutil.make_archive("packed", "zip", pictures)
        ran = stylemap("data check packed.zip --resolution 16 --workers 0")
        assert ran.out.startswith("packed.zip: 8 images, ")

    def test_nothing_is_changed(self, stylemap, awkward):
        before = {path: path.stat().st_mtime_ns for path in [awkward, *awkward.iterdir()]}
        stylemap("data check pictures --workers 0")
        assert {path: path.stat().st_mtime_ns for path in [awkward, *awkward.iterdir()]} == before


class TestAdvice:
    @pytest.mark.parametrize("few", [9, 8])
    def test_few_images_begin_with_other_weights(self, stylemap, pictures, monkeypatch, few):
        from stylemap.cli import check

        monkeypatch.setattr(check, "FEW", few)
        said = rows(stylemap("data check pictures --workers 0").out)
        assert ("few images" in said) == (few > 8)
        assert "--init-from avatars64" in said.get("few images", "--init-from avatars64")

    def test_prepared_is_trained_on(self, stylemap, pictures):
        stylemap("data prepare pictures --out x.zip --resolution 16 --workers 0")
        ran = stylemap("data check x.zip --resolution 16 --workers 0")
        assert ran.out.splitlines()[-1] == "next: stylemap train --data x.zip --model.resolution 16"

    @pytest.mark.parametrize("name", ["my photos", "it's"])
    def test_can_be_pasted_into_a_shell(self, stylemap, awkward, tmp_path, monkeypatch, name):
        awkward.rename(tmp_path / name)
        from stylemap import cli

        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(["data", "check", name, "--resolution", "16", "--workers", "0"]) == 0
        command = out.getvalue().splitlines()[-1].removeprefix("next: stylemap ")
        command = f"{sys.executable} -m stylemap {command} --workers 0"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert "8 images" in ran.stdout  # the tiny one and the copy are gone
        assert (tmp_path / f"{name}-16.zip").exists()

    def test_slow_pictures_are_prepared(self, stylemap, pictures, monkeypatch):
        from stylemap.datasets import inspection

        monkeypatch.setattr(inspection, "GPU_SPEED", 10**9)
        ran = stylemap("data check pictures --resolution 16 --workers 0")
        assert ran.out.splitlines()[-1].startswith("next: stylemap data prepare pictures --out pictures-16.zip")


class TestNotUsable:
    """The report is printed, then one line on stderr, and the exit code is 2."""

    @pytest.mark.parametrize(
        ("content", "error"),
        [
            ({}, "set is empty; put JPEG, PNG or WebP images into it"),
            (
                {"a.psd": b"", "b.txt": b""},
                "set holds no image (JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIC), only 2 other files; convert or add "
                "images",
            ),
            (
                {"a.png": png(0)},
                "set holds one readable image; two are needed, one to train on and one to measure on",
            ),
            (
                {"a.png": b"", "b.png": b"x"},
                "set holds no readable image: all 2 fail, the first as a.png is not an image (JPEG, PNG, WebP, "
                "BMP, TIFF, GIF, AVIF or HEIC): it is empty; copy or export it again",
            ),
        ],
        ids=["empty", "others", "one", "unreadable"],
    )
    def test_report_and_error(self, stylemap, tmp_path, content, error):
        (tmp_path / "set").mkdir()
        for name, data in content.items():
            (tmp_path / "set" / name).write_bytes(data)
        ran = stylemap("data check set --workers 0 --json r.json")
        assert ran.code == 2
        assert ran.err == f"error: {error}\n"
        assert ran.out.startswith("set: ")
        assert "next:" not in ran.out
        assert json.loads((tmp_path / "r.json").read_text())["usable"] is False


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ("pictures --resolution 0", "--resolution: '0' is not a whole number from 8 to 4096"),
            ("pictures --resolution x", "--resolution: 'x' is not a whole number"),
            ("pictures --workers -1", "'-1' is not a whole number from 0 to 1024"),
            ("pictures --json report.txt", "'report.txt' must end in .json"),
            ("pictures --json folder.json", "'folder.json' is a folder; name a file in it"),
            ("pictures --res 16", "unknown flag --res; the nearest is --resolution"),
            ("nowhere", "nowhere: no such folder, zip or LMDB; check the path"),
            ("pictures/0.png", "0.png is neither a folder nor a zip nor an LMDB"),
            ("broken.zip", "broken.zip is a broken zip (File is not a zip file); copy or pack it again"),
        ],
    )
    def test_bad_arguments_are_one_line(self, refused, pictures, tmp_path, arguments, error):
        (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
        (tmp_path / "folder.json").mkdir()
        assert error in refused(f"data check {arguments}")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may list anything")
    def test_closed_subfolder(self, refused, pictures):
        (pictures / "closed").mkdir(mode=0)
        assert "cannot list pictures/closed: Permission denied" in refused("data check pictures")

    @pytest.mark.parametrize("arguments", ["data chekc pictures", "data pictures", "data -x"])
    def test_unknown_verb(self, refused, arguments):
        verb = arguments.split()[1]
        known = "did you mean data check?" if verb == "chekc" else "known are data check, data prepare, data align"
        assert refused(arguments) == f"unknown verb data {verb!r}; {known}"


@pytest.mark.parametrize("arguments", ["data", "data --help", "data -h"])
def test_usage(stylemap, arguments):
    ran = stylemap(arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("usage: stylemap data VERB")
    assert [line.split()[1] for line in ran.out.splitlines()[3:]] == ["check", "prepare", "align"]


def run_check(*arguments: object, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "stylemap", "data", "check", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not store such names")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_the_terminal_cannot_show(pictures, encoding):
    (pictures / os.fsdecode(b"caf\xe9.jpg")).touch()
    (pictures / "日本.jpg").touch()
    out, err = run_check(pictures, "--workers", 0, PYTHONIOENCODING=encoding).communicate(timeout=60)
    assert err == b""  # no bar without a terminal
    shown = out.decode(encoding)
    assert "caf%E9.jpg" in shown
    assert ("日本.jpg" if encoding == "utf-8" else r"\u65e5\u672c.jpg") in shown


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the processes")
def test_ctrl_c_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    big = Image.fromarray(Avatars(64)[0]).resize((2000, 2000))
    big.save(folder / "0000.png", compress_level=1)
    for i in range(1, 3000):
        os.link(folder / "0000.png", folder / f"{i:04}.png")
    process = run_check(folder, "--workers", 2, "--json", tmp_path / "r.json")
    deadline = time.monotonic() + 60
    while len(deaf_children(process.pid)) < 3:  # two workers, Python's resource tracker
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == (b"", b"")
    assert os.listdir(tmp_path) == ["many"]


def deaf_children(pid: int) -> list[str]:
    """The child processes that ignore Ctrl-C, as workers do once they have started."""
    ignore = 1 << (signal.SIGINT - 1)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    status = {child: Path(f"/proc/{child}/status").read_text() for child in children}
    return [child for child, text in status.items() if int(text.split("SigIgn:")[1].split()[0], 16) & ignore]


def test_zip_bomb_and_odd_names_are_lines_of_the_report(stylemap, tmp_path):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", png(i))
        archive.writestr("../up.png", png(3))
        archive.writestr("bomb.png", png(4))
    raw = bytearray((tmp_path / "odd.zip").read_bytes())
    at = raw.rindex(b"bomb.png") - 46  # its record in the directory
    raw[at + 24 : at + 28] = (3 << 30).to_bytes(4, "little")  # the unpacked size that it claims
    (tmp_path / "odd.zip").write_bytes(raw)
    ran = stylemap("data check odd.zip --resolution 16 --workers 0")
    assert ran.code == 0
    told = rows(ran.out)["CANNOT READ"]
    assert "../up.png would unpack outside of its folder; pack it again with plain names" in told
    assert "bomb.png is 3.0 GiB, more than any image should be; remove it" in told
