"""`stylemap morph`: the library's frames in the promised files; mistakes cost one line and leave nothing behind."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stylemap import images, video
from stylemap.editing import motion
from stylemap.editing.mixing import transfer
from stylemap.editing.motion import Region
from tests.cli.conftest import SIDE, pixels

WEIGHTS = "--weights IN/w.safetensors"
PATH = f"morph path IN/ada.png IN/bob.png {WEIGHTS}"
TRANSFER = f"morph transfer {WEIGHTS} --original IN/ada.png --neutral IN/bob.png --expressive IN/cyd.png"


@pytest.fixture
def encoded(model, inputs) -> dict[str, Tensor]:
    return {name: model.encode(images.read(inputs / f"{name}.png", SIDE)) for name in ("ada", "bob", "cyd")}


@pytest.fixture
def masks(inputs) -> dict[str, Tensor]:
    return {name: images.read_mask(inputs / f"{name}.png", SIDE) for name in ("mask", "mask2")}


def frames_of(path: Path) -> np.ndarray:
    """uint8 [N, H, W, 3]."""
    frames = []
    with Image.open(path) as film:
        for k in range(film.n_frames):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB")))
    return np.stack(frames)


def film(batches) -> np.ndarray:
    return images.to_uint8(torch.cat(list(batches))).numpy()


@pytest.fixture(autouse=True)
def black(tmp_path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(tmp_path / "black.png")


class TestPath:
    @pytest.mark.parametrize(
        ("flags", "settings", "count"),
        [
            ("", {}, 16),
            ("--frames 4", {"frames": 4}, 4),
            ("--frames 3 --loop", {"frames": 3, "loop": True}, 6),
            ("--frames 5 --ease linear --space w", {"frames": 5, "ease": motion.linear, "space": "w"}, 5),
        ],
    )
    def test_is_the_library_s(self, stylemap, model, encoded, tmp_path, flags, settings, count):
        ran = stylemap(PATH, flags, "--out made/film.png")  # PNG keeps every pixel
        assert (ran.code, ran.out, ran.err) == (0, f"{Path('made/film.png')}\n", "")
        assert [p.name for p in (tmp_path / "made").iterdir()] == ["film.png"]
        expected = film(motion.morph(model, torch.cat([encoded["ada"], encoded["bob"]]), **({"frames": 16} | settings)))
        got = frames_of(tmp_path / "made/film.png")
        assert len(got) == count
        np.testing.assert_array_equal(got, expected)

    @pytest.mark.parametrize(
        ("flags", "times", "rest"),
        [
            ("--mask IN/mask.png", [(0, 1)], None),
            ("--mask IN/mask.png --mask IN/mask2.png", [(0, 1), (0, 1)], None),
            (
                "--mask IN/mask.png --when 0..0.4 --mask IN/mask2.png --when 0.3..0.7 --rest 0.5..1",
                [(0, 0.4), (0.3, 0.7)],
                (0.5, 1),
            ),
        ],
    )
    @pytest.mark.parametrize("hard", [False, True])
    def test_masks_move_when_told(self, stylemap, model, encoded, masks, tmp_path, flags, times, rest, hard):
        run = f"morph path IN/ada.png IN/bob.png IN/cyd.png {WEIGHTS} --frames 4 --out film.png"
        assert stylemap(run, flags, "--hard" if hard else "").code == 0
        regions = [Region(mask, *span) for mask, span in zip(masks.values(), times, strict=False)]
        if rest:
            regions.append(Region(torch.ones(1, 1, SIDE, SIDE), *rest))
        stylemaps = torch.cat(list(encoded.values()))
        expected = film(motion.morph(model, stylemaps, 4, regions, hard=hard))
        np.testing.assert_array_equal(frames_of(tmp_path / "film.png"), expected)

    @pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".mp4"])
    def test_formats_speed_and_size(self, stylemap, tmp_path, suffix):
        assert stylemap(PATH, f"--frames 3 --fps 5 --enlarge 3 --out film{suffix}").code == 0
        if suffix == ".mp4":
            assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
            return
        with Image.open(tmp_path / f"film{suffix}") as stored:
            stored.load()
            assert (stored.n_frames, stored.size, stored.info["duration"]) == (3, (96, 96), 200)

    def test_size_repeats_pixels(self, stylemap, tmp_path):
        for name, flags in (("small", ""), ("large", "--enlarge 2"), ("same", "--enlarge 1")):
            assert stylemap(PATH, f"--frames 3 {flags} --out {name}.png --sheet {name}-sheet.png").code == 0
        small, large, same = (frames_of(tmp_path / f"{name}.png") for name in ("small", "large", "same"))
        np.testing.assert_array_equal(large, small.repeat(2, axis=1).repeat(2, axis=2))
        np.testing.assert_array_equal(same, small)
        sheet = pixels(tmp_path / "large-sheet.png")
        assert sheet.shape == (64 + 4, 3 * 66 + 2, 3)
        np.testing.assert_array_equal(sheet[2:66, 68:132], large[1])

    @pytest.mark.parametrize(("frames", "shown"), [(3, [0, 1, 2]), (31, range(0, 31, 2))])
    def test_sheet_holds_frames_from_first_to_last(self, stylemap, tmp_path, frames, shown):
        ran = stylemap(PATH, f"--frames {frames} --out film.png --sheet made/sheet.png")
        assert (ran.code, ran.out) == (0, f"film.png\n{Path('made/sheet.png')}\n")
        stored = torch.from_numpy(frames_of(tmp_path / "film.png")[list(shown)])
        expected = images.to_uint8(images.grid(images.from_uint8(stored), 8)[None])[0]
        np.testing.assert_array_equal(pixels(tmp_path / "made/sheet.png"), expected.numpy())

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--out f.gif --frames 1", "--frames: '1' is not a whole number from 2"),
            ("--out f.gif --frames x", "--frames"),
            (f"--out f.gif --frames {'9' * 400}", f"--frames: '{'9' * 40}...' is not a whole number from 2 to 100000"),
            (f"--out f.gif --enlarge {'9' * 400}", f"--enlarge: '{'9' * 40}...' is not"),
            ("--out f.gif --fps 0", "--fps: '0' is not a number from 0.1 to 50"),
            ("--out f.gif --fps nan", "--fps: 'nan' is not a number"),
            ("--out f.gif --enlarge 0", "--enlarge: '0' is not a whole number from 1 to 64"),
            ("--out f.gif --enlarge 65", "--enlarge: '65' is not"),
            ("--out f.gif --ease bounce", "'bounce'"),
            ("--out f.gif --space z", "'z'"),
            ("--out f.jpg", "'f.jpg' must end in .gif or .webp or .png or .mp4"),
            ("", "--out"),
            ("--out f.gif --sheet s.gif", "'s.gif' must end in .png"),
            ("--out f.png --sheet ./f.png", "--sheet f.png is --out as well"),
            ("--out f.gif --mask IN/missing.png", "missing.png: no such file"),
            ("--out f.gif --mask IN/text.png", "text.png is not an image"),
            ("--out f.gif --mask IN/mask.png --when 0..0.5 --when 0.5..1", "1 --mask and 2 --when"),
            ("--out f.gif --mask IN/mask.png --mask IN/mask2.png --when 0..1", "2 --mask and 1 --when"),
            ("--out f.gif --when 0..1", "0 --mask and 1 --when"),
            ("--out f.gif --rest 0..1", "--rest goes with --mask"),
            ("--out f.gif --hard", "--hard goes with --mask"),
            (
                "--out f.gif --mask IN/mask.png --when 0.5..0.2",
                "'0.5..0.2' is not a range like 0..0.5, with numbers from 0 to 1",
            ),
            ("--out f.gif --mask IN/mask.png --when 0", "'0' is not a range"),
            ("--out f.gif --mask IN/mask.png --when nan..1", "'nan..1' is not a range"),
            ("--out f.gif --mask IN/mask.png --rest=-0.5..1", "--rest: '-0.5..1' is not a range"),
            ("--out f.gif --amount 1", "--amount"),  # of the other verb
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(PATH, arguments)

    @pytest.mark.parametrize(
        ("pictures", "reason"),
        [
            ("IN/ada.png", "needs two photos or more; name another after"),
            ("", "PHOTO"),
            ("IN/ada.png IN/missing.png", "missing.png: no such file"),
            ("IN/ada.png IN/bob.png IN/cut.png", "cut.png is damaged"),
        ],
    )
    def test_bad_pictures(self, refused, pictures, reason):
        assert reason in refused("morph path", pictures, WEIGHTS, "--out f.gif")

    @pytest.mark.parametrize("flag", ["--out", "--sheet"])
    @pytest.mark.parametrize("mine", ["face.png", "mask.png"])
    def test_pictures_are_never_overwritten(self, refused, inputs, tmp_path, flag, mine):
        (tmp_path / "face.png").write_bytes((inputs / "ada.png").read_bytes())
        (tmp_path / "mask.png").write_bytes((inputs / "mask.png").read_bytes())
        other = "--sheet s.png" if flag == "--out" else "--out f.gif"
        run = f"morph path face.png IN/bob.png --mask mask.png {flag} {mine} {other}"
        assert f"{mine} is one of the files to read" in refused(run, WEIGHTS)

    def test_out_below_a_file(self, refused):
        assert "cannot write" in refused(PATH, "--out IN/file/film.gif")

    def test_diverged_weights_leave_nothing(self, refused, monkeypatch):
        monkeypatch.setattr(motion, "render_laid", lambda *_: torch.full((1, 3, SIDE, SIDE), float("nan")))
        assert "NaN" in refused(PATH, "--out f.gif --sheet s.png")


class TestTransfer:
    @pytest.mark.parametrize(
        ("flags", "settings"),
        [
            ("", {}),
            ("--amount -0.5 --space w", {"amount": -0.5, "space": "w"}),
            ("--amount 1.5 --mask IN/mask.png", {"amount": 1.5, "mask": "mask"}),
            ("--mask IN/mask.png --hard", {"mask": "mask", "hard": True}),
        ],
    )
    @pytest.mark.parametrize("suffix", [".png", ".webp"])
    def test_picture_is_the_library_s(self, stylemap, model, encoded, masks, tmp_path, flags, settings, suffix):
        ran = stylemap(TRANSFER, flags, f"--out made/face{suffix}")
        assert (ran.code, ran.out, ran.err) == (0, f"{Path(f'made/face{suffix}')}\n", "")
        chosen = {"mask": masks[settings["mask"]]} if "mask" in settings else {}
        expected = images.to_uint8(transfer(model, *encoded.values(), **(settings | chosen)))[0].numpy()
        # Encoded one by one or together, stylemaps differ in rounding, and so may a pixel between two levels.
        np.testing.assert_allclose(pixels(tmp_path / f"made/face{suffix}").astype(int), expected, rtol=0, atol=1)

    @pytest.mark.parametrize("suffix", [".png", ".webp"])
    @pytest.mark.parametrize("loop", [False, True])
    def test_film_goes_from_nothing_to_the_amount(self, stylemap, model, encoded, tmp_path, suffix, loop):
        flags = f"--frames 20 --amount 1.5 --ease linear {'--loop' if loop else ''}"  # more than a batch
        assert stylemap(TRANSFER, flags, f"--out film{suffix} --sheet sheet.png").code == 0
        rise = torch.arange(20) / (20 if loop else 19)
        shares = torch.cat([rise, 1 - rise]) if loop else rise
        expected = film([transfer(model, *encoded.values(), 1.5 * shares)])
        got = frames_of(tmp_path / f"film{suffix}")
        assert got.shape == expected.shape
        assert abs(got.astype(int) - expected).max() <= 1  # float32 sums in another order, then rounded
        assert len({frame.tobytes() for frame in got[: 21 if loop else 20]}) == (21 if loop else 20)
        assert (tmp_path / "sheet.png").exists()

    def test_gif_is_a_film_without_being_told(self, stylemap, tmp_path):
        assert stylemap(TRANSFER, "--out film.gif").code == 0
        assert len(frames_of(tmp_path / "film.gif")) == 16

    def test_picture_can_be_enlarged(self, stylemap, tmp_path):
        assert stylemap(TRANSFER, "--enlarge 2 --out face.png").code == 0
        assert pixels(tmp_path / "face.png").shape == (64, 64, 3)

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ("--out f.png --amount nan", "--amount: 'nan' is not a number from -20 to 20"),
            ("--out f.png --amount 1e38", "--amount: '1e38' is not a number from -20 to 20"),
            ("--out f.png --mask black.png", "the mask black.png is black: paint white where"),
            ("--out f.png --amount x", "--amount"),
            ("--out f.png --loop", "--loop goes with a film; add --frames 16"),
            ("--out f.png --sheet s.png", "--sheet goes with a film"),
            ("--out f.png --fps 5", "--fps goes with a film"),
            ("--out f.png --ease linear", "--ease goes with a film"),
            ("--out f.jpg --frames 4", "--frames makes a film, and f.jpg cannot hold one"),
            ("--out f.png --frames 1", "--frames: '1' is not a whole number from 2"),
            ("--out f.bmp", "'f.bmp' must end in"),
            ("--out f.png --hard", "--hard goes with --mask"),
            ("--out f.png --mask IN/text.png", "text.png is not an image"),
            ("--out f.png --rest 0..1", "--rest"),  # of the other verb
            ("", "--out"),
        ],
    )
    def test_mistakes(self, refused, arguments, reason):
        assert reason in refused(TRANSFER, arguments)

    @pytest.mark.parametrize("missing", ["original", "neutral", "expressive"])
    def test_all_three_are_needed_and_kept(self, refused, inputs, tmp_path, missing):
        (tmp_path / "mine.png").write_bytes((inputs / "ada.png").read_bytes())
        names = {"original": "IN/ada.png", "neutral": "IN/bob.png", "expressive": "IN/cyd.png"}
        rest = " ".join(f"--{name} {path}" for name, path in names.items() if name != missing)
        assert f"--{missing}" in refused("morph transfer", rest, WEIGHTS, "--out f.png")
        line = refused("morph transfer", rest, f"--{missing} mine.png --out mine.png", WEIGHTS)
        assert "mine.png is one of the files to read" in line


@pytest.mark.parametrize("arguments", ["morph --help", "morph path --help", "morph transfer -h"])
def test_help(stylemap, arguments):
    ran = stylemap(arguments)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("usage: stylemap morph")


def test_every_film_format_is_offered():
    assert set(video.FORMATS) == {".gif", ".webp", ".png", ".mp4"}
