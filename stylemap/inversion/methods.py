"""The methods, images -> latents, each with every knob of its recipe, and the presets by name.

docs/inversion.md says where a recipe was published in part only, or is changed here.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap.config import Latents
from stylemap.errors import InputError
from stylemap.inversion import projector, tuning
from stylemap.inversion.engine import Phase
from stylemap.inversion.losses import FOUR_LAYERS, Comparison, Target, Weights
from stylemap.inversion.subject import Subject, Tensors
from stylemap.perceptual import Perceptual
from stylemap.perceptual.vgg import VGG_LAYERS

COUNTS = ("steps", "noise_steps", "pivot_steps")  # knobs that count steps
PROJECTOR = "StyleGAN2, appendix D (arXiv 1912.04958)"
Kind = Literal["any", "vectors", "stylemaps"]  # of latents
STATISTICS_SEED = 123  # of the z that the mean and spread of w come from
MEAN_SAMPLES = 10_000
# In-domain inversion weighs features of pixels in [0, 255] by 5e-5. VGG-16 sees pixels over 0.226 * 255 here, and features grow
# with the pixels, so that their squared error is (0.226 * 255)^2 times smaller.
DOMAIN_FEATURES = 5e-5 * (0.226 * 255) ** 2


@dataclass(frozen=True)
class Inputs:
    """The inputs of a method."""

    subject: Subject
    targets: list[Target]
    perceptual: Perceptual

    @property
    def samples(self) -> int:
        return len(self.targets[0].images)

    def repeated(self, x: Tensor) -> Tensor:
        """[1, ...] -> [N, ...], in memory of its own."""
        return x.repeat(self.samples, *[1] * (x.dim() - 1))

    def mean(self, samples: int) -> Tensor:
        """Mean latent: [N, 1, C] or [N, C, S, S]."""
        mean = self.subject.statistics(samples, STATISTICS_SEED).mean
        return self.repeated(mean if self.subject.latents.spatial else mean[:, :1])

    @torch.no_grad()
    def encoded(self) -> Tensor:
        """Latents of the targets under their masks, put together. A hole that no mask covers shows the image of the mean latent:
        no loss looks into it, so it mostly stays as it begins.
        """
        first = self.targets[0]
        if len(self.targets) == 1 and first.mask is None:
            return self.subject.model.encode(first.images, **first.extras).clone()
        masks = [torch.ones_like(t.images[:, :1]) if t.mask is None else t.mask for t in self.targets]
        total = sum((m * t.images for m, t in zip(masks, self.targets, strict=True)), torch.zeros(()))
        covered = sum(masks, torch.zeros(()))
        mean = self.subject.render({"latent": self.mean(MEAN_SAMPLES)[:1]}).clamp(-1, 1)
        return self.subject.model.encode(total / covered.clamp(min=1) + (1 - covered).clamp(min=0) * mean).clone()


def noise_regulariser(weight: float, names: Iterable[str]) -> Callable[[Tensors, int], Tensor] | None:
    """Of the noise maps among these tensors; None where there is nothing to hold."""
    maps = [name for name in names if name.startswith("noise.")]
    if not (weight and maps):
        return None
    return lambda tensors, step: weight * projector.correlation([tensors[name] for name in maps])


@dataclass(frozen=True)
class Method:
    """Where to begin and how to go on. The fields are the knobs."""

    perceptual: ClassVar[bool] = True  # whether the method uses the perceptual network
    terms: ClassVar[tuple[str, ...]] = ()  # knobs that weigh the terms of the loss, if each of them may be 0

    seed: int = 0
    """Of all noise."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                raise InputError(f"{name}={getattr(self, name)} must be one of {', '.join(get_args(kind))}")
        if self.terms and not any(getattr(self, name) for name in self.terms):
            raise InputError(f"{', '.join(self.terms)} are all 0, which leaves no loss: set one above 0")
        if self.statistics_samples is not None and self.statistics_samples < 1:
            raise InputError("statistics_samples must be 1 or more")

    # What some methods have as a knob or a constant.

    @property
    def source(self) -> str:
        """Of the recipe."""
        raise NotImplementedError

    @property
    def latents(self) -> Kind:
        """That the generator must have."""
        return "any"

    @property
    def begins_at_encoder(self) -> bool:
        return False

    @property
    def statistics_samples(self) -> int | None:
        """The number of z that mean and spread of w come from; None where they are not needed."""
        return None

    @property
    def render_noise(self) -> bool:
        """Render the result with the optimised noise maps."""
        return True

    @property
    def counts(self) -> dict[str, int]:
        """Steps of each phase, by knob; none for a method that does not optimise."""
        return {name: value for name, value in vars(self).items() if name in COUNTS}

    def validate_for(self, latents: Latents) -> None:
        """InputError if the method is not for generators of these latents."""
        if self.latents == "vectors" and latents.spatial:
            raise InputError(
                "needs a generator with one vector per layer (stylegan2 or stylegan), and these weights have stylemaps; take "
                "encoder, hybrid or stylemap, or other weights"
            )
        if self.latents == "stylemaps" and not latents.spatial:
            raise InputError(
                "it needs stylemaps, and these weights have one vector per layer; take w or w+, or other weights"
            )

    def for_latents(self, latents: Latents) -> "Method":
        """The method with what its knobs leave to the latents; raises as `validate_for`."""
        self.validate_for(latents)
        return self

    def origin(self, network: Perceptual) -> dict[str, Any]:
        """The method, its source, its knobs and the perceptual network, for the record."""
        about = {"method": type(self).__name__, "source": self.source, "knobs": asdict(self)}
        return about | {"perceptual": network.origin if self.perceptual else None}

    def start(self, inputs: Inputs) -> Tensors:
        """The tensors that the image is rendered from, before the first step."""
        raise NotImplementedError

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        """None for a method that does not optimise. ``start`` is the result of `start`."""
        return []


@dataclass(frozen=True)
class Encoder(Method):
    """One pass of the encoder."""

    source: ClassVar[str] = "StyleMapGAN, section 3.3 (arXiv 2104.14754)"
    perceptual: ClassVar[bool] = False
    begins_at_encoder: ClassVar[bool] = True

    def start(self, inputs: Inputs) -> Tensors:
        return {"latent": inputs.encoded(), **inputs.targets[0].extras}


@dataclass(frozen=True)
class Projection(Method):
    """The projector of StyleGAN2: from the mean, perceptual distance, noise on the latent, noise maps that stay noise."""

    space: Literal["w", "w+", "stylemap"] = "w"
    """One vector for all layers, one each, or a stylemap."""
    steps: int = 1000
    rate: float = 0.1
    rampup: float = 0.05
    """Share of the steps."""
    rampdown: float = 0.25
    """Share of the steps."""
    noise: float = 0.05
    """On the latent, in spreads of w."""
    noise_ramp: float = 0.75
    """Share of the steps after which there is none."""
    spread_layers: bool = False
    """Take the spread of all layers or cells, which is sqrt(L) or S times larger, as rolux's projector does."""
    regularisation: float = 1e5
    """Of the noise maps."""
    statistics_samples: int = MEAN_SAMPLES
    pixels: float = 0.0
    """Weight of the mean squared error of pixels."""
    render_noise: bool = True
    """Render the result with the optimised noise maps; StyleGAN2-ADA takes the constant ones."""

    @property
    def latents(self) -> Kind:
        return "stylemaps" if self.space == "stylemap" else "vectors"

    @property
    def source(self) -> str:
        if self.space == "stylemap":
            return f"this project, after {PROJECTOR}"
        if self.spread_layers:
            return f"rolux's projector, after {PROJECTOR}"
        if not self.render_noise:
            return f"StyleGAN2-ADA's projector, after {PROJECTOR}"
        return PROJECTOR if self.space == "w" else f"{PROJECTOR}, on W+ as is common"

    def start(self, inputs: Inputs) -> Tensors:
        latent = inputs.mean(self.statistics_samples)
        if self.space == "w+":
            latent = inputs.subject.model.spread_out(latent).clone()
        return {"latent": latent, **inputs.subject.noise_drawn(inputs.samples, self.seed)}

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        spread = self.spread(inputs)
        compare = Comparison(inputs.targets, inputs.perceptual, Weights(distance=1.0, pixels=self.pixels))
        rates = dict.fromkeys(inputs.subject.rendered(start), self.rate)
        return [
            Phase(
                "projection",
                self.steps,
                rates,
                lambda _, images: compare(images),
                partial(projector.rate, rampup=self.rampup, rampdown=self.rampdown),
                lambda t: spread * projector.latent_noise(t, self.noise, self.noise_ramp),
                noise_regulariser(self.regularisation, rates),
                standardise=True,
            )
        ]

    def spread(self, inputs: Inputs) -> float:
        spread = inputs.subject.statistics(self.statistics_samples, STATISTICS_SEED).spread
        return spread * inputs.subject.latents.count**0.5 if self.spread_layers else spread


@dataclass(frozen=True)
class StructuredNoise(Projection):
    """A method of this project after structured noise injection: the tensor that enters side 8, and one style for all layers.

    The generator of that paper takes an 8 x 8 tensor made of noise and has one style. It does not describe an inversion.
    """

    source: ClassVar[str] = "this project, after Alharbi and Wonka (arXiv 2004.12411)"

    def start(self, inputs: Inputs) -> Tensors:
        tensors, model = super().start(inputs), inputs.subject.model
        return {**tensors, "input": model.input_of(model.spread_out(tensors["latent"]))}


@dataclass(frozen=True)
class Image2StyleGAN(Method):
    """W+ by pixels and four layers of VGG-16, Adam at a constant rate."""

    latents: ClassVar[Kind] = "vectors"
    terms: ClassVar[tuple[str, ...]] = ("pixels", "features", "style")

    init: Literal["mean", "zeros", "uniform", "encoder"] = "mean"
    """Uniform in [-1, 1] is for images of other things than faces; zeros as StyleGAN_LatentEditor does."""
    steps: int = 5000
    rate: float = 0.01
    pixels: float = 0.25
    """Weight of the mean squared error of pixels in [-1, 1]: 1 of pixels in [0, 1]."""
    features: float = 1.0
    """Weight of each of the four layers."""
    style: float = 0.0
    """Weight of the Gram matrix of conv4_2, for the exchange of faces."""
    layers: tuple[str, ...] = FOUR_LAYERS
    statistics_samples: int = MEAN_SAMPLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := [name for name in self.layers if name not in VGG_LAYERS]:
            raise InputError(f"layers: {unknown[0]} is not a layer of VGG-16, {VGG_LAYERS[0]} to {VGG_LAYERS[-1]}")

    @property
    def begins_at_encoder(self) -> bool:
        return self.init == "encoder"

    @property
    def source(self) -> str:
        if self.pixels:
            return "Image2StyleGAN, sections 4 and 5 (arXiv 1904.03189)"
        return "StyleGAN_LatentEditor's exchange of faces, after Image2StyleGAN (arXiv 1904.03189)"

    def start(self, inputs: Inputs) -> Tensors:
        if self.init == "encoder":
            return {"latent": inputs.encoded()}
        if self.init == "mean":
            return {"latent": inputs.subject.model.spread_out(inputs.mean(self.statistics_samples)).clone()}
        shape = (1, *inputs.subject.latents.shape)
        rng = torch.Generator().manual_seed(self.seed)
        latent = torch.zeros(shape) if self.init == "zeros" else torch.rand(shape, generator=rng) * 2 - 1
        return {"latent": inputs.repeated(latent.to(inputs.subject.device))}

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        weights = Weights(pixels=self.pixels, features=self.features, style=self.style, layers=self.layers)
        compare = Comparison(inputs.targets, inputs.perceptual, weights)
        return [Phase("latent", self.steps, {"latent": self.rate}, lambda _, images: compare(images))]


@dataclass(frozen=True)
class Image2StyleGANPlusPlus(Image2StyleGAN):
    """Image2StyleGAN, then only the noise maps, by pixels only: optimised together they do not converge well."""

    source: ClassVar[str] = "Image2StyleGAN++, sections 3 and 4 (arXiv 1911.11544)"

    noise_steps: int = 3000
    noise_rate: float = 0.05
    """Chosen here: a step of Adam is about that large, and the maps have deviation 1."""
    noise_regularisation: float = 0.0
    """As of the projector. It keeps the image out of the maps, and here they shall take its details."""

    def start(self, inputs: Inputs) -> Tensors:
        return {**super().start(inputs), **inputs.subject.noise_constants(inputs.samples)}

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        rates = {name: self.noise_rate for name in start if name.startswith("noise.")}
        compare = Comparison(inputs.targets, inputs.perceptual, Weights(pixels=1.0))

        phase = Phase(
            "noise",
            self.noise_steps,
            rates,
            lambda _, images: compare(images),
            partial(projector.rate, rampup=0.0),
            regulariser=noise_regulariser(self.noise_regularisation, rates),
        )
        return [*super().phases(inputs, start), phase]


@dataclass(frozen=True)
class InDomain(Encoder):
    """From the encoder's latent, by pixels, features, and the distance of the latent to the encoding of its image."""

    source: ClassVar[str] = "In-domain GAN inversion, section 3.2 (arXiv 2004.00049)"
    perceptual: ClassVar[bool] = True
    terms: ClassVar[tuple[str, ...]] = ("pixels", "features", "distance", "domain")

    steps: int = 100
    rate: float = 0.01
    pixels: float = 1.0
    features: float = DOMAIN_FEATURES
    """Weight of the mean squared error of conv4_3."""
    distance: float = 0.0
    """Weight of the perceptual distance."""
    domain: float = 2.0
    """Weight of the mean squared error of the latent to E(G(latent))."""
    rampdown: float = 0.0
    """Share of the steps."""

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        weights = Weights(self.distance, self.pixels, self.features, layers=("conv4_3",))
        compare = Comparison(inputs.targets, inputs.perceptual, weights)

        def loss(tensors: Tensors, images: Tensor) -> Tensor:
            if not self.domain:
                return compare(images)
            difference = tensors["latent"] - inputs.subject.model.encode(images)
            return compare(images) + self.domain * difference.square().flatten(1).mean(dim=1)

        schedule = partial(projector.rate, rampup=0.0, rampdown=self.rampdown)
        return [Phase("latent", self.steps, {"latent": self.rate}, loss, schedule)]


@dataclass(frozen=True)
class Hybrid(InDomain):
    """A method of this project: from the encoder's stylemap, a few steps by pixels and perceptual distance."""

    source: ClassVar[str] = "this project"

    steps: int = 50
    rate: float = 0.05
    features: float = 0.0
    distance: float = 0.1
    domain: float = 0.0
    rampdown: float = 0.5


@dataclass(frozen=True)
class Pivotal(Method):
    """The latent of another method, and then the generator's weights, held where other latents are near it."""

    source: ClassVar[str] = "Pivotal tuning, sections 3.1 to 3.3 (arXiv 2106.05744)"
    terms: ClassVar[tuple[str, ...]] = ("pixels", "distance")

    pivot: Literal["auto", "w", "encoder", "hybrid"] = "auto"
    """The latent: of `w`, of the encoder, or of `hybrid`; auto: the encoder's stylemap, and `w` for vectors, as published."""
    pivot_steps: int = 450
    """Of `w` or `hybrid`."""
    steps: int = 350
    """Of the weights."""
    rate: float = 3e-4
    pixels: float = 1.0
    """Weight of the mean squared error of pixels, for the image and for the samples that are held."""
    distance: float = 1.0
    """Weight of the perceptual distance, likewise."""
    locality: float = 0.1
    """Weight of how much the images of samples near the pivot change."""
    reach: float = 1.0
    """How far these samples lie from the pivot, in typical distances of two mapped latents. The published 30 belongs to the W of
    one generator."""
    statistics_samples: int = MEAN_SAMPLES

    def for_latents(self, latents: Latents) -> "Pivotal":
        pivot = ("encoder" if latents.spatial else "w") if self.pivot == "auto" else self.pivot
        chosen = replace(self, pivot=pivot)
        chosen.validate_for(latents)
        return chosen

    @property
    def latents(self) -> Kind:
        return "vectors" if self.pivot == "w" else "any"

    @property
    def begins_at_encoder(self) -> bool:
        return self.pivot in ("encoder", "hybrid")

    @property
    def counts(self) -> dict[str, int]:
        return ({} if self.pivot == "encoder" else {"pivot_steps": self.pivot_steps}) | {"steps": self.steps}

    @property
    def _first(self) -> Method:
        if self.pivot == "encoder":
            return Encoder(self.seed)
        if self.pivot == "hybrid":
            return Hybrid(self.seed, steps=self.pivot_steps, pixels=self.pixels, distance=self.distance)
        return Projection(self.seed, steps=self.pivot_steps, statistics_samples=self.statistics_samples)

    def start(self, inputs: Inputs) -> Tensors:
        tuning.tunable(inputs.subject.model)  # refuses rounded weights
        return self._first.start(inputs)

    def phases(self, inputs: Inputs, start: Tensors) -> list[Phase]:
        weights = Weights(self.distance, self.pixels)
        compare = Comparison(inputs.targets, inputs.perceptual, weights)
        parameters = tuning.tunable(inputs.subject.model)
        tune = Phase(
            "weights",
            self.steps,
            dict.fromkeys(parameters, self.rate),
            lambda _, images: compare(images),
            regulariser=self._locality(inputs, weights) if self.locality else None,
            begin=lambda _: {name: inputs.repeated(torch.zeros_like(x)[None]) for name, x in parameters.items()},
        )
        return [*self._first.phases(inputs, start), tune]

    def _locality(self, inputs: Inputs, weights: Weights) -> Callable[[Tensors, int], Tensor]:
        """Of a new sample at each step, the same for all images (section 3.3)."""
        subject = inputs.subject
        spread = subject.statistics(self.statistics_samples, STATISTICS_SEED).spread
        away = self.reach * spread * (2 * subject.latents.count) ** 0.5

        def change(tensors: Tensors, step: int) -> Tensor:
            with torch.no_grad():
                z = np.random.default_rng((self.seed, step)).standard_normal(
                    (1, subject.latents.z_channels), np.float32
                )
                sample = subject.model.map(torch.from_numpy(z).to(subject.device))
                pivot = subject.model.spread_out(tensors["latent"])
                way = F.normalize((sample - pivot).flatten(1)).view_as(pivot)
                near = tensors | {"latent": pivot + away * way}
                before = subject.render({name: x for name, x in near.items() if not name.startswith(tuning.PREFIX)})
            return self.locality * Comparison([Target(before)], inputs.perceptual, weights)(subject.render(near))

        return change


# as published programs set them
PRESETS: dict[str, Method] = {
    "encoder": Encoder(),
    "w": Projection(),
    "w-ada": Projection(render_noise=False),
    "w+": Projection(space="w+"),
    "w+rolux": Projection(space="w+", spread_layers=True),
    "stylemap": Projection(space="stylemap"),
    "image2stylegan": Image2StyleGAN(),
    "image2stylegan++": Image2StyleGANPlusPlus(),
    "exchange-content": Image2StyleGAN(init="zeros", steps=1000, pixels=0.0),
    "exchange-style": Image2StyleGAN(init="zeros", steps=1000, pixels=0.0, features=0.0, style=1.0),
    "in-domain": InDomain(),
    "hybrid": Hybrid(),
    "structured-noise": StructuredNoise(),
    "pivotal": Pivotal(),
    "fit": Pivotal(pivot="hybrid", pivot_steps=20, steps=30, rate=1e-3, distance=0.0, locality=0.0),
}


def preset(name: str, **knobs: Any) -> Method:
    """A method by name, with other values for some of its knobs.

    Raises:
        InputError: an unknown name or knob.
    """
    if name not in PRESETS:
        raise InputError(f"unknown method {name!r}; known are {', '.join(PRESETS)}")
    method = PRESETS[name]
    for knob in knobs:
        if knob not in vars(method):
            raise InputError(f"method {name} has no setting {knob}; it has {', '.join(vars(method))}")
    return replace(method, **knobs)


def parse_setting(method: str, text: str) -> tuple[str, object]:
    """SETTING=VALUE -> the name, and the value in the kind of its default.

    Raises:
        InputError: an unknown method or setting, no "=", a value of another kind, or a number below 0.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"method {method}: {text} must be SETTING=VALUE, such as rate=0.05")
    default = vars(preset(method)).get(name)
    preset(method, **{name: default})  # refuses a name that the method does not have
    kinds = {bool: {"true": True, "false": False}.__getitem__, tuple: lambda x: tuple(x.split(","))}
    try:
        parsed = kinds.get(type(default), type(default))(value)
    except (KeyError, ValueError):
        raise InputError(f"method {method}: {text} must be {type(default).__name__}, such as {default}") from None
    if isinstance(parsed, (int, float)) and not 0 <= parsed < float("inf"):
        raise InputError(f"method {method}: {text} must be 0 or more")
    return name, parsed
