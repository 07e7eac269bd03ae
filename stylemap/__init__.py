"""StyleMapGAN: a GAN whose latent is a small map, with an encoder that finds the map of a real photo in one pass."""

from stylemap.checkpoint import load
from stylemap.editing import Box, blend, interpolate, mix, transplant
from stylemap.errors import InputError
from stylemap.model import Model, truncate

__version__ = "0.1.0"
__all__ = ["Box", "InputError", "Model", "blend", "interpolate", "load", "mix", "transplant", "truncate"]
