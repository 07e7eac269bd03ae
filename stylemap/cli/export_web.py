"""``stylemap export web``: the editor as a site without a server."""

import argparse
import shlex
from pathlib import Path

from stylemap.cli import flags
from stylemap.cli.export_onnx import PRECISIONS, told
from stylemap.cli.parsing import Parser
from stylemap.errors import InputError


def export_web(parser: Parser) -> None:
    """Export the editor as a site of plain files. Any host of files can serve it. The model runs in the browser: photos never
    leave the machine, and after the first visit the page works without a network."""
    flags.add(parser, "--weights", "--directions")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float16",
        help="Number format of the weights in the files. The model computes in float32.",
    )
    parser.add_argument(
        "--runtime",
        type=Path,
        metavar="FILE",
        help="Archive of onnxruntime-web. Default: where `stylemap weights pull onnxruntime-web` puts it.",
    )
    parser.add_argument(
        "--samples",
        action="store_true",
        help="Put images that the weights generate into the gallery, not those that the training held out. The site publishes "
        "its gallery.",
    )
    flags.add_out_folder(parser, "index.html and all that belongs to it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    try:
        from stylemap import webapp
        from stylemap.editor import gallery, studio
    except ImportError as err:
        raise InputError(f"the site needs {err.name or 'more packages'}: pip install 'stylemap[web,onnx]'") from err
    from stylemap import checkpoint, familiarity, segmentation
    from stylemap.architectures.stylemap.model import StylemapModel
    from stylemap.cli import direction_files

    weights = arguments.weights
    model = checkpoint.load_any(weights)
    if not isinstance(model, StylemapModel) or model.encoder is None:
        raise InputError(f"{weights} holds no StyleMapGAN with an encoder, which the editor needs")
    directions = arguments.directions or direction_files.shipped(weights)
    loaded = direction_files.load(directions, model) if directions else {}
    known, segmenter = familiarity.measure(weights, model), segmentation.find(weights, model)
    work = studio.Studio(model, familiarity.name_of(weights), loaded, known, segmenter=segmenter)
    pictures = gallery.generated(model) if arguments.samples else gallery.open_gallery(weights, model)
    size = webapp.export(
        weights,
        work,
        pictures,
        arguments.out,
        directions and Path(directions),
        arguments.precision,
        arguments.runtime,
        told,
    )
    print(
        f"{arguments.out}: {size / 1e6:.1f} MB. To see it: python3 -m http.server -d {shlex.quote(str(arguments.out))}"
    )
