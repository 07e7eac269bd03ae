"""Project files: an edit with everything it is made of, to go on with or to repeat, one ``.safetensors``.

The header holds JSON, the tensors hold stylemaps, photos and masks. A file may come from a stranger: nothing in it is run,
and nothing is used before its type, shape and range are checked.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialize
from safetensors.torch import save as serialize
from torch import Tensor

from stylemap import decoding, images
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.config import ModelConfig
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.errors import InputError
from stylemap.files import write_bytes
from stylemap.project import recipe
from stylemap.project.parser import FORMAT, LONGEST_NAME, Parser, read_header
from stylemap.project.recipe import ORIGINAL, SLOTS, Edit, Patch, Photo, Push
from stylemap.reading import LARGEST_HEADER


@dataclass(frozen=True, eq=False)
class Project:
    """An edit and its pictures."""

    weights: str  # what they were called; to be shown, not to be opened
    fingerprint: str  # of them, see `fingerprint`
    config: ModelConfig
    photos: Mapping[str, Photo]  # by slot
    stylemaps: Mapping[str, Tensor]  # by slot, [1, C, S, S] on the CPU
    edit: Edit
    page: dict[str, Any] = field(default_factory=dict)  # what the editor's page wants to find again

    def check_model(self, model: StylemapModel, their_fingerprint: str | None = None) -> None:
        """InputError unless the stylemaps and directions in here mean the same to this model."""
        theirs, ours = asdict(model.config), asdict(self.config)
        if different := [f"{name} {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]:
            raise InputError(f"the project is of other weights, {self.weights!r}: {', '.join(different)}; take those")
        if (their_fingerprint or fingerprint(model)) != self.fingerprint:
            raise InputError(f"the project is of other weights, {self.weights!r}, of the same size; take those")


def fingerprint(model: StylemapModel) -> str:
    """32 hex digits that differ where generator or encoder differ in anything."""
    digest = hashlib.sha256(json.dumps(asdict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:32]


class Replay:
    """A project's edit, ready for any number of originals: weights are checked and references encoded once.

    Raises:
        InputError: a project of other weights.
    """

    @torch.inference_mode()
    def __init__(self, model: StylemapModel, project: Project):
        project.check_model(model)
        self.model, self.edit = model, project.edit
        stylemaps = {slot: w.to(model.device) for slot, w in project.stylemaps.items()}
        self.original = stylemaps.pop(ORIGINAL, None)
        self.references = {}
        for slot, w in stylemaps.items():
            image = images.from_arrays([project.photos[slot].pixels]).to(model.device)
            self.references[int(slot)] = recipe.Reference(w, model.encode(image.flip(3)))

    @torch.inference_mode()
    def __call__(self, original: Tensor | None = None, how: pasting.How = "none") -> Edited:
        """The edit of the project's own original, or of another image [1, 3, R, R]; ``how`` as in `applying.apply`.

        Raises:
            InputError: a project without an original, where none is given.
        """
        stylemap = self.original if original is None else self.model.encode(original.to(self.model.device))
        if stylemap is None:
            raise InputError("the project holds no original; give one")
        return recipe.apply(self.model, self.edit, stylemap, self.references, how=how)


def most_bytes(config: ModelConfig, upload_bytes: int) -> int:
    """An upper bound of a project file with an upload of so many bytes."""
    pixels = config.resolution**2
    stylemap = 4 * math.prod(config.stylemap_shape)
    pictures = len(SLOTS) * (4 * pixels + stylemap)
    return (
        LARGEST_HEADER
        + upload_bytes
        + pictures
        + recipe.MOST_PATCHES * pixels
        + recipe.MOST_PUSHES * (pixels + stylemap)
    )


# ---- to bytes


def save(path: str | Path, project: Project) -> None:
    """Atomically write a project file."""
    write_bytes(path, to_bytes(project))


def to_bytes(project: Project) -> bytes:
    """The project file. Of the references only what the model sees is kept, of the original the upload too."""
    tensors: dict[str, Tensor] = {}
    for slot, photo in project.photos.items():
        tensors[f"pictures.{slot}.photo"] = torch.from_numpy(photo.pixels)
        tensors[f"pictures.{slot}.stylemap"] = project.stylemaps[slot].float()
        if photo.labels is not None:
            tensors[f"pictures.{slot}.labels"] = torch.from_numpy(photo.labels)
    original = project.photos.get(ORIGINAL)
    upload = None
    if original is not None and original.upload is not None:
        tensors["upload"] = torch.frombuffer(bytearray(original.upload), dtype=torch.uint8)
        alignment = {"corner": original.alignment.corner, "edge": original.alignment.edge}
        upload = {"size": original.size, "aligned": original.aligned, **alignment}
    for kind, parts in (("patches", project.edit.patches), ("pushes", project.edit.pushes)):
        for i, part in enumerate(parts):
            if part.mask is not None:
                tensors[f"{kind}.{i}.mask"] = torch.from_numpy(part.mask)
    for i, push in enumerate(project.edit.pushes):
        tensors[f"pushes.{i}.vector"] = push.direction.vector
    header = {
        "weights": project.weights[:LONGEST_NAME],
        "fingerprint": project.fingerprint,
        "model": asdict(project.config),
        "upload": upload,
        "space": project.edit.space,
        "patches": [_settings(patch) for patch in project.edit.patches],
        "pushes": [_settings(push) for push in project.edit.pushes],
        "page": project.page,
    }
    # copies, as safetensors takes no tensors that share memory
    tensors = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    return serialize(tensors, {"format": FORMAT, "project": json.dumps(header, allow_nan=False)})


def _settings(part: Patch | Push) -> dict:
    """What of a part is no tensor."""
    settings = {name: value for name, value in vars(part).items() if name not in ("mask", "direction")}
    if isinstance(part, Push):
        settings |= {"direction": part.direction.name, "scale": part.direction.scale}
    return settings


# ---- from bytes


def load(source: str | Path | bytes, most_pixels: int = decoding.MAX_PIXELS) -> Project:
    """Read a project file, or its bytes.

    Args:
        most_pixels: of the original's upload.

    Raises:
        InputError: missing, damaged, no project, or a project with anything in it that does not fit.
    """
    if not isinstance(source, bytes):
        try:
            source = Path(source).read_bytes()
        except OSError as err:
            raise InputError(f"{source} cannot be read: {err.strerror}; name a project that the editor saved") from err
    header = read_header(source)
    try:
        tensors = deserialize(source)
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as err:
        raise InputError("the project is damaged; save it again") from err
    try:
        return Project(**Parser(header, tensors, most_pixels).fields())
    except InputError as err:
        raise InputError(f"the project cannot be used: {err}") from err
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as err:
        reason = " ".join(str(err).split())[:100]
        raise InputError(f"the project is damaged ({type(err).__name__}: {reason}); save it again") from err
