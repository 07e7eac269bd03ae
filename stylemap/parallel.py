"""A function over many items in several processes: in order, bounded in memory, and gone when the parent is gone."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import TypeVar

from stylemap.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
TO_PARENT = {signal.SIGINT, signal.SIGTERM}  # these are its to handle
AHEAD = 3  # items given out per process before the first result must be taken

_function: Callable  # of this worker process


def cores() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def imap(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """``map(function, items)`` in ``workers`` new processes (0 = in this one), results in the order of the items.

    ``function`` is pickled once for each process and may hold what the items have in common. At most 3 items for each
    worker are under way. The processes ignore Ctrl-C, which is the parent's to handle, and end when the parent does.

    Raises:
        InputError: a process was killed. Whatever ``function`` raises comes through.
    """
    if workers == 0:
        yield from map(function, items)
        return
    spawn = multiprocessing.get_context("spawn")  # forking a process that has threads can deadlock
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=(function,))
    pending = deque()
    try:
        for item in items:
            with signals_blocked():  # it may start a process
                pending.append(pool.submit(_call, item))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as err:
        raise InputError("a working process was killed (out of memory?); try again with fewer --workers") from err
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Processes started within never see Ctrl-C or SIGTERM, which reach the whole process group: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it with the first process would unblock them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TO_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(function: Callable) -> None:
    global _function
    _function = function
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TO_PARENT)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)  # the processes share the cores already


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(item):
    return _function(item)
