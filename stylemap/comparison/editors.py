"""How each method edits: a part of a reference, where it was or moved, in an image.

Methods whose latents have places exchange them under the mask (StyleMapGAN, section 3.4; structured noise). The others fit the
picture that is put together from pixels, as Image2StyleGAN++ (arXiv 1911.11544, section 4) and In-domain inversion
(arXiv 2004.00049, section 4) do.
"""

import functools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stylemap import images
from stylemap.comparison import machine, results
from stylemap.comparison.contenders import SEAN, Contender
from stylemap.datasets.parts import GROUPS
from stylemap.editing import blend, masks
from stylemap.inversion import State, Subject, Target, invert, tuning
from stylemap.inversion.methods import InDomain, StructuredNoise
from stylemap.perceptual import Perceptual

REMADE = "remade"  # in a file of latents: the images that they make
FIRST_SIDE = 8  # of noise maps that structured noise can edit: earlier ones have no influence


class Edit(NamedTuple):
    """A part of one image that goes into another."""

    part: str
    source: int
    reference: int
    mask: Tensor  # [1, 1, R, R], 0 and 1, in the source's frame
    shift: tuple[int, int] = (0, 0)  # of the reference, (down, right) in pixels; whole cells

    @property
    def plain(self) -> list:
        """For JSON."""
        return [
            self.part,
            self.source,
            self.reference,
            results.digest(self.mask),
            *self.shift,
        ]


def placed(x: Tensor, shift: tuple[int, int], side: int) -> Tensor:
    """Images or maps [N, C, s, s] moved by pixels of an image of ``side``; what comes in repeats the edge."""
    down, right = (pixels * x.shape[-1] // side for pixels in shift)
    if not (down or right):
        return x
    pads = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    top, left = max(-down, 0), max(-right, 0)
    return F.pad(x, pads, mode="replicate")[..., top : top + x.shape[-2], left : left + x.shape[-1]]


@dataclass
class Job:
    """One method on all images. What is finished is kept in a folder, and not done again."""

    contender: Contender
    subject: Subject
    perceptual: Perceptual
    originals: Tensor  # uint8 [N, R, R, 3]
    labels: Tensor | None  # of parts, uint8 [N, R, R], for methods that need them
    batch: int
    folder: Path
    key: str  # hash of everything that the results depend on, but the edits
    times: list[float] = field(default_factory=list)  # seconds of an image's latent, one of each batch

    @property
    def side(self) -> int:
        return self.originals.shape[1]

    def pictures(self, indices: Sequence[int]) -> Tensor:
        """[n, 3, R, R] on the device."""
        return images.from_uint8(self.originals[list(indices)]).to(self.subject.device)

    def extras(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """What comes with the images, see `Model.extras_of`."""
        return self.subject.model.extras_of(None if self.labels is None else self.labels[list(indices)])

    @functools.cached_property
    def inverted(self) -> list[tuple[dict[str, Tensor], Tensor]]:
        """Of each image: what it is rendered from, [1, ...] each, as files hold it (`tuning.pack`), and uint8 [R, R, 3]."""
        inverted: list[tuple[dict[str, Tensor], Tensor]] = []
        for n, start in enumerate(range(0, len(self.originals), self.batch)):
            part = list(range(start, min(start + self.batch, len(self.originals))))

            def find(part: list[int] = part) -> dict[str, Tensor]:
                targets = [Target(self.pictures(part), extras=self.extras(part))]
                found = invert(self.contender.method, self.subject, targets, self.perceptual)
                each = [{name: x[k : k + 1].cpu() for name, x in found.tensors.items()} for k in range(len(part))]
                return {
                    f"{i}/{name}": x for i, one in zip(part, each, strict=True) for name, x in tuning.pack(one).items()
                } | {REMADE: images.to_uint8(found.image).cpu()}

            tensors, seconds = self.keep(f"latents-{n:04}", self.key, find)
            self.times.append(seconds / len(part))
            for i, picture in zip(part, tensors[REMADE], strict=True):
                prefix = f"{i}/"
                known = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
                inverted.append((known, picture))
        return inverted

    def known(self, i: int) -> dict[str, Tensor]:
        """What an image is rendered from."""
        return self.inverted[i][0]

    def remade(self, indices: Sequence[int]) -> Tensor:
        """Images as the method makes them without an edit, uint8 [n, R, R, 3]."""
        return torch.stack([self.inverted[i][1] for i in indices])

    def keep(
        self, name: str, about: object, compute: Callable[[], dict[str, Tensor]]
    ) -> tuple[dict[str, Tensor], float]:
        """Tensors and the seconds that they took, of this call or of an earlier one."""

        def timed() -> tuple[dict[str, Tensor], float]:
            start = machine.seconds(self.subject.device)
            found = compute()
            return found, machine.seconds(self.subject.device) - start

        return results.kept(self.folder / f"{name}.safetensors", about, timed)

    def run(self, edits: Sequence[Edit], name: str) -> tuple[Tensor, float]:
        """The edited images, uint8 [n, R, R, 3], and the seconds of an edit, from its two images on: of the median batch.

        Args:
            name: of the files that keep them.
        """
        editor = editor_of(self.contender, self.subject)
        if editor.inverts:
            self.inverted  # noqa: B018 (now, so that its time is not that of an edit)
        done, times = [], []
        for n, start in enumerate(range(0, len(edits), self.batch)):
            part = edits[start : start + self.batch]
            about = [self.key, [edit.plain for edit in part]]
            tensors, seconds = self.keep(
                f"{name}-{n:04}",
                about,
                lambda part=part: {"edited": images.to_uint8(editor.edit(self, part)).cpu()},
            )
            done.append(tensors["edited"])
            times.append(seconds / len(part))
        inverting = 2 * statistics.median(self.times) if editor.inverts else 0.0
        return torch.cat(done), statistics.median(times) + inverting


class Editor(NamedTuple):
    """A way to edit."""

    words: str  # for the table
    inverts: bool  # the images are inverted, once each; otherwise the edit finds the latent of its own picture
    edit: Callable[[Job, Sequence[Edit]], Tensor]  # -> [n, 3, R, R], about [-1, 1]


def editor_of(contender: Contender, subject: Subject) -> Editor:
    """Of a method."""
    if contender.kind == SEAN:
        return Editor("codes and labels exchanged", True, relabelled)
    if subject.latents.spatial:
        return Editor("stylemaps blended", True, blended)
    if isinstance(contender.method, StructuredNoise):
        return Editor("inputs exchanged", True, exchanged)
    if type(contender.method) is InDomain:
        return Editor("pasted part, diffused", False, diffused)
    return Editor(f"pasted picture, {'fitted' if contender.steps else 'encoded'}", False, fitted)


@torch.no_grad()
def blended(job: Job, edits: Sequence[Edit]) -> Tensor:
    """Each resized stylemap under the mask; by the weights that were tuned for the source, if any were."""
    model, made = job.subject.model, []
    for edit in edits:
        source, reference = (tuning.unpack(job.known(i), model) for i in (edit.source, edit.reference))
        latents = [x["latent"].to(model.device) for x in (source, reference)]
        own = tuning.tuned(model, {name: x.to(model.device) for name, x in source.items()})
        moved = placed(latents[1], edit.shift, job.side)
        made.append(blend(own, latents[0], moved, edit.mask.to(model.device), "w+", hard=True))
    return torch.cat(made)


@torch.no_grad()
def exchanged(job: Job, edits: Sequence[Edit]) -> Tensor:
    """The input of side 8 and the noise maps after it under the mask; the style stays that of the source."""
    made = []
    for edit in edits:
        tensors = {name: x.to(job.subject.device) for name, x in job.known(edit.source).items()}
        for name, x in job.known(edit.reference).items():
            if name != "latent" and x.shape[-1] >= FIRST_SIDE:
                chosen = masks.resize(edit.mask, x.shape[-1], True).to(job.subject.device) > 0.5
                moved = placed(x.to(job.subject.device), edit.shift, job.side)
                tensors[name] = torch.where(chosen, moved, tensors[name])
        made.append(job.subject.render(tensors))
    return torch.cat(made)


@torch.no_grad()
def relabelled(job: Job, edits: Sequence[Edit]) -> Tensor:
    """The reference's labels under the mask, and its code of the part (SEAN, arXiv 1911.12861, section 5)."""
    made, model = [], job.subject.model
    for edit in edits:
        source, reference = (
            {"latent": job.known(i)["latent"].to(model.device), **job.extras([i])}
            for i in (edit.source, edit.reference)
        )
        reference["masks"] = placed(reference["masks"], edit.shift, job.side)
        taken = model.take(source, reference, edit.mask.to(model.device), GROUPS[edit.part])
        made.append(model.render_with(taken["latent"], taken))
    return torch.cat(made)


def _pasted(job: Job, edits: Sequence[Edit]) -> tuple[Tensor, Tensor, Tensor]:
    """-> (sources, references where they go, masks)."""
    parts = [placed(job.pictures([edit.reference]), edit.shift, job.side) for edit in edits]
    chosen = torch.cat([edit.mask for edit in edits]).to(job.subject.device)
    return job.pictures([edit.source for edit in edits]), torch.cat(parts), chosen


def fitted(job: Job, edits: Sequence[Edit]) -> Tensor:
    """One latent for the source outside the mask and the reference inside."""
    sources, references, chosen = _pasted(job, edits)
    targets = [Target(sources, 1 - chosen), Target(references, chosen)]
    return invert(job.contender.method, job.subject, targets, job.perceptual).image


def diffused(job: Job, edits: Sequence[Edit]) -> Tensor:
    """From the encoding of the picture that is put together, by the part alone, so that the rest may follow it."""
    sources, references, chosen = _pasted(job, edits)
    with torch.no_grad():
        latent = job.subject.model.encode(torch.where(chosen > 0.5, references, sources)).clone()
    method = replace(job.contender.method, domain=0.0)
    return invert(method, job.subject, [Target(references, chosen)], job.perceptual, State({"latent": latent})).image
