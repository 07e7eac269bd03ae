"""``local-edit batch``: pairs by overlap or chance, their edits, and numbers that the files themselves bear out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import blend, checkpoint, images
from stylemap.cli import flags
from stylemap.datasets import Avatars, parts
from stylemap.editing import masks
from stylemap.metrics import pairing, streams
from tests.cli.conftest import SIDE, pixels

BATCH = "local-edit batch --weights IN/w.safetensors --out made"
AVATARS = f"{BATCH} --data avatars"


def report(tmp_path) -> dict:
    return json.loads((tmp_path / "made/report.json").read_text())


@pytest.fixture(scope="module")
def faces() -> Avatars:
    return Avatars(SIDE, count=40, split="heldout")


def mask(faces: Avatars, i: int, name: str) -> torch.Tensor:
    return (masks.from_parts(faces.parts(i), parts.GROUPS[name], SIDE) > 0.5).float()


def test_parts(stylemap, model, faces, tmp_path, monkeypatch):
    """More pairs than a chunk, so that chunks meet. Pairs, edits and numbers are worked out again from the definitions."""
    monkeypatch.setattr(streams, "MOST", 4)
    ran = stylemap(AVATARS, "--part hair,eye --pairs 6")
    assert ran.code == 0 and ran.err.startswith("note: measured on 12 images of avatars that the training of ")
    assert [line.split()[0] for line in ran.out.splitlines()[:3]] == ["hair", "eye", "mean"]
    made = report(tmp_path)
    assert (made["space"], made["hard"], made["resolution"]) == ("w+", True, SIDE)
    names = {f"{n:04d}-{part}.png" for n in range(6) for part in ("hair", "eye")}
    assert {p.name for p in (tmp_path / "made").iterdir()} == names | {"sheet-hair.png", "sheet-eye.png", "report.json"}
    for part in ("hair", "eye"):
        own = torch.cat([mask(faces, i, part) for i in range(12)])[:, 0].numpy() > 0
        pairs = pairing.pair(pairing.iou(own), 6)
        sums = []
        for n, ((a, b), row) in enumerate(zip(pairs, made["parts"][part]["pairs"], strict=True)):
            assert (row["original"], row["reference"]) == (faces.name(a), faces.name(b))
            assert row["iou"] == pytest.approx((own[a] & own[b]).sum() / max(1, (own[a] | own[b]).sum()))
            where = own[a] | own[b]
            w = [model.encode(images.from_uint8(torch.from_numpy(faces[i])[None])) for i in (a, b)]
            edit = images.to_uint8(blend(model, *w, torch.from_numpy(where)[None, None].float(), "w+", hard=True))[0]
            written = pixels(tmp_path / "made" / f"{n:04d}-{part}.png")
            assert abs(written.astype(int) - edit.numpy()).max() <= 1  # float32 sums in another order, then rounded
            values = written / 127.5 - 1
            inside = (values - (faces[b] / 127.5 - 1))[where] ** 2
            outside = (values - (faces[a] / 127.5 - 1))[~where] ** 2
            assert row["mse_ref"] == pytest.approx(inside.mean()) and row["mse_src"] == pytest.approx(outside.mean())
            sums.append((outside, inside))
        for k, key in enumerate(("mse_src", "mse_ref")):
            groups = [np.concatenate([s[k] for s in sums[g : g + 4]]).mean() for g in (0, 4)]
            assert made["parts"][part][key] == pytest.approx(np.mean(groups))
    for key in ("mse_src", "mse_ref"):
        assert made[key] == pytest.approx(np.mean([made["parts"][part][key] for part in ("hair", "eye")]))


def test_halves(stylemap, tmp_path):
    assert stylemap(AVATARS, "--half right,lower --pairs 3").code == 0
    made = report(tmp_path)
    assert list(made["parts"]) == ["right", "lower"] and made["space"] == "w"
    rows = made["parts"]["right"]["pairs"]
    assert len({row[k] for row in rows for k in ("original", "reference")}) == 6 and "iou" not in rows[0]
    assert all(row["mse_src"] > 0 and row["mse_ref"] > 0 for row in rows)


def test_twice_is_the_same(stylemap, tmp_path):
    made = []
    for _ in range(2):
        assert stylemap(AVATARS, "--half left --pairs 2 --soft --space w+").code == 0
        made.append([p.read_bytes() for p in sorted((tmp_path / "made").iterdir())])
    assert made[0] == made[1]


def test_with_the_shipped_weights(stylemap, tmp_path):
    """Inside the mask an edit is nearer to the reference than the original is, by far; outside it is near the original."""
    weights = flags.DEFAULT_WEIGHTS
    line = f"local-edit batch --data avatars --part hair,cloth --pairs 8 --out made --weights {weights}"
    assert stylemap(line).code == 0
    faces = Avatars(checkpoint.load(weights).config.resolution, count=16, split="heldout")
    index = {faces.name(i): i for i in range(16)}
    for part, measured in report(tmp_path)["parts"].items():
        apart = []
        for row in measured["pairs"]:
            a, b = index[row["original"]], index[row["reference"]]
            either = [
                masks.from_parts(faces.parts(i), parts.GROUPS[part], faces.side)[0, 0].numpy() > 0.5 for i in (a, b)
            ]
            apart.append(pairing.squared_errors(faces[a], faces[b], either[0] | either[1]))
        assert measured["mse_ref"] < 0.25 * pairing.pooled(apart)
        assert measured["mse_src"] < 0.05


@pytest.fixture
def pictures(tmp_path) -> None:
    """A data set of five files and their labels, of another size and no power of two."""
    for folder in ("faces", "labels"):
        (tmp_path / folder).mkdir()
    for i in range(5):
        Image.fromarray(Avatars(40)[i]).save(tmp_path / "faces" / f"{i}.png")
        Image.fromarray(Avatars(80).parts(i)).save(tmp_path / "labels" / f"{i}.png")


def test_files_with_labels(stylemap, tmp_path, pictures):
    assert stylemap(BATCH, "--data faces --part-labels labels --part skin --all").code == 0
    rows = report(tmp_path)["parts"]["skin"]["pairs"]
    assert len(rows) == 2 and rows[0]["iou"] >= rows[1]["iou"] > 0.3


def test_a_part_that_nobody_has(stylemap, tmp_path, pictures):
    for i in range(5):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "labels" / f"{i}.png")
    ran = stylemap(BATCH, "--data faces --part-labels labels --part nose --all")
    assert ran.code == 0 and "MSE_ref   -" in ran.out
    made = report(tmp_path)
    assert made["mse_ref"] is None and made["mse_src"] > 0
    assert made["parts"]["nose"]["pairs"][0]["iou"] == 0


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("--data avatars", "give --part or --half, one of the two"),
        ("--data avatars --part nose --half left", "give --part or --half"),
        ("--data avatars --part tail", "--part: unknown part 'tail'; known are all, background"),
        ("--data avatars --half top", "--half: unknown half 'top'; known are all, left, right, upper, lower"),
        ("--data avatars --part nose --pairs 0", "--pairs: '0' is not a whole number from 1 to 2500"),
        ("--data avatars --part nose --part-labels IN/photos", "--part-labels goes with"),
        ("--data IN/photos --part nose", "--part needs the label maps of the images; add --part-labels"),
        ("--data IN/photos --half left", "1 image to pair, and a pair needs two"),
        ("--data IN/photos --half left --part-labels IN/photos", "--part-labels goes with"),
        ("--data IN/missing --half left", "missing"),
        ("--data IN/photos --all --part nose --part-labels IN/nothing", "holds no part labels"),
        ("--data IN/photos --all --part nose --part-labels IN/photos", "coloured"),
    ],
)
def test_mistakes(refused, flags, reason):
    assert reason in refused(BATCH, flags)


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("IN/file", "is not a folder"),
        ("IN/photos", "photos, which is read; write to another folder"),
        ("IN/photos/edits", "photos, which is read; write to another folder"),
    ],
)
def test_bad_out(refused, out, reason):
    line = f"local-edit batch --weights IN/w.safetensors --data IN/photos --all --half left --out {out}"
    assert reason in refused(line)
