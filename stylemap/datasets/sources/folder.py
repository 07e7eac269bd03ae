"""Files of a folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from stylemap import decoding, naming
from stylemap.datasets.sources.source import Source, file_stamp, refuse_huge
from stylemap.errors import InputError


class Folder(Source):
    """A folder and everything below it. Links are followed; a folder that can be reached twice is entered once."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._renamed: dict[str, str] = {}  # name -> what the system calls the file, where that differs

    def names(self) -> list[str]:
        listed = naming.by_name(self._files())
        self._renamed = {name: file for name, file in listed.items() if name != file}
        return sorted(listed)

    def read_size(self, name: str) -> tuple[int, int]:
        return decoding.read_size(self._file(name), name)

    def read(self, name: str) -> bytes:
        path = self._file(name)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block
            raise InputError(f"{name} is not a file; remove it")
        refuse_huge(name, status.st_size)
        return path.read_bytes()

    def stamp(self, name: str) -> str:
        return file_stamp(self._file(name))

    def _file(self, name: str) -> Path:
        file = self._renamed.get(name)
        if file not in (None, name) and naming.outside(name):  # a backslash may hide that
            raise InputError(f"{name} would lead outside of its folder; rename the file")
        return self.path / (file or name)

    def _files(self) -> Iterator[str]:
        entered = set()  # ends loops of links
        for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_refuse):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in entered:
                subfolders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            # sorted: which of two ways to a folder comes first must not depend on the disk
            subfolders[:] = sorted(name for name in subfolders if not naming.hidden(name))
            yield from (Path(folder, file).relative_to(self.path).as_posix() for file in files)


class OneFile(Folder):
    """A folder of which only this file is seen."""

    def __init__(self, file: Path):
        super().__init__(file.parent)
        self._renamed = {naming.canonical(file.name): file.name}

    def names(self) -> list[str]:
        return list(self._renamed)


def _refuse(err: OSError) -> None:
    raise InputError(f"cannot list {err.filename}: {err.strerror}; make it readable or move it away") from err
