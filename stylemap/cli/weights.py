"""``stylemap weights list | verify | pull``: the files that others published, which some verbs need."""

import argparse
import sys

from stylemap import published
from stylemap.cli.parsing import Parser
from stylemap.published import PublishedFile


def listing(parser: Parser) -> None:
    """Show the published files that some verbs need: what for, from where, under which licence, and whether they are here."""
    parser.set_defaults(run=run_list)


def run_list(arguments: argparse.Namespace) -> None:
    print("\n\n".join(map(described, published.FILES.values())))


def described(file: PublishedFile) -> str:
    rows = {
        "licence": file.licence,
        "size": f"{file.size / 1e6:.1f} MB",
        "from": file.url,
        "sha256": file.sha256,
        "place": file.path(),
        "state": "here" if file.path().is_file() else f"not here; {file.command} gets it",
    }
    return "\n".join([f"{file.name}: {file.purpose}", *(f"  {label:<9}{text}" for label, text in rows.items())])


def verify(parser: Parser) -> None:
    """Compare the files that are here with their SHA-256. The exit code is 1 if one is damaged."""
    parser.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    damaged = False
    for file in published.FILES.values():
        path = file.path()
        what = file.fault(path) if path.is_file() else None
        damaged |= what is not None
        state = (
            f"damaged: it is {what}; {file.command} gets it again"
            if what
            else "right"
            if path.is_file()
            else "not here"
        )
        print(f"{file.name:<15}{state}", flush=True)
    return int(damaged)


def pull(parser: Parser) -> None:
    """Fetch a published file into the folder where the other verbs look for it, and verify it. If the connection is cut, run
    the same command again to go on from there. Proxies are taken from the environment, such as https_proxy."""
    parser.add_argument(
        "name", metavar="NAME", choices=tuple(published.FILES), help=f"One of {', '.join(published.FILES)}."
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="URL|FILE",
        help="Another address, or a file that you have; or a folder that holds it, whose address ends with /. Default: the "
        "address that `stylemap weights list` shows.",
    )
    parser.set_defaults(run=run_pull)


def run_pull(arguments: argparse.Namespace) -> None:
    from stylemap import fetching
    from stylemap.cli.preparing import Bar

    file = published.FILES[arguments.name]
    try:
        with Bar("B", unit_scale=True) as bar:
            path = fetching.fetch(file, arguments.origin, bar)
    except KeyboardInterrupt:
        print("stopped; what has arrived is kept; run the same command again to go on", file=sys.stderr)
        raise
    print(path)
