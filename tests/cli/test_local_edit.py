"""`stylemap local-edit`: the library's pixels in the promised file; mistakes cost one line and leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stylemap import Box, blend, images, transplant
from tests.cli.conftest import SIDE, pixels

ROOT = Path(__file__).parents[2]
WEIGHTS = "--weights IN/w.safetensors"
BLEND = f"local-edit blend {WEIGHTS} --original IN/ada.png"
TRANSPLANT = f"local-edit transplant {WEIGHTS} --original IN/ada.png --reference IN/bob.png"


def without(line: str, arguments: str) -> str:
    """The line without the flags (each with one value) that the arguments give anew; a flag given twice is a mistake."""
    words = line.split()
    for flag in ("--original", "--weights"):
        if flag in arguments.split():
            at = words.index(flag)
            del words[at : at + 2]
    return " ".join(words)


SETTINGS = [  # flags and the library's arguments
    ("", {}),
    ("--space w", {"space": "w"}),
    ("--space w+ --hard", {"space": "w+", "hard": True}),
    ("--space w --hard --strength 0.5", {"space": "w", "hard": True, "strength": 0.5}),
]


@pytest.fixture
def encoded(model, inputs):
    return {name: model.encode(images.read(inputs / f"{name}.png", SIDE)) for name in ("ada", "bob", "cyd")}


@pytest.fixture
def masks(inputs):
    return {name: images.read_mask(inputs / f"{name}.png", SIDE) for name in ("mask", "mask2")}


def assert_written(path: Path, expected: torch.Tensor) -> None:
    np.testing.assert_array_equal(pixels(path), images.to_uint8(expected)[0].numpy())


class TestBlend:
    @pytest.mark.parametrize(("flags", "settings"), SETTINGS)
    def test_is_the_library_s(self, stylemap, model, encoded, masks, tmp_path, flags, settings):
        ran = stylemap(BLEND, "--reference IN/bob.png --mask IN/mask.png --out made/edit.png", flags)
        assert (ran.code, ran.out, ran.err) == (0, f"{Path('made/edit.png')}\n", "")
        assert [p.name for p in (tmp_path / "made").iterdir()] == ["edit.png"]
        expected = blend(model, encoded["ada"], encoded["bob"], masks["mask"], **settings)
        assert_written(tmp_path / "made/edit.png", expected)

    def test_settings_matter(self, stylemap, tmp_path):
        for i, (flags, _) in enumerate(SETTINGS):
            ran = stylemap(BLEND, "--reference IN/bob.png --mask IN/mask.png", flags, f"--out {i}.png")
            assert ran.code == 0
        assert len({pixels(tmp_path / f"{i}.png").tobytes() for i in range(len(SETTINGS))}) == len(SETTINGS)

    def test_several_references_with_their_masks_in_order(self, stylemap, model, encoded, masks, tmp_path):
        pairs = "--reference IN/bob.png --mask IN/mask.png --reference IN/cyd.png --mask IN/mask2.png"
        assert stylemap(BLEND, pairs, "--out edit.png").code == 0
        references = [encoded["bob"], encoded["cyd"]]
        expected = blend(model, encoded["ada"], references, [masks["mask"], masks["mask2"]])
        assert_written(tmp_path / "edit.png", expected)
        swapped = blend(model, encoded["ada"], references[::-1], [masks["mask"], masks["mask2"]])
        assert (expected - swapped).abs().max() > 0.05

    def test_white_is_the_reference(self, stylemap, model, encoded, tmp_path):
        for name, value in (("white", 255), ("black", 0)):
            images.write(tmp_path / f"{name}.png", torch.full((3, 5, 9), value / 127.5 - 1))  # of any size
            assert stylemap(BLEND, f"--reference IN/bob.png --mask {name}.png --out edit-{name}.png").code == 0
        assert_written(tmp_path / "edit-white.png", model.synthesize(encoded["bob"]))
        assert_written(tmp_path / "edit-black.png", model.synthesize(encoded["ada"]))

    @pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp", "PNG"])
    def test_other_formats(self, stylemap, tmp_path, suffix):
        assert stylemap(BLEND, f"--reference IN/bob.png --mask IN/mask.png --out edit.{suffix}").code == 0
        assert pixels(tmp_path / f"edit.{suffix}").shape == (SIDE, SIDE, 3)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--mask IN/missing.png", "missing.png: no such file"),
            ("--mask IN/text.png", "text.png is not an image"),
            ("--mask IN/cut.png", "cut.png is damaged or cut short"),
            ("--mask IN/nothing", "nothing is not a file"),
            ("--mask IN/mask.png --mask IN/mask2.png", "1 --reference and 2 --mask"),
            ("--mask IN/mask.png --reference IN/cyd.png", "2 --reference and 1 --mask"),
            ("", "--mask"),
            ("--mask IN/mask.png --original IN/missing.png", "missing.png: no such file"),
            ("--mask IN/mask.png --reference IN/text.png --mask IN/mask.png", "text.png is not an image"),
            ("--mask IN/mask.png --space z", "'z'"),
            ("--mask IN/mask.png --strength 2", "--strength: '2' is not a number from 0 to 1"),
            ("--mask IN/mask.png --strength nan", "--strength: 'nan'"),
            ("--mask IN/mask.png --weights IN/foreign.safetensors", "weights of another program"),
            ("--mask IN/mask.png --device gpu", "device 'gpu' cannot be used here"),
            ("--mask IN/mask.png --har", "--har"),
            ("--mask IN/mask.png --shift 1,1", "--shift"),  # of the other verb
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(without(BLEND, arguments), "--reference IN/bob.png --out made/edit.png", arguments)

    @pytest.mark.parametrize(
        ("out", "reason"),
        [
            ("edit.bmp", "'edit.bmp' must end in"),
            ("edit", "'edit' must end in"),
            ("made/", "must end in"),
            (".", "must end in"),
            ("IN/folder.png", "is a folder"),
            ("IN/file/edit.png", "cannot write"),
        ],
    )
    def test_bad_out(self, refused, out, reason):
        assert reason in refused(BLEND, "--reference IN/bob.png --mask IN/mask.png --out", out)


class TestTransplant:
    def test_cells(self, stylemap, model, encoded, tmp_path):
        ran = stylemap(TRANSPLANT, "--from 1,2 --to 4,3 --size 3,5 --out made/edit.png")
        assert (ran.code, ran.out, ran.err) == (0, f"{Path('made/edit.png')}\n", "")
        assert [p.name for p in (tmp_path / "made").iterdir()] == ["edit.png"]
        boxes = [Box(source=(1, 2), target=(4, 3), size=(3, 5))]
        assert_written(tmp_path / "made/edit.png", transplant(model, encoded["ada"], encoded["bob"], boxes=boxes))

    def test_cells_with_strength(self, stylemap, model, encoded, tmp_path):
        assert stylemap(TRANSPLANT, "--from 1,2 --to 4,3 --size 3,5 --strength 0.5 --out edit.png").code == 0
        boxes = [Box((1, 2), (4, 3), (3, 5))]
        assert_written(
            tmp_path / "edit.png", transplant(model, encoded["ada"], encoded["bob"], boxes=boxes, strength=0.5)
        )

    @pytest.mark.parametrize(("flags", "settings"), SETTINGS)
    @pytest.mark.parametrize("shift", [(0, 0), (4, 6), (3, -5), (-4, 4)])
    def test_mask(self, stylemap, model, encoded, masks, tmp_path, flags, settings, shift):
        moved = f"--shift={shift[0]},{shift[1]}"
        assert stylemap(TRANSPLANT, "--mask IN/mask.png --out edit.png", moved, flags).code == 0
        expected = transplant(model, encoded["ada"], encoded["bob"], mask=masks["mask"], shift=shift, **settings)
        assert_written(tmp_path / "edit.png", expected)

    def test_shift_up_and_left(self, stylemap, model, encoded, masks, tmp_path):
        assert stylemap(TRANSPLANT, "--mask IN/mask.png --out edit.png --shift -4,-6").code == 0
        expected = transplant(model, encoded["ada"], encoded["bob"], mask=masks["mask"], shift=(-4, -6))
        assert_written(tmp_path / "edit.png", expected)

    @pytest.mark.parametrize("size", ["3", "a,b", "3,3,3", "1.5,2", ",", "3,"])
    def test_size_that_is_none(self, refused, size):
        line = refused(TRANSPLANT, "--out made/edit.png --from 0,0 --to 4,4 --size", size)
        assert f"--size: {size!r} is not two whole numbers like 3,4" in line

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--from 0,0 --to 4,4 --size 0,1", "length 0"),
            ("--from 0,0 --to 4,4 --size 1,0", "length 0"),
            ("--from 0,0 --to 4,4 --size=-1,3", "length -1"),
            ("--from 6,0 --to 0,0 --size 3,3", "source y=6"),
            ("--from 0,6 --to 0,0 --size 3,3", "source x=6"),
            ("--from 0,0 --to 6,0 --size 3,3", "target y=6"),
            ("--from 0,0 --to 0,6 --size 3,3", "target x=6"),
            ("--from=-1,0 --to 0,0 --size 3,3", "source y=-1"),
            ("--from 0,0 --to 0,0 --size 9,1", "source y=0 with length 9"),
        ],
    )
    def test_box_outside_the_map(self, refused, arguments, reason):
        line = refused(TRANSPLANT, "--out made/edit.png", arguments)
        assert reason in line and "--from" in line and "--to" in line and "--size" in line

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--from 0,0", "cells need all three"),
            ("--from 0,0 --size 1,1", "cells need all three"),
            ("--to 0,0 --size 1,1", "cells need all three"),
            ("", "give either --from, --to and --size (cells) or --mask and --shift (pixels)"),
            ("--mask IN/mask.png", "give either"),
            ("--shift 1,1", "give either"),
            ("--mask IN/mask.png --from 0,0 --to 0,0 --size 1,1", "give either"),
            ("--mask IN/mask.png --shift 1,1 --from 0,0 --to 0,0 --size 1,1", "give either"),
            ("--mask IN/mask.png --shift 1,1 --to 0,0", "give either"),
            ("--mask IN/mask.png --shift 1", "--shift: '1' is not two whole numbers"),
            ("--mask IN/text.png --shift 1,1", "text.png is not an image"),
            ("--from 0,0 --to 0,0 --size 1,1 --original IN/missing.png", "missing.png: no such file"),
            ("--from 0,0 --to 0,0 --size 1,1 --weights IN/cut.safetensors", "cut.safetensors is damaged"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(without(TRANSPLANT, arguments), "--out made/edit.png", arguments)

    @pytest.mark.parametrize("twice", ["--reference IN/cyd.png", "--from 1,1", "--original IN/cyd.png"])
    def test_repeated_flags(self, refused, twice):
        line = refused(TRANSPLANT, "--out made/edit.png --from 0,0 --to 0,0 --size 1,1", twice)
        assert "is given twice" in line

    @pytest.mark.parametrize("flag", ["--hard", "--space w", "--space w+"])
    def test_flags_of_masks_with_cells(self, refused, flag):
        refused(TRANSPLANT, "--out made/edit.png --from 0,0 --to 0,0 --size 1,1", flag)


class TestUsage:
    @pytest.mark.parametrize("arguments", ["--help", "-h", "blend --help", "transplant -h"])
    def test_help(self, stylemap, arguments):
        ran = stylemap("local-edit", arguments)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("usage: stylemap local-edit")

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("local_edit blend", "unknown verb 'local_edit'"),
            ("local-edit", "verb"),
            ("local-edit frobnicate", "'frobnicate'"),
            ("local-edit blend", "--original, --reference, --mask, --out"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(arguments)


def test_script(inputs, tmp_path):
    """The entry script from the root of the repository, as a user runs it."""
    command = [sys.executable, "local_edit.py", "transplant", "--weights", inputs / "w.safetensors"]
    command += ["--original", inputs / "ada.png", "--reference", inputs / "bob.png"]
    command += ["--from", "0,0", "--to", "4,4", "--size", "2,2", "--out", tmp_path / "edit.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'edit.png'}\n", "")
    assert pixels(tmp_path / "edit.png").shape == (SIDE, SIDE, 3)
