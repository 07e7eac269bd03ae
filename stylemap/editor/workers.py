"""Long work beside the event loop, one job at a time."""

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

T = TypeVar("T")


class Worker:
    """A thread that does jobs in turn. One thread is enough: a job of the model uses every core, and pictures take memory.

    Args:
        most: jobs that may hold their arguments in memory, including the one that runs.
    """

    def __init__(self, name: str, most: int):
        self.free = threading.Semaphore(most)
        self.threads = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.jobs, self.lock = 0, threading.Lock()
        self.idle = threading.Event()  # set while there is no job
        self.idle.set()

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """``job()`` in the thread.

        Raises:
            HTTPException: 503 if too many jobs wait.
        """
        if not self.free.acquire(blocking=False):
            raise HTTPException(503, "too much to do at the moment; try again in a few seconds")
        self._count(1)
        submitted = self.threads.submit(job)
        # a running job holds its memory until it is done, even if the client leaves
        submitted.add_done_callback(lambda _: (self.free.release(), self._count(-1)))
        return submitted

    def _count(self, more: int) -> None:
        with self.lock:
            self.jobs += more
            (self.idle.clear if self.jobs else self.idle.set)()

    async def run(self, request: Request, job: Callable[..., T], *arguments) -> T:
        """``job(*arguments)`` in the thread. It is skipped if the client leaves before its turn. Read the body first.

        Raises:
            HTTPException: 503 if too many jobs wait, 499 if nobody waits for the answer.
        """
        call = [functools.partial(job, *arguments)]
        submitted = self.submit(lambda: call[0]())
        future = asyncio.wrap_future(submitted)
        # if the client has left, nobody reads an exception, and asyncio would log that
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({future, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise HTTPException(499, "the client went away")
            return future.result()
        finally:
            gone.cancel()
            if submitted.cancel():
                call.clear()  # the queue keeps a cancelled job, which must not keep its arguments

    def close(self) -> None:
        """Ends the thread after the job in hand."""
        self.threads.shutdown(wait=True, cancel_futures=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
