"""Training: samples fool D, D tells them from real images, reconstructions equal the images; with a term of its own."""

import torch

from stylemap.architectures.cycle import Cycle, Pass, Terms, frozen
from stylemap.precision import full


class RegionsCycle(Cycle):
    terms = (
        "generator_adversarial",
        "discriminator_real",
        "discriminator_fake",
        "image_reconstruction",
        "perceptual",
        "encoder_adversarial",
        "balance",
    )

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        return self.generator_step(passes) | self.discriminator_step(passes) | self.image_step(passes)

    def generator_step(self, passes: list[Pass]) -> Terms:
        with self._descent(len(passes), self.optimizers.generator) as descent, frozen(self.networks.discriminator):
            for part in passes:
                loss = self._fools(self._judge(self.networks.generator(part.chance.z[0]), part), part).mean()
                descent.add(loss, generator_adversarial=loss)
        return descent.terms

    def discriminator_step(self, passes: list[Pass]) -> Terms:
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for part in passes:
                with torch.no_grad():
                    fake = self.networks.generator(part.chance.z[1])
                terms = self._real_or_fake(self._judge(part.real, part), self._judge(fake, part))
                descent.add(sum(terms.values()), terms)
        return descent.terms

    def image_step(self, passes: list[Pass]) -> Terms:
        optimizers = self.optimizers.encoder, self.optimizers.generator
        with self._descent(len(passes), *optimizers) as descent, frozen(self.networks.discriminator):
            for part in passes:
                latent = self.networks.model.encode(part.real)
                terms = self._image_terms(full(self.networks.model.synthesize(latent)), part)
                terms["balance"] = (latent[:, 0] - latent[:, 1]).square().mean()
                descent.add(self._weighted(terms), terms)
        return descent.terms
