"""Long work beside the event loop, one job at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

T = TypeVar("T")


class Worker:
    """A thread that does jobs in turn. One, since a job of the model uses every core by itself and pictures take memory."""

    def __init__(self, name: str, most: int):
        self.most, self.pending = most, 0
        self.threads = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, request: Request, job: Callable[..., T], *arguments) -> T:
        """``job(*arguments)`` in the thread; left out if by its turn the client has gone. The body must have been read.

        Raises:
            HTTPException: 503 where too many jobs wait, 499 where nobody waits for the answer.
        """
        if self.pending >= self.most:
            raise HTTPException(503, "too much to do at the moment; try again in a few seconds")
        self.pending += 1
        future = asyncio.wrap_future(self.threads.submit(job, *arguments))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({future, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise HTTPException(499, "the client went away")
            return future.result()
        finally:
            self.pending -= 1
            gone.cancel()
            future.cancel()

    def close(self) -> None:
        """Ends the thread after the job in hand."""
        self.threads.shutdown(wait=True, cancel_futures=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
