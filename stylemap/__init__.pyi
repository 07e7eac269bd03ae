from .architectures.model import Model, truncate
from .architectures.stylemap.model import StylemapModel
from .checkpoint import load, load_any
from .editing import Box, Placement, Region, blend, interpolate, mix, morph, push, transfer, transplant
from .editing.directions import Direction, move
from .editing.directions import load as load_directions
from .errors import InputError
from .images import from_uint8, read_mask, to_uint8
from .images import read as read_image
from .images import write as write_image
from .video import write as write_film

__version__: str
__all__ = [
    "Box",
    "Direction",
    "InputError",
    "Model",
    "Placement",
    "Region",
    "StylemapModel",
    "blend",
    "from_uint8",
    "interpolate",
    "load",
    "load_any",
    "load_directions",
    "mix",
    "morph",
    "move",
    "push",
    "read_image",
    "read_mask",
    "to_uint8",
    "transfer",
    "transplant",
    "truncate",
    "write_film",
    "write_image",
]
