"""Training of the mapping network alone, on stylemaps instead of images.

After the image cycle alone (``loss.autoencoder_images``), the generator draws what the encoder saw, and nothing has taught the
mapping network: samples are noise. A small discriminator then compares mapped z with the stylemaps of encoded images, as in
latent-space GANs over an autoencoder (Achlioptas et al. 2018, arXiv 1707.02392, section 4). It looks at a few cells instead of
an image, so a step takes a hundredth of a step on images.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylemap import randomness
from stylemap.architectures import losses
from stylemap.architectures.cycle import frozen
from stylemap.architectures.discriminator import minibatch_stddev
from stylemap.architectures.layers import DownBlock, EqualConv, EqualLinear
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.architectures.stylemap.networks import Mapping
from stylemap.operators.bias_act import GAIN, SLOPE
from stylemap.randomness import Purpose
from stylemap.training import ema

LAST_SIDE = 4  # at most: larger maps are halved down to it
LEAST_DEVIATION = 1e-4  # of a channel of the stylemaps
DECAY = 0.998  # of the running average of the weights, per iteration
CALIBRATION = 1 << 62  # a place of random numbers that no iteration has
MAPPED, ROUNDS = 512, 20  # z and rounds of the calibration


@dataclass(frozen=True)
class MappingTraining:
    """How the mapping network is trained alone."""

    iterations: int = 6000
    """Steps of both networks."""
    batch: int = 32
    """Stylemaps of each kind in a step."""
    lr: float = 2e-4
    """Learning rate of the mapping network as it acts: of Adam, divided by ``model.mapping_lr_mul``."""
    discriminator_lr: float = 2e-3
    """Learning rate of the discriminator."""
    r1_gamma: float = 5.0
    """Weight of R1, the gradient penalty on stylemaps of images."""
    r1_every: int = 8
    """Iterations between gradient penalties; each is multiplied by this number."""
    seed: int = 0
    """Of the order of the stylemaps, of z, and of the discriminator's first weights."""


class StylemapDiscriminator(nn.Module):
    """Stylemaps [N, C, S, S] -> logits [N, 1], positive for stylemaps of images.

    Args:
        mean, deviation: [C, S, S] and [C, 1, 1] of the stylemaps of images, by which all are standardised.
    """

    def __init__(self, config: StylemapConfig, mean: Tensor, deviation: Tensor):
        super().__init__()
        c, side = 2 * config.stylemap_channels, config.stylemap_size
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        layers: list[nn.Module] = [EqualConv(config.stylemap_channels, c, 3)]
        while side > LAST_SIDE:
            layers.append(DownBlock(c, c))
            side //= 2
        self.blocks = nn.Sequential(*layers)
        self.final_conv = EqualConv(c + 1, c, 3)
        self.final_linear = nn.Sequential(EqualLinear(c * side**2, c), EqualLinear(c, 1, activate=False))

    def forward(self, stylemaps: Tensor) -> Tensor:
        x = self.blocks((stylemaps - self.mean) / self.deviation)
        return self.final_linear(self.final_conv(minibatch_stddev(x)).flatten(1))


def train_mapping(
    model: StylemapModel,
    stylemaps: Tensor,
    config: MappingTraining,
    advance: Callable[[int], None] = lambda done: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train the mapping network of a model until mapped z are like the stylemaps of images; nothing else changes.

    The network gets the running average of its weights.

    Args:
        stylemaps: [M, C, S, S], of encoded training images.
        advance: called after each iteration, with the number of those done. The model has the average by then.
        stop: asked before each iteration whether to stop there.

    Returns:
        The number of iterations done.
    """
    device = model.device
    deviation, mean = (x.to(device) for x in torch.std_mean(stylemaps, dim=0))
    deviation = deviation.clamp(min=LEAST_DEVIATION)
    scale = deviation.square().mean(dim=(1, 2), keepdim=True).sqrt()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        discriminator = StylemapDiscriminator(model.config, mean, scale).to(device)
    mapping = copy.deepcopy(model.generator.mapping)
    _calibrate(mapping, mean, deviation, config.seed)
    mapping.requires_grad_(True)
    average = model.generator.mapping
    lr = config.lr / model.config.mapping_lr_mul
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.0, 0.99), fused=True)
        for network, rate in ((mapping, lr), (discriminator, config.discriminator_lr))
    ]
    done = 0
    while done < config.iterations and not stop():
        rng = randomness.generator(Purpose.MAPPING, config.seed, done)
        real = stylemaps[torch.from_numpy(rng.integers(len(stylemaps), size=config.batch))].to(device)
        z = torch.from_numpy(rng.standard_normal((config.batch, model.latents.z_channels), "float32")).to(device)
        # Mapped z fool the discriminator.
        with frozen(discriminator):
            fake = mapping(z)
            _step(optimizers[0], losses.fools(discriminator(fake)).mean())
        # The discriminator tells them from stylemaps of images.
        loss = losses.is_real(discriminator(real)).mean() + losses.is_fake(discriminator(fake.detach())).mean()
        if done % config.r1_every == 0:
            real.requires_grad_(True)
            penalty = losses.gradient_penalty(real, discriminator(real)).mean()
            loss = loss + config.r1_gamma / 2 * config.r1_every * penalty
        _step(optimizers[1], loss)
        done += 1
        decay = min(DECAY, (done - 1) / (done + 9))  # shorter at first, to forget the beginning
        ema.update(average, mapping, decay)
        advance(done)
    return done


@torch.no_grad()
def _calibrate(mapping: Mapping, mean: Tensor, deviation: Tensor, seed: int) -> None:
    """Scale and shift the outputs so that mapped z have the mean and the deviation of stylemaps, both [C, S, S].

    A start that depends on the data (Salimans and Kingma 2016): the last biases would take thousands of steps to get there.
    The output scales with the last layer. To shift it through the leaky ReLU takes Newton steps, hence the rounds.
    """
    last = mapping.layers[-1]
    rng = randomness.generator(Purpose.MAPPING, seed, CALIBRATION)
    z = torch.from_numpy(rng.standard_normal((MAPPED, mapping.layers[0].weight.shape[1]), "float32")).to(mean.device)
    for _ in range(ROUNDS):
        w = mapping(z)
        scale = (deviation / w.std(dim=0).clamp(min=LEAST_DEVIATION)).flatten()
        last.weight *= scale[:, None]
        last.bias *= scale
        w = mapping(z)
        slope = GAIN * torch.where(w > 0, 1.0, SLOPE).mean(dim=0)
        last.bias += ((mean - w.mean(dim=0)) / slope).flatten() / last.lr_mul


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
