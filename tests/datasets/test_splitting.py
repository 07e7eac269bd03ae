"""Splits given by folders: train/, val/, test/ are taken as they are, and only when nothing lies beside them."""

from pathlib import Path

import numpy as np
import pytest

from stylemap.datasets import ImageFolder, open_split
from stylemap.datasets.splitting import given_splits, smallest_hashes
from tests.archives import fill, pack, picture

SIDE = 4


@pytest.fixture(params=["folder", "zip"])
def put(request, tmp_path):
    """A function that makes a data set with images of these names."""

    def make(names: list[str], broken: tuple[str, ...] = ()) -> Path:
        files = {name: picture(i, side=6) for i, name in enumerate(names)} | dict.fromkeys(broken, b"no image")
        if request.param == "zip":
            return pack(tmp_path / "set.zip", files)
        return fill(tmp_path / "set", files)

    return make


def names(data: ImageFolder) -> list[str]:
    return [data.name(i) for i in range(len(data))]


def some(folder: str, count: int) -> list[str]:
    return [f"{folder}/{i:02}.png" for i in range(count)]


TRAIN, VAL, TEST = some("train", 12), some("val", 5), some("test/cats", 4)


@pytest.mark.parametrize(
    ("given", "held_out"),
    [(TRAIN + VAL + TEST, VAL), (TRAIN + VAL, VAL), (TRAIN + TEST, TEST)],
    ids=["train val test", "train val", "train test"],
)
def test_folders_are_the_sets(put, given, held_out):
    training, measured = open_split(put(given), SIDE, 100)
    assert names(training) == TRAIN
    assert names(measured) == held_out
    for part in (training, measured):
        assert np.array_equal(part[0], ImageFolder(training.path, SIDE).subset([part.name(0)])[0])


@pytest.mark.parametrize("outside", ["stray.png", "masks/a.png"])
def test_a_stray_picture_makes_it_an_ordinary_set(put, outside):
    path = put([*TRAIN, *VAL, outside])
    with pytest.warns(
        UserWarning, match=rf"5 images may be trained on .* as that of val/00.png is.* unlike {outside};"
    ):
        training, measured = open_split(path, SIDE, 3)
    everything = sorted([*TRAIN, *VAL, outside])
    assert sorted(names(training) + names(measured)) == everything
    assert names(measured) == smallest_hashes(everything, 1)  # a tenth of 18


@pytest.mark.filterwarnings("ignore:.*skipped 1 of")
def test_a_stray_that_is_no_picture_does_not(put):
    training, measured = open_split(put(TRAIN + VAL, broken=("cover.png",)), SIDE, 100)
    assert names(training) == TRAIN
    assert names(measured) == VAL


@pytest.mark.filterwarnings(
    "ignore:.*9 images may be trained on though their folders are named like splits, as that of test/cats/00.png is"
)
@pytest.mark.parametrize("given", [TRAIN, VAL + TEST, TRAIN + some("dev", 3)], ids=["train", "val test", "dev"])
def test_other_folders_are_no_splits(put, given):
    training, measured = open_split(put(given), SIDE, 100)
    assert sorted(names(training) + names(measured)) == sorted(given)
    assert names(measured) == smallest_hashes(sorted(given), 1)


@pytest.mark.parametrize("holdout", [1, 3, 5, 6])
def test_few_held_out_are_those_with_the_smallest_hash(put, holdout):
    training, measured = open_split(put(TRAIN + VAL), SIDE, holdout)
    assert names(training) == TRAIN  # what is not measured on is not trained on either
    assert names(measured) == sorted(smallest_hashes(VAL, holdout))


def test_the_tenth_does_not_limit_what_was_given(put):
    assert len(open_split(put(some("train", 2) + VAL), SIDE, 100)[1]) == 5


def test_folders_that_all_have_in_common_may_lie_above():
    names = ["afhq/x/train/cat/1", "afhq/x/val/cat/2", "afhq/x/val/dog/3"]
    assert given_splits(names) == {"train": names[:1], "val": names[1:]}
    assert given_splits(["train/train/1", "train/val/2"]) == {"train": ["train/train/1"], "val": ["train/val/2"]}
    assert given_splits(["a/train/1", "b/val/2"]) == {}


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize(
    "folders",
    [("Train", "valid"), ("training", "Validation"), ("TRAIN", "TEST"), ("train", "testing"), ("set/train", "set/val")]
    + [("train2017", "val2017"), ("training_set", "test_set"), ("trainA", "testA")],
)
def test_other_spellings(put, folders, separator):
    """In a folder the backslash is part of the name that a careless unpacker gave the file."""
    given = [[name.replace("/", separator) for name in some(folder, 6)] for folder in folders]
    training, measured = open_split(put(sum(given, [])), SIDE, 100)
    assert [names(training), names(measured)] == [some(folder, 6) for folder in folders]


def test_splits_in_every_class_folder_are_told_of(put):
    with pytest.warns(
        UserWarning,
        match="4 images may be trained on though their folders are named like splits, as that of a/val/00.png is",
    ):
        training, measured = open_split(put(some("a/train", 4) + some("a/val", 2) + some("b/val", 2)), SIDE, 3)
    assert len(training) + len(measured) == 8


def test_splits_with_other_words_in_their_names_are_told_of(put):
    with pytest.warns(
        UserWarning,
        match="2 images may be trained on though their folders are named like splits, as that of ffhq_test/00.png is",
    ):
        open_split(put(some("ffhq_train", 4) + some("ffhq_test", 2)), SIDE, 3)


def test_given_splits():
    assert given_splits(["train/a", "val/b", "test/c", "train/d"]) == {
        "train": ["train/a", "train/d"],
        "val": ["val/b"],
        "test": ["test/c"],
    }
    assert given_splits([]) == {}
    assert given_splits(["train", "val"]) == {}  # files of these names are no folders
