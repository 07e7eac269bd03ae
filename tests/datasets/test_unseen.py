"""Whether weights have seen the images that they are judged by."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylemap.datasets import Avatars, ImageFolder, open_split, unseen
from stylemap.datasets.unseen import Seen, open_for_training, open_unseen, trained_among, trained_on
from stylemap.errors import InputError

DRAWN = Seen("avatars", 8)


def fill(folder: Path, names) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    return fill(tmp_path / "photos", [f"{i}.png" for i in range(60)])


@pytest.fixture
def split(tmp_path) -> Path:
    names = [f"train/{i}.png" for i in range(8)] + [f"val/{i}.png" for i in range(6)]
    return fill(tmp_path / "split", names)


def names(pictures) -> set[str]:
    return {pictures.name(i) for i in range(len(pictures))}


def trained(data: Path, heldout: int, before=()) -> tuple[Seen, set[str]]:
    """What a training notes, and what it saw."""
    found = open_for_training(str(data), 4, heldout, before)
    return Seen.of(str(data), heldout, found.training, found.heldout), names(found.training)


def test_the_split_is_that_of_the_training(photos):
    """The default of 256 would hold out 6, of which the training saw 5."""
    seen, saw = trained(photos, 1)
    found = open_unseen(str(photos), 4, [seen])
    assert names(found.training) == saw and len(found.heldout) == 1 and not saw & names(found.heldout)
    assert found.relation([seen]) == "same" and found.doubt([seen]) is None


def test_fewer_can_be_measured_and_more_cannot(photos):
    seen, saw = trained(photos, 4)
    found = open_unseen(str(photos), 4, [seen], 2)
    assert len(found.heldout) == 2 and names(found.training) == saw
    with pytest.raises(
        InputError, match=r"5 images of .*photos cannot be measured: the training held out 4 and saw the others"
    ):
        open_unseen(str(photos), 4, [seen], 5)
    assert len(open_unseen(str(photos), 4, [seen], 5, fewer=True).heldout) == 4


def test_given_splits_hold_out_all_of_val(split):
    seen, saw = trained(split, 2)
    for count, expected in ((None, 2), (1, 1), (5, 5), (50, 6)):
        found = open_unseen(str(split), 4, [seen], count)
        assert len(found.heldout) == expected and names(found.training) == saw
        assert all(name.startswith("val/") for name in names(found.heldout))
        assert found.relation([seen]) == "same"


@pytest.mark.parametrize("count", [3, 40])
def test_drawn_faces_have_no_end(count):
    found = open_unseen("avatars", 16, [DRAWN], count)
    assert (len(found.heldout), found.relation([DRAWN]), found.doubt([DRAWN])) == (count, "same", None)
    assert len(open_unseen("avatars", 16, [DRAWN]).heldout) == 8


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_was_trained_on_is_held_out_after_pictures_came_and_went(photos, seed):
    """Through resumed trainings and those that begin with other weights, each of which may take what an earlier one held out."""
    rng = np.random.default_rng(seed)
    seen, saw, history = None, set(), ()
    for step in range(6):
        try:
            seen, now = trained(photos, int(rng.integers(1, 9)), history)
        except InputError as err:  # all that was held out is gone
            assert "has none of the images left that were held out before" in str(err)
            break
        saw |= now
        history = (seen, *history)
        # half of the changes leave the images as they are
        if rng.random() < 0.5:
            fill(photos, [f"{seed}-{step}-{i}.png" for i in range(rng.integers(1, 60))])
            for path in rng.permutation(sorted(photos.iterdir()))[: rng.integers(0, 12)]:
                path.unlink()
        try:
            held_out = names(open_unseen(str(photos), 4, history).heldout)
        except InputError as err:
            assert "has none of the images left" in str(err)
        else:
            assert held_out and not held_out & saw
    assert step > 1


def test_moved_and_copied_data_is_known_by_its_names(photos, tmp_path, monkeypatch):
    seen, _ = trained(photos, 3)
    shutil.move(photos, tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    for place in (str(tmp_path / "moved"), "moved", "./moved"):
        assert open_unseen(place, 4, [seen]).relation([seen]) == "same"


def test_changed_data_is_known_by_its_place(photos, tmp_path, monkeypatch):
    seen, saw = trained(photos, 3)
    monkeypatch.chdir(tmp_path)
    fill(photos, ["another.png"])
    found = open_unseen("./photos", 4, [seen])
    assert found.relation([seen]) == "changed" and found.doubt([seen]) is None
    assert not names(found.heldout) & saw


def test_other_data_is_doubted(photos, split):
    seen, _ = trained(photos, 3)
    found = open_unseen(str(split), 4, [seen])
    assert found.relation([seen]) == "other"
    assert found.doubt([seen]) == f"they were trained on {photos}, and some of these images may be among those"


def test_pictures_of_a_run_that_were_sorted_into_splits_since_are_doubted(photos):
    seen, _ = trained(photos, 3)
    for i, path in enumerate(sorted(photos.iterdir())):
        (photos / ("val" if i < 6 else "train")).mkdir(exist_ok=True)
        path.rename(photos / ("val" if i < 6 else "train") / path.name)
    assert "may be among those" in open_unseen(str(photos), 4, [seen]).doubt([seen])


def test_weights_that_began_with_others(photos, split):
    """Trained on A and then on B, neither of which may be measured on what was seen."""
    first, saw = trained(photos, 2)
    second, _ = trained(split, 2, [first])
    found = open_unseen(str(photos), 4, [second, first])
    assert len(found.heldout) == 2 and not names(found.heldout) & saw
    assert found.relation([second, first]) == "same"
    # what the second saw may be a copy of images that the first held out: their names differ
    assert found.doubt([second, first]) == f"they were trained on {split}, and some of these images may be among those"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ((), "what they were trained on is not known"),
        ((DRAWN,), "they were trained on avatars"),
        ((Seen("x"),), "on x,"),
    ],
)
def test_doubts_of_files(photos, seen, says):
    assert says in open_unseen(str(photos), 4, seen).doubt(seen)


def test_drawn_faces_are_in_no_folder():
    found = open_unseen("avatars", 16, [Seen("cats.zip", 8)], 2)
    assert found.doubt([Seen("cats.zip", 8)]) is None
    assert found.doubt([]) == "what they were trained on is not known"


def test_what_is_noted_is_read_again():
    seen = (Seen("a", 3, "ab", "ff"), DRAWN)
    assert unseen.from_header({"images": 5, **unseen.to_header(seen)}) == seen
    assert unseen.from_header({"images": 5, "data": "avatars", "seed": 0}) == (Seen("avatars"),)


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"data": 3},
        {"data": "a", "heldout": "many"},
        {"data": "a", "border": 5},
        {"imported_from": "x.pt"},
        {"before": [[]]},
        {"data": "a\0b"},  # no path has a zero byte
        {"data": "a", "heldout": 0},
        {"data": "a", "heldout": -3},
    ],
    ids=str,
)
def test_notes_of_others_say_nothing(info):
    assert unseen.from_header(info) == ()


def test_files_that_were_trained_on(photos, split, monkeypatch):
    seen, saw = trained(photos, 3)
    other, _ = trained(split, 3)
    monkeypatch.chdir(photos.parent)
    paths = sorted(Path("photos").iterdir())
    assert {path.name for path in trained_on([*paths, photos.parent / "photos.png"], [seen])} == saw
    files = sorted(split.rglob("*.png"))
    assert {path.parent.name for path in trained_on(files, [other])} == {"train"} and not trained_on(
        files, [seen, DRAWN]
    )


def test_pictures_of_a_data_set_that_were_trained_on(photos, split):
    seen, saw = trained(photos, 3)
    every = ImageFolder(photos, 4)
    assert set(trained_among(every, every, str(photos), [seen])) == saw
    assert trained_among(open_split(str(photos), 4, 3)[1], every, str(photos), [seen]) == []
    other = ImageFolder(split, 4)
    assert trained_among(other, other, str(split), [seen]) == []
    faces = Avatars(16, 3)
    assert len(trained_among(faces, faces, "avatars", [DRAWN])) == 3
    assert trained_among(faces, faces, "avatars", [replace(seen)]) == []
