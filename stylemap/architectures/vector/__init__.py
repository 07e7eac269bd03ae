"""The generators that a StyleMapGAN is compared with, whose latent is one vector per layer: StyleGAN2 and StyleGAN.

Written from the papers: Karras et al., "A Style-Based Generator Architecture for Generative Adversarial Networks"
(arXiv 1812.04948) and "Analyzing and Improving the Image Quality of StyleGAN" (arXiv 1912.04958).
"""

from stylemap.architectures import Architecture
from stylemap.architectures.vector.config import StyleGAN2Config, StyleGAN2Training, StyleGANConfig, StyleGANTraining

MODEL = "stylemap.architectures.vector.model:VectorModel"
CYCLE = "stylemap.architectures.vector.cycle:VectorCycle"

STYLEGAN2 = Architecture(StyleGAN2Config, StyleGAN2Training, MODEL, CYCLE)
STYLEGAN = Architecture(StyleGANConfig, StyleGANTraining, MODEL, CYCLE)
