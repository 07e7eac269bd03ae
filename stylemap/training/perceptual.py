"""The perceptual term of the image cycle, injected into training: LPIPS, the discriminator's own features, or none."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from stylemap import pickles
from stylemap.architectures.losses import feature_distance
from stylemap.config import LossConfig
from stylemap.errors import InputError
from stylemap.precision import in_float32

# (real [N, 3, R, R], reconstruction [N, 3, R, R], the discriminator's features of the reconstruction, and of the real images
# when asked for) -> [N]. The former are at hand because the adversarial term needs them too.
Perceptual = Callable[[Tensor, Tensor, list[Tensor], Callable[[], list[Tensor]]], Tensor]

VGG_FILE = "vgg16-397923af.pth"
VGG_URL = f"https://download.pytorch.org/models/{VGG_FILE}"


def build(config: LossConfig, device: torch.device) -> Perceptual:
    """The term a config names.

    Raises:
        InputError: LPIPS without its VGG weights.
    """
    if config.perceptual_network == "lpips":
        return lpips_vgg(vgg_weights(config.vgg), device)
    return {"discriminator": by_discriminator, "none": nothing}[config.perceptual_network]


def nothing(
    real: Tensor, reconstruction: Tensor, features: list[Tensor], of_real: Callable[[], list[Tensor]]
) -> Tensor:
    """Zero for every sample."""
    return real.new_zeros(len(real))


def by_discriminator(
    real: Tensor, reconstruction: Tensor, features: list[Tensor], of_real: Callable[[], list[Tensor]]
) -> Tensor:
    """Distance of the discriminator's features (feature matching, Larsen et al. 2016)."""
    with torch.no_grad():
        target = of_real()
    return feature_distance(target, features)


def lpips_vgg(vgg: dict[str, Tensor] | None, device: torch.device) -> Perceptual:
    """LPIPS v0.1 on VGG-16 (Zhang et al. 2018), images in [-1, 1].

    Args:
        vgg: torchvision's VGG-16 state dict; None leaves it random, which is for tests alone.
    """
    import lpips  # takes seconds to import, and only this needs it

    network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    if vgg is not None:
        _fill_vgg(network, vgg)
    network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    @in_float32
    def distance(
        real: Tensor, reconstruction: Tensor, features: list[Tensor], of_real: Callable[[], list[Tensor]]
    ) -> Tensor:
        return network(reconstruction, real).flatten()

    return distance


def _fill_vgg(network: nn.Module, vgg: dict[str, Tensor]) -> None:
    """lpips cuts torchvision's ``features`` into five slices but keeps the layers' numbers."""
    own = network.net.state_dict()
    network.net.load_state_dict({name: vgg["features." + name.split(".", 1)[1]] for name in own})


def vgg_file(path: str | None) -> Path:
    """Where VGG-16 weights are looked for: the given path, else torch's cache."""
    return Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE


def vgg_weights(path: str | None) -> dict[str, Tensor]:
    """torchvision's VGG-16 weights from a file or torch's cache.

    Raises:
        InputError: not there, or not those weights; says where to put them.
    """
    file = vgg_file(path)
    if not file.is_file():
        raise InputError(
            "LPIPS needs VGG-16 weights: give their path (--lpips-vgg; to a training --loss.vgg), or take the perceptual network "
            f"discriminator where there is that choice; they are not at {file}, and come from {VGG_URL}"
        )
    try:
        weights = pickles.content(file)
        if weights["features.0.weight"].shape != (64, 3, 3, 3):
            raise ValueError("the first layer has another shape")
    except Exception as err:  # damage comes out as nearly any type
        raise InputError(
            f"{file} does not hold torchvision's VGG-16 weights ({type(err).__name__}); copy it again"
        ) from err
    return weights
