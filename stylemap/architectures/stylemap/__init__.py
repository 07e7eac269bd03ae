"""StyleMapGAN: Kim et al., "Exploiting Spatial Dimensions of Latent in GAN for Real-time Image Editing" (arXiv 2104.14754)."""

from stylemap.architectures import Architecture
from stylemap.architectures.stylemap.config import StylemapConfig, StylemapTraining

ARCHITECTURE = Architecture(
    StylemapConfig,
    StylemapTraining,
    model="stylemap.architectures.stylemap.model:StylemapModel",
    cycle="stylemap.architectures.stylemap.cycle:StylemapCycle",
)
