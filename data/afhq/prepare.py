"""AFHQ or AFHQ v2 as downloaded -> one zip of squares, in train/, val/ and test/, with a folder for each class."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a checkout that is not installed

from stylemap.cli import preparing, published_data
from stylemap.datasets import published_sets
from stylemap.datasets.sources import open_source
from stylemap.datasets.splitting import smallest_hashes
from stylemap.errors import InputError

CLASSES = ("cat", "dog", "wild")
Folders = dict[tuple[str, str], dict[str, str]]  # (folder, class) -> {class/file name without extension: path}


@dataclass(frozen=True)
class Release:
    """What an archive holds, by class in the order of CLASSES, and how many images of its held-out folder stay held out."""

    title: str
    heldout: str  # the folder
    train_count: tuple[int, int, int]
    heldout_count: tuple[int, int, int]
    val: int = 500
    test: int = 500

    def shares(self, total: int) -> dict[str, int]:
        """``total`` spread evenly over all classes, even if only some are chosen: a class is always split the same way."""
        return {name: total // len(CLASSES) + (i < total % len(CLASSES)) for i, name in enumerate(CLASSES)}


RELEASES = (
    Release("AFHQ", "val", (5153, 4739, 4738), (500, 500, 500)),
    Release("AFHQ v2", "test", (5065, 4678, 4593), (493, 491, 483)),
)


@published_data.script
def main(argv: list[str], releases: tuple[Release, ...] = RELEASES) -> None:
    arguments = parse(argv)
    source = open_source(arguments.source)
    folders, others = sort_out(source.pictures())
    release = recognise(source.path, folders, releases)
    chosen = [name for name in CLASSES if name in (arguments.classes or CLASSES)]
    complaints = [*wrong_counts(folders, release, chosen), *published_sets.complaint("images too many", others)]
    published_sets.validate_release(source.path, release.title, complaints, arguments.partial)
    places = {}
    for name in chosen:
        places.update(split(folders.get(("train", name), {}), folders.get((release.heldout, name), {}), release, name))
    if not places:
        raise InputError(f"{source.path} holds no image of {', '.join(chosen)}; choose other --classes")
    preparing.write_zip(source, arguments.out, places, arguments)


def parse(argv: list[str]):
    parser = published_data.parser("afhq", __doc__)
    parser.add_argument(
        "--classes", nargs="+", choices=CLASSES, metavar="CLASS", help="some of cat dog wild; default: all"
    )
    return parser.parse_args(argv)


def sort_out(names: Iterable[str]) -> tuple[Folders, list[str]]:
    """-> images by folder and class, and those that lie elsewhere."""
    folders: Folders = {}
    others = []
    for name in names:
        path = PurePosixPath(name)
        folder, kind = (*path.parts[-3:-1], "", "")[:2]
        if folder in ("train", "val", "test") and kind in CLASSES:
            folders.setdefault((folder, kind), {})[f"{kind}/{path.stem}"] = name
        else:
            others.append(name)
    return folders, others


def recognise(path: Path, folders: Folders, releases: tuple[Release, ...]) -> Release:
    """The release, by the name of its held-out folder."""
    present = {folder for folder, _ in folders}
    matching = [release for release in releases if release.heldout in present]
    if len(matching) == 1:
        return matching[0]
    what = "train/, val/ and test/" if matching else "neither val/ nor test/ with the folders cat, dog, wild"
    raise InputError(f"{path} holds {what}; name afhq.zip, afhq_v2.zip, or what one of them was unpacked into")


def wrong_counts(folders: Folders, release: Release, chosen: list[str]) -> list[str]:
    wrong = []
    for i, name in enumerate(CLASSES):
        for folder, counts in (("train", release.train_count), (release.heldout, release.heldout_count)):
            count = len(folders.get((folder, name), {}))
            if name in chosen and count != counts[i]:
                wrong.append(f"{folder}/{name} holds {count} images instead of {counts[i]}")
    return wrong


def split(train: dict[str, str], heldout: dict[str, str], release: Release, kind: str) -> dict[str, str]:
    """The places of one class. In the held-out folder the smallest SHA-1 become val, the next test; the rest is trained on."""
    val, test = (release.shares(total)[kind] for total in (release.val, release.test))
    if len(heldout) < val + test:  # an incomplete archive
        val, test = len(heldout) // 2, len(heldout) // 2
    order = smallest_hashes(sorted(heldout), len(heldout))
    parts = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    places = {path: f"train/{key}.png" for key, path in train.items()}
    return places | {heldout[key]: f"{part}/{key}.png" for part, keys in parts.items() for key in keys}


if __name__ == "__main__":
    sys.exit(main())
