"""Films read back by other programs' readers: their frames, times and sizes; what is held at a time; and failures."""

import os
import resource
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stylemap import images, video
from stylemap.errors import InputError

LOSSLESS = (".webp", ".png")
SUFFIXES = (".gif", *LOSSLESS, ".mp4")
GREYS = torch.stack([torch.full((3, 8, 8), v) for v in (-1.0, -0.5, 0.0, 0.5, 1.0)])  # [5, 3, 8, 8]
GREY_VALUES = [0, 64, 128, 191, 255]  # (v + 1) * 127.5, rounded half to even


def waves(frames: int, height: int = 48, width: int = 64) -> Tensor:
    """[frames, 3, height, width]: soft colours that drift, a little everywhere, as a photo that turns into another does."""
    t, y, x = torch.meshgrid(
        torch.arange(frames) / 4, torch.arange(height) / 18, torch.arange(width) / 14, indexing="ij"
    )
    return torch.stack([torch.sin(x + t), torch.sin(y - t), torch.sin(x + y + t) / 2], dim=1) * 0.8


def local(frames: int) -> Tensor:
    """[frames, 3, 20, 30]: noise that stands still but for one moving pixel in odd and even places, and equal frames."""
    still = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1
    film = still.repeat(frames, 1, 1, 1)
    for k in range(frames - 1):
        film[k, :, (7 * k) % 20, (11 * k) % 30] = -1.0
    film[-1] = film[-2]
    return film


def read(path: Path) -> tuple[np.ndarray, list[int]]:
    """-> frames uint8 [N, H, W, 3], times at which they end in ms."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            frames = list(film.decode(video=0))
            ends = [float((f.pts + f.duration) * f.time_base) * 1000 for f in frames]
            return np.stack([f.to_ndarray(format="rgb24") for f in frames]), [round(end) for end in ends]
    with Image.open(path) as film:
        frames, durations = [], []
        for k in range(film.n_frames):
            film.seek(k)
            film.load()
            durations.append(film.info.get("duration", 0))  # a PNG of one frame is a still image
            frames.append(np.asarray(film.convert("RGB")))
    return np.stack(frames), [round(end) for end in np.cumsum(durations)]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


class TestFrames:
    @pytest.mark.parametrize("suffix", LOSSLESS)
    @pytest.mark.parametrize("film", [waves(5), local(12), waves(1), torch.rand(3, 3, 1, 1)])
    def test_lossless_formats_keep_every_pixel_of_every_frame(self, tmp_path, suffix, film):
        path = tmp_path / f"a{suffix}"
        video.write(path, film)
        np.testing.assert_array_equal(read(path)[0], images.to_uint8(film).numpy())
        assert os.listdir(tmp_path) == [path.name]

    @pytest.mark.parametrize("suffix", [".gif", *LOSSLESS])
    def test_few_colours_are_exact_everywhere(self, tmp_path, suffix):
        video.write(tmp_path / f"a{suffix}", GREYS)
        frames, ends = read(tmp_path / f"a{suffix}")
        assert [np.unique(frame).tolist() for frame in frames] == [[v] for v in GREY_VALUES]
        assert ends == [80, 160, 240, 320, 400]

    # 256 colours in a cube of 200^3, were it filled, are 32 apart, an error of 32 / sqrt(12) = 9.2 or 29 dB; a film fills a
    # fraction of it. H.264 at crf 16 is meant to lose nothing that is seen, some 40 dB, of which colour at half the
    # resolution takes a part.
    @pytest.mark.parametrize(("suffix", "least"), [(".gif", 29), (".mp4", 36)])
    def test_lossy_formats_come_close(self, tmp_path, suffix, least):
        film = waves(9)
        video.write(tmp_path / f"a{suffix}", film)
        frames, _ = read(tmp_path / f"a{suffix}")
        expected = images.to_uint8(film).numpy()
        assert frames.shape == expected.shape
        assert min(psnr(a, b) for a, b in zip(frames, expected, strict=True)) > least

    def test_gif_does_not_flicker(self, tmp_path):
        """What stands still is stored with the same colour in every frame, whatever else comes and goes."""
        film = waves(1, 16, 16).repeat(6, 1, 1, 1)
        film[1::2, :, 8:] = torch.rand(3, 3, 8, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
        video.write(tmp_path / "a.gif", film)
        frames, _ = read(tmp_path / "a.gif")
        assert (frames[:, :8] == frames[0, :8]).all()
        assert (frames[1, 8:] != frames[0, 8:]).any()

    def test_equal_neighbours_stay_as_many(self, tmp_path):
        for suffix in SUFFIXES:
            video.write(tmp_path / f"a{suffix}", GREYS[:1].repeat(7, 1, 1, 1))
            assert len(read(tmp_path / f"a{suffix}")[0]) == 7

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_batches_of_any_size_are_one_film(self, tmp_path, suffix):
        film = waves(7)
        video.write(tmp_path / f"a{suffix}", film)
        video.write(tmp_path / f"b{suffix}", iter(film.split([1, 3, 2, 1])))
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()

    @pytest.mark.parametrize(("height", "width"), [(33, 47), (48, 47), (33, 64)])
    def test_mp4_repeats_the_last_line_of_odd_sides(self, tmp_path, height, width):
        film = waves(3, height, width)
        video.write(tmp_path / "a.mp4", film)
        frames, _ = read(tmp_path / "a.mp4")
        assert frames.shape == (3, height + height % 2, width + width % 2, 3)
        assert psnr(frames[:, :height, :width], images.to_uint8(film).numpy()) > 36
        # less than the film itself changes from there to ten pixels on
        assert psnr(frames[:, -1], frames[:, -2]) > 25

    def test_mp4_keeps_colours(self, tmp_path):
        """Red, green and blue in their places: another matrix for reading than for writing is off by 20 and more."""
        colours = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 32, 32) - 0.5
        video.write(tmp_path / "a.mp4", colours)
        means = read(tmp_path / "a.mp4")[0].mean(axis=(1, 2))
        assert abs(means - images.to_uint8(colours).numpy()[:, 0, 0]).max() < 6

    def test_mp4_without_h264_is_mpeg4(self, tmp_path, monkeypatch):
        monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
        film = waves(9)
        video.write(tmp_path / "a.mp4", film)
        with av.open(str(tmp_path / "a.mp4")) as stored:
            assert stored.streams.video[0].codec_context.name == "mpeg4"
        frames, ends = read(tmp_path / "a.mp4")
        assert (len(frames), ends[-1]) == (9, 720)
        assert psnr(frames, images.to_uint8(film).numpy()) > 30


class TestTime:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("fps", [0.5, 12.5, 24, 30, 50])
    def test_frames_end_when_they_should(self, tmp_path, suffix, fps):
        film = waves(30, 8, 8)
        video.write(tmp_path / f"a{suffix}", film, fps=fps)
        _, ends = read(tmp_path / f"a{suffix}")
        tick = 10 if suffix == ".gif" else 1
        # half a tick of the format's clock, and half of that of the rounding above
        np.testing.assert_allclose(ends, np.arange(1, 31) * 1000 / fps, rtol=0, atol=tick / 2 + 0.5)

    @pytest.mark.parametrize("suffix", [".gif", *LOSSLESS])
    @pytest.mark.parametrize("loop", [True, False])
    def test_loop(self, tmp_path, suffix, loop):
        video.write(tmp_path / f"a{suffix}", GREYS, loop=loop)
        with Image.open(tmp_path / f"a{suffix}") as film:
            assert film.info.get("loop") == (0 if loop else None if suffix == ".gif" else 1)

    @pytest.mark.parametrize("fps", [0, -1, 0.09, 51, float("nan"), float("inf")])
    def test_fps_out_of_range(self, tmp_path, fps):
        with pytest.raises(ValueError, match="fps must lie in"):
            video.write(tmp_path / "a.gif", GREYS, fps=fps)


class TestMemory:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_batches_are_taken_one_at_a_time_and_dropped(self, tmp_path, suffix):
        """At most the batch at hand and the one before lives, however long the film is."""
        made, alive = [], []

        def batches():
            for k in range(20):
                batch = waves(2, 16, 16) + k / 100
                made.append(weakref.ref(batch))
                yield batch
                del batch
                alive.append(sum(ref() is not None for ref in made))

        video.write(tmp_path / f"a{suffix}", batches())
        assert len(alive) == 20 and max(alive) <= 1
        assert len(read(tmp_path / f"a{suffix}")[0]) == 40

    @pytest.mark.parametrize("suffix", LOSSLESS)
    def test_frames_are_on_the_disk_before_the_last_is_made(self, tmp_path, suffix):
        sizes = []

        def batches():
            for _ in range(10):
                yield torch.rand(1, 3, 256, 256) * 2 - 1
                sizes.append(max(path.stat().st_size for path in tmp_path.iterdir()))

        video.write(tmp_path / f"a{suffix}", batches())
        assert (
            sizes[-1] > 8 * 256 * 256 * 3 * 0.8
        )  # noise cannot be compressed; the last frame may still be in a buffer


class TestFailures:
    @pytest.fixture
    def small_disk(self):
        """No file may grow above 2 kB; a real error of the system, whatever library writes."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_disk_that_is_full_leaves_the_old_file(self, tmp_path, suffix, request):
        path = tmp_path / f"a{suffix}"
        path.write_text("old")
        film = torch.rand(10, 3, 64, 64) * 2 - 1
        request.getfixturevalue("small_disk")
        with pytest.raises(InputError, match=rf"cannot write .*a\{suffix}: .*; free some space"):
            video.write(path, film)
        assert os.listdir(tmp_path) == [path.name]
        assert path.read_text() == "old"

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("bad", ["nan", "size", "none", "shape"])
    def test_bad_frames_leave_the_old_file(self, tmp_path, suffix, bad):
        path = tmp_path / f"a{suffix}"
        path.write_text("old")
        films = {
            "nan": [GREYS, GREYS * float("nan")],
            "size": [GREYS, GREYS[..., :6]],
            "none": [],
            "shape": [GREYS, GREYS[:, :1]],
        }
        message = {"nan": "NaN", "size": "one size", "none": "at least one frame", "shape": r"float \[N, 3, H, W\]"}
        with pytest.raises(ValueError, match=message[bad]):
            video.write(path, films[bad])
        assert os.listdir(tmp_path) == [path.name]
        assert path.read_text() == "old"

    @pytest.mark.parametrize("name", ["a.jpg", "a", "a.avi"])
    def test_other_suffix_is_refused_before_anything_is_made(self, tmp_path, name):
        with pytest.raises(InputError, match=r"must end in one of \.gif, \.mp4, \.png, \.webp"):
            video.write(tmp_path / "new" / name, GREYS)
        assert os.listdir(tmp_path) == []

    def test_folder_is_made(self, tmp_path):
        video.write(tmp_path / "new" / "folder" / "A.GIF", GREYS)
        assert os.listdir(tmp_path / "new" / "folder") == ["A.GIF"]


class TestContactSheet:
    def test_is_the_grid_of_all_batches(self):
        film = waves(7)
        assert torch.equal(video.contact_sheet(film.split(3), columns=4), images.grid(film, 4))

    @pytest.mark.parametrize(
        ("total", "most", "places"),
        [(5, 16, [0, 1, 2, 3, 4]), (5, 3, [0, 2, 4]), (100, 4, [0, 33, 66, 99]), (1, 16, [0])],
    )
    def test_evenly(self, total, most, places):
        assert video.evenly(total, most) == places
