"""Pictures named on the command line, and the names of what is made of them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from stylemap import decoding
from stylemap.errors import InputError


def pictures(paths: list[str]) -> list[Path]:
    """The files given, and those in the folders given.

    Raises:
        InputError: a folder without pictures.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in decoding.EXTENSIONS) if path.is_dir() else [path]
        )
        if not inside:
            raise InputError(f"{path} holds no JPEG, PNG or WebP pictures")
        found += inside
    return found


def unique_names(
    paths: list[Path], taken: Iterable[str], files: Callable[[str], Iterable[str]] = lambda name: [f"{name}.png"]
) -> list[str]:
    """The stem of each path, or that with a number, so that none overwrites the files of another or what is ``taken``.

    Args:
        files: all that are written under a name.
    """
    names, used = [], set(taken)
    for path in paths:
        name, number = path.stem, 2
        while not used.isdisjoint(files(name)):
            name, number = f"{path.stem}-{number}", number + 1
        names.append(name)
        used.update(files(name))
    return names
