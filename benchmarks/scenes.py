"""Drawn faces in larger drawn pictures, whose true places are known: still ones, and films in which the face moves.

    python -m benchmarks.scenes film.mp4 --frames 75 --height 480 --width 640 --noise 2

A face is drawn as in `stylemap.datasets.avatars`, without its background, and laid over a picture along any square: what
`scene.alignment` cuts out is the face as the shipped weights know it. Nothing here is by chance but for its seed.
"""

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from stylemap import resampling
from stylemap.datasets import Avatars
from stylemap.datasets.avatars import Face, drawing, painting
from stylemap.datasets.avatars.face import Placement
from stylemap.datasets.avatars.palette import BACKDROPS
from stylemap.faces import Alignment

DRAWN = 384  # pixels, the side of a face as it is drawn: the paper's grain is not larger
WHITE = 252  # so that grain does not saturate
CLEAR = 0.01  # of alpha; in less there is nothing but grain
SHAPES = 14  # in a background
# FFHQ's square around these is the whole image; as shares of its side: eyes, nose, corners of the mouth
POINTS = np.array([(0.375, 0.475), (0.625, 0.475), (0.5, 0.6), (0.41, 0.725), (0.59, 0.725)])


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with one face."""

    picture: np.ndarray  # uint8 [H, W, 3]
    alignment: Alignment  # the true square of the face
    face: Face  # what is drawn there

    @property
    def landmarks(self) -> np.ndarray:
        """float64 [5, 2], pixels of the picture: the points around which FFHQ's square is the face's."""
        matrix = self.alignment.to_photo
        return (POINTS * self.alignment.side - 0.5) @ matrix[:, :2].T + matrix[:, 2]


def square(centre: tuple[float, float], edge: float, angle: float, side: int) -> Alignment:
    """The square of a face.

    Args:
        centre: (x, y) in pixels of the picture.
        edge: its side in pixels of the picture.
        angle: degrees, clockwise.
        side: of the aligned image, pixels.
    """
    right = edge * np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    corner = np.array(centre) - (right + (-right[1], right[0])) / 2
    return Alignment(tuple(corner.tolist()), tuple(right.tolist()), side)


def still(face: Face, alignment: Alignment, background: np.ndarray) -> Scene:
    """A face over a background uint8 [H, W, 3], along a square whose own side does not matter to the picture."""
    height, width = background.shape[:2]
    colour, alpha = matte(face)
    to_face = Alignment(alignment.corner, alignment.edge, DRAWN).from_photo
    # beyond the lower border of its square the body goes on as it is there
    over, share = (
        resampling.warp(x, to_face, height, width, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE) for x in (colour, alpha)
    )
    picture = over + (1 - share[..., None]) * background
    return Scene(np.rint(picture).clip(0, 255).astype(np.uint8), alignment, face)


def film(
    face: Face,
    frames: int,
    height: int,
    width: int,
    side: int,
    fps: float = 25.0,
    noise: float = 0.0,
    seed: int = 0,
) -> Iterator[Scene]:
    """A face that moves, turns, comes nearer and smiles, all smoothly, within a picture of height x width that stands still.

    Args:
        side: of the aligned image, pixels.
        noise: standard deviation of a camera's noise, levels of 255, anew in every frame.
    """
    rng = np.random.default_rng(seed)
    background = backdrop(height, width, seed)
    phases = 2 * math.pi * rng.random(6)
    for k in range(frames):
        x, y, turn, near, smile, gaze = (
            math.sin(2 * math.pi * k / fps / period + phase)
            for period, phase in zip((5.3, 3.1, 4.1, 6.7, 3.3, 2.3), phases, strict=True)
        )
        edge = 0.62 * min(height, width) * (1 + 0.12 * near)
        centre = width / 2 + 0.12 * width * x, height / 2 + 0.05 * height * y
        moved = replace(
            face,
            mouth=replace(face.mouth, smile=0.5 + 0.5 * smile, opening=0.3 + 0.25 * smile),
            eyes=replace(face.eyes, gaze_x=0.8 * gaze),
            placement=Placement(),
        )
        scene = still(moved, square(centre, edge, 9 * turn, side), background)
        if noise:
            grain = rng.normal(0, noise, scene.picture.shape).astype(np.float32)
            scene = replace(scene, picture=np.rint(scene.picture + grain).clip(0, 255).astype(np.uint8))
        yield scene


def matte(face: Face) -> tuple[np.ndarray, np.ndarray]:
    """The face without its background -> colours float32 [D, D, 3] of 255, times alpha, and alpha float32 [D, D].

    A picture over black is colour times alpha; over white, what is missing of alpha is added.
    """
    face = replace(face, grain=0)
    black, white = (
        painting.paint(drawing.layers(face), np.full((2, 2, 3), level, np.uint8), face.placement, DRAWN, face.grain)
        for level in (0, WHITE)
    )
    alpha = (1 - (white.astype(np.float32) - black).mean(2) / WHITE).clip(0, 1)
    return np.where(alpha[..., None] > CLEAR, black, 0).astype(np.float32), alpha


def backdrop(height: int, width: int, seed: int) -> np.ndarray:
    """A room full of coloured things, uint8 [height, width, 3]."""
    rng = np.random.default_rng((seed, 1))
    colours = np.array([*BACKDROPS.values()], np.float32)
    side = max(height, width)
    canvas = cv2.resize(colours[rng.integers(0, len(colours), (2, 2))], (side, side), interpolation=cv2.INTER_LINEAR)
    for _ in range(SHAPES):
        centre, size = rng.random(2) * side, rng.uniform(0.03, 0.16, 2) * side
        colour = (colours[rng.integers(len(colours))] * rng.uniform(0.55, 1.05)).clip(0, 255).tolist()
        if rng.random() < 0.5:
            corners = [np.rint(16 * (centre + sign * size)).astype(int).tolist() for sign in (-1, 1)]
            cv2.rectangle(canvas, *corners, colour, -1, cv2.LINE_AA, 4)
        else:
            points = (np.rint(16 * x).astype(int).tolist() for x in (centre, size))
            cv2.ellipse(canvas, *points, 180 * rng.random(), 0, 360, colour, -1, cv2.LINE_AA, 4)
    canvas = cv2.GaussianBlur(canvas, (0, 0), side / 400)  # as a lens does behind a face
    top, left = (side - height) // 2, (side - width) // 2
    return np.rint(canvas[top : top + height, left : left + width]).astype(np.uint8)


def write(path: Path, frames: Iterable[Scene], fps: float) -> None:
    """A film as a camera writes it: H.264 that loses little."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001), options={"crf": "12"})
        for k, scene in enumerate(frames):
            if k == 0:
                stream.height, stream.width = scene.picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.picture, "rgb24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="film to write, of a kind that FFmpeg knows")
    parser.add_argument("--face", type=int, default=5, help="number of a held-out avatar")
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--fps", type=float, default=25)
    parser.add_argument("--noise", type=float, default=2.0, help="of the camera, levels")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    face = Avatars(64, split="heldout").face(arguments.face)
    size = arguments.height, arguments.width
    frames = film(face, arguments.frames, *size, 128, arguments.fps, arguments.noise, arguments.seed)
    write(arguments.out, frames, arguments.fps)


if __name__ == "__main__":
    main()
