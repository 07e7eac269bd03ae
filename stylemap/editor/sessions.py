"""Who is here: pictures in memory under names that cannot be guessed, for a while."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from starlette.exceptions import HTTPException
from torch import Tensor

from stylemap.editor.limits import Limits
from stylemap.project.recipe import Photo

ID_BYTES = 16


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo and what the model makes of it. Never changed, so that a job may go on with one that was replaced."""

    photo: Photo
    stylemap: Tensor  # [1, C, S, S] on the model's device
    mirrored: Tensor  # the same of the mirrored photo
    reconstruction: np.ndarray  # uint8 [R, R, 3]
    mse: float  # of pixels in [-1, 1]


@dataclass(eq=False)
class Session:
    """What one page works on."""

    id: str
    used: float  # time of the clock
    pictures: dict[str, Picture] = field(default_factory=dict)  # slot -> picture
    # held while a picture or project comes in: of two, the one that began last stays
    incoming: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """The sessions of a server; used from the event loop alone."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic):
        self.limits, self.clock = limits, clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self) -> Session:
        """A new session; where there are too many, the one that was idle longest gives way.

        Raises:
            HTTPException: 503, all of them are in use.
        """
        self.expire()
        now = self.clock()
        if len(self._sessions) >= self.limits.sessions:
            oldest = min(self._sessions.values(), key=lambda session: session.used)
            if now - oldest.used < self.limits.evict_s or oldest.incoming.locked():
                raise HTTPException(503, "too many people edit here at the moment; try again in some minutes")
            self.close(oldest.id)
        session = Session(secrets.token_hex(ID_BYTES), now)
        self._sessions[session.id] = session
        return session

    def get(self, id: str) -> Session:
        """A session by its id, which counts as use.

        Raises:
            HTTPException: 404, there is none or it has expired.
        """
        self.expire()
        session = self._sessions.get(id)
        if session is None:
            raise HTTPException(404, "this session has ended; reload the page to begin another")
        session.used = self.clock()
        return session

    def close(self, id: str) -> None:
        """Forget a session and its pictures, if there is one."""
        self._sessions.pop(id, None)

    def expire(self) -> None:
        """Forget sessions that nobody has used for long."""
        limit = self.clock() - self.limits.idle_s
        for session in list(self._sessions.values()):
            if session.used < limit and not session.incoming.locked():
                self.close(session.id)
