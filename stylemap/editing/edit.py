"""What an edit is: its steps, and the range of every value. The page, project files, the command line and Python share it.

Patches lay parts of references over the original, pushes follow directions. An edit names references by their slots, so it is
only data; `applying` carries it out.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from stylemap.architectures.stylemap.config import StylemapConfig
from stylemap.editing.directions import Cells, Direction, check_cells
from stylemap.errors import InputError
from stylemap.schema import Most, Range, Rule, inline, refuse, validate

ORIGINAL = "original"
REFERENCES = 6  # slots
SLOTS = (ORIGINAL, *(str(i) for i in range(REFERENCES)))

SCALE = Range(1 / 4, 4)
AMOUNT = Range(-20.0, 20.0)  # standard deviations
PIXELS = Range(-4096.0, 4096.0)  # four times the side of the largest image
FEATHER = Range(0.0, 512.0)  # pixels
SHARE = Range(0.0, 1.0)

Space = Literal["w", "w+"]
Pixels = Annotated[float, PIXELS]
Layer = Annotated[int, Range(0, 32)]
Layers = Annotated[tuple[Layer, Layer], Rule(lambda x: x[0] < x[1], "the first and one past the last, as 2, 6")]


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """Where an edit changes the image. InputError for values outside their ranges."""

    mask: Tensor | None = None  # [N or 1, 1, R, R] in [0, 1], 1 = change; None: everywhere
    feather: Annotated[float, FEATHER] = 0.0  # pixels that the mask's edge is softened by, see `masks.feather`
    hard: bool = False  # change every cell that the mask touches as a whole, see `masks.resize`
    layers: Layers | None = None  # w+ only: the first and one past the last resized stylemap that change; None: all

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class Placement:
    """Where a part of the reference goes: mirrored and scaled about a centre, then shifted. In pixels of the image side R.

    Pixel k reaches from k to k + 1, so the middle of the image is (R / 2, R / 2). What leaves the frame is cut.
    """

    shift: tuple[Pixels, Pixels] = (0.0, 0.0)  # (down, right); negative is up and left
    scale: Annotated[float, SCALE] = 1.0  # above 1 enlarges
    flip: bool = False  # left-right
    centre: tuple[Pixels, Pixels] | None = None  # (y, x) of what stays put; None: the middle of the mask's bounding box

    def __post_init__(self) -> None:
        validate(self)

    @property
    def moves(self) -> bool:
        """Whether anything is elsewhere afterwards."""
        return self.flip or self.scale != 1 or any(self.shift)


@dataclass(frozen=True, eq=False)
class Patch(Step):
    """A part of a reference over the image. The mask lies over the reference, where the part is there."""

    reference: Annotated[int, Range(0, REFERENCES - 1)]  # slot
    placement: Placement = inline(Placement)
    strength: Annotated[float, SHARE] = 1.0  # the share of the reference where the mask is 1


@dataclass(frozen=True, eq=False)
class Push(Step):
    """A semantic direction: what the image has by then moves along it, earlier patches too."""

    direction: Direction
    amount: Annotated[float, AMOUNT]
    cells: Cells | None = None  # of the stylemap: only these move; None: all


@dataclass(frozen=True, eq=False)
class Edit:
    """The patches in turn, then the pushes. InputError for parts that do not go together."""

    space: Space = "w+"  # see `blending.in_space`
    patches: Annotated[tuple[Patch, ...], Most(32)] = ()
    pushes: Annotated[tuple[Push, ...], Most(32)] = ()
    keep_detail: bool = False  # the photo's own pixels where the edit does not reach, see `applying.Edited.in_square`

    def __post_init__(self) -> None:
        validate(self)
        for i, patch in enumerate(self.patches):
            if patch.mask is None:
                refuse(f"patches.{i}.mask", "is missing")
        if self.space == "w" and any(step.layers is not None for step in self.steps):
            raise InputError(
                "layers choose among the resized stylemaps of w+, but w has only one stylemap; use w+, or give no layers"
            )

    @property
    def steps(self) -> tuple[Patch | Push, ...]:
        return (*self.patches, *self.pushes)

    @property
    def references(self) -> set[int]:
        """The slots that patches take from."""
        return {patch.reference for patch in self.patches}

    def check(self, config: StylemapConfig) -> None:
        """InputError unless masks, layers, cells and directions fit this model."""
        count, side = config.layers, config.resolution
        for kind, steps in (("patches", self.patches), ("pushes", self.pushes)):
            for i, step in enumerate(steps):
                if step.mask is not None and step.mask.shape[-2:] != (side, side):
                    height, width = step.mask.shape[-2:]
                    refuse(f"{kind}.{i}.mask", f"must be {side} x {side} pixels like the image, not {width} x {height}")
                if step.layers is not None and step.layers[1] > count:
                    refuse(f"{kind}.{i}.layers", f"go up to {count} in this model, not {step.layers[1]}")
                if isinstance(step, Push) and tuple(step.direction.vector.shape) != config.stylemap_shape:
                    refuse(f"{kind}.{i}.direction", "belongs to another model")
                if isinstance(step, Push) and step.cells is not None:
                    check_cells(step.cells, config.stylemap_size)
