"""Clips as they are read: their times, colours and sides, and what is no clip."""

import av
import numpy as np
import pytest
from PIL import Image

from stylemap.clips import Clip
from stylemap.errors import InputError
from tests.clips import tiny


def off(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_frames_come_at_their_times(tmp_path):
    times = [1800, 5400, 9100, 13_000, 20_000, 22_000, 25_000, 31_000]
    clip = Clip(tiny.write(tmp_path / "a.mp4", tiny.pictures(8), times))
    assert [frame.pts for frame in clip.frames()] == times
    assert [round(frame.time * tiny.TICKS) for frame in clip.frames()] == [time - 1800 for time in times]
    assert (clip.size, clip.expected, clip.sounds) == ((64, 48), 8, ["aac"])


def test_a_part_is_read_from_its_start(tmp_path):
    frames = tiny.pictures(100, 16, 16)
    path = tiny.write(tmp_path / "a.mp4", frames, options={"crf": "8", "g": "10"})
    clip = Clip(path)
    whole = [frame for frame in clip.frames() if 3 <= frame.time < 3.5]
    part = list(clip.frames(3, 3.5))
    assert [frame.pts for frame in part] == [frame.pts for frame in whole] and len(part) == 12 + 1
    assert all(np.array_equal(a.planes, b.planes) for a, b in zip(part, whole, strict=True))


@pytest.mark.parametrize("degrees", tiny.TURNS)
def test_frames_are_upright(tmp_path, degrees):
    lying = tiny.pictures(1)[0]
    path = tiny.turn(tiny.write(tmp_path / "a.mp4", [lying]), degrees)
    upright = np.rot90(lying, -degrees // 90)
    clip = Clip(path)
    assert clip.size == upright.shape[1::-1]
    assert off(next(clip.frames()).pixels(), upright) < 2.2  # 48 if it is turned another way


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 2, 6, 9])
def test_colours_are_those_that_were_written(tmp_path, full, matrix):
    picture = tiny.pictures(1)[0]
    clip = Clip(tiny.write(tmp_path / "a.mp4", [picture], full=full, matrix=matrix))
    # half the colour's sides cost 1.9 levels here; another range or matrix 2.5 at least
    assert off(next(clip.frames()).pixels(), picture) < 2.2
    assert (clip.colours.range, clip.colours.matrix) == (1 + full, 6 if matrix == 2 else matrix)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mkv", "ffv1", "yuv444p"),
        ("a.mkv", "libx264rgb", "rgb24"),
        ("a.gif", "gif", "rgb8"),
        ("a.mkv", "ffv1", "yuv420p10le"),
    ],
)
def test_other_pixels_are_read_as_well(tmp_path, name, codec, pixels):
    picture = tiny.pictures(1)[0]
    path = tiny.write(tmp_path / name, [picture], sound=None, codec=codec, pixels=pixels, options={})
    assert Clip(path).lost == (["its frames have 10 bits a channel; the result has 8"] if "10" in pixels else [])
    assert off(next(Clip(path).frames()).pixels(), picture) < (20 if codec == "gif" else 4)


def test_odd_sides_repeat_the_last_line(tmp_path):
    picture = tiny.pictures(1, 47, 63)[0]
    clip = Clip(tiny.write(tmp_path / "a.mkv", [picture], codec="ffv1", pixels="yuv444p", options={}))
    assert clip.size == (64, 48)
    assert clip.lost == ["its frames are 63 x 47; the result repeats the last line of an odd side"]
    assert off(next(clip.frames()).pixels(), np.pad(picture, ((0, 1), (0, 1), (0, 0)), "edge")) < 4


def test_new_pixels_leave_the_rest_as_it_was(tmp_path):
    frame = next(Clip(tiny.write(tmp_path / "a.mp4", tiny.pictures(1, 50, 66))).frames())
    before = frame.pixels()
    assert frame.with_pixels(before, before.copy()) is frame
    after = before.copy()
    after[20:30, 31:40] = (200, 40, 90)
    changed = frame.with_pixels(before, after)
    far = np.ones(before.shape[:2], bool)
    far[20:30, 30:40] = False  # in pairs of pixels, which share their colour
    assert np.array_equal(changed.luma[far], frame.luma[far])
    assert (changed.planes != frame.planes).sum() <= 10 * 10 * 3 / 2
    assert off(changed.pixels()[22:28, 33:39], np.array((200, 40, 90))) < 2


def not_clips(folder):
    whole = tiny.write(folder / "whole.mp4", tiny.pictures(8)).read_bytes()
    Image.fromarray(tiny.pictures(1)[0]).save(folder / "still.png")
    Image.fromarray(tiny.pictures(1)[0]).save(folder / "still.jpg")
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a clip at all")
    return folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.mp4", "no such file"),
        ("still.png", "is a picture, not a video"),
        ("still.jpg", "is a picture, not a video"),
        ("cut.mp4", "damaged or cut short"),
        ("empty.mp4", "damaged or cut short"),
        ("text.mp4", "no video"),
        (".", "cannot be read"),
    ],
)
def test_what_is_no_clip_gets_one_line(tmp_path, name, said):
    with pytest.raises(InputError, match=said) as raised:
        Clip(not_clips(tmp_path) / name)
    assert "\n" not in str(raised.value)


def test_sound_alone_is_no_clip(tmp_path):
    with (
        av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container,
        av.open(str(tiny.write(tmp_path / "whole.mp4", tiny.pictures(2)))) as source,
    ):
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    with pytest.raises(InputError, match="no video, only sound"):
        Clip(tmp_path / "a.m4a")


def test_a_damaged_packet_costs_its_frame_alone(tmp_path):
    path = tiny.write(tmp_path / "a.mkv", tiny.pictures(6), sound=None, options={"crf": "8", "g": "1"})
    data = bytearray(path.read_bytes())
    size = len(data)
    data[size // 2 : size // 2 + 300] = bytes(300)
    path.write_bytes(data)
    assert 3 <= len(list(Clip(path).frames())) <= 6


def test_a_clip_that_is_cut_short_gives_what_is_there(tmp_path):
    path = tiny.write(tmp_path / "a.mkv", tiny.pictures(20), sound=None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    clip = Clip(path)
    assert 0 < len(list(clip.frames())) < 20
