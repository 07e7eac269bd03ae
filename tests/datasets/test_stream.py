"""The order of the data is a pure function of (seed, images seen)."""

import itertools
import os

import pytest
import torch

from stylemap.datasets import stream
from stylemap.errors import InputError
from tests.datasets.pictures import Broken, Numbers, Stuck


def take(amount, **kwargs):
    return list(itertools.islice(stream.draws(**kwargs), amount))


@pytest.mark.parametrize("count", [1, 2, 11, 100])
def test_every_epoch_sees_every_image_once(count):
    draws = take(3 * count, seed=0, count=count, start=0, mirror=True)
    for e in range(3):
        assert sorted(i for i, _ in draws[e * count : (e + 1) * count]) == list(range(count))


@pytest.mark.parametrize("start", [0, 1, 10, 11, 12, 35])
def test_a_stream_that_starts_later_is_the_rest_of_the_same(start):
    whole = take(60, seed=3, count=11, start=0, mirror=True)
    assert take(60 - start, seed=3, count=11, start=start, mirror=True) == whole[start:]


def test_epochs_and_seeds_differ():
    a, b = (stream.epoch(0, number, 100, True) for number in (0, 1))
    assert a != b != stream.epoch(1, 0, 100, True) != a


def test_half_are_mirrored():
    flips = sum(flip for _, flip in take(10_000, seed=0, count=1000, start=0, mirror=True))
    assert abs(flips - 5000) < 5 * 50  # five standard deviations of a fair coin: sqrt(10,000 / 4) = 50
    assert not any(flip for _, flip in take(1000, seed=0, count=1000, start=0, mirror=False))


def test_batches_of_one_process_are_its_share():
    whole = next(stream.batches(Numbers(7), 4, seed=0, start=0, mirror=True, workers=0))
    assert torch.equal(next(stream.batches(Numbers(7), 4, 0, 0, True, 0, [3, 1])), whole[[3, 1]])


def groups_of_four(draws):
    return [draws[i : i + 4] for i in range(0, len(draws), 4)]


def test_mirrored_pictures_are_mirrored():
    pictures = Numbers(7)
    for batch, draws in zip(
        itertools.islice(stream.batches(pictures, 4, seed=0, start=0, mirror=True, workers=0), 5),
        groups_of_four(take(20, seed=0, count=7, start=0, mirror=True)),
        strict=True,
    ):
        assert batch.dtype == torch.uint8 and batch.shape == (4, 2, 2, 3)
        for picture, (i, flip) in zip(batch, draws, strict=True):
            assert picture[0, :, 0].tolist() == ([i + 100, i] if flip else [i, i + 100])


def test_workers_do_not_change_the_order():
    arguments = (Numbers(7), 4, 0, 9, True)
    alone = list(itertools.islice(stream.batches(*arguments, workers=0), 6))
    together = list(itertools.islice(stream.batches(*arguments, workers=2), 6))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_first():
    assert stream.first_images(Numbers(5), 3)[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert len(stream.first_images(Numbers(2), 3)) == 2


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("bad\nmarker"), r"images cannot be loaded \(RuntimeError: bad marker\)"),
        (MemoryError(), "no memory is left to load 2 images; .*"),
    ],
    ids=["decoder", "memory"],
)
def test_whatever_fails_in_loading_is_one_line(error, line, workers):
    with pytest.raises(InputError, match=f"^{line}$"):
        next(stream.batches(Broken(error), 2, 0, 0, False, workers))


def test_a_stop_ends_the_batches_that_are_waited_for(tmp_path):
    """A disk that does not answer: reading from a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "0.png")
    pictures = Stuck(tmp_path / "0.png")
    assert next(stream.batches(pictures, 2, 0, 0, False, 1, stop=lambda: True), None) is None
