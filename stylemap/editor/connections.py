"""Connections to the server and their time limits, so that a client that sends or reads slowly blocks nobody."""

import asyncio
import functools
import math
import os
from types import FrameType

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from stylemap.editor.limits import Limits

GRACE = 3.0  # seconds for running work when the server stops, and to receive the rest of a refused body
LEAST_RATE = 10_000  # bytes a second at which a client must read its answer


def configured(application: ASGIApp, limits: Limits) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        http=functools.partial(Connection, limits=limits),
        timeout_graceful_shutdown=math.ceil(2 * GRACE),
    )


class Server(uvicorn.Server):
    """uvicorn's server, but a second Ctrl-C ends it without tracebacks."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(128 + sig)  # nothing is half-written
        super().handle_exit(sig, frame)


class Connection(H11Protocol):
    """uvicorn's connection with time limits; by itself it waits for ever for headers, bodies and readers."""

    def __init__(self, *args, limits: Limits, **kwargs):
        super().__init__(*args, **kwargs)
        self.limits = limits
        self.awaited = None  # what the client must send next
        self.since = 0.0  # since when the server waits for it
        self.sending = self.reading = None  # timers

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.limits.connections:
            silent = [other for other in self.connections if other.awaited == (h11.IDLE, False)]
            min(silent, key=lambda other: other.since).transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self.sending, self.reading):
            if timer:
                timer.cancel()

    def shutdown(self) -> None:
        """The server stops: running work gets a little time, an unfinished request gets none."""
        super().shutdown()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()
        else:
            self.loop.call_later(GRACE, self.transport.abort)

    def _should_upgrade(self) -> bool:
        return False  # without this, uvicorn advises to install WebSockets

    def pause_writing(self) -> None:
        super().pause_writing()
        self.reading = self.loop.call_later(self.limits.body_s, self._look, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.reading:
            self.reading.cancel()

    def _watch(self) -> None:
        """Start or stop the time limit for what the client must send next."""
        answered = self.cycle is not None and self.cycle.response_complete
        awaited = self.conn.their_state, answered and self.conn.their_state is h11.SEND_BODY
        if awaited == self.awaited:
            return
        self.awaited, self.since = awaited, self.loop.time()
        if self.sending:
            self.sending.cancel()
        # the reader of a late body answers first, then the connection ends
        seconds = {
            (h11.IDLE, False): self.limits.head_s,
            (h11.SEND_BODY, False): self.limits.body_s + GRACE,
            (h11.SEND_BODY, True): GRACE,
        }.get(awaited)
        self.sending = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _look(self, before: int) -> None:
        """End the connection if the client reads its answer too slowly."""
        left = self.transport.get_write_buffer_size()
        if before - left < LEAST_RATE * self.limits.body_s:
            self.transport.abort()
        else:
            self.reading = self.loop.call_later(self.limits.body_s, self._look, left)
