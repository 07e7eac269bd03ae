"""Options that several verbs share."""

import argparse
import math
import warnings
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stylemap import checkpoint, decoding, devices, familiarity, images
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli.parsing import Parser  # noqa: F401 (verbs know it as options.Parser)
from stylemap.editing.edit import AMOUNT, PIXELS
from stylemap.errors import InputError, Note, shortened
from stylemap.familiarity import Familiarity
from stylemap.photos import formats, mask_files

if TYPE_CHECKING:
    pass

DEFAULT_WEIGHTS = "avatars32"
WITH_VECTORS = "stylemap project, evaluate, generate samples, generate reconstruct, train --init-from"
BATCH = 16  # images per pass; bounds the memory however many files are given
MOST_SEEDS = 100_000


def add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", default=DEFAULT_WEIGHTS, help="shipped weights by name, a .safetensors file or the folder of a run"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")


def load_model(arguments: argparse.Namespace) -> StylemapModel:
    """Of stylemaps, which editing takes.

    Raises:
        InputError: the weights are of a vector-latent generator.
    """
    return stylemaps(load_any(arguments), arguments.weights)


def load_any(arguments: argparse.Namespace) -> "Model":
    return checkpoint.load_any(arguments.weights, devices.pick(arguments.device))


def stylemaps(model: "Model", weights: str | Path) -> StylemapModel:
    """The model, if its latents have places that an edit can choose.

    Raises:
        InputError: they have none.
    """
    if not model.latents.spatial:
        raise InputError(
            f"{weights} holds a {model.config.architecture} generator, whose latents have no places to edit; it goes with "
            f"{WITH_VECTORS}"
        )
    return model


def add_enlarge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--enlarge",
        type=enlargement,
        metavar="TIMES",
        help=f"write each pixel so many times across and down; by default as often as makes a picture {images.SEEN} pixels wide. "
        "1 = the model's own pixels, as metrics need them",
    )


def enlargement(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= images.MOST_TIMES:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a whole number from 1 to {images.MOST_TIMES}")
    return int(text)


class Enlarging:
    """Makes pictures as large as ``--enlarge`` says; where it says nothing, large enough to be seen, and tells so once."""

    def __init__(self, times: int | None, flag: str = "--enlarge 1"):
        """``flag``: what to say for the model's own pixels."""
        self.times, self.flag, self.told = times, flag, False

    def __call__(self, pictures: Tensor) -> Tensor:
        """[N, 3, R, R] -> [N, 3, times R, times R]."""
        side = pictures.shape[-1]
        times = images.times(side) if self.times is None else self.times
        if self.times is None and times > 1 and not self.told:
            self.told = True
            said = f"pictures of {side} x {side} pixels are enlarged {times} times so that they can be seen"
            warnings.warn(
                f"{said}; {self.flag} writes the model's own pixels, as metrics need them", Note, stacklevel=2
            )
        return images.repeat(pictures, times)


def check_networks(arguments: argparse.Namespace) -> None:
    """InputError if ``--lpips-vgg`` or ``--inception`` names no file."""
    for flag, path in (("--lpips-vgg", arguments.lpips_vgg), ("--inception", arguments.inception)):
        if path and not Path(path).is_file():
            raise InputError(f"{flag} {path} is no file; give the path of the weights, or leave it out")


def number(text: str, least: int = 1) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return int(text)


def read_image(path: str | Path, model: "Model") -> Tensor:
    """[1, 3, R, R] on the model's device."""
    return images.read(path, model.config.resolution).to(model.device)


def read_photos(paths: Sequence[str | Path], model: StylemapModel, weights: str | Path) -> Tensor:
    """[N, 3, R, R] on the model's device; tells which of them the weights cannot draw."""
    pictures = torch.cat([read_image(path, model) for path in paths])
    tell_unfamiliar(familiarity.of(weights, model), paths, familiarity.errors(model, pictures))
    return pictures


def tell_unfamiliar(known: Familiarity | None, paths: Sequence[str | Path], errors: Sequence[float]) -> None:
    """A `Note` for each picture that the weights cannot draw, by the errors of their reconstructions."""
    for path, error in dict(zip(map(str, paths), errors, strict=True)).items():
        if known and (line := known.remark(path, error)):
            warnings.warn(line, Note, stacklevel=2)


def read_mask(
    path: str,
    model: "Model",
    photos: Iterable[str | Path],
    hard: bool = False,
    white: str = mask_files.EDITED,
) -> Tensor:
    """A mask over some photos, [1, 1, R, R] on the model's device.

    Raises:
        InputError: as `images.read_mask`, or it has another shape than a photo.
    """
    size = decoding.upright_size(Path(path))
    for photo in photos:
        mask_files.validate_size(size, decoding.upright_size(Path(photo)), path)
    return images.read_mask(path, model.config.resolution, hard, white).to(model.device)


def pair(text: str) -> tuple[int, int]:
    """ "3,4" -> (3, 4)."""
    return whole_numbers(text, 2, "two whole numbers like 3,4")


def whole_numbers(text: str, count: int, what: str) -> tuple[int, ...]:
    """ "3,4" -> (3, 4); pixels or cells, of which no picture has more than `PIXELS.most`."""
    try:
        # Python reads no number of thousands of digits
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not {what}")
    if max(map(abs, numbers)) > PIXELS.most:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} goes beyond {PIXELS.most:g} pixels or cells")
    return numbers


def amount(text: str) -> float:
    """How far to go along a direction, or how many times to add a difference."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    most = AMOUNT.most
    if not -most <= value <= most:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a number from {-most:g} to {most:g}")
    return value


def fraction(text: str) -> float:
    """A number in [0, 1]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a number from 0 to 1")
    return value


def integers(text: str) -> list[int]:
    """ "0-3,7" -> [0, 1, 2, 3, 7]."""
    numbers: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            low, high = int(first), int(last if dash else first)
            if high - low >= MOST_SEEDS:
                raise argparse.ArgumentTypeError(f"{shortened(text)!r} are more than {MOST_SEEDS} seeds")
            numbers.extend(range(low, high + 1))
    except ValueError:
        numbers = []
    numbers = list(dict.fromkeys(numbers))
    if not numbers:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a list of seeds like 0-15 or 3,5,8")
    return numbers


def output(path: str, suffixes: Collection[str] = formats.FORMATS) -> Path:
    """A file to write, refused before any work is done if its name is of no known kind."""
    if Path(path).suffix.lower() not in suffixes:
        raise argparse.ArgumentTypeError(f"{path!r} must end in {' or '.join(suffixes)}")
    if Path(path).is_dir():
        raise argparse.ArgumentTypeError(f"{path!r} is a folder; name a file in it")
    return Path(path)


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Refuse to write over a file that was given to be read, or into a folder of such files.

    Raises:
        InputError: naming it.
    """
    read = {Path(path).resolve(): path for path in inputs}
    folders = {path for path in read if path.is_dir()}
    for path in outputs:
        whole = path.resolve()
        if whole in read and whole not in folders:
            raise InputError(f"{path} is one of the files to read and would be overwritten; give another --out")
        if inside := folders & {whole, *whole.parents}:
            raise InputError(
                f"{path} would be written into {read[inside.pop()]}, which is read; write to another folder"
            )


@torch.no_grad()
def chunked(function, x: Tensor) -> Tensor:
    """``function`` over ``x`` in chunks of BATCH samples."""
    return torch.cat([function(part) for part in x.split(BATCH)])


def seed(text: str) -> int:
    """What random numbers begin with."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed, a whole number from 0")
    return int(text)
