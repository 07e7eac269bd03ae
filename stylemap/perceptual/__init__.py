"""Networks that say how alike images look, or describe them: what training, inversion and metrics compare features of.

Nothing is ever downloaded. `load` gives a network by its name, `registry` holds the table of names, and ``origin`` says of every
network where it comes from. All of them compute in float32, whatever precision surrounds them.
"""

from stylemap.perceptual.network import Perceptual
from stylemap.perceptual.registry import NAMES, Distance, for_training, load

__all__ = ["NAMES", "Distance", "Perceptual", "for_training", "load"]
