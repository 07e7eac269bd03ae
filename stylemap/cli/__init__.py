"""The command line: one file per verb, and the only place that parses, prints and exits.

Exit codes: 0 done, 2 input that cannot be used (one line on stderr), 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

import gc
import os
import sys
import warnings
from collections.abc import Callable

from stylemap import __version__
from stylemap.cli import terminal, verbs
from stylemap.errors import InputError, Note, brief, out_of_memory

SPIN = "GOMP_SPINCOUNT"
SPINS = "10000"  # some 0.5 ms; libgomp's own count is 300,000


def run() -> None:
    """The console command."""
    code = main()
    gc.freeze()  # or Python looks for garbage among all that torch made once more, for a fifth of a short edit's time
    sys.exit(code)


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Returns the exit code."""
    words = (sys.argv[1:] if argv is None else argv) or ["--help"]

    def call() -> int:
        if words[0] in ("-h", "--help", "--version"):
            print(__version__ if words[0] == "--version" else verbs.usage())
            return 0
        name, rest = verbs.find(words)
        if name not in verbs.VERBS:
            print(verbs.usage(name))
            return 0
        let_threads_sleep()
        arguments = verbs.parser(name).parse_args(rest)
        return arguments.run(arguments) or 0

    if "_ARGCOMPLETE" in os.environ:
        verbs.complete()
    return answered(call)


def answered(call: Callable[[], int]) -> int:
    """The exit code of a command, whose errors and warnings become one line each."""
    with terminal.guarded(), warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", Note)
        try:
            return call()
        except InputError as err:
            _complain(str(err))
            return 2
        except BrokenPipeError:  # `stylemap train --help | head`
            sys.stderr.close()
            return 0
        except KeyboardInterrupt:
            return 130
        except Exception as err:
            if out_of_memory(err):
                said = f" ({brief(err)})" if str(err) else ""
                _complain(f"out of memory{said}; give fewer or smaller images at once, or close other programs")
            elif isinstance(err, OSError):  # a disk that fills up or goes away, in a library's hands
                _complain(f"{err.filename or 'a file'}: {err.strerror or err}")
            else:
                raise
            return 2


def let_threads_sleep() -> None:
    """PyTorch's threads that wait for one another soon sleep instead of spinning. Works before torch is imported.

    Libgomp lets them spin for longer than a turn of the scheduler: beside one other busy program they keep a core from the very
    thread they wait for, and training becomes more than ten times slower (`benchmarks/beside.py`). What the environment says
    stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault(SPIN, SPINS)


def _complain(text: str) -> None:
    """One line on stderr; of several processes that torchrun started each says which it is."""
    several = os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ
    print(
        f"error: {'process ' + os.environ['RANK'] + ': ' if several else ''}{terminal.one_line(text)}", file=sys.stderr
    )


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """One plain line: where in the source a warning arose is no use to a person at the command line."""
    print(f"{'note' if issubclass(category, Note) else 'warning'}: {terminal.one_line(message)}", file=sys.stderr)
