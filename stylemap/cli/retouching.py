"""What an edit reads and writes: the central square of a photo or a face in it, and the photo with the edit put back."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import faces, familiarity, files, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import inputs, loading
from stylemap.editing.applying import Edited
from stylemap.errors import InputError, Note
from stylemap.inversion import fitting
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo, open_face, open_square


class Photos:
    """The photos of a verb that has the flags of `flags.add_alignment`: squares, or with ``--align`` the largest faces.

    Attributes:
        paste: how the edit is put back, one of `pasting.WAYS`; "none" writes what the model made.
    """

    def __init__(self, arguments: argparse.Namespace, model: StylemapModel, weights: str | Path):
        """
        Raises:
            InputError: flags that go with ``--align`` without it, or no way to find faces.
        """
        self.paste = arguments.paste_back or ("feather" if arguments.align else "none")
        if self.paste != "none" and (arguments.enlarge or 1) > 1:
            raise InputError("--enlarge goes with --paste-back none, since a photo keeps its size; give one of the two")
        if not arguments.align:
            inputs.only_with("--align", arguments, "landmarks", "detector", "mask_on")
        self.model, self.side = model, model.config.resolution
        self.finder = faces.Finder(arguments.landmarks, arguments.detector) if arguments.align else None
        self.masks_on_face = arguments.align and (not arguments.painted or arguments.mask_on == "face")
        self._familiarity = familiarity.measure(weights, model)
        self._enlarge = loading.Enlarging(arguments.enlarge)

    def open(self, path: str | Path) -> Photo:
        """A photo to edit, or to take from. A note says so if the weights cannot draw it."""
        if self.finder:
            photo = open_face(Path(path), self.side, self.finder, Path(path).as_posix())
        else:
            photo = open_square(Path(path), self.side, str(path))
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
        """Write the edit, made to be pasted as ``paste`` says: alone or in the original.

        A `Note` says what of the original this kind of file cannot hold.
        """
        if self.paste == "none":
            images.write(path, self._enlarge(images.from_arrays([edited.pixels])))
            return
        with files.atomic(path) as temporary, temporary.open("wb") as stream:
            notes = edited.put_back(stream, original, self.paste, path.suffix)
        for note in notes:
            warnings.warn(f"{path}: {note}", Note, stacklevel=2)

    def _fit(self, mask: np.ndarray, photo: Photo, name: str) -> np.ndarray:
        """A mask over a photo, or over the face in it, float32 [H, W] in [0, 1] -> over what the model sees, [R, R].

        Raises:
            InputError: calling it ``name``, if it does not fit.
        """
        if self.masks_on_face or not photo.aligned:
            size = (self.side, self.side) if self.masks_on_face else photo.size[::-1]
            mask_files.validate_size(mask.shape, size, name)
            return resampling.fit_mask(mask, self.side)
        mask_files.validate_size(mask.shape, photo.size[::-1], name, "give one of the aligned face with --mask-on face")
        turned = faces.align_mask(mask, photo.alignment.scaled(max(mask.shape) / max(photo.size)))
        if turned.max() == 0:
            (left, top), (right, bottom) = photo.alignment.quad.min(0).round(), photo.alignment.quad.max(0).round()
            raise InputError(
                f"the mask {name} does not touch the face, which lies within x {left:.0f} to {right:.0f}, y {top:.0f} to "
                f"{bottom:.0f} of the photo; paint it there"
            )
        return turned

    def _tensor(self, mask: np.ndarray) -> Tensor:
        return torch.from_numpy(mask.astype(np.float32))[None, None].to(self.model.device)
