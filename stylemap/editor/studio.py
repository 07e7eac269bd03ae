"""The model at work for the editor. Its methods take time and run in one thread, see `workers`."""

import weakref
from collections.abc import Mapping

import torch
from torch import Tensor

from stylemap import images, project
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.editing.blending import in_space
from stylemap.editing.directions import Direction
from stylemap.editor.sessions import Picture
from stylemap.errors import InputError
from stylemap.familiarity import Familiarity
from stylemap.project import Project, recipe
from stylemap.project.recipe import ORIGINAL, Edit, Maps, MapsOf, Photo, Reference

Pictures = Mapping[str, Picture]


class Studio:
    """A model, the name of its weights and its directions.

    Args:
        known: tells which pictures the weights cannot draw; None = that is not known.
        maps_bytes: of resized stylemaps that are kept between edits.
    """

    def __init__(
        self,
        model: StylemapModel,
        weights: str,
        directions: Mapping[str, Direction],
        maps_bytes: int,
        known: Familiarity | None = None,
    ):
        self.model, self.weights, self.directions = model, weights, directions
        self.fingerprint = project.fingerprint(model)
        self.maps_bytes, self.known = maps_bytes, known
        self._maps: weakref.WeakKeyDictionary[Picture, dict[int, Maps]] = weakref.WeakKeyDictionary()
        for direction in directions.values():
            if tuple(direction.vector.shape) != model.config.stylemap_shape:
                shape = list(model.config.stylemap_shape)
                raise InputError(
                    f"the direction {direction.name} is not for stylemaps {shape}; give other --directions"
                )

    @torch.inference_mode()
    def take(self, photo: Photo, stylemap: Tensor | None = None) -> Picture:
        """Encode a photo, or go on from a stylemap [1, C, S, S] of it, and reconstruct."""
        image = images.from_arrays([photo.pixels]).to(self.model.device)
        stylemap = self.model.encode(image) if stylemap is None else stylemap.to(self.model.device)
        mirrored = self.model.encode(image.flip(3))
        result = self.model.synthesize(stylemap)
        mse = float((result.clamp(-1, 1) - image).square().mean(dtype=torch.float64))
        return Picture(photo, stylemap, mirrored, images.to_uint8(result)[0].cpu().numpy(), mse)

    def render(self, edit: Edit, pictures: Pictures, how: pasting.How = "none") -> Edited:
        """The edited picture, and what putting it back into its photo needs; ``how`` as in `applying.apply`.

        Raises:
            InputError: an edit of another model, or of slots that are empty.
        """
        return recipe.apply(self.model, edit, *self._inputs(edit, pictures), how)

    def project(self, edit: Edit, pictures: Pictures, page: dict) -> Project:
        """Everything that the edit is made of."""
        return Project(
            weights=self.weights,
            fingerprint=self.fingerprint,
            config=self.model.config,
            photos={slot: picture.photo for slot, picture in pictures.items()},
            stylemaps={slot: picture.stylemap.cpu() for slot, picture in pictures.items()},
            edit=edit,
            page=page,
        )

    def open(self, opened: Project) -> Pictures:
        """The pictures of a project.

        Raises:
            InputError: made with other weights or with directions that are not here.
        """
        opened.check_model(self.model, self.fingerprint)
        for push in opened.edit.pushes:
            ours, theirs = self.directions.get(push.direction.name), push.direction
            if ours is None or ours.scale != theirs.scale or not torch.equal(ours.vector, theirs.vector):
                raise InputError(
                    f"the project uses a direction {theirs.name[:40]!r} that this server does not have; start it with "
                    "the --directions it was made with"
                )
        return {slot: self.take(photo, opened.stylemaps[slot]) for slot, photo in opened.photos.items()}

    def _inputs(self, edit: Edit, pictures: Pictures) -> tuple[Tensor, dict[int, Reference], MapsOf]:
        known = {id(w): (p, turned) for p in pictures.values() for turned, w in enumerate((p.stylemap, p.mirrored))}

        def maps_of(stylemap: Tensor) -> Maps:
            if edit.space == "w" or id(stylemap) not in known:
                return in_space(self.model, stylemap, edit.space)
            return self._kept(*known[id(stylemap)])

        references = {int(slot): p for slot, p in pictures.items() if slot != ORIGINAL}
        return (
            pictures[ORIGINAL].stylemap,
            {slot: Reference(p.stylemap, p.mirrored) for slot, p in references.items()},
            maps_of,
        )

    def _kept(self, picture: Picture, turned: int) -> Maps:
        """The maps in w+ of a picture or its mirror image; those that were used last are kept, as long as the picture is."""
        kept = self._maps.pop(picture, {})
        if turned not in kept:
            kept[turned] = in_space(self.model, picture.mirrored if turned else picture.stylemap, "w+")
        self._maps[picture] = kept
        sizes = [(key, sum(m.nbytes for maps in all_.values() for m in maps)) for key, all_ in list(self._maps.items())]
        total = sum(size for _, size in sizes)
        for oldest, size in sizes[:-1]:
            if total <= self.maps_bytes:
                break
            self._maps.pop(oldest, None)
            total -= size
        return kept[turned]
