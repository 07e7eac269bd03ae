"""What is trained, and by which optimisers."""

from dataclasses import dataclass

import torch
from torch import nn

from stylemap import architectures
from stylemap.architectures.discriminator import Discriminator
from stylemap.config import TrainConfig
from stylemap.errors import InputError


class Networks(nn.Module):
    """Generator and encoder (together the model), discriminator, and the buffers that the training cycle keeps."""

    def __init__(self, config: TrainConfig):
        super().__init__()
        self.model = architectures.build(config.model, config.has_encoder)
        self.discriminator = architectures.build_discriminator(config.model).to(memory_format=torch.channels_last)
        for name, value in architectures.cycle_class(config.model).buffers(config).items():
            self.register_buffer(name, value)

    @property
    def generator(self) -> nn.Module:
        return self.model.generator

    @property
    def encoder(self) -> nn.Module | None:
        return self.model.encoder


@dataclass(frozen=True)
class Optimizers:
    """Adam for each network."""

    generator: torch.optim.Adam
    encoder: torch.optim.Adam | None  # None where there is no encoder
    discriminator: torch.optim.Adam

    @classmethod
    def build(cls, networks: Networks, config: TrainConfig) -> "Optimizers":
        """Also freezes the first layers of the discriminator, if the config says so.

        Raises:
            InputError: the discriminator has fewer layers.
        """

        optim = config.optim

        def adam(module: nn.Module, every: int | None = None, lr_mul: float = 1.0) -> torch.optim.Adam:
            # A penalty every few iterations is one step more, so steps are smaller by as much (StyleGAN2, section 3.1).
            lazy = every / (every + 1) if every else 1.0
            parameters = [p for p in module.parameters() if p.requires_grad]
            betas = (optim.beta1**lazy, optim.beta2**lazy)
            return torch.optim.Adam(parameters, lr=optim.lr * lr_mul * lazy, betas=betas, fused=True)

        freeze(networks.discriminator, optim.freeze_d)
        penalised = optim.r1_gamma != 0 or optim.r2_gamma > 0
        return cls(
            adam(networks.generator, config.generator_penalty_every),
            adam(networks.encoder) if networks.encoder is not None else None,
            adam(networks.discriminator, optim.r1_every if penalised else None, optim.discriminator_lr_mul),
        )

    def named(self) -> dict[str, torch.optim.Adam]:
        """By network; without the encoder's where there is no encoder."""
        return {name: optimizer for name, optimizer in vars(self).items() if optimizer is not None}

    def all(self) -> tuple[torch.optim.Adam, ...]:
        return tuple(self.named().values())

    def scale_lr(self, factor: float) -> None:
        """Set learning rates to ``factor`` times those of the config."""
        for optimizer in self.all():
            for group in optimizer.param_groups:
                group["lr"] = factor * group.setdefault("full_lr", group["lr"])

    def state_dict(self) -> dict:
        return {name: optimizer.state_dict() for name, optimizer in self.named().items()}

    def load_state_dict(self, state: dict) -> None:
        """Restore the moments; learning rates and all else stay those of the config, which may have changed.

        Raises:
            KeyError, TypeError, ValueError: this is not such a state.
        """
        for name, optimizer in self.named().items():
            (settings,) = ({k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups)
            optimizer.load_state_dict(state[name])
            (group,) = optimizer.param_groups
            group.pop("full_lr", None)
            group.update(settings)
            for parameter, moments in optimizer.state.items():
                shapes = {"step": (), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
                if {key: tuple(value.shape) for key, value in moments.items()} != shapes:
                    raise ValueError(f"moments of the {name} that do not fit")


def freeze(discriminator: Discriminator, layers: int) -> None:
    """The first ``layers`` of from-RGB and the blocks keep their weights (FreezeD, Mo et al. 2020).

    Raises:
        InputError: there are fewer.
    """
    freezable = discriminator.freezable
    if layers > len(freezable):
        raise InputError(f"optim.freeze_d {layers}: this discriminator has {len(freezable)} layers to freeze")
    for module in freezable[:layers]:
        module.requires_grad_(False)
