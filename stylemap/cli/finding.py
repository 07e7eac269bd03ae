"""The flags that say how faces are found."""

import argparse


def add_options(parser: argparse._ActionsContainer) -> None:
    """``--landmarks`` and ``--detector``."""
    parser.add_argument(
        "--landmarks", metavar="JSON", help='{"photo.jpg": [[x, y], ...]}, 5 or 68 points or named ones; no detector'
    )
    parser.add_argument(
        "--detector", metavar="ONNX", help="YuNet of OpenCV's model zoo; by default looked for in ~/.cache/stylemap"
    )
