"""Names: one form whatever a system made of them, nothing lost, nothing that cannot be printed."""

import json
import os

import pytest
import yaml

from stylemap import decoding, naming

NFC, NFD = "zo\u00e9", "zoe\u0301"


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("a/b.png", "a/b.png"),
        ("a\\b\\c.png", "a/b/c.png"),
        ("./a//b/./c.png", "a/b/c.png"),
        (f"{NFD}/{NFD}.png", f"{NFC}/{NFC}.png"),
        (os.fsdecode(b"caf\xe9.png"), "caf%E9.png"),
        ("\ud800.png", "%ED%A0%80.png"),  # half of a character, which Windows allows
        ("line\nbreak\x1b[31m.png", "line%0Abreak%1B[31m.png"),
        ("a.png\0.exe", "a.png%00.exe"),
        ("\u2028.png", "%E2%80%A8.png"),
        ("", ""),
        ("/", ""),
        ("./", ""),
        ("/a.png", "/a.png"),
        ("\\a.png", "/a.png"),
        ("../a.png", "../a.png"),
    ],
)
def test_canonical(stored, name):
    assert naming.canonical(stored) == name
    assert naming.canonical(name) == name
    assert name.isprintable()
    assert json.loads(json.dumps(name)) == yaml.safe_load(yaml.safe_dump(name)) == name.encode().decode()


def test_nothing_is_lost_where_names_become_one():
    files = [f"{NFD}.png", f"{NFC}.png", "a\\b.png", "a/b.png", "a/b~2.png", ".\\a\\b.png"]
    found = naming.by_name(files)
    assert sorted(found.values()) == sorted(files)
    assert found[f"{NFC}.png"] == f"{NFC}.png" and found["a/b.png"] == "a/b.png" and found["a/b~2.png"] == "a/b~2.png"
    assert found.keys() == {f"{NFC}.png", f"{NFC}~2.png", "a/b.png", "a/b~2.png", "a/b~3.png", "a/b~4.png"}
    assert naming.by_name(reversed(files)) == found


@pytest.mark.parametrize(
    "name",
    ["._a.png", ".DS_Store", "x/.hidden/a.png", "__MACOSX/a.png", "__MACOSX\\x\\._a.png", "Thumbs.db", "x/THUMBS.DB",
     "desktop.ini", "x/@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/a.png", "$RECYCLE.BIN/a.png", "", "/", "./"],
)  # fmt: skip
def test_what_systems_leave_behind_is_no_file(name):
    assert naming.by_name([name, "a.png"]) == {"a.png": "a.png"}


@pytest.mark.parametrize(
    "name", ["a.png", "x/a..b.png", "macosx/a.png", "12:30.png", "...a/../b.png"[3:], "x/thumbs.png"]
)
def test_other_names_are_files(name):
    assert list(naming.by_name([name]).values()) == [name]


@pytest.mark.parametrize("name", ["/a", "../a", "x/../../a", "C:/a", "c:a", "x/.."])
def test_outside(name):
    assert naming.outside(name)


@pytest.mark.parametrize("name", ["a", "a..b", "12:30", "x/..a", "é:a"])
def test_inside(name):
    assert not naming.outside(name)


def test_key_is_of_the_picture_not_of_the_file():
    assert naming.key(f"X\\{NFD}.JPG") == naming.key(f"x/{NFC.upper()}.png") == f"x/{NFC}"
    assert naming.key("a.1") != naming.key("a.2")  # no endings of images


def test_missed():
    assert naming.missed({".txt": 3, ".csv": 1, "": naming.MANY - 1}) is None
    told = naming.missed(naming.kinds([f"{i}.SVG" for i in range(12)] + ["a.psd", "b.psd", "notes.txt"]))
    assert told == "passed over 14 files that may be images (.svg 12, .psd 2); convert them to use them"
    assert "no ending 500" in naming.missed({"": 500})
    for ending in (".ppm", ".tga", ".tar", ".jpg_large", ".jpg?w=640", ".png ", ".jpeg~"):
        assert f"{ending} 1" in naming.missed({ending: 1, ".txt": 1}), ending
    assert not naming.MISSED & decoding.EXTENSIONS


@pytest.mark.parametrize(
    ("split", "folders"),
    {
        "train": "train Train TRAIN training train2017 training_set trainset TrainSet trainA train-B 01_train train_256x256 "
        "trainval",
        "val": "val valid Validation validate val2017 eval eval_set holdout held_out HeldOut validation-data",
        "test": "test TEST testing test_images testA test-set test2015 split_test",
        None: "dev trains station_train ffhq_test tests 2017 a A_B best contest latest devil set data",
    }.items(),
)
def test_split_of(split, folders):
    assert {name: naming.split_of(name) for name in folders.split()} == dict.fromkeys(folders.split(), split)


@pytest.mark.parametrize(
    ("folder", "splits"),
    [("ffhq_test", {"test"}), ("catsVal", {"val"}), ("held_out", {"val"}), ("best", set()), ("1", set())],
)
def test_hinted_splits(folder, splits):
    assert naming.hinted_splits(folder) == splits
