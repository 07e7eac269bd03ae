"""The model at work for the editor. Its methods take time and run in one thread, see `workers`."""

import copy
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from stylemap import images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import applying, pasting
from stylemap.editing.applying import Edited
from stylemap.editing.directions import Direction
from stylemap.editing.edit import ORIGINAL, Edit
from stylemap.editing.incremental import MOST_BYTES, Cache
from stylemap.editor.sessions import EncodedPhoto
from stylemap.errors import InputError
from stylemap.familiarity import Familiarity
from stylemap.inversion import fitting
from stylemap.inversion.fitting import Fit
from stylemap.photos.photo import Photo
from stylemap.project import Project
from stylemap.segmentation import Segmenter

QUICK_S = 0.05  # images that take no longer are exact while the hand moves too
FITTED = 4  # fitted models that are kept
Photos = Mapping[str, EncodedPhoto]  # by slot


class Studio:
    """A model, the name of its weights and its directions.

    Args:
        known: tells which photos the weights cannot draw; None = that is not known.
        segmenter: names the parts of photos; None = only those of drawn faces are known.
        maps_bytes: of resized stylemaps and modulations that are kept between edits, over all sessions.
        load: loads the weights in float32, which fits begin with; None: the model is float32.

    Attributes:
        exact_model: loads that when it is first needed; nobody computes with it or changes it.
    """

    def __init__(
        self,
        model: StylemapModel,
        weights: str,
        directions: Mapping[str, Direction],
        known: Familiarity | None = None,
        maps_bytes: int = MOST_BYTES,
        load: Callable[[], StylemapModel] | None = None,
        segmenter: Segmenter | None = None,
    ):
        self.model, self.weights, self.directions = model, weights, directions
        self.fingerprint = model.fingerprint()
        self.cache, self.known = Cache(model, maps_bytes), known
        self.segmenter = segmenter
        self.exact_s = 0.0  # the time of the last exact image
        self.exact_model = functools.cache(load or (lambda: copy.deepcopy(model)))
        self._fitted = functools.lru_cache(FITTED)(self._fitted_to)
        for direction in directions.values():
            if tuple(direction.vector.shape) != model.config.stylemap_shape:
                shape = list(model.config.stylemap_shape)
                raise InputError(
                    f"the direction {direction.name} is not for stylemaps {shape}; give other --directions"
                )

    @torch.inference_mode()
    def encode(self, photo: Photo, stylemap: Tensor | None = None, fit: Fit | None = None) -> EncodedPhoto:
        """Encode a photo, or go on from its stylemap [1, C, S, S], and reconstruct it; ``fit`` is that of the original.

        Raises:
            InputError: a fit of other weights.
        """
        model, cache = self._at_work(fit)
        image = images.from_arrays([photo.pixels]).to(self.model.device)
        stylemap = self.model.encode(image) if stylemap is None else stylemap.to(self.model.device)
        mirrored = self.model.encode(image.flip(3))
        known = cache.drawn(stylemap)
        result = model.render(known.maps) if known.drawn is None else known.drawn.image
        mse = float((result.clamp(-1, 1) - image).square().mean(dtype=torch.float64))
        labels = photo.labels
        if labels is None and self.segmenter is not None:
            labels = self.segmenter.labels(self.model, image, stylemap if fit is None else None)[0]
        return EncodedPhoto(stylemap, mirrored, photo, images.to_uint8(result)[0].cpu().numpy(), mse, fit, labels)

    def fit(self, encoded: EncodedPhoto, steps: int, tick: fitting.Tick) -> Fit:
        """Fit the weights to a photo. Takes seconds, and may run beside the other methods."""
        image = images.from_arrays([encoded.photo.pixels]).to(self.model.device)
        own = copy.deepcopy(self.exact_model())  # a fit swaps parameters while it computes
        return fitting.fit(own, image, steps, tick)

    def fitted(self, encoded: EncodedPhoto, fit: Fit) -> EncodedPhoto:
        """The photo, drawn by the weights that were fitted to it."""
        return self.encode(encoded.photo, fit.stylemap, fit)

    def _at_work(self, fit: Fit | None) -> tuple[StylemapModel, Cache]:
        return (self.model, self.cache) if fit is None else self._fitted(fit)

    def _fitted_to(self, fit: Fit) -> tuple[StylemapModel, Cache]:
        with torch.inference_mode(False):
            model = fit.model(self.exact_model(), self.model.passes)
        return model, self.cache.of(model)

    def render(self, edit: Edit, photos: Photos, how: pasting.How = "none", preview: bool = False) -> Edited:
        """The edited picture, and what putting it back into its photo needs; ``how`` and ``preview`` as in `applying.apply`.

        Where exact images take less than `QUICK_S`, all are exact.

        Raises:
            InputError: an edit of another model, or of slots that are empty.
        """
        references = {int(slot): p for slot, p in photos.items() if slot != ORIGINAL}
        preview, began = preview and self.exact_s > QUICK_S, time.perf_counter()
        original = photos[ORIGINAL]
        model, cache = self._at_work(original.fit)
        edited = applying.apply(model, edit, original.stylemap, references, how, cache, preview)
        if how == "none" and edited.region is not None:
            edited = replace(edited, pixels=edited.in_square(original.photo))
        if not preview and how == "none":
            self.exact_s = time.perf_counter() - began
        return edited

    def project(self, edit: Edit, photos: Photos, page: dict) -> Project:
        """Everything that the edit is made of."""
        return Project(
            weights=self.weights,
            fingerprint=self.fingerprint,
            config=self.model.config,
            photos={slot: p.photo for slot, p in photos.items()},
            stylemaps={slot: p.stylemap.cpu() for slot, p in photos.items()},
            edit=edit,
            page=page,
            fit=photos[ORIGINAL].fit if ORIGINAL in photos else None,
        )

    def open(self, opened: Project) -> Photos:
        """The photos of a project.

        Raises:
            InputError: made with other weights or with directions that are not here.
        """
        opened.check_model(self.model, self.fingerprint)
        for push in opened.edit.pushes:
            here, needed = self.directions.get(push.direction.name), push.direction
            if here is None or here.scale != needed.scale or not torch.equal(here.vector, needed.vector):
                raise InputError(
                    f"the project uses a direction {needed.name[:40]!r} that this server does not have; start it with "
                    "the --directions it was made with"
                )
        fits = {ORIGINAL: opened.fit}
        return {slot: self.encode(p, opened.stylemaps[slot], fits.get(slot)) for slot, p in opened.photos.items()}
