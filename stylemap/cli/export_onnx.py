"""``stylemap export onnx``: a model for programs without PyTorch."""

import argparse
from pathlib import Path

from stylemap.cli import flags
from stylemap.cli.parsing import Parser

GRAPHS = ("encoder", "mapping", "resizer", "blend", "render", "edit", "modulations", "preview", "parts")
PRECISIONS = ("float32", "float16", "int8")


def export_onnx(parser: Parser) -> None:
    """Export weights as ONNX graphs, for onnxruntime on any device or in a browser. Each graph is a file with a free size of
    batch. manifest.json describes them."""
    flags.add(parser, "--weights")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="Number format of the weights in the files. All graphs compute in float32. float16 halves the files, int8 quarters "
        "them.",
    )
    parser.add_argument(
        "--graphs",
        nargs="+",
        choices=GRAPHS,
        metavar="NAME",
        help=f"Graphs to export: {', '.join(GRAPHS)}. Default: all; parts only if the weights know parts.",
    )
    parser.add_argument("--no-check", action="store_true", help="Do not compare the graphs with PyTorch.")
    flags.add_out_folder(parser, "NAME.onnx for each graph, manifest.json, and the model card")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from stylemap import exporting

    manifest = exporting.export(
        arguments.weights, arguments.out, arguments.precision, arguments.graphs, not arguments.no_check, told
    )
    for what, error in manifest["error_in_levels"].items():
        print(f"{what} of drawn faces: error {error['mean']:.4f} of 255 levels on average, at most {error['max']:.2f}")
    print(Path(arguments.out) / exporting.MANIFEST)


def told(name: str, size: int, difference: float | None) -> None:
    """A line for a graph."""
    compared = "not compared" if difference is None else f"differs from PyTorch by {difference:.0e}"
    print(f"{name + '.onnx':<18}{size / 1e6:7.2f} MB   {compared}", flush=True)
