"""The methods by name, as published programs set them."""

from dataclasses import replace

from stylemap.errors import InputError
from stylemap.inversion.methods import (
    Encoder,
    Hybrid,
    Image2StyleGAN,
    Image2StyleGANPlusPlus,
    InDomain,
    Method,
    Projection,
    StructuredNoise,
)

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
}


def preset(name: str, **knobs) -> Method:
    """A method by name, with other values for some of its knobs.

    Raises:
        InputError: an unknown name or knob.
    """
    if name not in PRESETS:
        raise InputError(f"unknown method {name!r}; known are {', '.join(PRESETS)}")
    method = PRESETS[name]
    if unknown := [knob for knob in knobs if knob not in vars(method)]:
        raise InputError(f"method {name} has no {unknown[0]}; it has {', '.join(vars(method))}")
    return replace(method, **knobs)


def knob_value(name: str, text: str, like) -> object:
    """A value of the same kind as the default.

    Raises:
        InputError: a text of another kind, or a number below 0.
    """
    kinds = {bool: {"true": True, "false": False}.__getitem__, tuple: lambda x: tuple(x.split(","))}
    try:
        value = kinds.get(type(like), type(like))(text)
    except (KeyError, ValueError):
        raise InputError(f"{name}={text} must be {type(like).__name__}, such as {like}") from None
    if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
        raise InputError(f"{name}={text} must be 0 or more")
    return value
