"""``stylemap data align``: photos of any kind -> one aligned image for each face, as FFHQ was made."""

import argparse
import contextlib
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from stylemap import decoding, faces, files, naming, parallel, reading
from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.datasets import preparing
from stylemap.datasets.sources import OneFile, Source, open_source
from stylemap.errors import InputError, Note, listed

RECORDS = "faces.jsonl"
NAMED = 5  # photos without a face that are spelled out

Record = dict[str, Any]  # a line of faces.jsonl


def align(parser: Parser) -> None:
    """Cut every face out of photos, turned upright and sized like FFHQ's. FOLDER/faces.jsonl tells where each was. If it
    is killed, run the same command again to continue."""
    parser.add_argument("source", metavar="SOURCE", help="Photo, or a folder, zip or LMDB of photos.")
    flags.add_out_folder(parser, "PHOTO_00.png and so on")
    flags.add(parser, "--resolution", default=1024)
    flags.add(parser, "--landmarks", "--detector")
    parser.add_argument("--faces", choices=("all", "largest"), default="all", help="Faces to take of each photo.")
    flags.add(parser, "--workers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    source, names = open_photos(arguments.source)
    folder = Path(arguments.source).resolve()
    if folder.is_dir() and folder in (arguments.out.resolve(), *arguments.out.resolve().parents):
        raise InputError(
            f"--out {arguments.out} lies in {arguments.source}: faces would be taken for photos; choose another"
        )
    finder = faces.Finder(arguments.landmarks, arguments.detector)
    largest = arguments.faces == "largest"
    aligner = Aligner(source, arguments.out, arguments.resolution, largest, finder.detector)
    with files.owned(arguments.out):
        records = align_all(aligner, finder, names, arguments.workers)
    print(describe(records))
    if not any(record["faces"] for record in records):
        first = records[0]
        raise InputError(f"no face in any of {_count(records, 'photo')} of {arguments.source}; {first['reason']}")


def open_photos(path: str) -> tuple[Source, list[str]]:
    """A photo, or whatever `open_source` opens, and the names of the photos in it.

    Raises:
        InputError: nothing of the kind, or no photo in it.
    """
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


@dataclass(frozen=True)
class Aligner:
    """(name of a photo, name of its images up to the number, its faces) -> its record.

    Instead of faces there may be the reason why there are none, or None: look for them.

    Pickled to working processes. The images are written when the record is returned.
    """

    source: Source
    out: Path
    resolution: int
    largest: bool
    detector: Any

    def __call__(self, item: tuple[str, str, list[faces.Face] | str | None]) -> Record:
        name, stem, given = item
        record = {
            "source": name,
            "stamp": self.source.stamp(name),
            "resolution": self.resolution,
            "largest": self.largest,
        }
        record["faces"] = []
        if isinstance(given, str):
            return {**record, "reason": given}
        try:
            photo = decoding.decode(self.source.fetch(name), name)
        except InputError as err:
            return {**record, "reason": str(err), "unreadable": True}
        detected = given if given is not None else faces.by_size(self.detector(photo))
        record["size"] = [photo.shape[1], photo.shape[0]]
        reason = f"no face was found in {name}"
        for face in detected:
            try:
                aligned = faces.cut(photo, face, self.resolution)
            except InputError as err:
                reason = f"{name}: {err}"
                continue
            output = f"{stem}_{len(record['faces']):02d}.png"
            files.write_bytes(self.out / output, png(aligned.picture))
            record["faces"].append(
                {
                    "output": output,
                    "landmarks": face.landmarks.round(3).tolist(),
                    "quad": aligned.alignment.quad.round(3).tolist(),
                    "score": None if face.score is None else round(face.score, 4),
                }
            )
            if self.largest:
                break
        return record if record["faces"] else {**record, "reason": reason}


def align_all(aligner: Aligner, finder: faces.Finder, names: list[str], workers: int) -> list[Record]:
    """Align the photos that are not on record yet, under a progress bar. Returns the records of all."""
    path = aligner.out / RECORDS
    stems = dict(preparing.assign_names({name: name for name in names}))
    done = already_done(path, aligner, stems)
    items = [(name, stem, _given(finder, name)) for name, stem in stems.items() if name not in done]
    workers = min(workers, len(items)) if len(items) > 1 else 0
    with (
        without_leftovers(aligner.out),
        contextlib.closing(parallel.imap(aligner, items, workers)) as results,
        tqdm(
            unit=" photos", total=len(stems), initial=len(stems) - len(items), disable=None, dynamic_ncols=True
        ) as bar,
    ):
        for record in results:
            files.append(path, json.dumps(record) + "\n")
            done[record["source"]] = record
            bar.update()
    return [done[name] for name in stems]


@contextlib.contextmanager
def without_leftovers(out: Path) -> Iterator[None]:
    """Remove images that are written in part, before and after.

    Before, since processes of a killed run may outlive it for a moment; after, since ours are killed when this run ends early.
    """

    def remove() -> None:
        for leftover in out.rglob(f".*{files.TEMPORARY_SUFFIX}.png"):
            leftover.unlink(missing_ok=True)

    remove()
    try:
        yield
    finally:
        remove()


def already_done(path: Path, aligner: Aligner, stems: dict[str, str]) -> dict[str, Record]:
    """The records of photos whose images are all there.

    Raises:
        InputError: the folder holds the faces of other photos under the names that these would get.
    """
    done: dict[str, Record] = {}
    owners = {stem: name for name, stem in stems.items()}
    for record in read_records(path, aligner):
        name, outputs = record["source"], [face["output"] for face in record["faces"]]
        other = name in stems and record.get("stamp") != aligner.source.stamp(name)
        if other or any(owners.get(output.rpartition("_")[0], name) != name for output in outputs):
            raise InputError(
                f"{path.parent} holds the faces of another {name}, which would be overwritten; choose another --out"
            )
        done.pop(name, None)  # of several records the last counts
        if all((aligner.out / output).exists() for output in outputs):
            done[name] = record
    return done


def _given(finder: faces.Finder, name: str) -> list[faces.Face] | str | None:
    """The listed faces, or why there are none; None without a list."""
    try:
        return finder.given(name)
    except InputError as err:
        return str(err)


def read_records(path: Path, aligner: Aligner) -> Iterator[Record]:
    """What an earlier run has done; half a line, which a kill leaves, is cut off.

    Raises:
        InputError: it was done with other settings, or the file is no record.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        files.write_bytes(path, whole)
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            record = reading.parse_json(line, path)
            settings = record["resolution"], record["largest"]
            texts = [record["source"], *(face["output"] for face in record["faces"])]
            if not (all(isinstance(text, str) for text in texts) and (record["faces"] or record["reason"])):
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise InputError(f"{path}, line {number} is not a record of this program; choose another --out") from err
        if settings != (aligner.resolution, aligner.largest):
            kept = "largest" if settings[1] else "all"
            raise InputError(
                f"{path.parent} was begun with --resolution {settings[0]} --faces {kept}; choose another --out"
            )
        yield record


def describe(records: list[Record]) -> str:
    """One line for a person."""
    unreadable = [r["source"] for r in records if r.get("unreadable")]
    without = [r["source"] for r in records if not r["faces"] and not r.get("unreadable")]
    detected = [face for record in records for face in record["faces"]]
    line = f"{_count(records, 'photo')}: {_count(detected, 'face')}"
    return line + _listed(without, "without a face") + _listed(unreadable, "unreadable")


def _count(items: list, what: str) -> str:
    return f"{len(items)} {what}{'s' * (len(items) != 1)}"


def _listed(names: list[str], what: str) -> str:
    if not names:
        return ""
    return f", {len(names)} {what} ({listed(names, NAMED)})"


def png(picture) -> bytes:
    """uint8 [H, W, 3] -> a PNG; level 3 takes 40 % of the default's time for 6 % more bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
