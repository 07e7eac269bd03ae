"""`stylemap local-edit`: the library's pixels in the promised file; mistakes cost one line and leave nothing behind."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import Box, blend, checkpoint, faces, images, published, transplant
from stylemap.datasets import Avatars
from stylemap.editing.composing import place
from stylemap.editing.edit import Placement
from stylemap.inversion import fitting
from stylemap.photos import mask_files
from stylemap.training.mapping import with_flow
from tests.cli.conftest import SIDE, pixels
from tests.faces import toy_yunet
from tests.test_fetching import known

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

    def test_the_weights_can_be_fitted_first(self, stylemap, model, inputs, tmp_path):
        ran = stylemap(f"{BLEND} --reference IN/bob.png --mask IN/mask.png --fit 6 --enlarge 1 --out e.png")
        assert "fitted in 6 steps; the error of its reconstruction is" in ran.out
        fit = fitting.fit(model, images.read(inputs / "ada.png", SIDE), 6)
        reference = model.encode(images.read(inputs / "bob.png", SIDE))
        expected = blend(fit.model(model), fit.stylemap, reference, images.read_mask(inputs / "mask.png", SIDE))
        assert_written(tmp_path / "e.png", expected)

    def test_detail_is_kept_by_a_flag(self, stylemap, inputs, tmp_path):
        """In the square; put back into a photo of that side it is the same."""
        flags = "--reference IN/bob.png --mask IN/mask.png"
        for name, how in (
            ("kept", "--keep-detail --enlarge 1"),
            ("pasted", "--paste-back feather"),
            ("made", "--enlarge 1"),
        ):
            assert stylemap(BLEND, flags, how, f"--out {name}.png").code == 0
        kept, pasted, made = (pixels(tmp_path / f"{name}.png") for name in ("kept", "pasted", "made"))
        assert np.array_equal(kept, pasted) and not np.array_equal(kept, made)

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
        images.write(tmp_path / "white.png", torch.ones(3, 9, 9))  # of any size
        assert stylemap(BLEND, "--reference IN/bob.png --mask white.png --out edit.png").code == 0
        assert_written(tmp_path / "edit.png", model.synthesize(encoded["bob"]))

    @pytest.mark.parametrize("flags", ["", "--hard"])
    @pytest.mark.parametrize("line", [BLEND + " --reference IN/bob.png", TRANSPLANT + " --shift 1,1"])
    def test_a_mask_that_selects_nothing(self, refused, tmp_path, line, flags):
        images.write(tmp_path / "black.png", torch.full((3, 9, 9), -1.0 if not flags else -0.2))
        line = refused(line, "--mask black.png --out edit.png", flags)
        assert "the mask black.png is " in line and "paint white where the edit shall happen" in line

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
            ("", "no place given; give one of --mask, --part or --half"),
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
        ran = stylemap(TRANSPLANT, "--cells 1,2,3,5 --to-cell 4,3 --out made/edit.png")
        assert (ran.code, ran.out, ran.err) == (0, f"{Path('made/edit.png')}\n", "")
        assert [p.name for p in (tmp_path / "made").iterdir()] == ["edit.png"]
        boxes = [Box(source=(1, 2), target=(4, 3), size=(3, 5))]
        assert_written(tmp_path / "made/edit.png", transplant(model, encoded["ada"], encoded["bob"], boxes=boxes))

    def test_cells_with_strength(self, stylemap, model, encoded, tmp_path):
        assert stylemap(TRANSPLANT, "--cells 1,2,3,5 --to-cell 4,3 --strength 0.5 --out edit.png").code == 0
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
    def test_cell_that_is_none(self, refused, size):
        line = refused(TRANSPLANT, "--out made/edit.png --cells 0,0,2,2 --to-cell", size)
        assert f"--to-cell: {size!r} is not two whole numbers like 3,4" in line

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--cells 0,0,0,1 --to-cell 4,4", "cells 0,0,0,1"),
            ("--cells 0,0,1,0 --to-cell 4,4", "cells 0,0,1,0"),
            (
                "--cells=0,0,-1,3 --to-cell 4,4",
                "--cells: '0,0,-1,3' is not four whole numbers like 2,1,4,6, each from 0",
            ),
            ("--cells 6,0,3,3 --to-cell 0,0", "source: cells 6,0"),
            ("--cells 0,6,3,3 --to-cell 0,0", "source: cells 0,6"),
            ("--cells 0,0,3,3 --to-cell 6,0", "target: cells 6,0"),
            ("--cells 0,0,3,3 --to-cell 0,6", "target: cells 0,6"),
            (
                "--cells -1,0,3,3 --to-cell 0,0",
                "--cells: '-1,0,3,3' is not four whole numbers like 2,1,4,6, each from 0",
            ),
            ("--cells 0,0,9,1 --to-cell 0,0", "source: cells 0,0,9,1"),
        ],
    )
    def test_box_outside_the_map(self, refused, arguments, reason):
        line = refused(TRANSPLANT, "--out made/edit.png", arguments)
        assert reason in line and "--cells" in line

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--cells 0,0,1,1", "cells need both --cells and --to-cell"),
            ("--to-cell 0,0", "cells need both --cells and --to-cell"),
            ("", "give either --cells and --to-cell, or --mask or --part with --shift, --scale or --flip"),
            ("--mask IN/mask.png", "give either"),
            ("--shift 1,1", "give either"),
            ("--mask IN/mask.png --cells 0,0,1,1 --to-cell 0,0", "give either"),
            ("--mask IN/mask.png --shift 1,1 --cells 0,0,1,1 --to-cell 0,0", "give either"),
            ("--mask IN/mask.png --shift 1,1 --to-cell 0,0", "give either"),
            ("--mask IN/mask.png --shift 1", "--shift: '1' is not two whole numbers"),
            ("--mask IN/mask.png --shift 0,32", "a part lies outside of the frame after the shift; shift it less"),
            (
                "--mask IN/mask.png --shift 4097,0",
                "--shift: '4097,0' is not two whole numbers like 3,-4, each from -4096 to 4096",
            ),
            (f"--mask IN/mask.png --shift {'9' * 400},0", f"--shift: '{'9' * 40}...' is not two whole numbers"),
            (f"--mask IN/mask.png --shift {'9' * 5000},0", "is not two whole numbers"),
            (f"--cells {'9' * 400},0,1,1 --to-cell 0,0", "--cells"),
            ("--mask IN/text.png --shift 1,1", "text.png is not an image"),
            ("--cells 0,0,1,1 --to-cell 0,0 --original IN/missing.png", "missing.png: no such file"),
            ("--cells 0,0,1,1 --to-cell 0,0 --weights IN/cut.safetensors", "cut.safetensors is damaged"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(without(TRANSPLANT, arguments), "--out made/edit.png", arguments)

    @pytest.mark.parametrize(
        ("twice", "reason"),
        [
            ("--reference IN/cyd.png", "2 --reference and 1 --to-cell; give one --reference for all or one for each"),
            ("--cells 1,1,1,1", "2 --cells and 1 --to-cell"),
            ("--original IN/cyd.png", "is given twice"),
        ],
    )
    def test_repeated_flags(self, refused, twice, reason):
        assert reason in refused(TRANSPLANT, "--out made/edit.png --cells 0,0,1,1 --to-cell 0,0", twice)

    @pytest.mark.parametrize("flag", ["--hard", "--space w", "--space w+"])
    def test_flags_of_masks_with_cells(self, refused, flag):
        refused(TRANSPLANT, "--out made/edit.png --cells 0,0,1,1 --to-cell 0,0", flag)


class TestAlign:
    """Faces somewhere in photos: the library's edit of the aligned face, in the original, which is the same around it."""

    BLEND = f"local-edit blend {WEIGHTS} --frame face --landmarks l.json --original ada.png --reference bob.png --out out.png"
    TRANSPLANT = BLEND.replace("blend", "transplant")
    SIZES = {"ada": (230, 290), "bob": (181, 133), "cyd": (150, 150)}

    @pytest.fixture(autouse=True)
    def photos(self, tmp_path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Drawn faces, turned and shifted, in photos of which no two have one size -> photo and landmarks."""
        face = np.array([(0.385, 0.47), (0.615, 0.47), (0.5, 0.58), (0.42, 0.71), (0.58, 0.71)]) * 128 - 0.5
        made = {}
        for i, (name, (height, width)) in enumerate(self.SIZES.items()):
            c, s = math.cos(0.3 * i - 0.2), math.sin(0.3 * i - 0.2)
            matrix = np.array([[c, -s, 0], [s, c, 0]])
            matrix[:, 2] = (0.45 * width, 0.55 * height) - matrix[:, :2] @ (64, 64)
            photo = cv2.warpAffine(Avatars(128)[i], matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
            Image.fromarray(photo).save(tmp_path / f"{name}.png")
            made[name] = photo, face @ matrix[:, :2].T + matrix[:, 2]
        listed = {f"{name}.png": points.tolist() for name, (_, points) in made.items()}
        Image.fromarray(photo).save(tmp_path / "nobody.png")
        (tmp_path / "l.json").write_text(json.dumps(listed | {"nobody.png": []}))
        return made

    @pytest.fixture
    def aligned(self, photos):
        return {name: faces.align(photo, points, SIDE) for name, (photo, points) in photos.items()}

    @pytest.fixture
    def encoded(self, model, aligned):
        return {name: model.encode(images.from_uint8(torch.from_numpy(a.picture)[None])) for name, a in aligned.items()}

    def assert_pasted(self, path, photos, aligned, edit, region) -> np.ndarray:
        """Returns where the file differs from the original, [H, W]."""
        photo = photos["ada"][0]
        edited = images.to_uint8(edit)[0].numpy()
        region = (region * 4).clamp(max=1)[0, 0].numpy()
        expected = faces.paste_back(photo, edited, aligned["ada"].alignment, region)
        np.testing.assert_array_equal(pixels(path), expected)
        changed = (expected != photo).any(-1)
        assert 0.001 < changed.mean() < 0.5
        return changed

    def test_blend_by_a_mask_on_the_face(self, stylemap, model, photos, aligned, encoded, masks, tmp_path):
        ran = stylemap(self.BLEND, "--mask IN/mask.png --mask-on face")
        assert (ran.code, ran.out, ran.err) == (0, "out.png\n", "")
        edit = blend(model, encoded["ada"], encoded["bob"], masks["mask"])
        self.assert_pasted(tmp_path / "out.png", photos, aligned, edit, masks["mask"])

    @pytest.mark.parametrize("flags", ["", "--mask-on photo"])
    @pytest.mark.parametrize("factor", [1, 2, 0.5])
    def test_blend_by_a_mask_on_the_photo(self, stylemap, model, photos, aligned, encoded, tmp_path, flags, factor):
        """Painted at another size as well. What changes lies in the painting and the feather around it."""
        height, width = self.SIZES["ada"]
        y, x = np.mgrid[:height, :width]
        disc = np.hypot(x - 130, y - 126) < 25
        painting = Image.fromarray(disc.astype(np.uint8) * 255).resize((round(width * factor), round(height * factor)))
        painting.save(tmp_path / "m.png")
        assert stylemap(self.BLEND, "--mask m.png", flags).code == 0
        painted = mask_files.read(tmp_path / "m.png")
        mask = torch.from_numpy(faces.align_mask(painted, aligned["ada"].alignment.scaled(factor)))[None, None]
        edit = blend(model, encoded["ada"], encoded["bob"], mask)
        changed = self.assert_pasted(tmp_path / "out.png", photos, aligned, edit, mask)
        step = 120 / SIDE  # pixels of the photo to one of the aligned image: the mask's edge, feather, interpolation
        assert not changed[np.hypot(x - 130, y - 126) > 25 + 5 * math.sqrt(2) * step].any()
        assert changed[np.hypot(x - 130, y - 126) < 20].mean() > 0.9

    def test_several_references(self, stylemap, model, photos, aligned, encoded, masks, tmp_path):
        assert (
            stylemap(self.BLEND, "--mask IN/mask.png --mask-on face --reference cyd.png --mask IN/mask2.png").code == 0
        )
        both = [masks["mask"], masks["mask2"]]
        edit = blend(model, encoded["ada"], [encoded["bob"], encoded["cyd"]], both)
        photo, alignment = photos["ada"][0], aligned["ada"].alignment
        region = (torch.maximum(*both) * 4).clamp(max=1)[0, 0].numpy()
        expected = faces.paste_back(photo, images.to_uint8(edit)[0].numpy(), alignment, region)
        np.testing.assert_array_equal(pixels(tmp_path / "out.png"), expected)

    def test_hard_shows_whole_cells(self, stylemap, model, photos, aligned, encoded, tmp_path):
        mask = torch.zeros(1, 1, SIDE, SIDE)
        mask[..., 17, 9] = 1  # in the cell of rows 16 to 19 and columns 8 to 11
        images.write(tmp_path / "m.png", mask[0].expand(3, -1, -1) * 2 - 1)
        assert stylemap(self.BLEND, "--mask m.png --mask-on face --hard").code == 0
        cell = torch.zeros(1, 1, SIDE, SIDE)
        cell[..., 16:20, 8:12] = 1
        edit = blend(model, encoded["ada"], encoded["bob"], mask, hard=True)
        self.assert_pasted(tmp_path / "out.png", photos, aligned, edit, cell)

    def test_transplant_cells(self, stylemap, model, photos, aligned, encoded, tmp_path):
        ran = stylemap(self.TRANSPLANT, "--cells 1,2,2,3 --to-cell 4,3")
        assert (ran.code, ran.out, ran.err) == (0, "out.png\n", "")
        region = torch.zeros(1, 1, SIDE, SIDE)
        region[..., 16:24, 12:24] = 1  # cells of 4 pixels
        edit = transplant(model, encoded["ada"], encoded["bob"], boxes=[Box((1, 2), (4, 3), (2, 3))])
        self.assert_pasted(tmp_path / "out.png", photos, aligned, edit, region)

    def test_transplant_by_a_mask(self, stylemap, model, photos, aligned, encoded, masks, tmp_path):
        assert stylemap(self.TRANSPLANT, "--mask IN/mask.png --shift 3,-5").code == 0
        edit = transplant(model, encoded["ada"], encoded["bob"], mask=masks["mask"], shift=(3, -5))
        region = place(masks["mask"], Placement((3, -5)), SIDE, [(0, 0)], "zeros")
        self.assert_pasted(tmp_path / "out.png", photos, aligned, edit, region)

    def test_a_mask_beside_the_face_is_refused(self, stylemap, tmp_path):
        Image.fromarray(np.zeros(self.SIZES["ada"], np.uint8)).save(tmp_path / "m.png")
        assert "m.png does not touch the face, which lies within x " in stylemap(self.BLEND, "--mask m.png").err
        assert not (tmp_path / "out.png").exists()

    @pytest.mark.parametrize("suffix", ["jpg", "webp", "PNG"])
    def test_other_formats(self, stylemap, tmp_path, suffix):
        line = self.BLEND.replace("out.png", f"out.{suffix}")
        assert stylemap(line, "--mask IN/mask.png --mask-on face").code == 0
        assert pixels(tmp_path / f"out.{suffix}").shape == (*self.SIZES["ada"], 3)

    def test_the_detector_s_largest_face(self, stylemap, tmp_path, monkeypatch):
        (tmp_path / "toy.onnx").write_bytes(toy_yunet.model())
        monkeypatch.setitem(published.FILES, "toy", known(toy_yunet.model(), tmp_path))
        photo = toy_yunet.photo(256, 320, y=96, x=128)
        for name in ("ada.png", "bob.png"):
            Image.fromarray(photo).save(tmp_path / name)
        line = self.BLEND.replace("--landmarks l.json", "--detector toy.onnx")
        assert stylemap(line, "--mask IN/mask.png --mask-on face").code == 0
        changed = (pixels(tmp_path / "out.png") != photo).any(-1)
        alignment = faces.align(photo, (np.array(toy_yunet.POINTS) + (4, 3)) * toy_yunet.CELL, SIDE).alignment
        inside = cv2.fillConvexPoly(np.zeros(changed.shape, np.uint8), np.rint(alignment.quad).astype(int), 1)
        assert changed.any() and not changed[inside == 0].any()

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--mask IN/mask.png", "the mask IN/mask.png is 48 x 48 and the photo 290 x 230: paint it on the photo"),
            ("--mask ada.png", "the mask ada.png has colours that do not say what is selected"),
            ("--mask IN/text.png", "text.png is not an image"),
            ("--mask IN/mask.png --mask-on hair", "'hair'"),
            ("--mask IN/mask.png --mask-on face --reference no.png --mask IN/mask.png", "no.png: no such file"),
        ],
    )
    def test_mistakes(self, refused, inputs, arguments, reason):
        assert reason.replace("IN/", f"{inputs}/") in refused(self.BLEND, arguments)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("nobody.png", "no face was found in nobody.png; choose another photo or add one to"),
            ("unlisted.png", "unlisted.png is not in l.json"),
            ("far.png", "far.png: these landmarks do not fit a photo of 150 x 150 pixels"),
            ("same.png", "same.png: these landmarks do not form a face"),
            ("shares.png", "shares.png: a face has points in shares of the image, not in pixels: multiply x by"),
            (
                "tiny.png",
                "tiny.png: these landmarks do not fit a photo of 150 x 150 pixels: they reach from (2.294, 2.388)",
            ),
            ("order.png", "order.png: a face has its points in another order: give left eye, right eye, nose"),
        ],
    )
    @pytest.mark.parametrize("role", ["original", "reference"])
    def test_photos_without_a_face(self, refused, tmp_path, name, reason, role):
        (tmp_path / name).write_bytes((tmp_path / "nobody.png").read_bytes())
        table = json.loads((tmp_path / "l.json").read_text())
        table["far.png"] = (np.array(table["ada.png"]) + 2000).tolist()
        table["same.png"] = [[5, 5]] * 5
        table["shares.png"] = (np.array(table["ada.png"]) / 300).tolist()
        table["tiny.png"] = (np.array(table["ada.png"]) / 50).tolist()
        table["order.png"] = [table["ada.png"][i] for i in (0, 1, 3, 4, 2)]
        (tmp_path / "l.json").write_text(json.dumps(table))
        line = self.BLEND.replace({"original": "ada.png", "reference": "bob.png"}[role], name)
        assert reason in refused(line, "--mask IN/mask.png --mask-on face")

    def test_no_detector(self, refused, tmp_path, monkeypatch):
        monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path / "cache"))
        line = self.BLEND.replace("--landmarks l.json", "")
        assert f"no face detector in {tmp_path / 'cache'}" in refused(line, "--mask IN/mask.png")

    @pytest.mark.parametrize("flag", ["--landmarks l.json", "--detector x.onnx", "--mask-on face", "--mask-on photo"])
    def test_flags_that_need_it(self, refused, flag):
        line = refused(BLEND, "--reference IN/bob.png --mask IN/mask.png --out out.png --frame centre", flag)
        assert line == f"{flag.split()[0]} goes with --frame face; add --frame face, or leave {flag.split()[0]} out"

    def test_its_earlier_name(self, stylemap, tmp_path):
        assert stylemap(self.BLEND, "--mask IN/mask.png --mask-on face").code == 0
        expected = pixels(tmp_path / "out.png")
        ran = stylemap(self.BLEND.replace("--frame face", "--align"), "--mask IN/mask.png --mask-on face")
        assert ran.code == 0 and "--align is now --frame=face" in ran.err
        np.testing.assert_array_equal(pixels(tmp_path / "out.png"), expected)

    def test_by_itself(self, stylemap, tmp_path, photos):
        """The face where there is one, else the central square; a line says which."""
        ran = stylemap(self.BLEND.replace("--frame face ", ""), "--mask IN/mask.png --mask-on face")
        assert ran.code == 0 and "took the faces of 2 photos, straightened: ada.png, bob.png" in ran.err
        automatic = pixels(tmp_path / "out.png")
        stylemap(self.BLEND, "--mask IN/mask.png --mask-on face")
        np.testing.assert_array_equal(pixels(tmp_path / "out.png"), automatic)
        (tmp_path / "l.json").write_text(json.dumps({"ada.png": [], "bob.png": []}))
        ran = stylemap(self.BLEND.replace("--frame face ", ""), "--mask IN/mask.png --mask-on face")
        assert "took the central square of ada.png, bob.png, as no face was found" in ran.err
        central = pixels(tmp_path / "out.png")
        line = self.BLEND.replace("--frame face --landmarks l.json", "--frame centre")
        ran = stylemap(line, "--mask IN/mask.png")
        assert (ran.code, "took" in ran.err) == (0, False)
        np.testing.assert_array_equal(pixels(tmp_path / "out.png"), central)

    def test_a_square_that_is_given(self, stylemap, refused, model, tmp_path, photos):
        """It is cut out of the original alone, and the edit goes back there; a mask lies over the whole photo."""
        photo = photos["ada"][0]
        painted = np.zeros(photo.shape[:2], np.uint8)
        painted[100:140, 130:170] = 255
        Image.fromarray(painted).save(tmp_path / "m.png")
        line = self.BLEND.replace("--frame face --landmarks l.json", "--crop 100,60,110,20")
        assert stylemap(line, "--mask m.png").code == 0
        alignment = faces.Alignment.crop(100, 60, 110, 20, SIDE)
        mask = torch.from_numpy(faces.align_mask(painted / 255, alignment)).float()[None, None]
        original = images.from_uint8(torch.from_numpy(faces.crop(photo, alignment))[None])
        reference = images.read(tmp_path / "bob.png", SIDE)
        edit = blend(model, model.encode(original), model.encode(reference), mask)
        region = (mask * 4).clamp(max=1)[0, 0].numpy()
        expected = faces.paste_back(photo, images.to_uint8(edit)[0].numpy(), alignment, region)
        written = pixels(tmp_path / "out.png")
        assert (written != photo).any() and np.abs(written.astype(int) - expected).max() <= 1
        assert "give one of the two" in refused(line, "--mask m.png --frame auto")
        assert "goes with --frame face" in refused(line, "--mask m.png --landmarks l.json")
        wrong = line.replace("100,60,110,20", "1000,60,110,20")
        assert "ada.png: this square does not fit a photo of 290 x 230 pixels" in refused(wrong, "--mask m.png")
        assert "is not a square like" in refused(line.replace("100,60,110,20", "1,2"), "--mask m.png")

    def test_mask_on_is_not_for_transplant(self, refused):
        assert "--mask-on" in refused(self.TRANSPLANT, "--mask IN/mask.png --shift 0,0 --mask-on photo")


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
            ("local-edit bland", "unknown verb local-edit 'bland'; did you mean local-edit blend?"),
            ("local-edit frobnicate", "'frobnicate'"),
            ("local-edit blend", "--original, --reference, --out"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(arguments)


UNNEEDED = """
import atexit, sys

large = "torchvision lpips torch_fidelity tensorboard matplotlib scipy sklearn av fastapi sympy triton torch._dynamo"
atexit.register(lambda: print(*set(large.split()) & sys.modules.keys(), file=sys.stderr, end=""))
"""


def test_script_imports_no_library_that_it_does_not_need(inputs, tmp_path):
    """The entry script, from another folder than its own. Weights with a flow need all that others need."""
    (tmp_path / "sitecustomize.py").write_text(UNNEEDED)
    old = checkpoint.load(inputs / "w.safetensors")
    new = with_flow(old, torch.randn(4, *old.config.stylemap_shape))
    weights = tmp_path / "flow.safetensors"
    checkpoint.save(weights, new, info=checkpoint.read_info(inputs / "w.safetensors"))
    command = [sys.executable, ROOT / "local_edit.py", "transplant", "--weights", weights]
    command += ["--original", inputs / "ada.png", "--reference", inputs / "bob.png"]
    command += ["--cells", "0,0,2,2", "--to-cell", "4,4", "--enlarge", "1", "--out", "edit.png"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "edit.png\n", "")
    assert pixels(tmp_path / "edit.png").shape == (SIDE, SIDE, 3)
