"""How much an edit flickers that is carried through a film, by what is smoothed over time, on drawn faces whose truth is known.

    python -m benchmarks.flicker --detector face_detection_yunet_2026may.onnx [--faces 5 9] [--fit 0 200] [--json FILE]

A drawn face moves, turns, comes nearer and changes its expression; the camera adds noise. Frames after the edit are cut out along
the true squares, so that the face stands still, and compared within the region of the edit:

- flicker: mean squared difference of a pixel to the mean of its neighbours in time, times 2/3, less that of the film without
  edit and noise, in squared levels of 255. Noise that is new in every frame has its variance as flicker; steady change has none;
- error: mean squared difference to the same edit of the film without noise, each frame for itself along its true square.

With --fit, the weights are first fitted to some frames, as by `local-edit video --fit`, and there is a third number:

- reconstruction: mean squared error of the reconstructions of frames that the fit did not see, times 10,000, pixels in [-1, 1].

Without --detector, the points are the true ones with noise of --jitter pixels. A detector has a bias too, which counts as error.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks import scenes
from benchmarks.machine import machine
from benchmarks.scenes import Scene
from stylemap import checkpoint, faces, familiarity, files, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli.edit_video import FITTED, spread
from stylemap.clips import Clip, Frame, reading
from stylemap.datasets import Avatars
from stylemap.datasets.parts import part_ids
from stylemap.editing import Edit, Patch, applying, directions, pasting
from stylemap.editing.applying import Edited, Reference
from stylemap.editing.carrying import Carrier
from stylemap.editing.edit import Push
from stylemap.faces import YuNet, tracking
from stylemap.faces.tracking import Place, Sighting
from stylemap.inversion import fitting

FPS = 25
SIZE = 480, 640
SIGMAS = ["0,0", "0.15,0", "0,0.04", "0.15,0.04"]  # seconds, of faces and of maps
PAIRS = {5: 3, 9: 12, 33: 14}  # held-out faces: the one of a film, and the one that parts come from
EDITS = ("eyes of another", "a smile, in a mask", "glasses, without a mask")


@dataclass(frozen=True, eq=False)
class Film:
    """A film with noise as a file, and the same without as it was drawn."""

    scenes: list[Scene]  # without noise
    frames: list[Frame]
    sightings: list[Sighting]


def shoot(
    number: int, count: int, side: int, noise: float, find: Callable[[np.ndarray, Scene], list[np.ndarray]]
) -> Film:
    face = Avatars(side, split="heldout").face(number)
    about = face, count, *SIZE, side, FPS
    clean, noisy = list(scenes.film(*about, 0.0, number)), scenes.film(*about, noise, number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        scenes.write(path, noisy, FPS)
        frames = list(Clip(path).frames())
    sightings = [
        Sighting(frame.time, 0.0, tuple(find(frame.pixels(), scene)))
        for frame, scene in zip(frames, clean, strict=True)
    ]
    return Film(clean, frames, sightings)


def edit(model: StylemapModel, weights: str, kind: str, original: int) -> Callable[[Tensor, pasting.How], Edited]:
    """One of `EDITS`, ready for stylemaps."""
    data = Avatars(model.config.resolution, split="heldout")
    reference = PAIRS[original]
    w, mirrored = (model.encode(images.from_arrays([x])) for x in (data[reference], data[reference][:, ::-1].copy()))

    def mask(part: str) -> Tensor:
        """The part in either face, and around it."""
        both = np.isin(np.stack([data.parts(i) for i in (original, reference)]), part_ids(part)).any(0)
        grown = cv2.dilate(both.astype(np.float32), np.ones((3, 3)), iterations=data.side // 32)
        return torch.from_numpy(grown)[None, None]

    if kind == EDITS[0]:
        steps = Edit(patches=(Patch(reference=0, mask=mask("eye"), feather=2.0),))
    else:
        name, where = ("smile", mask("lip")) if kind == EDITS[1] else ("glasses", None)
        steps = Edit(pushes=(Push(direction=directions.load(weights)[name], amount=2.0, mask=where),))
    return lambda stylemap, how: applying.apply(model, steps, stylemap, {0: Reference(w, mirrored)}, how)


def carried(carrier: Carrier, film: Film, places: Sequence[Place]) -> tuple[np.ndarray, float]:
    """The edited film along the true squares, float32 [n, R, R, 3], and frames per second."""
    start = time.process_time()
    made = list(carrier(zip(film.frames, places, strict=True)))
    speed = len(made) / (time.process_time() - start)
    return along([frame.pixels() for frame in made], film), speed


def along(pictures: Sequence[np.ndarray], film: Film) -> np.ndarray:
    cut = [faces.along(picture, scene.alignment) for picture, scene in zip(pictures, film.scenes, strict=True)]
    return np.stack(cut).astype(np.float32)


def flicker(crops: np.ndarray, region: np.ndarray) -> float:
    """Of frames [n, R, R, 3] in a region [R, R], see above."""
    return float((np.diff(crops, n=2, axis=0) ** 2).mean(3)[:, region].mean()) / 6


def ideal(model: StylemapModel, apply, film: Film) -> tuple[np.ndarray, np.ndarray]:
    """The edit of the film without noise along the true squares, and its region bool [R, R]."""
    carrier = Carrier(model, apply, "feather", 0.0)
    places = [Place(0, scene.alignment) for scene in film.scenes]
    clean = [
        Frame(frame.pts, frame.time, reading.planes_of(scene.picture, frame.colours), frame.colours)
        for frame, scene in zip(film.frames, film.scenes, strict=True)
    ]
    crops = along([frame.pixels() for frame in carrier(zip(clean, places, strict=True))], film)
    still = along([frame.pixels() for frame in clean], film)
    return crops, (np.abs(crops - still).max(3) > 12).mean(0) > 0.5


def fitted(model: StylemapModel, film: Film, steps: int, sigma: float) -> tuple[StylemapModel, dict]:
    """The model fitted to some frames of a film, and what that does to the others."""
    places = tracking.track(film.sightings, model.config.resolution, sigma)
    seen = [faces.along(f.pixels(), place.alignment) for f, place in zip(film.frames, places, strict=True)]
    chosen = spread(FITTED, len(seen))
    start = time.process_time()
    if steps:
        frames = images.from_arrays([seen[i] for i in chosen])
        model = fitting.fit_frames(model, frames, steps).model(model)
    seconds = time.process_time() - start
    others = images.from_arrays([picture for i, picture in enumerate(seen) if i not in chosen])
    error = float(np.mean(familiarity.errors(model, others)))
    return model, {"fit": steps, "seconds_of_fit": seconds, "reconstruction": error}


@torch.inference_mode()
def measure(
    model: StylemapModel, weights: str, number: int, film: Film, kind: str, sigmas: list[str]
) -> Iterator[dict]:
    """A row for each pair of sigmas."""
    apply = edit(model, weights, kind, number)
    still = along([scene.picture for scene in film.scenes], film)
    best, region = ideal(model, apply, film)
    for pair in sigmas:
        of_face, of_maps = map(float, pair.split(","))
        places = tracking.track(film.sightings, model.config.resolution, of_face)
        crops, speed = carried(Carrier(model, apply, "feather", of_maps), film, places)
        yield {
            "edit": kind,
            "face": number,
            "sigma_face": of_face,
            "sigma_maps": of_maps,
            "flicker": flicker(crops, region) - flicker(still, region),
            "error": float(((crops - best) ** 2).mean(3)[:, region].mean()),
            "frames_per_second": speed,
        }


def table(rows: list[dict]) -> Iterator[str]:
    """Markdown: means over the faces."""
    names = list(dict.fromkeys(row["edit"] for row in rows))
    yield (
        "| smoothed | fit | reconstruction | "
        + " | ".join(f"{name}: flicker | error" for name in names)
        + " | frames/s |"
    )
    yield "|---|" + "---:|" * (2 * len(names) + 3)
    for of in dict.fromkeys((row["sigma_face"], row["sigma_maps"], row["fit"]) for row in rows):
        mine = [row for row in rows if (row["sigma_face"], row["sigma_maps"], row["fit"]) == of]
        cells = []
        for name in names:
            some = [row for row in mine if row["edit"] == name]
            cells += [f"{np.mean([row[key] for row in some]):.1f}" for key in ("flicker", "error")]
        cells.append(f"{np.median([row['frames_per_second'] for row in mine]):.1f}")
        error, seconds = (np.mean([row[key] for row in mine]) for key in ("reconstruction", "seconds_of_fit"))
        fit = f"{of[2]} steps, {seconds:.1f} s" if of[2] else "none"
        yield f"| face {of[0]:g} s, maps {of[1]:g} s | {fit} | {1e4 * error:.1f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="avatars128")
    parser.add_argument("--detector", help="file of YuNet")
    parser.add_argument("--jitter", type=float, default=0.6, help="pixels, without --detector")
    parser.add_argument("--noise", type=float, default=2.0, help="of the camera, levels")
    parser.add_argument("--faces", type=int, nargs="+", default=list(PAIRS))
    parser.add_argument("--edits", nargs="+", default=EDITS, metavar="EDIT", help=", ".join(EDITS))
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--sigmas", nargs="+", default=SIGMAS, metavar="FACE,MAPS", help="seconds; 0 smooths nothing")
    parser.add_argument(
        "--fit", type=int, nargs="+", default=[0], metavar="N", help="steps; 0 = the weights as they are"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = checkpoint.load(arguments.weights, "cpu")
    detector, rng = arguments.detector and YuNet(arguments.detector), np.random.default_rng(0)

    def find(pixels: np.ndarray, scene: Scene) -> list[np.ndarray]:
        if detector:
            return [face.landmarks for face in detector(pixels)]
        return [scene.landmarks + rng.normal(0, arguments.jitter, scene.landmarks.shape)]

    rows = []
    for number in arguments.faces:
        film = shoot(number, arguments.frames, model.config.resolution, arguments.noise, find)
        for steps in arguments.fit:
            drawing, about = fitted(model, film, steps, float(arguments.sigmas[0].split(",")[0]))
            for kind in arguments.edits:
                found = measure(drawing, arguments.weights, number, film, kind, arguments.sigmas)
                rows += [row | about for row in found]
    report = {"machine": machine(), "rows": rows}
    print("\n".join(table(report["rows"])))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
