"""The limits of a server."""

from dataclasses import dataclass

MEGA = 1_000_000
PAGE_BYTES = 64 << 10  # of what the page keeps for itself in a project file
SMALL_BODY = 4 << 10  # bytes, of a request that carries a number


@dataclass(frozen=True)
class Limits:
    """What one server takes. No page can change it."""

    upload_bytes: int = 20 * MEGA  # a picture file
    pixels: int = 50 * MEGA  # of a picture; a larger one is refused by its header
    edit_bytes: int = 8 * MEGA  # an edit with its masks
    sessions: int = 32
    idle_s: float = 1800.0  # a session ends after this time without use
    evict_s: float = 300.0  # a session gives way to a new one after this time without use, if all are taken
    waiting: int = 64  # jobs in the queue of the model, and in that of the files
    fits: int = 4  # of weights to photos, one at a time and the others in the queue
    at_once: int = 4  # requests of a session that send something
    spare: int = 32  # further requests, for pages that load
    connections: int = 240  # open at a time; macOS gives a process 256 files
    head_s: float = 20.0  # for the headers of a request to arrive
    body_s: float = 60.0  # for a body to arrive

    @property
    def requests(self) -> int:
        """At a time, over all sessions. A session that sends slowly cannot take the place of others."""
        return self.sessions * self.at_once + self.spare
