"""A generator under part masks, with one style code for each part, which a StyleMapGAN is compared with.

Written from the papers: Zhu et al., "SEAN: Image Synthesis with Semantic Region-Adaptive Normalization" (arXiv 1911.12861), and
Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization" (SPADE, arXiv 1903.07291).
"""

from stylemap.architectures import Architecture
from stylemap.architectures.sean.config import SeanConfig, SeanTraining

ARCHITECTURE = Architecture(
    SeanConfig,
    SeanTraining,
    model="stylemap.architectures.sean.model:SeanModel",
    cycle="stylemap.architectures.sean.cycle:SeanCycle",
    discriminator="stylemap.architectures.sean.discriminator:PatchDiscriminators",
)
