"""The parser of every verb: one line for a mistake, the new name of an old flag, short and long help. Imports no torch."""

import argparse
import difflib
import functools
import re
import shutil
import warnings
from collections.abc import Callable

from stylemap.cli import values
from stylemap.errors import InputError, Note, shortened

RENAMED = {  # an earlier name of a flag -> its names now; a verb has at most one of them
    "--holdout": ("--heldout",),
    "--images": ("--photos", "--data"),
    "--image": ("--original", "--photos"),
    "--side": ("--resolution",),
    "--sides": ("--stylemap-sizes",),
    "--target": ("--original",),
    "--lpips-vgg": ("--vgg",),
    "--perceptual": ("--perceptual-network",),
    "--parts": ("--part-labels", "--with-part-labels"),
    "--original-parts": ("--original-part-labels",),
    "--reference-parts": ("--reference-part-labels",),
    "--count": ("--samples",),
    "--interpolations": ("--samples",),
    "--span": ("--amounts",),
}
SIMILAR = {  # a flag that other programs have, or that took other values -> the flags to look at
    "--size": ("--enlarge", "--resolution", "--cells"),
    "--from": ("--cells",),
    "--to": ("--to-cell",),
    "--dataset": ("--data",),
    "--output": ("--out",),
    "--checkpoint": ("--weights",),
}


class Help(argparse.HelpFormatter):
    """Adds bounds and default to the help of a flag."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        notes = [str(action.type)] if isinstance(action.type, values.Described) else []
        default = action.default
        has_default = not (default is None or default is False or default == [] or default == argparse.SUPPRESS)
        if has_default and "default" not in action.help.lower():
            notes.append("default: " + (" ".join(map(str, default)) if isinstance(default, list) else str(default)))
        text = action.help + (f" ({'; '.join(notes)})" if notes else "")
        return text.replace("%", "%%")


class Parser(argparse.ArgumentParser):
    """Raises InputError instead of printing the usage. Abbreviated and repeated flags are mistakes.

    Args:
        common: flags that ``--help`` shows where a verb has many; ``--help-all`` shows the others too.
    """

    def __init__(self, prog: str, description: str = "", common: tuple[str, ...] = (), **kwargs):
        super().__init__(
            prog=prog, description=description, allow_abbrev=False, formatter_class=Help, add_help=False, **kwargs
        )
        self.register("action", None, StoreOnce)
        self.register("action", "store", StoreOnce)
        # argparse takes the values of `--shift -4,4`, `--amount -1e-3` and `--amounts -3..3` for flags otherwise
        self._negative_number_matcher = re.compile(r"-\.?\d[\d.,eE+-]*$")
        self.add_argument("-h", "--help", action="help", help="Show this help.")
        self.common = common

    def show_common(self, *flags: str) -> None:
        """Let ``--help`` show these flags and those that must be given."""
        self.common = flags
        self.add_argument("--help-all", action=HelpAll, help="Show all flags.")

    def parse_args(self, arguments: list[str]) -> argparse.Namespace:
        arguments, renamed = list(arguments), {}
        for i, argument in enumerate(arguments):
            name, equals, value = argument.partition("=")
            if name == "--":
                break
            if not name.startswith("--") or name in self._option_string_actions:
                continue
            if not (new := self._renamed(name)):
                raise InputError(f"{self._unknown(name)}; see {self.prog} --help")
            renamed[name] = new
            arguments[i] = new + equals + value
        if renamed:
            warnings.warn(Note(", ".join(f"{name} is now {new}" for name, new in renamed.items())), stacklevel=2)
        return super().parse_args(arguments, argparse.Namespace(words=arguments))

    def _renamed(self, flag: str) -> str | None:
        """What an earlier spelling of a flag is now. Recipes spell their settings with underscores."""
        hyphens = flag.replace("_", "-").lower()
        names = (hyphens, *RENAMED.get(hyphens, ()))
        return next((name for name in names if name in self._option_string_actions), None)

    def _unknown(self, flag: str) -> str:
        """What to say about a flag that does not exist."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for similar in SIMILAR.get(flag, ()):
            if similar in known:
                return f"unknown flag {flag}; see {similar}"
        if any(name.startswith(f"{flag}.") for name in known):
            return f"{flag} is a group of settings; give one of them, as {flag}.NAME VALUE"
        near = [name for name in known if name.startswith(flag)] or difflib.get_close_matches(flag, known, 1)
        return f"unknown flag {shortened(flag)}" + (f"; the nearest is {near[0]}" if near else "")

    def format_help(self, everything: bool = False) -> str:
        self.usage = self._short_usage().replace("%", "%%")
        if not self.common or everything:
            return super().format_help()
        hidden = [
            action
            for action in self._actions
            if not action.required
            and not {*self.common, "--help", "--help-all"} & {action.dest, *action.option_strings}
        ]
        kept = [action.help for action in hidden]
        for action in hidden:
            action.help = argparse.SUPPRESS
        try:
            return super().format_help()
        finally:
            for action, text in zip(hidden, kept, strict=True):
                action.help = text

    def _short_usage(self) -> str:
        """The verb with what must be given, in lines that fit the terminal."""

        def spelled(action: argparse.Action) -> str:
            value = str(action.metavar or action.dest)
            if isinstance(action.nargs, int):
                value = " ".join([value] * action.nargs)
            return " ".join([*action.option_strings[:1], value]) + " ..." * (action.nargs == "+")

        words = [spelled(action) for action in self._actions if action.required]
        words += [f"[{spelled(action)}]" for action in self._actions if not (action.required or action.option_strings)]
        for group in self._mutually_exclusive_groups:
            if group.required:
                words.append(f"({' | '.join(map(spelled, group._group_actions))})")
        lines = [self.prog]
        for word in [*words, "[FLAGS]"]:
            if len(f"usage: {lines[-1]} {word}") > shutil.get_terminal_size().columns - 2:
                lines.append(" " * 7)
            lines[-1] += f" {word}"
        return "\n".join(lines)

    def error(self, message: str):
        raise InputError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


class HelpAll(argparse.Action):
    """Print the help of all flags, and exit."""

    def __init__(self, option_strings, dest, help=None):
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        print(parser.format_help(everything=True), end="")
        parser.exit()


class StoreOnce(argparse.Action):
    """Store a value; a second one would silently replace the first."""

    def __call__(self, parser, namespace, values, option_string=None):
        given = getattr(namespace, "_given", set())
        if self.dest in given:
            parser.error(f"{option_string} is given twice")
        namespace._given = given | {self.dest}
        setattr(namespace, self.dest, values)


def without_gradients(run: Callable[[argparse.Namespace], int | None]) -> Callable[[argparse.Namespace], int | None]:
    """As `torch.no_grad`, which cannot decorate before torch is imported."""

    @functools.wraps(run)
    def wrapped(arguments: argparse.Namespace) -> int | None:
        import torch

        with torch.no_grad():
            return run(arguments)

    return wrapped
