"""What is measured, on what: everything that several measures share, made once and only when it is asked for."""

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stylemap import images, perceptual
from stylemap.datasets import Avatars, Dataset
from stylemap.errors import InputError
from stylemap.metrics import classifier, latent_distance, local_editing, ssim, streams, swd
from stylemap.metrics.mse import mse
from stylemap.perceptual import Perceptual, inception
from stylemap.perceptual.inception import Extractor

QUESTIONS = {  # of drawn faces
    "glasses": lambda a: a["glasses"],
    "hat": lambda a: a["hat"],
    "beard": lambda a: a["beard"] != "none",
    "smile": lambda a: a["smile"] > 0.5,
    "open mouth": lambda a: a["mouth_open"] > 0.2,
    "deep skin": lambda a: a["skin_tone"] > 0.5,
}
LABELLED = 2000  # faces that the classifiers of these learn from


@dataclass
class Evaluation:
    """What is measured, on what; anything that takes long or may be missing is made when it is asked for."""

    model: object
    training: Dataset
    heldout: Dataset
    count: int = 1000
    """Generated pictures, and as many real ones if there are."""
    pairs: int = 250
    """Edits of a part, at most."""
    seed: int = 0
    labels: local_editing.Labels | None = None
    """Part labels of held-out picture i."""
    vgg: str | None = None
    inception: str | None = None
    workers: int = 0

    @functools.cached_property
    def lpips(self) -> Perceptual:
        return perceptual.load("lpips", self.model.device, self.vgg, largest=None)

    @functools.cached_property
    def extractor(self) -> Extractor:
        return inception.load(self.inception, self.model.device)

    @functools.cached_property
    def latents(self) -> Tensor:
        """The latents of the held-out pictures, in their order."""
        return streams.latents_of(self.model, self.heldout)

    @functools.cached_property
    def kept(self) -> list[int]:
        """The held-out pictures that are measured; which are damaged is known once they have been read."""
        return streams.undamaged(self.heldout) if len(self.latents) else []

    @functools.cached_property
    def spread(self) -> latent_distance.Spread:
        return latent_distance.mapped(self.model, self.seed)

    @functools.cached_property
    def errors(self) -> tuple[Tensor, Tensor]:
        """Squared error and structural similarity of every reconstruction."""
        found = [(mse(a, b), ssim.ssim(a, b)) for a, b in self.reconstructed()]
        return torch.cat([x for x, _ in found]), torch.cat([x for _, x in found])

    def reconstructed(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Batches of (held-out picture, its reconstruction): images on the CPU."""
        left = iter(self.kept)
        for made in streams.reconstructions(self.model, self.latents[self.kept]):
            own = [self.heldout[i] for i in itertools.islice(left, len(made))]
            yield images.from_arrays(own), images.from_uint8(made)

    def chosen(self, most: int | None = None) -> list[int]:
        """The real pictures that generated ones are compared with."""
        count = self.count if most is None else min(most, self.count)
        return streams.choose(len(self.training), count, self.seed)

    def real(self, most: int | None = None) -> Iterable[Tensor]:
        return streams.real(self.training, self.chosen(most), self.workers)

    @functools.cached_property
    def real_features(self) -> Tensor:
        return inception.extract(self.extractor, self.real())

    @functools.cached_property
    def sample_features(self) -> Tensor:
        return inception.extract(self.extractor, streams.samples(self.model, self.count, self.seed))

    @functools.cached_property
    def real_patches(self) -> dict[int, Tensor]:
        return swd.describe(self.real(swd.MOST_PICTURES), self.seed)

    @property
    def masks(self) -> str:
        return "halves" if self.labels is None else "parts"

    def tasks(self, subset: list[int], pairs: int) -> list[local_editing.Task]:
        """Edits among these held-out pictures: of parts where they have labels, else of halves."""
        local_editing.check(self.model)
        if len(subset) < 2:
            raise InputError("needs two held-out pictures or more; raise --heldout")
        side = self.model.config.resolution
        if self.labels is None:
            return local_editing.half_tasks(subset, pairs, side, self.seed)
        return local_editing.part_tasks(self.labels, subset, pairs, side)

    @functools.cached_property
    def edit_errors(self) -> tuple[dict[str, local_editing.Errors], dict]:
        """By part or half, and how they were made."""
        tasks = self.tasks(self.kept, self.pairs)
        edits = {t.name: local_editing.edits(self.model, self.heldout, self.latents, t) for t in tasks}
        about = {"pairs": len(tasks[0].pairs), "space": tasks[0].space, "masks": self.masks}
        return {name: local_editing.measure(found) for name, found in edits.items()}, about

    @functools.cached_property
    def attribute_network(self) -> nn.Module:
        """Trained here on drawn faces to answer QUESTIONS."""
        if not isinstance(self.training, Avatars):
            raise InputError("needs pictures with known attributes: --data avatars")
        faces, answers = self._labelled(self.training, LABELLED)
        return classifier.fit(faces, answers, self.seed, self.model.device)

    @functools.cached_property
    def attribute_accuracy(self) -> list[float]:
        """Of the network on held-out faces, for each question."""
        network = self.attribute_network
        faces, answers = self._labelled(self.heldout, len(self.heldout))
        return ((classifier.logits(network, faces) > 0) == answers).double().mean(dim=0).tolist()

    @functools.cached_property
    def attribute_logits(self) -> Tensor:
        """What the network says of the samples: [count, K]."""
        network = self.attribute_network
        made = streams.samples(self.model, self.count, self.seed)
        return torch.cat([classifier.logits(network, classifier.reduced(x)) for x in made])

    def _labelled(self, faces: Avatars, most: int) -> tuple[Tensor, Tensor]:
        """The first pictures with their answers, bool [N, K]."""
        indices = range(min(most, len(faces)))
        rows = [faces.attributes(i) for i in indices]
        answers = np.stack([[ask(row) for ask in QUESTIONS.values()] for row in rows])
        drawn = streams.real(faces, indices, self.workers, "labelled faces")
        return torch.cat([classifier.reduced(x) for x in drawn]), torch.from_numpy(answers)
