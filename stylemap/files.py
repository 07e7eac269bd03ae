"""Opening files, and writing them: a kill at any time leaves the old file or the new one, never a part of it."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from stylemap.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

TEMPORARY_SUFFIX = ".part"  # only a kill leaves such files; they are never read and may be deleted
LOCK = ".lock"  # in a folder that one process owns
LOST = (  # what some files hold in place of their content
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"version http", "a Git LFS pointer"),
    (bytes(12), "nothing but zeros"),
)
MARK = 12  # bytes at its start that tell


def opened(path: str | Path, name: str | Path | None = None) -> BinaryIO:
    """Open a file to read it.

    Args:
        name: what errors call it; None = the path.

    Raises:
        InputError: it is missing, or cannot be opened.
    """
    try:
        return Path(path).open("rb")
    except FileNotFoundError as err:
        raise InputError(f"{name or path}: no such file") from err
    except (OSError, ValueError) as err:  # ValueError: a zero byte in the path
        reason = getattr(err, "strerror", None) or err
        raise InputError(f"{name or path} cannot be read: {reason}; check the path") from err


def substitute(start: bytes) -> str | None:
    """What a file with these first bytes holds in place of its content, which was lost on the way; None: nothing of that kind."""
    return next((what for mark, what in LOST if start.lower().startswith(mark)), None)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed and renamed over ``path``.

    The folder is made if missing. On any error the temporary file is removed and ``path`` is untouched. The temporary
    name keeps ``path``'s extension, so writers that choose a format by name work.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    if not path.name:
        raise InputError(f"cannot write {str(path)!r}: it names no file")
    temporary = path.with_name(f".{uuid.uuid4().hex}{TEMPORARY_SUFFIX}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except (FileExistsError, NotADirectoryError) as err:
        raise InputError(f"cannot write {path}: {path.parent} is not a folder; choose another") from err
    except OSError as err:
        raise InputError(f"cannot write {path}: {err.strerror}; choose another folder") from err
    try:
        yield temporary
        with open(temporary, "rb") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as err:
        raise InputError(
            f"cannot write {path}: {err.strerror or err}; free some space or choose another folder"
        ) from err
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, and remove the temporary files of killed ones (not in its subfolders).

    The folder is made if missing, and removed again if it stays empty. The system releases the lock when the process ends in any
    way. Windows has no such locks: there nothing is kept out.

    Raises:
        InputError: another process owns the folder, or it cannot be made.
    """
    lock = folder / LOCK
    made = make_folder(folder, exist_ok=True)
    try:
        handle = open(lock, "w")  # noqa: SIM115 (held until the end)
    except OSError as err:
        raise InputError(f"cannot write into {folder}: {err.strerror}; choose another folder") from err
    with handle:
        if not locked(handle):
            raise InputError(f"{folder} is in use by another process; wait for it or choose another folder")
        try:
            remove_temporary(folder)
            yield
        finally:
            lock.unlink(missing_ok=True)
            remove_empty(made)


def locked(file: IO) -> bool:
    """Lock an open file against other processes until it is closed. False: another has it, or has removed or renamed it since
    it was opened. Windows has no such locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except (BlockingIOError, FileNotFoundError):
        return False


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files of killed processes from a folder that no other process writes to."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}*"):
        leftover.unlink(missing_ok=True)


def make_folder(folder: Path, exist_ok: bool = False) -> list[Path]:
    """Make a folder, and those it lies in. Returns those that were missing, the inner ones first.

    Raises:
        InputError: it cannot be made.
        FileExistsError: it is there already, without ``exist_ok``.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as err:
        if isinstance(err, FileExistsError) and not exist_ok:
            raise
        raise InputError(f"cannot write into {folder}: {err.strerror}; choose another folder") from err
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty. Inner folders come before outer ones."""
    with contextlib.suppress(OSError):  # this one is not empty, and so no outer one is
        for folder in folders:
            folder.rmdir()


def append(path: Path, text: str) -> None:
    """Write ``text`` behind what a file holds, as UTF-8. A kill or a full disk may leave half of it.

    Raises:
        InputError: the disk is full, or the folder is gone.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as err:
        raise InputError(f"cannot write {path}: {err.strerror}; free some space, then go on") from err


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that `append` wrote; none if there is no file. Half a line, which a kill leaves, is cut off it.

    Raises:
        OSError: the file is there and cannot be read.
        InputError: it cannot be written.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        write_bytes(path, whole)
    return whole.splitlines()


def write_bytes(path: str | Path, data: bytes) -> None:
    """Atomically write ``data``."""
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Atomically write ``text`` as UTF-8."""
    write_bytes(path, text.encode())


def copy(source: Path, path: Path) -> None:
    """Atomically make ``path`` a copy of a file, sharing the bytes where the disk can."""
    with atomic(path) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
