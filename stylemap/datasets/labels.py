"""Labels of pictures: tables of numbers by file name, and questions put to them."""

import csv
import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from stylemap import naming
from stylemap.errors import InputError
from stylemap.naming import without_extension

Value = float | int | str | bool | None  # None: not known

WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
MISSING = ("", "na", "n/a", "nan", "none", "null", "?")


def read(path: str | Path) -> dict[str, dict[str, float | None]]:
    """Attributes by file name, from a CSV or a list in CelebA's layout.

    A CSV has a header; its first column names pictures by relative path or by stem, the others are attributes: 0/1, -1/1,
    true/false, yes/no or any numbers; empty = not known. Semicolons and tabs separate as commas do. CelebA's lists have
    their length in the first line, the names of the attributes in the second, and columns separated by spaces.

    Raises:
        InputError: one line that names the file, the line and the column.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}; check the path of the labels") from err
    except UnicodeDecodeError as err:
        raise InputError(f"{path} is no text in UTF-8 ({err.reason}); save the labels as CSV") from err
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise InputError(f"{path} is empty or begins with an empty line; its first line must name the columns")
    if re.fullmatch(r"\s*\d+\s*", lines[0]):
        rows = [(number, line.split()) for number, line in enumerate(lines[1:], 2)]
        rows = [(number, ["file", *row] if number == 2 else row) for number, row in rows]
    else:
        delimiter = max((",", ";", "\t"), key=lines[0].count)
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        try:
            rows = [(reader.line_num, row) for row in reader]
        except csv.Error as err:
            raise InputError(f"{path}, line {reader.line_num}: {err}; save the labels as CSV again") from err
    return _table(path, [(number, [cell.strip() for cell in row]) for number, row in rows if any(row)])


def _table(path: Path, rows: list[tuple[int, list[str]]]) -> dict[str, dict[str, float | None]]:
    if len(rows) < 2 or len(rows[0][1]) < 2:
        raise InputError(f"{path} holds no labels; it needs a column of file names, one or more of labels, and rows")
    (line, (_, *attributes)), *body = rows
    if "" in attributes or len(set(attributes)) < len(attributes):
        raise InputError(f"{path}, line {line}: the columns need names that differ; rename them")
    table: dict[str, dict[str, float | None]] = {}
    for line, (name, *cells) in body:
        if len(cells) != len(attributes):
            raise InputError(f"{path}, line {line}: {len(cells) + 1} columns, not the header's {len(attributes) + 1}")
        name = naming.canonical(name)
        if name in table:
            raise InputError(f"{path}, line {line}: {name} is there twice; remove one")
        table[name] = {a: _number(path, line, a, cell) for a, cell in zip(attributes, cells, strict=True)}
    return table


def _number(path: Path, line: int, column: str, text: str) -> float | None:
    word = text.lower()
    if word in MISSING:
        return None
    try:
        value = WORDS[word] if word in WORDS else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}, column {column}: {text!r} is neither a number nor true/false or yes/no")
    return value


def match(path: str | Path, table: Mapping[str, dict], names: Sequence[str]) -> list[dict]:
    """The row of each picture, by its relative path, else by its file name, else by its stem; {} where there is none.

    Names that differ in case or in the ending fit too, but no row that is another picture's by its exact name. A warning
    tells of pictures without a row.

    Raises:
        InputError: no picture has a row, or two have the same.
    """
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
        found.append({} if key is None else table[key])
    if not any(found):
        raise InputError(f"{path} names none of the pictures, neither {names[0]}; its first column must be file names")
    if missing := [name for name, row in zip(names, found, strict=True) if not row]:
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
        if not parts or (parts[3] == ">" and _float(parts[4]) is None):
            raise InputError(f"{text!r} is no attribute like smile, age>0.5, hair_colour=black or beard:style!=none")
        name, attribute, relation, value = parts.groups()
        return cls(name or text, attribute, relation or "", value or "")

    def answer(self, rows: Sequence[Mapping[str, Value]]) -> tuple[np.ndarray, np.ndarray]:
        """bool [N] twice: the labels, and for which pictures they are known.

        Raises:
            InputError: an attribute or value that no picture has, or one that needs a relation.
        """
        values = [row.get(self.attribute) for row in rows]
        known = np.array([value is not None for value in values])
        if not known.any():
            attributes = list(dict.fromkeys(a for row in rows for a in row))
            raise InputError(f"no picture has the attribute {self.attribute!r}; known are {', '.join(attributes)}")
        if self.relation in ("=", "!="):
            same = np.array([value is not None and _equal(value, self.value) for value in values])
            if not same.any():
                there = sorted({str(value) for value in values if value is not None})[:20]
                raise InputError(f"no picture has {self.attribute}={self.value}; there are {', '.join(there)}")
            return (same if self.relation == "=" else ~same) & known, known
        if any(isinstance(value, str) for value in values):
            example = next(value for value in values if isinstance(value, str))
            raise InputError(f"{self.attribute} is a word; choose one, such as {self.attribute}={example}")
        numbers = np.array([np.nan if value is None else float(value) for value in values])
        different = np.unique(numbers[known])
        if self.relation == ">":
            threshold = float(self.value)
        else:
            threshold = different[0] if len(different) <= 2 else np.median(numbers[known])
        if not self.relation and len(different) == 1:
            threshold = 0.0  # all with or all without, whichever; finding a direction will say so
        return (numbers > threshold) & known, known


def _equal(value: Value, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    number = WORDS.get(text.lower(), _float(text))
    return number is not None and float(value) == number


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
