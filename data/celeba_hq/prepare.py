"""CelebAMask-HQ as downloaded -> a zip of squares, a zip of part labels and a table of attributes; train/, val/, test/."""

import csv
import io
import sys
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a checkout that is not installed

from stylemap.cli import preparing, published_data
from stylemap.datasets import published_sets
from stylemap.datasets.parts import PartLabels
from stylemap.datasets.published_sets import Counts
from stylemap.datasets.sources import FORMAT, Source, open_source
from stylemap.errors import InputError
from stylemap.files import write_text

COUNTS = Counts(train=29_000, val=500, test=500)
PICTURES, LABELS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"  # folders
MAPPING, ATTRIBUTES = "CelebA-HQ-to-CelebA-mapping.txt", "CelebAMask-HQ-attribute-anno.txt"


@dataclass(frozen=True)
class Tables:
    """What the text files say about each image, by its number."""

    celeba: dict[int, list[str]]  # index and file name in CelebA
    attributes: list[str]  # names; [] without such a file
    values: dict[int, list[str]]  # "-1" or "1", in the order of the names


@published_data.script
def main(argv: list[str], counts: Counts = COUNTS) -> None:
    arguments = published_data.parser("celeba_hq", __doc__).parse_args(argv)
    out = arguments.out
    maps, table = out.with_name(f"{out.stem}-labels.zip"), out.with_suffix(".csv")
    if table.exists() or (maps.exists() and not out.exists()):  # this command writes them last
        raise InputError(f"{table if table.exists() else maps} exists; remove it or choose another --out")
    source = open_source(arguments.source)
    tables = read_tables(source)
    pictures, labels = inspect(source, tables, counts, arguments.partial)
    stems = {name: f"{counts.split(number)}/{number:05d}" for number, name in pictures.items()}
    if finished(source, stems, arguments):
        print(f"{out} is there already")
    else:
        preparing.write_zip(source, out, {name: f"{stem}.jpg" for name, stem in stems.items()}, arguments)
    if labels is not None:
        labelled = {name: stem for name, stem in stems.items() if name in labels}
        published_data.label_maps(labels, labelled, maps, arguments.workers)
    names = {record["source"]: record["name"] for record in open_source(out).manifest()["images"]}
    write_text(table, tabulate({n: names[name] for n, name in pictures.items() if name in names}, tables))
    print(f"{table}  ({len(names)} images, {len(tables.attributes)} attributes)")


def inspect(source: Source, tables: Tables, counts: Counts, partial: bool) -> tuple[dict[int, str], PartLabels | None]:
    """-> images by number, and the part labels. Raises an InputError if anything is missing and --partial is not given."""
    names = [name for name in source.pictures() if PICTURES in PurePosixPath(name).parts[:-1]]
    pictures, others = published_sets.sort_by_number(names, counts.total)
    if not pictures:
        raise InputError(
            f"{source.path} holds no folder {PICTURES}; name CelebAMask-HQ.zip or what it was unpacked into"
        )
    try:
        labels = PartLabels(source, LABELS)
    except InputError:
        labels = None
    unlabelled = [f"{number:05d}" for number, name in pictures.items() if labels is None or name not in labels]
    unmapped = [f"{number:05d}" for number in pictures if number not in tables.celeba]
    undescribed = [f"{number:05d}" for number in pictures if tables.attributes and number not in tables.values]
    complaints = [
        *published_sets.complaint("missing images", published_sets.missing_numbers(pictures, counts.total)),
        *published_sets.complaint("images too many", others),
        *published_sets.complaint(f"images without labels in {LABELS}", unlabelled),
        *published_sets.complaint(f"images not in {MAPPING}", unmapped),
        *published_sets.complaint(f"images not in {ATTRIBUTES}", undescribed),
    ]
    published_sets.validate_release(source.path, "CelebAMask-HQ", complaints, partial)
    return pictures, labels if len(unlabelled) < len(pictures) else None


def finished(source: Source, places: dict[str, str], arguments: Namespace) -> bool:
    """Whether the same command wrote the images and was killed later."""
    if not arguments.out.exists():
        return False
    content = open_source(arguments.out).manifest()
    if content.get("format") != FORMAT or content.get("options") != asdict(preparing.read_options(arguments)):
        return False  # another command wrote it; `preparing.write_zip` refuses to replace it
    try:
        records = content["images"] + content["duplicates"] + content["left_out"]
        same = {record["source"] for record in records} == set(places)
        return same and content["source"]["name"] == source.path.resolve().name
    except (KeyError, TypeError):  # a zip of another program
        return False


def read_tables(source: Source) -> Tables:
    """Read the text files; a file that is missing gives empty tables."""
    mapping, attributes = read_rows(source, MAPPING), read_rows(source, ATTRIBUTES)
    try:
        celeba = {int(index): [original, file] for index, original, file in mapping[1:]}  # after a line of titles
        names = attributes[1] if attributes else []  # after a line with the number of images
        values = {int(PurePosixPath(file).stem): row for file, *row in attributes[2:] if len(row) == len(names)}
    except (ValueError, IndexError) as err:
        raise InputError(f"{MAPPING} or {ATTRIBUTES} in {source.path} is damaged; unpack or download it again") from err
    return Tables(celeba, names, values)


def read_rows(source: Source, file: str) -> list[list[str]]:
    """The words of each line of a text file, in whatever folder it lies; [] if there is no such file."""
    name = next((name for name in source.names() if PurePosixPath(name).name == file), None)
    lines = source.read(name).decode(errors="replace").splitlines() if name else []
    return [line.split() for line in lines if line.strip()]


def tabulate(pictures: dict[int, str], tables: Tables) -> str:
    """The images as CSV, by number. Cells that the tables do not tell stay empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "split", "celeba_index", "celeba_file", *tables.attributes])
    for number, name in pictures.items():
        celeba = tables.celeba.get(number, ["", ""])
        values = tables.values.get(number, [""] * len(tables.attributes))
        writer.writerow([name, name.split("/")[0], *celeba, *values])
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
