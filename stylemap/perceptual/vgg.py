"""VGG-16 (Simonyan and Zisserman, arXiv 1409.1556) with the distance LPIPS v0.1 (Zhang et al., arXiv 1801.03924)."""

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import pickles
from stylemap.errors import InputError
from stylemap.perceptual.network import Perceptual, shrink, unit
from stylemap.precision import in_float32
from stylemap.published import VGG

CONVOLUTIONS = (2, 2, 3, 3, 3)  # in its five blocks: table 1, column D
WIDTHS = (64, 128, 256, 512, 512)
VGG_LAYERS = tuple(f"conv{block + 1}_{k + 1}" for block, count in enumerate(CONVOLUTIONS) for k in range(count))
LPIPS_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
# of ImageNet's pixels in [0, 1], as torchvision's weights want them
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NARROW = (16, 24, 32, 48, 64)  # widths of the random stand-in
PROJECTED_SIDE = 256  # of the images that StyleGAN2's projector compares (arXiv 1912.04958, appendix D)


class Vgg(Perceptual):
    """VGG-16, or a network of its form.

    Args:
        convolutions: weight and bias of each, by name.
        linear: what LPIPS weighs the channels of LPIPS_LAYERS by, [C] each, not negative; None weighs the layers alike.
        largest: larger images are averaged down towards this side, as projectors do; None leaves them as they are, as LPIPS is
            defined.
    """

    def __init__(
        self,
        convolutions: dict[str, tuple[Tensor, Tensor]],
        linear: list[Tensor] | None,
        origin: dict,
        device: str | torch.device = "cpu",
        largest: int | None = PROJECTED_SIDE,
    ):
        self.convolutions = {
            name: (w.to(device, memory_format=torch.channels_last), b.to(device))
            for name, (w, b) in convolutions.items()
        }
        if linear is None:
            linear = [torch.full((len(convolutions[name][1]),), 1 / len(LPIPS_LAYERS)) for name in LPIPS_LAYERS]
        self.roots = [weight.sqrt().to(device).view(1, -1, 1, 1) for weight in linear]
        self.mean, self.deviation = (torch.tensor(x, device=device).view(1, 3, 1, 1) for x in (MEAN, DEVIATION))
        self.origin, self.largest = origin, largest

    @in_float32
    def maps(self, images: Tensor) -> list[Tensor]:
        layers = self.activations(images, LPIPS_LAYERS)
        return [unit(x) * root for x, root in zip(layers, self.roots, strict=True)]

    @in_float32
    def activations(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        images = images if self.largest is None else shrink(images, self.largest)
        x = ((images + 1) / 2 - self.mean) / self.deviation
        seen: dict[str, Tensor] = {}
        for name, (weight, bias) in self.convolutions.items():
            if name.endswith("_1") and name != "conv1_1" and x.shape[-1] > 1:
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            if name in layers:
                seen[name] = x
            if name == max(layers):
                break
        return [seen[name] for name in layers]


def load(path: str | None, device: str | torch.device = "cpu", largest: int | None = PROJECTED_SIDE) -> Vgg:
    """VGG-16 with the linear layers of LPIPS v0.1.

    Args:
        path: of torchvision's vgg16-397923af.pth; None looks in torch's cache.

    Raises:
        InputError: the file is missing, or holds other weights.
    """
    weights = read_weights(path)
    # torchvision numbers the convolutions among ReLUs and pools
    numbers = sorted({int(key.split(".")[1]) for key in weights if key.startswith("features.")})
    convolutions = {
        name: (weights[f"features.{k}.weight"], weights[f"features.{k}.bias"])
        for name, k in zip(VGG_LAYERS, numbers, strict=True)
    }
    origin = {"network": "VGG-16; distance LPIPS v0.1, linear", **VGG.origin(VGG.path(path), "lpips"), "stand_in": None}
    return Vgg(convolutions, lpips_linear(), origin, device, largest)


def read_weights(path: str | None) -> dict[str, Tensor]:
    """torchvision's VGG-16 weights from a file or torch's cache.

    Raises:
        InputError: the file is missing, or holds other weights; the message says how to get them.
    """
    file = VGG.path(path)
    if not file.is_file():
        raise InputError(
            f"LPIPS needs VGG-16 weights, and {file} is missing: {VGG.command} gets them, --vgg (train: --loss.vgg) names a "
            "file; or take another perceptual network, such as discriminator"
        )
    try:
        weights = pickles.content(file)
        if weights["features.0.weight"].shape != (64, 3, 3, 3):
            raise ValueError("the first layer has another shape")
    except Exception as err:  # damage comes out as nearly any type
        raise InputError(
            f"{file} does not hold torchvision's VGG-16 weights ({type(err).__name__}); {VGG.command} gets them"
        ) from err
    return weights


def random(
    seed: int = 0,
    device: str | torch.device = "cpu",
    widths: Sequence[int] = NARROW,
    largest: int | None = PROJECTED_SIDE,
) -> Vgg:
    """The form of VGG-16 with random weights: its features still tell structure from tint (Ulyanov et al., arXiv 1711.10925)."""
    rng = torch.Generator().manual_seed(seed)
    convolutions, inputs = {}, 3
    of_layers = [width for width, count in zip(widths, CONVOLUTIONS, strict=True) for _ in range(count)]
    for name, width in zip(VGG_LAYERS, of_layers, strict=True):
        weight = torch.randn(width, inputs, 3, 3, generator=rng, device="cpu") * math.sqrt(2 / (9 * inputs))
        convolutions[name] = (weight, torch.zeros(width))
        inputs = width
    origin = {"network": f"VGG-16 form, widths {tuple(widths)}, seed {seed}", "stand_in": "random weights"}
    return Vgg(convolutions, None, origin, device, largest)


def lpips_linear() -> list[Tensor]:
    """The linear layers of LPIPS v0.1 for VGG-16, [C] each: a file of the lpips package, whose import would take seconds."""
    folder = Path(importlib.util.find_spec("lpips").origin).parent
    state = torch.load(folder / "weights/v0.1/vgg.pth", map_location="cpu", weights_only=True)
    return [state[f"lin{k}.model.1.weight"].flatten() for k in range(len(LPIPS_LAYERS))]
