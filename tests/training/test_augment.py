"""Augmentation: exact where it can be, of the stated spread, twice differentiable, and it does not leak."""

import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import TorchDispatchMode

from stylemap.architectures import losses
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.config import AugmentConfig
from stylemap.errors import InputError
from stylemap.training import augment
from stylemap.training.augment import GATES, NUMBERS, TRANSFORMS, WIDTH, Augment, draw

LN2 = math.log(2)
CPU = torch.device("cpu")
VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])
TWICE = pytest.mark.skipif(VERSION < (2, 13), reason="grid_sample of this torch may have no second derivative")


@pytest.fixture(autouse=True)
def warps(request, monkeypatch):
    """Most tests need only values, which every torch can compute."""
    if request.cls is not TestProbe:
        monkeypatch.setattr(augment, "warp_failure", lambda device: None)


def fixed(p: float = 0.5, **settings) -> Augment:
    return Augment(AugmentConfig(mode="fixed", p=p, limit=1, **settings))


def adaptive(**settings) -> Augment:
    return Augment(AugmentConfig(mode="adaptive", **settings))


def chosen(n: int = 1, **raw: float | tuple[float, ...]) -> torch.Tensor:
    """Draws with the gates of the named transforms open at any p, and their raw numbers; all others shut."""
    numbers = torch.zeros(n, WIDTH)
    numbers[:, : len(TRANSFORMS)] = 1
    for name, value in raw.items():
        numbers[:, GATES[name]] = 0
        numbers[:, NUMBERS[name]] = torch.tensor(value, dtype=torch.float32)
    return numbers


def raw(name: str, value: float) -> float:
    """The raw number that stands for a value in the transform's own unit."""
    t = next(t for t in TRANSFORMS if t.name == name)
    return value / t.normal if t.uniform is None else (value - t.uniform[0]) / (t.uniform[1] - t.uniform[0])


def pictures(n: int = 4, side: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class TestDraw:
    def test_pure_function_of_seed_and_images_seen(self):
        first = draw(3, 160, 8)
        torch.manual_seed(5)
        assert torch.equal(draw(3, 160, 8), first)
        for other in (draw(4, 160, 8), draw(3, 168, 8), draw(160, 3, 8)):
            assert not torch.isin(other, first).any()

    def test_shares_no_numbers_with_the_noise_and_the_order_of_the_data(self):
        """Those have the key [seed, images or epoch]."""
        other = np.random.default_rng([3, 160])
        assert not np.isin(draw(3, 160, 8), other.random((8, WIDTH), np.float32)).any()

    def test_small(self):
        assert draw(0, 0, 8).shape == (8, WIDTH)
        assert WIDTH <= 30
        assert draw(0, 0, 8).dtype == torch.float32

    def test_standard_uniform_and_normal(self):
        n = 50_000
        numbers = draw(1, 0, n).double()
        for t in TRANSFORMS:
            columns = numbers[:, [GATES[t.name], *NUMBERS[t.name]]]
            for i, x in enumerate(columns.unbind(1)):
                # of x: mean, variance, and standard deviation of the estimates of both (5 of them: 1 in 2 million)
                mean, variance, fourth = (0, 1, 3) if i and t.uniform is None else (1 / 2, 1 / 12, 1 / 80)
                assert abs(x.mean() - mean) < 5 * math.sqrt(variance / n), t.name
                assert abs(x.var() - variance) < 5 * math.sqrt((fourth - variance**2) / n), t.name
                assert variance == 1 or (x.min() >= 0 and x.max() < 1)

    def test_columns_are_independent(self):
        n = 50_000
        correlation = torch.corrcoef(draw(2, 0, n).T.double()) - torch.eye(WIDTH)
        assert correlation.abs().max() < 5.5 / math.sqrt(n)  # 378 pairs


class TestGates:
    N = 20_000
    ROUNDED_TO_NOTHING = {"flip": 1 / 2, "quarter_turn": 1 / 4, "luma_flip": 1 / 2}

    @pytest.mark.parametrize("p", [0.0, 0.3, 0.8, 1.0])
    def test_open_with_probability_p(self, p):
        augmentation = fixed()
        augmentation.p.fill_(p)
        values = augmentation.values(draw(0, 0, self.N))
        assert list(values) == [t.name for t in TRANSFORMS]
        for name, value in values.items():
            share = 1 - math.sqrt(1 - p) if name.startswith("turn") else p
            share *= 1 - self.ROUNDED_TO_NOTHING.get(name, 0)
            found = (value.reshape(self.N, -1) != 0).any(dim=1).double().mean()
            assert abs(found - share) <= 5 * math.sqrt(share * (1 - share) / self.N), name
        turned = (values["turn_before"] != 0) | (values["turn_after"] != 0)
        assert abs(turned.double().mean() - p) <= 5 * math.sqrt(p * (1 - p) / self.N)

    def test_two_numbers_have_one_gate(self):
        values = fixed(0.5).values(draw(0, 0, self.N))
        for name in ("shift", "offset"):
            assert torch.equal(values[name][:, 0] != 0, values[name][:, 1] != 0)

    def test_more_probability_only_adds(self):
        """The draws do not depend on p: what is applied at a small p is applied alike at a larger one."""
        few, many = (fixed(p).values(draw(0, 0, 100)) for p in (0.2, 0.7))
        for name in few:
            assert torch.equal(few[name], torch.where(few[name] != 0, many[name], 0))

    @pytest.mark.parametrize(
        ("name", "deviation", "largest"),
        [
            ("shift", 1 / 8 / math.sqrt(3), 1 / 8),
            ("scale", 0.2 * LN2, math.inf),
            ("turn_before", math.pi / math.sqrt(3), math.pi),
            ("stretch", 0.2 * LN2, math.inf),
            ("turn_after", math.pi / math.sqrt(3), math.pi),
            ("offset", 1 / 8, math.inf),
            ("brightness", 0.2, math.inf),
            ("contrast", 0.5 * LN2, math.inf),
            ("hue", math.pi / math.sqrt(3), math.pi),
            ("saturation", LN2, math.inf),
        ],
    )
    def test_spreads_are_the_papers(self, name, deviation, largest):
        value = fixed(1.0).values(draw(0, 0, self.N))[name].double()
        assert value.abs().max() <= largest + 1e-6
        assert abs(value.mean()) < 5 * deviation / math.sqrt(self.N)
        # the variance of the estimated variance of a normal is 2 s^4 / n, and less than that for a uniform
        assert abs(value.var() / deviation**2 - 1) < 5 * math.sqrt(2 / self.N)

    def test_whole_numbers(self):
        values = fixed(1.0).values(draw(0, 0, self.N))
        for name, count in (("flip", 2), ("quarter_turn", 4), ("luma_flip", 2)):
            shares = values[name].long().bincount(minlength=count) / self.N
            assert len(shares) == count
            assert (shares - 1 / count).abs().max() < 5 * 0.5 / math.sqrt(self.N)

    @pytest.mark.parametrize("group", ["blit", "geometry", "colour"])
    def test_a_group_can_be_left_out(self, group):
        values = fixed(1.0, **{group: False}).values(draw(0, 0, 50))
        for t in TRANSFORMS:
            assert (values[t.name] != 0).any() == (t.group != group)

    def test_flips_can_be_left_out(self):
        values = fixed(1.0, flip=False).values(draw(0, 0, 50))
        assert not values["flip"].any()
        assert values["quarter_turn"].any()


class TestIdentity:
    @pytest.mark.parametrize("side", [16, 64, 256])
    def test_shut_gates_leave_every_bit(self, side):
        images = pictures(2, side)
        assert torch.equal(fixed(1.0).apply(images, chosen(2)), images)

    def test_at_p_zero(self):
        images = pictures()
        assert torch.equal(adaptive().apply(images, draw(0, 0, 4)), images)

    def test_side_that_is_no_power_of_two(self):
        """Places are off by some 2^-24 of half a side, times the slope of 2 a pixel."""
        images = pictures(2, 48)
        torch.testing.assert_close(fixed(1.0).apply(images, chosen(2)), images, rtol=0, atol=4 * 48 * 2**-24)

    def test_auto_is_not_a_mode_of_its_own(self):
        with pytest.raises(ValueError, match="auto"):
            Augment(AugmentConfig(mode="auto"))

    def test_without_augmentation(self):
        images = pictures()
        assert torch.equal(Augment(AugmentConfig(mode="none")).apply(images, draw(0, 0, 4)), images)


@pytest.mark.parametrize("geometry", [True, False], ids=["warped", "moved"])
class TestBlit:
    """Pixels onto pixels: exact by interpolation as well as by index."""

    def applied(self, geometry: bool, images: torch.Tensor, **numbers) -> torch.Tensor:
        return fixed(geometry=geometry).apply(images, chosen(len(images), **numbers))

    def test_flip(self, geometry):
        images = pictures()
        assert torch.equal(self.applied(geometry, images, flip=0.4), images)
        assert torch.equal(self.applied(geometry, images, flip=0.6), images.flip(3))

    @pytest.mark.parametrize("side", [16, 64, 256])
    def test_quarter_turns(self, geometry, side):
        images = pictures(1, side)
        for k in range(4):
            turned = self.applied(geometry, images, quarter_turn=raw("quarter_turn", k + 0.5))
            assert torch.equal(turned, images.rot90(-k, (2, 3)))

    @pytest.mark.parametrize("side", [16, 64])
    def test_shift_reflects_at_the_edges(self, geometry, side):
        images, reach = pictures(1, side), side // 8
        padded = np.pad(images.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="symmetric")
        for x, y in ((reach, -reach), (1, 0), (-1, 2), (-reach, -reach)):
            shifted = self.applied(geometry, images, shift=(raw("shift", x / side), raw("shift", y / side)))
            expected = padded[:, :, reach - y : reach - y + side, reach - x : reach - x + side]
            assert np.array_equal(shifted.numpy(), expected)

    def test_order(self, geometry):
        """Flip, turn, shift."""
        images = pictures(1, 16)
        result = self.applied(geometry, images, flip=0.9, quarter_turn=0.3, shift=(1 - 1e-6, 0.5))
        turned = images.flip(3).rot90(-1, (2, 3))
        assert torch.equal(result[..., 2:], turned[..., :-2])

    def test_random_draws_agree(self, geometry):
        images, draws = pictures(32, 32), draw(0, 0, 32)
        draws[:, [GATES[t.name] for t in TRANSFORMS if t.group == "geometry"]] = 1
        moved = fixed(0.8, geometry=False).apply(images, draws)
        assert torch.equal(fixed(0.8, geometry=geometry).apply(images, draws), moved)
        assert not torch.equal(moved, fixed(0.8, geometry=False, blit=False).apply(images, draws))


class TestGeometry:
    SIDE = 64

    def blob(self, x: float, y: float, sigma: float = 2.0) -> torch.Tensor:
        """A bright spot at (x, y) in pixels from the centre. [1, 3, R, R]"""
        c = torch.arange(self.SIDE) - (self.SIDE - 1) / 2
        spot = torch.exp(-((c[None, :] - x) ** 2 + (c[:, None] - y) ** 2) / (2 * sigma**2))
        return spot.expand(1, 3, -1, -1)

    def centre(self, image: torch.Tensor) -> tuple[float, float]:
        c = torch.arange(self.SIDE, dtype=torch.float64) - (self.SIDE - 1) / 2
        weight = image[0, 0].double() / image[0, 0].double().sum()
        return (weight.sum(0) * c).sum().item(), (weight.sum(1) * c).sum().item()

    @pytest.mark.parametrize("k", range(12))
    def test_a_spot_goes_where_the_transforms_in_their_order_send_it(self, k):
        rng = np.random.default_rng(k)
        scale, stretch = (
            rng.uniform(0.2, 0.4),
            rng.uniform(-0.15, 0.15),
        )  # larger: else reflections of the spot are seen
        before, after = rng.uniform(-math.pi, math.pi, 2)
        x, y = start = rng.uniform(-5, 5, 2)
        flip, quarter = rng.integers(2), rng.integers(4)
        shift, offset = rng.integers(-2, 3, 2), rng.uniform(-2, 2, 2)

        x = -x if flip else x
        for _ in range(quarter):
            x, y = -y, x
        x, y = x + shift[0], y + shift[1]
        for log_x, log_y, angle in ((scale, scale, before), (stretch, -stretch, after)):
            x, y = x * math.exp(log_x), y * math.exp(log_y)
            x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        x, y = x + offset[0], y + offset[1]

        side = self.SIDE
        draws = chosen(
            flip=raw("flip", flip + 0.5),
            quarter_turn=raw("quarter_turn", quarter + 0.5),
            shift=tuple(raw("shift", v / side) for v in shift),
            scale=raw("scale", scale),
            turn_before=raw("turn_before", before),
            stretch=raw("stretch", stretch),
            turn_after=raw("turn_after", after),
            offset=tuple(raw("offset", v / side) for v in offset),
        )
        # Interpolation spreads a spot evenly. Its tail from 3.5 deviations on (2 e^0.55 px each, at most 19 px from the
        # centre) is reflected back: 2e-4 of it.
        found = self.centre(fixed().apply(self.blob(*start), draws))
        assert found == pytest.approx((x, y), abs=0.01)

    def test_areas(self):
        """A spot grows by the square of the scale, and not by the stretch."""
        before = self.blob(0, 0).sum()
        for name, power in (("scale", 2), ("stretch", 0)):
            after = fixed().apply(self.blob(0, 0), chosen(**{name: raw(name, 0.3)})).sum()
            assert (after / before).item() == pytest.approx(math.exp(0.3 * power), rel=1e-3)

    def test_no_black_corners(self):
        """The weights of an interpolation sum to one, and every place is inside once reflected."""
        images = torch.full((64, 3, 16, 16), 0.7)
        result = fixed(1.0, colour=False).apply(images, draw(0, 0, 64))
        torch.testing.assert_close(result, images, rtol=0, atol=1e-6)

    def test_values_stay_between_their_extremes(self):
        images = pictures(64, 16)
        assert fixed(1.0, colour=False).apply(images, draw(0, 0, 64)).abs().max() <= images.abs().max() + 1e-6

    def test_shrinking_does_not_alias(self):
        """Stripes one pixel wide are grey at half the size: sampled once, on the pixels, they would stay black and white."""
        images = (torch.arange(64) % 2 * 2.0 - 1).expand(1, 3, 64, 64)
        half_pixel = raw("offset", 0.25 / 64)  # of the original, after halving
        draws = chosen(scale=raw("scale", -LN2), offset=(half_pixel, 0.0))
        inner = fixed().apply(images, draws)[..., 18:46]  # what is not reflected: 16 pixels at each side are
        assert inner.abs().max() < 1e-3
        linear, shift = augment.source_of(fixed().values(draws), 64)
        once = F.grid_sample(images, augment._places(64, linear, shift), padding_mode="reflection", align_corners=False)
        assert once[..., 18:46].abs().min() > 1 - 1e-3

    def test_spread_along_each_axis(self):
        """The covariance of the four places is (l^2 - 1) / 12 along an axis that shrinks by l > 1, and 0 along others."""
        generator = torch.Generator().manual_seed(0)
        linear = torch.randn(200, 2, 2, generator=generator, dtype=torch.float64)
        corners = torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1]], dtype=torch.float64)
        places = augment._spread(linear) @ corners
        covariance = places @ places.transpose(1, 2) / 4
        axes, shrinking, _ = torch.linalg.svd(linear)
        variance = ((shrinking**2 - 1) / 12).clamp(min=0)
        assert (variance > 0).sum(dim=1).unique().tolist() == [0, 1, 2]
        torch.testing.assert_close(covariance, axes * variance[:, None] @ axes.transpose(1, 2), rtol=1e-9, atol=1e-9)

    def test_enlarging_is_plain_interpolation(self):
        images = pictures(1, 32)
        draws = chosen(scale=raw("scale", 0.4), turn_before=0.7)
        linear, shift = augment.source_of(fixed().values(draws), 32)
        once = F.grid_sample(images, augment._places(32, linear, shift), padding_mode="reflection", align_corners=False)
        torch.testing.assert_close(fixed().apply(images, draws), once, rtol=0, atol=1e-6)


class TestColour:
    def applied(self, images: torch.Tensor, **numbers: float) -> torch.Tensor:
        values = {name: raw(name, value) for name, value in numbers.items()}
        return fixed().apply(images, chosen(len(images), **values))

    def test_brightness_is_added_before_contrast_multiplies(self):
        images = pictures()
        result = self.applied(images, brightness=0.3, contrast=math.log(2))
        torch.testing.assert_close(result, 2 * (images + 0.3), rtol=0, atol=1e-6)  # up to 2.6: nothing is clamped

    @pytest.mark.parametrize("numbers", [{"hue": 1.0}, {"saturation": 0.8}, {"hue": -2.0, "saturation": -1.0}])
    def test_hue_and_saturation_keep_grey(self, numbers):
        grey = pictures()[:, :1].expand(-1, 3, -1, -1)
        torch.testing.assert_close(self.applied(grey, **numbers), grey, rtol=0, atol=1e-6)
        images = pictures()
        luma = self.applied(images, **numbers).mean(dim=1)
        torch.testing.assert_close(luma, images.mean(dim=1), rtol=0, atol=1e-6)

    def test_a_third_of_a_turn_of_hue_permutes_the_channels(self):
        images = pictures()
        for sign in (1, -1):
            result = self.applied(images, hue=sign * 2 * math.pi / 3)
            torch.testing.assert_close(result, images.roll(sign, 1), rtol=0, atol=2e-6)

    def test_hue_keeps_the_distance_from_grey(self):
        images = pictures()
        result = self.applied(images, hue=1.3)
        torch.testing.assert_close(result.square().sum(1), images.square().sum(1), rtol=0, atol=1e-5)

    def test_saturation_scales_the_distance_from_grey(self):
        images = pictures()
        colour = images - images.mean(1, keepdim=True)
        result = self.applied(images, saturation=math.log(3))
        torch.testing.assert_close(result, images + 2 * colour, rtol=0, atol=2e-6)

    def test_luma_flip(self):
        """White and black change places, differences between channels stay; twice is not at all."""
        images = pictures()
        flipped = self.applied(images, luma_flip=1.5)
        torch.testing.assert_close(flipped.mean(1), -images.mean(1), rtol=0, atol=1e-6)
        torch.testing.assert_close(flipped - flipped.roll(1, 1), images - images.roll(1, 1), rtol=0, atol=1e-6)
        torch.testing.assert_close(self.applied(flipped, luma_flip=1.5), images, rtol=0, atol=1e-6)
        assert torch.equal(self.applied(images, luma_flip=0.5), images)

    def test_all_together_are_one_after_the_other(self):
        numbers = {"brightness": 0.2, "contrast": -0.3, "luma_flip": 1.5, "hue": 2.0, "saturation": 0.5}
        images = expected = pictures()
        for name, value in numbers.items():
            expected = self.applied(expected, **{name: value})
        torch.testing.assert_close(self.applied(images, **numbers), expected, rtol=0, atol=4e-6)


class TestApply:
    def test_equal_draws_are_equal_transforms(self):
        """Of two batches, and of a batch in parts: the transform is affine in the images."""
        a, b, draws = pictures(8), pictures(8, seed=1), draw(0, 0, 8)
        augmentation = fixed(0.8)
        one, other, mixed = (augmentation.apply(x, draws) for x in (a, b, 0.25 * a + 0.75 * b))
        torch.testing.assert_close(mixed, 0.25 * one + 0.75 * other, rtol=0, atol=1e-5)
        parts = [augmentation.apply(a[i], draws[i]) for i in ([5, 0], [1, 2, 3])]
        torch.testing.assert_close(torch.cat(parts), one[[5, 0, 1, 2, 3]], rtol=0, atol=1e-6)
        assert not torch.equal(augmentation.apply(a, draw(0, 8, 8)), one)

    def test_samples_differ(self):
        images = pictures(1).expand(16, -1, -1, -1)
        result = fixed(0.9).apply(images, draw(0, 0, 16))
        assert len(result.flatten(1).unique(dim=0)) == 16

    @pytest.mark.parametrize("settings", [{}, {"geometry": False}], ids=["warped", "moved"])
    def test_autocast_does_not_reach_inside(self, settings):
        images, draws = pictures(8, 32), draw(0, 0, 8)
        expected = fixed(0.8, **settings).apply(images, draws)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = fixed(0.8, **settings).apply(images, draws)
        assert torch.equal(result, expected)

    def test_half_precision_becomes_float32(self):
        images, draws = pictures(4).bfloat16(), draw(0, 0, 4)
        result = fixed(0.8).apply(images, draws)
        assert torch.equal(result, fixed(0.8).apply(images.float(), draws))

    def test_memory_format_does_not_matter(self):
        images, draws = pictures(4), draw(0, 0, 4)
        last = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(fixed(0.8).apply(last, draws), fixed(0.8).apply(images, draws), rtol=0, atol=1e-6)

    @pytest.mark.parametrize("shape", [(4, 1, 16, 16), (4, 3, 16, 8), (3, 3, 16, 16), (3, 16, 16)])
    def test_wrong_shapes(self, shape):
        with pytest.raises(ValueError, match="square RGB"):
            fixed().apply(torch.zeros(shape), draw(0, 0, 4))

    @pytest.mark.parametrize("settings", [{}, {"geometry": False}], ids=["warped", "moved"])
    def test_nothing_waits_for_the_device(self, settings):
        augmentation = adaptive(p=0.5, **settings)
        images, draws, logits = pictures(4).requires_grad_(), draw(0, 0, 4), torch.ones(4, 1)
        with NoReads():
            augmentation.apply(images, draws).square().sum().backward()
            augmentation.observe(logits)
            augmentation.adjust(4)
            with pytest.raises(AssertionError, match="_local_scalar_dense"):
                augmentation.strength()


class NoReads(TorchDispatchMode):
    """Refuses what makes the host wait for a value."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket not in (
            torch.ops.aten._local_scalar_dense,
            torch.ops.aten.nonzero,
            torch.ops.aten.is_nonzero,
            torch.ops.aten.masked_select,
        ), func
        return func(*args, **(kwargs or {}))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu():
    """Agrees with the CPU, identities to the last bit also with TF32 allowed, and without waiting."""
    images, draws = pictures(8, 64), draw(0, 0, 8)
    settings = AugmentConfig(mode="adaptive", p=0.8)
    here, there = Augment(settings), Augment(settings, "cuda")
    images_there, draws_there, shut = images.cuda(), draws.to("cuda"), chosen(8).to("cuda")
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.cuda.set_sync_debug_mode("error")
    try:
        result, same = there.apply(images_there, draws_there), there.apply(images_there, shut)
        there.observe(torch.ones_like(result[:, :1, 0, 0]))
        there.adjust(8)
    finally:
        torch.cuda.set_sync_debug_mode("default")
        torch.backends.cuda.matmul.allow_tf32 = False
    assert torch.equal(same.cpu(), images)
    # cos and exp differ in the last bits, as do places by 64 * 2^-24 pixels; a slope is 2 a pixel, contrast and colour add some
    torch.testing.assert_close(result.cpu(), here.apply(images, draws), rtol=0, atol=1e-3)


class TestDerivatives:
    def case(self, **settings):
        draws = draw(0, 0, 2)
        augmentation = fixed(1.0, **settings)
        images = pictures(2, 8).double().requires_grad_()
        return lambda x: augmentation.apply(x, draws).tanh(), images

    @pytest.mark.parametrize("settings", [pytest.param({}, marks=TWICE), {"geometry": False}], ids=["warped", "moved"])
    def test_first_and_second(self, settings):
        function, images = self.case(**settings)
        assert torch.autograd.gradcheck(function, images)
        assert torch.autograd.gradgradcheck(function, images)

    @TWICE
    def test_penalty(self):
        """R1 by the images before they are augmented. For D(x) = w x it is |A' w|^2, with A the linear part."""
        draws, augmentation = draw(0, 0, 2), fixed(1.0)
        images = pictures(2, 8).double().requires_grad_()
        weight = pictures(1, 8, seed=1).double().requires_grad_()

        def logits(x: torch.Tensor) -> torch.Tensor:
            return (augmentation.apply(x, draws) * weight).sum(dim=(1, 2, 3)).unsqueeze(1)

        penalty = losses.gradient_penalty(images, logits(images))
        (gradient,) = torch.autograd.grad(penalty.sum(), weight)
        # It is quadratic in the weight: Euler gives w . gradient = 2 * penalty.
        assert (weight * gradient).sum().item() == pytest.approx(2 * penalty.sum().item(), rel=1e-12)
        zero = logits(torch.zeros_like(images))
        direction = torch.autograd.grad(logits(images).sum(), images)[0]
        assert (logits(images) - zero).sum().item() == pytest.approx((direction * images).sum().item(), rel=1e-9)
        assert penalty.sum().item() == pytest.approx(direction.square().sum().item(), rel=1e-12)


class OnceDifferentiable(torch.autograd.Function):
    """grid_sample as older torch has it."""

    @staticmethod
    def forward(ctx, x, grid):
        ctx.save_for_backward(x, grid)
        return real_grid_sample(x, grid, padding_mode="reflection", align_corners=False)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, grid = ctx.saved_tensors
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            y = real_grid_sample(x, grid, padding_mode="reflection", align_corners=False)
        return torch.autograd.grad(y, x, gradient)[0], None


real_grid_sample = F.grid_sample


class TestProbe:
    @TWICE
    def test_passes_where_derivatives_are_right(self):
        assert Augment(AugmentConfig(mode="adaptive")).groups == {"blit", "geometry", "colour"}

    def test_finds_a_missing_second_derivative(self, monkeypatch):
        monkeypatch.setattr(F, "grid_sample", lambda x, grid, **kw: OnceDifferentiable.apply(x, grid))
        assert "to not have been used in the graph" in augment.warp_failure(CPU)

    def test_finds_a_wrong_second_derivative(self, monkeypatch):
        def wrong(x, grid, **kw):
            return real_grid_sample(x, grid, **kw) + (x - x.detach()).square()  # value and slope of the addition are 0

        monkeypatch.setattr(F, "grid_sample", wrong)
        assert "second derivative is wrong" in augment.warp_failure(CPU)

    def test_finds_a_missing_operator(self, monkeypatch):
        def missing(x, grid, **kw):
            raise NotImplementedError("no reflection\nhere")

        monkeypatch.setattr(F, "grid_sample", missing)
        assert augment.warp_failure(CPU) == "no reflection here"


class TestWithoutWarping:
    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        monkeypatch.setattr(augment, "warp_failure", lambda device: "forced")

    def test_same_pixels_as_the_blits_and_colours_of_the_whole(self, monkeypatch):
        images, draws = pictures(64, 32), draw(0, 0, 64)
        with pytest.warns(UserWarning, match=r"augment.geometry is left out: .*forced") as caught:
            reduced = fixed(0.8)
        assert len(caught) == 1
        assert reduced.groups == {"blit", "colour"}
        result = reduced.apply(images, draws)
        monkeypatch.setattr(augment, "warp_failure", lambda device: None)
        draws[:, [GATES[t.name] for t in TRANSFORMS if t.group == "geometry"]] = 1
        torch.testing.assert_close(result, fixed(0.8).apply(images, draws), rtol=0, atol=1e-5)

    def test_needs_another_group(self):
        with pytest.raises(InputError, match=r"augment.geometry cannot be used: .*forced"):
            fixed(0.8, blit=False, colour=False)

    def test_no_word_where_geometry_is_not_asked_for(self):
        fixed(0.8, geometry=False)
        Augment(AugmentConfig(mode="none"))


class TestAdaptation:
    def moved(self, augmentation: Augment, positive: int, negative: int, images: int = 100) -> float:
        before = augmentation.strength()
        augmentation.observe(torch.tensor([[3.0]] * positive + [[-0.1]] * negative))
        augmentation.adjust(images)
        return augmentation.strength() - before

    def test_up_above_the_target_down_below_still_at_it(self):
        augmentation = adaptive(p=0.4, target=0.5, speed=1000)
        assert self.moved(augmentation, 16, 0) == pytest.approx(0.1, abs=1e-7)
        assert self.moved(augmentation, 13, 3) == pytest.approx(0.1, abs=1e-7)
        assert self.moved(augmentation, 12, 4) == 0
        assert self.moved(augmentation, 11, 5) == pytest.approx(-0.1, abs=1e-7)
        assert self.moved(augmentation, 0, 16, images=50) == pytest.approx(-0.05, abs=1e-7)

    def test_stays_within_bounds(self):
        augmentation = adaptive(p=0.0, limit=0.3, speed=1000)
        found = []
        for positive in [8] * 5 + [0] * 5:
            self.moved(augmentation, positive, 8 - positive)
            found.append(augmentation.strength())
        assert found == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.3, 0.2, 0.1, 0, 0, 0], abs=1e-6)
        assert min(found) >= 0
        assert max(found) <= np.float32(0.3)

    def test_default_speed(self):
        """The limit of 0.8 is reached after 400,000 images at the earliest."""
        config = AugmentConfig(mode="adaptive")
        augmentation, windows = Augment(config), 0
        while augmentation.strength() < config.limit - 1e-4:
            self.moved(augmentation, 4, 0, images=config.every)
            windows += 1
        assert windows * config.every == pytest.approx(400_000, rel=0.001)

    def test_a_window_has_many_batches_and_forgets_the_last(self):
        augmentation = adaptive(p=0.4, target=0.5, speed=1000)
        augmentation.observe(torch.ones(2, 1))
        augmentation.observe(-torch.ones(6, 1))  # mean -1/2
        assert self.moved(augmentation, 8, 0) == pytest.approx(-0.1, abs=1e-7)  # in all 1/4
        assert augmentation.sums.tolist() == [0, 0]
        assert self.moved(augmentation, 8, 0) == pytest.approx(0.1, abs=1e-7)

    def test_undecided_and_half_precision_logits(self):
        augmentation = adaptive()
        augmentation.observe(torch.tensor([[0.0], [1e-30], [-2.0], [5.0]], dtype=torch.bfloat16))
        assert augmentation.sums.tolist() == [1, 4]

    def test_nothing_observed(self):
        augmentation = adaptive(p=0.4)
        augmentation.adjust(256)
        assert augmentation.strength() == pytest.approx(0.4)

    def test_only_adaptive_moves(self):
        assert self.moved(fixed(0.5), 8, 0) == 0
        assert self.moved(Augment(AugmentConfig(mode="none")), 8, 0) == 0

    def test_finds_the_strength_at_which_the_target_is_met(self):
        """A discriminator that is sure by 0.9 - 0.6 p of its training images: 0.6 is met at p = 0.5."""
        augmentation = adaptive(speed=1000)
        for _ in range(100):
            sure = round(500 * (1 + 0.9 - 0.6 * augmentation.strength()))
            self.moved(augmentation, sure, 1000 - sure, images=20)
        assert augmentation.strength() == pytest.approx(0.5, abs=0.025)

    def test_processes_add_up_their_sums(self):
        logits = torch.randn(16, 1, generator=torch.Generator().manual_seed(0)) + 0.5
        alone, first, second = (adaptive(p=0.4) for _ in range(3))
        alone.observe(logits)
        first.observe(logits[:8])
        second.observe(logits[8:])
        assert torch.equal(first.sums + second.sums, alone.sums)

    def test_state(self):
        one, other = adaptive(speed=1000), adaptive(speed=1000)
        self.moved(one, 8, 0)
        one.observe(torch.tensor([[1.0], [-1.0]]))
        state = one.state_dict()
        self.moved(one, 8, 0)
        other.load_state_dict(state)  # a copy: what came after does not show
        assert other.strength() == pytest.approx(0.1, abs=1e-7)
        assert other.sums.tolist() == [0, 2]
        self.moved(other, 8, 0)
        assert torch.equal(one.p, other.p)

    def test_state_under_another_config(self):
        state = adaptive(p=0.7).state_dict()
        lower, still = adaptive(limit=0.5), fixed(0.3)
        lower.load_state_dict(state)
        still.load_state_dict(state)
        assert lower.strength() == 0.5
        assert still.strength() == pytest.approx(0.3)


# ---- leaks: the mean over the transforms, as a linear map of images, must not lose any image


def values(**given: torch.Tensor) -> dict[str, torch.Tensor]:
    """What `Augment.values` returns for one sample."""
    return {
        t.name: given.get(t.name, torch.zeros((1, 2) if t.count == 2 else 1, dtype=torch.float64)) for t in TRANSFORMS
    }


def normal_values(deviation: float, count: int) -> list[float]:
    """Equally probable values of a normal: midpoints of its quantiles."""
    return [NormalDist(0, deviation).inv_cdf((i + 0.5) / count) for i in range(count)]


ANGLES = [2 * math.pi * i / 24 for i in range(24)]
CASES = {  # transform -> equally probable values
    "flip": [0, 1],
    "quarter_turn": [0, 1, 2, 3],
    "shift": list(itertools.product([-1 / 8, 0, 0, 1 / 8], repeat=2)),  # at 8 px: one in four a pixel either way
    "scale": normal_values(0.2 * LN2, 21),
    "turn_before": ANGLES,
    "stretch": normal_values(0.2 * LN2, 21),
    "turn_after": ANGLES,
    "offset": list(itertools.product(normal_values(1 / 8, 13), repeat=2)),
}


def mean_map(name: str, side: int = 8) -> torch.Tensor:
    """The mean of a transform that is always applied, as a matrix [R^2, R^2] on images of one channel."""
    basis = torch.eye(side**2, dtype=torch.float64).view(1, side**2, side, side)
    total = torch.zeros(side**2, side**2, dtype=torch.float64)
    for value in CASES[name]:
        own = torch.tensor([value], dtype=torch.float64)
        total += augment.warp(basis, *augment.source_of(values(**{name: own}), side)).flatten(2)[0]
    return total / len(CASES[name])


def gated(mean: torch.Tensor, p: float) -> torch.Tensor:
    return (1 - p) * torch.eye(len(mean), dtype=torch.float64) + p * mean


def smallest(matrix: torch.Tensor) -> float:
    return torch.linalg.svdvals(matrix)[-1].item()


class TestLeaks:
    @pytest.mark.parametrize("p", [0.5, 0.8])
    def test_blits(self, p):
        """Each mean is symmetric with eigenvalues from 0 to 1, so a gated one has them from 1 - p: the three, (1 - p)^3."""
        maps = [gated(mean_map(name), p) for name in ("flip", "quarter_turn", "shift")]
        for matrix in maps:
            assert smallest(matrix) == pytest.approx(1 - p, abs=0.01 * (1 - p))
        assert smallest(maps[2] @ maps[1] @ maps[0]) > (1 - p) ** 3 * (1 - 1e-9)

    @pytest.mark.parametrize("name", ["flip", "quarter_turn"])
    def test_blits_that_are_always_applied_lose_the_orientation(self, name):
        assert smallest(gated(mean_map(name), 1.0)) < 1e-9

    def test_shifts_set_the_limit(self):
        """Unlike at 8 px, the mean over many shifts inverts some waves, and a gate that cancels it exists: above 0.8."""
        side, reach = 64, 8
        wave = np.pad(np.eye(side), ((reach, reach), (0, 0)), mode="symmetric")
        shifts = np.arange(-reach, reach + 1)
        chances = np.where(np.abs(shifts) == reach, 0.5, 1.0) / (2 * reach)  # the ends round from half as much
        mean = sum(c * wave[reach - s : reach - s + side] for s, c in zip(shifts, chances, strict=True))
        assert np.allclose(mean, mean.T)
        one = np.linalg.eigvalsh(mean)
        both = np.outer(one, one)  # the eigenvalues of x and y together
        limit = AugmentConfig().limit
        assert (1 - limit + limit * both).min() > 0.02
        assert (1 - 0.9 + 0.9 * both).min() < 0

    @pytest.mark.parametrize("p", [0.5, 0.8])
    @pytest.mark.parametrize("name", ["scale", "turn_before", "stretch", "turn_after", "offset"])
    def test_geometry(self, name, p):
        """On the plane the means are symmetric with eigenvalues from 0 to 1, as those of blits; edges and pixels disturb that."""
        gate = 1 - math.sqrt(1 - p) if name.startswith("turn") else p
        assert smallest(gated(mean_map(name), gate)) > 0.95 * (1 - gate)

    def test_rotations_that_are_always_applied_lose_the_orientation(self):
        assert smallest(mean_map("turn_before")) < 0.01

    @pytest.mark.parametrize(
        ("name", "cases", "lost"),
        [
            ("contrast", normal_values(0.5 * LN2, 51), False),
            ("luma_flip", [0, 1], True),
            ("hue", ANGLES, True),
            ("saturation", normal_values(LN2, 51), False),
        ],
    )
    def test_colours(self, name, cases, lost):
        """The mean colour survives: luma flip and hue have eigenvalues 1 - p, the factors none below 1."""
        total = torch.zeros(3, 3, dtype=torch.float64)
        for value in cases:
            total += augment.colour_map(values(**{name: torch.tensor([value], dtype=torch.float64)}))[0][0]
        mean = total / len(cases)
        for p in (0.5, 0.8, 1.0):
            assert smallest(gated(mean, p)) == pytest.approx(1 - p if lost else 1, abs=1e-9 if lost else 0.3)


@pytest.mark.parametrize(
    ("images", "mode"), [(1, "adaptive"), (500, "adaptive"), (19_999, "adaptive"), (20_000, "none"), (10**7, "none")]
)
def test_auto_is_adaptive_for_small_data(images, mode):
    config = StylemapTraining()
    assert augment.choose_mode(config, images) == replace(config, augment=AugmentConfig(mode=mode))
    assert augment.choose_mode(config, images, before="none").augment.mode == "none"
