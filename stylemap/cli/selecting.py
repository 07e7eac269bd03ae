"""The flags that say where an edit happens: painted masks, parts of the face, halves of the image."""

import argparse
import warnings
from typing import TYPE_CHECKING

from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.values import Names, real
from stylemap.errors import InputError, Note

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from stylemap.cli.retouching import Photos
    from stylemap.photos.photo import Photo


_MAKE = "; or let the weights name the parts, after `stylemap parts train`"


def add_flags(parser: Parser, union: bool) -> None:
    """``--mask``, ``--part`` with its labels, ``--feather``.

    Args:
        union: of the original's part and the reference's, and halves as well; otherwise the reference's part alone.
    """
    group = parser.add_group("where", f"Give one of --mask{', --part or --half' if union else ' or --part'}.")
    over = "original. The reference is taken" if union else "reference. The part is taken"
    flags.add(group, "--mask", action="append", default=[], help=f"Grey image over the {over} where it is white.")
    whose = "the part of either photo" if union else "the part of the reference"
    group.add_argument(
        "--part",
        action="append",
        default=[],
        type=Names(flags.PARTS, "part"),
        metavar="NAMES",
        help=f"Take {whose}, by its label map. Without label maps the weights name the parts themselves, if they have a "
        "segmenter.",
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


def places(arguments: argparse.Namespace) -> tuple[str, list]:
    """The flag that says where, and its values.

    Raises:
        InputError: no such flag, several, or parts without labels.
    """
    kinds = {"--mask": arguments.mask, "--part": arguments.part, "--half": arguments.half}
    given = [flag for flag, values in kinds.items() if values]
    if len(given) != 1:
        known = "--mask, --part or --half" if arguments.union else "--mask or --part"
        raise InputError(f"{' and '.join(given) or 'no place'} given; give one of {known}")
    if arguments.hard and arguments.feather:
        raise InputError("--hard takes whole cells, so --feather has no effect; give one of the two")
    single = [arguments.reference_part_labels] + ([arguments.original_part_labels] if arguments.union else [])
    labelled = bool(arguments.part_labels) + any(map(bool, single))
    if not arguments.part and labelled:
        raise InputError(
            "--part-labels, --original-part-labels and --reference-part-labels go with --part; add --part, or leave them out"
        )
    if arguments.part and not labelled and _place(arguments).exists():
        return "--part", arguments.part
    if arguments.part and (labelled != 1 or (not arguments.part_labels and not all(map(bool, single)))):
        files = "--original-part-labels and --reference-part-labels" if arguments.union else "--reference-part-labels"
        raise InputError(
            f"--part needs label maps: give either --part-labels or {files}{_MAKE if not labelled else ''}"
        )
    return given[0], kinds[given[0]]


def _place(arguments: argparse.Namespace) -> "Path":
    """Of the segmenter of the weights."""
    from stylemap import segmentation

    return segmentation.place_of(arguments.weights)


def spread(flag: str, values: list, count: int, what: str) -> list:
    """One value for all of ``count``, or as many as that.

    Raises:
        InputError: another number; ``what`` says what they are counted against.
    """
    if len(values) not in (1, count):
        raise InputError(f"{len(values)} {flag} and {count} {what}; give one {flag} for all or one for each")
    return values * count if len(values) == 1 else values


def masks(
    arguments: argparse.Namespace,
    flag: str,
    places: list,
    photos: "Photos",
    original: "Photo",
    references: "list[Photo]",
) -> "list[Tensor]":
    """The masks of the `places`, one for each of the references: [1, 1, R, R], on the model's device.

    Raises:
        InputError: files that cannot be used, a part that no label map has.
    """
    from stylemap.editing import masks

    model = photos.model
    if flag == "--mask":
        over = [original] * len(places) if arguments.union else references
        selected = [photos.mask(path, photo, arguments.hard) for path, photo in zip(places, over, strict=True)]
    elif flag == "--half":
        selected = [masks.half(half, model.config.resolution).to(model.device) for half in places]
    else:
        selected = _parts(arguments, places, photos, original, references)
    return [masks.feather(mask, arguments.feather) for mask in selected]


def _parts(
    arguments: argparse.Namespace,
    places: list[list[str]],
    photos: "Photos",
    original: "Photo",
    references: "list[Photo]",
) -> "list[Tensor]":
    """The masks of ``--part``: of the reference's part, or of the union with the original's."""
    import torch

    from stylemap.datasets import parts

    found = not (arguments.part_labels or arguments.reference_part_labels)
    if found:
        read, sources, of_original = _namer(arguments, photos), references, original
    elif arguments.part_labels:
        read, sources = parts.PartLabels(arguments.part_labels).read, [photo.name for photo in references]
        of_original = original.name
    else:
        given = arguments.reference_part_labels
        read, sources = parts.read_label_map, spread("--reference-part-labels", given, len(references), "--reference")
        of_original = arguments.original_part_labels
    labelled = [[(photo, read(source))] for photo, source in zip(references, sources, strict=True)]
    if arguments.union:
        labels = read(of_original)
        labelled = [[(original, labels), *pairs] for pairs in labelled]
    selected = []
    for groups, pairs in zip(places, labelled, strict=True):
        ids = [part for group in groups for part in parts.part_ids(group)]
        mask = torch.stack([photos.part(ids, labels, photo, found) for photo, labels in pairs]).amax(0)
        if not mask.max() > 0:
            names = " and ".join(photo.name for photo, _ in pairs)
            raise InputError(f"the labels of {names} have none of the parts that --part names; choose another part")
        selected.append(mask)
    return selected


def _namer(arguments: argparse.Namespace, photos: "Photos") -> "Callable[[Photo], np.ndarray]":
    """Gives the labels uint8 [R, R] that the segmenter of the weights finds in a photo; a note says so."""
    from stylemap import segmentation

    segmenter = segmentation.open_segmenter(arguments.weights, photos.model)
    warnings.warn(Note(f"without label maps the weights name the parts: {segmenter.origin.sentence}"), stacklevel=2)
    return lambda photo: segmenter.labels(photos.model, photos.image(photo))[0]
