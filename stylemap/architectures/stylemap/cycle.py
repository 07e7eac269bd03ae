"""One iteration of the cyclic scheme (StyleMapGAN, section 3.3): a method for each phase."""

from dataclasses import replace

import torch
from torch import Tensor

from stylemap.architectures import losses
from stylemap.architectures.cycle import Cycle, Judged, Pass, Terms, frozen
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

        While less than ``loss.autoencoder_images`` are seen, only the image cycle learns, without D.
        """
        if seen < self.config.loss.autoencoder_images:
            return self.image_step(passes, None, adversarial=False)
        terms, stylemaps, fakes = self.generator_step(passes)
        terms |= self.latent_step(stylemaps, fakes)
        del stylemaps, fakes
        more, judged = self.discriminator_step(passes)
        terms |= more
        if self._penalty_is_due(seen):
            terms |= self.penalty_step(passes, judged)
        return terms | self.image_step(passes, judged)

    def discriminator_step(self, passes: list[Pass]) -> tuple[Terms, Judged]:
        """D tells real images from samples and from reconstructions; it judges each kind by itself.

        With one pass, the reconstruction keeps its graph for `image_step`, because neither G nor E changes before it. With
        several passes, their graphs would take the memory that the passes save.
        """
        keep = self.shares_reconstruction and len(passes) == 1
        judged = Judged()
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for part in passes:
                with self._autocast():
                    with torch.no_grad():
                        fake = full(self.networks.generator(part.chance.z[1]))
                    with torch.set_grad_enabled(keep):
                        reconstruction = self._reconstruct(part.real)
                    kinds = (part.real, fake, reconstruction.detach())
                    real, other, again = (self._judge(images, part) for images in kinds)
                descent.add(*self._discriminator_losses(real, other, again))
                if self.augment is not None:
                    self.augment.observe(real.detach())
                judged.fakes.append(fake)
                judged.reconstructions.append(reconstruction)
        return descent.terms, judged

    def image_step(self, passes: list[Pass], judged: Judged | None, adversarial: bool = True) -> Terms:
        """G(E(x)) equals x in pixels and features, and fools D. Without D, some of the images are transplants."""
        shared = judged is not None and judged.reconstructions[0].requires_grad
        with (
            self._descent(len(passes), self.optimizers.encoder, self.optimizers.generator) as descent,
            frozen(self.networks.discriminator),
        ):
            for i, part in enumerate(passes):
                with self._autocast():
                    if self.config.loss.transplants and not adversarial:
                        part, reconstruction = self._transplant(part)
                    else:
                        reconstruction = judged.reconstructions[i] if shared else self._reconstruct(part.real)
                    terms = self._image_terms(reconstruction, part, adversarial)
                descent.add(self._weighted(terms), terms)
        return descent.terms

    def _transplant(self, part: Pass) -> tuple[Pass, Tensor]:
        """The pass with transplants in its images, and what G makes of the same transplants in the stylemaps."""
        resolution = part.real.shape[-1]
        styles = self.networks.model.resize(self.networks.model.encode(part.real))
        image = self.networks.model.render([transplants.lay(x, part.chance, resolution) for x in styles])
        with float32():
            return replace(part, real=transplants.lay(part.real, part.chance, resolution)), full(image)

    def _sample(self, part: Pass) -> tuple[Tensor, Tensor]:
        stylemap = self.networks.generator.mapping(part.chance.z[0])
        return stylemap, full(self.networks.generator.synthesize(stylemap))

    def _discriminator_losses(self, real: Tensor, fake: Tensor, reconstruction: Tensor) -> tuple[Tensor, Terms]:
        """Logits -> (the weighted sum, the terms)."""
        terms = self._real_or_fake(real, fake)
        total = sum(terms.values())
        again = losses.fools(real, reconstruction) if self.relativistic else losses.is_fake(reconstruction)
        terms["discriminator_reconstruction"] = again.mean()
        total = total + self.config.loss.discriminator_reconstruction * terms["discriminator_reconstruction"]
        return total, terms | self._real_sign(real)
