"""Which fields of the log are drawn together, and what the plots say."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """Fields that share a plot; the same thing has the same colour in all plots."""

    title: str
    note: str
    fields: dict[str, tuple[str, int]]  # name -> (label, colour)
    unit: str = ""
    floor: float | None = None  # what the axis does not go below, if the newest value is above
    mark: float | None = None  # a dashed line


REAL, SAMPLES, RECONSTRUCTIONS, TRAINING = range(4)
PLOTS = {
    "Held-out scores": (
        Plot(
            "Share explained",
            "Share of the variance of held-out images that is reproduced. Higher is better.",
            {"heldout_explained": ("held-out", REAL)},
            unit="%",
            floor=0,
        ),
        Plot(
            "PSNR",
            "The error in decibels. Higher is better.",
            {"heldout_psnr": ("held-out", REAL)},
            unit="dB",
        ),
        Plot(
            "Squared error",
            "Pixels from −1 to 1. If training lies far below held-out, images are learned by heart.",
            {"heldout_mse": ("held-out", REAL), "image_reconstruction": ("training", TRAINING)},
        ),
    ),
    "Losses": (
        Plot(
            "Discriminator",
            "Its loss for each kind of image. Dashed: it guesses (0.69).",
            {
                "discriminator_real": ("real", REAL),
                "discriminator_fake": ("samples", SAMPLES),
                "discriminator_reconstruction": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Fooling the discriminator",
            "Loss of generated images. Small: they pass for real. Dashed: the discriminator guesses.",
            {
                "generator_adversarial": ("samples", SAMPLES),
                "encoder_adversarial": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Perceptual",
            "Distance of reconstruction and original in features. Lower is better.",
            {"perceptual": ("training", TRAINING)},
        ),
        Plot(
            "Latent reconstruction",
            "How well the encoder finds the latent of a sample. Lower is better.",
            {"latent_reconstruction": ("samples", SAMPLES)},
        ),
        Plot(
            "Gradient penalty",
            "Squared gradient of the discriminator (R1 at real images, R2 at generated ones).",
            {"r1_penalty": ("real", REAL), "r2_penalty": ("fakes", SAMPLES)},
        ),
        Plot(
            "Path length",
            "How far a step in the latent moves an image, and its variance, which is penalised.",
            {"path_length": ("mean", SAMPLES), "path_penalty": ("penalty", TRAINING)},
        ),
        Plot(
            "Critic",
            "Output for samples minus output for real images (WGAN). 0: it sees no difference.",
            {"critic": ("samples less real", SAMPLES), "gradient_penalty": ("gradient penalty", TRAINING)},
        ),
        Plot(
            "Outputs for real images",
            "1: the discriminator takes all for real. 0: half of them. If it stays near 1, it knows them by heart.",
            {"real_sign": ("real", REAL)},
        ),
    ),
    "Spread": (
        Plot(
            "Diversity of samples",
            "How much samples differ from one another. 1: as much as real images. 0: all are the same.",
            {"sample_diversity": ("samples", SAMPLES)},
        ),
        Plot(
            "Stylemaps of held-out images",
            "Standard deviation of their values.",
            {
                "stylemap_std": ("all", REAL),
                "stylemap_std_of_channels": ("by channel", SAMPLES),
                "stylemap_std_of_cells": ("by cell", RECONSTRUCTIONS),
            },
        ),
        Plot(
            "Latents of held-out images",
            "Standard deviation of their values.",
            {
                "latent_std": ("all", REAL),
                "latent_std_of_channels": ("by channel", SAMPLES),
                "latent_std_of_layers": ("by layer", RECONSTRUCTIONS),
            },
        ),
    ),
    "Speed and more": (
        Plot("Throughput", "Images per second, scores not counted.", {"images_per_second": ("images/s", TRAINING)}),
    ),
}
