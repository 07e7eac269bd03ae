"""How well the face detector finds and aligns faces, on photos of yours whose true squares are known.

    python -m benchmarks.faces FOLDER [--others FOLDER] [--detector ONNX]

FOLDER has photos that are aligned already, such as those of FFHQ and CelebA-HQ: each is the square of its face. They are put into
larger pictures, tilted, small, or so large that they do not fit, and the square that is found is compared with the true one.
The folder of --others has photos without people.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stylemap import resampling
from stylemap.faces import Alignment, YuNet, quad

GREY = 110
CASES = {  # sides of the picture and of the true square in pixels, and its angle in degrees
    **{f"alone, {side} px": (side, side, 0) for side in (320, 512, 768, 1024)},
    **{f"{side} px of 1536": (1536, side, 0) for side in (24, 32, 48, 64, 128, 256, 512)},
    **{f"tilted by {angle} degrees": (1024, 384, angle) for angle in (15, 30, 45, 90, 135, 180, 270)},
    **{f"{share} of the square": (512, round(512 / share), 0) for share in (0.75, 0.6, 0.5)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--others", type=Path)
    parser.add_argument("--detector")
    arguments = parser.parse_args()
    detector = YuNet(arguments.detector)
    print(
        "| picture | found | wrong way | others found | lowest score | shift, % of the side | scale, % | angle, degrees |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, case in CASES.items():
        print(f"| {name} | {' | '.join(row(detector, photos(arguments.folder), *case))} |", flush=True)
    if arguments.others:
        found = [bool(detector(photo)) for photo in photos(arguments.others)]
        print(f"\nphotos without people: {len(found)}; with a find: {sum(found)}")


def photos(folder: Path) -> Iterator[np.ndarray]:
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            yield np.array(picture.convert("RGB"))


def row(detector: YuNet, faces: Iterator[np.ndarray], side: int, edge: int, angle: float) -> list[str]:
    """What is found of faces, each in a picture of ``side`` pixels, in cells of a table."""
    errors, scores, count, others = [], [], 0, 0
    for face in faces:
        count += 1
        true = placed(side, edge, angle, len(face))
        found = [
            (compared(Alignment.of(quad(other.landmarks), len(face)), true), other.score)
            for other in detector(scene(face, true, side))
        ]
        near = [(error, score) for error, score in found if math.hypot(*error[:2]) < 25]
        others += len(found) - len(near[:1])
        if near:
            errors.append(near[0][0])
            scores.append(near[0][1])
    wrong = [abs(error[3]) > 45 for error in errors]
    right = np.array([error for error, turned in zip(errors, wrong, strict=True) if not turned])
    x, y, scale, turn = (f"{m:+.1f} ± {s:.1f}" for m, s in zip(right.mean(0), right.std(0), strict=True))
    return [f"{len(errors)} of {count}", str(sum(wrong)), str(others), f"{min(scores):.2f}", f"{x}, {y}", scale, turn]


def placed(side: int, edge: int, angle: float, pixels: int) -> Alignment:
    """A square in the middle of a picture, ``pixels`` wide on its own."""
    right = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))]) * edge
    down = np.array([-right[1], right[0]])
    corner = np.array([side, side]) / 2 - 0.5 - (right + down) / 2
    return Alignment(tuple(corner.tolist()), tuple(right.tolist()), pixels)


def scene(face: np.ndarray, true: Alignment, side: int) -> np.ndarray:
    """A grey picture with a face in it."""
    face, inside = (
        resampling.warp(source, true.from_photo, side, side, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        for source in (face, np.full(face.shape, 255, np.uint8))
    )
    return np.where(inside > 127, face, GREY).astype(np.uint8)


def compared(found: Alignment, true: Alignment) -> tuple[float, float, float, float]:
    """Shift along the true square in percent of its side, excess of size in percent, and angle in degrees."""
    right, edge = complex(*true.edge), complex(*found.edge)
    shift = complex(*(found.quad.mean(0) - true.quad.mean(0))) / right * 100
    return shift.real, shift.imag, abs(edge / right) * 100 - 100, math.degrees(np.angle(edge / right))


if __name__ == "__main__":
    main()
