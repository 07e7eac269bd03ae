"""Training: samples fool D, D tells them from real images, reconstructions equal the images; with a term of its own."""

from torch import Tensor

from stylemap.architectures.cycle import Cycle, Pass, Terms


class RegionsCycle(Cycle):
    terms = (
        "generator_adversarial",
        "discriminator_real",
        "discriminator_fake",
        "real_sign",
        "image_reconstruction",
        "perceptual",
        "encoder_adversarial",
        "balance",
    )

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        terms, _, _ = self.generator_step(passes)
        more, _ = self.discriminator_step(passes)
        return terms | more | self.image_step(passes)

    def _image_terms(self, reconstruction: Tensor, part: Pass, adversarial: bool = True) -> Terms:
        latent = self.networks.model.encode(part.real)
        balance = (latent[:, 0] - latent[:, 1]).square().mean()
        return super()._image_terms(reconstruction, part, adversarial) | {"balance": balance}
