"""Published data sets as they are downloaded: whether they are complete, and which image is in which split."""

import functools
import hashlib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stylemap import parallel
from stylemap.datasets.sources import Source
from stylemap.errors import InputError, Note

NUMBER = re.compile(r"(?:img)?([0-9]{1,12})")  # 00012.png, or img00000012.png as in NVIDIA's zips
NAMED = 3  # names that a complaint lists


@dataclass(frozen=True)
class Counts:
    """Images in each split of a set whose images are numbered from 0: first the training images, then val, then test."""

    train: int
    val: int
    test: int

    @property
    def total(self) -> int:
        return self.train + self.val + self.test

    def split(self, number: int) -> str:
        """The split of an image, 0 <= number < total."""
        return "train" if number < self.train else "val" if number < self.train + self.val else "test"


def sort_by_number(names: Iterable[str], total: int) -> tuple[dict[int, str], list[str]]:
    """Find the images that are named by their number -> ({number below ``total``: name}, names without such a number).

    Raises:
        InputError: two images have the same number.
    """
    pictures: dict[int, str] = {}
    others = []
    for name in names:
        match = NUMBER.fullmatch(PurePosixPath(name).stem)
        number = int(match[1]) if match else total
        if number >= total:
            others.append(name)
        elif number in pictures:
            raise InputError(f"{pictures[number]} and {name} are both image {number}; name the folder with one of them")
        else:
            pictures[number] = name
    return dict(sorted(pictures.items())), others


def missing_numbers(pictures: Mapping[int, str], total: int) -> list[str]:
    """The numbers below ``total`` that no image has, five digits each."""
    return [f"{number:05d}" for number in range(total) if number not in pictures]


def complaint(what: str, names: Sequence[str]) -> list[str]:
    """[] if there are no names, else one phrase: "missing images: 2 (00003, 00007)"."""
    if not names:
        return []
    more = ", ..." if len(names) > NAMED else ""
    return [f"{what}: {len(names)} ({', '.join(names[:NAMED])}{more})"]


def validate_release(path: Path, title: str, complaints: Sequence[str], partial: bool) -> None:
    """Raise an InputError if an archive is not as published. With ``partial`` a note tells of it, and it is taken as it is."""
    if not complaints:
        return
    finding = f"{path} is not {title} as published: {'; '.join(complaints)}"
    if not partial:
        raise InputError(f"{finding}; download it again, or take what is there with --partial")
    warnings.warn(Note(f"{finding}; taken as it is"), stacklevel=2)


def find_damaged(
    source: Source,
    checksums: Mapping[str, str],
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """The files whose MD5 is not the one given.

    Args:
        checksums: name -> hexadecimal MD5 of the whole file.
        workers: processes; 0 = this one.
        progress: called with (files done, of all).
    """
    damaged = []
    sums = parallel.imap(functools.partial(_md5, source), list(checksums), workers)
    for done, (name, md5) in enumerate(zip(checksums, sums, strict=True), start=1):
        if md5 != checksums[name].lower():
            damaged.append(name)
        progress(done, len(checksums))
    return damaged


def _md5(source: Source, name: str) -> str:
    try:
        return hashlib.md5(source.read(name), usedforsecurity=False).hexdigest()
    except InputError:  # so damaged that it cannot be unpacked
        return ""
