"""Reading of project files, which may come from strangers: every type, shape and range is checked before it is used."""

import io
import json
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylemap import decoding, reading
from stylemap.config import ModelConfig
from stylemap.datasets.parts import Part
from stylemap.editing.directions import LARGEST_SCALE, Direction, Origin
from stylemap.errors import InputError
from stylemap.faces import Alignment
from stylemap.project import recipe
from stylemap.project.recipe import ORIGINAL, SLOTS, Edit, Patch, Photo, Push

FORMAT = "stylemap-project-1"
LARGEST_STYLEMAP = 1e4  # of a value; those of a network in order are about 1
LONGEST_SIDE = 1 << 20  # pixels, of an upload
LONGEST_NAME = 200  # characters, of weights


def read_header(data: bytes) -> dict:
    """The JSON of a project, which stands in the header of a safetensors file.

    Raises:
        InputError: no such file.
    """
    try:
        notes = reading.read_metadata(io.BytesIO(data), "the project")
        header = reading.parse_json(notes["project"], "the project")
    except (InputError, KeyError) as err:
        raise InputError("this is no project file, or it is damaged; take one that the editor saved") from err
    if notes.get("format") != FORMAT or not isinstance(header, dict):
        raise InputError("this is no project file; take one that the editor saved")
    return header


class Parser:
    """Takes every tensor out once; what is left over belongs to no project."""

    def __init__(self, header: dict, tensors: dict[str, Tensor], most_pixels: int):
        self.header, self.tensors, self.most_pixels = header, tensors, most_pixels
        self.config = ModelConfig.from_dict(header["model"])

    def fields(self) -> dict[str, Any]:
        """What a `Project` is made of.

        Raises:
            InputError, KeyError, TypeError, ValueError, OverflowError, RecursionError: something is missing or does not fit.
        """
        r = self.config.resolution
        photos, stylemaps = {}, {}
        upload, cut = self._upload()
        for slot in SLOTS:
            if f"pictures.{slot}.photo" not in self.tensors:
                continue
            pixels = self._bytes(f"pictures.{slot}.photo", (r, r, 3))
            labels = self._optional(f"pictures.{slot}.labels", (r, r))
            if labels is not None and labels.max() >= len(Part):
                raise InputError("part labels are unknown")
            stylemaps[slot] = self._floats(
                f"pictures.{slot}.stylemap", (1, *self.config.stylemap_shape), LARGEST_STYLEMAP
            )
            plain = {"size": (r, r), "alignment": Alignment.central(r, r, r)}
            if slot == ORIGINAL and upload is not None:
                photos[slot] = Photo(pixels, upload, labels=labels, **cut)
            else:
                photos[slot] = Photo(pixels, None, labels=labels, **plain)
        if upload is not None and ORIGINAL not in photos:
            raise InputError("there is an upload, but no original")
        edit = self._edit()
        if self.tensors:
            raise InputError(f"it holds what is no part of a project: {sorted(self.tensors)[0][:60]!r}")
        return {
            "weights": self._text("weights", LONGEST_NAME),
            "fingerprint": self._text("fingerprint", 64),
            "config": self.config,
            "photos": photos,
            "stylemaps": stylemaps,
            "edit": edit,
            "page": self._page(),
        }

    def _edit(self) -> Edit:
        header, r = self.header, self.config.resolution
        for name, most in (("patches", recipe.MOST_PATCHES), ("pushes", recipe.MOST_PUSHES)):
            if not isinstance(header[name], list) or len(header[name]) > most:
                raise InputError(f"{name} must be a list of {most} at most")
        patches = [
            Patch(mask=self._bytes(f"patches.{i}.mask", (r, r)), **_tuples(settings))
            for i, settings in enumerate(header["patches"])
        ]
        pushes = []
        for i, settings in enumerate(header["pushes"]):
            settings = _tuples(settings)
            name, scale = settings.pop("direction"), settings.pop("scale")
            if not isinstance(name, str) or len(name) > recipe.LONGEST_NAME:
                raise InputError("a direction must have a name")
            if type(scale) not in (int, float) or not 0 < scale <= LARGEST_SCALE:
                raise InputError(f"the scale of a direction must be above 0 and at most {LARGEST_SCALE:g}")
            vector = self._floats(f"pushes.{i}.vector", self.config.stylemap_shape, 1.0)
            direction = Direction(name, vector, scale, Origin("project"))
            pushes.append(Push(direction, mask=self._optional(f"pushes.{i}.mask", (r, r)), **settings))
        edit = Edit(header["space"], tuple(patches), tuple(pushes))
        edit.check(self.config)
        return edit

    def _upload(self) -> tuple[bytes | None, dict]:
        """The file the original was cut out of, and the fields of `Photo` that go with it."""
        settings = self.header["upload"]
        if settings is None:
            return None, {}
        data = self.tensors.pop("upload")
        if data.dtype != torch.uint8 or data.dim() != 1:
            raise InputError("the upload must be bytes")
        upload = data.numpy().tobytes()
        stored = decoding.read_size(upload, "the upload", self.most_pixels)
        size = settings["size"]
        if not isinstance(size, list) or size not in (list(stored), list(stored[::-1])):
            # turned by EXIF, width and height change places
            raise InputError(f"the upload is {stored[0]} x {stored[1]} pixels, which the project does not say")
        numbers = [x for name in ("corner", "edge") for x in settings[name]]
        if len(numbers) != 4 or not all(
            type(x) in (int, float) and abs(x) <= LONGEST_SIDE for x in numbers
        ):  # NaN is not
            raise InputError("the place of the picture in the upload must be four numbers")
        x, y, right, down = map(float, numbers)
        if type(settings["aligned"]) is not bool or math.hypot(right, down) < 1:
            raise InputError("the place of the picture in the upload is none")
        alignment = Alignment((x, y), (right, down), self.config.resolution)
        return upload, {"size": tuple(size), "alignment": alignment, "aligned": settings["aligned"]}

    def _page(self) -> dict:
        page = self.header["page"]
        if not isinstance(page, dict):
            raise InputError("the settings of the page must be named")
        # NaN is no JSON, though Python reads it
        json.dumps(page, allow_nan=False)
        return page

    def _text(self, name: str, most: int) -> str:
        text = self.header[name]
        if not isinstance(text, str) or len(text) > most:
            raise InputError(f"{name} must be text of {most} characters at most")
        return text

    def _optional(self, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        return self._bytes(name, shape) if name in self.tensors else None

    def _bytes(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return self._tensor(name, shape, torch.uint8).numpy()

    def _floats(self, name: str, shape: tuple[int, ...], most: float) -> Tensor:
        tensor = self._tensor(name, shape, torch.float32)
        if not bool((tensor.abs() <= most).all()):  # NaN is not
            raise InputError(f"{name} must hold numbers of {most:g} at most")
        return tensor

    def _tensor(self, name: str, shape: tuple[int, ...], kind: torch.dtype) -> Tensor:
        if name not in self.tensors:
            raise InputError(f"{name} is missing")
        tensor = self.tensors.pop(name)
        if tensor.dtype != kind or tuple(tensor.shape) != shape:
            raise InputError(f"{name} must be {kind} {list(shape)}, not {tensor.dtype} {list(tensor.shape)}")
        return tensor


def _tuples(settings: dict) -> dict:
    """JSON has lists only."""
    if not isinstance(settings, dict):
        raise InputError("the settings of a part must be named")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
