"""Values as they stand on the page."""

import html
import json


def text(value: object) -> str:
    """Harmless in HTML, attributes included; what is no Unicode, such as an odd file name, becomes question marks."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def json_in_script(value: object) -> str:
    """For a script element, which ends at the first ``</script`` whatever stands around it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def shown(value: float, unit: str = "") -> str:
    """As the script on the page does."""
    if unit == "%":
        return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    if unit == "dB":
        return f"{value:.2f}\N{NO-BREAK SPACE}dB"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def size(count: int) -> str:
    for unit_size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit_size:
            return f"{count / unit_size:.3g} {unit}"
    return f"{count} B"


def duration(seconds: float) -> str:
    for length, unit in ((365 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 or unit == "min" else f"{value:.1f} {unit}"
    return f"{seconds:.0f} s"
