"""data/afhq/prepare.py on small archives of the layouts of AFHQ and AFHQ v2."""

import os
from collections import Counter

import numpy as np
import pytest

from stylemap.datasets import open_split
from tests.archives import fill, pack_shuffled
from tests.data import colour, mean_colour, of, picture, refused, script, stored

afhq = script("afhq")
V1 = afhq.Release("AFHQ", "val", (9, 8, 7), (6, 6, 6), val=5, test=5)
V2 = afhq.Release("AFHQ v2", "test", (7, 6, 5), (5, 5, 4), val=5, test=5)
RELEASES = (V1, V2)
FLAGS = ["--resolution", "8", "--workers", "0"]


def content(release=V1, prefix: str = "afhq/") -> dict[str, bytes]:
    """Images of different colours; the n-th of a class has the same name in both releases."""
    kind, suffix = ("JPEG", "jpg") if release is V1 else ("PNG", "png")
    files = {}
    for c, name in enumerate(afhq.CLASSES):
        for folder, count, start in (
            ("train", release.train_count[c], 100),
            (release.heldout, release.heldout_count[c], 0),
        ):
            for i in range(start, start + count):
                files[f"{prefix}{folder}/{name}/flickr_{name}_{i:06d}.{suffix}"] = picture(150 * c + i, kind)
    return files


def run(source, out, *flags) -> int:
    return afhq.main([str(source), "--out", str(out), *FLAGS, *flags], RELEASES)


def classes(names) -> Counter:
    return Counter(name.split("/")[0] for name in names)


def test_the_published_numbers():
    one, two = afhq.RELEASES
    assert sum(one.train_count) + sum(one.heldout_count) == 16_130
    assert sum(one.train_count) + sum(one.heldout_count) - one.val - one.test == 15_130  # trained on, as published
    assert sum(two.train_count) + sum(two.heldout_count) == 15_803
    for release in afhq.RELEASES:
        assert release.shares(500) == {"cat": 167, "dog": 167, "wild": 166}
        assert all(count >= 2 * 167 for count in release.heldout_count)


@pytest.mark.parametrize("make", [pack_shuffled, fill])
@pytest.mark.parametrize(("release", "prefix"), [(V1, "afhq/"), (V2, ""), (V2, "deep/down/")])
def test_splits(tmp_path, release, prefix, make):
    files = content(release, prefix)
    assert run(make(tmp_path / "in", files), tmp_path / "out.zip") == 0
    found = stored(tmp_path / "out.zip")
    train, val, test = (of(part, found) for part in ("train", "val", "test"))
    assert not (train & val or train & test or val & test)
    assert len(train | val | test) == len(found) == len(files)
    assert classes(val) == classes(test) == {"cat": 2, "dog": 2, "wild": 1}
    sources = {name.removeprefix(prefix).split("/", 1)[1].rsplit(".", 1)[0]: name for name in files}
    assert all(f"/{release.heldout}/" in f"/{sources[name]}" for name in val | test)
    for name, data in found.items():
        kind, number = name.split("/")[1], int(name[-10:-4])
        expected = colour(150 * afhq.CLASSES.index(kind) + number)
        assert np.allclose(mean_colour(data), expected, atol=3)  # JPEG twice


def test_training_finds_the_splits(tmp_path):
    run(pack_shuffled(tmp_path / "in.zip", content()), tmp_path / "out.zip")
    training, heldout = open_split(tmp_path / "out.zip", 8, 100)
    assert (len(training), len(heldout)) == (sum(V1.train_count) + sum(V1.heldout_count) - 10, 5)


def test_the_choice_depends_on_names_only(tmp_path):
    """Neither on container, folder and extension, nor on the classes chosen."""
    run(pack_shuffled(tmp_path / "a.zip", content()), tmp_path / "all.zip")
    renamed = {name.replace("afhq/", "x/y/").replace(".jpg", ".jpeg"): data for name, data in content().items()}
    run(fill(tmp_path / "b", renamed), tmp_path / "again.zip")
    run(pack_shuffled(tmp_path / "c.zip", content()), tmp_path / "some.zip", "--classes", "wild", "cat")
    everything, again, some = (stored(tmp_path / f"{name}.zip") for name in ("all", "again", "some"))
    assert again == everything
    assert some == {name: data for name, data in everything.items() if "/dog/" not in name}


def test_known_answer(tmp_path):
    # by sha1sum of "cat/flickr_cat_000000" and so on: 3 0558..., 0 183b..., 5 4021..., 1 72c0..., 4 73ae..., 2 7e6c...;
    # pinned, so that splits made years apart agree
    run(pack_shuffled(tmp_path / "in.zip", content()), tmp_path / "out.zip")
    for part, numbers in (("val", (0, 3)), ("test", (1, 5))):
        found = of(part, stored(tmp_path / "out.zip"))
        assert {name for name in found if name.startswith("cat")} == {f"cat/flickr_cat_{i:06d}" for i in numbers}


class TestWrong:
    def wrong(self, tmp_path, capsys, files: dict[str, bytes], *flags) -> str:
        source = pack_shuffled(tmp_path / "in.zip", files)
        error = refused(afhq.main, [source, "--out", tmp_path / "out.zip", *FLAGS, *flags], RELEASES, capsys)
        assert os.listdir(tmp_path) == ["in.zip"]
        return error

    def test_counts(self, tmp_path, capsys):
        files = content()
        del files["afhq/train/dog/flickr_dog_000100.jpg"], files["afhq/val/cat/flickr_cat_000003.jpg"]
        files["afhq/train/cat/more.jpg"] = picture(0)
        error = self.wrong(tmp_path, capsys, files)
        assert "in.zip is not AFHQ as published: train/cat holds 10 images instead of 9; val/cat holds 5 " in error
        assert "; train/dog holds 7 images instead of 8; download it again" in error

    def test_counts_of_classes_that_are_not_chosen_do_not_matter(self, tmp_path):
        files = {name: data for name, data in content().items() if "/dog/" not in name}
        assert run(pack_shuffled(tmp_path / "in.zip", files), tmp_path / "out.zip", "--classes", "cat", "wild") == 0

    def test_other_folders(self, tmp_path, capsys):
        error = self.wrong(tmp_path, capsys, content() | {"afhq/train/fox/a.jpg": picture(0), "b.jpg": picture(0)})
        assert "images too many: 2 (afhq/train/fox/a.jpg, b.jpg)" in error

    @pytest.mark.parametrize("flags", [[], ["--partial"]])
    @pytest.mark.parametrize(
        ("files", "told"),
        [
            ({"a.jpg": picture(0)}, "holds neither val/ nor test/ with the folders cat, dog, wild; name afhq.zip"),
            ({"train/cat/a.jpg": picture(0)}, "holds neither val/ nor test/"),
            (content(V1, "") | content(V2, ""), "holds train/, val/ and test/; name afhq.zip, afhq_v2.zip"),
        ],
        ids=["other images", "training only", "both"],
    )
    def test_another_set(self, tmp_path, capsys, files, told, flags):
        assert told in self.wrong(tmp_path, capsys, files, *flags)

    def test_unknown_class(self, tmp_path, capsys):
        assert "invalid choice: 'fox'" in self.wrong(tmp_path, capsys, content(), "--classes", "cat", "fox")

    def test_partial(self, tmp_path, capsys):
        files = dict(list(content().items())[::3])  # of each held-out class 2 images, fewer than are held out
        assert run(pack_shuffled(tmp_path / "in.zip", files), tmp_path / "out.zip", "--partial") == 0
        assert "note: " in capsys.readouterr().err
        found = stored(tmp_path / "out.zip")
        assert len(found) == len(files)
        assert classes(of("val", found)) == classes(of("test", found)) == {"cat": 1, "dog": 1, "wild": 1}
