"""Images named on the command line, and the names of what is made of them."""

import argparse
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from stylemap.errors import InputError, Note


def pictures(paths: list[str]) -> list[Path]:
    """The files given, and those in the folders given; a note tells of what is passed over there.

    Raises:
        InputError: a folder without images.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        files += _inside(path) if path.is_dir() else [path]
    return files


def _inside(folder: Path) -> list[Path]:
    from stylemap import decoding, naming

    entries = sorted(entry for entry in folder.iterdir() if not naming.hidden(naming.canonical(entry.name)))
    files = [entry for entry in entries if not entry.is_dir()]
    inside = [file for file in files if naming.extension(file.name) in decoding.EXTENSIONS]
    others = naming.missed(naming.kinds(file.name for file in files if file not in inside))
    if not inside:
        raise InputError(f"{folder} holds no image ({decoding.READABLE})" + (f"; {others}" if others else ""))
    deeper = len(entries) - len(files)
    notes = [others, f"passed over {deeper} folder{'s' * (deeper != 1)} in it" if deeper else None]
    for note in filter(None, notes):
        warnings.warn(Note(f"{folder}: {note}"), stacklevel=3)
    return inside


def unique_names(
    paths: list[Path], taken: Iterable[str], files: Callable[[str], Iterable[str]] = lambda name: [f"{name}.png"]
) -> list[str]:
    """The stem of each path, or that with a number, so that none overwrites the files of another or what is ``taken``, also
    where the file system takes no notice of case.

    Args:
        files: all that are written under a name.
    """
    from stylemap import naming

    names, used = [], set(map(naming.folded, taken))
    for path in paths:
        stem = PurePosixPath(naming.canonical(path.name)).stem
        name, number = stem, 2
        while not used.isdisjoint(map(naming.folded, files(name))):
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
        used.update(map(naming.folded, files(name)))
    return names


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Refuse to write over a file that was given to be read, or into a folder of such files.

    Raises:
        InputError: naming it.
    """
    read = {Path(path).resolve(): path for path in inputs}
    folders = {path for path in read if path.is_dir()}
    for path in outputs:
        whole = path.resolve()
        if whole in read and whole not in folders:
            raise InputError(f"{path} is one of the files to read and would be overwritten; give another --out")
        if inside := folders & {whole, *whole.parents}:
            raise InputError(
                f"{path} would be written into {read[inside.pop()]}, which is read; write to another folder"
            )


def check_networks(arguments: argparse.Namespace) -> None:
    """InputError if ``--vgg`` or ``--inception`` names a file that is not there."""
    for flag, path in (("--vgg", arguments.vgg), ("--inception", arguments.inception)):
        if path and not Path(path).is_file():
            raise InputError(f"{flag} {path}: no such file; give the path of the weights, or leave the flag out")


def only_with(needed: str, arguments: argparse.Namespace, *names: str) -> None:
    """InputError if one of these flags is given, which need another flag."""
    for name in names:
        if getattr(arguments, name, None):
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} goes with {needed}; add {needed}, or leave {flag} out")
