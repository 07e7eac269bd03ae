"""Segmenters of parts: mIoU by the number of labelled faces, against the same network without the generator's features.

``python -m benchmarks.parts --weights avatars128 --counts 1 5 10 50 1000`` prints a table row for each number. Faces to learn
from are of the training split, faces to measure on are held out, so neither the weights nor the segmenter saw these.
"""

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch

import stylemap
from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets import Avatars, Labelled, labelled
from stylemap.datasets.labelled import mirrored
from stylemap.editing import blend, masks
from stylemap.segmentation import Origin, Segmenter, learn, save, scoring


class Blind:
    """A model whose generator computes nothing: what is left are colours and position."""

    def __init__(self, model: StylemapModel):
        self.config, self.device, self.encode = model.config, model.device, model.encode

    def features(self, stylemap: torch.Tensor, most: int) -> list[torch.Tensor]:
        c = self.config
        return [torch.zeros(len(stylemap), c.channels(side), side, side) for side in c.sides(most)]


def tensor(picture: np.ndarray) -> torch.Tensor:
    return images.from_arrays([picture[..., :3]])


def halves(segmenter: Segmenter, model, faces: Labelled) -> Iterator[scoring.Pair]:
    """Edits whose truth is known: the right half of the next face, blended in w. The middle eighth mixes and does not count."""
    side = faces.side
    seam = slice(side // 2 - side // 16, side // 2 + side // 16)
    right = masks.half("right", side)
    for i in range(0, len(faces) - 1, 2):
        first, second = faces[i], faces[i + 1]
        w, other = (model.encode(tensor(x)) for x in (first, second))
        edited = blend(model, w, other, right, space="w").clamp(-1, 1)
        truth = np.where(right[0, 0].numpy() > 0.5, second[..., 3], first[..., 3])
        found = segmenter.labels(model, edited)[0]
        yield np.delete(truth, seam, 1), np.delete(found, seam, 1)


def mirrors(segmenter: Segmenter, model, faces: Labelled) -> float:
    """The share of pixels that have the same part when the photo is mirrored."""
    same = []
    for i in range(len(faces)):
        straight, turned = (segmenter.labels(model, tensor(x))[0] for x in (faces[i], mirrored(faces[i])))
        back = mirrored(np.dstack([turned] * 4))[..., 3]
        same.append((straight == back).mean())
    return float(np.mean(same))


def milliseconds(segmenter: Segmenter, model, faces: Labelled) -> tuple[float, float]:
    """Time of the processor on one thread, medians: labels of a photo, and the segmenter's own share."""
    torch.set_num_threads(1)
    x = tensor(faces[0])
    w = model.encode(x)
    side = segmenter.sides[-1]
    features = segmenter.standardised(model.features(w, side))
    small = torch.nn.functional.adaptive_avg_pool2d(x, side)
    both = []
    for _ in range(15):
        began = time.thread_time()
        segmenter.labels(model, x)
        middle = time.thread_time()
        segmenter(features, small)
        both.append((middle - began, time.thread_time() - middle))
    return tuple(1000 * statistics.median(column) for column in zip(*both, strict=True))  # type: ignore[return-value]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="avatars128")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 5, 10, 50, 1000])
    parser.add_argument("--measured", type=int, default=200)
    parser.add_argument("--baseline", action="store_true", help="the network without the generator's features")
    parser.add_argument("--out", help="also write the last segmenter")
    arguments = parser.parse_args()
    model = stylemap.load(arguments.weights)
    side = model.config.resolution
    faces = labelled(Avatars(side, arguments.measured, "heldout"), None)
    for count in arguments.counts:
        used = Blind(model) if arguments.baseline else model
        began = time.thread_time()
        origin = Origin(model.fingerprint(), "avatars", count)
        segmenter = learn(used, labelled(Avatars(side, count), None), origin)  # type: ignore[arg-type]
        took = time.thread_time() - began
        counts = scoring.confusion(scoring.compared(segmenter, used, faces))
        row = [arguments.weights, "baseline" if arguments.baseline else "features", count]
        row += [
            f"{scoring.miou(counts):.3f}",
            f"{scoring.miou(scoring.grouped(counts)):.3f}",
            f"{np.diag(counts).sum() / counts.sum():.3f}",
            f"{took:.0f} s",
        ]
        if not arguments.baseline:
            edits = scoring.confusion(halves(segmenter, model, faces))
            row += [f"{scoring.miou(edits):.3f}", f"{mirrors(segmenter, model, faces):.3f}"]
            row += [f"{x:.1f} ms" for x in milliseconds(segmenter, model, faces)]
        print("|", " | ".join(map(str, row)), "|", flush=True)
        print({name: round(value, 2) for name, value in scoring.ious(counts).items()}, flush=True)
        if arguments.out:
            ious = scoring.ious(counts)
            segmenter.origin = Origin(origin.fingerprint, origin.data, count, len(faces), scoring.miou(counts), ious)
            save(arguments.out, segmenter)


if __name__ == "__main__":
    main()
