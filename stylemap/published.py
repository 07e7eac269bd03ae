"""Files that others published and a user fetches once: where each is from, how it is known, and where it is looked for.

Nothing is fetched but by `fetching`, when a user asks for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylemap import files, provenance, resources

OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/models/"


@dataclass(frozen=True)
class PublishedFile:
    """One of FILES."""

    name: str  # for ``stylemap weights``
    purpose: str
    url: str
    size: int  # bytes
    sha256: str
    licence: str
    folder: Callable[[], Path]  # where programs look for it

    @property
    def file(self) -> str:
        """Its usual name, the last part of its address."""
        return self.url.rpartition("/")[2]

    @property
    def command(self) -> str:
        """What gets it, for messages."""
        return f"`stylemap weights pull {self.name}`"

    def path(self, given: str | Path | None = None) -> Path:
        """Where the file is looked for: the given path, else its folder."""
        return Path(given) if given else self.folder() / self.file

    def fault(self, path: Path) -> str | None:
        """What a file that should be this one really is, in words; None: it is this one.

        Raises:
            InputError: it cannot be read.
        """
        with files.opened(path) as f:
            start = f.read(files.MARK)
            size = f.seek(0, 2)
        if what := files.substitute(start):
            return what
        if size != self.size:
            return f"a file of {size:,} bytes instead of {self.size:,}"
        return None if provenance.sha256(path) == self.sha256 else "a file with other content"

    def origin(self, path: Path, distribution: str) -> dict:
        """The library, the hash of the file, and whether it is the published one, which makes numbers comparable."""
        sha256 = provenance.sha256(path)
        return {
            "library": provenance.version(distribution),
            "weights_sha256": sha256,
            "comparable": sha256 == self.sha256,
        }


def _torch_cache() -> Path:
    """Where torchvision and torch-fidelity keep what they fetch."""
    import torch  # not before it is needed: it takes seconds

    return Path(torch.hub.get_dir()) / "checkpoints"


YUNET = PublishedFile(
    "yunet",
    "YuNet, which finds faces, for OpenCV 5",
    f"{OPENCV_ZOO}face_detection_yunet/face_detection_yunet_2026may.onnx",
    229_738,
    "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
    "MIT",
    resources.cache_folder,
)
YUNET_4 = PublishedFile(
    "yunet-opencv4",
    "YuNet, which finds faces, for OpenCV 4.9 and later",
    f"{OPENCV_ZOO}face_detection_yunet/face_detection_yunet_2023mar.onnx",
    232_589,
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    "MIT",
    resources.cache_folder,
)
VGG = PublishedFile(
    "vgg16",
    "VGG-16 of torchvision, for LPIPS, perceptual path lengths and inversion",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    553_433_881,
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "none stated; torchvision is BSD-3-Clause, and the training images are ImageNet's",
    _torch_cache,
)
INCEPTION = PublishedFile(
    "inception",
    "Inception of 2015 by torch-fidelity, for FID, KID, precision and recall",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    95_628_359,
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    "Apache-2.0",
    _torch_cache,
)
ONNXRUNTIME_WEB = PublishedFile(
    "onnxruntime-web",
    "ONNX Runtime for browsers, for `stylemap export web`",
    "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz",
    33_106_585,
    "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    "MIT",
    resources.cache_folder,
)
FILES = {file.name: file for file in (YUNET, YUNET_4, VGG, INCEPTION, ONNXRUNTIME_WEB)}
