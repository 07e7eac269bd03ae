"""``log.jsonl`` as columns of numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from stylemap import reading
from stylemap.errors import InputError

LARGEST = 1e100  # beyond it, a value counts as infinite

Values = list[float | None]  # a field at every tick; None = not logged then, NaN = logged and not finite


@dataclass(frozen=True)
class Log:
    """The ticks of a run, by images seen."""

    images: list[int]
    values: dict[str, Values]  # every numeric field, in the order of appearance
    alarms: list[tuple[int, str]]
    written: datetime | None  # when the newest tick was

    @classmethod
    def read(cls, path: Path) -> "Log":
        """Lines that are no ticks (a kill leaves half of one) are passed over, and so is a file that is not there."""
        records: dict[int, dict] = {}
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            written = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        except OSError:
            return cls([], {}, [], None)
        for line in lines:
            try:
                record = reading.parse_json(line, path)
            except InputError:
                continue
            if isinstance(record, dict) and type(record.get("images")) is int and 0 <= record["images"] < 2**63:
                records[record["images"]] = record
        ordered = [records[n] for n in sorted(records)]
        names = dict.fromkeys(name for r in ordered for name, v in r.items() if _is_number(v) and name != "images")
        values = {name: [_finite(r[name]) if name in r else None for r in ordered] for name in names}
        return cls(sorted(records), values, list(_alarms_of(ordered)), written if records else None)

    def newest(self, name: str) -> float | None:
        """The last finite value of a field."""
        return next((v for v in reversed(self.values.get(name, [])) if is_finite(v)), None)

    def best(self, name: str) -> tuple[float, int]:
        """The largest value of a field that has one, and the images seen then."""
        known = [(v, n) for v, n in zip(self.values[name], self.images, strict=True) if is_finite(v)]
        return max(known, key=lambda pair: pair[0])

    def seconds(self) -> float:
        """Spent in training, by the speed at every tick."""
        speeds = self.values.get("images_per_second", [None] * len(self.images))
        before = [0, *self.images]
        steps = zip(before, self.images, speeds, strict=False)
        return sum((now - then) / speed for then, now, speed in steps if is_finite(speed) and speed > 0)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _finite(value: object) -> float:
    """NaN for what is not; the log has null for it, as JSON knows no infinity."""
    if not _is_number(value):
        return math.nan
    return float(value) if -LARGEST < value < LARGEST else math.nan  # a whole number may be too large for a float


def is_finite(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _alarms_of(records: list[dict]) -> Iterator[tuple[int, str]]:
    for record in records:
        alarms = record.get("alarms")
        for alarm in alarms if isinstance(alarms, list) else [alarms] if alarms else []:
            yield record["images"], str(alarm)
