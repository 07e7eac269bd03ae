"""The operators of the folder ``op``, by a name that is this project's alone: anybody's package may be called ``op``."""

from stylemap.resources import OPERATORS

__path__ = [str(OPERATORS)]  # its files are the submodules of this module

from stylemap.operators.bias_act import bias_act  # noqa: E402
from stylemap.operators.modulate import modulate  # noqa: E402
from stylemap.operators.upfirdn2d import upfirdn2d  # noqa: E402

__all__ = ["bias_act", "modulate", "upfirdn2d"]
