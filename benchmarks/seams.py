"""How well edits sit in their photos: drawn faces in larger pictures, of which the edited picture is known too.

    python -m benchmarks.seams --weights avatars128 --scenes 24

A part of another face is taken into a face that lies turned in a picture. The truth is the picture with a face that was drawn with that
part. Told are the errors outside and inside of the mask, and the seam: how much the result rises and falls across the rim of the mask
where the truth does not, in levels of 255 over the width of the rim.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from benchmarks import scenes
from stylemap import checkpoint, faces, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.avatars import Avatars, Face, drawing
from stylemap.datasets.avatars.face import Placement
from stylemap.datasets.parts import GROUPS
from stylemap.editing import applying, pasting
from stylemap.editing.edit import Edit, Patch
from stylemap.faces import alignment
from stylemap.faces.pasting import FEATHER, share

PARTS = {"mouth": ("lip",), "eyes": ("eye",), "nose": ("nose",), "brows": ("eyebrow",)}
FIELDS = {"mouth": "mouth", "eyes": "eyes", "nose": "nose", "brows": "brows"}
HEIGHT, WIDTH, EDGE = 480, 640, 300


@dataclass(frozen=True, eq=False)
class Case:
    """An edit of a scene."""

    scene: scenes.Scene
    truth: np.ndarray  # uint8 [H, W, 3]
    photo: np.ndarray  # uint8 [R, R, 3]
    edited: applying.Edited
    reconstruction: np.ndarray  # uint8 [R, R, 3]
    mask: np.ndarray  # float32 [R, R]


def case(model: StylemapModel, number: int, part: str, same: bool, how: pasting.How, off: float = 0.0) -> Case:
    """A part of the face after the next in a face; ``same``: of one that is alike in all else."""
    side = model.config.resolution
    faces_ = Avatars(side, 2 * number + 2, "heldout")
    face, other = (replace(faces_.face(i), placement=Placement()) for i in (2 * number, 2 * number + 1))
    wanted = replace(face, **{FIELDS[part]: getattr(other, FIELDS[part])})
    rng = np.random.default_rng(number)
    angle = rng.uniform(-20, 20)
    where, square = (scenes.square((WIDTH / 2, HEIGHT / 2), EDGE, a, side) for a in (angle, angle + off))
    background = scenes.backdrop(HEIGHT, WIDTH, number)
    scene, truth = (scenes.still(f, where, background) for f in (face, wanted))
    reference = scenes.still(wanted if same else other, where, background)
    photo, taken = (alignment.along(s.picture, square) for s in (scene, reference))
    ids = [int(i) for name in PARTS[part] for i in GROUPS[name]]
    mask = np.logical_or(*(np.isin(drawing.draw_parts(f, side), ids) for f in (face, other))).astype(np.float32)
    turn = (
        resampling.warp(
            mask, where.from_photo @ np.vstack([square.to_photo, [0, 0, 1]])[:3], side, side, cv2.INTER_LINEAR
        )
        if off
        else mask
    )
    mask = cv2.dilate((turn > 0.5).astype(np.float32), np.ones((3, 3)), iterations=max(1, side // 64))
    with torch.no_grad():
        original, part_of = (model.encode(images.from_arrays([x])) for x in (photo, taken))
        drawn = images.to_uint8(model.synthesize(original))[0].numpy()
    patch = Patch(reference=0, mask=torch.from_numpy(mask)[None, None])
    references = {0: applying.Reference(part_of, part_of)}
    return Case(
        scene,
        truth.picture,
        photo,
        applying.apply(model, Edit(patches=(patch,)), original, references, how),
        drawn,
        mask,
    )
