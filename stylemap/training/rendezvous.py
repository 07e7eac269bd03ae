"""Processes meet in a part of the store that no earlier meeting has used.

torchrun keeps one store through all restarts, and torch writes the same keys into it every time. So a restarted process may
find the addresses of processes that died, and never reach anybody (pytorch/pytorch#135712). The number of restarts cannot tell
meetings apart, as every host counts its own.
"""

import datetime
import json
import time
import uuid

import torch.distributed as dist

POLL_S = 0.05


def meet(backend: str, patience: datetime.timedelta) -> dist.Store:
    """Join the group that the environment describes (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). Returns its store.

    Raises:
        RuntimeError: the others do not come.
    """
    store, rank, size = next(dist.rendezvous("env://", timeout=patience))
    store = new_part(store, rank, size, patience)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=patience)
    return dist.PrefixStore("messages", store)


def new_part(store: dist.Store, rank: int, size: int, patience: datetime.timedelta) -> dist.Store:
    """A part of the store for these processes and this call only.

    Every process writes a new name. The first makes a roster of the names that it finds, again and again, until all others have
    found their names on it. Rosters left from an earlier meeting hold another name of the first.

    Raises:
        RuntimeError: the others do not come.
    """
    store = dist.PrefixStore("stylemap", store)
    name, deadline = uuid.uuid4().hex, time.monotonic() + patience.total_seconds()
    store.set(f"name/{rank}", name)
    while time.monotonic() < deadline:
        if rank == 0:
            roster = json.dumps([_read(store, f"name/{i}") for i in range(size)])
            store.set("roster", roster)
            agreed = all(_read(store, f"seen/{i}") == roster for i in range(1, size))
            if agreed:
                store.set("closed", roster)
        else:
            roster = _read(store, "roster")
            if on_it := roster is not None and json.loads(roster)[rank] == name:
                store.set(f"seen/{rank}", roster)
            agreed = on_it and _read(store, "closed") == roster
        if agreed:
            return dist.PrefixStore(json.loads(roster)[0], store)
        time.sleep(POLL_S)
    raise RuntimeError(f"process {rank} of {size} has waited {patience} for the others")


def _read(store: dist.Store, key: str) -> str | None:
    return store.get(key).decode() if store.check([key]) else None
