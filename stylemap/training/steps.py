"""One iteration of the cyclic scheme (StyleMapGAN, section 3.3), a method per phase.

Each phase computes its terms, takes the gradient of their weighted sum and steps its optimisers; it returns the terms,
unweighted and detached. In every phase only the networks it trains collect gradients.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylemap.config import TrainConfig
from stylemap.training import losses
from stylemap.training.augment import Augment, Draws
from stylemap.training.distributed import ALONE, World
from stylemap.training.optimizers import Networks, Optimizers
from stylemap.training.perceptual import Perceptual

Terms = dict[str, Tensor]  # name -> scalar
TERMS = (  # all of them, in the order of the cycle
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


@dataclass(frozen=True)
class Pass:
    """The samples of an iteration that are computed at once: n = batch / (processes * passes)."""

    real: Tensor  # [n, 3, R, R]
    z: Tensor  # [2, n, C]: for the steps of G and of D
    draws: Draws | None = None  # how D's view of them is augmented


@dataclass(frozen=True)
class Judged:
    """What D was shown, by pass; used again by the phases after it."""

    fakes: list[Tensor]  # samples
    reconstructions: list[Tensor]  # G(E(x)); with their graph where there is one pass


class Cycle:
    """The phases over one set of networks."""

    def __init__(
        self,
        networks: Networks,
        optimizers: Optimizers,
        config: TrainConfig,
        perceptual: Perceptual,
        augment: Augment | None = None,
        world: World = ALONE,
        precision: torch.dtype = torch.float32,
    ):
        self.networks, self.optimizers, self.config = networks, optimizers, config
        self.perceptual, self.augment, self.world, self.precision = perceptual, augment, world, precision
        self.relativistic = config.loss.adversarial == "relativistic"
        self.shares_reconstruction = True  # of the steps of D and of the image cycle, where one pass does all

    def iterate(self, passes: list[Pass], penalty: bool, adversarial: bool = True) -> Terms:
        """All phases in their order, each over all passes.

        Args:
            penalty: with the gradient penalties, which are due every ``r1_every`` iterations.
            adversarial: False = only the image cycle, without the discriminator.
        """
        if not adversarial:
            return self.image_step(passes, None, adversarial=False)
        terms, stylemaps, fakes = self.generator_step(passes)
        terms |= self.latent_step(stylemaps, fakes)
        del stylemaps, fakes
        more, judged = self.discriminator_step(passes)
        terms |= more
        if penalty:
            terms |= self.penalty_step(passes, judged)
        return terms | self.image_step(passes, judged)

    def generator_step(self, passes: list[Pass]) -> tuple[Terms, list[Tensor], list[Tensor]]:
        """1. Samples fool D. Also returns the stylemaps and samples by pass, detached, for `latent_step`."""
        generator = self.networks.generator
        stylemaps, fakes = [], []
        with self._descent(len(passes), self.optimizers.generator) as descent, frozen(self.networks.discriminator):
            for part in passes:
                with self._autocast():
                    stylemap = generator.mapping(part.z[0])
                    fake = _full(generator.synthesize(stylemap))
                    loss = losses.fools(self._judge(fake, part), self._rival(part)).mean()
                descent.add(self.config.loss.generator_adversarial * loss, generator_adversarial=loss)
                stylemaps.append(_full(stylemap.detach()))
                fakes.append(fake.detach())
        return descent.terms, stylemaps, fakes

    def latent_step(self, stylemaps: list[Tensor], fakes: list[Tensor]) -> Terms:
        """2. E finds the stylemap a sample was made from."""
        with self._descent(len(fakes), self.optimizers.encoder) as descent:
            for stylemap, fake in zip(stylemaps, fakes, strict=True):
                with self._autocast():
                    found = _full(self.networks.encoder(fake))
                loss = losses.squared_error(found, stylemap).mean()
                descent.add(self.config.loss.latent_reconstruction * loss, latent_reconstruction=loss)
        return descent.terms

    def discriminator_step(self, passes: list[Pass]) -> tuple[Terms, Judged]:
        """3. D tells real images from samples and from reconstructions, each in a pass of its own.

        Where one pass does all, the reconstruction keeps its graph: neither G nor E changes before `image_step`, which
        needs the same. With several, the graphs would take the memory that the passes save.
        """
        keep = self.shares_reconstruction and len(passes) == 1
        judged = Judged([], [])
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for part in passes:
                with self._autocast():
                    with torch.no_grad():
                        fake = _full(self.networks.generator(part.z[1]))
                    with torch.set_grad_enabled(keep):
                        reconstruction = self._reconstruct(part.real)
                    shown = (part.real, fake, reconstruction.detach())
                    real, other, again = (self._judge(images, part) for images in shown)
                descent.add(*self._discriminator_losses(real, other, again))
                if self.augment is not None:
                    self.augment.observe(real.detach())
                judged.fakes.append(fake)
                judged.reconstructions.append(reconstruction)
        return descent.terms, judged

    def penalty_step(self, passes: list[Pass], judged: Judged) -> Terms:
        """4. D's gradient on real images (and, with R2, on fakes) stays small, in float32.

        Stronger by ``r1_every``, because it is only done that often.
        """
        optim = self.config.optim
        with self._descent(len(passes), self.optimizers.discriminator) as descent:
            for i, part in enumerate(passes):
                terms = {"r1_penalty": self._penalty(part.real, part).mean()}
                total = self.config.r1_gamma * terms["r1_penalty"]
                if optim.r2_gamma > 0:
                    both = [self._penalty(x, part) for x in (judged.fakes[i], judged.reconstructions[i])]
                    terms["r2_penalty"] = torch.cat(both).mean()
                    total = total + optim.r2_gamma * terms["r2_penalty"]
                descent.add(optim.r1_every / 2 * total, **terms)
        return descent.terms

    def image_step(self, passes: list[Pass], judged: Judged | None, adversarial: bool = True) -> Terms:
        """5. G(E(x)) equals x in pixels and features, and fools D."""
        d, weights = self.networks.discriminator, self.config.loss
        shared = judged is not None and judged.reconstructions[0].requires_grad
        with (
            self._descent(len(passes), self.optimizers.encoder, self.optimizers.generator) as descent,
            frozen(d),
        ):
            for i, part in enumerate(passes):
                with self._autocast():
                    reconstruction = judged.reconstructions[i] if shared else self._reconstruct(part.real)
                    features = d.features(self._seen(reconstruction, part))
                    terms = {
                        "image_reconstruction": losses.squared_error(reconstruction, part.real).mean(),
                        "perceptual": self.perceptual(
                            part.real,
                            reconstruction,
                            features,
                            lambda part=part: d.features(self._seen(part.real, part)),
                        ).mean(),
                    }
                    if adversarial:
                        logits = _full(d.classify(features[-1]))
                        terms["encoder_adversarial"] = losses.fools(logits, self._rival(part)).mean()
                descent.add(sum(getattr(weights, name) * value for name, value in terms.items()), **terms)
        return descent.terms

    # ---- the parts of them

    def _discriminator_losses(self, real: Tensor, fake: Tensor, reconstruction: Tensor) -> tuple[Tensor, Terms]:
        """Logits -> (the weighted sum, the terms)."""
        weight = self.config.loss.discriminator_reconstruction
        if self.relativistic:
            terms = {
                "discriminator_fake": losses.fools(real, fake).mean(),
                "discriminator_reconstruction": losses.fools(real, reconstruction).mean(),
            }
            total = terms["discriminator_fake"]
        else:
            terms = {
                "discriminator_real": losses.is_real(real).mean(),
                "discriminator_fake": losses.is_fake(fake).mean(),
                "discriminator_reconstruction": losses.is_fake(reconstruction).mean(),
            }
            total = terms["discriminator_real"] + terms["discriminator_fake"]
        total = total + weight * terms["discriminator_reconstruction"]
        if not self.relativistic:  # whose logits have no zero
            terms["real_sign"] = real.detach().sign().mean()
        return total, terms

    def _penalty(self, images: Tensor, part: Pass) -> Tensor:
        """[n]; D in the precision of its weights, through the augmentation."""
        images = images.detach().requires_grad_(True)
        return losses.gradient_penalty(images, self._judge(images, part))

    def _reconstruct(self, real: Tensor) -> Tensor:
        return _full(self.networks.generator.synthesize(self.networks.encoder(real)))

    def _seen(self, images: Tensor, part: Pass) -> Tensor:
        """What D sees of them."""
        return images if self.augment is None else self.augment.apply(images, part.draws)

    def _judge(self, images: Tensor, part: Pass) -> Tensor:
        return _full(self.networks.discriminator(self._seen(images, part)))

    def _rival(self, part: Pass) -> Tensor | None:
        """Logits of the real images, which the relativistic loss compares fakes with."""
        if not self.relativistic:
            return None
        with torch.no_grad():
            return self._judge(part.real, part)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.networks.model.device.type,
            self.precision,
            enabled=self.precision != torch.float32,
            cache_enabled=False,
        )

    @contextlib.contextmanager
    def _descent(self, passes: int, *optimizers: torch.optim.Optimizer) -> Iterator["_Gradients"]:
        """Collect gradients over passes and processes, then step."""
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        gradients = _Gradients(passes)
        yield gradients
        parameters = [p for optimizer in optimizers for p in optimizer.param_groups[0]["params"]]
        self.world.average_gradients(parameters)
        for optimizer in optimizers:
            if self.config.optim.clip > 0:
                nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], self.config.optim.clip)
            optimizer.step()


class _Gradients:
    """Sums what the passes contribute."""

    def __init__(self, passes: int):
        self.passes = passes
        self.terms: Terms = {}

    def add(self, total: Tensor, terms: Terms | None = None, **more: Tensor) -> None:
        (total / self.passes).backward()
        for name, value in {**(terms or {}), **more}.items():
            self.terms[name] = self.terms.get(name, 0) + value.detach() / self.passes


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


def _full(x: Tensor) -> Tensor:
    """What autocast made half as precise, in float32 again."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
