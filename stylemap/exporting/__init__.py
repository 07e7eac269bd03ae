"""Models for programs without PyTorch: a folder of ONNX graphs, with a manifest that describes them."""

from .graphs import GRAPHS
from .onnx_folder import MANIFEST, export
from .stored import STORED

__all__ = ["GRAPHS", "MANIFEST", "STORED", "export"]
