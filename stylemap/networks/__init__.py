"""The networks: tensors in, tensors out; they know neither files nor the command line."""

from stylemap.networks.discriminator import Discriminator
from stylemap.networks.encoder import Encoder
from stylemap.networks.generator import Generator

__all__ = ["Discriminator", "Encoder", "Generator"]
