"""Inversion: latents of given images, by an encoder, by optimisation or by both, and what is done with the latents."""

from stylemap.inversion.engine import State, Stopping
from stylemap.inversion.inverting import Inversion, invert, render
from stylemap.inversion.losses import Target
from stylemap.inversion.methods import PRESETS, Method, preset
from stylemap.inversion.subject import Subject

__all__ = ["PRESETS", "Inversion", "Method", "State", "Stopping", "Subject", "Target", "invert", "preset", "render"]
