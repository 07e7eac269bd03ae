"""Mapping a function over items in several processes: in order, in bounded memory, and never longer than the parent lives."""

import atexit
import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, InvalidStateError, ThreadPoolExecutor, wait
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import TypeVar

from stylemap.errors import InputError, brief

Item = TypeVar("Item")
Result = TypeVar("Result")
HANDLED_BY_PARENT = {signal.SIGINT, signal.SIGTERM}
AHEAD = 3  # items under way for each process
POLL_S = 0.1


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

    ``function`` is pickled once for each process and may hold what the items share. At most 3 items for each worker are under
    way. Warnings of a worker are repeated here. The processes leave Ctrl-C and SIGTERM to the parent. They end when the parent
    ends, or when the iterator is closed.

    Args:
        stop: asked while a result is awaited; once it returns True the iterator ends.

    Raises:
        InputError: a process cannot be started, or was killed. Whatever ``function`` raises is raised here.
    """
    if workers == 0:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as threads, contextlib.ExitStack() as processes:  # these end first
        idle = queue.SimpleQueue()
        for _ in range(workers):
            idle.put(processes.enter_context(contextlib.closing(_Worker(function))))
        pending, failure = deque(), Future()
        processes.callback(lambda: [future.cancel() for future in pending])
        for item in items:
            pending.append(threads.submit(_answer, idle, item, failure))
            if len(pending) > AHEAD * workers:
                if not _ready(pending[0], failure, stop):
                    return
                yield _result(pending.popleft())
        while pending and _ready(pending[0], failure, stop):
            yield _result(pending.popleft())


class _Worker:
    """A process and the pipe to it.

    The pools of the standard library share locks and pipes between processes. That needs shared memory, and if one process is
    killed while it holds a lock or sends a result, all others wait for ever.
    """

    def __init__(self, function: Callable):
        spawn = multiprocessing.get_context("spawn")  # forking a process that has threads can deadlock
        self.pipe, far_end = spawn.Pipe()
        self.process = spawn.Process(target=_work, args=(function, far_end), daemon=True)
        atexit.register(self.close)  # multiprocessing would wait for a process that is not closed
        try:
            with signals_blocked(), far_end:  # once it is closed here, the pipe ends when the process does
                self.process.start()
        except OSError as err:
            raise InputError(
                f"a working process cannot be started ({err.strerror}); try again with fewer --workers"
            ) from err

    def ask(self, item) -> tuple:
        try:
            self.pipe.send(item)
            return self.pipe.recv()
        except (EOFError, OSError) as err:
            raise InputError(
                "a working process was killed (out of memory?) or has crashed; try again with fewer --workers"
            ) from err

    def close(self) -> None:
        atexit.unregister(self.close)
        if self.process.pid is not None:
            self.process.kill()  # also if it hangs: its results are not needed
            self.process.join()


def _answer(idle: queue.SimpleQueue, item, failure: Future) -> tuple:
    worker = idle.get()
    try:
        return worker.ask(item)
    except Exception as err:
        with contextlib.suppress(InvalidStateError):  # the first one is raised
            failure.set_exception(err)
        raise
    finally:
        idle.put(worker)


def _ready(future: Future, failure: Future, stop: Callable[[], bool] | None) -> bool:
    """Wait for a result, or raise the failure of another; False if ``stop`` says so before."""
    while not (done := wait([future, failure], POLL_S if stop else None, FIRST_COMPLETED).done):
        if stop():
            return False
    if failure in done:
        failure.result()
    return True


def _result(future: Future):
    result, error, where, warned = future.result()
    for text, category in warned:
        warnings.warn(text, category, stacklevel=3)
    if error is not None:
        raise error from RuntimeError(f"in a working process:\n{where}")
    return result


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Block Ctrl-C and SIGTERM, which reach the whole group of processes, for processes that are started within."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it with the first process would unblock them again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED_BY_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: Callable, pipe: Connection) -> None:
    """Answer items until the parent has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where signals cannot be blocked
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)  # the processes already use all cores
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            pipe.send(_call(function, pipe.recv()))


def _call(function: Callable, item) -> tuple:
    """-> (result, error, its traceback, warnings). The parent shows the warnings."""
    result = error = where = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(item)
        except Exception as err:
            error, where = err, traceback.format_exc()
            try:
                pickle.loads(pickle.dumps(err))
            except Exception:  # some errors of libraries cannot be sent
                error = RuntimeError(f"{type(err).__name__}: {brief(err)}")
    return result, error, where, [(str(warning.message), warning.category) for warning in caught]


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
