"""Parsers that answer a mistake with one line. Imports nothing slow."""

import argparse
import re

from stylemap.errors import InputError


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, where there is one to show."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default == []:
            return action.help
        if isinstance(default, list) and action.help:
            return f"{action.help} (default: {' '.join(map(str, default))})"
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Raises InputError instead of printing the usage; abbreviated and repeated flags are mistakes."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, formatter_class=Help, **kwargs)
        self.register("action", None, StoreOnce)
        self.register("action", "store", StoreOnce)

    def parse_args(self, arguments: list[str]) -> argparse.Namespace:
        return super().parse_args(joined(arguments))

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def joined(arguments: list[str]) -> list[str]:
    """argparse takes the value of ``--shift -4,4`` or ``--amount -1e-3`` for a flag; joined to its flag, it does not."""
    found: list[str] = []
    for argument in arguments:
        if found and re.fullmatch("--[^=]+", found[-1]) and re.fullmatch(r"-\.?\d[\d.,eE+-]*", argument):
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


class StoreOnce(argparse.Action):
    """Store a value; a second one would silently replace the first."""

    def __call__(self, parser, namespace, values, option_string=None):
        given = getattr(namespace, "_given", set())
        if self.dest in given:
            parser.error(f"{option_string} is given twice")
        namespace._given = given | {self.dest}
        setattr(namespace, self.dest, values)


def processes(text: str) -> int:
    """A number of worker processes."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes, 0 or more")
    return int(text)
