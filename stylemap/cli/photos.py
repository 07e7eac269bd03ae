"""What an edit reads and writes: whole pictures, or with ``--align`` a face of a photo, put back into it afterwards."""

import argparse
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from stylemap import decoding, faces, images
from stylemap.cli import align, options
from stylemap.errors import InputError
from stylemap.files import atomic
from stylemap.model import Model

SURE = 0.25  # of a mask: from here on only the edit shows; half edit and half photo would look like a double exposure


def add_options(parser: argparse.ArgumentParser, painted: bool) -> None:
    """``--align`` and what belongs to it; ``painted``: masks may be painted on the photo, otherwise only on the face."""
    frame = (
        "A mask is painted on the original photo, or see --mask-on." if painted else "Cells and masks are on the faces."
    )
    group = parser.add_argument_group(
        "unaligned photos",
        "With --align the largest face of each photo is found and cut out like FFHQ's faces, the edit is made on it and put "
        f"back into the original at its full size. Only the edited region and a soft rim around it change. {frame}",
    )
    group.add_argument("--align", action="store_true", help="original and reference are photos with a face somewhere")
    align.add_finding(group)
    if painted:
        group.add_argument(
            "--mask-on",
            choices=("photo", "face"),
            help="whether masks are as the original photo, the default, or as the "
            "face that is cut out of it, which `stylemap data align` writes",
        )
    parser.set_defaults(painted=painted)


def open_photos(arguments: argparse.Namespace, model: Model) -> "Pictures | Faces":
    """What the flags ask for.

    Raises:
        InputError: flags that go with ``--align`` without it, or no way to find faces.
    """
    if arguments.align:
        on_photo = arguments.painted and arguments.mask_on != "face"
        return Faces(model, faces.Finder(arguments.landmarks, arguments.detector), on_photo)
    for name in ("landmarks", "detector", "mask_on"):
        if getattr(arguments, name, None) is not None:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} goes with --align; add it or leave {flag} away")
    return Pictures(model)


class Pictures:
    """Whole pictures of any size, cut to their central square."""

    def __init__(self, model: Model):
        self.model = model

    def original(self, path: str) -> Tensor:
        """The picture to edit, [1, 3, R, R] on the model's device."""
        return self.reference(path)

    def reference(self, path: str) -> Tensor:
        """[1, 3, R, R] on the model's device."""
        return options.read_image(path, self.model)

    def mask(self, path: str) -> Tensor:
        """A mask over the original, [1, 1, R, R] on the model's device."""
        return options.read_mask(path, self.model)

    def write(self, path: Path, edit: Tensor, region: Tensor) -> None:
        """Write the edited picture [1, 3, R, R]; ``region`` [1, 1, R, R] is where the edit may differ from the original."""
        images.write(path, edit)


class Faces(Pictures):
    """The largest face of each photo, aligned; what is written is the photo with the edited region in it."""

    def __init__(self, model: Model, finder: faces.Finder, on_photo: bool):
        super().__init__(model)
        self.finder, self.on_photo = finder, on_photo

    def original(self, path: str) -> Tensor:
        self.photo, aligned = self._aligned(path)
        self.alignment = aligned.alignment
        return self._image(aligned)

    def reference(self, path: str) -> Tensor:
        return self._image(self._aligned(path)[1])

    def mask(self, path: str) -> Tensor:
        """Painted on the photo or on the face; the original must have been read before."""
        if not self.on_photo:
            return options.read_mask(path, self.model)
        painted = decoding.luminance(Path(path))
        (height, width), (photo_height, photo_width) = painted.shape, self.photo.shape[:2]
        factor = max(width, height) / max(photo_width, photo_height)
        if abs(width - factor * photo_width) > 1 or abs(height - factor * photo_height) > 1:
            raise InputError(
                f"the mask {path} is {width} x {height} and the photo {photo_width} x {photo_height}: paint it on the photo, "
                "or give one of the aligned face with --mask-on face"
            )
        mask = faces.align_mask(painted, self.alignment.scaled(factor))
        if mask.max() == 0:
            (left, top), (right, bottom) = self.alignment.quad.min(0).round(), self.alignment.quad.max(0).round()
            raise InputError(
                f"the mask {path} does not touch the face, which lies within x {left:.0f} to {right:.0f}, y {top:.0f} to "
                f"{bottom:.0f} of the photo; paint it there"
            )
        return torch.from_numpy(mask)[None, None].to(self.model.device)

    def write(self, path: Path, edit: Tensor, region: Tensor) -> None:
        edited = images.to_uint8(edit)[0].cpu().numpy()
        mask = (region / SURE).clamp(max=1)[0, 0].cpu().numpy()
        photo = faces.paste_back(self.photo, edited, self.alignment, mask)
        with atomic(path) as temporary:  # not by images.write: as a float tensor a large photo takes 12 bytes a pixel
            Image.fromarray(photo).save(temporary, **images.STILL_FORMATS[path.suffix.lower()])

    def _aligned(self, path: str):
        """-> photo uint8 [H, W, 3] and its `faces.Aligned`."""
        photo = decoding.decode(Path(path))
        face = self.finder.largest(Path(path).as_posix(), photo)
        try:
            return photo, faces.align(photo, face.landmarks, self.model.config.resolution)
        except InputError as err:
            raise InputError(f"{path}: {err}") from err

    def _image(self, aligned: faces.Aligned) -> Tensor:
        return images.from_uint8(torch.from_numpy(aligned.picture)[None]).to(self.model.device)
