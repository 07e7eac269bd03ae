"""Labels of pictures: tables by file name, and questions put to them."""

import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from stylemap import decoding, naming
from stylemap.datasets import tables
from stylemap.datasets.tables import Table
from stylemap.errors import InputError, Note, shortened
from stylemap.naming import without_extension

Value = float | int | str | bool | None  # None: not known
T = TypeVar("T")

WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?")
NONE = "none"  # not known among numbers, a class among words
COUNTER = re.compile(r"|index|unnamed: \d+", re.IGNORECASE)  # what a column of row numbers is called
SHOWN = 20  # values or columns that a message names


def read_table(path: str | Path, names: Sequence[str] = ()) -> "AttributeTable":
    """Read a table of labels, see `tables.read_table`.

    The column that holds the most of ``names`` names the pictures; if there are several, the first of them.

    Raises:
        InputError: as `tables.read_table`; a table of one column; a picture has two rows that differ.
    """
    table = tables.read_table(path)
    if len(table.header) < 2:
        raise InputError(f"{path} holds no labels; it needs a column of file names, and one or more of labels")
    at = _naming_column(table, names)
    if naming.extension(table.header[at]) in decoding.EXTENSIONS:
        raise InputError(f"{path} begins with a row of labels; its first line must name the columns")
    if any(table.header[:at]):
        warnings.warn(f"{path}: the column {table.header[at]} names the pictures", Note, stacklevel=2)
    return AttributeTable(table, at)


class AttributeTable(Mapping[str, "Row"]):
    """A table of attributes: the name of a picture -> its row."""

    def __init__(self, table: Table, at: int):
        """``at`` is the column that names the pictures."""
        self._table, self._at = table, at
        self._values: dict[str, list[Value]] = {}
        self._rows: dict[str, int] = {}
        for i, row in enumerate(table.rows):
            name = naming.canonical(row[at])
            if name and table.rows[self._rows.setdefault(name, i)] != row:
                first = table.lines[self._rows[name]]
                raise InputError(
                    f"{table.path}, line {table.lines[i]}: {name} stands there twice, first in line {first}; remove one"
                )

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> "Row":
        return Row(self, self._rows[name])

    @property
    def attributes(self) -> list[str]:
        """The names of the columns, but for the one that names the pictures and those that number the rows."""
        header = enumerate(self._table.header)
        return list(dict.fromkeys(name for i, name in header if i != self._at and not COUNTER.fullmatch(name)))

    def values(self, attribute: str) -> list[Value]:
        """The column, read when it is asked for: mistakes in others do no harm.

        Where all cells that are known are numbers, true/false or yes/no, it is one of numbers, else of words.

        Raises:
            KeyError: there is none of this name.
            InputError: there are several.
        """
        if attribute not in self._values:
            table = self._table
            where = [i for i, column in enumerate(table.header) if column == attribute and i != self._at]
            if not where or not attribute:
                raise KeyError(attribute)
            if len(where) > 1:
                raise InputError(
                    f"{table.path}: {len(where)} columns are named {attribute}; give them names that differ"
                )
            self._values[attribute] = _values(table.column(where[0]), table.decimal_commas)
        return self._values[attribute]


class Row(Mapping[str, Value]):
    """The attributes of one picture."""

    def __init__(self, table: AttributeTable, index: int):
        self._table, self._index = table, index

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.attributes)

    def __len__(self) -> int:
        return len(self._table.attributes)

    def __getitem__(self, attribute: str) -> Value:
        return self._table.values(attribute)[self._index]


class Columns(Mapping[str, list[Value]]):
    """Attribute -> its value for each of some pictures, from their rows."""

    def __init__(self, rows: Sequence[Mapping[str, Value]]):
        self._rows = rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows[0])

    def __len__(self) -> int:
        return len(self._rows[0])

    def __getitem__(self, attribute: str) -> list[Value]:
        return [row[attribute] for row in self._rows]


def _naming_column(table: Table, names: Sequence[str]) -> int:
    files = {name for whole in names for name in (whole, PurePosixPath(whole).name)}
    keys = {naming.key(name) for name in files}

    def fit(at: int) -> tuple[int, int, bool]:
        """How many pictures have a row by their whole name, and by any; a counter loses against names as good."""
        cells = {naming.canonical(cell) for cell in set(table.column(at))}
        loosely = {naming.key(name) for cell in cells for name in (cell, PurePosixPath(cell).name)}
        return len(cells & files), len(loosely & keys), not COUNTER.fullmatch(table.header[at])

    return max(range(len(table.header)), key=fit)


def _values(cells: Sequence[str], decimal_commas: bool) -> list[Value]:
    numbers = {cell: _number(cell, decimal_commas) for cell in set(cells)}
    known = [cell for cell in numbers if cell.lower() not in (*MISSING, NONE)]
    if known and all(numbers[cell] is not None for cell in known):
        return [numbers[cell] for cell in cells]
    return [None if cell.lower() in MISSING else cell for cell in cells]


def _number(text: str, decimal_commas: bool = False) -> float | None:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if decimal_commas and re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def match_rows(path: str | Path, table: Mapping[str, T], names: Sequence[str]) -> list[T | None]:
    """The row of each picture, by its relative path, else by its file name, else by its stem; None where there is none.

    Names that differ in case or in the ending fit too, but no row that is another picture's by its exact name. A warning
    tells of pictures without a row.

    Raises:
        InputError: no picture has a row, or two have the same.
    """
    names = [naming.canonical(name) for name in names]
    exact = {name: next((key for key in _names_of(name) if key in table), None) for name in names}
    own = set(exact.values())
    left: dict[str, list[str]] = {}
    for key in table:
        if key not in own:
            left.setdefault(naming.key(key), []).append(key)
    found, taken = [], {}
    for name in names:
        key = exact[name] or _loosely(path, left, name)
        if key is not None and key in taken:
            raise InputError(
                f"{path}: {key} fits {taken[key]} and {name}; give paths relative to the folder of pictures"
            )
        taken[key] = name
        found.append(None if key is None else table[key])
    if all(row is None for row in found):
        raise InputError(
            f"{path} names none of the pictures, such as {names[0]}; one of its columns must hold their file names"
        )
    if missing := [name for name, row in zip(names, found, strict=True) if row is None]:
        what = f"{len(missing)} of {len(names)} pictures, such as {missing[0]}"
        warnings.warn(f"{path} has no row for {what}; they are left out", stacklevel=2)
    return found


def _names_of(name: str) -> tuple[str, ...]:
    """What a table may call a picture."""
    path, file = without_extension(name), PurePosixPath(name).name
    return name, path, file, without_extension(file)


def _loosely(path: str | Path, rows: Mapping[str, list[str]], name: str) -> str | None:
    """The row that fits but for case and ending."""
    for key in (naming.key(name), naming.key(PurePosixPath(name).name)):
        fitting = rows.get(key, [])
        if len(fitting) > 1:
            raise InputError(f"{path}: {fitting[0]} and {fitting[1]} both fit {name}; name it exactly")
        if fitting:
            return fitting[0]
    return None


@dataclass(frozen=True)
class Question:
    """What makes a picture positive, parsed from ``[NAME:]ATTRIBUTE[=VALUE | !=VALUE | >NUMBER]``.

    ``smile`` alone: of two values (0/1, -1/1, true/false) the greater, of more numbers those above the median.
    """

    name: str
    attribute: str
    relation: str  # "", "=", "!=" or ">"
    value: str

    @classmethod
    def parse(cls, text: str) -> "Question":
        parts = re.fullmatch(r"(?:([^:=<>!]+):)?([^:=<>!]+)(?:(!=|=|>)([^=<>!]+))?", text)
        if not parts or (parts[3] == ">" and _number(parts[4]) is None):
            raise InputError(f"{text!r} is no attribute like smile, age>0.5, hair_colour=black or beard:style!=none")
        name, attribute, relation, value = parts.groups()
        return cls(name or text, attribute, relation or "", value or "")

    def answer(self, columns: Mapping[str, Sequence[Value]]) -> tuple[np.ndarray, np.ndarray]:
        """bool [N] twice: the labels, and for which pictures they are known.

        Args:
            columns: attribute -> its value for each picture.

        Raises:
            InputError: an attribute or value that no picture has, or one that needs a relation.
        """
        values = columns.get(self.attribute, [])
        known = np.array([value is not None for value in values], bool)
        if not known.any():
            raise InputError(f"no picture has the attribute {self.attribute!r}; known are {_listed(columns)}")
        if self.relation in ("=", "!="):
            same = np.array([value is not None and _equal(value, self.value) for value in values])
            if not same.any():
                there = _listed(sorted({_shown(value) for value in values if value is not None}))
                raise InputError(f"no picture has {self.attribute}={self.value}; there are {there}")
            return (same if self.relation == "=" else ~same) & known, known
        if any(isinstance(value, str) for value in values):
            # most may be numbers and one mistyped
            example = min((v for v in values if v is not None), key=lambda v: _number(str(v), True) is not None)
            raise InputError(
                f"{self.attribute} holds words, such as {example!r}; choose one, as in {self.attribute}={example}, or make all "
                "of them numbers"
            )
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        different = np.unique(numbers[known])
        if self.relation == ">":
            threshold = _number(self.value)
        else:
            threshold = different[0] if len(different) <= 2 else np.median(numbers[known])
        if not self.relation and len(different) == 1:
            threshold = 0.0  # all with or all without, whichever; finding a direction will say so
        return (numbers > threshold) & known, known


def _equal(value: Value, text: str) -> bool:
    if isinstance(value, str):
        return value.casefold() == text.strip().casefold()
    number = _number(text.strip(), True)
    return number is not None and float(value) == number


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(words: Iterable[str]) -> str:
    found = [shortened(word) for word in words]
    return ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
