"""One iteration of the cyclic scheme (StyleMapGAN, section 3.3), a function per phase.

Each function computes its terms, takes the gradient of their weighted sum and steps its optimisers; it returns the terms,
unweighted and detached. In every phase only the networks it trains collect gradients.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylemap.config import LossConfig, ModelConfig, OptimConfig
from stylemap.model import Model
from stylemap.networks import Discriminator
from stylemap.training import losses
from stylemap.training.perceptual import Perceptual

Terms = dict[str, Tensor]  # name -> scalar
TERMS = (  # all of them, in the order of the cycle
    "generator_adversarial",
    "latent_reconstruction",
    "discriminator_real",
    "discriminator_fake",
    "discriminator_reconstruction",
    "r1_penalty",
    "image_reconstruction",
    "perceptual",
    "encoder_adversarial",
)


class Networks(nn.Module):
    """What is trained."""

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
        def adam(module: nn.Module, lazy: float = 1.0) -> torch.optim.Adam:
            betas = (config.beta1**lazy, config.beta2**lazy)
            return torch.optim.Adam(module.parameters(), lr=config.lr * lazy, betas=betas, fused=True)

        # D takes one more step every r1_every iterations; slower ones keep its pace (StyleGAN2, section 3.1).
        lazy = config.r1_every / (config.r1_every + 1) if config.r1_gamma > 0 else 1.0
        return cls(adam(networks.generator), adam(networks.encoder), adam(networks.discriminator, lazy))

    def state_dict(self) -> dict:
        return {name: getattr(self, name).state_dict() for name in self.__dataclass_fields__}

    def load_state_dict(self, state: dict) -> None:
        """Restore the moments; learning rates and betas stay those of the config, which may have changed."""
        for name in self.__dataclass_fields__:
            optimizer = getattr(self, name)
            wanted = [{key: group[key] for key in ("lr", "betas")} for group in optimizer.param_groups]
            optimizer.load_state_dict(state[name])
            for group, values in zip(optimizer.param_groups, wanted, strict=True):
                group.update(values)


def generator_step(
    networks: Networks, optimizers: Optimizers, z: Tensor, config: LossConfig
) -> tuple[Terms, Tensor, Tensor]:
    """1. Samples fool D. Also returns the stylemaps and samples, detached, for `latent_step`."""
    stylemap = networks.generator.mapping(z)
    fake = networks.generator.synthesize(stylemap)
    with frozen(networks.discriminator):
        loss = losses.fools(networks.discriminator(fake)).mean()
        _descend(config.generator_adversarial * loss, optimizers.generator)
    return {"generator_adversarial": loss.detach()}, stylemap.detach(), fake.detach()


def latent_step(
    networks: Networks, optimizers: Optimizers, stylemap: Tensor, fake: Tensor, config: LossConfig
) -> Terms:
    """2. E finds the stylemap a sample was made from."""
    loss = losses.squared_error(networks.encoder(fake), stylemap).mean()
    _descend(config.latent_reconstruction * loss, optimizers.encoder)
    return {"latent_reconstruction": loss.detach()}


def discriminator_step(
    networks: Networks, optimizers: Optimizers, real: Tensor, z: Tensor, config: LossConfig
) -> tuple[Terms, Tensor]:
    """3. D tells real images from samples and from reconstructions, each in a pass of its own.

    Also returns the reconstruction with its graph: neither G nor E changes before `image_step`, which needs the same.
    """
    with torch.no_grad():
        fake = networks.generator(z)
    reconstruction = networks.generator.synthesize(networks.encoder(real))
    d = networks.discriminator
    terms = {
        "discriminator_real": losses.is_real(d(real)).mean(),
        "discriminator_fake": losses.is_fake(d(fake)).mean(),
        "discriminator_reconstruction": losses.is_fake(d(reconstruction.detach())).mean(),
    }
    total = terms["discriminator_real"] + terms["discriminator_fake"]
    total = total + config.discriminator_reconstruction * terms["discriminator_reconstruction"]
    _descend(total, optimizers.discriminator)
    return _detached(terms), reconstruction


def r1_step(networks: Networks, optimizers: Optimizers, real: Tensor, config: OptimConfig) -> Terms:
    """4. D's gradient on real images stays small; stronger because it is only done every ``r1_every`` iterations."""
    real = real.detach().requires_grad_(True)
    penalty = losses.gradient_penalty(real, networks.discriminator(real)).mean()
    _descend(config.r1_every * config.r1_gamma / 2 * penalty, optimizers.discriminator)
    return {"r1_penalty": penalty.detach()}


def image_step(
    networks: Networks,
    optimizers: Optimizers,
    real: Tensor,
    reconstruction: Tensor,
    perceptual: Perceptual,
    config: LossConfig,
) -> Terms:
    """5. G(E(x)) equals x in pixels and features, and fools D."""
    d = networks.discriminator
    with frozen(d):
        features = d.features(reconstruction)
        terms = {
            "image_reconstruction": losses.squared_error(reconstruction, real).mean(),
            "perceptual": perceptual(real, reconstruction, d, features).mean(),
            "encoder_adversarial": losses.fools(d.classify(features[-1])).mean(),
        }
        total = sum(getattr(config, name) * value for name, value in terms.items())
        _descend(total, optimizers.encoder, optimizers.generator)
    return _detached(terms)


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Gradients flow through the module but not into its weights, which saves their computation."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


def _descend(loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def _detached(terms: Terms) -> Terms:
    return {name: value.detach() for name, value in terms.items()}
