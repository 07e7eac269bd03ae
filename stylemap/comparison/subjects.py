"""What a comparison opens: weights of all kinds, and one perceptual network for all methods."""

from dataclasses import asdict

import torch

from stylemap import checkpoint, provenance
from stylemap import perceptual as networks
from stylemap.comparison import judge
from stylemap.comparison.contenders import E4E, PSP, SEAN, STYLEMAP, VECTORS
from stylemap.datasets import Avatars, Dataset
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.perceptual.registry import DiscriminatorFeatures
from stylemap.published import VGG


def open_subjects(paths: list[str], device: torch.device) -> tuple[dict[str, Subject], dict[str, dict]]:
    """What is inverted, and what is to be noted of it, by kind of weights.

    Raises:
        InputError: two weights of a kind, or of different resolutions.
    """
    subjects: dict[str, Subject] = {}
    notes: dict[str, dict] = {}
    for path in paths:
        model = checkpoint.load_any(path, device)
        file = checkpoint.find_file(path)
        info = checkpoint.read_info(file)
        kind = STYLEMAP if model.latents.spatial else SEAN if model.config.labelled else _style(info)
        if kind in subjects:
            raise InputError(
                f"--weights {notes[kind]['given']} and {path} are both of kind {kind}; give one of each kind"
            )
        sides = {subject.model.config.resolution for subject in subjects.values()} | {model.config.resolution}
        if len(sides) > 1:
            raise InputError(
                f"--weights are for images of {' and '.join(map(str, sorted(sides)))} pixels; give weights of one"
            )
        subjects[kind] = Subject(model)
        notes[kind] = {
            "given": path,
            "sha256": provenance.sha256(file),
            "info": info,
            "parameters": {name: sum(x.numel() for x in part.parameters()) for name, part in model.named_children()},
            "model": asdict(model.config),
        }
    return subjects, notes


def _style(info: dict) -> str:
    """The kind of weights of vectors: by the encoder, if `stylemap train-encoder` made it."""
    encoder = info.get("encoder")
    style = encoder.get("style") if isinstance(encoder, dict) else None
    return style if style in (E4E, PSP) else VECTORS


def load_perceptual(
    name: str, weights: list[str], vgg: str | None, device: torch.device, faces: Dataset, seed: int = 0
) -> tuple[networks.Perceptual, dict]:
    """One network for all methods, and where it comes from.

    Args:
        name: of `perceptual.NAMES`, or `judge.NAME`. "auto" is VGG-16 if its weights are found, then the classifier for drawn
            faces, then what it is elsewhere. The discriminator is that of the first weights that have one.
        faces: training images.
        seed: of the classifier.

    Raises:
        InputError: as of `perceptual.load`; a classifier of images that are not drawn faces.
    """
    if name == "auto" and isinstance(faces, Avatars) and not vgg and not VGG.path(None).is_file():
        name = judge.NAME
    if name == judge.NAME:
        if not isinstance(faces, Avatars):
            raise InputError(f"perceptual network {name}: it learns from drawn faces; take another for other images")
        network = judge.of_drawn_faces(faces, seed, device)
        return network, network.origin
    holder = next(filter(checkpoint.holds_discriminator, weights), None)
    network = networks.load(name, device, vgg, holder)
    if not isinstance(network, DiscriminatorFeatures):
        return network, network.origin
    origin = {"stand_in": f"the discriminator of {holder} instead of VGG-16"}
    return network, network.origin | origin | {"weights_sha256": provenance.sha256(checkpoint.find_file(holder))}
