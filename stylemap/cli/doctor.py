"""``stylemap doctor``: what works here, what does not, and the command that changes it."""

import argparse

from stylemap.cli import flags
from stylemap.cli.parsing import Parser

MARKS = {"good": "ok", "missing": "--", "bad": "!!"}


def doctor(parser: Parser) -> None:
    """Check this installation: versions, devices, kernels, weights, space, and a self-test of some seconds. Nothing is fetched.
    Put the output into a bug report. The exit code is 1 if something is wrong."""
    flags.add(parser, "--json")
    parser.add_argument("--no-self-test", action="store_true", help="Leave out the self-test.")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from stylemap import diagnosis, files

    found, part = [], None
    for finding in diagnosis.findings(not arguments.no_self_test):
        found.append(finding)
        if finding.part != part:
            print(finding.part if part is None else f"\n{finding.part}")
            part = finding.part
        remedy = f"  ->  {finding.remedy}" if finding.remedy else ""
        print(f"  {MARKS[finding.state]}  {finding.name:<18}{finding.says}{remedy}", flush=True)
    bad = [finding.name for finding in found if finding.state == "bad"]
    print(f"\nwrong: {', '.join(bad)}" if bad else "\nall is well; -- marks what is not here and may be missed")
    if arguments.json:
        report = {"good": not bad, "findings": [asdict(finding) for finding in found]}
        files.write_text(arguments.json, json.dumps(report, indent=1) + "\n")
    return int(bool(bad))
