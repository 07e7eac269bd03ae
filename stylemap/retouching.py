"""What an edit reads and writes: the central square of a photo or a face in it, and the photo with the edit put back."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import faces, familiarity, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import saving
from stylemap.editing.applying import Edited
from stylemap.errors import InputError, Note
from stylemap.familiarity import Familiarity
from stylemap.files import atomic
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo, open_face, open_square


class SquarePhotos:
    """Images of any size, cut to their central square."""

    def __init__(
        self, model: StylemapModel, paste: str, enlarge: Callable[[Tensor], Tensor], known: Familiarity | None
    ):
        """
        Args:
            paste: one of `pasting.WAYS`, or "none" to write what the model made.
            enlarge: what to do with that before it is written.
            known: tells what the model cannot draw.
        """
        self.model, self.paste, self.enlarge, self.known = model, paste, enlarge, known
        self.told: set[str] = set()

    def open(self, path: str) -> Photo:
        """An image to edit, or to take from; the person is told once if the weights cannot draw it."""
        photo = self._open(path)
        if path not in self.told:
            self.told.add(path)
            familiarity.tell(self.known, [path], familiarity.errors(self.model, self.image(photo)))
        return photo

    def image(self, photo: Photo) -> Tensor:
        """[1, 3, R, R] on the model's device."""
        return images.from_arrays([photo.pixels]).to(self.model.device)

    def mask(self, path: str, photo: Photo, hard: bool = False) -> Tensor:
        """A painted mask over a photo, [1, 1, R, R] on the model's device.

        Raises:
            InputError: it cannot be read, does not fit or selects nothing.
        """
        return self._tensor(mask_files.validate(self.over(mask_files.read(Path(path)), photo, path), path, hard))

    def part(self, ids: Sequence[int], labels: np.ndarray, photo: Photo) -> Tensor:
        """Where a label map of a photo has one of these parts, [1, 1, R, R] on the model's device; 0 where it has none."""
        part = np.isin(labels, ids).astype(np.float32)
        side = self.model.config.resolution
        fitted = self.over(part, photo, f"of the labels of {photo.name}") if part.any() else np.zeros((side, side))
        return self._tensor(fitted.astype(np.float32))

    def over(self, values: np.ndarray, photo: Photo, name: str) -> np.ndarray:
        """What a mask, float32 [H, W] in [0, 1] over a photo, is over the part of it: float32 [R, R].

        Raises:
            InputError: calling it ``name``, where it does not fit.
        """
        mask_files.validate_size(values.shape, photo.size[::-1], name)
        return resampling.fit_mask(values, self.model.config.resolution)

    def write(self, path: Path, original: Photo, edited: Edited) -> None:
        """Write the edit, made to be pasted as ``paste`` says: alone or in the original.

        A `Note` is warned of for all of the original that its kind of file cannot hold.
        """
        if self.paste == "none":
            images.write(path, self.enlarge(images.from_arrays([edited.pixels])))
            return
        with atomic(path) as temporary, temporary.open("wb") as stream:
            notes = saving.put_back(stream, original, edited, self.paste, path.suffix)
        for note in notes:
            warnings.warn(f"{path}: {note}", Note, stacklevel=2)

    def _open(self, path: str) -> Photo:
        return open_square(Path(path), self.model.config.resolution, path)

    def _tensor(self, mask: np.ndarray) -> Tensor:
        return torch.from_numpy(mask)[None, None].to(self.model.device)


class FacePhotos(SquarePhotos):
    """The largest face of each photo, aligned."""

    def __init__(
        self,
        model: StylemapModel,
        paste: str,
        enlarge: Callable[[Tensor], Tensor],
        known: Familiarity | None,
        finder: faces.Finder,
        on_photo: bool,
    ):
        super().__init__(model, paste, enlarge, known)
        self.finder, self.on_photo = finder, on_photo

    def over(self, values: np.ndarray, photo: Photo, name: str) -> np.ndarray:
        """Over the photo or over the face that was cut out of it."""
        side = self.model.config.resolution
        if not self.on_photo:
            mask_files.validate_size(values.shape, (side, side), name)
            return resampling.fit_mask(values, side)
        mask_files.validate_size(
            values.shape, photo.size[::-1], name, "give one of the aligned face with --mask-on face"
        )
        factor = max(values.shape) / max(photo.size)
        mask = faces.align_mask(values, photo.alignment.scaled(factor))
        if mask.max() == 0:
            (left, top), (right, bottom) = photo.alignment.quad.min(0).round(), photo.alignment.quad.max(0).round()
            raise InputError(
                f"the mask {name} does not touch the face, which lies within x {left:.0f} to {right:.0f}, y {top:.0f} to "
                f"{bottom:.0f} of the photo; paint it there"
            )
        return mask

    def _open(self, path: str) -> Photo:
        return open_face(Path(path), self.model.config.resolution, self.finder, Path(path).as_posix())
