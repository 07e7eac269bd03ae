"""Processes meet in a part of the store that no earlier meeting has written to."""

import datetime
import threading
import time

import pytest
import torch.distributed as dist

from stylemap.training.rendezvous import new_part

PATIENCE = datetime.timedelta(seconds=20)


def meet(store: dist.Store, size: int, delays: dict[int, float] | None = None) -> list[dist.Store]:
    """What each of the processes, here threads, gets."""
    found: list = [None] * size

    def arrive(rank: int) -> None:
        time.sleep((delays or {}).get(rank, 0))
        found[rank] = new_part(store, rank, size, PATIENCE)

    threads = [threading.Thread(target=arrive, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("delays", [{}, {0: 0.3}, {1: 0.3}, {2: 0.3, 1: 0.1}], ids=str)
def test_all_get_the_same_part_and_no_part_twice(delays):
    store = dist.HashStore()
    for attempt in range(3):  # each finds what the ones before have left
        parts = meet(store, 3, delays)
        assert not any(part.check(["address"]) for part in parts)
        parts[0].set("address", str(attempt))
        assert [part.get("address") for part in parts] == [str(attempt).encode()] * 3


def test_after_a_meeting_that_was_broken_off(monkeypatch):
    """Names and rosters of processes that died before they had met do not count."""
    store = dist.HashStore()
    with pytest.raises(RuntimeError, match="process 1 of 3 has waited"):
        new_part(store, 1, 3, datetime.timedelta(seconds=0.2))
    with pytest.raises(RuntimeError, match="process 0 of 3 has waited"):
        new_part(store, 0, 3, datetime.timedelta(seconds=0.2))
    parts = meet(store, 3, {0: 0.2})
    parts[2].set("address", "here")
    assert [part.get("address") for part in parts] == [b"here"] * 3


def test_alone():
    assert not new_part(dist.HashStore(), 0, 1, PATIENCE).check(["address"])
