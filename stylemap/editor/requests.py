"""What the page may send, checked: nothing beyond these types and ranges goes any further."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stylemap.editing import composing
from stylemap.editing.directions import Direction
from stylemap.editor.limits import PAGE_BYTES
from stylemap.editor.pictures import mask_from_text, mask_to_text
from stylemap.errors import InputError
from stylemap.images import MOST_TIMES
from stylemap.project import recipe

MASK_CHARACTERS = 3_000_000  # base64 of 2 MB, more than a mask of 1024 px takes

# what is wrong with a value, by pydantic's name of it; its own words are for programmers
WRONG = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "finite_number": "must be a number",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "too_long": "must hold at most {max_length}",
    "string_too_long": "must have at most {max_length} characters",
    "value_error": "{error}",
}
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object with names",
    "model": "an object with names",
}

T = TypeVar("T", bound=BaseModel)
Number = Annotated[float, Field(ge=-recipe.FARTHEST, le=recipe.FARTHEST)]
Mask = Annotated[str, Field(max_length=MASK_CHARACTERS)]
Feather = Annotated[float, Field(ge=0, le=recipe.SOFTEST)]
Layers = tuple[Annotated[int, Field(ge=0, lt=recipe.MOST_LAYERS)], Annotated[int, Field(ge=1, le=recipe.MOST_LAYERS)]]


class Strict(BaseModel):
    """Exactly these fields, of exactly these types; NaN and infinities are no numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OfGallery(Strict):
    """A picture of the gallery in place of an upload."""

    gallery: Annotated[int, Field(ge=0, le=1_000_000)]


class Patch(Strict):
    """As `recipe.Patch`, the mask as base64 of a PNG."""

    reference: Annotated[int, Field(ge=0, lt=recipe.REFERENCES)]
    mask: Mask
    shift: tuple[Number, Number] = (0.0, 0.0)
    scale: Annotated[float, Field(ge=composing.SMALLEST_SCALE, le=composing.LARGEST_SCALE)] = 1.0
    flip: bool = False
    centre: tuple[Number, Number] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    hard: bool = False
    feather: Feather = 0.0
    layers: Layers | None = None


class Push(Strict):
    """As `recipe.Push`, the direction by its name."""

    direction: Annotated[str, Field(max_length=recipe.LONGEST_NAME)]
    amount: Annotated[float, Field(ge=-recipe.MOST_AMOUNT, le=recipe.MOST_AMOUNT)]
    mask: Mask | None = None
    hard: bool = False
    feather: Feather = 0.0
    layers: Layers | None = None


class Edit(Strict):
    """As `recipe.Edit`."""

    space: Literal["w", "w+"] = "w+"
    patches: Annotated[list[Patch], Field(max_length=recipe.MOST_PATCHES)] = []
    pushes: Annotated[list[Push], Field(max_length=recipe.MOST_PUSHES)] = []

    def recipe(self, side: int, directions: Mapping[str, Direction]) -> recipe.Edit:
        """With masks of side x side bytes, and the directions themselves.

        Raises:
            InputError: a mask that is none, or a direction that there is not.
        """
        patches = [recipe.Patch(**{**vars(patch), "mask": mask_from_text(patch.mask, side)}) for patch in self.patches]
        pushes = []
        for push in self.pushes:
            if push.direction not in directions:
                raise InputError(f"there is no direction {push.direction[:40]!r} here")
            mask = None if push.mask is None else mask_from_text(push.mask, side)
            pushes.append(recipe.Push(**{**vars(push), "mask": mask, "direction": directions[push.direction]}))
        return recipe.Edit(self.space, tuple(patches), tuple(pushes))


class Save(Edit):
    """An edit to save: put back into the upload (``paste_back``), or by itself, enlarged."""

    paste_back: Literal["none", "feather", "poisson"] = "none"
    enlarge: Annotated[int, Field(ge=1, le=MOST_TIMES)] | None = None  # None = large enough to be seen


class SaveProject(Edit):
    """An edit, and what the page wants to find again."""

    page: dict[str, Any] = {}

    @field_validator("page")
    @classmethod
    def _bounded(cls, page: dict[str, Any]) -> dict[str, Any]:
        if len(json.dumps(page, allow_nan=False)) > PAGE_BYTES:
            raise ValueError(f"must be below {PAGE_BYTES >> 10} KB")
        return page


def parse(kind: type[T], body: bytes) -> T:
    """A request's JSON.

    Raises:
        InputError: one line that says where and what is wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as err:
        raise InputError(first_error(err)) from err


def first_error(err: ValidationError | RequestValidationError) -> str:
    """Where and what, on one line; nothing of what was sent."""
    first = err.errors()[0]
    if first["type"] == "json_invalid":
        return "the request is no JSON"
    # where FastAPI found it, "path" or "query", is of no use to a person
    names = first["loc"][1:] if first["loc"][:1] in (("path",), ("query",)) else first["loc"]
    where = ".".join(str(part) for part in names)[:100] or "the request"
    if first["type"] in WRONG:
        wrong = WRONG[first["type"]].format(**first.get("ctx", {}))
    else:
        # as "int_type", "float_parsing"
        wrong = f"must be {KINDS.get(first['type'].partition('_')[0], 'of another kind')}"
    return f"{where} {wrong}"


def as_json(edit: recipe.Edit) -> dict:
    """An edit as the page would have sent it."""

    def mask_text(mask):
        return None if mask is None else mask_to_text(mask)

    patches = [Patch(**{**vars(patch), "mask": mask_text(patch.mask)}) for patch in edit.patches]
    pushes = [
        Push(**{**vars(push), "mask": mask_text(push.mask), "direction": push.direction.name}) for push in edit.pushes
    ]
    return Edit(space=edit.space, patches=patches, pushes=pushes).model_dump(mode="json")
