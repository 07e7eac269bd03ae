"""FFHQ as downloaded -> one zip of squares, in train/, val/ and test/."""

import json
import sys
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a checkout that is not installed

from stylemap.cli import preparing, published_data
from stylemap.datasets import published_sets
from stylemap.datasets.published_sets import Counts
from stylemap.datasets.sources import Source, open_source
from stylemap.errors import InputError

COUNTS = Counts(train=69_000, val=500, test=500)
FULL_SIZE = "images1024x1024"  # their folder, where the download holds thumbnails and uncropped photos too


@published_data.script
def main(argv: list[str], counts: Counts = COUNTS) -> None:
    arguments = parse(argv)
    source = open_source(arguments.source)
    pictures, others = published_sets.sort_by_number(at_full_size(source.pictures()), counts.total)
    if not pictures:
        raise InputError(f"{source.path} holds no image named 00000.png or the like; name the folder with them")
    complaints = [
        *published_sets.complaint("missing images", published_sets.missing_numbers(pictures, counts.total)),
        *published_sets.complaint("images too many", others),
    ]
    published_sets.validate_release(source.path, "FFHQ", complaints, arguments.partial)
    if arguments.metadata:
        for number in verify(source, pictures, arguments):
            del pictures[number]
    places = {name: f"{counts.split(number)}/{number:05d}.png" for number, name in pictures.items()}
    preparing.write_zip(source, arguments.out, places, arguments)


def parse(argv: list[str]):
    parser = published_data.parser("ffhq", __doc__)
    parser.add_argument("--metadata", type=Path, metavar="JSON", help="ffhq-dataset-v2.json: check every file's MD5")
    return parser.parse_args(argv)


def at_full_size(names: list[str]) -> list[str]:
    """The images in the folder for full size; all if there is no such folder."""
    return [name for name in names if FULL_SIZE in PurePosixPath(name).parts[:-1]] or names


def verify(source: Source, pictures: dict[int, str], arguments) -> list[int]:
    """The numbers of damaged images. Raises an InputError if there are any and --partial is not given."""
    sums = read_sums(arguments.metadata)
    listed = {number: name for number, name in pictures.items() if number in sums}
    checksums = {name: sums[number] for number, name in listed.items()}
    with preparing.Bar("checksums") as bar:
        damaged = set(published_sets.find_damaged(source, checksums, arguments.workers, bar))
    print(f"{len(listed) - len(damaged)} of {len(pictures)} images have the MD5 that {arguments.metadata} lists")
    complaints = published_sets.complaint("images with another MD5", sorted(damaged))
    published_sets.validate_release(source.path, "FFHQ", complaints, arguments.partial)
    return [number for number, name in listed.items() if name in damaged]


def read_sums(path: Path) -> dict[int, str]:
    """Number -> hexadecimal MD5 of the file."""
    try:
        pictures = [record["image"] for record in json.loads(path.read_bytes()).values()]
        return {int(PurePosixPath(p["file_path"]).stem): str(p["file_md5"]) for p in pictures}
    except OSError as err:
        raise InputError(f"--metadata {path} cannot be read: {err.strerror}; check the path") from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise InputError(f"--metadata {path} is not FFHQ's ffhq-dataset-v2.json; download it again") from err


if __name__ == "__main__":
    sys.exit(main())
