"""The table of measures: all of them on a tiny model, with stand-ins for what has to be downloaded."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import images
from stylemap.datasets import Avatars, ImageFolder
from stylemap.errors import InputError
from stylemap.metrics import (
    classifier,
    detectability,
    latent_distance,
    local_editing,
    ppl,
    separability,
    streams,
    suite,
    swd,
)
from stylemap.metrics import evaluation as module
from stylemap.metrics.evaluation import Evaluation, Reference, Result
from stylemap.metrics.features import fid, kid, precision_recall
from stylemap.metrics.reconstruction import mse, psnr, ssim
from stylemap.metrics.separability import QUESTIONS
from stylemap.perceptual import inception
from tests.editing import tiny
from tests.metrics import toys

COUNT, HELDOUT = 24, 12


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "STEPS", 3)
        patch.setattr(latent_distance, "DRAWS", 200)
        patch.setattr(separability, "LABELLED", 30)
        yield


def evaluation(heldout=None, **changes) -> Evaluation:
    heldout = heldout or Avatars(tiny.SIDE, HELDOUT, "heldout")
    reference = Reference(Avatars(tiny.SIDE, 100), COUNT, changes.pop("seed", 0))
    reference.lpips, reference.extractor = toys.Weighted(), toys.extractor()
    labels = changes.get("labels", getattr(heldout, "parts", None))
    return Evaluation(tiny.model(), reference, heldout, pairs=20, labels=labels)


def without_networks(monkeypatch, error: Exception, **changes) -> Evaluation:
    """An evaluation for which the networks cannot be loaded."""

    def missing(*_, **__):
        raise error

    monkeypatch.setattr(module.perceptual, "load", missing)
    monkeypatch.setattr(module.inception, "load", missing)
    poor = evaluation(**changes)
    del poor.reference.lpips, poor.reference.extractor
    return poor


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {name: shared.measure(name) for shared in [evaluation()] for name in suite.METRICS}


@pytest.mark.parametrize("name", suite.METRICS)
def test_a_number_that_says_how_it_was_made(results, name):
    result = results[name]
    assert isinstance(result.value, float)
    assert len(result.details) >= 3
    json.dumps(result.details, allow_nan=False)


def test_numbers_repeat(results):
    again = evaluation()
    for name in ("swd", "swd_lerp", "fid_lerp", "ppl_zfull", "mse_src", "detectability", "separability_w"):
        assert again.measure(name).value == results[name].value, name
    other = evaluation(seed=1)
    for name in ("swd", "swd_lerp", "fid_lerp", "ppl_zfull"):
        assert other.measure(name).value != results[name].value, name


def test_errors_are_those_of_training(results):
    """Within what rounding to 8 bits does."""
    from stylemap.datasets import stream
    from stylemap.metrics import heldout

    scores = heldout.score(tiny.model(), stream.first_images(Avatars(tiny.SIDE, HELDOUT, "heldout"), HELDOUT))
    assert results["mse"].value == pytest.approx(scores.mse, rel=1e-3)
    assert results["psnr"].details["of_the_mean_error"] == pytest.approx(scores.psnr, abs=0.01)


def test_where_features_come_from(results):
    for name in ("fid", "kid", "precision", "recall", "fid_lerp", "lpips", "ppl_wend"):
        assert results[name].details["network"] == "random weights, seed 0: not comparable"


def test_a_perfect_model():
    """Encodes an image as itself."""

    class Identity:
        config, device = tiny.model().config, torch.device("cpu")

        def extras_of(self, labels):
            return {}

        def encode(self, images):
            return images

        def render_with(self, latents, extras):
            return latents

    perfect = evaluation()
    perfect.model = Identity()
    assert perfect.measure("mse").value == 0
    assert perfect.measure("ssim").value == pytest.approx(1)
    assert perfect.measure("lpips").value == 0
    psnr = perfect.measure("psnr")
    assert psnr.details["reason"] == "the value is inf"


def test_what_is_missing_stops_nothing(monkeypatch):
    poor = without_networks(monkeypatch, InputError("not there"))
    for name in ("lpips", "fid", "kid", "precision", "recall", "fid_lerp", "ppl_zend"):
        result = poor.measure(name)
        assert result.value is None and result.details == {"reason": "not there"}
    assert poor.measure("mse").value > 0


def test_defaults_need_nothing(monkeypatch):
    poor = without_networks(monkeypatch, AssertionError("a default asked for something"), labels=None)
    assert {"mse", "psnr", "ssim", "swd", "swd_lerp", "mse_src", "mse_ref", "latent_distance"} <= set(suite.DEFAULT)
    for name in suite.DEFAULT:
        assert isinstance(poor.measure(name).value, float), name


def test_halves_without_labels(results):
    halves = evaluation(labels=None).measure("mse_src")
    assert set(halves.details["parts"]) == {"right", "lower"} and halves.details["masks"] == "halves"
    assert results["mse_src"].details["masks"] == "parts" and len(results["mse_src"].details["parts"]) == 10


def test_models_of_vectors():
    """Latents [N, L, C]: everything but edits."""
    reference = Reference(toys.Set(toys.noise(40, 8).numpy()), count=20)
    reference.lpips, reference.extractor = toys.Weighted(), toys.extractor()
    vectors = Evaluation(toys.Flat(), reference, toys.Set(toys.noise(9, 8, seed=1).numpy()))
    for name in ("lpips", "swd", "swd_lerp", "fid", "fid_lerp", "ppl_zfull", "ppl_wend", "latent_distance"):
        assert isinstance(vectors.measure(name).value, float), name
    for name in ("mse_src", "detectability"):
        assert "needs stylemaps" in vectors.measure(name).details["reason"]
    assert "avatars" in vectors.measure("separability_w").details["reason"]


def test_one_picture():
    alone = evaluation()
    alone.heldout = Avatars(tiny.SIDE, 1, "heldout")
    assert "two held-out images" in alone.measure("mse_ref").details["reason"]
    assert isinstance(alone.measure("swd_lerp").value, float)


class Curved(toys.Flat):
    """Neither mapping nor synthesis is straight, so that z and w, and places on a path, are told apart."""

    config = SimpleNamespace(resolution=16, labelled=False, latents=toys.Flat.config.latents)

    def map(self, z):
        return super().map(z * z.roll(1, dims=1))

    def synthesize(self, latents):
        return latents[:, 0, :3, None, None].sin().expand(-1, -1, 16, 16)


def coloured(count: int, seed: int) -> np.ndarray:
    """uint8 [count, 16, 16, 3]: each of a dim colour of its own, with some noise."""
    colour = toys.noise(count, 1, seed, low=40, high=160)
    return (colour + toys.noise(count, 16, seed + 1, high=12)).numpy()


def weighted(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """A distance that is not the squared error."""
    return ((a - b).square().mean(dim=(2, 3)) * torch.tensor([1.0, 2.0, 4.0])).sum(dim=1)


class Apart:
    """The inputs of all measures of `Curved`, made without `Evaluation`, and what the measures' own functions say of them."""

    SEED, GENERATED, FITTED, TESTED = 3, 60, 90, 9

    def __init__(self):
        self.model, self.seed, self.count = Curved(), self.SEED, self.GENERATED
        self.training, self.heldout = toys.Set(coloured(self.FITTED, 10)), toys.Set(coloured(self.TESTED, 20))
        self.network = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, len(QUESTIONS))
        ).requires_grad_(False)
        self.network[2].weight.copy_(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))
        self.network[2].bias.zero_()

        given = torch.from_numpy(self.heldout.pictures)
        self.latents = self.model.encode(images.from_uint8(given))
        again = images.to_uint8(self.model.synthesize(self.latents))
        self.original, self.again = images.from_uint8(given), images.from_uint8(again)
        chosen = streams.choose(self.FITTED, self.count, self.seed)
        self.real = torch.from_numpy(self.training.pictures[chosen])
        self.z = streams.noise(self.model, self.count, self.seed)
        self.w = self.model.map(self.z)
        self.samples = images.to_uint8(self.model.synthesize(self.w))
        self.between = torch.cat(list(self.evaluation().interpolations(self.count)))

    def evaluation(self) -> Evaluation:
        reference = Reference(self.training, self.count, self.seed)
        reference.lpips, reference.extractor = toys.Weighted(1, 2, 4), toys.extractor()
        known = {separability.attribute_network: self.network, separability.attribute_accuracy: [0.5] * len(QUESTIONS)}
        return Evaluation(self.model, reference, self.heldout, cache=known)

    def extracted(self, pictures) -> torch.Tensor:
        return inception.extract(toys.extractor(), [pictures])

    def swd(self, pictures) -> float:
        """Thousandths, as the paper prints them; at 16 pixels there is one level."""
        made, real = (swd.patches([x], self.seed) for x in (pictures, self.real))
        return 1000 * swd.sliced(made[16], real[16], self.seed)

    def precision_recall(self):
        return precision_recall(self.extracted(self.samples), self.extracted(self.real))

    def ppl(self, space, sampling) -> float:
        return ppl.ppl(self.model, weighted, self.count, space, sampling, seed=self.seed).mean

    def separability(self, latents) -> float:
        return separability.separability(latents, classifier.logits(self.network, self.samples))[0]

    def latent_distance(self) -> float:
        return latent_distance.distance(self.model, self.latents, latent_distance.moments(self.model, self.seed)).mean()


DIRECTLY = {
    "mse": lambda a: mse(a.original, a.again).mean(),
    "psnr": lambda a: psnr(mse(a.original, a.again)).mean(),
    "ssim": lambda a: ssim(a.original, a.again).mean(),
    "lpips": lambda a: weighted(a.original, a.again).mean(),
    "swd": lambda a: a.swd(a.samples),
    "swd_lerp": lambda a: a.swd(a.between),
    "fid": lambda a: fid(a.extracted(a.samples), a.extracted(a.real)),
    "kid": lambda a: kid(a.extracted(a.samples), a.extracted(a.real), a.seed)[0],
    "precision": lambda a: a.precision_recall().precision,
    "recall": lambda a: a.precision_recall().recall,
    "fid_lerp": lambda a: fid(a.extracted(a.between), a.extracted(a.real)),
    "ppl_zfull": lambda a: a.ppl("z", "full"),
    "ppl_wfull": lambda a: a.ppl("w", "full"),
    "ppl_zend": lambda a: a.ppl("z", "end"),
    "ppl_wend": lambda a: a.ppl("w", "end"),
    "latent_distance": Apart.latent_distance,
    "separability_z": lambda a: a.separability(a.z),
    "separability_w": lambda a: a.separability(a.w),
}


@pytest.fixture(scope="module")
def apart():
    """What `Evaluation.measure` gives for the inputs, and what the functions themselves do: both by name."""
    inputs = Apart()
    shared = inputs.evaluation()
    found = {name: shared.measure(name).value for name in DIRECTLY}
    return found, {name: float(function(inputs)) for name, function in DIRECTLY.items()}


class TestEachMeasureIsItsOwn:
    @pytest.mark.parametrize("name", DIRECTLY)
    def test_of_the_inputs_it_names(self, apart, name):
        """The number is that of the measure's function on inputs made by hand: floats of the same sums, perhaps in batches."""
        found, expected = (values[name] for values in apart)
        assert found == pytest.approx(expected, rel=1e-5)

    def test_none_passes_for_another(self, apart):
        """All differ by ten times the tolerance or more: a measure in another's place shows."""
        values = sorted(apart[1].values())
        assert (np.diff(values) > 1e-4 * np.abs(values[1:])).all()

    def test_all_but_edits(self):
        assert suite.METRICS.keys() - DIRECTLY.keys() == {"mse_src", "mse_ref", "detectability", "editability"}

    def test_edits(self):
        """Outside the mask it is the source and inside the reference, averaged over the halves."""
        shared = evaluation(labels=None, seed=3)
        latents = streams.latents_of(shared.model, shared.heldout)
        tasks = local_editing.half_tasks(range(HELDOUT), 20, tiny.SIDE, 3)
        errors = [
            local_editing.edit_errors(local_editing.edits(shared.model, shared.heldout, {"latent": latents}, t))
            for t in tasks
        ]
        src, ref = (np.mean([getattr(e, which) for e in errors]) for which in ("src", "ref"))
        assert src != pytest.approx(ref, rel=1e-3)
        assert shared.measure("mse_src").value == pytest.approx(src)
        assert shared.measure("mse_ref").value == pytest.approx(ref)


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "halves"])
def test_detectability_is_judged_on_pictures_that_were_not_trained_on(monkeypatch, parts):
    """No image of an edit judged, source or reference, is in an edit that the classifier is trained on; that is the value."""
    pairs, seen = {}, []
    edits = local_editing.edits

    def recorded(model, pictures, latents, task):
        for pair, edit in zip(task.pairs, edits(model, pictures, latents, task), strict=True):
            pairs[edit.picture.tobytes()] = pair
            yield edit

    def spy(fitted, judged, *_):
        seen.extend((fitted, judged))
        return detectability.Detectability(judged=0.25, fitted=0.75, error=0.1)

    monkeypatch.setattr(local_editing, "edits", recorded)
    monkeypatch.setattr(detectability, "detectability", spy)
    shared = evaluation() if parts else evaluation(labels=None)
    assert shared.measure("detectability").value == 0.25
    used = []
    for real, edited in seen:
        own = [pairs[x.numpy().tobytes()] for x in edited]
        assert all(np.array_equal(x, shared.heldout[a]) for x, (a, _) in zip(real, own, strict=True))
        used.append({i for pair in own for i in pair})
    assert all(used) and used[0].isdisjoint(used[1])


def test_a_damaged_picture_is_left_out_and_its_neighbour_is_not_measured_twice(tmp_path):
    """Its header is good, so that it is found out when it is read, and the next one comes in its place."""
    for i, picture in enumerate(Avatars(tiny.SIDE, 6, "heldout")[i] for i in range(6)):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    names = [f"{i}.png" for i in range(6)]
    found = []
    for chosen in (names, [name for name in names if name != "2.png"]):
        shared = evaluation(heldout=ImageFolder(tmp_path, tiny.SIDE).subset(chosen))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[^:]*: the next image replaces a damaged one")
            found.append({name: shared.measure(name) for name in ("mse", "mse_src", "swd_lerp", "latent_distance")})
    for name, result in found[0].items():
        assert result.value == pytest.approx(found[1][name].value, rel=1e-5), (
            name
        )  # float32 sums, perhaps in another order
    assert found[0]["mse"].details["pictures"] == 5
