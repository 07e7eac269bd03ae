"""`stylemap data align`: every face to its file and its line, whatever holds the photos, whenever it was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import lmdb
import numpy as np
import pytest
from PIL import Image

from stylemap import decoding, files, parallel, published
from stylemap.cli import align as verb
from stylemap.faces import align, quad
from tests.cli.conftest import half, pixels, tree
from tests.decoding.files import encoded
from tests.faces import toy_yunet
from tests.test_fetching import known

FACE = np.array([[38.5, 47], [61.5, 47], [50, 58], [42, 71], [58, 71]])
SMALL, LARGE = FACE * 0.4 + 3, FACE * 0.7 + (70, 40)
SIDE = 32
POINTS = {  # photo -> its faces
    "ada.png": [FACE],
    "b/bob.jpg": [SMALL, LARGE],
    "nobody.png": [],
    "strange.png": [FACE * 0],
    "text.png": [FACE],
}


@pytest.fixture
def photos(tmp_path):
    """A folder of photos with faces, without, damaged, and one of which the landmarks know nothing."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    (folder / "b").mkdir(parents=True)
    for name, (height, width) in {
        "ada.png": (100, 110), "b/bob.jpg": (131, 157), "nobody.png": (50, 50), "strange.png": (50, 50),
        "unlisted.png": (60, 60),
    }.items():  # fmt: skip
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / name)
    (folder / "text.png").write_text("not an image")
    (folder / "notes.txt").write_text("left aside")
    (tmp_path / "l.json").write_text(json.dumps({n: [f.tolist() for f in faces] for n, faces in POINTS.items()}))
    return folder


def records(folder):
    return [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]


RUN = f"data align photos --out out --landmarks l.json --resolution {SIDE} --workers 0"
IN_TWO_PROCESSES = RUN.replace("--workers 0", "--workers 2")  # which take half a second to start


class TestFolder:
    @pytest.fixture
    def ran(self, photos, stylemap):
        return stylemap(RUN)

    def test_says_what_became_of_them(self, ran):
        assert ran.code == 0
        assert ran.out == (
            "6 photos: 3 faces, 3 without a face (nobody.png, strange.png, unlisted.png), 1 unreadable (text.png)\n"
        )

    def test_pictures(self, ran, photos, tmp_path):
        pictures = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*"))
        assert pictures == ["ada_00.png", "b/bob_00.png", "b/bob_01.png", "faces.jsonl"]
        for name, photo, points in (
            ("ada_00", "ada.png", FACE), ("b/bob_00", "b/bob.jpg", LARGE), ("b/bob_01", "b/bob.jpg", SMALL)
        ):  # fmt: skip
            expected = align(pixels(photos / photo), points, SIDE).picture
            np.testing.assert_array_equal(pixels(tmp_path / "out" / f"{name}.png"), expected)

    def test_records(self, ran, tmp_path):
        by_source = {record["source"]: record for record in records(tmp_path / "out")}
        assert list(by_source) == sorted([*POINTS, "unlisted.png"])
        first, second = by_source["b/bob.jpg"]["faces"]
        assert by_source["b/bob.jpg"]["size"] == [157, 131]
        assert (first["output"], second["output"]) == ("b/bob_00.png", "b/bob_01.png")
        np.testing.assert_allclose(first["landmarks"], LARGE, atol=1e-3)
        np.testing.assert_allclose(first["quad"], quad(LARGE), atol=1e-3)
        assert first["score"] is None
        reasons = {name: record.get("reason", "") for name, record in by_source.items()}
        assert reasons["ada.png"] == reasons["b/bob.jpg"] == ""
        assert "no face was found in nobody.png" in reasons["nobody.png"]
        assert "strange.png: these landmarks do not form a face" in reasons["strange.png"]
        assert "unlisted.png is not in l.json" in reasons["unlisted.png"]
        assert "text.png is not an image" in reasons["text.png"]

    def test_two_processes_do_the_same(self, ran, stylemap, tmp_path):
        alone = tree(tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
        together = stylemap(IN_TWO_PROCESSES)
        assert (together.code, together.out, tree(tmp_path / "out")) == (ran.code, ran.out, alone)

    def test_nothing_changes_when_run_again(self, ran, stylemap, tmp_path):
        before = tree(tmp_path)
        again = stylemap(RUN)
        assert (again.code, again.out) == (ran.code, ran.out)
        assert tree(tmp_path) == before


class TestSources:
    """The same images from whatever holds the photos."""

    def assert_ada(self, picture, photos):
        np.testing.assert_array_equal(pixels(picture), align(pixels(photos / "ada.png"), FACE, SIDE).picture)

    def test_one_photo(self, photos, stylemap, tmp_path):
        ran = stylemap(f"data align photos/ada.png --out out --landmarks l.json --resolution {SIDE}")
        assert (ran.code, ran.out) == (0, "1 photo: 1 face\n")
        self.assert_ada(tmp_path / "out/ada_00.png", photos)

    def test_zip(self, photos, stylemap, tmp_path):
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.write(photos / "ada.png", "x/ada.png")
        assert stylemap(f"data align z.zip --out out --landmarks l.json --resolution {SIDE}").code == 0
        self.assert_ada(tmp_path / "out/x/ada_00.png", photos)

    def test_lmdb(self, photos, stylemap, tmp_path):
        with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as database, database.begin(write=True) as transaction:
            transaction.put(b"length", b"1")
            transaction.put(b"256-00000", (photos / "ada.png").read_bytes())
        (tmp_path / "l.json").write_text(json.dumps({"256-00000": FACE.tolist()}))
        assert stylemap(f"data align db --out out --landmarks l.json --resolution {SIDE}").code == 0
        self.assert_ada(tmp_path / "out/256-00000_00.png", photos)

    def test_names_that_differ_in_their_ending_only(self, photos, stylemap, tmp_path):
        Image.fromarray(np.zeros((100, 110, 3), np.uint8)).save(photos / "ada.jpg")
        (tmp_path / "l.json").write_text(json.dumps({"ada.jpg": FACE.tolist(), "ada.png": FACE.tolist()}))
        assert stylemap(RUN).code == 0
        assert (tmp_path / "out/ada.jpg_00.png").is_file()
        self.assert_ada(tmp_path / "out/ada.png_00.png", photos)


class TestDetector:
    @pytest.fixture
    def toy(self, tmp_path, monkeypatch):
        (tmp_path / "toy.onnx").write_bytes(toy_yunet.model())
        monkeypatch.setitem(published.FILES, "toy", known(toy_yunet.model(), tmp_path))

    @pytest.mark.parametrize("workers", [0, 2])
    def test_finds_the_faces(self, toy, stylemap, tmp_path, workers):
        (tmp_path / "photos").mkdir()
        for i in range(2):
            photo = toy_yunet.photo(256, 224, y=64, x=96)
            Image.fromarray(photo).save(tmp_path / f"photos/{i}.png")
        ran = stylemap(f"data align photos --out out --detector toy.onnx --resolution {SIDE} --workers {workers}")
        assert (ran.code, ran.out) == (0, "2 photos: 2 faces\n")
        for i, record in enumerate(records(tmp_path / "out")):
            (face,) = record["faces"]
            points = (np.array(toy_yunet.POINTS) + (3, 2)) * toy_yunet.CELL
            np.testing.assert_allclose(face["landmarks"], points, atol=0.51)  # the toy sees whole pixels
            assert face["score"] == pytest.approx(1, abs=0.05)
            assert pixels(tmp_path / f"out/{i}_00.png").shape == (SIDE, SIDE, 3)

    def test_nobody_at_all(self, toy, stylemap, tmp_path):
        Image.fromarray(np.zeros((99, 99, 3), np.uint8)).save(tmp_path / "black.png")
        ran = stylemap("data align black.png --out out --detector toy.onnx")
        assert ran.code == 2
        assert ran.out == "1 photo: 0 faces, 1 without a face (black.png)\n"
        assert ran.err == "error: no face in any of 1 photo of black.png; no face was found in black.png\n"


class TestGoingOn:
    def test_after_a_kill_anywhere(self, photos, stylemap, tmp_path):
        assert stylemap(RUN).code == 0
        whole, out = tree(tmp_path / "out"), tmp_path / "out"
        lines = (out / "faces.jsonl").read_bytes()
        for end in (0, 10, lines.index(b"\n"), lines.index(b"\n") + 1, len(lines) - 1, len(lines)):
            (out / "faces.jsonl").write_bytes(lines[:end])
            (out / "b/bob_01.png").unlink(missing_ok=True)  # written before its line is
            (out / "b" / ".0123.part.png").write_bytes(b"half")
            if b"bob.jpg" in lines[: lines[:end].rfind(b"\n") + 1]:
                (out / "b/bob_01.png").write_bytes(whole["b/bob_01.png"])
            assert stylemap(RUN).code == 0
            assert tree(out) == whole

    def test_what_is_listed_is_not_read_again(self, photos, stylemap, tmp_path, monkeypatch):
        assert stylemap(RUN).code == 0
        before = tree(tmp_path / "out")
        monkeypatch.setattr(decoding, "decode", lambda *_: pytest.fail("a photo was read again"))
        assert stylemap(RUN).code == 0
        assert tree(tmp_path / "out") == before

    def test_a_deleted_picture_is_made_again(self, photos, stylemap, tmp_path):
        assert stylemap(RUN).code == 0
        before = (tmp_path / "out/ada_00.png").read_bytes()
        (tmp_path / "out/ada_00.png").unlink()
        assert stylemap(RUN).code == 0
        assert (tmp_path / "out/ada_00.png").read_bytes() == before

    def test_another_photo_of_the_same_name_is_refused(self, photos, stylemap, tmp_path):
        assert stylemap(RUN).code == 0
        before = tree(tmp_path / "out")
        (photos / "ada.png").write_bytes(b"another")
        assert "out holds the faces of another ada.png" in stylemap(RUN).err
        assert tree(tmp_path / "out") == before

    def test_another_photo_whose_pictures_would_get_the_same_name_is_refused(self, photos, stylemap, tmp_path):
        assert stylemap(RUN).code == 0
        before = tree(tmp_path / "out")
        (photos / "ada.png").rename(photos / "ada.webp")
        assert "out holds the faces of another ada.png" in stylemap(RUN).err
        assert tree(tmp_path / "out") == before

    def test_a_photo_that_cannot_be_read_is_passed_over(self, photos, stylemap):
        (photos / "dangling.png").symlink_to("nowhere.png")
        ran = stylemap(RUN)
        assert ran.code == 0
        assert "dangling.png" in ran.out

    @pytest.mark.parametrize("out", ["photos", "photos/faces"])
    def test_out_in_the_photos_is_refused(self, photos, stylemap, out):
        assert "faces would be taken for photos" in stylemap(RUN.replace("--out out", f"--out {out}")).err

    def test_new_photos_are_added(self, photos, stylemap, tmp_path):
        assert stylemap(RUN).code == 0
        before = (tmp_path / "out/faces.jsonl").read_text()
        shutil.copy(photos / "ada.png", photos / "a.png")
        content = json.loads((tmp_path / "l.json").read_text())
        (tmp_path / "l.json").write_text(json.dumps(content | {"a.png": FACE.tolist()}))
        assert stylemap(RUN).out.startswith("7 photos: 4 faces")
        assert (tmp_path / "out/faces.jsonl").read_text().startswith(before)
        assert pixels(tmp_path / "out/a_00.png").shape == (SIDE, SIDE, 3)

    @pytest.mark.parametrize("other", ["--resolution 33", f"--resolution {SIDE} --faces largest"])
    def test_other_settings(self, photos, stylemap, refused, other):
        assert stylemap(RUN).code == 0
        line = refused("data align photos --out out --landmarks l.json", other)
        assert line == f"out was begun with --resolution {SIDE} --faces all; choose another --out"

    @pytest.mark.parametrize(
        "line",
        ["[]\n", "{}\n", "hello\n", "3\n", "\n", "[" * 100_000 + "\n"]
        + [
            f'{{"source": {source}, "faces": {faces}, "resolution": {SIDE}, "largest": false}}\n'
            for source, faces in (("1", "[]"), ('"a.png"', "[1]"), ('"a.png"', '[{"output": 3}]'), ('"a.png"', "[]"))
        ],
        ids=lambda line: line[:60],
    )
    def test_somebody_else_s_records(self, photos, refused, tmp_path, line):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/faces.jsonl").write_text(line)
        assert "line 1 is not a record of this program" in refused(RUN)

    def test_what_outlived_a_killed_run_is_removed(self, photos, stylemap, tmp_path, monkeypatch):
        """Its processes end a moment after it, and may leave an image in part when the next run has begun."""
        imap, left = parallel.imap, tmp_path / "out/.0f.part.png"

        def beside_a_dying_process(*arguments):
            left.touch()
            return imap(*arguments)

        monkeypatch.setattr(parallel, "imap", beside_a_dying_process)
        stylemap(RUN)
        assert not left.exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    def test_killed_for_real(self, photos, stylemap, tmp_path):
        """SIGKILL at some time during the work; then the same command."""
        for i in range(200):
            shutil.copy(photos / "ada.png", photos / f"{i:03d}.png")
        points = {f"{i:03d}.png": FACE.tolist() for i in range(200)}
        (tmp_path / "l.json").write_text(json.dumps(points))
        code = f"from stylemap.cli import main; main({IN_TWO_PROCESSES.split()!r})"
        killed = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=os.environ, stderr=subprocess.DEVNULL)
        path = tmp_path / "out/faces.jsonl"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and path.stat().st_size > 5000):
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert killed.returncode == -signal.SIGKILL and path.stat().st_size > 5000
        assert stylemap(IN_TWO_PROCESSES).out.startswith("206 photos: 200 faces, 6 without a face")
        names = sorted(p.relative_to(photos).as_posix() for p in photos.rglob("*.*g"))
        assert [r["source"] for r in records(tmp_path / "out")] == names
        assert len(list((tmp_path / "out").glob("*.png"))) == 200

    def test_not_twice_at_once(self, photos, stylemap, tmp_path):
        with files.owned(tmp_path / "out"):
            ran = stylemap(RUN)
        assert ran.code == 2 and "out is in use by another process" in ran.err


class TestOptions:
    def test_largest(self, photos, stylemap, tmp_path):
        assert stylemap(RUN, "--faces largest").code == 0
        assert [p.name for p in sorted((tmp_path / "out/b").iterdir())] == ["bob_00.png"]
        np.testing.assert_array_equal(
            pixels(tmp_path / "out/b/bob_00.png"), align(pixels(photos / "b/bob.jpg"), LARGE, SIDE).picture
        )

    def test_resolution_is_1024_unless_said(self, photos, stylemap, tmp_path):
        assert stylemap("data align photos/ada.png --out out --landmarks l.json").code == 0
        assert pixels(tmp_path / "out/ada_00.png").shape == (1024, 1024, 3)

    def test_help(self, stylemap):
        ran = stylemap("data align --help")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("usage: stylemap data align")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("data align", "SOURCE, --out"),
            ("data align photos", "--out"),
            ("data align missing --out out --landmarks l.json", "missing: no such folder, zip or LMDB"),
            ("data align l.json --out out --landmarks l.json", "l.json is neither a folder nor a zip nor an LMDB"),
            ("data align IN/nothing --out out --landmarks l.json", "holds no photo (JPEG, PNG, "),
            ("data align photos --out out --landmarks missing.json", "missing.json: no such file"),
            ("data align photos --out out --landmarks photos/notes.txt", "is not JSON"),
            (
                "data align photos --out out --detector missing.onnx",
                "there is no face detector missing.onnx; `stylemap weights pull yunet",
            ),
            (
                "data align photos --out out --landmarks l.json --resolution 7",
                "'7' is not a whole number from 8 to 4096",
            ),
            ("data align photos --out out --landmarks l.json --resolution x", "'x' is not a whole number"),
            ("data align photos --out out --landmarks l.json --faces some", "'some'"),
            (
                "data align photos --out out --landmarks l.json --workers -1",
                "--workers: '-1' is not a whole number from 0",
            ),
            ("data align photos --out IN/file --landmarks l.json", "cannot write into"),
            ("data align photos --out out --out out --landmarks l.json", "is given twice"),
        ],
    )
    def test_mistakes(self, photos, refused, arguments, reason):
        assert reason in refused(arguments)

    def test_no_detector(self, photos, refused, tmp_path, monkeypatch):
        monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path / "cache"))
        line = refused("data align photos --out out")
        assert f"no face detector in {tmp_path / 'cache'}" in line and "--landmarks" in line


def test_damaged_photos_are_named(photos, stylemap, tmp_path):
    for i in range(7):
        (photos / f"cut{i}.png").write_bytes(half(encoded(np.zeros((64, 64, 3), np.uint8))))
    (tmp_path / "l.json").write_text(
        json.dumps({"ada.png": FACE.tolist()} | {f"cut{i}.png": FACE.tolist() for i in range(7)})
    )
    line = stylemap(RUN).out
    assert "7 unreadable (cut0.png, cut1.png, cut2.png, cut3.png, cut4.png and 2 more)" in line


def test_needs_no_torch():
    code = "import sys, stylemap.cli.align; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_listed_names_are_at_most_five():
    records = [{"source": str(i), "faces": []} for i in range(5)]
    assert verb.summary(records) == "5 photos: 0 faces, 5 without a face (0, 1, 2, 3, 4)"
