"""``log.jsonl``, a line of JSON per tick: read as records, and as columns of numbers. Knows no torch, as the page of a run."""

import contextlib
import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stylemap import reading
from stylemap.errors import InputError

LARGEST = 1e100  # beyond it, a number counts as infinite

Values = list[float | None]  # a field at every tick; None = not logged then, NaN = logged and not finite


def read_log(path: Path) -> list[dict]:
    """The ticks of a log, in the order of its lines; none if there is no file.

    A record has "images", numbers (None = not finite, as JSON has no NaN) and "alarms", a list of texts. Anything else is
    passed over, such as the line that a kill cut short.

    Raises:
        OSError: the file is there and cannot be read.
    """
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        with contextlib.suppress(InputError):
            record = reading.parse_json(line, path)
            if isinstance(record, dict) and type(record.get("images")) is int and 0 <= record["images"] < 2**63:
                records.append(_clean(record))
    return records


def _clean(record: dict) -> dict:
    alarms = record.pop("alarms", [])
    alarms = [alarms] if isinstance(alarms, str) else alarms
    numbers = {
        name: value if value is not None and abs(value) < LARGEST else None
        for name, value in record.items()
        if value is None or type(value) in (int, float)
    }
    texts = [text for text in alarms if isinstance(text, str)] if isinstance(alarms, list) else []
    return numbers | ({"alarms": texts} if texts else {})


@dataclass(frozen=True)
class Log:
    """The ticks of a run as columns, by images seen."""

    images: list[int]
    values: dict[str, Values]  # every field that was a number once, in the order of appearance
    alarms: list[tuple[int, str]]
    written: datetime | None  # when the newest tick was

    @classmethod
    def read(cls, path: Path) -> "Log":
        """Of two lines with the same images the later counts. A file that cannot be read is an empty log."""
        try:
            records = {record.pop("images"): record for record in read_log(path)}
            written = datetime.fromtimestamp(path.stat().st_mtime).astimezone() if records else None
        except OSError:
            records, written = {}, None
        ticks = [records[n] for n in sorted(records)]
        alarms = [(n, text) for n in sorted(records) for text in records[n].pop("alarms", [])]
        names = dict.fromkeys(name for tick in ticks for name, value in tick.items() if value is not None)
        values = {name: [_number(tick, name) for tick in ticks] for name in names}
        return cls(sorted(records), values, alarms, written)

    def newest(self, name: str) -> float | None:
        """The last finite value of a field."""
        return next((v for v in reversed(self.values.get(name, [])) if is_finite(v)), None)

    def best(self, name: str) -> tuple[float, int]:
        """The largest value of a field that has one, and the images seen then."""
        known = [(v, n) for v, n in zip(self.values[name], self.images, strict=True) if is_finite(v)]
        return max(known, key=lambda pair: pair[0])

    def seconds(self) -> float:
        """Spent in training, by the speed at every tick."""
        speeds = self.values.get("images_per_second", [])
        steps = zip([0, *self.images], self.images, speeds, strict=False)
        return sum((now - then) / speed for then, now, speed in steps if is_finite(speed) and speed > 0)


def is_finite(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _number(tick: dict, name: str) -> float | None:
    if name not in tick:
        return None
    return math.nan if tick[name] is None else float(tick[name])
