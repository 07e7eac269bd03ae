"""Clips as they are written: frames at their times, and the sound bit by bit."""

import numpy as np
import pytest

from stylemap.clips import Clip, writing
from stylemap.errors import InputError
from tests.clips import tiny

TIMES = [1800, 5400, 9100, 13_000, 20_000, 22_000, 25_000, 31_000]  # of a variable frame rate


def rewritten(path, out, cuts=(3, 6), start=0.0, end=None):
    """The clip as it is, through parts."""
    clip = Clip(path)
    frames = list(clip.frames(start, end or float("inf")))
    bounds = [0, *(cut for cut in cuts if cut < len(frames)), len(frames)]
    parts = [out.with_name(f"part{k}{out.suffix}") for k in range(len(bounds) - 1)]
    for part, first, last in zip(parts, bounds, bounds[1:], strict=False):
        writing.write_part(part, iter(frames[first:last]), clip)
    writing.join(out, parts, clip, [frame.pts for frame in frames], end)
    return clip, frames, Clip(out)


@pytest.fixture
def lossless(monkeypatch):
    monkeypatch.setitem(writing.QUALITY, "libx264", {"crf": "0", "bf": "0"})


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("full", [False, True])
def test_frames_times_colours_and_sound_are_kept(tmp_path, lossless, suffix, full):
    path = tiny.write(tmp_path / "a.mp4", tiny.pictures(8), TIMES, full=full, matrix=1)
    _, frames, made = rewritten(path, tmp_path / f"out{suffix}")
    found = list(made.frames())
    assert (
        [frame.pts for frame in found] == TIMES
        and made.time_base == 1 / tiny.TICKS
        or [frame.pts * made.time_base * tiny.TICKS for frame in found] == TIMES
    )
    assert all(np.array_equal(a.planes, b.planes) for a, b in zip(found, frames, strict=True))
    assert made.colours == frames[0].colours
    assert tiny.packets(tmp_path / f"out{suffix}") == tiny.packets(path)


@pytest.mark.parametrize(("suffix", "sound"), [(".mkv", "aac"), (".webm", "libopus"), (".webm", None)])
def test_times_are_rounded_to_milliseconds_in_matroska(tmp_path, suffix, sound):
    path = tiny.write(tmp_path / "a.mkv", tiny.pictures(8), TIMES, sound=sound)
    source, frames, made = rewritten(path, tmp_path / f"out{suffix}")
    found = list(made.frames())
    assert np.abs(np.array([a.time - b.time for a, b in zip(found, frames, strict=True)])).max() <= 0.001
    assert sound is None or [p[4] for p in tiny.packets(tmp_path / f"out{suffix}")] == [
        p[4] for p in tiny.packets(path)
    ]
    assert np.abs(found[4].pixels().astype(float) - frames[4].pixels()).mean() < 3


def test_a_part_keeps_picture_and_sound_together(tmp_path):
    path = tiny.write(tmp_path / "a.mp4", tiny.pictures(8), TIMES)
    _, frames, made = rewritten(path, tmp_path / "out.mp4", start=0.1, end=0.25)
    first = frames[0].pts
    assert [frame.pts for frame in made.frames()] == [frame.pts - first for frame in frames] != []
    # a packet of sound moves as far as the picture; none is of a time that is cut off
    whole = {packet[4]: packet[0] / 48_000 for packet in tiny.packets(path)}
    kept = tiny.packets(tmp_path / "out.mp4")
    assert kept and all(abs(whole[data] - first / tiny.TICKS - pts / 48_000) < 1e-4 for pts, _, _, _, data in kept)
    assert min(whole[packet[4]] for packet in kept) >= first / tiny.TICKS
    assert max(whole[packet[4]] for packet in kept) < 0.25 + TIMES[0] / tiny.TICKS


def test_parts_do_not_depend_on_one_another(tmp_path):
    path = tiny.write(tmp_path / "a.mp4", tiny.pictures(8))
    clip = Clip(path)
    frames = list(clip.frames())
    for name in ("one.mp4", "two.mp4"):
        writing.write_part(tmp_path / name, frames[4:], clip)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_turned_clips_are_written_upright(tmp_path):
    path = tiny.turn(tiny.write(tmp_path / "a.mp4", tiny.pictures(2, 46, 62)), 90)
    _, frames, made = rewritten(path, tmp_path / "out.mp4")
    assert made.size == (46, 62)
    assert np.abs(next(made.frames()).pixels().astype(float) - frames[0].pixels()).mean() < 2


def test_sound_that_has_no_place_is_refused(tmp_path):
    clip = Clip(tiny.write(tmp_path / "a.mp4", tiny.pictures(1)))
    with pytest.raises(InputError, match=r"\.webm has no place for the sound of .*\(aac\); write an \.mp4 or \.mkv"):
        writing.check("out.webm", clip)
    with pytest.raises(InputError, match="must end in one of"):
        writing.check("out.avi", clip)


def test_a_failure_leaves_nothing(tmp_path):
    clip = Clip(tiny.write(tmp_path / "a.mp4", tiny.pictures(2)))

    def broken():
        yield next(clip.frames())
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        writing.write_part(tmp_path / "out.mp4", broken(), clip)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
