"""Names the part that each pixel of an image belongs to, from what the generator computes on the way to that image.

A generator that draws faces knows where an eye ends, so a small network on its features learns parts from a handful of labelled
faces (the idea is DatasetGAN's, Zhang et al., arXiv 2104.06490, section 3). That of DatasetGAN looks at one pixel; this one has
convolutions at every side, sees the image too, and is much smaller.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save as serialize
from torch import Tensor, nn

from stylemap import checkpoint, reading
from stylemap.architectures.model import check_images
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.parts import Part
from stylemap.errors import InputError, Note, brief
from stylemap.files import write_bytes
from stylemap.schema import parse

FORMAT = "stylemap-segmenter-1"
SIDE = 128  # pixels; larger images are seen at this side, and their labels enlarged
WIDTH = 32  # channels
SEEN = 5  # channels beside the features: colours and position
FOLDER = "parts"  # beside the weights
MAKES = "`stylemap parts train` makes one"


@dataclass(frozen=True)
class Origin:
    """What a segmenter was learned from, and how well it does."""

    fingerprint: str  # of the weights
    data: str
    count: int  # labelled images
    measured: int = 0  # further labelled images that it was measured on
    miou: float | None = None  # on those: mean over parts of intersection over union
    ious: dict[str, float] = field(default_factory=dict)  # by part

    @property
    def sentence(self) -> str:
        """Where it comes from and how well it does, for people."""
        learned = f"learned from {self.count} labelled image{'s' * (self.count != 1)} of {self.data}"
        if self.miou is None:
            return f"{learned}, not measured"
        return f"{learned}; mIoU {self.miou:.2f} over {len(self.ious)} parts of {self.measured} others"


class Segmenter(nn.Module):
    """Features of a generator and an image -> parts.

    ``forward(standardised features [N, c, s, s] of each side, images [N, 3, T, T] in [-1, 1]) -> logits [N, 19, T, T]`` of
    `datasets.parts.Part`, where T is the last side.
    """

    def __init__(self, config: StylemapConfig, origin: Origin):
        super().__init__()
        self.origin = origin
        self.sides = config.sides(SIDE)
        widths = [config.channels(side) for side in self.sides]
        for i, width in enumerate(widths):  # of the features, which the network sees standardised
            self.register_buffer(f"mean{i}", torch.zeros(width, 1, 1))
            self.register_buffer(f"deviation{i}", torch.ones(width, 1, 1))
        self.taken = nn.ModuleList(nn.Conv2d(width, WIDTH, 1) for width in widths)
        self.mixed = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in self.sides)
        self.seen = nn.Conv2d(SEEN, WIDTH, 3, padding=1)
        self.named = nn.Conv2d(WIDTH, len(Part), 1)
        self.to(memory_format=torch.channels_last)

    def standardised(self, features: Sequence[Tensor]) -> list[Tensor]:
        """What `forward` takes, of what the generator computes."""
        moments = ((self.get_buffer(f"mean{i}"), self.get_buffer(f"deviation{i}")) for i in range(len(self.sides)))
        return [(x - mean) / deviation for x, (mean, deviation) in zip(features, moments, strict=True)]

    def forward(self, features: Sequence[Tensor], images: Tensor) -> Tensor:
        x = None
        for side, feature, take, mix in zip(self.sides, features, self.taken, self.mixed, strict=True):
            y = take(feature)
            if x is not None:
                y = y + F.interpolate(x, scale_factor=2.0, mode="bilinear")
            if side == self.sides[-1]:
                y = y + self.seen(torch.cat([images, _position(images)], 1))
            x = F.relu(mix(F.relu(y)))
        return self.named(x)

    @torch.inference_mode()
    def labels(self, model: StylemapModel, images: Tensor, stylemap: Tensor | None = None) -> np.ndarray:
        """The part of each pixel, uint8 [N, R, R] of `datasets.parts.Part`.

        Args:
            model: with the weights that the segmenter was learned for.
            images: [N, 3, R, R] in [-1, 1].
            stylemap: [N, C, S, S] of the images; None: they are encoded.
        """
        check_images(images, model.config.resolution, values=True)
        stylemap = model.encode(images) if stylemap is None else stylemap
        return self.logits(model, images, stylemap).argmax(1).to(torch.uint8).cpu().numpy()

    def logits(self, model: StylemapModel, images: Tensor, stylemap: Tensor) -> Tensor:
        """Logits [N, 19, R, R]. Arguments as of `labels`."""
        features = self.standardised(model.features(stylemap, SIDE))
        logits = self(features, F.adaptive_avg_pool2d(images, self.sides[-1]))
        if logits.shape[-1] != images.shape[-1]:
            logits = F.interpolate(logits, images.shape[-2:], mode="bilinear")
        return logits


def _position(images: Tensor) -> Tensor:
    """[N, 2, T, T]: y and x from -1 to 1."""
    line = torch.linspace(-1, 1, images.shape[-1]).to(images)
    return torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(images.shape[0], -1, -1, -1)


# ---- files


def save(path: str | Path, segmenter: Segmenter) -> None:
    """Atomically write a segmenter, its weights in float16."""
    weights = {name for name, _ in segmenter.named_parameters()}
    tensors = {
        name: (x.half() if name in weights else x).detach().cpu().contiguous()
        for name, x in segmenter.state_dict().items()
    }
    write_bytes(path, serialize(tensors, {"format": FORMAT, "origin": json.dumps(asdict(segmenter.origin))}))


def load(path: str | Path, model: StylemapModel) -> Segmenter:
    """A segmenter on the model's device.

    Raises:
        InputError: missing, damaged, no segmenter, or one for other weights.
    """
    header, tensors = reading.read_metadata(path), reading.read_tensors(path)
    if header.get("format") != FORMAT:
        raise InputError(f"{path} holds no segmenter of parts; {MAKES}")
    try:
        origin = parse(Origin, reading.parse_json(header["origin"], "the header"))
    except (KeyError, InputError) as err:
        raise InputError(f"{path} has a damaged header ({brief(err)}); copy it again") from err
    if origin.fingerprint != model.fingerprint():
        raise InputError(f"{path} knows the parts of other weights; {MAKES} for these")
    segmenter = Segmenter(model.config, origin)
    try:
        segmenter.load_state_dict({name: x.float() for name, x in tensors.items()})
    except RuntimeError as err:
        raise InputError(f"{path} has damaged tensors; copy it again") from err
    return segmenter.to(model.device).eval().requires_grad_(False)


def place_of(weights: str | Path) -> Path:
    """Where the segmenter of weights lies: in the folder `FOLDER` beside them, under their name."""
    path = checkpoint.find_file(weights)
    return path.parent / FOLDER / path.name


def open_segmenter(weights: str | Path, model: StylemapModel) -> Segmenter:
    """The segmenter that lies beside weights.

    Raises:
        InputError: there is none, or as `load`.
    """
    path = place_of(weights)
    if not path.exists():
        raise InputError(f"{weights} cannot name the parts of an image: there is no {path}; {MAKES}")
    return load(path, model)


def find(weights: str | Path, model: StylemapModel) -> Segmenter | None:
    """The segmenter that lies beside weights; None if there is none. A note says so if it is of older weights of that name."""
    if not place_of(weights).exists():
        return None
    try:
        return open_segmenter(weights, model)
    except InputError as err:
        warnings.warn(f"{err}; until then parts are not known", Note, stacklevel=2)
        return None
