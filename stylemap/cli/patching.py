"""An edit of one photo, as the flags say: what `local-edit blend` and `local-edit transplant` do alike."""

import argparse

from torch import Tensor

from stylemap.cli import loading
from stylemap.editing import applying, blending, composing
from stylemap.editing.composing import Change
from stylemap.editing.edit import Patch, Placement, Space
from stylemap.errors import InputError
from stylemap.photos.photo import Photo


class Patching:
    """What both verbs need: the model, the photos and the settings that the flags name."""

    def __init__(self, arguments: argparse.Namespace, space: Space = "w+"):
        if arguments.layers and arguments.space == "w":
            raise InputError("--layers chooses among the resized stylemaps of w+; give one of the two")
        self.arguments, self.space = arguments, arguments.space or space
        self.model = loading.load_model(arguments)
        self.layers = loading.layers_of(arguments, self.model)
        self.pictures = loading.open_photos(arguments, self.model, arguments.weights)
        self.original = self.pictures.open(arguments.original)

    def encode(self, photo: Photo) -> Tensor:
        return self.model.encode(self.pictures.image(photo))

    def maps(self, reference: Photo) -> list[Tensor]:
        return blending.in_space(self.model, self.encode(reference), self.space)

    def patch(self, reference: Photo, mask: Tensor, placement: Placement) -> Change:
        settings = self.arguments
        patch = Patch(
            reference=0,
            mask=mask,
            placement=placement,
            strength=settings.strength,
            hard=settings.hard,
            layers=self.layers,
        )
        if placement.flip:
            turned = self.model.encode(self.pictures.image(reference).flip(3))
            change = Change(patch, blending.mirrored(self.model, turned, self.space))
        else:
            change = Change(patch, self.maps(reference))
        if not composing.region([change], self.model.config.resolution).max() > 0:
            raise InputError("a part lies outside of the frame after the shift; shift it less")
        return change

    def write(self, changes: list[Change]) -> None:
        edited = applying.apply_changes(self.model, self.maps(self.original), changes, self.space, self.pictures.paste)
        self.pictures.write(self.arguments.out, self.original, edited)
        print(self.arguments.out)
