"""``stylemap data``: one verb for each thing to do with pictures before training."""

import importlib

from stylemap.errors import InputError

VERBS = {  # verb -> (module, what it does); a module is imported when its verb is used
    "check": ("stylemap.cli.check", "what a folder, zip or LMDB holds: formats, sides, copies, damage, speed"),
    "prepare": ("stylemap.cli.prepare", "make one zip of square pictures of one size"),
    "align": ("stylemap.cli.align", "cut the faces out of photos, upright and of one size"),
}

USAGE = "usage: stylemap data VERB [OPTIONS]   (stylemap data VERB --help for more)\n\n" + "\n".join(
    f"  {verb:<12}{text}" for verb, (_, text) in VERBS.items()
)


def main(argv: list[str]) -> int:
    """Run one verb. Returns the exit code."""
    verb, *rest = argv or ["--help"]
    if verb in ("-h", "--help"):
        print(USAGE)
        return 0
    if verb not in VERBS:
        raise InputError(f"unknown verb {verb!r}; known are stylemap data {', '.join(VERBS)}")
    return importlib.import_module(VERBS[verb][0]).main(rest)
