"""What an edit reads and writes: the central square of a picture, or with ``--align`` a face of a photo; put back or not."""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylemap import faces, familiarity, images, resampling
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.cli import finding, options
from stylemap.editing import pasting, saving
from stylemap.editing.applying import Edited
from stylemap.errors import InputError, Note
from stylemap.familiarity import Familiarity
from stylemap.files import atomic
from stylemap.photos import mask_files
from stylemap.photos.photo import Photo, open_face, open_square


def add_options(parser: argparse.ArgumentParser, who: str, frame: str, painted: bool) -> None:
    """``--paste-back``, ``--align`` and what belongs to it.

    Args:
        who: which of the verb's pictures ``--align`` is about.
        frame: what to say of where its masks lie.
        painted: masks may be painted on the photo, otherwise only on the face.
    """
    parser.add_argument(
        "--paste-back",
        choices=("none", *pasting.WAYS),
        help="write the original at its full size with the edited region in it, instead of the picture the model made: feather "
        "has a soft rim, poisson also brings parts of references to the photo's light and tint. With --align feather, "
        "otherwise none",
    )
    options.add_enlarge(parser)
    group = parser.add_argument_group(
        "unaligned photos",
        "With --align the largest face of each photo is found and cut out like FFHQ's faces, the edit is made on it and put "
        f"back into the original at its full size. Only the edited region and a soft rim around it change. {frame}".strip(),
    )
    group.add_argument("--align", action="store_true", help=f"{who} with a face somewhere")
    finding.add_options(group)
    if painted:
        group.add_argument(
            "--mask-on",
            choices=("photo", "face"),
            help="whether masks and part labels are as the photos, the default, or as the "
            "face that is cut out of them, which `stylemap data align` writes",
        )
    parser.set_defaults(painted=painted)


def open_photos(
    arguments: argparse.Namespace, model: StylemapModel, weights: str | Path
) -> "SquarePhotos | FacePhotos":
    """What the flags ask for, with the model of these weights.

    Raises:
        InputError: flags that go with ``--align`` without it, or no way to find faces.
    """
    paste = arguments.paste_back or ("feather" if arguments.align else "none")
    known = familiarity.of(weights, model)
    if paste != "none" and (arguments.enlarge or 1) > 1:
        raise InputError("--enlarge goes with --paste-back none: a photo keeps its size; leave one of the two away")
    enlarge = options.Enlarging(arguments.enlarge)
    if arguments.align:
        on_photo = arguments.painted and arguments.mask_on != "face"
        finder = faces.Finder(arguments.landmarks, arguments.detector)
        return FacePhotos(model, paste, enlarge, known, finder, on_photo)
    for name in ("landmarks", "detector", "mask_on"):
        if getattr(arguments, name, None) is not None:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} goes with --align; add it or leave {flag} away")
    return SquarePhotos(model, paste, enlarge, known)


class SquarePhotos:
    """Pictures of any size, cut to their central square."""

    def __init__(self, model: StylemapModel, paste: str, enlarge: options.Enlarging, known: Familiarity | None):
        """
        Args:
            paste: one of `pasting.WAYS`, or "none" to write what the model made, enlarged.
            known: tells what the model cannot draw.
        """
        self.model, self.paste, self.enlarge, self.known = model, paste, enlarge, known
        self.told: set[str] = set()

    def open(self, path: str) -> Photo:
        """A picture to edit, or to take from; the person is told once if the weights cannot draw it."""
        photo = self._open(path)
        if path not in self.told:
            self.told.add(path)
            options.tell_unfamiliar(self.known, [path], familiarity.errors(self.model, self.image(photo)))
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

    def fitted(self, values: np.ndarray, photo: Photo, name: str) -> Tensor:
        """`over` as [1, 1, R, R] on the model's device."""
        return self._tensor(self.over(values, photo, name))

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
        enlarge: options.Enlarging,
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
