"""StyleMapGAN (Kim et al., "Exploiting Spatial Dimensions of Latent in GAN for Real-time Image Editing", arXiv 2104.14754)."""
