"""One iteration of the cyclic scheme (StyleMapGAN, section 3.3): a method for each phase."""

from dataclasses import replace

import torch
from torch import Tensor

from stylemap.architectures import losses
from stylemap.architectures.cycle import Cycle, Fakes, Pass, Terms
from stylemap.architectures.stylemap import transplants
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.architectures.stylemap.transplants import StylemapChance
from stylemap.precision import float32, full


class StylemapCycle(Cycle):
    """Trains G, E and D of a StyleMapGAN."""

    terms = (
        "generator_adversarial",
        "latent_reconstruction",
        "discriminator_real",
        "discriminator_fake",
        "discriminator_reconstruction",
        "real_sign",  # no loss: mean sign of D's logits of real images, what the adaptive augmentation goes by
        "r1_penalty",
        "r2_penalty",
        "image_reconstruction",
        "perceptual",
        "encoder_adversarial",
    )
    shares_reconstruction = True  # discriminator_step and image_step do, if there is one pass

    @classmethod
    def draw(cls, config: StylemapTraining, seen: int) -> StylemapChance:
        return transplants.draw(config, seen)

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        """All phases that are due after ``seen`` images, in their order, each over all passes.

        While less than ``loss.autoencoder_images`` are seen, only the image cycle learns, without D. Then D begins with E's
        layers, and for ``loss.discriminator_images`` it learns alone.
        """
        if seen < self.config.loss.autoencoder_images:
            return self.image_step(passes, adversarial=False)
        if seen and not self.knows_images(self.config, self.optimizers):
            self.networks.discriminator.begin_with(self.networks.encoder)
        alone = seen < self.config.loss.autoencoder_images + self.config.loss.discriminator_images
        terms = {} if alone else self._sample_steps(passes)
        more, judged = self.discriminator_step(passes)
        terms |= more
        if self._penalty_is_due(seen):
            terms |= self.penalty_step(passes, judged)
        return terms if alone else terms | self.image_step(passes, judged)

    def _sample_steps(self, passes: list[Pass]) -> Terms:
        terms, stylemaps, fakes = self.generator_step(passes)
        return terms | self.latent_step(stylemaps, fakes)

    def _fakes(self, part: Pass, alone: bool) -> Fakes:
        """Samples and reconstructions.

        Of a pass alone, the reconstruction keeps its graph for `image_step`, because neither G nor E changes before it. With
        several passes, their graphs would take the memory that the passes save. With transplants `image_step` has its own.
        """
        samples = super()._fakes(part, alone)
        with torch.set_grad_enabled(self.shares_reconstruction and alone and not self.config.loss.transplants):
            return *samples, self._reconstruct(part)

    def _pair(self, part: Pass, fakes: Fakes | None) -> tuple[Pass, Tensor]:
        """Some of the images are transplants, if the config says so."""
        return self._transplant(part) if self.config.loss.transplants else super()._pair(part, fakes)

    def _transplant(self, part: Pass) -> tuple[Pass, Tensor]:
        """The pass with transplants in its images, and what G makes of the same transplants in the stylemaps."""
        image = self.networks.model.render(transplants.styles(self.networks.model, part.real, part.chance))
        with float32():
            return replace(part, real=transplants.lay(part.real, part.chance, part.real.shape[-1])), full(image)

    def _discriminator_loss(
        self, part: Pass, fakes: Fakes, real: Tensor, fake: Tensor, reconstruction: Tensor
    ) -> tuple[Tensor, Terms]:
        terms = self._real_or_fake(real, fake)
        again = (losses.fools(real, reconstruction) if self.relativistic else losses.is_fake(reconstruction)).mean()
        total = sum(terms.values()) + self.config.loss.discriminator_reconstruction * again
        return total, terms | {"discriminator_reconstruction": again} | self._real_sign(real)
