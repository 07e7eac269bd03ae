"""A folder of faces that were cut out of photos, with a record of each photo, so that a run that was killed goes on."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from stylemap import decoding, files, parallel, reading
from stylemap.datasets import preparing
from stylemap.datasets.sources import Source
from stylemap.errors import InputError
from stylemap.faces.finding import Finder, cut

RECORDS = "faces.jsonl"

Record = dict[str, Any]  # a line of the file: what became of a photo


@dataclass(frozen=True)
class Aligner:
    """(name of a photo, name of its images up to the number) -> its record. The images are written before it is returned."""

    source: Source
    out: Path
    resolution: int
    largest: bool  # face of each photo only
    finder: Finder

    def __call__(self, item: tuple[str, str]) -> Record:
        name, stem = item
        record = {
            "source": name,
            "stamp": self.source.stamp(name),
            "resolution": self.resolution,
            "largest": self.largest,
        }
        record["faces"] = []
        try:
            self.finder.given(name)  # before a photo that is not listed is decoded
        except InputError as err:
            return record | {"reason": str(err)}
        try:
            photo = decoding.decode(self.source.fetch(name), name)
        except InputError as err:
            return record | {"reason": str(err), "unreadable": True}
        record["size"] = [photo.shape[1], photo.shape[0]]
        reason = f"no face was found in {name}"
        for face in self.finder.faces(name, photo):
            try:
                aligned = cut(photo, face, self.resolution)
            except InputError as err:
                reason = f"{name}: {err}"
                continue
            output = f"{stem}_{len(record['faces']):02d}.png"
            png = io.BytesIO()
            # level 3 takes 40 % of the default's time for 6 % more bytes
            Image.fromarray(aligned.picture).save(png, "PNG", compress_level=3)
            files.write_bytes(self.out / output, png.getvalue())
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
        return record if record["faces"] else record | {"reason": reason}

    def align_all(self, names: list[str], workers: int, progress: Callable[[int, int], None]) -> list[Record]:
        """Align the photos that are not on record yet. Returns the records of all.

        Args:
            progress: called with (photos done, of all).

        Raises:
            InputError: the folder was begun with other settings, or holds the faces of other photos.
        """
        stems = dict(preparing.assign_names({name: name for name in names}))
        done = self.done_before(stems)
        items = [(name, stem) for name, stem in stems.items() if name not in done]
        workers = min(workers, len(items)) if len(items) > 1 else 0
        progress(len(stems) - len(items), len(stems))
        with _without_leftovers(self.out), contextlib.closing(parallel.imap(self, items, workers)) as results:
            for number, record in enumerate(results, len(stems) - len(items) + 1):
                files.append(self.out / RECORDS, json.dumps(record) + "\n")
                done[record["source"]] = record
                progress(number, len(stems))
        return [done[name] for name in stems]

    def done_before(self, stems: dict[str, str]) -> dict[str, Record]:
        """The records of photos whose images are all there.

        Raises:
            InputError: the folder holds the faces of other photos under the names that these would get.
        """
        done: dict[str, Record] = {}
        owners = {stem: name for name, stem in stems.items()}
        for record in self.records():
            name, outputs = record["source"], [face["output"] for face in record["faces"]]
            other = name in stems and record.get("stamp") != self.source.stamp(name)
            if other or any(owners.get(output.rpartition("_")[0], name) != name for output in outputs):
                raise InputError(
                    f"{self.out} holds the faces of another {name}, which would be overwritten; choose another --out"
                )
            done.pop(name, None)  # of several records the last counts
            if all((self.out / output).exists() for output in outputs):
                done[name] = record
        return done

    def records(self) -> Iterator[Record]:
        """What earlier runs have done.

        Raises:
            InputError: it was done with other settings, or the file is no record.
        """
        path = self.out / RECORDS
        for number, line in enumerate(files.whole_lines(path), 1):
            try:
                record = reading.parse_json(line, path)
                settings = record["resolution"], record["largest"]
                texts = [record["source"], *(face["output"] for face in record["faces"])]
                if not (all(isinstance(text, str) for text in texts) and (record["faces"] or record["reason"])):
                    raise ValueError
            except (ValueError, KeyError, TypeError, RecursionError) as err:
                raise InputError(
                    f"{path}, line {number} is not a record of this program; choose another --out"
                ) from err
            if settings != (self.resolution, self.largest):
                kept = "largest" if settings[1] else "all"
                raise InputError(
                    f"{self.out} was begun with --resolution {settings[0]} --faces {kept}; choose another --out"
                )
            yield record


@contextlib.contextmanager
def _without_leftovers(out: Path) -> Iterator[None]:
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
