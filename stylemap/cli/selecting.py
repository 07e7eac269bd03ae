"""The flags that say where an edit happens: painted masks, parts of the face, halves of the picture."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import decoding
from stylemap.cli.photos import SquarePhotos
from stylemap.datasets import parts, sources
from stylemap.editing import masks
from stylemap.errors import InputError, shortened
from stylemap.photos.photo import Photo


def add_options(parser: argparse.ArgumentParser, union: bool) -> None:
    """``--mask``, ``--part`` with its labels, ``--feather``.

    Args:
        union: of the original's part and the reference's, and halves as well; otherwise the reference's part alone.
    """
    side, taken = ("original", "the reference there") if union else ("reference", "the part to take")
    group = parser.add_argument_group("where", "One of --mask, --part or --half." if union else None)
    group.add_argument("--mask", action="append", metavar="M", help=f"grey picture over the {side}, white = {taken}")
    group.add_argument(
        "--part",
        action="append",
        type=part_names,
        metavar="NAMES",
        help="instead of --mask: " + ("the union of both pictures' part, " if union else "the part of the reference, ")
        + f"such as nose or nose,eye; known are {', '.join(parts.GROUPS)}",
    )  # fmt: skip
    group.add_argument(
        "--parts", metavar="PATH", help="with --part: folder or zip of label maps, named like the pictures"
    )
    if union:
        group.add_argument("--original-parts", metavar="FILE", help="instead of --parts: label map of the original")
    group.add_argument(
        "--reference-parts",
        action="append",
        metavar="FILE",
        help="instead of --parts: label map of the reference",
    )
    if union:
        group.add_argument("--half", action="append", choices=masks.HALVES, help="instead of --mask")
    group.add_argument("--feather", type=pixels, default=0.0, metavar="PIXELS", help="soften the mask's edge this far")
    parser.set_defaults(union=union, **({} if union else {"original_parts": None, "half": None}))


def part_names(text: str) -> tuple[parts.Part, ...]:
    """ "nose,eye" -> the ids of both."""
    try:
        return tuple(part for name in text.split(",") for part in parts.part_ids(name))
    except InputError as err:
        raise argparse.ArgumentTypeError(str(err)) from None


def pixels(text: str) -> float:
    """A number of pixels, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is not a number of pixels, 0 or more")
    return value


def files(arguments: argparse.Namespace) -> list[str]:
    """The files that are read to find out where."""
    return [
        *arguments.mask,
        *arguments.reference_parts,
        *(path for path in (arguments.parts, arguments.original_parts) if path),
    ]


def given(arguments: argparse.Namespace) -> int:
    """How many places the flags name.

    Raises:
        InputError: none, of several kinds, or parts without labels; names the flags.
    """
    kinds = {"--mask": arguments.mask, "--part": arguments.part, "--half": arguments.half}
    named = [flag for flag, values in kinds.items() if values]
    if len(named) != 1:
        known = "--mask, --part or --half" if arguments.union else "--mask or --part"
        raise InputError(f"{' and '.join(named) or 'no place'} given; give one of {known}")
    if arguments.hard and arguments.feather:
        raise InputError("--hard takes whole cells, so --feather has no effect; leave one of the two away")
    single = [arguments.reference_parts] + ([arguments.original_parts] if arguments.union else [])
    labelled = bool(arguments.parts) + any(map(bool, single))
    if not arguments.part and labelled:
        raise InputError("--parts, --original-parts and --reference-parts go with --part; add it or leave them away")
    if arguments.part and (labelled != 1 or (not arguments.parts and not all(map(bool, single)))):
        files = "--original-parts and --reference-parts" if arguments.union else "--reference-parts"
        raise InputError(f"--part needs label maps: give either --parts or {files}")
    return len(kinds[named[0]])


def spread(flag: str, values: list, count: int, what: str) -> list:
    """One value for all of ``count``, or as many as that.

    Raises:
        InputError: another number; ``what`` says what they are counted against.
    """
    if len(values) not in (1, count):
        raise InputError(f"{len(values)} {flag} and {count} {what}; give one {flag} for all or one for each")
    return values * count if len(values) == 1 else values


def select(
    arguments: argparse.Namespace, pictures: SquarePhotos, original: Photo, references: list[Photo]
) -> list[Tensor]:
    """The masks that the flags name, a place for each of the references: [1, 1, R, R] each, on the model's device.

    Raises:
        InputError: another number of flags than of references, files that cannot be used, a part that nobody has.
    """
    count, resolution = len(references), pictures.model.config.resolution
    if arguments.mask:
        over = [original if arguments.union else r for r in references]
        found = [pictures.mask(path, photo, arguments.hard) for path, photo in zip(arguments.mask, over, strict=True)]
    elif arguments.half:
        halves = spread("--half", arguments.half, count, "--reference")
        found = [masks.half(half, resolution).to(pictures.model.device) for half in halves]
    else:
        found = _parts(arguments, pictures, original, references)
    return [masks.feather(mask, arguments.feather) for mask in found]


def _parts(
    arguments: argparse.Namespace, pictures: SquarePhotos, original: Photo, references: list[Photo]
) -> list[Tensor]:
    wanted = spread("--part", arguments.part, len(references), "--reference")
    if arguments.parts:
        labels = parts.PartLabels(arguments.parts)
        maps = [labels.read(photo.name) for photo in references]
        first = labels.read(original.name) if arguments.union else None
    else:
        listed = spread("--reference-parts", arguments.reference_parts, len(references), "--reference")
        maps = [read_labels(path) for path in listed]
        first = read_labels(arguments.original_parts) if arguments.union else None
    found = []
    for ids, reference, ours in zip(wanted, references, maps, strict=True):
        sides = [(reference, ours)] + ([] if first is None else [(original, first)])
        over = [_part(pictures, photo, label, ids) for photo, label in sides]
        mask = torch.stack(over).amax(0)
        if not mask.max() > 0:
            names = " and ".join(photo.name for photo, _ in sides[::-1])
            raise InputError(f"the labels of {names} have none of the parts that --part names; choose another part")
        found.append(mask)
    return found


def _part(pictures: SquarePhotos, photo: Photo, labels: np.ndarray, ids: tuple[int, ...]) -> Tensor:
    part = np.isin(labels, ids).astype(np.float32)
    if not part.any():
        side = pictures.model.config.resolution
        return torch.zeros(1, 1, side, side, device=pictures.model.device)
    return pictures.fitted(part, photo, f"of the labels of {photo.name}")


def read_labels(path: str) -> np.ndarray:
    """A label map, uint8 [H, W] of `parts.Part`.

    Raises:
        InputError: no such file, or no label map.
    """
    decoding.read_size(Path(path))
    source = sources.OneFile(Path(path))
    return parts.PartLabels(source).read_files({parts.WHOLE: source.names()[0]})
