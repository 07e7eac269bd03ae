"""Reads tables as spreadsheets, scripts and CelebA write them: rows of text under named columns."""

import codecs
import csv
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from stylemap.errors import InputError, Note, brief

DELIMITERS = (",", ";", "\t", "|")
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, .xls
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SAVE = "save it as CSV in UTF-8"


@dataclass(frozen=True)
class Table:
    """Cells of text, without the spaces around them."""

    path: Path
    header: list[str]
    """Names of the columns; they may be empty, and equal."""
    rows: list[list[str]]
    """Each is as long as the header."""
    lines: list[int]
    """The line of each row in the file."""
    decimal_commas: bool
    """Whether a number may be written 0,5, because commas do not divide the columns."""

    def column(self, at: int) -> list[str]:
        return [row[at] for row in self.rows]


def read_table(path: str | Path) -> Table:
    """Read a CSV file, or a list in CelebA's layout.

    A CSV file has a header. Its columns are divided by commas, semicolons, tabs or bars: the ones that give the header the most
    columns, or what a first line ``sep=;`` states. Empty rows and empty columns do not count. CelebA's lists have their length
    in the first line, the names of the attributes in the second, and columns divided by spaces. The length may be missing.

    Raises:
        InputError: the message names the file, the line and the repair.
    """
    path = Path(path)
    try:
        text = _decode(path, path.read_bytes())
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}; check the path of the labels") from err
    numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not numbered:
        raise InputError(f"{path} is empty; its first line must name the columns")
    first = numbered[0][1]
    given = re.fullmatch(r'"?sep=(.)"?\s*', first, re.IGNORECASE)
    if given:
        text, first = text.replace(first, "", 1), numbered[1][1] if len(numbered) > 1 else ""
    delimiter = given[1] if given else max(DELIMITERS, key=lambda d: _width(first, d))
    if not given and _width(first, delimiter) < 2:
        count = 1 if re.fullmatch(r"\s*\d+\s*", first) else 0
        rows, delimiter = [(number, line.split()) for number, line in numbered[count:]], " "
    else:
        rows = _parse_rows(path, text, delimiter)
    return _make_table(path, rows, delimiter)


def _decode(path: Path, data: bytes) -> str:
    """The text of a file, with line breaks of one kind."""
    if data.startswith(WORKBOOKS):
        raise InputError(f"{path} is a workbook, not text; {SAVE} (in the spreadsheet: save as)")
    encoding = next((name for bom, name in BOMS.items() if data.startswith(bom)), "utf-8")
    if encoding == "utf-8" and 0 in data[:2]:  # the first character is ASCII
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as err:
        try:
            text = data.decode("cp1252" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError:
            raise InputError(f"{path} is not text ({brief(err)}); {SAVE}") from err
        warnings.warn(
            f"{path} is not UTF-8 and is read as Windows-1252; if names look wrong, {SAVE}", Note, stacklevel=3
        )
    if "\0" in text:
        raise InputError(f"{path} is not text, it has zero bytes; {SAVE}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _width(line: str, delimiter: str) -> int:
    return len(next(csv.reader([line], delimiter=delimiter), []))


def _parse_rows(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    # spaces before a quoted cell do not count
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as err:
        raise InputError(
            f"{path}, line {reader.line_num}: {err}; look for a quotation mark without its other half"
        ) from err


def _make_table(path: Path, rows: list[tuple[int, list[str]]], delimiter: str) -> Table:
    """The rows that are not empty, each as long as the header."""
    rows = [(line, [_cell(cell) for cell in row]) for line, row in rows]
    rows = [(line, row) for line, row in rows if any(row)]
    if len(rows) < 2:
        raise InputError(f"{path} holds no labels; it needs a line with the names of the columns, and rows")
    (line, header), *body = rows
    if delimiter == " " and all(len(row) == len(header) + 1 for _, row in body):
        header = ["", *header]  # the column of the images has no name
    width, short = len(header), []
    for line, row in body:
        if any(row[width:]):
            decimals = "; put cells that hold a comma in quotation marks" if delimiter == "," else ""
            raise InputError(f"{path}, line {line}: {len(row)} columns, not the header's {width}{decimals}")
        if len(row) < width:
            short.append(line)
    if short:
        which = f"line {short[0]}" + (f" and {len(short) - 1} more end" if len(short) > 1 else " ends")
        warnings.warn(f"{path}: {which} before the last column; missing cells count as unknown", stacklevel=4)
    cells = [(row + [""] * width)[:width] for _, row in body]
    return Table(path, header, cells, [line for line, _ in body], delimiter != ",")


def _cell(text: str) -> str:
    """A cell without the spaces around it, and without the marks that make a spreadsheet keep a name such as ="0001" as text."""
    text = text.strip()
    formula = re.fullmatch(r'="(.*)"|\'(.*)\'', text)
    return (formula[1] or formula[2] or "").strip() if formula else text
