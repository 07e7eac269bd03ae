"""A function over many items in several processes: in order, bounded in memory, and gone when the parent is gone."""

import contextlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from typing import TypeVar

from stylemap.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
TO_PARENT = {signal.SIGINT, signal.SIGTERM}  # these are its to handle
AHEAD = 3  # items given out per process before the first result must be taken
POLL_S = 0.1

_function: Callable  # of this worker process


def cores() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def imap(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """``map(function, items)`` in ``workers`` new processes (0 = in this one), results in the order of the items.

    ``function`` is pickled once for each process and may hold what the items have in common. At most 3 items for each
    worker are under way; what a worker warns of is warned of here. Results come through pipes, so shared memory may be
    small; where it has no room for a pool's locks either, this process does the work, with a warning. The processes ignore
    Ctrl-C, which is the parent's to handle, and end when the parent does or when nobody takes results any more.

    Args:
        stop: asked while a result is waited for; once it is true there are no more.

    Raises:
        InputError: a process was killed. Whatever ``function`` raises comes through.
    """
    if workers == 0:
        yield from map(function, items)
        return
    spawn = multiprocessing.get_context("spawn")  # forking a process that has threads can deadlock
    try:
        pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start, initargs=(function,))
    except OSError as err:
        text = f"shared memory (/dev/shm) cannot be used ({err.strerror}): one process does the work of {workers}, more slowly"
        warnings.warn(text, stacklevel=2)
        yield from map(function, items)
        return
    pending = deque()
    try:
        for item in items:
            with signals_blocked():  # it may start a process
                pending.append(pool.submit(_call, item))
            if len(pending) > AHEAD * workers:
                if not _ready(pending[0], stop):
                    return
                yield _taken(pending.popleft())
        while pending and _ready(pending[0], stop):
            yield _taken(pending.popleft())
    except BrokenProcessPool as err:
        raise InputError(
            "a working process was killed (out of memory?) or has crashed; try again with fewer --workers"
        ) from err
    finally:
        for process in list(pool._processes.values()):  # from Python 3.14 on this is kill_workers()
            process.kill()  # even where it hangs: nobody takes its results any more
        pool.shutdown(wait=True, cancel_futures=True)


def _ready(future: Future, stop: Callable[[], bool] | None) -> bool:
    """Wait for it; False if there is a stop before."""
    while not wait([future], timeout=POLL_S if stop else None).done:
        if stop():
            return False
    return True


def _taken(future: Future):
    result, told = future.result()
    for text, category in told:
        warnings.warn(text, category, stacklevel=3)
    return result


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


def _call(item) -> tuple:
    """The result, and the warnings: only the parent knows how to show them."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = _function(item)
    return result, [(str(warning.message), warning.category) for warning in told]
