"""An architecture is a folder: its networks, its model and the cycle that trains it. What they share lies beside the folders."""

from typing import TYPE_CHECKING

from stylemap.config import ModelConfig

if TYPE_CHECKING:
    from stylemap.architectures.model import Model


def build(config: ModelConfig, encoder: bool = True) -> "Model":
    """The model of a config, with random weights.

    Args:
        encoder: False leaves it out, which only vector-latent models can.
    """
    if config.architecture == "stylemap":
        from stylemap.architectures.stylemap.model import StylemapModel

        return StylemapModel(config)
    from stylemap.architectures.vector.model import VectorModel

    return VectorModel(config, encoder)
