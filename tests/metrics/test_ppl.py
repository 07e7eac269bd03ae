import pytest
import torch

from stylemap.metrics import ppl, streams
from tests.inversion import tiny
from tests.metrics import toys

COUNT = 40


class Colours(toys.Flat):
    """All six numbers count: three in the left half of the image, three in the right."""

    def synthesize(self, latents):
        left, right = latents[:, 0, :3], latents[:, 0, 3:]
        half = toys.SIDE // 2
        return torch.cat([x[:, :, None, None].expand(-1, -1, toys.SIDE, half) for x in (left, right)], dim=3).double()

    def map(self, z):
        # float64, so that differences over epsilon are exact enough to compare.
        return super().map(z.double())


def endpoints(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return streams.noise(Colours(), 2 * COUNT, seed, ppl.PATHS).unflatten(0, (COUNT, 2)).double().unbind(dim=1)


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_straight_paths(sampling):
    """The image moves by epsilon (b - a): the length is the mean square of b - a, wherever on the path."""
    a, b = endpoints()
    found = ppl.path_lengths(Colours(), toys.distance, COUNT, "w", sampling)
    torch.testing.assert_close(found, (b - a).square().mean(dim=1), rtol=2e-3, atol=0)


@pytest.mark.parametrize("sampling", ["full", "end"])
def test_arcs(sampling):
    """On the sphere of radius sqrt(6) a step of epsilon is a chord of angle epsilon w: mean square w^2."""
    a, b = (torch.nn.functional.normalize(x, dim=1) for x in endpoints())
    angle = torch.acos((a * b).sum(dim=1))
    found = ppl.path_lengths(Colours(), toys.distance, COUNT, "z", sampling)
    # z is float32: rounding to 1e-7 of a step of 1e-4.
    torch.testing.assert_close(found, angle.square(), rtol=2e-2, atol=0)


class TestEnds:
    """Of the paths, as they are rendered. Lengths are divided by the step, so that they do not tell how long it was."""

    @pytest.fixture(params=["full", "end"])
    def sampling(self, request):
        return request.param

    @pytest.fixture
    def ends(self, monkeypatch, sampling):
        """space -> latents float64 [N, 6], at t and one step on."""

        def of(space):
            seen, synthesize = [], Colours.synthesize
            monkeypatch.setattr(Colours, "synthesize", lambda model, w: seen.append(w[:, 0]) or synthesize(model, w))
            ppl.path_lengths(Colours(), toys.distance, COUNT, space, sampling)
            return (torch.cat(x) for x in zip(*(w.chunk(2) for w in seen), strict=True))

        return of

    def test_of_straight_paths(self, ends, sampling):
        """A step of 1e-4 (b - a), from a at the "end" and from a place of its own everywhere "full"; in float64."""
        a, b = endpoints()
        first, second = ends("w")
        torch.testing.assert_close(second - first, 1e-4 * (b - a), rtol=0, atol=1e-14)
        if sampling == "end":
            assert torch.equal(first, a)
        else:
            t = ((first - a) / (b - a)).mean(dim=1)
            torch.testing.assert_close(first, torch.lerp(a, b, t[:, None]), rtol=0, atol=1e-12)
            # 40 uniform numbers: their mean is off by 5 deviations at most, 5 / sqrt(12 40)
            assert t.min() >= 0 and t.max() < 1 and len(set(t.tolist())) == COUNT
            assert float(t.mean()) == pytest.approx(0.5, abs=0.23)

    def test_of_arcs(self, ends):
        """A chord of 1e-4 of the angle. z is float32: each of 6 coordinates of 2 or 3 is off by 1.2e-7 at both ends."""
        a, b = (torch.nn.functional.normalize(x, dim=1) for x in endpoints())
        angle = torch.acos((a * b).sum(dim=1))
        first, second = ends("z")
        torch.testing.assert_close((second - first).norm(dim=1), 1e-4 * angle * 6**0.5, rtol=0, atol=6**0.5 * 2.4e-7)


@pytest.mark.parametrize("space", ["z", "w"])
def test_noise_is_that_of_the_path(space, monkeypatch):
    """Different on every path, and the same at both ends: it does not lengthen paths."""
    model = tiny.vectors()
    seen, synthesize = [], model.synthesize

    def spy(latents, noise):
        seen.append(noise)
        return synthesize(latents, noise)

    monkeypatch.setattr(model, "synthesize", spy)
    lengths = ppl.path_lengths(model, toys.distance, 5, space, "full")
    monkeypatch.setattr(streams, "MOST", 4)
    again = ppl.path_lengths(model, toys.distance, 5, space, "full")
    for maps in seen:
        for one in maps:
            first, second = one.chunk(2)
            assert torch.equal(first, second)
            assert len(first) < 2 or not torch.equal(first[0], first[1])
    assert len(seen) == 4
    # a difference of 1e-4 in float32: its square is known to about a hundredth
    torch.testing.assert_close(again, lengths, rtol=0.1, atol=0)


def test_slerp():
    a, b = torch.tensor([[2.0, 0, 0, 0]]), torch.tensor([[0, 5.0, 0, 0]])
    found = torch.cat([ppl.slerp(a, b, torch.tensor([t])) for t in (0.0, 1 / 3, 1.0)])
    expected = 2 * torch.tensor([[1.0, 0, 0, 0], [3**0.5 / 2, 0.5, 0, 0], [0, 1.0, 0, 0]])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_trimmed():
    """1st percentile of 0 ... 150: place 1.5, the lower is 1; 99th: place 148.5, the higher is 149."""
    assert ppl.trimmed(torch.arange(151.0)).tolist() == list(range(1, 150))
    assert len(ppl.trimmed(torch.ones(5))) == 5


def test_mean_of_what_is_kept():
    lengths = ppl.path_lengths(Colours(), toys.distance, COUNT, "w", "full", seed=3)
    found = ppl.ppl(Colours(), toys.distance, COUNT, seed=3)
    kept = ppl.trimmed(lengths)
    assert found == (pytest.approx(float(kept.mean())), pytest.approx(float(kept.std(correction=0))), len(kept))


def test_large_images_are_averaged_down(monkeypatch):
    """As much as a whole factor allows: 8 pixels by 4 to 2."""
    monkeypatch.setattr(ppl, "COMPARED_SIDE", 2)
    shapes = set()

    def distance(a, b):
        shapes.update((tuple(a.shape[1:]), tuple(b.shape[1:])))
        return toys.distance(a, b)

    ppl.path_lengths(Colours(), distance, COUNT, "w", "full")
    assert shapes == {(3, 2, 2)}
