"""Data sets: uint8 RGB pictures by index, and the resumable order in which training sees them."""

from stylemap.datasets.avatars import Avatars
from stylemap.datasets.folder import ImageFolder, split
from stylemap.datasets.stream import Pictures

__all__ = ["Avatars", "ImageFolder", "Pictures", "open_split", "split"]


def open_split(data: str, side: int, heldout: int) -> tuple[Pictures, Pictures]:
    """(training, held-out) pictures of a folder, a zip, or "avatars"."""
    if data == "avatars":
        return Avatars(side), Avatars(side, count=heldout, split="heldout")
    return split(data, side, heldout)
