"""What an edit reads and writes: the square of a photo, and the photo with the edit put back."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import familiarity, files, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import framing, inputs, loading
from stylemap.editing.applying import Edited
from stylemap.editing.pasting import How
from stylemap.errors import InputError, Note
from stylemap.inversion import fitting
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo


class Photos:
    """The photos of a verb that has the flags of `flags.add_alignment`."""

    def __init__(self, arguments: argparse.Namespace, model: StylemapModel, weights: str | Path):
        """
        Raises:
            InputError: as of `framing.Framing`, or flags that exclude each other.
        """
        self._keep_detail = arguments.keep_detail
        self._paste, self._enlarged = arguments.paste_back, (arguments.enlarge or 1) > 1
        if self._enlarged and self._paste not in (None, "none"):
            raise InputError("--enlarge goes with --paste-back none, since a photo keeps its size; give one of the two")
        if arguments.frame == "centre":
            inputs.only_with("--frame face", arguments, "mask_on")
        self.model, self.side = model, model.config.resolution
        self.framing = framing.Framing(arguments, self.side)
        self._painted, self._mask_on = arguments.painted, getattr(arguments, "mask_on", None)
        self._familiarity = familiarity.measure(weights, model)
        self._enlarge = loading.Enlarging(arguments.enlarge)

    def paste(self, photo: Photo) -> How:
        """How an edit is put back into a photo; "none" writes what the model made."""
        return self._paste or ("none" if photo.is_central or self._enlarged else "feather")

    def how(self, photo: Photo) -> How:
        """What an edit of a photo is made for: more than `paste` says where its detail is kept."""
        paste = self.paste(photo)
        return "feather" if self._keep_detail and paste == "none" else paste

    def open(self, path: str | Path, is_reference: bool = False) -> Photo:
        """A photo to edit, or to take from. A note says so if the weights cannot draw it."""
        photo = self.framing.open(path, crop=not is_reference)
        familiarity.tell(self._familiarity, [path], familiarity.errors(self.model, self.image(photo)))
        return photo

    def fit(self, photo: Photo, steps: int) -> tuple[StylemapModel, Tensor]:
        """The model fitted to a photo, and the photo's stylemap. Prints what that did to the error."""
        image = self.image(photo)
        with torch.inference_mode(False), torch.enable_grad():
            found = fitting.fit(self.model, image.clone(), steps)
        model = found.model(self.model)
        stylemap = found.stylemap.to(image)
        (before,) = familiarity.errors(self.model, image)
        after = (model.synthesize(stylemap).clamp(-1, 1) - image).square().mean().item()
        print(
            f"{photo.name}: fitted in {steps} steps; the error of its reconstruction is {after:.2g}, and was {before:.2g}"
        )
        return model, stylemap

    def image(self, photo: Photo) -> Tensor:
        """[1, 3, R, R] on the model's device."""
        return images.from_arrays([photo.pixels]).to(self.model.device)

    def mask(self, path: str, photo: Photo, hard: bool = False) -> Tensor:
        """A painted mask over a photo, [1, 1, R, R] on the model's device.

        Raises:
            InputError: it cannot be read, does not fit or selects nothing.
        """
        return self._tensor(mask_files.validate(self._fit(mask_files.read(Path(path)), photo, path), path, hard))

    def part(self, ids: Sequence[int], labels: np.ndarray, photo: Photo, found: bool = False) -> Tensor:
        """Where the label map of a photo has one of these parts, [1, 1, R, R] on the model's device; 0 where it has none.

        Args:
            found: the labels are of what the model sees, uint8 [R, R].
        """
        part = np.isin(labels, ids).astype(np.float32)
        if found:
            return self._tensor(part)
        if not part.any():
            return self._tensor(np.zeros((self.side, self.side), np.float32))
        return self._tensor(self._fit(part, photo, f"of the labels of {photo.name}"))

    def write(self, path: Path, original: Photo, edited: Edited) -> None:
        """Write the edit, made for `how`: alone or in the original, of which it keeps the detail if it has a region.

        A `Note` says what of the original this kind of file cannot hold.
        """
        if self.paste(original) == "none":
            pixels = edited.pixels if edited.region is None else edited.in_square(original)
            images.write(path, self._enlarge(images.from_arrays([pixels])))
            return
        with files.atomic(path) as temporary, temporary.open("wb") as stream:
            notes = edited.put_back(stream, original, self.paste(original), path.suffix)
        for note in notes:
            warnings.warn(f"{path}: {note}", Note, stacklevel=2)

    def _fit(self, mask: np.ndarray, photo: Photo, name: str) -> np.ndarray:
        on_square = self._mask_on == "face" or (not self._painted and not photo.is_central)
        return framing.fit_mask(mask, photo, name, on_square)

    def _tensor(self, mask: np.ndarray) -> Tensor:
        return torch.from_numpy(mask.astype(np.float32))[None, None].to(self.model.device)
