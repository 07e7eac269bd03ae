"""How well edits sit in their photos: drawn faces in larger pictures, of which the edited picture is known too.

    python -m benchmarks.seams --weights avatars64 --scenes 6

A part of another face is taken into a face that lies turned in a picture of 640 x 480. The truth is the picture of a face that
was drawn with that part. Errors are mean squared errors of pixels in [-1, 1], times 10,000: to the picture outside of the rim, to
the truth on the rim and inside of the mask. The seam is how much the difference to the truth rises or falls across the rim, in
levels of 255 for its width, after a blur of a quarter of it.
"""

import argparse
from dataclasses import replace

import cv2
import numpy as np
import torch

from benchmarks import scenes
from stylemap import checkpoint, faces, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.avatars import Avatars, drawing
from stylemap.datasets.avatars.face import Placement
from stylemap.datasets.parts import GROUPS
from stylemap.editing import applying, pasting
from stylemap.editing.edit import Edit, Patch
from stylemap.faces import alignment
from stylemap.faces.pasting import FEATHER, share
from stylemap.inversion import fitting

PARTS = {"mouth": "lip", "eyes": "eye", "nose": "nose", "brows": "eyebrow"}  # fields of a face, and groups of part ids
HEIGHT, WIDTH, EDGE = 480, 640, 300  # pixels
RIM = FEATHER * EDGE
WAYS = ("whole square", "feather", "poisson", "feather, fitted")
ROWS = {"as the weights know faces": 0.0, "turned by 15 degrees": 15.0}


def measure(model: StylemapModel, number: int, part: str, off: float) -> dict[str, tuple[float, ...]]:
    """By way: outside, rim, inside, seam.

    Args:
        number: of the scene.
        off: degrees from the face's own square to that which the model sees.
    """
    side = model.config.resolution
    drawn = Avatars(side, 2 * number + 2, "heldout")
    face, other = (replace(drawn.face(i), placement=Placement()) for i in (2 * number, 2 * number + 1))
    wanted = replace(face, **{part: getattr(other, part)})
    angle = np.random.default_rng(number).uniform(-20, 20)
    own, square = (scenes.square((WIDTH / 2, HEIGHT / 2), EDGE, a, side) for a in (angle, angle + off))
    background = scenes.backdrop(HEIGHT, WIDTH, number)
    picture, truth, reference = (scenes.still(f, own, background).picture for f in (face, wanted, other))
    photo, taken = (images.from_arrays([alignment.along(x, square)]) for x in (picture, reference))
    ids = [int(i) for i in GROUPS[PARTS[part]]]
    at = np.logical_or(*(np.isin(drawing.draw_parts(f, side), ids) for f in (face, other))).astype(np.float32)
    mask = resampling.warp(at, own.from_photo @ np.vstack([square.to_photo, [0, 0, 1]]), side, side, cv2.INTER_LINEAR)
    mask = cv2.dilate((mask > 0.5).astype(np.float32), np.ones((3, 3)))

    part_of, edit = model.encode(taken), Edit(patches=(Patch(reference=0, mask=torch.from_numpy(mask)[None, None]),))
    fit = fitting.fit(model, photo)
    starts = {"": (model, model.encode(photo)), ", fitted": (fit.model(model), fit.stylemap)}

    def made(way: str) -> np.ndarray:
        how, comma, fitted = way.partition(", ")
        how = "feather" if how == "whole square" else how
        edited = applying.apply(
            starts[comma + fitted][0], edit, starts[comma + fitted][1], {0: applying.Reference(part_of, part_of)}, how
        )
        if way == "whole square":
            return faces.paste_back(picture, edited.pixels, square)
        seen = images.to_uint8(photo)[0].numpy()
        return pasting.paste(picture, seen, edited.pixels, square, edited.region, how, edited.sources)

    weight = share((mask / pasting.SURE).clip(max=1), square, HEIGHT, WIDTH)
    weight, inside = (resampling.warp(x, square.from_photo, HEIGHT, WIDTH, cv2.INTER_LINEAR) for x in (weight, mask))
    rim = (weight > 0.02) & (weight < 0.98)
    result = {}
    for way in WAYS:
        pasted = made(way).astype(np.float32)
        error = ((pasted - truth) / 127.5) ** 2
        outside = (((pasted - picture) / 127.5) ** 2)[weight == 0]
        slope = np.hypot(*np.gradient(cv2.GaussianBlur(pasted - truth, (0, 0), RIM / 4), axis=(0, 1)))
        result[way] = (
            1e4 * outside.mean(),
            1e4 * error[rim].mean(),
            1e4 * error[inside > 0.5].mean(),
            RIM * slope[rim].mean(),
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="avatars64")
    parser.add_argument("--scenes", type=int, default=6, help="for each part")
    arguments = parser.parse_args()
    model = checkpoint.load(arguments.weights)
    print("| the face | put back | outside | rim | inside | seam |\n|---|---|---:|---:|---:|---:|")
    for name, off in ROWS.items():
        measured = [measure(model, n, part, off) for part in PARTS for n in range(arguments.scenes)]
        for way in WAYS:
            numbers = np.mean([each[way] for each in measured], axis=0)
            print(f"| {name} | {way} | " + " | ".join(f"{x:.1f}" for x in numbers) + " |", flush=True)


if __name__ == "__main__":
    main()
