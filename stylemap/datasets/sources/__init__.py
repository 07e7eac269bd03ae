"""Where the bytes of a data set lie: a folder, a zip or an LMDB, read by name. Nothing here imports torch.

A source works in loading processes however they start. It is pickled as a path, and each process opens the file for itself,
because processes that share one handle would move each other's position.
"""

import zipfile
from pathlib import Path

from stylemap import naming
from stylemap.datasets.sources.archive import FORMAT, Archive
from stylemap.datasets.sources.folder import Folder, OneFile
from stylemap.datasets.sources.lmdb import Lmdb
from stylemap.datasets.sources.source import MANIFEST, Source
from stylemap.errors import InputError

__all__ = ["FORMAT", "MANIFEST", "Archive", "Folder", "Lmdb", "OneFile", "Source", "open_source"]


def open_source(path: str | Path, side: int | None = None) -> Source:
    """Open a folder, a zip, an LMDB, or a folder of LMDBs: ``LMDB_train``, ``LMDB_val``, ``LMDB_test``, or another of
    `naming.SPLIT_FOLDERS`.

    Args:
        side: where an LMDB holds several sizes, take the smallest that is not below this side; None = the largest.

    Raises:
        InputError: no such path, none of these, or broken.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder, zip or LMDB; check the path")
    if path.is_dir():
        if (path / "data.mdb").is_file():
            return Lmdb(path, {"": path}, side)
        splits = _find_lmdb_splits(path)
        return Lmdb(path, splits, side) if splits else Folder(path)
    if path.suffix.lower() in (".mdb", ".lmdb"):
        return Lmdb(path, {"": path}, side)
    if path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path):
        raise InputError(f"{path} is neither a folder nor a zip nor an LMDB; name one that holds images")
    return Archive(path)


def _find_lmdb_splits(folder: Path) -> dict[str, Path]:
    """Split -> its LMDB: ``LMDB_train`` and so on."""
    splits: dict[str, Path] = {}
    for path in sorted(folder.glob("[Ll][Mm][Dd][Bb]_*")):
        split = naming.split_of(path.name[len("LMDB_") :])
        if split and (path / "data.mdb").is_file():
            if split in splits:
                raise InputError(f"{splits[split]} and {path} are both the split {split}; move one away")
            splits[split] = path
    return splits
