"""The script that writes drawn faces as files."""

import csv
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from stylemap.datasets.avatars import Avatars

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def prepare():
    spec = importlib.util.spec_from_file_location("prepare_avatars", ROOT / "data/avatars/prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_prepare_writes_pictures_labels_and_table(prepare, tmp_path):
    out = tmp_path / "images"
    assert (
        prepare(["--out", str(out), "--count", "3", "--resolution", "48", "--split", "heldout", "--with-part-labels"])
        == 0
    )
    data = Avatars(48, 3, "heldout")
    assert sorted(p.name for p in out.iterdir()) == ["000000.png", "000001.png", "000002.png", "attributes.csv"]
    assert len(list((tmp_path / "labels").iterdir())) == 3
    np.testing.assert_array_equal(cv2.imread(str(out / "000002.png"))[:, :, ::-1], data[2])
    labels = cv2.imread(str(tmp_path / "labels/000002.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, data.parts(2))
    rows = list(csv.DictReader((out / "attributes.csv").read_text().splitlines()))
    assert [row["file"] for row in rows] == ["000000.png", "000001.png", "000002.png"]
    assert float(rows[1]["smile"]) == data.attributes(1)["smile"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--resolution", "8"], "--resolution: '8' is not a whole number from 16 to 256"),
        (["--count", "0"], "--count: '0' is not"),
        (["--seed", "-1"], "--seed: '-1' is not a whole number from 0"),
    ],
)
def test_prepare_refuses_bad_values(prepare, tmp_path, capsys, arguments, told):
    assert prepare(["--out", str(tmp_path / "x"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_prepare_leaves_filled_folders_alone(prepare, tmp_path, capsys):
    keep = tmp_path / "labels/keep.txt"
    keep.parent.mkdir()
    keep.write_text("mine")
    assert prepare(["--out", str(keep.parent), "--count", "1"]) == 2
    assert prepare(["--out", str(tmp_path / "images"), "--count", "1", "--with-part-labels"]) == 2
    assert prepare(["--out", str(keep), "--count", "1"]) == 2
    assert str(keep.parent) in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*")] == ["labels", "keep.txt"]
