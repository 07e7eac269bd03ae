"""Write drawn faces as files: images, their part labels if asked, and a table of their attributes."""

import argparse
import csv
import io
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs from a checkout that is not installed

from stylemap.cli import flags, published_data
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole
from stylemap.datasets.avatars import Avatars
from stylemap.errors import InputError
from stylemap.files import write_bytes, write_text


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("python data/avatars/prepare.py", __doc__)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="Folder for the images. It must be new or empty."
    )
    flags.add(parser, "--count", default=100, help="Number of faces.")
    flags.add(parser, "--resolution", type=whole(16, 256))
    parser.add_argument(
        "--split", choices=("train", "heldout"), default="train", help="Split that the faces belong to."
    )
    flags.add(parser, "--seed", help="Seed of the faces.")
    parser.add_argument(
        "--with-part-labels", action="store_true", help="Also write part labels into labels/ beside --out."
    )
    return parser.parse_args(arguments)


def png(image: np.ndarray) -> bytes:
    """uint8 [h, w, 3] RGB or [h, w] grey -> the bytes of a PNG file."""
    done, data = cv2.imencode(".png", image if image.ndim == 2 else image[:, :, ::-1])
    assert done
    return data.tobytes()


def refuse_if_filled(folder: Path) -> None:
    if folder.is_file():
        raise InputError(f"{folder} is a file: choose another --out")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: empty it or choose another --out")


def prepare(options: argparse.Namespace) -> None:
    """Write the files. The table comes last, so a folder with a table is complete."""
    avatars = Avatars(options.resolution, options.count, options.split, options.seed)
    labels = options.out.absolute().parent / "labels"
    refuse_if_filled(options.out)
    if options.with_part_labels:
        if labels == options.out.absolute():
            raise InputError(
                f"--out {options.out} is the folder that --with-part-labels writes to: choose another name"
            )
        refuse_if_filled(labels)
    table = io.StringIO()
    writer = csv.DictWriter(table, ["file", *avatars.attributes(0)], lineterminator="\n")
    writer.writeheader()
    for i in range(len(avatars)):
        file = f"{i:06d}.png"
        write_bytes(options.out / file, png(avatars[i]))
        if options.with_part_labels:
            write_bytes(labels / file, png(avatars.parts(i)))
        writer.writerow({"file": file, **avatars.attributes(i)})
    write_text(options.out / "attributes.csv", table.getvalue())
    print(f"{len(avatars)} faces in {options.out}" + (f", part labels in {labels}" if options.with_part_labels else ""))


@published_data.script
def main(arguments: list[str]) -> None:
    prepare(parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
