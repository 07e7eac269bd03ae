"""A writer that fails at any point leaves the old file, no temporary file, and one line that says what to do."""

import errno
import os
from pathlib import Path

import pytest

from stylemap import files
from stylemap.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_writes_and_replaces(tmp_path):
    files.write_bytes(tmp_path / "a.bin", b"\0\xff\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\0\xff\n"
    files.write_text(str(tmp_path / "a.bin"), "größer\n")
    assert (tmp_path / "a.bin").read_bytes() == "größer\n".encode()
    assert names(tmp_path) == ["a.bin"]


def test_missing_folders_are_made(tmp_path):
    files.write_text(tmp_path / "x" / "y" / "a.txt", "1")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "1"


def test_temporary_file_lies_beside_hidden_and_keeps_the_suffix(tmp_path):
    with files.atomic(tmp_path / "a.png") as temporary:
        assert temporary.parent == tmp_path  # on the same disk, or the rename would be a copy
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".png"
        assert files.TEMPORARY_SUFFIX in temporary.suffixes
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a.png").exists()
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("stem", ["a" * 251, "ü" * 120, "a.b.c", ".hidden", "with space"])
def test_odd_names(tmp_path, stem):
    path = tmp_path / f"{stem}.txt"
    files.write_text(path, "1")
    assert path.read_text() == "1"
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt()])
def test_error_of_the_writer_passes_and_leaves_the_old_file(tmp_path, error):
    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(type(error)), files.atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half of the n")
        raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("target", ["os.fsync", "os.replace", "pathlib.Path.write_bytes"])
@pytest.mark.parametrize("old", ["old", None])
def test_full_disk(tmp_path, monkeypatch, target, old):
    if old is not None:
        files.write_text(tmp_path / "a.txt", old)
    before = names(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(target, full_disk)
        with pytest.raises(InputError, match=r"a\.txt: No space left on device; free some space") as error:
            files.write_text(tmp_path / "a.txt", "new")
    assert "\n" not in str(error.value)
    assert names(tmp_path) == before
    assert old is None or (tmp_path / "a.txt").read_text() == old


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def touch(self, *args, **kwargs):  # simulated, as root may write anywhere
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "touch", touch)
    with pytest.raises(InputError, match=r"cannot write .*a\.txt: Permission denied; choose another folder"):
        files.write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(InputError, match="Permission denied"):
        files.write_text(tmp_path / "closed" / "a.txt", "new")


def test_parent_that_is_a_file(tmp_path):
    files.write_text(tmp_path / "file", "old")
    with pytest.raises(InputError, match="cannot write"):
        files.write_text(tmp_path / "file" / "a.txt", "new")
    assert (tmp_path / "file").read_text() == "old"


def test_target_that_is_a_folder(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        files.write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")
def test_what_cannot_be_appended_names_the_file():
    with pytest.raises(InputError, match="^cannot write /dev/full: No space left on device; free some space"):
        files.append(Path("/dev/full"), "a line\n")


class TestOwnedFolder:
    def test_goes_again_if_nothing_was_put_into_it(self, tmp_path):
        with files.owned(tmp_path / "a" / "b"):
            assert (tmp_path / "a" / "b").is_dir()
        assert names(tmp_path) == []

    def test_stays_with_what_was_put_into_it(self, tmp_path):
        with files.owned(tmp_path / "a" / "b"):
            files.write_text(tmp_path / "a" / "b" / "c", "")
        assert names(tmp_path / "a" / "b") == ["c"]

    def test_that_was_there_stays(self, tmp_path):
        (tmp_path / "a").mkdir()
        with files.owned(tmp_path / "a" / "b"):
            pass
        assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", []), (b"one\ntwo\n", [b"one", b"two"]), (b"one\nha", [b"one"]), (b"ha", [])],
)
def test_half_a_line_is_cut_off(tmp_path, content, lines):
    path = tmp_path / "lines"
    assert files.whole_lines(path) == []
    path.write_bytes(content)
    assert files.whole_lines(path) == lines
    files.append(path, "new\n")
    assert files.whole_lines(path) == [*lines, b"new"]
