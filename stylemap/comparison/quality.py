"""How good the latents of a method are: their images against the originals, and what lies between them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from stylemap import images, inversion
from stylemap.comparison.showing import COLUMNS
from stylemap.comparison.timing import Outcome
from stylemap.metrics import streams
from stylemap.metrics.evaluation import Evaluation

METRICS = (*COLUMNS, "editability")


@dataclass
class Inverted(Evaluation):
    """Held-out images, uint8 [N, R, R, 3], with the latents that a method found for them instead of the encoder's."""

    outcome: Outcome | None = None

    def __post_init__(self):
        self.latents = self.outcome.tensors["latent"]
        self.kept = list(range(len(self.latents)))

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.outcome.tensors

    @torch.no_grad()
    def render(self, tensors: dict[str, Tensor]) -> Tensor:
        extras = {name: x.to(self.model.device) for name, x in tensors.items()}
        return images.to_uint8(inversion.render(self.model, extras.pop("latent"), extras)).cpu()

    def reconstructed(self) -> Iterator[tuple[Tensor, Tensor]]:
        size = streams.per_pass(self.model.config.resolution)
        pairs = zip(self.heldout.split(size), self.outcome.pictures.split(size), strict=True)
        yield from ((images.from_uint8(a), images.from_uint8(b)) for a, b in pairs)


def measure(evaluation: Inverted) -> dict:
    """name -> value, of METRICS; "reasons" says why one is None."""
    results = {name: evaluation.measure(name) for name in METRICS}
    reasons = {name: result.details["reason"] for name, result in results.items() if result.value is None}
    details = results["editability"].details
    editability = {
        "editability_error": details.get("standard_error"),
        "of_attributes": details.get("of_attributes"),
        "errors_of_attributes": details.get("standard_errors_of_attributes"),
    }
    return {name: result.value for name, result in results.items()} | editability | {"reasons": reasons}
