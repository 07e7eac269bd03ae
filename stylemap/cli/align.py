"""``stylemap data align``: photos of any kind -> one aligned image for each face, as FFHQ was made."""

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import files
from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.preparing import Bar
from stylemap.errors import InputError, Note, listed

if TYPE_CHECKING:
    from stylemap.datasets.sources import Source
    from stylemap.faces.folder import Record

NAMED = 5  # photos without a face that are spelled out


def align(parser: Parser) -> None:
    """Cut the faces out of photos, turned upright and sized like FFHQ's. FOLDER/faces.jsonl tells where each was. If it
    is killed, run the same command again to continue."""
    parser.add_argument("source", metavar="SOURCE", help="Photo, or a folder, zip or LMDB of photos.")
    flags.add_out_folder(parser, "PHOTO_00.png and so on")
    flags.add(parser, "--resolution", default=1024)
    flags.add(parser, "--landmarks", "--detector")
    parser.add_argument("--faces", choices=("all", "largest"), default="all", help="Faces to take of each photo.")
    flags.add(parser, "--workers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap.faces import Finder
    from stylemap.faces.folder import Aligner

    source, names = open_photos(arguments.source)
    folder = Path(arguments.source).resolve()
    if folder.is_dir() and folder in (arguments.out.resolve(), *arguments.out.resolve().parents):
        raise InputError(
            f"--out {arguments.out} lies in {arguments.source}: faces would be taken for photos; choose another"
        )
    finder = Finder(arguments.landmarks, arguments.detector)
    aligner = Aligner(source, arguments.out, arguments.resolution, arguments.faces == "largest", finder)
    with files.owned(arguments.out), Bar("photos") as bar:
        records = aligner.align_all(names, arguments.workers, bar)
    print(summary(records))
    if not any(record["faces"] for record in records):
        first = records[0]
        raise InputError(f"no face in any of {counted(len(records), 'photo')} of {arguments.source}; {first['reason']}")


def open_photos(path: str) -> "tuple[Source, list[str]]":
    """A photo, or whatever `open_source` opens, and the names of the photos in it.

    Raises:
        InputError: nothing of the kind, or no photo in it.
    """
    from stylemap import decoding, naming
    from stylemap.datasets.sources import OneFile, open_source

    file = Path(path)
    if file.is_file() and file.suffix.lower() in decoding.EXTENSIONS:
        source = OneFile(file)
        return source, source.names()
    source = open_source(path)
    names, others = source.listing()
    if missed := naming.missed(naming.kinds(others)):
        warnings.warn(Note(f"{path}: {missed}"), stacklevel=2)
    if not names:
        raise InputError(f"{path} holds no photo ({decoding.READABLE}); add some or convert them")
    return source, names


def summary(records: "list[Record]") -> str:
    """One line for a person."""
    line = f"{counted(len(records), 'photo')}: {counted(sum(len(r['faces']) for r in records), 'face')}"
    without = [r["source"] for r in records if not r["faces"] and not r.get("unreadable")]
    unreadable = [r["source"] for r in records if r.get("unreadable")]
    for names, what in ((without, "without a face"), (unreadable, "unreadable")):
        if names:
            line += f", {len(names)} {what} ({listed(names, NAMED)})"
    return line


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
