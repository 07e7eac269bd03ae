"""Every face is what it was, byte for byte: images, part labels and attributes against recorded hashes."""

import hashlib
import json
from pathlib import Path

import cv2
import pytest

from stylemap.datasets.avatars import Avatars

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())  # "seed split first-index" -> hashes
COUNT = 25  # faces in a block
SIDES = (32, 64, 128, 256)
# Before 4.11 OpenCV filled polygons a little differently: of labels some 4 pixels of a face at a side of 64
LABELS_AS_RECORDED = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 11)
QUICK = ("0 train 0", "0 heldout 0", "11 heldout 0")


def block(name: str, side: int) -> tuple[Avatars, range]:
    seed, split, first = name.split()
    return Avatars(side, split=split, seed=int(seed)), range(int(first), int(first) + COUNT)


def sha256(parts) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def same(name: str, side: int) -> None:
    faces, indices = block(name, side)
    assert sha256(faces[i].tobytes() for i in indices) == RECORDED[name][f"pictures {side}"]
    if LABELS_AS_RECORDED:
        assert sha256(faces.parts(i).tobytes() for i in indices) == RECORDED[name][f"labels {side}"]


@pytest.mark.parametrize("name", RECORDED)
def test_attributes(name):
    faces, indices = block(name, 32)
    assert sha256(json.dumps(faces.attributes(i)).encode() for i in indices) == RECORDED[name]["attributes"]


@pytest.mark.parametrize("name", QUICK)
def test_a_few(name):
    same(name, 64)


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", RECORDED)
def test_all(name, side):
    same(name, side)
