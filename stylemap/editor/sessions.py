"""Sessions: the photos of each page, in memory for a while, under names that cannot be guessed."""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from starlette.exceptions import HTTPException

from stylemap.editing.applying import Reference
from stylemap.editor.limits import Limits
from stylemap.inversion.fitting import Fit
from stylemap.photos.photo import Photo

ID_BYTES = 16


@dataclass(frozen=True, eq=False)
class EncodedPhoto(Reference):
    """A photo and what the model makes of it. It never changes, so a job can go on with one that was replaced."""

    photo: Photo
    reconstruction: np.ndarray  # uint8 [R, R, 3]
    mse: float  # of pixels in [-1, 1]
    fit: Fit | None = None  # what the weights are changed by for all edits of this photo
    labels: np.ndarray | None = None  # uint8 [R, R] of `datasets.parts.Part`: of drawn faces, or what a segmenter finds


@dataclass(eq=False)
class Session:
    """What one page works on."""

    id: str
    used: float  # time of the clock
    photos: dict[str, EncodedPhoto] = field(default_factory=dict)  # by slot
    running: int = 0  # requests that send something
    turns: int = 0  # changes of photos that have begun
    changed: dict[str, int] = field(default_factory=dict)  # slot -> the turn of its last change

    @contextlib.contextmanager
    def sending(self, most: int) -> Iterator[None]:
        """While a request sends something and is worked on.

        Raises:
            HTTPException: 429, there are too many already.
        """
        if self.running >= most:
            raise HTTPException(429, f"this page sends more than {most} requests at a time; wait for an answer first")
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    def begin(self) -> int:
        """The turn of a change of photos that begins now; its upload may take any time."""
        self.turns += 1
        return self.turns

    def change(self, turn: int, photos: Mapping[str, EncodedPhoto | None]) -> None:
        """Fill slots, or empty them (None). Of two changes of a slot, the one that began later wins."""
        for slot, photo in photos.items():
            if self.changed.get(slot, 0) > turn:
                continue
            self.changed[slot] = turn
            self.photos.pop(slot, None)
            if photo is not None:
                self.photos[slot] = photo


class Sessions:
    """The sessions of a server; used from the event loop alone."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic):
        self.limits, self.clock = limits, clock
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self) -> Session:
        """A new session. If all are taken, the one that was idle longest gives way.

        Raises:
            HTTPException: 503, all of them are in use.
        """
        self.expire()
        now = self.clock()
        if len(self._sessions) >= self.limits.sessions:
            idle = [session for session in self._sessions.values() if not session.running]
            oldest = min(idle, key=lambda session: session.used, default=None)
            if oldest is None or now - oldest.used < self.limits.evict_s:
                raise HTTPException(503, "too many people edit here at the moment; try again in some minutes")
            self.close(oldest.id)
        session = Session(secrets.token_hex(ID_BYTES), now)
        self._sessions[session.id] = session
        return session

    def get(self, id: str) -> Session:
        """A session by its id. This counts as use.

        Raises:
            HTTPException: 404, an id that is unknown or has expired.
        """
        self.expire()
        session = self._sessions.get(id)
        if session is None:
            raise HTTPException(404, "this session has ended; reload the page to begin another")
        session.used = self.clock()
        return session

    def close(self, id: str) -> None:
        """Forget a session and its photos, if there is one."""
        self._sessions.pop(id, None)

    def expire(self) -> None:
        """Forget sessions that nobody has used for a long time."""
        limit = self.clock() - self.limits.idle_s
        for session in list(self._sessions.values()):
            if session.used < limit and not session.running:
                self.close(session.id)
