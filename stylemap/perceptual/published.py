"""Weights that others published, which a user downloads."""

from pathlib import Path
from typing import NamedTuple

import torch

from stylemap import provenance


class PublishedFile(NamedTuple):
    """A file of weights by its usual name, and where it is from."""

    name: str
    url: str
    sha256: str  # its first digits, as its name has them

    def path(self, given: str | None = None) -> Path:
        """Where the file is looked for: the given path, else torch's cache."""
        return Path(given) if given else Path(torch.hub.get_dir()) / "checkpoints" / self.name

    def origin(self, path: Path, distribution: str) -> dict:
        """The library, the hash of the file, and whether it is the published one, which makes numbers comparable."""
        sha256 = provenance.sha256(path)
        return {
            "library": provenance.version(distribution),
            "weights_sha256": sha256,
            "comparable": sha256.startswith(self.sha256),
        }


VGG = PublishedFile("vgg16-397923af.pth", "https://download.pytorch.org/models/vgg16-397923af.pth", "397923af")
INCEPTION = PublishedFile(
    "weights-inception-2015-12-05-6726825d.pth",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "6726825d",
)
