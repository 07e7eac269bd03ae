"""A zip made in parallel. It goes on after a kill, appears whole or not at all, and has the same bytes however it was made.

Finished work lies in a folder beside the zip: a small zip, the chunk, for every 256 items. Once all chunks are there, they are
put together, so at the end they need the space of the result once more. A chunk is sealed with a hash of its content; one that
is not as it was written is made again.
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stylemap import files, parallel
from stylemap.datasets.sources import MANIFEST
from stylemap.datasets.sources.zip_entries import BROKEN
from stylemap.errors import InputError

CHUNK = 256  # items; the unfinished folder depends on it, so it is not a setting
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of all entries, the first a zip can hold
RECORDS = "records.json"  # in a chunk
IDENTITY = "identity"
SPARE = 64 << 20  # bytes of the disk that stay free


class Entry(NamedTuple):
    """What an item became: a file in the zip, or nothing."""

    name: str  # in the zip
    data: bytes | None  # None = left out
    record: dict  # where it came from, and why it was left out; JSON


def pack(
    items: Sequence[Any],
    make: Callable[[Any], Entry],
    out: Path,
    identity: str,
    manifest: Callable[[list[dict]], dict],
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Make the zip ``out`` from ``make(item)`` for all items, in their order, and a ``dataset.json``.

    The same call continues a call that was killed. Entries are stored as they are, with no date and no owner.

    Args:
        make: pickled, called in worker processes.
        identity: states everything that the entries depend on; work finished under another identity is made again.
        manifest: from the records of all items, each with its ``name``, to the content of ``dataset.json``. The entries
            that it lists under ``images`` get into the zip, under the ``name`` listed there; where that is a new name,
            ``entry`` says which entry is meant. An InputError means that nothing can be made.
        workers: processes; 0 = this one.
        progress: called with (items done, of all).

    Returns:
        The content of ``dataset.json``.

    Raises:
        InputError: ``out`` exists or is being made by another process, a full disk, or a killed worker.
    """
    _refuse_existing(out)
    work = unfinished(out)
    with files.owned(work):
        _refuse_existing(out)  # another process may have finished in between
        if not _is_of(work, identity):
            _clear(work)
            files.write_text(work / IDENTITY, identity)
        with _hint():
            chunks = _make_chunks(items, make, work, workers, progress)
            records = list(map(_records, chunks))
        try:
            content = manifest([{k: v for k, v in r.items() if k != "bytes"} for part in records for r in part])
        except InputError:
            shutil.rmtree(work)
            raise
        _remove(work / "whole.zip.part")
        with _hint():
            _assemble(dict(zip(chunks, records, strict=True)), content, work / "whole.zip.part")
        os.replace(work / "whole.zip.part", out)
        shutil.rmtree(work)
    return content


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise InputError(f"{out} exists; remove it or choose another --out")


def unfinished(out: Path) -> Path:
    """The folder that holds the finished part of ``out``."""
    return out.with_name(out.name + ".unfinished")


def _is_of(work: Path, identity: str) -> bool:
    try:
        return (work / IDENTITY).read_bytes() == identity.encode()
    except OSError:  # there is none yet, or it is not a file
        return False


def _clear(work: Path) -> None:
    """Remove everything but the lock, which is held."""
    for path in work.iterdir():
        if path.name != files.LOCK:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _hint():
    try:
        yield
    except InputError as err:
        raise InputError(f"{err} (finished work is kept; run the same command again to continue)") from err


# ---- chunks


def _make_chunks(
    items: Sequence[Any], make: Callable[[Any], Entry], work: Path, workers: int, progress: Callable[[int, int], None]
) -> list[Path]:
    chunks = {work / f"{i // CHUNK:06d}.zip": items[i : i + CHUNK] for i in range(0, len(items), CHUNK)}
    missing = {path: part for path, part in chunks.items() if not _is_whole(path, len(part))}
    done = len(items) - sum(map(len, missing.values()))
    progress(done, len(items))
    # Items are given out one by one, not by the chunk, so that a small set also keeps all workers busy
    results = parallel.imap(make, itertools.chain.from_iterable(missing.values()), workers)
    with contextlib.closing(results):
        for path, part in missing.items():
            entries = []
            for entry in itertools.islice(results, len(part)):
                entries.append(entry)
                done += 1
                progress(done, len(items))
            _write_chunk(path, entries)
    return list(chunks)


def _write_chunk(path: Path, entries: list[Entry]) -> None:
    with files.atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for i, entry in enumerate(entries):
            if entry.data is not None:
                archive.writestr(str(i), entry.data)
        records = [{"name": e.name, "bytes": None if e.data is None else len(e.data), **e.record} for e in entries]
        archive.writestr(RECORDS, json.dumps(records))
        archive.comment = _seal(archive)


def _seal(chunk: zipfile.ZipFile) -> bytes:
    """A hash of the names, sizes and checksums of its files. A file is checked against its checksum when it is read."""
    listed = [(info.filename, info.file_size, info.CRC) for info in chunk.infolist()]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest().encode()


def _is_whole(path: Path, items: int) -> bool:
    """Whether a chunk is there as it was written. Anything else under its name is removed."""
    try:
        with zipfile.ZipFile(path) as chunk:
            if chunk.comment == _seal(chunk) and len(json.loads(chunk.read(RECORDS))) == items:
                return True
    except FileNotFoundError:
        return False
    except (OSError, KeyError, *BROKEN):
        pass
    _remove(path)
    return False


def _records(chunk: Path) -> list[dict]:
    with _opened(chunk) as archive:
        return json.loads(archive.read(RECORDS))


# ---- the whole


def _assemble(chunks: dict[Path, list[dict]], content: dict, out: Path) -> None:
    """Write the chosen entries of all chunks, then ``content``, to a file that does not have the final name yet."""
    chosen = {image.pop("entry", image["name"]): image["name"] for image in content["images"]}
    parts = {path: [(i, r) for i, r in enumerate(records) if r["name"] in chosen] for path, records in chunks.items()}
    _check_space(out.parent, sum(record["bytes"] for part in parts.values() for _, record in part))
    try:
        with zipfile.ZipFile(out, "w") as archive:
            for path, part in parts.items():
                with _opened(path) as chunk:
                    for i, record in part:
                        archive.writestr(_info(chosen[record["name"]]), chunk.read(str(i)))
            archive.writestr(_info(MANIFEST), json.dumps(content))
        with open(out, "rb") as f:
            os.fsync(f.fileno())
    except OSError as err:
        out.unlink(missing_ok=True)
        raise InputError(f"cannot write {out}: {err.strerror or err}; free some space") from err


@contextlib.contextmanager
def _opened(chunk: Path):
    try:
        with zipfile.ZipFile(chunk) as archive:
            yield archive
    except BROKEN as err:
        chunk.unlink()
        raise InputError(f"{chunk} was damaged and is removed") from err


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    needed += SPARE
    if free < needed:
        raise InputError(f"{folder} has {free // 10**6} MB free, {-(-needed // 10**6)} MB are needed; free some space")


def _info(name: str) -> zipfile.ZipInfo:
    """An entry that says nothing about the machine or the day."""
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = 3  # Unix, on whatever system it is made
    info.external_attr = 0o644 << 16
    return info
