"""Folders and zips of images: what is found, in which order, what is skipped, and what a worker process sees."""

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from stylemap import decoding
from stylemap.datasets import open_split, summarize
from stylemap.datasets.image_folder import ImageFolder
from stylemap.errors import InputError
from tests.archives import fill, pack, picture

SIDE = 8


def names(data: ImageFolder) -> list[str]:
    return [data.name(i) for i in range(len(data))]


GOOD = {
    "b.png": picture(0),
    "a/2.JPG": picture(1, "JPEG"),
    "a/10.webp": picture(2, "WEBP"),
    "Z/ü/日本.jpeg": picture(3, "JPEG", 40),
    "x" * 251 + ".png": picture(4),
}
IGNORED = {
    ".hidden.png": picture(5),
    ".thumbnails/a.png": picture(6),
    "__MACOSX/a/._2.jpg": b"fork",
    "a/__MACOSX/b.png": picture(7),
    "notes.txt": b"text",
    "a/labels.json": b"{}",
    "Thumbs.db": b"db",
}
HEADER_BROKEN = {"c.png": b"", "d.png": b"text", "e.jpg": b"\xff\xd8\xff"}
CUT = picture(8, side=64)[:6000]  # the header is whole, the pixels are not


@pytest.fixture(params=["folder", "zip", "stored zip"])
def put(request, tmp_path):
    """A function that makes a data set of the given files."""
    if request.param == "folder":
        return lambda files: fill(tmp_path / "set", files)
    compression = zipfile.ZIP_STORED if "stored" in request.param else zipfile.ZIP_DEFLATED
    return lambda files: pack(tmp_path / "set.zip", files, compression)


class TestFinding:
    def test_order_and_pixels(self, put):
        data = ImageFolder(put({**IGNORED, **GOOD}), SIDE)
        assert names(data) == sorted(GOOD)
        assert data.skipped == {}
        for i, name in enumerate(sorted(GOOD)):
            assert data[i].dtype == np.uint8
            assert data[i].shape == (SIDE, SIDE, 3)
            assert np.array_equal(data[i], decoding.decode_square(GOOD[name], SIDE))

    def test_folder_and_zip_agree(self, tmp_path):
        a = ImageFolder(str(fill(tmp_path / "set", {**GOOD, **IGNORED})), SIDE)
        b = ImageFolder(str(pack(tmp_path / "set.zip", dict(reversed(GOOD.items())))), SIDE)
        assert names(a) == names(b)
        assert np.array_equal(np.stack(list(a)), np.stack(list(b)))

    def test_in_words(self, tmp_path):
        files = {
            f"{part}/{i}.{kind}": picture(i) for part in ("train", "val") for i in range(3) for kind in ("png", "jpg")
        }
        fill(tmp_path / "set", {**files, "train/cut.png": b"", "a.csv": b"", "Thumbs.db": b""})
        with pytest.warns(UserWarning, match="skipped 1 of 13"):
            found = summarize(*open_split(tmp_path / "set", SIDE, 4))  # what is held out depends on names alone
        assert found == (
            "6 images to train on, 4 held out by their folders (.png 6, .jpg 4); 1 cannot be read; "
            "other files are passed over: .csv 1"
        )

    def test_indexing_ends(self, put):
        data = ImageFolder(put(GOOD), SIDE)
        assert np.array_equal(data[-1], data[len(data) - 1])
        with pytest.raises(IndexError):
            data[len(data)]

    def test_names_choose_and_order(self, put):
        data = ImageFolder(put(GOOD), SIDE).subset(["b.png", "a/10.webp"])
        assert names(data) == ["b.png", "a/10.webp"]
        assert np.array_equal(data[1], decoding.decode_square(GOOD["a/10.webp"], SIDE))

    def test_links_are_followed_and_loops_end(self, tmp_path):
        fill(tmp_path / "set", {"a/1.png": picture(0), "b/2.png": picture(1)})
        fill(tmp_path / "elsewhere", {"3.png": picture(2)})
        (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
        (tmp_path / "set" / "a" / "cross").symlink_to(tmp_path / "set" / "b")
        (tmp_path / "set" / "b" / "cross").symlink_to(tmp_path / "set" / "a")
        (tmp_path / "set" / "c").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "set" / "self").symlink_to("self")
        data = ImageFolder(tmp_path / "set", SIDE)
        assert names(data) == ["a/1.png", "a/cross/2.png", "c/3.png"]  # b is the folder that a/cross was already

    @pytest.mark.filterwarnings("error")
    def test_zip_oddities(self, tmp_path):
        path = tmp_path / "odd.zip"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
            warnings.simplefilter("ignore")  # of the duplicate name
            archive.writestr("folder.png/", b"")
            for seed, name in enumerate(["../up.png", "/root.png", "twice.png", "twice.png"]):
                archive.writestr(name, picture(seed))
        with pytest.warns(
            UserWarning, match=r"skipped 2 of 3 images: \.\./up\.png would unpack outside of its folder; .*/root"
        ):
            data = ImageFolder(path, SIDE)
        assert names(data) == ["twice.png"]
        assert np.array_equal(
            data[0], decoding.decode_square(picture(3), SIDE)
        )  # the later of the two, as unzip would leave it
        assert os.listdir(tmp_path) == ["odd.zip"]


class TestLinks:
    def test_a_folder_linked_to_a_hidden_one_is_read(self, tmp_path):
        fill(tmp_path, {".store/x/1.png": picture(0), "2.png": picture(1)})
        (tmp_path / "photos").symlink_to(".store/x")
        assert names(ImageFolder(tmp_path, SIDE)) == ["2.png", "photos/1.png"]


class TestErrors:
    @pytest.mark.parametrize("side", [0, -1, 4097])
    def test_side(self, put, side):
        with pytest.raises(InputError, match=f"side must be 1 to 4096 pixels, got {side}"):
            ImageFolder(put(GOOD), side)

    @pytest.mark.parametrize("side", [1, 4096])
    def test_side_at_the_ends(self, put, side):
        assert ImageFolder(put({"a.png": picture(0)}), side)[0].shape == (side, side, 3)

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match="none: no such folder, zip or LMDB"):
            ImageFolder(tmp_path / "none", SIDE)

    def test_neither_folder_nor_zip(self, tmp_path):
        with pytest.raises(InputError, match=r"a\.png is neither a folder nor a zip nor an LMDB"):
            ImageFolder(fill(tmp_path, {"a.png": picture(0)}) / "a.png", SIDE)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", pytest.param(None, id="cut")])
    def test_broken_zip(self, tmp_path, content):
        path = pack(tmp_path / "a.zip", GOOD)
        path.write_bytes(path.read_bytes()[:-50] if content is None else content)
        with pytest.raises(InputError, match=r"a\.zip is a broken zip .*; copy or pack it again"):
            ImageFolder(path, SIDE)

    def test_empty(self, tmp_path):
        (tmp_path / "set" / "sub").mkdir(parents=True)
        with pytest.raises(InputError, match="set is empty; put JPEG, PNG or WebP images into it"):
            ImageFolder(tmp_path / "set", SIDE)
        with pytest.raises(InputError, match=r"a\.zip is empty"):
            ImageFolder(pack(tmp_path / "a.zip", {}), SIDE)

    def test_only_other_files(self, put):
        with pytest.raises(
            InputError, match=r"holds no image \(JPEG, .* or HEIC\), only 2 other files, such as a\.mov"
        ):
            ImageFolder(put({"notes.txt": b"", "a.mov": b"moov"}), SIDE)

    def test_no_readable_header(self, put):
        with pytest.raises(InputError, match=r"no readable image: all 3 fail, the first as c\.png is not an image"):
            ImageFolder(put(HEADER_BROKEN), SIDE)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may list anything")
    def test_closed_subfolder(self, tmp_path):
        fill(tmp_path, {"a/1.png": picture(0), "b/1.png": picture(1)})
        (tmp_path / "b").chmod(0)
        with pytest.raises(InputError, match="cannot list .*b: Permission denied"):
            ImageFolder(tmp_path, SIDE)


class TestUnreadableFiles:
    def test_broken_headers_are_skipped_with_one_warning(self, put):
        with pytest.warns(UserWarning) as caught:
            data = ImageFolder(put({**GOOD, **HEADER_BROKEN}), SIDE)
        assert len(caught) == 1
        message = str(caught[0].message)
        assert "skipped 3 of 8 images" in message
        assert all(name in message for name in HEADER_BROKEN)
        assert caught[0].filename == __file__
        assert sorted(data.skipped) == sorted(HEADER_BROKEN)
        assert names(data) == sorted(GOOD)

    def test_the_warning_names_at_most_five(self, put):
        with pytest.warns(UserWarning, match="skipped 7 of 8 images") as caught:
            ImageFolder(put({"good.png": picture(0), **{f"{i}.png": b"" for i in range(7)}}), SIDE)
        message = str(caught[0].message)
        assert [f"{i}.png" in message for i in range(7)] == [True] * 5 + [False] * 2
        assert message.endswith("and 2 more")

    def test_dangling_link_is_skipped(self, tmp_path):
        fill(tmp_path, {"a.png": picture(0)})
        (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
        with pytest.warns(UserWarning, match=r"b\.png: no such file"):
            assert names(ImageFolder(tmp_path, SIDE)) == ["a.png"]

    def test_entry_with_a_password_is_skipped(self, tmp_path):
        raw = bytearray(pack(tmp_path / "a.zip", {"a.png": picture(0), "b.png": picture(1)}).read_bytes())
        for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flag bit 0 of the first entry: encrypted
            raw[raw.index(mark) + offset] |= 1
        (tmp_path / "a.zip").write_bytes(raw)
        with pytest.warns(UserWarning, match=r"a\.png cannot be unpacked \(.*encrypted"):
            assert names(ImageFolder(tmp_path / "a.zip", SIDE)) == ["b.png"]

    def test_cut_file_is_replaced_by_the_next(self, put):
        files = {"a.png": picture(0), "b.png": CUT, "c.png": CUT, "d.png": picture(1), "e.png": CUT}
        data = ImageFolder(put(files), SIDE)
        assert len(data) == 5
        with pytest.warns(UserWarning) as caught:
            got = [data[i] for i in range(5)] + [data[i] for i in range(5)]
        assert sorted(str(w.message).split("damaged one: ")[1].split()[0] for w in caught) == [
            "b.png",
            "c.png",
            "e.png",
        ]
        assert all(w.filename == __file__ for w in caught)
        assert sorted(data.skipped) == ["b.png", "c.png", "e.png"]
        a, d = (decoding.decode_square(files[name], SIDE) for name in ("a.png", "d.png"))
        for i, expected in enumerate([a, d, d, d, a] * 2):  # after the last comes the first
            assert np.array_equal(got[i], expected)

    @pytest.mark.filterwarnings("ignore:.*replaces a damaged one")
    def test_replacement_does_not_depend_on_what_was_asked_before(self, put):
        path = put({f"{i}.png": CUT if i % 3 else picture(i) for i in range(9)})
        forwards = ImageFolder(path, SIDE)
        backwards = ImageFolder(path, SIDE)
        expected = {i: backwards[i] for i in reversed(range(9))}
        assert all(np.array_equal(forwards[i], expected[i]) for i in range(9))

    @pytest.mark.filterwarnings("ignore:.*replaces a damaged one")
    def test_all_damaged_is_an_error(self, put):
        data = ImageFolder(put({"a.png": CUT, "b.png": CUT}), SIDE)
        for _ in range(2):
            with pytest.raises(InputError, match="no readable image: all 2 are damaged"):
                data[1]

    def test_damaged_zip_entry_is_replaced(self, tmp_path):
        large = picture(0, side=64)
        path = pack(tmp_path / "a.zip", {"a.png": large, "b.png": picture(1)}, zipfile.ZIP_STORED)
        raw = bytearray(path.read_bytes())
        raw[raw.index(large) + 9000] ^= 255  # far beyond the header; the checksum of the zip no longer holds
        path.write_bytes(raw)
        data = ImageFolder(path, SIDE)
        with pytest.warns(UserWarning, match=r"a\.png cannot be unpacked \(Bad CRC"):
            assert np.array_equal(data[0], decoding.decode_square(picture(1), SIDE))

    def test_lost_file_is_an_error_and_not_replaced(self, tmp_path):
        data = ImageFolder(fill(tmp_path, {"a.png": picture(0), "b.png": picture(1)}), SIDE)
        (tmp_path / "a.png").unlink()
        with pytest.raises(InputError, match=r"a\.png can no longer be read \(No such file or directory\)"):
            data[0]
        assert data.skipped == {}

    def test_lost_zip_is_an_error_in_a_new_process(self, tmp_path):
        path = pack(tmp_path / "a.zip", GOOD)
        data = pickle.loads(pickle.dumps(ImageFolder(path, SIDE)))
        path.unlink()
        with pytest.raises(InputError, match="can no longer be read"):
            data[0]


class TestProcesses:
    def test_pickles_small_and_equal(self, put):
        data = ImageFolder(put(GOOD), SIDE)
        expected = np.stack(list(data))
        state = pickle.dumps(data)
        assert len(state) < 2000  # names and paths, no pixels and no zip directory
        again = pickle.loads(state)
        assert names(again) == names(data)
        assert np.array_equal(np.stack(list(again)), expected)

    # a folder keeps nothing open, so that spawn, which takes seconds, has only the zip to test
    @pytest.mark.parametrize(
        ("kind", "start", "workers"), [("folder", "fork", 2), ("zip", "fork", 2), ("zip", "spawn", 1)]
    )
    def test_loader_with_workers_equals_direct_indexing(self, tmp_path, kind, start, workers):
        files = {f"{i:02}.png": picture(i) for i in range(30)}
        path = fill(tmp_path / "set", files) if kind == "folder" else pack(tmp_path / "set.zip", files)
        data = ImageFolder(path, SIDE)
        expected = np.stack(list(data))  # the zip is open here before the workers start
        loader = DataLoader(data, batch_size=4, num_workers=workers, multiprocessing_context=start)
        got = np.concatenate([batch.numpy() for batch in loader])
        assert np.array_equal(got, expected)
        assert np.array_equal(np.stack(list(data)), expected)  # and the workers did not disturb it

    def test_forked_worker_opens_the_zip_for_itself(self, tmp_path):
        data = ImageFolder(pack(tmp_path / "set.zip", {f"{i}.png": picture(i) for i in range(9)}), SIDE)
        data[0]
        handle = data._source._zip().fp.fileno()
        before = os.lseek(handle, 0, os.SEEK_CUR)
        list(DataLoader(data, num_workers=1, multiprocessing_context="fork"))
        assert os.lseek(handle, 0, os.SEEK_CUR) == before  # a handle shared with the worker would have moved


class TestSplit:
    FILES = {f"{i:03}.png": picture(0, side=4) for i in range(60)}

    @staticmethod
    def parts(path: Path, holdout: int) -> tuple[set[str], set[str]]:
        train, held_out = open_split(path, SIDE, holdout)
        assert names(train) == sorted(names(train))
        assert names(held_out) == sorted(names(held_out))
        return set(names(train)), set(names(held_out))

    def test_disjoint_and_together_all(self, put):
        train, held_out = self.parts(put(self.FILES), 5)
        assert len(held_out) == 5
        assert not train & held_out
        assert train | held_out == set(self.FILES)

    def test_folder_and_zip_and_place_do_not_matter(self, tmp_path):
        expected = self.parts(fill(tmp_path / "set", self.FILES), 5)
        assert self.parts(pack(tmp_path / "other.zip", dict(reversed(self.FILES.items()))), 5) == expected

    def test_known_answer(self, tmp_path):
        # by sha1sum: b.png 5934..., a.png 69ab..., ü.png 802f...; pinned, so that a resume years later agrees
        _, held_out = self.parts(fill(tmp_path, {n: picture(0) for n in ("a.png", "b.png", "ü.png")}), 1)
        assert held_out == {"b.png"}

    @pytest.mark.parametrize(
        ("n", "holdout", "expected"), [(2, 1, 1), (19, 50, 1), (20, 50, 2), (60, 6, 6), (60, 7, 6)]
    )
    def test_at_most_a_tenth_at_least_one(self, tmp_path, n, holdout, expected):
        train, held_out = self.parts(fill(tmp_path, dict(list(self.FILES.items())[:n])), holdout)
        assert len(held_out) == expected
        assert len(train) == n - expected

    def test_adding_never_moves_from_training_to_held_out(self, tmp_path):
        before_train, before_out = self.parts(fill(tmp_path, self.FILES), 5)
        fill(tmp_path, {f"new{i}.png": picture(0, side=4) for i in range(40)})
        after_train, after_out = self.parts(tmp_path, 5)
        assert not before_train & after_out
        moved = before_out & after_train
        assert len(moved) == len(after_out - before_out)  # each by a new image with a smaller hash
        assert all(name.startswith("new") for name in after_out - before_out)

    def test_images_are_right_on_both_sides(self, put):
        files = {f"{i}.png": picture(i) for i in range(20)}
        for part in open_split(put(files), SIDE, 2):
            for i in range(len(part)):
                assert np.array_equal(part[i], decoding.decode_square(files[part.name(i)], SIDE))

    def test_unreadable_files_are_told_once_and_listed_in_both(self, put):
        with pytest.warns(UserWarning) as caught:
            train, held_out = open_split(put({**self.FILES, **HEADER_BROKEN}), SIDE, 5)
        assert len(caught) == 1
        assert sorted(train.skipped) == sorted(held_out.skipped) == sorted(HEADER_BROKEN)
        assert train.skipped is not held_out.skipped
        assert len(train) + len(held_out) == len(self.FILES)

    def test_too_few(self, put):
        with pytest.raises(InputError, match="one readable image; two are needed"):
            open_split(put({"a.png": picture(0)}), SIDE, 1)

    @pytest.mark.parametrize("holdout", [0, -3])
    def test_holdout_below_one(self, put, holdout):
        with pytest.raises(InputError, match=f"holdout must be at least 1 image, got {holdout}"):
            open_split(put(GOOD), SIDE, holdout)
