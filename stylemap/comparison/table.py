"""Tables in Markdown."""

from collections.abc import Sequence

NONE = "–"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right. Ends in a line break."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: float | None, digits: int = 3) -> str:
    """So many digits that count, without an exponent; a dash for what is not there."""
    if value is None:
        return NONE
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    exponent = int(text.partition("e")[2])
    return f"{value:.{max(0, digits - 1 - exponent)}f}" if exponent < 0 else f"{float(text):,.0f}"
