"""The vector-latent generators a StyleMapGAN is compared with: StyleGAN2 and StyleGAN, and import of their weights.

Written from the papers: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks"
(arXiv 1812.04948) and "Analyzing and Improving the Image Quality of StyleGAN" (arXiv 1912.04958).
"""

from stylemap.architectures.model import truncate
from stylemap.architectures.vector.generator import Generator, style_mixing
from stylemap.architectures.vector.model import VectorModel
from stylemap.architectures.vector.noise import RANDOM

__all__ = ["RANDOM", "Generator", "VectorModel", "style_mixing", "truncate"]
