"""One iteration of SEAN: D tells images from reconstructions, then E and G reconstruct images that fool D (SEAN, section 4.3).

Every image keeps its own mask. What differs from the publication: D and G of an iteration judge and make the same
reconstructions, which are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stylemap import randomness
from stylemap.architectures import chance
from stylemap.architectures import losses as common_losses
from stylemap.architectures.cycle import Cycle, Fakes, Pass, Terms
from stylemap.architectures.sean import losses
from stylemap.architectures.sean.config import SeanTraining
from stylemap.architectures.sean.layers import SpectralConv
from stylemap.architectures.sean.losses import Scales
from stylemap.architectures.vector.chance import normals
from stylemap.precision import full
from stylemap.randomness import Purpose


@dataclass(frozen=True)
class SeanChance(chance.Chance):
    """The draws for N reconstructions; z is empty."""

    seeds: tuple[int, ...]
    """[N], of the noise maps."""

    def take(self, places: Sequence[int]) -> "SeanChance":
        return SeanChance(self.z[:, list(places)], tuple(self.seeds[i] for i in places))

    def to(self, device: torch.device) -> "SeanChance":
        return SeanChance(self.z.to(device), self.seeds)


class SeanCycle(Cycle):
    """Trains G, E and D of a SEAN. D gives the features and logits of `losses.Scales`."""

    terms = (
        "discriminator_real",
        "discriminator_fake",
        "real_sign",  # no loss: mean sign of D's logits of real images, which an alarm goes by
        "image_reconstruction",
        "perceptual",
        "feature_matching",
        "encoder_adversarial",
    )

    @classmethod
    def draw(cls, config: SeanTraining, seen: int) -> SeanChance:
        rng = randomness.generator(Purpose.CHANCE, config.seed, seen)
        seeds = rng.integers(2**63, size=config.batch).tolist()
        return SeanChance(torch.from_numpy(np.empty((2, config.batch, 0), np.float32)), tuple(seeds))

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        for network in (self.networks.generator, self.networks.discriminator):
            for layer in network.modules():
                if isinstance(layer, SpectralConv):
                    layer.iterate()
        terms, judged = self.discriminator_step(passes)
        return terms | self.image_step(passes, judged)

    # ---- the parts of the phases

    def _fakes(self, part: Pass, alone: bool) -> Fakes:
        """Reconstructions, which keep their graph for `image_step` if there is no other pass."""
        with torch.set_grad_enabled(alone):
            return (self._reconstruct(part),)

    def _reconstruct(self, part: Pass) -> Tensor:
        model = self.networks.model
        noise = normals(
            part.chance.seeds, [block.constant_noise.shape for block in model.generator.blocks], model.device
        )
        return full(model.generate(model.encode(part.real, **part.extras), **part.extras, noise=noise))

    def _judge(self, images: Tensor, part: Pass) -> Scales:
        return self.networks.discriminator(images, part.extras["masks"])

    def _discriminator_loss(self, part: Pass, fakes: Fakes, real: Scales, fake: Scales) -> tuple[Tensor, Terms]:
        terms = {
            "discriminator_real": losses.hinge_real(real).mean(),
            "discriminator_fake": losses.hinge_fake(fake).mean(),
        }
        sign = torch.stack([scale[-1].detach().sign().mean() for scale in real]).mean()
        return sum(terms.values()), terms | {"real_sign": sign}

    def _image_terms(self, reconstruction: Tensor, part: Pass, adversarial: bool = True) -> Terms:
        with torch.no_grad():
            real = self._judge(part.real, part)
        fake = self._judge(reconstruction, part)
        return {
            "image_reconstruction": common_losses.squared_error(reconstruction, part.real).mean(),
            "perceptual": self._perceptual_distance(reconstruction, part, []).mean(),
            "feature_matching": losses.feature_matching(real, fake).mean(),
            "encoder_adversarial": losses.hinge_fools(fake).mean(),
        }
