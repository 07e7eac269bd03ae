"""What the training cycles of all architectures share: steps of the optimisers, the discriminator's judgement, penalties.

G, E and D are generator, encoder and discriminator. A cycle has phases. Each phase computes its terms, takes the gradient of
their weighted sum and steps its optimisers. Only the networks that it trains collect gradients. It returns the terms,
unweighted and detached. The cycle of an architecture says which phases there are, and in what order.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from stylemap.architectures import chance, losses
from stylemap.architectures.chance import DISCRIMINATOR, GENERATOR, Chance
from stylemap.config import TrainConfig
from stylemap.precision import float32, full

Terms = dict[str, Tensor]  # name -> scalar
Fakes = tuple[Tensor, ...]  # of a pass, that D judges: samples, and for some cycles G(E(x))


@dataclass(frozen=True)
class Pass:
    """The n = batch / (processes * passes) images of an iteration that are computed at once."""

    real: Tensor  # [n, 3, R, R]
    chance: Chance  # what is random about the samples
    draws: Tensor | None = None  # how D's view of them is augmented
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # what else makes the images, see `Model.extras_of`


class Cycle:
    """One iteration of training; a subclass has the phases.

    Args:
        networks: ``model``, its parts ``generator`` and ``encoder``, ``discriminator``, and the `buffers`.
        optimizers: one for each network, under its name; None for an encoder that there is not.
        perceptual: images [n, 3, R, R] twice -> distances [n]; None = as `LossConfig.perceptual_network` says.
        augment: transforms what D sees (``apply``), and counts how often D takes it for real (``observe``).
        world: the processes that train together: ``size``, ``average_gradients`` and ``sum``.
        precision: of the passes.

    Attributes:
        terms: the names of all terms that the phases report, in the order in which they come up.
        reconstructing: the networks that learn from reconstructions.
    """

    terms: ClassVar[tuple[str, ...]]
    reconstructing: ClassVar[tuple[str, ...]] = ("encoder", "generator")

    def __init__(
        self,
        networks: Any,
        optimizers: Any,
        config: TrainConfig,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None,
        augment: Any = None,
        world: Any = None,
        precision: torch.dtype = torch.float32,
    ):
        self.networks, self.optimizers, self.config = networks, optimizers, config
        self.perceptual, self.augment, self.world, self.precision = perceptual, augment, world, precision
        self.relativistic = config.loss.adversarial == "relativistic"

    @classmethod
    def buffers(cls, config: TrainConfig) -> dict[str, Tensor]:
        """Tensors that the phases keep between iterations, by name, as they start. They are part of the state of a run."""
        return {}

    @classmethod
    def draw(cls, config: TrainConfig, seen: int) -> Chance:
        """What is random in the iteration after ``seen`` images, for the samples of all processes."""
        return chance.draw(config, seen)

    @staticmethod
    def knows_images(config: TrainConfig, optimizers: Any) -> bool:
        """Whether D has learned anything, here or before `init_from`: its optimiser has moments from the first step on."""
        return config.init_from is not None or bool(optimizers.discriminator.state)

    def iterate(self, passes: list[Pass], seen: int) -> Terms:
        """All phases that are due after ``seen`` images, in their order, each over all passes."""
        raise NotImplementedError

    # ---- phases

    def generator_step(self, passes: list[Pass]) -> tuple[Terms, list[Tensor], list[Tensor]]:
        """Samples fool D. Also returns their latents and the samples, pass by pass and detached, for `latent_step`."""
        latents, fakes = [], []
        with self._descent(len(passes), self.optimizers.generator) as descent, frozen(self.networks.discriminator):
            for part in passes:
                with self._autocast():
                    latent, fake = self._sample(part, GENERATOR)
                    loss = self._fools(self._judge(fake, part), part).mean()
                descent.add(self.config.loss.generator_adversarial * loss, generator_adversarial=loss)
                latents.append(full(latent.detach()))
                fakes.append(fake.detach())
        return descent.terms, latents, fakes

    def latent_step(self, latents: list[Tensor], fakes: list[Tensor]) -> Terms:
        """E finds the latent of each sample. Both arguments hold a tensor for each pass, detached."""
        with self._descent(len(fakes), self.optimizers.encoder) as descent:
            for latent, fake in zip(latents, fakes, strict=True):
                with self._autocast():
                    estimate = full(self.networks.model.encode(fake))
                loss = losses.squared_error(estimate, latent).mean()
                descent.add(self.config.loss.latent_reconstruction * loss, latent_reconstruction=loss)
        return descent.terms

    def discriminator_step(self, passes: list[Pass]) -> tuple[Terms, list[Fakes]]:
        """D tells real images from fakes; it judges each kind by itself. Also returns the fakes of each pass."""
        judged = []
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for part in passes:
                with self._autocast():
                    fakes = self._fakes(part, len(passes) == 1)
                    real, *logits = [self._judge(images.detach(), part) for images in (part.real, *fakes)]
                descent.add(*self._discriminator_loss(part, fakes, real, *logits))
                if self.augment is not None:
                    self.augment.observe(real.detach())
                judged.append(fakes)
        return descent.terms, judged

    def penalty_step(self, passes: list[Pass], judged: list[Fakes]) -> Terms:
        """D's gradient on real images (and, with R2, on fakes) stays small, in float32.

        It is computed only every ``r1_every`` iterations, so it is that much stronger.
        """
        optim = self.config.optim
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for part, fakes in zip(passes, judged, strict=True):
                terms = {"r1_penalty": self._penalty(part.real, part).mean()}
                total = self.config.r1_gamma * terms["r1_penalty"]
                if optim.r2_gamma > 0:
                    terms["r2_penalty"] = torch.cat([self._penalty(x, part) for x in fakes]).mean()
                    total = total + optim.r2_gamma * terms["r2_penalty"]
                descent.add(optim.r1_every / 2 * total, **terms)
        return descent.terms

    def image_step(self, passes: list[Pass], judged: list[Fakes] | None = None, adversarial: bool = True) -> Terms:
        """G(E(x)) equals x in pixels and features, and fools D.

        Args:
            judged: of `discriminator_step`; a reconstruction among them that has its graph is not computed again.
            adversarial: False leaves D's judgement out.
        """
        optimizers = [getattr(self.optimizers, name) for name in self.reconstructing]
        fixed = {"generator", "discriminator"}.difference(self.reconstructing)
        with (
            self._descent(len(passes), *optimizers) as descent,
            frozen(*(getattr(self.networks, name) for name in fixed)),
        ):
            for part, fakes in zip(passes, judged or [None] * len(passes), strict=True):
                with self._autocast():
                    compared, reconstruction = self._pair(part, fakes)
                    terms = self._image_terms(reconstruction, compared, adversarial)
                descent.add(self._weighted(terms), terms)
        return descent.terms

    # ---- the parts of them

    def _sample(self, part: Pass, step: int) -> tuple[Tensor, Tensor]:
        """The latents of a step's samples, and their images [n, 3, R, R] in float32; both with their graph."""
        latent = self.networks.model.map(part.chance.z[step])
        return latent, full(self.networks.model.synthesize(latent))

    def _pair(self, part: Pass, fakes: Fakes | None) -> tuple[Pass, Tensor]:
        """What `image_step` compares: a pass, and the reconstruction of its images."""
        shared = fakes is not None and fakes[-1].requires_grad
        return part, fakes[-1] if shared else self._reconstruct(part)

    def _fakes(self, part: Pass, alone: bool) -> Fakes:
        """What D judges besides real images. ``alone``: there is no other pass."""
        with torch.no_grad():
            return (self._sample(part, DISCRIMINATOR)[1],)

    def _discriminator_loss(self, part: Pass, fakes: Fakes, real: Tensor, fake: Tensor) -> tuple[Tensor, Terms]:
        """Logits of real images and of each kind of fakes -> (the weighted sum, the terms)."""
        terms = self._real_or_fake(real, fake)
        return sum(terms.values()), terms | self._real_sign(real)

    def _penalty_is_due(self, seen: int) -> bool:
        penalised = self.config.r1_gamma > 0 or self.config.optim.r2_gamma > 0
        return penalised and self._every(self.config.optim.r1_every, seen)

    def _every(self, iterations: int, seen: int) -> bool:
        return seen // self.config.batch % iterations == 0

    def _image_terms(self, reconstruction: Tensor, part: Pass, adversarial: bool = True) -> Terms:
        """How far G(E(x)) is from x in pixels and features, and whether it fools D."""
        d = self.networks.discriminator
        features = d.features(self._seen(reconstruction, part))
        terms = {
            "image_reconstruction": losses.squared_error(reconstruction, part.real).mean(),
            "perceptual": self._perceptual_distance(reconstruction, part, features).mean(),
        }
        if adversarial:
            terms["encoder_adversarial"] = self._fools(full(d.classify(features[-1])), part).mean()
        return terms

    def _perceptual_distance(self, reconstruction: Tensor, part: Pass, features: list[Tensor]) -> Tensor:
        """[n], by the network of `LossConfig.perceptual_network`.

        Args:
            features: D's of the reconstruction, which the adversarial term needs too. With them the distance is feature
                matching (Larsen et al. 2016).
        """
        if self.perceptual is not None:
            return self.perceptual(reconstruction, part.real)
        if self.config.loss.perceptual_network == "none":
            return reconstruction.new_zeros(len(reconstruction))
        with torch.no_grad():
            real = self.networks.discriminator.features(self._seen(part.real, part))
        return losses.feature_distance(real, features)

    def _weighted(self, terms: Terms) -> Tensor:
        return sum(getattr(self.config.loss, name) * value for name, value in terms.items())

    def _penalty(self, images: Tensor, part: Pass) -> Tensor:
        """[n]. D works in the precision of its weights and sees augmented images."""
        images = images.detach().requires_grad_(True)
        return losses.gradient_penalty(images, self._judge(images, part))

    def _reconstruct(self, part: Pass) -> Tensor:
        return full(self.networks.model.synthesize(self.networks.model.encode(part.real)))

    def _seen(self, images: Tensor, part: Pass) -> Tensor:
        """The images as D sees them: augmented."""
        return images if self.augment is None else self.augment.apply(images, part.draws)

    def _judge(self, images: Tensor, part: Pass) -> Tensor:
        return full(self.networks.discriminator(self._seen(images, part)))

    def _fools(self, logits: Tensor, part: Pass) -> Tensor:
        """[n, 1] -> [n]: small where D takes fakes for real."""
        return losses.fools(logits, self._rival(part))

    def _rival(self, part: Pass) -> Tensor | None:
        """Logits of the real images, which the relativistic loss compares fakes with."""
        if not self.relativistic:
            return None
        with torch.no_grad():
            return self._judge(part.real, part)

    def _real_or_fake(self, real: Tensor, fake: Tensor) -> Terms:
        """Logits -> the terms of D, whose sum is its loss."""
        if self.relativistic:
            return {"discriminator_fake": losses.fools(real, fake).mean()}
        return {"discriminator_real": losses.is_real(real).mean(), "discriminator_fake": losses.is_fake(fake).mean()}

    def _real_sign(self, real: Tensor) -> Terms:
        """How often D takes real images for real: for alarms and augmentation. Relativistic logits have no zero."""
        return {} if self.relativistic else {"real_sign": real.detach().sign().mean()}

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.precision == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.networks.model.device.type, self.precision, cache_enabled=False)

    @contextlib.contextmanager
    def _descent(self, passes: int, *optimizers: torch.optim.Optimizer) -> Iterator["_Gradients"]:
        """Collect gradients over passes and processes, then step. Outside of `_autocast` everything is float32."""
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        gradients = _Gradients(passes)
        with float32():
            yield gradients
        parameters = [p for optimizer in optimizers for p in optimizer.param_groups[0]["params"]]
        if self.world is not None:
            self.world.average_gradients(parameters)
        for optimizer in optimizers:
            if self.config.optim.clip > 0:
                nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], self.config.optim.clip)
            optimizer.step()


class _Gradients:
    """The gradients and terms of all passes, summed."""

    def __init__(self, passes: int):
        self.passes = passes
        self.terms: Terms = {}

    def add(self, total: Tensor, terms: Terms | None = None, **more: Tensor) -> None:
        (total / self.passes).backward()
        for name, value in {**(terms or {}), **more}.items():
            self.terms[name] = self.terms.get(name, 0) + value.detach() / self.passes


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Gradients flow through the modules but not into their weights, which saves computing those."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
