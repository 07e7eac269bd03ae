"""The table of measures: all of them on a tiny model, with stand-ins for what has to be downloaded."""

import json

import pytest
import torch

from stylemap.datasets import Avatars
from stylemap.errors import InputError
from stylemap.metrics import classifier, latent_distance, suite
from stylemap.metrics import evaluation as module
from stylemap.metrics.evaluation import Evaluation
from tests.editing import tiny
from tests.metrics import toys

COUNT, HELDOUT = 24, 12


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "STEPS", 3)
        patch.setattr(latent_distance, "DRAWS", 200)
        patch.setattr(module, "LABELLED", 30)
        yield


def evaluation(**changes) -> Evaluation:
    heldout = Avatars(tiny.SIDE, HELDOUT, "heldout")
    settings = {"count": COUNT, "pairs": 20, "labels": heldout.parts}
    settings |= {"load_distance": lambda *_: toys.distance(), "load_extractor": lambda *_: toys.extractor()}
    return Evaluation(tiny.model(), Avatars(tiny.SIDE, 100), heldout, **(settings | changes))


@pytest.fixture(scope="module")
def results() -> dict[str, suite.Result]:
    return {name: suite.compute(shared, name) for shared in [evaluation()] for name in suite.METRICS}


@pytest.mark.parametrize("name", suite.METRICS)
def test_a_number_that_says_how_it_was_made(results, name):
    result = results[name]
    assert isinstance(result.value, float)
    assert len(result.details) >= 3
    json.dumps(result.details, allow_nan=False)


def test_numbers_repeat(results):
    again = evaluation()
    for name in ("swd", "swd_lerp", "fid_lerp", "ppl_zfull", "mse_src", "detectability", "separability_w"):
        assert suite.compute(again, name).value == results[name].value, name
    other = evaluation(seed=1)
    for name in ("swd", "swd_lerp", "fid_lerp", "ppl_zfull"):
        assert suite.compute(other, name).value != results[name].value, name


def test_errors_are_those_of_training(results):
    """Within what rounding to 8 bits does."""
    from stylemap.datasets import stream
    from stylemap.training import evaluate

    scores = evaluate.score(tiny.model(), stream.first(Avatars(tiny.SIDE, HELDOUT, "heldout"), HELDOUT))
    assert results["mse"].value == pytest.approx(scores.mse, rel=1e-3)
    assert results["psnr"].details["of_the_mean_error"] == pytest.approx(scores.psnr, abs=0.01)


def test_where_features_come_from(results):
    for name in ("fid", "kid", "precision", "recall", "fid_lerp", "lpips", "ppl_wend"):
        assert results[name].details["network"] == "random weights, seed 0: not comparable"


def test_a_perfect_model():
    """Encodes a picture as itself."""

    class Identity:
        config, device = tiny.model().config, torch.device("cpu")

        def encode(self, images):
            return images

        def synthesize(self, latents):
            return latents

    perfect = evaluation()
    perfect.model = Identity()
    assert suite.compute(perfect, "mse").value == 0
    assert suite.compute(perfect, "ssim").value == pytest.approx(1)
    assert suite.compute(perfect, "lpips").value == 0
    psnr = suite.compute(perfect, "psnr")
    assert psnr.details["reason"] == "the value is inf"


def test_what_is_missing_stops_nothing():
    def missing(*_):
        raise InputError("not there")

    poor = evaluation(load_distance=missing, load_extractor=missing)
    for name in ("lpips", "fid", "kid", "precision", "recall", "fid_lerp", "ppl_zend"):
        result = suite.compute(poor, name)
        assert result.value is None and result.details == {"reason": "not there"}
    assert suite.compute(poor, "mse").value > 0


def test_defaults_need_nothing():
    def missing(*_):
        raise AssertionError("a default asked for something")

    poor = evaluation(load_distance=missing, load_extractor=missing, labels=None)
    assert {"mse", "psnr", "ssim", "swd", "swd_lerp", "mse_src", "mse_ref", "latent_distance"} <= set(suite.DEFAULT)
    for name in suite.DEFAULT:
        assert isinstance(suite.compute(poor, name).value, float), name


def test_halves_without_labels(results):
    halves = suite.compute(evaluation(labels=None), "mse_src")
    assert set(halves.details["parts"]) == {"right", "lower"} and halves.details["masks"] == "halves"
    assert results["mse_src"].details["masks"] == "parts" and len(results["mse_src"].details["parts"]) == 10


def test_models_of_vectors():
    """Latents [N, L, C]: everything but edits."""
    vectors = Evaluation(
        toys.Flat(), toys.Set(toys.noise(40, 8).numpy()), toys.Set(toys.noise(9, 8, seed=1).numpy()), count=20,
        load_distance=lambda *_: toys.distance(), load_extractor=lambda *_: toys.extractor(),
    )  # fmt: skip
    for name in ("lpips", "swd", "swd_lerp", "fid", "fid_lerp", "ppl_zfull", "ppl_wend", "latent_distance"):
        assert isinstance(suite.compute(vectors, name).value, float), name
    for name in ("mse_src", "detectability"):
        assert "needs stylemaps" in suite.compute(vectors, name).details["reason"]
    assert "avatars" in suite.compute(vectors, "separability_w").details["reason"]


def test_one_picture():
    alone = evaluation()
    alone.heldout = Avatars(tiny.SIDE, 1, "heldout")
    assert "two held-out pictures" in suite.compute(alone, "mse_ref").details["reason"]
    assert isinstance(suite.compute(alone, "swd_lerp").value, float)
