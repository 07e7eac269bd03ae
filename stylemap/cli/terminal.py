"""What is printed, made fit for a terminal: names and values in it may be anybody's."""

import contextlib
import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import TextIO


class Terminal:
    """A stream that passes on nothing that could steer a terminal, or that its encoding lacks.

    Line breaks stay, as a stream cannot know whose they are; `one_line` escapes those of foreign text. So do carriage returns
    at the ends of what is written at once: a progress bar is drawn with them.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        before, inner, after = re.fullmatch(r"(\r*)(.*?)(\r*)", text, re.DOTALL).groups()
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self.stream.write(before + escaped(inner).encode(encoding, "backslashreplace").decode(encoding) + after)
        return len(text)

    def __getattr__(self, name: str):
        return getattr(self.stream, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within, everything that is printed goes through a `Terminal`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Terminal, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def escaped(text: str) -> str:
    """Without characters that have no sign, such as escape sequences, changes of direction and halves of a character."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c in "\n\t" or _has_sign(c) else ascii(c)[1:-1] for c in text)


def one_line(text: object) -> str:
    """The same, with line breaks and tabs escaped too."""
    return escaped(str(text)).replace("\n", "\\n").replace("\t", "\\t")


def _has_sign(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"  # spaces of every width
