"""Films: their frames at the images are the images, none comes twice, and what is in no mask stands still."""

import gc
import math
import weakref
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from stylemap import blend, interpolate
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import motion
from stylemap.editing.motion import Region, linear, morph, smooth, timeline
from tests.editing import tiny
from tests.editing.tiny import CHANNELS, SIDE, SPACES, assert_differ, assert_same, box_mask, random_mask, stylemaps

LEFT, RIGHT = box_mask(0, 0, SIDE, SIDE // 2), box_mask(0, SIDE // 2, SIDE, SIDE // 2)
ONES = torch.ones(1, 1, SIDE, SIDE)


def film(*arguments, **options) -> Tensor:
    """All frames of a morph."""
    return torch.cat(list(morph(*arguments, **options)))


class Paper(StylemapModel):
    """Shows the stylemap itself: what a film does to the maps is seen in the pixels, without the network in between."""

    def __init__(self, of: StylemapModel):
        super().__init__(of.config)
        self.eval().requires_grad_(False)

    def resize(self, stylemap: Tensor) -> list[Tensor]:
        return [torch.nn.functional.interpolate(stylemap[:, :3], SIDE)]

    def modulations(self, styles: list[Tensor]) -> None:
        return None

    def render(self, styles: list[Tensor]) -> Tensor:
        return styles[0]


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper(tiny.model())


class TestEase:
    @pytest.mark.parametrize("ease", [linear, smooth])
    def test_rises_from_0_to_1_and_is_the_same_from_behind(self, ease):
        t = torch.linspace(0, 1, 5001, dtype=torch.float64)
        share = ease(t)
        assert (share[0], share[-1]) == (0, 1)
        assert (share.diff() > 0).all()
        torch.testing.assert_close(share, 1 - share.flip(0), rtol=0, atol=1e-12)

    def test_smooth_is_the_cosine_and_rests_at_its_ends(self):
        t = torch.linspace(0, 1, 1001, dtype=torch.float64)
        torch.testing.assert_close(smooth(t), (1 - torch.cos(math.pi * t)) / 2, rtol=0, atol=1e-12)
        speed = smooth(t).diff() * 1000
        # the slope is pi / 2 sin(pi t), at most pi^2 / 2 t off its 0 at the ends
        assert max(speed[0], speed[-1]) < math.pi**2 / 2 / 1000
        assert speed.max() == pytest.approx(math.pi / 2, rel=1e-3)


class TestTimeline:
    @pytest.mark.parametrize("pictures", [2, 3, 7])
    @pytest.mark.parametrize("frames", [2, 3, 16])
    def test_open(self, pictures, frames):
        ways = timeline(pictures, frames, loop=False)
        assert len(ways) == pictures - 1
        places = torch.cat([k + way for k, way in enumerate(ways)])
        torch.testing.assert_close(
            places, torch.linspace(0, pictures - 1, (pictures - 1) * (frames - 1) + 1, dtype=torch.float64)
        )

    @pytest.mark.parametrize("pictures", [2, 3, 7])
    @pytest.mark.parametrize("frames", [2, 3, 16])
    def test_loop_has_frames_for_each_picture_and_one_step_between_all(self, pictures, frames):
        ways = timeline(pictures, frames, loop=True)
        places = torch.cat([k + way for k, way in enumerate(ways)])
        assert len(places) == pictures * frames
        around = torch.cat([places, places[:1] + pictures])  # the seam too
        torch.testing.assert_close(around.diff(), torch.full_like(places, 1 / frames))

    @pytest.mark.parametrize(("pictures", "frames"), [(1, 4), (2, 1), (2, 0), (0, 2)])
    def test_too_few(self, pictures, frames):
        with pytest.raises(ValueError, match="must be at least 2"):
            timeline(pictures, frames, loop=False)


class TestWholePictures:
    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("ease", [linear, smooth])
    @pytest.mark.parametrize("loop", [True, False])
    def test_frames_at_the_pictures_are_the_pictures(self, model, space, ease, loop):
        w = stylemaps(model, 3, 1)
        frames = film(model, w, 4, loop=loop, ease=ease, space=space)
        assert frames.shape == (12 if loop else 7, 3, SIDE, SIDE)
        assert_same(frames[:: 4 if loop else 3], model.synthesize(w))

    @pytest.mark.parametrize("frames", [2, 5, CHANNELS, 40])  # as many as channels, and more than a batch
    def test_two_pictures_in_w_are_the_interpolation(self, model, frames):
        a, b = stylemaps(model, 1, 1), stylemaps(model, 1, 2)
        expected = model.synthesize(interpolate(a, b, frames))
        assert_same(film(model, torch.cat([a, b]), frames, space="w", ease=linear), expected)

    @pytest.mark.parametrize("ease", [linear, smooth])
    def test_w_plus_blends_every_style(self, model, ease):
        w = stylemaps(model, 2, 1)
        a, b = model.resize(w[:1]), model.resize(w[1:])
        t = ease(torch.linspace(0, 1, 5)).view(-1, 1, 1, 1)
        expected = model.render([torch.lerp(x, y, t) for x, y in zip(a, b, strict=True)])
        assert_same(film(model, w, 5, ease=ease), expected)

    @pytest.mark.parametrize("ease", [linear, smooth])
    @pytest.mark.parametrize("loop", [True, False])
    def test_no_frame_comes_twice_and_no_step_is_a_jump(self, paper, ease, loop):
        """At the joints and the seam the steps are no longer than the longest on the way, and none is nothing."""
        w = stylemaps(paper, 3, 1)
        frames = film(paper, w, 12, loop=loop, ease=ease)
        shown = torch.cat([frames, frames[:1]]) if loop else frames
        steps = shown.diff(dim=0).square().mean(dim=(1, 2, 3)).sqrt()
        ways = (w - w.roll(-1, 0))[:, :3].square().mean(dim=(1, 2, 3)).sqrt()
        fastest = 1 if ease is linear else math.pi / 2
        assert steps.max() <= ways.max() * fastest / 11 * 1.001
        assert steps.min() > 0.003 * ways.min()  # the slowest, at rest: (pi / 24)^2 is 0.017 of a way
        assert len({frame.numpy().tobytes() for frame in frames}) == len(frames)

    def test_loop_backwards_is_the_loop_of_the_pictures_backwards(self, paper):
        w = stylemaps(paper, 3, 1)
        there, back = film(paper, w, 5, loop=True), film(paper, w[[0, 2, 1]], 5, loop=True)
        assert_same(back, there.flip(0).roll(1, 0))


class TestRegions:
    @pytest.mark.parametrize("space", SPACES)
    @pytest.mark.parametrize("hard", [False, True])
    def test_a_mask_ends_at_the_blend(self, model, space, hard):
        w, mask = stylemaps(model, 2, 1), random_mask(1)
        frames = film(model, w, 3, [Region(mask)], space=space, hard=hard, ease=linear)
        assert_same(frames[:1], model.synthesize(w[:1]))
        for k, strength in ((1, 0.5), (2, 1.0)):
            assert_same(frames[k : k + 1], blend(model, w[:1], w[1:], mask, space, hard, strength))

    def test_mask_of_ones_is_the_whole_picture(self, model):
        w = stylemaps(model, 3, 1)
        assert torch.equal(film(model, w, 4, [Region(ONES)], loop=True), film(model, w, 4, loop=True))

    @pytest.mark.parametrize("loop", [True, False])
    def test_outside_the_masks_nothing_moves(self, paper, loop):
        w = stylemaps(paper, 3, 1)
        frames = film(paper, w, 5, [Region(LEFT)], loop=loop)
        assert (frames[..., SIDE // 2 :] == frames[:1, ..., SIDE // 2 :]).all()
        assert torch.equal(frames[..., : SIDE // 2], film(paper, w, 5, loop=loop)[..., : SIDE // 2])

    def test_empty_mask_stands_still(self, model):
        w = stylemaps(model, 2, 1)
        frames = film(model, w, 4, [Region(torch.zeros_like(ONES))])
        assert_same(frames, model.synthesize(w[:1]).expand_as(frames))

    def test_soft_masks_close_the_loop(self, paper):
        """The frame after the last would be the first: what is half in a mask comes all the way back."""
        w, regions = stylemaps(paper, 3, 1), [Region(random_mask(1)), Region(random_mask(1, seed=1), 0.2, 0.6)]
        frames = film(paper, w, 50, regions, loop=True)
        around = torch.cat([frames, frames[:1]]).diff(dim=0).abs().amax(dim=(1, 2, 3))
        # at the images everything is at rest: (pi / 2 / 50)^2 = 0.001 of the longest way
        assert around[[49, 99, 149]].max() < 0.002 * (w.max() - w.min())
        assert around.max() > 0.01

    def test_one_after_the_other(self, paper):
        w = stylemaps(paper, 2, 1)
        frames = film(paper, w, 11, [Region(LEFT, 0.0, 0.4), Region(RIGHT, 0.4, 1.0)], ease=linear)
        start, end = film(paper, w, 2)
        left, right = frames[..., : SIDE // 2], frames[..., SIDE // 2 :]
        for k in range(11):
            for half, share, here in ((left, min(1, k / 4), slice(0, 16)), (right, max(0, k - 4) / 6, slice(16, 32))):
                torch.testing.assert_close(half[k], torch.lerp(start, end, share)[..., here], rtol=0, atol=1e-5)

    def test_rest_takes_all_to_the_next_picture(self, paper):
        """A soft part first, then ones: every pixel only ever nears the next image, and arrives."""
        w = stylemaps(paper, 3, 1)
        frames = film(paper, w, 21, [Region(random_mask(1), 0, 0.6), Region(ONES, 0.4, 1)])
        pictures = paper.synthesize(w)
        torch.testing.assert_close(frames[::20], pictures, rtol=0, atol=1e-6)
        for k in range(2):
            left = (frames[20 * k : 20 * k + 21] - pictures[k + 1]).abs()
            assert (left.diff(dim=0) < 1e-6).all()

    def test_order_of_overlapping_regions_does_not_matter(self, paper):
        w = stylemaps(paper, 2, 1)
        regions = [Region(random_mask(1), 0, 0.7), Region(random_mask(1, seed=1), 0.2, 1)]
        torch.testing.assert_close(film(paper, w, 7, regions), film(paper, w, 7, regions[::-1]), rtol=0, atol=1e-5)

    def test_frames_do_not_depend_on_the_batch(self, model, monkeypatch):
        w, regions = stylemaps(model, 3, 1), [Region(random_mask(1), 0, 0.6), Region(ONES, 0.4, 1)]
        together = film(model, w, CHANNELS, regions)
        monkeypatch.setattr(motion, "MOST_AT_ONCE", 1)
        assert [len(batch) for batch in morph(model, w, 4, regions)] == [1] * 7
        assert_same(film(model, w, CHANNELS, regions), together)
        assert_differ(together[0], together[8])

    @pytest.mark.parametrize("hard", [True, False])
    def test_frames_are_those_of_mixed_styles(self, model, monkeypatch, hard):
        w = stylemaps(model, 3, 1)
        regions = [Region(random_mask(1), 0, 0.6), Region(LEFT, 0.3, 0.7), Region(ONES, 0.8, 1)]
        found = film(model, w, 5, regions, loop=True, hard=hard)
        monkeypatch.setattr(type(model), "modulations", lambda self, styles: None)
        assert_same(found, film(model, w, 5, regions, loop=True, hard=hard))


class TestLaziness:
    @pytest.mark.parametrize(("resolution", "at_once"), [(32, 16), (256, 16), (512, 4), (1024, 1)])
    def test_pixels_at_once_are_bounded(self, resolution, at_once):
        model = SimpleNamespace(config=SimpleNamespace(resolution=resolution))
        assert motion.frames_at_once(model) == at_once

    def test_batches_are_made_when_asked_for_and_not_kept(self, model, monkeypatch):
        monkeypatch.setattr(motion, "MOST_AT_ONCE", 2)
        rendered = []
        render = motion.render_laid

        def counting(*arguments):
            frames = render(*arguments)
            rendered.append(weakref.ref(frames))
            return frames

        monkeypatch.setattr(motion, "render_laid", counting)
        frames = morph(model, stylemaps(model, 2, 1), 1000)
        assert rendered == []
        for k in range(1, 5):
            assert len(next(frames)) == 2
            assert len(rendered) == k
        gc.collect()
        assert sum(ref() is not None for ref in rendered) <= 1


class TestMistakes:
    """All at the call, before any frame is asked for."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"frames": 1}, "frames must be at least 2, not 1"),
            ({"stylemaps": torch.zeros(1, CHANNELS, 8, 8)}, "images must be at least 2, not 1"),
            ({"stylemaps": torch.zeros(2, CHANNELS, 4, 4)}, r"stylemaps must be \[N, 16, 8, 8\], not \[2, 16, 4, 4\]"),
            ({"stylemaps": torch.zeros(CHANNELS, 8, 8)}, "stylemaps must be"),
            ({"space": "z"}, "space must be"),
            ({"regions": [Region(ONES[0])]}, r"mask must be \[1, 1, 32, 32\]"),
            ({"regions": [Region(ONES.expand(2, -1, -1, -1))]}, r"mask must be \[1, 1, 32, 32\]"),
            ({"regions": [Region(2 * ONES)]}, r"mask must lie in \[0, 1\]"),
        ],
    )
    def test_is_a_value_error(self, model, change, message):
        with pytest.raises(ValueError, match=message):
            morph(model, **({"stylemaps": stylemaps(model, 2, 1), "frames": 4} | change))

    @pytest.mark.parametrize("times", [(0.5, 0.5), (0.6, 0.5), (-0.1, 1), (0, 1.1), (0, math.nan)])
    def test_times_that_are_not_in_order(self, times):
        with pytest.raises(ValueError, match=r"to a later end in \[0, 1\]|start must be|end must be"):
            Region(ONES, *times)


def test_places_move_from_picture_to_picture_only(paper):
    """Between two images every pixel stays between its values in them: no frame shows what neither has."""
    w = stylemaps(paper, 4, 1)
    frames, pictures = film(paper, w, 9, [Region(random_mask(1)), Region(LEFT, 0.3, 0.5)]), paper.synthesize(w)
    first = pictures[0]
    for k, (a, b) in enumerate(pairwise(pictures)):
        low, high = torch.stack([first, a, b]).amin(0), torch.stack([first, a, b]).amax(0)
        for frame in frames[8 * k : 8 * k + 9]:
            assert (frame >= low - 1e-5).all() and (frame <= high + 1e-5).all()
