"""The parser of every verb: one line for a mistake, the new name of an old flag, short and long help. Imports no torch."""

import argparse
import difflib
import functools
import gc
import re
import shutil
import warnings
from collections.abc import Callable, Sequence

from stylemap.cli import values
from stylemap.errors import InputError, Note, shortened

RENAMED = {  # an earlier name of a flag -> its names now, with a value where it had none; a verb has at most one of them
    "--holdout": ("--heldout",),
    "--images": ("--photos", "--data"),
    "--image": ("--original", "--photos"),
    "--batch": ("--batch-gpu",),
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
    "--align": ("--frame=face",),
}
SIMILAR = {  # a flag that other programs have, or that took other values -> the flags to look at
    "--size": ("--enlarge", "--resolution", "--cells"),
    "--from": ("--cells",),
    "--to": ("--to-cell",),
    "--dataset": ("--data",),
    "--output": ("--out",),
    "--checkpoint": ("--weights",),
}
NEGATIVE = re.compile(r"-\.?\d[\d.,eE+-]*$")  # the value of `--shift -4,4`, `--amount -1e-3` or `--amounts -3..3`


class Group:
    """Flags under a title of their own in the help of a verb."""

    def __init__(self, parser: "Parser", title: str, description: str | None):
        self.parser, self.group = parser, parser.add_argument_group(title, description)

    def add_argument(self, *names: str, **settings) -> None:
        self.parser.declare(self.group.add_argument, names, settings)


class Parser(argparse.ArgumentParser):
    """Raises InputError instead of printing the usage. Abbreviated and repeated flags are mistakes.

    Attributes:
        arguments: all flags, and arguments without a flag.
        flags: by their names.
    """

    def __init__(self, prog: str, description: str = ""):
        super().__init__(prog=prog, description=description, allow_abbrev=False, add_help=False)
        self.arguments: list[argparse.Action] = []
        self.flags: dict[str, argparse.Action] = {}
        self.repeatable: set[str] = set()
        self.common: tuple[str, ...] = ()
        self.add_argument("-h", "--help", action="help", help="Show this help.")

    def add_argument(self, *names: str, **settings) -> None:
        self.declare(super().add_argument, names, settings)

    def add_group(self, title: str, description: str | None = None) -> Group:
        return Group(self, title, description)

    def declare(self, add: Callable[..., argparse.Action], names: Sequence[str], settings: dict) -> None:
        """Add an argument by a method of argparse. Its help also says its bounds and default."""
        notes = [str(settings["type"])] if isinstance(settings.get("type"), values.Described) else []
        default = settings.get("default")
        unset = default is None or default is False or default in ([], argparse.SUPPRESS)
        if not unset and "default" not in settings["help"].lower():
            notes.append("default: " + (" ".join(map(str, default)) if isinstance(default, list) else str(default)))
        text = settings["help"] + (f" ({'; '.join(notes)})" if notes else "")
        action = add(*names, **settings | {"help": text.replace("%", "%%")})
        self.arguments.append(action)
        self.flags |= dict.fromkeys(action.option_strings, action)
        if settings.get("action") in ("append", "store_true"):
            self.repeatable.update(action.option_strings)

    def show_common(self, *flags: str) -> None:
        """Let ``--help`` show these flags and what must be given. ``--help-all`` shows the others too."""
        self.add_argument("--help-all", action="store_true", help="Show all flags.")
        self.common = (*flags, "--help", "--help-all")

    def parse_args(self, words: list[str]) -> argparse.Namespace:
        """The values of the flags. Earlier spellings are taken with a note. ``words`` of the answer is the line as it was read.

        Raises:
            InputError: an unknown or repeated flag, or a value that does not fit.
        """
        read: list[str] = []
        given: set[str] = set()
        renamed: dict[str, str] = {}
        for i, word in enumerate(words):
            if word == "--":
                read += words[i:]
                break
            if not word.startswith("--"):
                if NEGATIVE.match(word) and read and read[-1] in self.flags:  # argparse would take it for a flag
                    read[-1] += f"={word}"
                else:
                    read.append(word)
                continue
            name, equals, value = word.partition("=")
            if not (flag := self._known(name)):
                raise InputError(f"{self._unknown(name)}; see {self.prog} --help")
            if flag == "--help-all":
                print(self.format_help(everything=True), end="")
                self.exit()
            bare = flag.partition("=")[0]
            if bare in given - self.repeatable:
                self.error(f"{bare} is given twice")
            given.add(bare)
            if flag != name:
                renamed[name] = flag
            read.append(flag + equals + value)
        if renamed:
            warnings.warn(Note(", ".join(f"{name} is now {flag}" for name, flag in renamed.items())), stacklevel=2)
        return super().parse_args(read, argparse.Namespace(words=read))

    def _known(self, name: str) -> str | None:
        """What a flag, or an earlier spelling of it, is now. Recipes spell their settings with underscores."""
        hyphens = name.replace("_", "-").lower()
        return next(
            (flag for flag in (name, hyphens, *RENAMED.get(hyphens, ())) if flag.partition("=")[0] in self.flags), None
        )

    def _unknown(self, name: str) -> str:
        """What to say about a flag that does not exist."""
        for flag in SIMILAR.get(name, ()):
            if flag in self.flags:
                return f"unknown flag {name}; see {flag}"
        if any(flag.startswith(f"{name}.") for flag in self.flags):
            return f"{name} is a group of settings; give one of them, as {name}.NAME VALUE"
        near = [flag for flag in self.flags if flag.startswith(name)] or difflib.get_close_matches(name, self.flags, 1)
        return f"unknown flag {shortened(name)}" + (f"; the nearest is {near[0]}" if near else "")

    def format_help(self, everything: bool = False) -> str:
        self.usage = self._short_usage().replace("%", "%%")
        texts = {action: action.help for action in self.arguments}
        for action in self.arguments:
            if self.common and not everything and not action.required and not {*self.common} & {*action.option_strings}:
                action.help = argparse.SUPPRESS
        try:
            return super().format_help()
        finally:
            for action, text in texts.items():
                action.help = text

    def _short_usage(self) -> str:
        """The verb with what must be given, in lines that fit the terminal."""
        words = []
        for action in self.arguments:
            value = str(action.metavar or action.dest)
            if isinstance(action.nargs, int):
                value = " ".join([value] * action.nargs)
            text = " ".join([*action.option_strings[:1], value]) + " ..." * (action.nargs == "+")
            if action.required:
                words.append(text)
            elif not action.option_strings:
                words.append(f"[{text}]")
        lines = [self.prog]
        for word in [*words, "[FLAGS]"]:
            if len(f"usage: {lines[-1]} {word}") > shutil.get_terminal_size().columns - 2:
                lines.append(" " * 7)
            lines[-1] += f" {word}"
        return "\n".join(lines)

    def error(self, message: str):
        raise InputError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def without_gradients(run: Callable[[argparse.Namespace], int | None]) -> Callable[[argparse.Namespace], int | None]:
    """As `torch.no_grad`, which cannot decorate before torch is imported."""

    @functools.wraps(run)
    def wrapped(arguments: argparse.Namespace) -> int | None:
        gc.disable()  # of the many objects of torch none is garbage, and looking for it takes a tenth of a short edit
        try:
            import torch
        finally:
            gc.enable()
        with torch.no_grad():
            return run(arguments)

    return wrapped
