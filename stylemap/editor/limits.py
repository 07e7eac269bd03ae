"""How much one server takes."""

from dataclasses import dataclass

MEGA = 1_000_000
PAGE_BYTES = 64 << 10  # of the page's own settings in a project
SMALL_BODY = 4 << 10  # bytes, of requests that carry a number or nothing


@dataclass(frozen=True)
class Limits:
    """All of them are of the server, none of the person's to choose."""

    upload_bytes: int = 20 * MEGA  # a picture file
    pixels: int = 50 * MEGA  # of a picture, refused by its header before it is decoded
    edit_bytes: int = 8 * MEGA  # an edit with its masks
    sessions: int = 32
    idle_s: float = 1800.0  # after which a session is gone
    evict_s: float = 300.0  # after which it gives way to a new one, when there are no free ones
    waiting: int = 64  # jobs that wait for the model or for a picture to be read, each
    at_once: int = 4  # requests of a session that send something
    spare: int = 32  # requests besides those: of pages that load
    connections: int = 240  # open at a time; macOS gives a process 256 files
    head_s: float = 20.0  # for the headers of a request to arrive
    body_s: float = 60.0  # for a body to arrive
    maps_bytes: int = 512 << 20  # of resized stylemaps that are kept, over all sessions

    @property
    def requests(self) -> int:
        """How many may be in hand at a time. No session can take the place of others, however slowly it sends."""
        return self.sessions * self.at_once + self.spare
