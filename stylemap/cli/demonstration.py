"""What ``stylemap demo`` shows: reconstructions, local edits and transplants of drawn faces that training never saw."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import images, sheets
from stylemap.architectures.model import Model
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import TrainConfig
from stylemap.datasets import Avatars, labelled, stream
from stylemap.datasets.avatars import Part
from stylemap.editing import Box, blend, transplant

EYES = (Part.LEFT_EYE, Part.RIGHT_EYE, Part.LEFT_BROW, Part.RIGHT_BROW)
MOUTH = (Part.MOUTH, Part.UPPER_LIP, Part.LOWER_LIP)
ROWS = 6
FACES = 64  # held-out faces among which those of the images are chosen


def heldout_of(model: Model) -> Tensor:
    """The held-out faces a run with the default `heldout` measures itself on, uint8 [N, R, R, 3], or 4 with labels."""
    faces = Avatars(model.config.resolution, split="heldout")
    return stream.first_images(labelled(faces, None) if model.config.labelled else faces, TrainConfig.heldout)


@torch.no_grad()
def write_sheets(model: StylemapModel, folder: Path) -> dict[str, Path]:
    """Write the reconstructions, local edits and transplants of held-out faces. Returns the paths by what they show."""
    faces = Avatars(model.config.resolution, split="heldout")
    paths = {}
    for name, columns in {"reconstruction": reconstruct(model, faces), **edit(model, faces)}.items():
        paths[name] = folder / f"{name.replace(' ', '_')}.png"
        images.write(paths[name], sheets.sheet(columns))
    return paths


def reconstruct(model: StylemapModel, faces: Avatars) -> dict[str, Tensor]:
    """The columns of a sheet: original and reconstruction, two pairs a row."""
    first, second = (images.from_arrays(faces[i] for i in range(k, k + ROWS)) for k in (0, ROWS))
    a, b = (model.synthesize(model.encode(x)) for x in (first, second))
    return {"original": first, "reconstruction": a, "original ": second, "reconstruction ": b}


def edit(model: StylemapModel, faces: Avatars) -> dict[str, dict[str, Tensor]]:
    """The columns of two sheets.

    Local edits: eyes, mouth, and both, taken from the reference. Transplants: parts of the reference at places where they do not
    belong, by masks moved in pixels, and by cells of the stylemap.
    """
    pairs = contrasting_pairs(faces)
    originals, references = (images.from_arrays(faces[i] for i in indices) for indices in zip(*pairs, strict=True))
    original, reference = model.encode(originals), model.encode(references)
    both = {"original": originals, "reference": references, "reconstruction": model.synthesize(original)}
    eyes, mouth = (torch.cat([part_mask(faces, a, b, parts) for a, b in pairs]) for parts in (EYES, MOUTH))
    edits = {
        "reference's eyes": blend(model, original, reference, eyes),
        "reference's mouth": blend(model, original, reference, mouth),
        "both": blend(model, original, reference, torch.maximum(eyes, mouth)),
    }
    eyes, mouth = (torch.cat([part_mask(faces, b, b, parts) for _, b in pairs]) for parts in (EYES, MOUTH))
    step, resolution = model.config.stylemap_size // 8, model.config.resolution  # an eye is an eighth, so many cells
    cells = Box(source=(5 * step, 2 * step), target=(step, 2 * step), size=(2 * step, 4 * step))
    transplants = {
        "mouth to the left": transplant(model, original, reference, mask=mouth, shift=(0, -resolution // 8)),
        "eyes on the mouth": transplant(model, original, reference, mask=eyes, shift=(resolution // 4, 0)),
        "mouth cells on top": transplant(model, original, reference, boxes=[cells]),
    }
    return {"local edit": both | edits, "transplant": both | transplants}


def contrasting_pairs(faces: Avatars) -> list[tuple[int, int]]:
    """(original, reference): faces whose swap is plain to see.

    The least smiling with broad smiles, of a like skin and other eyes; none with glasses.
    """
    looks = {i: faces.attributes(i) for i in range(FACES)}

    def mismatch(a: dict, b: dict) -> float:
        return abs(a["skin_tone"] - b["skin_tone"]) + 0.2 * (a["eye_colour"] == b["eye_colour"])

    plain = sorted((i for i in looks if not looks[i]["glasses"]), key=lambda i: looks[i]["smile"])
    smiling, pairs = plain[-2 * ROWS :], []
    for original in plain[:ROWS]:
        reference = min(smiling, key=lambda i: mismatch(looks[i], looks[original]))
        smiling.remove(reference)
        pairs.append((original, reference))
    return pairs


def part_mask(faces: Avatars, original: int, reference: int, parts: tuple[Part, ...]) -> Tensor:
    """[1, 1, R, R]: where either face has the parts, and a little around, so that nothing of the old part stays."""
    labels = np.stack([faces.parts(original), faces.parts(reference)])
    mask = torch.from_numpy(np.isin(labels, parts).any(axis=0)).float()[None, None]
    margin = max(1, faces.side // 32)
    return F.max_pool2d(mask, 2 * margin + 1, stride=1, padding=margin)
