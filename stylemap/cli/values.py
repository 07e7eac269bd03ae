"""Values of flags: bounded numbers, ranges, lists, names, files to write. A wrong value is answered in one line.

An instance is the ``type`` of a flag. Its text is what the help says of the value.
"""

import argparse
import contextlib
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stylemap.errors import InputError, shortened
from stylemap.photos import output_formats

MOST_LISTED = 100_000
FORMS = {int: r"[-+]?[0-9]+", float: r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"}
PICTURES = tuple(output_formats.FORMATS)
FILMS = (".gif", ".webp", ".png", ".mp4")
CLIPS = (".mp4", ".mov", ".mkv", ".webm")


class Described:
    """A type whose text says what values it takes, in the help of its flags."""


@dataclass(frozen=True)
class Number(Described):
    """A number within bounds, both included."""

    low: float
    high: float = math.inf
    kind: type = int

    def __call__(self, text: str) -> float:
        value = math.nan
        if re.fullmatch(FORMS[self.kind], text):
            with contextlib.suppress(ValueError):  # Python reads no number of thousands of digits
                value = self.kind(text)
        if not self.low <= value <= self.high or value == math.inf:
            refuse(text, f"{'a whole number' if self.kind is int else 'a number'} {self.bounds}")
        return value

    @property
    def bounds(self) -> str:
        return f"from {self.low:.12g}" + ("" if self.high in (math.inf, 2**63 - 1) else f" to {self.high:.12g}")

    def __str__(self) -> str:
        return self.bounds


def whole(low: int, high: float = math.inf) -> Number:
    """A whole number from ``low`` to ``high``."""
    return Number(low, high)


def real(low: float, high: float = math.inf) -> Number:
    """A number from ``low`` to ``high``."""
    return Number(low, high, float)


@dataclass(frozen=True)
class Range(Described):
    """ "2..5" -> (2, 5), both included. A single whole number is a range of one."""

    number: Number

    def __call__(self, text: str) -> tuple[float, float]:
        first, dots, last = text.partition("..")
        whole = self.number.kind is int
        try:
            low, high = self.number(first), self.number(last if dots or not whole else first)
        except argparse.ArgumentTypeError:
            low, high = 1, 0
        if low > high or (low == high and not whole):
            refuse(text, f"a range like {'2..5 or 2' if whole else '0..0.5'}, with numbers {self.number}")
        return low, high

    def __str__(self) -> str:
        return f"a range like {'2..5' if self.number.kind is int else '0..0.5'}, with numbers {self.number}"


@dataclass(frozen=True)
class Numbers(Described):
    """ "0..3,7" -> [0, 1, 2, 3, 7]: numbers and ranges of whole numbers, each number once."""

    number: Number
    most: int = MOST_LISTED

    def __call__(self, text: str) -> list[float]:
        values: dict[float, None] = {}
        for part in text.split(","):
            first, dots, last = part.partition("..")
            try:
                if dots:
                    low, high = (Number(self.number.low, self.number.high)(end) for end in (first, last))
                    span = range(low, high + 1)
                    numbers = [self.number.kind(k) for k in span[: self.most + 1]]
                else:
                    numbers = [self.number(part)]
            except argparse.ArgumentTypeError:
                numbers = []
            if not numbers:
                refuse(text, str(self))
            values |= dict.fromkeys(numbers)
            if len(values) > self.most:
                refuse(text, f"a list of at most {self.most} numbers")
        return list(values)

    def __str__(self) -> str:
        return f"a list like {'0..3,7' if self.number.kind is int else '-3..3 or -2,0,2.5'}, with numbers {self.number}"


@dataclass(frozen=True)
class Several(Described):
    """ "3,4" -> (3, 4): as many whole numbers as the example has."""

    number: Number
    example: str

    def __call__(self, text: str) -> tuple[int, ...]:
        parts = text.split(",")
        try:
            numbers = tuple(map(self.number, parts))
        except argparse.ArgumentTypeError:
            numbers = ()
        if len(numbers) != self.example.count(",") + 1:
            refuse(text, str(self))
        return numbers

    def __str__(self) -> str:
        count = {2: "two", 4: "four"}[self.example.count(",") + 1]
        return f"{count} whole numbers like {self.example}, each {self.number}"


class Square(Described):
    """ "420,80,640,-15" -> (420, 80, 640, -15): left, top, side, and degrees, which may be left out."""

    def __call__(self, text: str) -> tuple[float, float, float, float]:
        from stylemap.photos.photo import read_crop

        return Parsed(read_crop)(text)

    def __str__(self) -> str:
        return "like 420,80,640 or 420,80,640,-15"


@dataclass(frozen=True, eq=False)
class Names(Described):
    """ "nose,eye" -> ["nose", "eye"], each once; "all" for all of them, and other words for some."""

    known: Collection[str]
    what: str
    words: Mapping[str, Collection[str]] = field(default_factory=dict)

    def __call__(self, text: str) -> list[str]:
        chosen = {"all": self.known, **self.words}.get(text) or dict.fromkeys(text.split(","))
        for name in chosen:
            if name not in self.known:
                known = ", ".join(["all", *self.words, *self.known])
                raise argparse.ArgumentTypeError(f"unknown {self.what} {shortened(name)!r}; known are {known}")
        return list(chosen)

    def __str__(self) -> str:
        return f"all, or names separated by commas: {', '.join(self.known)}"


class OutputFile(Described):
    """A file to write. It is refused before any work is done if its name ends in none of these."""

    def __init__(self, *suffixes: str):
        self.suffixes = suffixes

    def __call__(self, text: str) -> Path:
        if Path(text).suffix.lower() not in self.suffixes:
            raise argparse.ArgumentTypeError(f"{text!r} must end in {' or '.join(self.suffixes)}")
        if Path(text).is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder; name a file in it")
        return Path(text)

    def __str__(self) -> str:
        return f"ends in {' or '.join(self.suffixes)}"


def yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        refuse(text, "yes or no")
    return text == "yes"


def refuse(text: str, kind: str) -> None:
    """Say that the text is not of this kind.

    Raises:
        argparse.ArgumentTypeError: always.
    """
    hyphen = re.fullmatch(r"([0-9]+)-([0-9]+)", text)  # the notation of many other programs
    hint = f"; write {hyphen[1]}..{hyphen[2]}" if hyphen and ".." in kind and int(hyphen[1]) <= int(hyphen[2]) else ""
    raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not {kind}{hint}")


class Parsed:
    """What a function of the library makes of the text; its InputError is the answer to a wrong one."""

    def __init__(self, parse: Callable[[str], Any]):
        self.parse = parse

    def __call__(self, text: str) -> Any:
        try:
            return self.parse(text)
        except InputError as err:
            raise argparse.ArgumentTypeError(str(err)) from None
