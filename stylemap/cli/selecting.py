"""The flags that say where an edit happens: painted masks, parts of the face, halves of the image."""

import argparse
from typing import TYPE_CHECKING

from stylemap.cli import flags
from stylemap.cli.values import Names, real
from stylemap.datasets.parts import GROUPS
from stylemap.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from stylemap.photos.photo import Photo
    from stylemap.retouching import SquarePhotos


def add_flags(parser: argparse.ArgumentParser, union: bool) -> None:
    """``--mask``, ``--part`` with its labels, ``--feather``.

    Args:
        union: of the original's part and the reference's, and halves as well; otherwise the reference's part alone.
    """
    group = parser.add_argument_group("where", f"Give one of --mask{', --part or --half' if union else ' or --part'}.")
    over = "original. The reference is taken" if union else "reference. The part is taken"
    flags.add(group, "--mask", action="append", default=[], help=f"Grey image over the {over} where it is white.")
    whose = "the part of either photo" if union else "the part of the reference"
    group.add_argument(
        "--part",
        action="append",
        default=[],
        type=Names(GROUPS, "part"),
        metavar="NAMES",
        help=f"Take {whose}, by its label map.",
    )
    flags.add(group, "--part-labels")
    if union:
        group.add_argument(
            "--original-part-labels", metavar="FILE", help="Label map of the original, instead of --part-labels."
        )
    group.add_argument(
        "--reference-part-labels",
        action="append",
        default=[],
        metavar="FILE",
        help="Label map of the reference, instead of --part-labels.",
    )
    if union:
        group.add_argument(
            "--half",
            action="append",
            default=[],
            choices=flags.HALVES,
            help="Take this half of the image, instead of a mask.",
        )
    group.add_argument(
        "--feather",
        type=real(0, flags.FARTHEST),
        default=0.0,
        metavar="PIXELS",
        help="Width of the soft edge of the mask, in pixels.",
    )
    parser.set_defaults(union=union, **({} if union else {"original_part_labels": None, "half": []}))


def files(arguments: argparse.Namespace) -> list[str]:
    """The files that are read to find out where."""
    return [
        *arguments.mask,
        *arguments.reference_part_labels,
        *(path for path in (arguments.part_labels, arguments.original_part_labels) if path),
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
        raise InputError("--hard takes whole cells, so --feather has no effect; give one of the two")
    single = [arguments.reference_part_labels] + ([arguments.original_part_labels] if arguments.union else [])
    labelled = bool(arguments.part_labels) + any(map(bool, single))
    if not arguments.part and labelled:
        raise InputError(
            "--part-labels, --original-part-labels and --reference-part-labels go with --part; add --part, or leave them out"
        )
    if arguments.part and (labelled != 1 or (not arguments.part_labels and not all(map(bool, single)))):
        files = "--original-part-labels and --reference-part-labels" if arguments.union else "--reference-part-labels"
        raise InputError(f"--part needs label maps: give either --part-labels or {files}")
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
    arguments: argparse.Namespace, pictures: "SquarePhotos", original: "Photo", references: "list[Photo]"
) -> "list[Tensor]":
    """The masks that the flags name, a place for each of the references: [1, 1, R, R] each, on the model's device.

    Raises:
        InputError: another number of flags than of references, files that cannot be used, a part that nobody has.
    """
    from stylemap.editing import masks

    count, resolution = len(references), pictures.model.config.resolution
    if arguments.mask:
        over = [original if arguments.union else r for r in references]
        selected = [
            pictures.mask(path, photo, arguments.hard) for path, photo in zip(arguments.mask, over, strict=True)
        ]
    elif arguments.half:
        halves = spread("--half", arguments.half, count, "--reference")
        selected = [masks.half(half, resolution).to(pictures.model.device) for half in halves]
    else:
        selected = _parts(arguments, pictures, original, references)
    return [masks.feather(mask, arguments.feather) for mask in selected]


def _parts(
    arguments: argparse.Namespace, pictures: "SquarePhotos", original: "Photo", references: "list[Photo]"
) -> "list[Tensor]":
    """The masks of ``--part``, one for each of the references."""
    import torch

    from stylemap.datasets import parts

    names = spread("--part", arguments.part, len(references), "--reference")
    if arguments.part_labels:
        labels = parts.PartLabels(arguments.part_labels)
        of_references = [labels.read(photo.name) for photo in references]
        of_original = labels.read(original.name) if arguments.union else None
    else:
        files = spread("--reference-part-labels", arguments.reference_part_labels, len(references), "--reference")
        of_references = [parts.read_label_map(path) for path in files]
        of_original = parts.read_label_map(arguments.original_part_labels) if arguments.union else None
    selected = []
    for groups, reference, of_reference in zip(names, references, of_references, strict=True):
        ids = [part for group in groups for part in parts.part_ids(group)]
        sides = [(reference, of_reference)] + ([] if of_original is None else [(original, of_original)])
        mask = torch.stack([pictures.part(ids, labels, photo) for photo, labels in sides]).amax(0)
        if not mask.max() > 0:
            paths = " and ".join(photo.name for photo, _ in sides[::-1])
            raise InputError(f"the labels of {paths} have none of the parts that --part names; choose another part")
        selected.append(mask)
    return selected
