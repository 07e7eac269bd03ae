"""Project files: an edit with everything it is made of, to go on with or to repeat, one ``.safetensors``.

The header holds JSON, the tensors hold stylemaps, photos and masks. A file may come from a stranger: nothing in it is run, and
every type, shape and range is checked before it is used.
"""

import copy
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor

from stylemap import architectures, decoding, images, reading
from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.datasets.parts import Part
from stylemap.editing import applying, masks, pasting
from stylemap.editing.applying import Edited, Reference
from stylemap.editing.directions import Direction, Origin, Scale
from stylemap.editing.edit import ORIGINAL, SLOTS, Edit, Space
from stylemap.editing.incremental import Cache
from stylemap.errors import InputError, brief
from stylemap.faces import Alignment
from stylemap.files import write_bytes
from stylemap.inversion import fitting
from stylemap.inversion.fitting import Fit
from stylemap.photos.photo import Photo
from stylemap.schema import Most, Range, parse, refuse, to_json

FORMAT = "stylemap-project-1"
LARGEST_STYLEMAP = 1e4  # of a value; those of a network in order are about 1
MOST_STEPS = Most(32)  # of a kind, as in an `Edit`
LONGEST_NAME = 200  # characters, of weights
FIT = "fit."  # what the tensors of a fit begin with; its stylemap is that of the original
OTHER_KIND = "this is not a project file; choose one that the editor saved"
Coordinate = Annotated[float, Range(-(1 << 20), 1 << 20)]  # pixels of an upload
Name = Annotated[str, Most(100)]  # of a direction


@dataclass(frozen=True, eq=False)
class Project:
    """An edit and its photos."""

    weights: str  # their name, for people; it is never opened
    fingerprint: str  # of them, see `StylemapModel.fingerprint`
    config: StylemapConfig
    photos: Mapping[str, Photo]  # by slot
    stylemaps: Mapping[str, Tensor]  # by slot, [1, C, S, S] on the CPU
    edit: Edit
    page: dict[str, Any] = field(default_factory=dict)  # what the editor's page keeps for itself
    fit: Fit | None = None  # of the weights to the original

    def check_model(self, model: StylemapModel, its_fingerprint: str | None = None) -> None:
        """InputError unless the stylemaps and directions in here mean the same to this model."""
        given, needed = asdict(model.config), asdict(self.config)
        if different := [f"{name} {needed[name]}, not {given[name]}" for name in needed if needed[name] != given[name]]:
            raise InputError(f"the project needs other weights, {self.weights!r}: {', '.join(different)}")
        if (its_fingerprint or model.fingerprint()) != self.fingerprint:
            raise InputError(f"the project needs other weights, {self.weights!r}; these are of the same size")


class Replay:
    """A project's edit, ready for any number of originals: weights are checked and references encoded once.

    Raises:
        InputError: a project of other weights.
    """

    @torch.inference_mode()
    def __init__(self, model: StylemapModel, project: Project):
        project.check_model(model)
        self.model, self.edit, self.fit = model, project.edit, project.fit
        stylemaps = {slot: w.to(model.device) for slot, w in project.stylemaps.items()}
        self.original = stylemaps.pop(ORIGINAL, None)
        self.references, self.cache = {}, Cache(model, modulated=False)
        for slot, w in stylemaps.items():
            image = images.from_arrays([project.photos[slot].pixels]).to(model.device)
            self.references[int(slot)] = Reference(w, model.encode(image.flip(3)))

    @torch.inference_mode()
    def __call__(self, original: Tensor | None = None, how: pasting.How = "none") -> Edited:
        """The edit of the project's own original, or of another image [1, 3, R, R]; ``how`` as in `applying.apply_changes`.

        Raises:
            InputError: a project without an original, where none is given; a fit, and a model that is rounded.
        """
        if original is not None:
            return self.of(self.model.encode(original.to(self.model.device)), how)
        if self.original is None:
            raise InputError("the project holds no original; give one")
        with torch.inference_mode(False):
            drawn = self if self.fit is None else self.fitted(self.fit.model(self.model))
        return drawn.of(self.original, how)

    def of(self, stylemap: Tensor, how: pasting.How = "none") -> Edited:
        """The edit of the image that a stylemap [1, C, S, S] draws."""
        return applying.apply(self.model, self.edit, stylemap, self.references, how, self.cache)

    def fitted(self, model: StylemapModel) -> "Replay":
        """The same edit, drawn by weights that were fitted to an image or to a clip. The encoder stays as it is."""
        other = copy.copy(self)
        other.model, other.cache = model, self.cache.of(model)
        return other


def most_bytes(config: StylemapConfig, upload_bytes: int) -> int:
    """An upper bound of a project file with an upload of ``upload_bytes``."""
    pixels = config.resolution**2
    stylemap = 4 * math.prod(config.stylemap_shape)
    photos = len(SLOTS) * (4 * pixels + stylemap)
    photos += fitting.most_bytes(config)
    return reading.LARGEST_HEADER + upload_bytes + photos + MOST_STEPS.count * (pixels + pixels + stylemap)


# ---- to bytes


def write(path: str | Path, project: Project) -> None:
    """Atomically write a project file."""
    write_bytes(path, to_bytes(project))


def to_bytes(project: Project) -> bytes:
    """The project file. It holds the file of the original, and of the references only what the model sees."""
    tensors: dict[str, Tensor] = {}
    for slot, photo in project.photos.items():
        tensors[f"pictures.{slot}.photo"] = torch.from_numpy(photo.pixels)
        tensors[f"pictures.{slot}.stylemap"] = project.stylemaps[slot].float()
        if photo.labels is not None:
            tensors[f"pictures.{slot}.labels"] = torch.from_numpy(photo.labels)
    if project.fit is not None:
        tensors |= {FIT + name: x for name, x in project.fit.weights.items()}
    original, upload = project.photos.get(ORIGINAL), None
    if original is not None and original.source is not None:
        data = original.source if isinstance(original.source, bytes) else original.source.read_bytes()
        tensors["upload"] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        upload = asdict(_Upload(original.size, original.alignment.corner, original.alignment.edge, original.aligned))
    edit = to_json(project.edit, {Tensor: lambda mask: None, Direction: lambda d: d.name})
    for kind in ("patches", "pushes"):
        for i, (step, settings) in enumerate(zip(getattr(project.edit, kind), edit[kind], strict=True)):
            del settings["mask"]
            if step.mask is not None:
                tensors[f"{kind}.{i}.mask"] = torch.from_numpy(masks.to_bytes(step.mask))
            if kind == "pushes":
                settings["scale"] = step.direction.scale
                tensors[f"{kind}.{i}.vector"] = step.direction.vector
    header = {
        "weights": project.weights[:LONGEST_NAME],
        "fingerprint": project.fingerprint,
        "model": asdict(project.config),
        "upload": upload,
        **edit,
        "page": project.page,
    }
    # copies, as safetensors takes no tensors that share memory
    tensors = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    return serialize(tensors, {"format": FORMAT, "project": json.dumps(header, allow_nan=False)})


# ---- from bytes


@dataclass(frozen=True, eq=False)
class _Upload:
    """The file that the original was cut out of: (width, height), where the square lies in it, whether along a face."""

    size: tuple[int, int]
    corner: tuple[Coordinate, Coordinate]
    edge: tuple[Coordinate, Coordinate]
    aligned: bool


@dataclass(frozen=True, eq=False)
class _Header:
    """The JSON of a project file. Masks and vectors of the steps are tensors beside it."""

    weights: Annotated[str, Most(LONGEST_NAME)]
    fingerprint: Annotated[str, Most(64)]
    model: dict
    upload: _Upload | None
    space: Space
    patches: Annotated[tuple[dict, ...], MOST_STEPS]
    pushes: Annotated[tuple[dict, ...], MOST_STEPS]
    page: dict
    keep_detail: bool = False  # younger than some files


def read(source: str | Path | bytes, most_pixels: int = decoding.MAX_PIXELS) -> Project:
    """Read a project file, or its bytes.

    Args:
        most_pixels: of the original's upload.

    Raises:
        InputError: a file that is missing, damaged or of another kind, or a project with anything in it that does not fit.
    """
    if not isinstance(source, bytes):
        try:
            source = Path(source).read_bytes()
        except OSError as err:
            raise InputError(f"{source} cannot be read: {err.strerror}; name a project that the editor saved") from err
    try:
        notes = reading.read_metadata(io.BytesIO(source), "the project")
        header = reading.parse_json(notes["project"], "the project")
    except (InputError, KeyError) as err:
        raise InputError(OTHER_KIND) from err
    if notes.get("format") != FORMAT or not isinstance(header, dict):
        raise InputError(OTHER_KIND)
    try:
        tensors = deserialize(source)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as err:
        raise InputError("the project is damaged; save it again") from err
    try:
        return _project(parse(_Header, header), _Tensors(tensors), most_pixels)
    except InputError as err:
        raise InputError(f"the project cannot be used: {err}") from err
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        raise InputError(f"the project is damaged ({type(err).__name__}: {brief(err)}); save it again") from err


class _Tensors(dict[str, Tensor]):
    """The tensors of a project file. Each is taken out once; what is left over does not belong to a project."""

    def numbers(self, name: str, shape: tuple[int, ...], most: float) -> Tensor:
        tensor = self._take(name, torch.float32, shape)
        if not bool((tensor.abs() <= most).all()):  # NaN is not
            refuse(name, f"must hold numbers of {most:g} at most")
        return tensor

    def levels(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return self._take(name, torch.uint8, shape).numpy()

    def _take(self, name: str, kind: torch.dtype, shape: tuple[int, ...]) -> Tensor:
        tensor = self.pop(name, None)
        if tensor is None:
            refuse(name, "is missing")
        if tensor.dtype != kind or tuple(tensor.shape) != shape:
            refuse(name, f"must be {kind} {list(shape)}, not {tensor.dtype} {list(tensor.shape)}")
        return tensor


def _project(header: _Header, tensors: _Tensors, most_pixels: int) -> Project:
    json.dumps(header.page, allow_nan=False)  # Python reads NaN, which JSON does not have
    config = architectures.model_config(header.model)
    r = config.resolution
    photos, stylemaps = {}, {}
    for slot in SLOTS:
        name = f"pictures.{slot}"
        if f"{name}.photo" not in tensors:
            continue
        pixels = tensors.levels(f"{name}.photo", (r, r, 3))
        labels = tensors.levels(f"{name}.labels", (r, r)) if f"{name}.labels" in tensors else None
        if labels is not None and labels.max() >= len(Part):
            refuse(f"{name}.labels", "are of unknown parts")
        stylemaps[slot] = tensors.numbers(f"{name}.stylemap", (1, *config.stylemap_shape), LARGEST_STYLEMAP)
        if slot == ORIGINAL and header.upload is not None:
            photos[slot] = _original(header.upload, tensors, pixels, labels, most_pixels)
        else:
            photos[slot] = Photo(pixels, None, (r, r), Alignment.central(r, r, r), labels=labels)
    if header.upload is not None and ORIGINAL not in photos:
        raise InputError("there is an upload, but no original")
    edit = _edit(header, tensors, config)
    fit, weights = None, {name.removeprefix(FIT): tensors.pop(name) for name in list(tensors) if name.startswith(FIT)}
    if weights and ORIGINAL in stylemaps:
        fit = fitting.of_tensors(weights | {fitting.STYLEMAP: stylemaps[ORIGINAL]})
    if tensors:
        raise InputError(f"{min(tensors)[:60]!r} does not belong to a project")
    return Project(header.weights, header.fingerprint, config, photos, stylemaps, edit, header.page, fit)


def _original(
    given: _Upload, tensors: _Tensors, pixels: np.ndarray, labels: np.ndarray | None, most_pixels: int
) -> Photo:
    """The original with the file that it was cut out of."""
    length = tensors["upload"].numel() if "upload" in tensors else 0
    data = tensors.levels("upload", (length,)).tobytes()
    stored = decoding.read_size(data, "the upload", most_pixels)
    if given.size not in (stored, stored[::-1]):  # turned by EXIF, width and height change places
        refuse("upload.size", f"must be {list(stored)} like the file, not {list(given.size)}")
    if math.hypot(*given.edge) < 1:
        refuse("upload.edge", "must be a pixel long or more")
    return Photo(pixels, data, given.size, Alignment(given.corner, given.edge, len(pixels)), given.aligned, labels)


def _edit(header: _Header, tensors: _Tensors, config: StylemapConfig) -> Edit:
    """The header's steps with their masks and vectors."""
    steps: dict[str, list[dict]] = {"patches": [], "pushes": []}
    for kind, settings_of in (("patches", header.patches), ("pushes", header.pushes)):
        for i, settings in enumerate(settings_of):
            path = f"{kind}.{i}"
            if "mask" in settings:
                refuse(f"{path}.mask", "is not known here")
            settings = dict(settings)
            if kind == "patches" or f"{path}.mask" in tensors:
                side = (config.resolution, config.resolution)
                settings["mask"] = masks.from_bytes(tensors.levels(f"{path}.mask", side))
            if kind == "pushes":
                name = parse(Name, settings.get("direction"), f"{path}.direction")
                scale = parse(Scale, settings.pop("scale", None), f"{path}.scale")
                vector = tensors.numbers(f"{path}.vector", config.stylemap_shape, 1.0)
                settings["direction"] = Direction(name, vector, scale, Origin("project"))
            steps[kind].append(settings)
    edit = parse(Edit, {"space": header.space, "keep_detail": header.keep_detail, **steps})
    edit.check(config)
    return edit
