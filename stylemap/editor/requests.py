"""What the page sends: an edit as JSON, and what goes with it. `editing.edit` says what an edit is."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from torch import Tensor

from stylemap import decoding, reading
from stylemap.decoding import png
from stylemap.editing import masks, pasting
from stylemap.editing.directions import Direction
from stylemap.editing.edit import Edit
from stylemap.editor.exchange import to_png
from stylemap.editor.limits import PAGE_BYTES
from stylemap.errors import InputError
from stylemap.faces import Alignment
from stylemap.images import MOST_TIMES
from stylemap.inversion import fitting
from stylemap.photos.photo import Frame, read_crop
from stylemap.schema import Most, Range, Rule, json_schema, parse, refuse, to_json

MaskText = Annotated[str, Most(3_000_000)]  # base64 of 2 MB, more than a mask of 1024 px takes
Name = Annotated[str, Most(100)]
SCHEMA_OF = {
    Tensor: {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"},
    Direction: json_schema(Name, {}),
}
T = TypeVar("T")
OLD_FRAMES = {"1": "face", "true": "face", "0": "centre", "false": "centre"}  # of ``?align=``


def _is_small(page: dict) -> bool:
    try:
        return len(json.dumps(page, allow_nan=False)) <= PAGE_BYTES
    except ValueError:  # NaN, which Python reads and JSON does not have
        return False


@dataclass(frozen=True, eq=False)
class RenderRequest(Edit):
    """An edit to look at."""

    preview: bool = False  # as in `applying.apply`: the hand still moves


@dataclass(frozen=True, eq=False)
class SaveRequest(Edit):
    """An edit to save: put back into the photo, or the picture alone, enlarged. `editor.exporting` makes the file."""

    paste_back: pasting.How = "none"
    enlarge: Annotated[int, Range(1, MOST_TIMES)] | None = None  # None: large enough to be seen
    before_after: Literal["none", "beside", "split"] = "none"
    labels: bool = False  # "Before" and "After" in the picture
    format: Literal["png", "jpg", "webp"] = "png"
    quality: Annotated[int, Range(1, 100)] | None = None  # of a JPEG


@dataclass(frozen=True, eq=False)
class ProjectRequest(Edit):
    """An edit, and what the page keeps for itself in the project file."""

    page: Annotated[dict, Rule(_is_small, f"JSON of {PAGE_BYTES >> 10} KB at most")] = field(default_factory=dict)


@dataclass(frozen=True)
class FitRequest:
    """The original, to fit the weights to."""

    steps: Annotated[int, Range(1, fitting.MOST_STEPS)] = fitting.STEPS


@dataclass(frozen=True)
class GalleryRequest:
    """A picture of the gallery instead of an upload."""

    gallery: Annotated[int, Range(0, 1_000_000)]


def read(kind: type[T], body: bytes, side: int = 0, directions: Mapping[str, Direction] | None = None) -> T:
    """A request's JSON.

    Args:
        side: R, of the masks.
        directions: by name.

    Raises:
        InputError: one line that says where and what is wrong.
    """

    def direction(value: Any, path: str) -> Direction:
        name = parse(Name, value, path)
        if name not in directions:
            refuse(path, f"must be a direction of this server, not {name[:40]!r}")
        return directions[name]

    def mask(value: Any, path: str) -> Tensor:
        return masks.from_bytes(mask_from_text(parse(MaskText, value, path), side, path))

    try:
        value = reading.parse_json(body, "the request")
    except InputError as err:
        raise InputError("the request is not JSON") from err
    return parse(kind, value, "", {Direction: direction, Tensor: mask})


def frame(query: Mapping[str, str], side: int) -> Frame | Alignment:
    """Which square of an upload a request asks for: ``?frame=auto``, or ``?crop=LEFT,TOP,SIDE,DEGREES`` as in ``--crop``.

    Args:
        side: R.

    Raises:
        InputError: anything else.
    """
    if "crop" in query:
        return Alignment.crop(*read_crop(query["crop"]), side)
    given = OLD_FRAMES.get(query["align"], query["align"]) if "align" in query else query.get("frame", "auto")
    return parse(Frame, given, "frame")


def as_json(edit: Edit) -> dict:
    """An edit as the page sends it."""
    return to_json(edit, {Tensor: lambda mask: mask_to_text(masks.to_bytes(mask)), Direction: lambda d: d.name})


def schema() -> dict:
    """JSON Schema of an edit: names, ranges and defaults for the page."""
    return json_schema(Edit, SCHEMA_OF)


def mask_from_text(text: str, side: int, path: str = "the mask") -> np.ndarray:
    """A base64 PNG of at most side x side pixels -> uint8 [H, W], 255 = white. Colours count by luminance and alpha.

    `Edit.check` knows the shape that a mask must have.

    Raises:
        InputError: anything else; ``path`` is what the message calls it.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise InputError(f"{path} must be base64") from err
    if not data.startswith(png.START):
        refuse(path, "must be a PNG")
    decoding.read_size(data, path, side * side)  # before memory is taken for its pixels
    try:
        return np.rint(decoding.luminance(data) * 255).astype(np.uint8)
    except InputError as err:
        raise InputError(f"{path} is damaged or cut short") from err


def mask_to_text(mask: np.ndarray) -> str:
    """The inverse of `mask_from_text`."""
    return base64.b64encode(to_png(mask)).decode()
