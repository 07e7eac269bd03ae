"""``stylemap data``: dispatches to check, prepare and align."""

import importlib

from stylemap.errors import InputError

VERBS = {"check": "stylemap.cli.check", "prepare": "stylemap.cli.prepare", "align": "stylemap.cli.align"}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in VERBS:
        raise InputError(f"say what: stylemap data {' | '.join(VERBS)}")
    return importlib.import_module(VERBS[argv[0]]).main(argv[1:])
