"""The parser of every verb: one line for a mistake, the new name for an old flag, short and long help. Imports no torch."""

import argparse
import difflib
import functools
import re
import shutil
from collections.abc import Callable

from stylemap.cli import values
from stylemap.errors import InputError, shortened

OTHER_NAMES = {  # a flag that a verb does not have -> what it may be called there
    "--holdout": ("--heldout",),
    "--images": ("--photos", "--data"),
    "--image": ("--original", "--photos", "--images"),
    "--dataset": ("--data",),
    "--side": ("--resolution",),
    "--size": ("--enlarge", "--resolution", "--cells"),
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
    "--from": ("--cells",),
    "--to": ("--to-cell",),
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
        for argument in arguments:
            name = argument.partition("=")[0]
            if name == "--":
                break
            if name.startswith("--") and name not in self._option_string_actions:
                raise InputError(f"{self.unknown(name)}; see {self.prog} --help")
        return super().parse_args(arguments, argparse.Namespace(words=arguments))

    def unknown(self, flag: str) -> str:
        """What to say of a flag that there is not."""
        known = [name for name in self._option_string_actions if name.startswith("--")]
        for other in (flag.replace("_", "-").lower(), *OTHER_NAMES.get(flag, ())):
            if other in known:
                return f"{shortened(flag)} is called {other}"
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
