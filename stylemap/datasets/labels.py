"""Attributes of images: tables by file name, and questions that divide the images."""

import copy
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from stylemap import decoding, naming
from stylemap.datasets import tables
from stylemap.datasets.tables import Table
from stylemap.errors import InputError, Note, listed, shortened
from stylemap.naming import without_extension

Value = float | int | str | bool | None  # None: unknown

WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?")
NONE = "none"  # among numbers it is unknown, among words a class
COUNTER = re.compile(r"|index|unnamed: \d+", re.IGNORECASE)  # names of columns that number the rows
SHOWN = 20  # values or columns that a message lists


def read(path: str | Path, names: Sequence[str] = ()) -> "AttributeTable":
    """Read a table of attributes, see `tables.read_table`.

    The column that holds the most of ``names`` names the images; if there are several, the first of them.

    Raises:
        InputError: as `tables.read_table`; the table has one column; an image has two rows that differ.
    """
    table = tables.read_table(path)
    if len(table.header) < 2:
        raise InputError(f"{path} holds no labels; it needs a column of file names, and one or more of labels")
    at = _find_naming_column(table, names)
    if naming.extension(table.header[at]) in decoding.EXTENSIONS:
        raise InputError(f"{path} begins with a row of labels; its first line must name the columns")
    if any(table.header[:at]):
        warnings.warn(f"{path}: the column {table.header[at]} names the images", Note, stacklevel=2)
    return AttributeTable(table, at)


class AttributeTable(Mapping[str, list[Value]]):
    """Attribute -> its value in each row, for all columns but the one that names the images and those that number the rows.

    A column is read when it is asked for, so that mistakes in other columns do no harm. If all its known cells are numbers,
    true/false or yes/no, the values are numbers, otherwise words.

    Attributes:
        rows: name of an image -> its row.
    """

    def __init__(self, table: Table, at: int):
        """``at`` is the column that names the images."""
        self._table, self._at = table, at
        self._columns: dict[str, list[Value]] = {}
        self._selected: Sequence[int] = range(len(table.rows))
        self.rows: dict[str, int] = {}
        for i, row in enumerate(table.rows):
            name = naming.canonical(row[at])
            if name and table.rows[self.rows.setdefault(name, i)] != row:
                first = table.lines[self.rows[name]]
                raise InputError(
                    f"{table.path}, line {table.lines[i]}: {name} appears twice, first in line {first}; remove one"
                )

    def select(self, rows: Sequence[int]) -> "AttributeTable":
        """The same attributes, of these rows."""
        part = copy.copy(self)
        part._selected = rows
        return part

    def __iter__(self) -> Iterator[str]:
        header = enumerate(self._table.header)
        return iter(dict.fromkeys(name for i, name in header if i != self._at and not COUNTER.fullmatch(name)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, attribute: str) -> list[Value]:
        """Raises a KeyError if there is no such column, an InputError if there are several."""
        if attribute not in self._columns:
            table = self._table
            columns = [i for i, column in enumerate(table.header) if column == attribute and i != self._at]
            if not columns or not attribute:
                raise KeyError(attribute)
            if len(columns) > 1:
                raise InputError(
                    f"{table.path}: {len(columns)} columns are named {attribute}; give them names that differ"
                )
            self._columns[attribute] = _parse_column(table.column(columns[0]), table.decimal_commas)
        return [self._columns[attribute][row] for row in self._selected]


def _find_naming_column(table: Table, names: Sequence[str]) -> int:
    files = {name for whole in names for name in (whole, PurePosixPath(whole).name)}
    keys = {naming.key(name) for name in files}

    def fit(at: int) -> tuple[int, int, bool]:
        """The number of images with a row by their exact name, then by any; at equal numbers a counter loses."""
        cells = {naming.canonical(cell) for cell in set(table.column(at))}
        loosely = {naming.key(name) for cell in cells for name in (cell, PurePosixPath(cell).name)}
        return len(cells & files), len(loosely & keys), not COUNTER.fullmatch(table.header[at])

    return max(range(len(table.header)), key=fit)


def _parse_column(cells: Sequence[str], decimal_commas: bool) -> list[Value]:
    numbers = {cell: _parse_number(cell, decimal_commas) for cell in set(cells)}
    known = [cell for cell in numbers if cell.lower() not in (*MISSING, NONE)]
    if known and all(numbers[cell] is not None for cell in known):
        return [numbers[cell] for cell in cells]
    return [None if cell.lower() in MISSING else cell for cell in cells]


def _parse_number(text: str, decimal_commas: bool = False) -> float | None:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if decimal_commas and re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def match(path: str | Path, table: Mapping[str, int], names: Sequence[str]) -> list[int | None]:
    """The row of each image, found in `AttributeTable.rows` by its relative path, else its file name, else its stem.

    Names that differ only in case or extension match too, but never a row that another image has by its exact name. Where
    there is no row, it is None, and a warning says of how many images.

    Raises:
        InputError: no image has a row, or two have the same.
    """
    names = [naming.canonical(name) for name in names]
    exact = {name: next((key for key in _names_of(name) if key in table), None) for name in names}
    taken_exactly = set(exact.values())
    left: dict[str, list[str]] = {}
    for key in table:
        if key not in taken_exactly:
            left.setdefault(naming.key(key), []).append(key)
    rows, taken = [], {}
    for name in names:
        key = exact[name] or _match_loosely(path, left, name)
        if key is not None and key in taken:
            raise InputError(f"{path}: {key} fits {taken[key]} and {name}; give paths relative to the folder of images")
        taken[key] = name
        rows.append(None if key is None else table[key])
    if all(row is None for row in rows):
        raise InputError(
            f"{path} names none of the images, such as {names[0]}; one of its columns must hold their file names"
        )
    if missing := [name for name, row in zip(names, rows, strict=True) if row is None]:
        what = f"{len(missing)} of {len(names)} images, such as {missing[0]}"
        warnings.warn(f"{path} has no row for {what}; they are left out", stacklevel=2)
    return rows


def _names_of(name: str) -> tuple[str, ...]:
    """The names that a table may use for an image."""
    path, file = without_extension(name), PurePosixPath(name).name
    return name, path, file, without_extension(file)


def _match_loosely(path: str | Path, rows: Mapping[str, list[str]], name: str) -> str | None:
    """The row whose name differs only in case or extension."""
    for key in (naming.key(name), naming.key(PurePosixPath(name).name)):
        fitting = rows.get(key, [])
        if len(fitting) > 1:
            raise InputError(f"{path}: {fitting[0]} and {fitting[1]} both fit {name}; name it exactly")
        if fitting:
            return fitting[0]
    return None


@dataclass(frozen=True)
class Question:
    """What makes an image positive, parsed from ``[NAME:]ATTRIBUTE[=VALUE | !=VALUE | >NUMBER]``.

    ``smile`` alone means the greater of two values (0/1, -1/1, true/false), and of more numbers those above the median.
    """

    name: str
    attribute: str
    relation: str  # "", "=", "!=" or ">"
    value: str

    @classmethod
    def parse(cls, text: str) -> "Question":
        parts = re.fullmatch(r"(?:([^:=<>!]+):)?([^:=<>!]+)(?:(!=|=|>)([^=<>!]+))?", text)
        if not parts or (parts[3] == ">" and _parse_number(parts[4]) is None):
            raise InputError(
                f"{text!r} is not an attribute like smile, age>0.5, hair_colour=black or beard:style!=none"
            )
        name, attribute, relation, value = parts.groups()
        return cls(name or text, attribute, relation or "", value or "")

    def answer(self, columns: Mapping[str, Sequence[Value]]) -> tuple[np.ndarray, np.ndarray]:
        """bool [N] twice: the answers, and for which images they are known.

        Args:
            columns: attribute -> its value for each image.

        Raises:
            InputError: no image has the attribute or value, or the attribute needs a relation.
        """
        values = columns.get(self.attribute, [])
        known = np.array([value is not None for value in values], bool)
        if not known.any():
            raise InputError(f"no image has the attribute {self.attribute!r}; known are {_listed(columns)}")
        if self.relation in ("=", "!="):
            same = np.array([value is not None and _equal(value, self.value) for value in values])
            if not same.any():
                there = _listed(sorted({_value_text(value) for value in values if value is not None}))
                raise InputError(f"no image has {self.attribute}={self.value}; there are {there}")
            return (same if self.relation == "=" else ~same) & known, known
        if any(isinstance(value, str) for value in values):
            # most may be numbers and one mistyped
            example = min((v for v in values if v is not None), key=lambda v: _parse_number(str(v), True) is not None)
            raise InputError(
                f"{self.attribute} holds words, such as {example!r}; choose one, as in {self.attribute}={example}, or make all "
                "of them numbers"
            )
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        different = np.unique(numbers[known])
        if self.relation == ">":
            threshold = _parse_number(self.value)
        else:
            threshold = different[0] if len(different) <= 2 else np.median(numbers[known])
        if not self.relation and len(different) == 1:
            threshold = 0.0  # either all have it or none does; finding a direction will say so
        return (numbers > threshold) & known, known


def _equal(value: Value, text: str) -> bool:
    if isinstance(value, str):
        return value.casefold() == text.strip().casefold()
    number = _parse_number(text.strip(), True)
    return number is not None and float(value) == number


def _value_text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(words: Iterable[str]) -> str:
    return listed([shortened(word) for word in words], SHOWN)
