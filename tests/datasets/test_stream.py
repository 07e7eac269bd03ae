"""The order of the data is a pure function of (seed, images seen)."""

import itertools
import os

import pytest
import torch

from stylemap.architectures.discriminator import group_size
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


@pytest.mark.parametrize("batch", [4, 12, 16, 48])
@pytest.mark.parametrize(("world", "passes"), [(1, 1), (2, 1), (1, 2), (4, 1), (2, 2)])
def test_processes_and_passes_take_every_sample_once(batch, world, passes):
    parts = [part for rank in range(world) for part in stream.shares(batch, rank, world, passes)]
    assert len({len(part) for part in parts}) == 1
    assert sorted(sum(parts, [])) == list(range(batch))


@pytest.mark.parametrize(
    ("batch", "parts"), [(16, 1), (16, 2), (16, 4), (48, 3), (48, 12), (6, 2), (9, 3), (18, 6), (4, 1), (2, 1)]
)
def test_samples_that_the_discriminator_compares_stay_together(batch, parts):
    def groups(samples: list[int]) -> set[tuple[int, ...]]:  # sample i with i + k N / group
        rows = len(samples) // group_size(len(samples))
        return {tuple(samples[i::rows]) for i in range(rows)}

    split = [groups(part) for rank in range(parts) for part in stream.shares(batch, rank, parts)]
    assert set().union(*split) == groups(list(range(batch)))


def test_a_batch_that_cannot_be_shared():
    with pytest.raises(InputError, match="a batch of 8 cannot be split into 3 equal parts; make it a multiple of 3"):
        stream.shares(8, 0, 3)


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_processes_share_out_the_one_stream(world):
    batch, count = 12, 31
    taken = [stream.shares(batch, rank, world)[0] for rank in range(world)]
    streams = [stream.batch_draws(4, count, 7, True, batch, samples) for samples in taken]
    whole = take(9 * batch, seed=4, count=count, start=7, mirror=True)
    for i in range(9):
        for samples, draws in zip(taken, streams, strict=True):
            assert next(draws) == [whole[i * batch + sample] for sample in samples]


def test_a_run_on_changing_numbers_of_processes_sees_every_image_once_an_epoch():
    batch, count, seen, indices = 8, 20, 0, []
    for world, iterations in ((2, 3), (4, 1), (1, 2), (8, 4)):
        parts = [stream.shares(batch, rank, world)[0] for rank in range(world)]
        streams = [stream.batch_draws(0, count, seen, True, batch, samples) for samples in parts]
        for _ in range(iterations):
            of_batch = dict(zip(sum(parts, []), (i for draws in streams for i, _ in next(draws)), strict=True))
            indices += [of_batch[place] for place in range(batch)]
            seen += batch
    assert all(sorted(indices[e : e + count]) == list(range(count)) for e in range(0, 80, count))


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
    assert stream.first(Numbers(5), 3)[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert len(stream.first(Numbers(2), 3)) == 2


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("bad\nmarker"), r"pictures cannot be loaded \(RuntimeError: bad marker\)"),
        (MemoryError(), "no memory is left to load 2 pictures; .*"),
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
