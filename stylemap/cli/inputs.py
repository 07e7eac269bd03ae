"""Pictures named on the command line, and the names of what is made of them."""

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


def unique_names(paths: list[Path], taken: str) -> list[str]:
    """The stem of each path; of equal ones the later get a number, so that none overwrites another, or what is ``taken``."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 2
        while name in (*names, taken):
            name, number = f"{path.stem}-{number}", number + 1
        names.append(name)
    return names
