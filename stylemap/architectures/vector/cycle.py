"""One iteration of a vector-latent generator, StyleGAN2 or StyleGAN, with an in-domain encoder beside it.

Generator and discriminator are trained as published: style mixing and noise inputs (Karras et al. 2019, section 3), path
length regularisation (Karras et al. 2020, section 3.2), each regularisation only every few iterations (section 3.1). The
encoder finds latents that reproduce the images, judged by the same discriminator (Zhu et al. 2020, "In-Domain GAN
Inversion for Real Image Editing", section 3.2), and the generator learns nothing from it. Data, batch, optimiser, average and
measures are those of a StyleMapGAN, so that the two compare. What differs from the publications:

* The encoder learns from the first image on, not after the generator.
* D sees no reconstructions: they would change what the generator learns.
* Style mixing has a crossover for each sample; path lengths are measured on all samples of a batch, against the mean of the
  batches before.
"""

import torch
from torch import Tensor

from stylemap.architectures.cycle import Cycle, Fakes, Pass, Terms
from stylemap.architectures.vector import chance
from stylemap.architectures.vector import losses as vector_losses
from stylemap.architectures.vector.chance import PATH, VectorChance
from stylemap.architectures.vector.config import StyleGAN2CycleConfig, VectorTraining
from stylemap.architectures.vector.generator import Generator
from stylemap.precision import full


class VectorCycle(Cycle):
    """Trains G, E and D of a model with one latent vector per layer."""

    terms = (
        "generator_adversarial",
        "path_penalty",
        "path_length",  # no loss: the mean, which the penalty draws all lengths to
        "latent_reconstruction",
        "discriminator_real",
        "discriminator_fake",
        "critic",  # of wgan-gp, in place of the former two
        "gradient_penalty",
        "real_sign",  # no loss: mean sign of D's logits of real images, what the adaptive augmentation goes by
        "r1_penalty",
        "r2_penalty",
        "image_reconstruction",
        "perceptual",
        "encoder_adversarial",
    )
    reconstructing = ("encoder",)

    @classmethod
    def buffers(cls, config: VectorTraining) -> dict[str, Tensor]:
        """For StyleGAN2 the running mean of path lengths, []; a resumed run may switch their penalty on."""
        return {"path_length": torch.zeros(())} if isinstance(config.vector, StyleGAN2CycleConfig) else {}

    @classmethod
    def draw(cls, config: VectorTraining, seen: int) -> VectorChance:
        return chance.draw(config, seen)

    @property
    def wgan(self) -> bool:
        return self.config.loss.adversarial == "wgan-gp"

    @property
    def generator(self) -> Generator:
        return self.networks.generator

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        """All phases that are due after ``seen`` images, in their order, each over all passes."""
        terms, latents, fakes = self.generator_step(passes)
        if (every := self.config.generator_penalty_every) and self._every(every, seen):
            terms |= self.path_step(passes)
        if self.config.vector.encoder:
            terms |= self.latent_step(latents, fakes)
        del latents, fakes
        more, judged = self.discriminator_step(passes)
        terms |= more
        if self._penalty_is_due(seen):
            terms |= self.penalty_step(passes, judged)
        del judged
        return terms | self.image_step(passes) if self.config.vector.encoder else terms

    def generator_step(self, passes: list[Pass]) -> tuple[Terms, list[Tensor], list[Tensor]]:
        """As of any cycle; the mean of w is tracked besides. Samples and latents are those of G as it was before its step."""
        terms, latents, fakes = super().generator_step(passes)
        # the first layer always has the w of its own z
        means = torch.stack([latent[:, 0].contiguous().mean(dim=0) for latent in latents])
        self.generator.track(self._mean(means)[None])
        return terms, latents, fakes

    def path_step(self, passes: list[Pass]) -> Terms:
        """Steps in the latent move images by a constant length, in float32.

        It is computed only every ``path_every`` iterations, so it is that much stronger.
        """
        vector, target = self.config.vector, self.networks.path_length
        with self._descent(len(passes), self.optimizers.generator) as descent:
            for part in passes:
                latent = self._latent(part, PATH, part.chance.path_z)
                images = self._images(part, PATH, latent)
                (direction,) = chance.normals(part.chance.seeds[-1], [images.shape], images.device)
                lengths = vector_losses.path_lengths(images, latent, direction)
                penalty = vector_losses.path_length_penalty(lengths, target).mean()
                descent.add(vector.path_weight * vector.path_every * penalty, path_penalty=penalty,
                            path_length=lengths.mean())  # fmt: skip
        mean = self._mean(descent.terms["path_length"][None])
        target.copy_(vector_losses.running_length(target, mean))
        return descent.terms

    # ---- the parts of them

    def _sample(self, part: Pass, step: int) -> tuple[Tensor, Tensor]:
        latent = self._latent(part, step, part.chance.z[step])
        return latent, self._images(part, step, latent)

    def _latent(self, part: Pass, step: int, z: Tensor) -> Tensor:
        """z [n, C] -> latents [n, L, C]: w before the crossover, the partner's w from there on."""
        w = self.generator.mapping(z)
        if self.config.vector.mixing == 0:
            return self.generator.tile(w)
        layers = torch.arange(self.config.model.layers, device=z.device)
        before = layers < part.chance.crossovers[step][:, None]  # [n, L]
        partner = self.generator.mapping(part.chance.partners[step])
        return torch.where(before[..., None], self.generator.tile(w), self.generator.tile(partner))

    def _images(self, part: Pass, step: int, latent: Tensor) -> Tensor:
        """Latents [n, L, C] -> images [n, 3, R, R], each with its own noise maps."""
        noise = chance.normals(part.chance.seeds[step], self.config.model.latents.noise_shapes, latent.device)
        return full(self.generator.synthesis(latent, noise))

    def _discriminator_loss(self, part: Pass, fakes: Fakes, real: Tensor, fake: Tensor) -> tuple[Tensor, Terms]:
        """That of wgan-gp has its gradient penalty in it; that of R1 is `penalty_step`."""
        if not self.wgan:
            return super()._discriminator_loss(part, fakes, real, fake)
        critic = vector_losses.wgan_critic(real, fake).mean()
        images = vector_losses.between(part.real, fakes[0], part.chance.between)
        penalty = vector_losses.wgan_gradient_penalty(images, self._judge(images, part)).mean()
        total = critic + vector_losses.WGAN_GRADIENT_WEIGHT * penalty
        return total, {"critic": critic, "gradient_penalty": penalty}

    def _fools(self, logits: Tensor, part: Pass) -> Tensor:
        return vector_losses.wgan_generator(logits) if self.wgan else super()._fools(logits, part)

    def _mean(self, parts: Tensor) -> Tensor:
        """[K, ...] -> [...]: over passes and processes."""
        mean = parts.mean(dim=0)
        return mean if self.world is None else self.world.sum(mean) / self.world.size
