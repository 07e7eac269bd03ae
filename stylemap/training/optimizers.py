"""What is trained, and by which optimisers."""

from dataclasses import dataclass

import torch
from torch import nn

from stylemap.config import ModelConfig, OptimConfig
from stylemap.errors import InputError
from stylemap.model import Model
from stylemap.networks import Discriminator


class Networks(nn.Module):
    """Generator and encoder (together a `Model`) and discriminator."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.model = Model(config)
        self.discriminator = Discriminator(config).to(memory_format=torch.channels_last)

    @property
    def generator(self) -> nn.Module:
        return self.model.generator

    @property
    def encoder(self) -> nn.Module:
        return self.model.encoder


@dataclass(frozen=True)
class Optimizers:
    """Adam for each network."""

    generator: torch.optim.Adam
    encoder: torch.optim.Adam
    discriminator: torch.optim.Adam

    @classmethod
    def build(cls, networks: Networks, config: OptimConfig) -> "Optimizers":
        """Also freezes the first layers of the discriminator, if the config says so.

        Raises:
            InputError: the discriminator has fewer layers.
        """

        def adam(module: nn.Module, lazy: float = 1.0) -> torch.optim.Adam:
            parameters = [p for p in module.parameters() if p.requires_grad]
            betas = (config.beta1**lazy, config.beta2**lazy)
            return torch.optim.Adam(parameters, lr=config.lr * lazy, betas=betas, fused=True)

        freeze(networks.discriminator, config.freeze_d)
        # D takes one more step every r1_every iterations; slower ones keep its pace (StyleGAN2, section 3.1).
        penalised = config.r1_gamma != 0 or config.r2_gamma > 0
        lazy = config.r1_every / (config.r1_every + 1) if penalised else 1.0
        return cls(adam(networks.generator), adam(networks.encoder), adam(networks.discriminator, lazy))

    def all(self) -> tuple[torch.optim.Adam, ...]:
        return self.generator, self.encoder, self.discriminator

    def scale_lr(self, factor: float) -> None:
        """Learning rates become ``factor`` times those of the config."""
        for optimizer in self.all():
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("full_lr", group["lr"])

    def state_dict(self) -> dict:
        return {name: getattr(self, name).state_dict() for name in self.__dataclass_fields__}

    def load_state_dict(self, state: dict) -> None:
        """Restore the moments; learning rates and betas stay those of the config, which may have changed."""
        for name in self.__dataclass_fields__:
            optimizer = getattr(self, name)
            wanted = [{key: group[key] for key in ("lr", "betas")} for group in optimizer.param_groups]
            optimizer.load_state_dict(state[name])
            for group, values in zip(optimizer.param_groups, wanted, strict=True):
                group.pop("full_lr", None)
                group.update(values)


def freeze(discriminator: Discriminator, layers: int) -> None:
    """The first ``layers`` of from-RGB and the blocks keep their weights (FreezeD, Mo et al. 2020).

    Raises:
        InputError: there are fewer.
    """
    freezable = [discriminator.from_rgb, *discriminator.blocks]
    if layers > len(freezable):
        raise InputError(f"optim.freeze_d {layers}: this discriminator has {len(freezable)} layers to freeze")
    for module in freezable[:layers]:
        module.requires_grad_(False)
