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
            "Of what differs between pictures it never saw. Higher is better.",
            {"heldout_explained": ("held-out", REAL)},
            unit="%",
            floor=0,
        ),
        Plot(
            "PSNR",
            "The error on a scale of decibels. Higher is better.",
            {"heldout_psnr": ("held-out", REAL)},
            unit="dB",
        ),
        Plot(
            "Squared error",
            "Pixels from −1 to 1. Training far below held-out: pictures are learned by heart.",
            {"heldout_mse": ("held-out", REAL), "image_reconstruction": ("training", TRAINING)},
        ),
    ),
    "Losses": (
        Plot(
            "Discriminator",
            "How far it is from telling each apart. Dashed: it guesses (0.69).",
            {
                "discriminator_real": ("real", REAL),
                "discriminator_fake": ("samples", SAMPLES),
                "discriminator_reconstruction": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Fooling the discriminator",
            "Small: these pass for real. Dashed: the discriminator guesses.",
            {
                "generator_adversarial": ("samples", SAMPLES),
                "encoder_adversarial": ("reconstructions", RECONSTRUCTIONS),
            },
            mark=math.log(2),
        ),
        Plot(
            "Perceptual",
            "Reconstruction against original, in features. Lower is better.",
            {"perceptual": ("training", TRAINING)},
        ),
        Plot(
            "Latent reconstruction",
            "How well the encoder finds the latent of a sample. Lower is better.",
            {"latent_reconstruction": ("samples", SAMPLES)},
        ),
        Plot(
            "Gradient penalty",
            "Squared slope of the discriminator (R1 at real pictures, R2 at fakes).",
            {"r1_penalty": ("real", REAL), "r2_penalty": ("fakes", SAMPLES)},
        ),
        Plot(
            "Path length",
            "How far a step in the latent moves an image, and its variance, which is penalised.",
            {"path_length": ("mean", SAMPLES), "path_penalty": ("penalty", TRAINING)},
        ),
        Plot(
            "Critic",
            "Rating of samples less that of real pictures (WGAN). 0: it knows no difference.",
            {"critic": ("samples less real", SAMPLES), "gradient_penalty": ("gradient penalty", TRAINING)},
        ),
        Plot(
            "Verdict on real pictures",
            "1: the discriminator takes all for real, 0: half of them. Near 1 for long, it knows them by heart.",
            {"real_sign": ("real", REAL)},
        ),
    ),
    "Spread": (
        Plot(
            "Diversity of samples",
            "How much they differ from one another; 1: as much as real pictures, 0: all are one.",
            {"sample_diversity": ("samples", SAMPLES)},
        ),
        Plot(
            "Stylemaps of held-out pictures",
            "Standard deviation of their values.",
            {
                "stylemap_std": ("all", REAL),
                "stylemap_std_of_channels": ("by channel", SAMPLES),
                "stylemap_std_of_cells": ("by cell", RECONSTRUCTIONS),
            },
        ),
        Plot(
            "Latents of held-out pictures",
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
