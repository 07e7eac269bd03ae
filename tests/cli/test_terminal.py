"""Nothing that is printed steers a terminal or fails for its encoding, whoever chose the names in it."""

import io
import sys
import warnings

import pytest

from stylemap import cli
from stylemap.cli import terminal
from stylemap.errors import InputError, Note

EVIL = "a\x1b[2J\x1b]0;t\x07\u202egnp.\x9b\x08\x7f\udcff\u2028b"
SHOWN = r"a\x1b[2J\x1b]0;t\x07\u202egnp.\x9b\x08\x7f\udcff\u2028b"


def written(text: str, encoding: str = "utf-8") -> str:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    print(text, end="", file=terminal.Terminal(stream), flush=True)
    return buffer.getvalue().decode(encoding)


class TestStream:
    def test_escapes(self):
        assert written(EVIL) == SHOWN

    @pytest.mark.parametrize("text", ["", "plain", "a\nb\tc\n", "größe 日本 🙂 a\u00a0b", "\r 50%|█  |\r", "\n"])
    def test_passes_on(self, text):
        assert written(text) == text

    def test_carriage_return_inside(self):
        """It would write over what stands before it."""
        assert written("error: x\rdone") == "error: x\\rdone"

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
    def test_encodings(self, encoding):
        assert written("größe \u65e5 " + EVIL, encoding).endswith(r"\u65e5 " + SHOWN)

    def test_is_the_stream_otherwise(self):
        stream = terminal.Terminal(io.StringIO())
        assert stream.write("\x1b") == 1  # of what was given, as callers count
        assert stream.getvalue() == "\\x1b" and not stream.isatty()


class TestCommandLine:
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
    def test_errors_warnings_and_output(self, encoding, monkeypatch):
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)

        def call():
            warnings.simplefilter("always")
            warnings.warn(f"w {EVIL}\nerror: y", stacklevel=1)
            warnings.warn(f"n {EVIL}\ny", Note, stacklevel=1)
            print(f"o {EVIL}")
            raise InputError(f"e {EVIL}\nwarning: z é")

        assert cli.answered(call) == 2
        assert (sys.stdout, sys.stderr) == (out, err)  # as they were
        for stream in (out, err):
            stream.flush()
        end = "é" if encoding == "utf-8" else r"\xe9"
        assert out.buffer.getvalue().decode(encoding) == f"o {SHOWN}\n"
        assert err.buffer.getvalue().decode(encoding).splitlines() == [
            rf"warning: w {SHOWN}\nerror: y",
            rf"note: n {SHOWN}\ny",
            rf"error: e {SHOWN}\nwarning: z {end}",
        ]

    def test_paths_from_the_arguments(self, capsys):
        assert cli.main(["report", f"{EVIL}\nb"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(rf"error: {SHOWN}\nb holds no run")
