"""Results of a comparison: Markdown tables, files, and finished parts that need no second run."""

import datetime
import hashlib
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from stylemap import files, reading
from stylemap.comparison import machine
from stylemap.errors import InputError

NONE = "–"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """A table, the first column aligned left and the others right, and the notes as a list below it."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "\n" * bool(notes) + "".join(f"- {note}\n" for note in notes)


def number(value: float | None, digits: int = 3) -> str:
    """With that many significant digits and no exponent; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    exponent = int(text.partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if exponent < 0 else f"{float(text):,.0f}"


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of independent values; None for fewer than two."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def row_key(about: Mapping, kind: str, originals: Tensor, *others: object) -> str:
    """Hash of everything that a row depends on. It depends neither on where weights lie nor on the weights of other rows.

    Args:
        about: what all rows have in common, for JSON, with "weights": what is known of them, by their kind.
        kind: of the row's own weights.
        others: what the row depends on besides, for JSON.
    """
    own = about["weights"][kind] | {"given": None, "doubt": None}
    content = [dict(about) | {"weights": own}, digest(originals), *others]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest(x: Tensor) -> str:
    return hashlib.sha256(x.numpy().tobytes()).hexdigest()


def read_finished(path: Path, name: str, key: object) -> dict | None:
    """The result of an earlier call; None if there is none, or a kill cut its file short.

    Args:
        name, key: the entry of the file with everything that the result depends on, as JSON gives it back, and its value.
    """
    try:
        result = reading.read_json(path)
    except InputError:
        return None
    return result if result.get(name) == key else None


def measured(about: dict, measure: Callable[[], dict]) -> dict:
    """The row of a method, with its date and what else ran. The row of one that fails says why."""
    load, date = machine.load_average(), datetime.datetime.now(datetime.timezone.utc)
    try:
        row = about | measure()
    except (InputError, RuntimeError, MemoryError) as err:  # RuntimeError: torch, out of memory too
        return about | {"failed": next(iter(str(err).splitlines()), type(err).__name__)}
    when = {"date": date.isoformat(timespec="seconds")}
    return row | when | {"load_before": load, "load_after": machine.load_average()}


def kept(
    path: Path, about: object, compute: Callable[[], tuple[dict[str, Tensor], float]]
) -> tuple[dict[str, Tensor], float]:
    """Tensors and seconds of this call or of an earlier one, in a file.

    Args:
        about: everything that they depend on, for JSON.
    """
    key = json.dumps(about, sort_keys=True)
    try:
        header = reading.read_metadata(path)
        if header.get("about") == key:
            return reading.read_tensors(path), float(header["seconds"])
    except InputError:  # there is none, or it is damaged
        pass
    tensors, seconds = compute()
    files.write_bytes(
        path, save({n: x.contiguous() for n, x in tensors.items()}, {"about": key, "seconds": str(seconds)})
    )
    return tensors, seconds


def write_json(path: Path, result: dict, indent: int | None = 1) -> None:
    files.write_text(path, json.dumps(result, indent=indent, allow_nan=indent is None) + "\n")
