"""How batches are shared out: every sample once, and groups that the discriminator compares left whole."""

import itertools
from dataclasses import replace

import pytest

from stylemap.architectures.discriminator import group_size
from stylemap.datasets import stream
from stylemap.errors import InputError
from stylemap.training import batching, distributed


@pytest.mark.parametrize("batch", [4, 12, 16, 48])
@pytest.mark.parametrize(("world", "passes"), [(1, 1), (2, 1), (1, 2), (4, 1), (2, 2)])
def test_processes_and_passes_take_every_sample_once(batch, world, passes):
    parts = [part for rank in range(world) for part in batching.assign_places(batch, rank, world, passes)]
    assert len({len(part) for part in parts}) == 1
    assert sorted(sum(parts, [])) == list(range(batch))


@pytest.mark.parametrize(
    ("batch", "parts"), [(16, 1), (16, 2), (16, 4), (48, 3), (48, 12), (6, 2), (9, 3), (18, 6), (4, 1), (2, 1)]
)
def test_samples_that_the_discriminator_compares_stay_together(batch, parts):
    def groups(samples: list[int]) -> set[tuple[int, ...]]:  # sample i with i + k N / group
        rows = len(samples) // group_size(len(samples))
        return {tuple(samples[i::rows]) for i in range(rows)}

    split = [groups(part) for rank in range(parts) for part in batching.assign_places(batch, rank, parts)]
    assert set().union(*split) == groups(list(range(batch)))


def test_a_batch_that_cannot_be_shared():
    with pytest.raises(InputError, match="a batch of 8 cannot be split into 3 equal parts; make it a multiple of 3"):
        batching.assign_places(8, 0, 3)


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_processes_share_out_the_one_stream(world):
    batch, count = 12, 31
    taken = [batching.assign_places(batch, rank, world)[0] for rank in range(world)]
    streams = [stream.batch_draws(4, count, 7, True, batch, samples) for samples in taken]
    whole = list(itertools.islice(stream.draws(4, count, 7, True), 9 * batch))
    for i in range(9):
        for samples, draws in zip(taken, streams, strict=True):
            assert next(draws) == [whole[i * batch + sample] for sample in samples]


def test_a_run_on_changing_numbers_of_processes_sees_every_image_once_an_epoch():
    batch, count, seen, indices = 8, 20, 0, []
    for world, iterations in ((2, 3), (4, 1), (1, 2), (8, 4)):
        parts = [batching.assign_places(batch, rank, world)[0] for rank in range(world)]
        streams = [stream.batch_draws(0, count, seen, True, batch, samples) for samples in parts]
        for _ in range(iterations):
            of_batch = dict(zip(sum(parts, []), (i for draws in streams for i, _ in next(draws)), strict=True))
            indices += [of_batch[place] for place in range(batch)]
            seen += batch
    assert all(sorted(indices[e : e + count]) == list(range(count)) for e in range(0, 80, count))


def test_a_batch_that_processes_cannot_share(config):
    with pytest.raises(InputError, match="batch 4 cannot be shared by 3 processes; make it a multiple of 3"):
        batching.count_passes(config, distributed.World(0, 3))


@pytest.mark.parametrize(
    ("batch", "most", "world", "expected"),
    [
        (16, None, 1, 1),
        (16, 4, 1, 4),
        (16, 5, 1, 4),
        (16, 4, 2, 2),
        (16, 1, 4, 4),
        (24, 6, 2, 3),
        (12, 6, 1, 3),
        (6, 3, 1, 2),
    ],
)
def test_passes(config, batch, most, world, expected):
    assert batching.count_passes(replace(config, batch=batch, batch_gpu=most), distributed.World(0, world)) == expected


@pytest.mark.parametrize(
    ("batch", "most", "world", "groups"),
    [
        (16, None, 1, None),
        (16, 4, 1, None),
        (16, None, 4, None),
        (6, None, 1, None),  # groups of 3 anyway
        (16, 2, 1, "compares groups of 2 instead of 4"),
        (8, None, 4, "compares groups of 2 instead of 4"),
        (6, 2, 1, "compares groups of 2 instead of 3"),
        (6, None, 2, None),
        (16, 1, 1, "compares no images"),
        (7, None, 1, "compares no images"),
        (1, None, 1, "compares no images"),
        (4, None, 4, "compares no images"),
    ],
)
def test_smaller_groups_are_told(config, batch, most, world, groups):
    text = batching.small_groups_warning(replace(config, batch=batch, batch_gpu=most), distributed.World(0, world))
    assert text is None if groups is None else groups in text
