"""The operators the networks are made of, each with its PyTorch reference in a file of its own.

Every operator takes and returns plain tensors in any memory format, runs on every device and is differentiable twice
(R1 needs the gradient of a gradient).
"""

from .bias_act import bias_act
from .modulate import modulate
from .upfirdn2d import upfirdn2d

__all__ = ["bias_act", "modulate", "upfirdn2d"]
