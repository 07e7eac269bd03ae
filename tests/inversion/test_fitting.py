"""Fits of weights to one photo: the error falls, the model stays, files give back what went in and nothing else."""

import pytest
import torch

from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.errors import InputError
from stylemap.inversion import fitting, tuning
from tests.inversion import tiny


@pytest.fixture(scope="module")
def model() -> StylemapModel:
    return tiny.stylemaps()


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    """That no latent makes."""
    return torch.rand(1, 3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def found(model, image) -> fitting.Fit:
    return fitting.fit(model, image, 30)


def error(model: StylemapModel, stylemap: torch.Tensor, image: torch.Tensor) -> float:
    with torch.no_grad():
        return (model.synthesize(stylemap).clamp(-1, 1) - image).square().mean().item()


def test_error_falls_by_the_map_and_by_the_weights(model, image, found):
    first, by_map, by_both = (
        error(model, model.encode(image), image),
        error(model, found.stylemap, image),
        error(found.model(model), found.stylemap, image),
    )
    assert by_both < by_map < first


def test_the_model_stays_as_it_is(model, found):
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), tiny.stylemaps().parameters(), strict=True))


def test_no_steps_give_the_encoders_map(model, image):
    nothing = fitting.fit(model, image, 0)
    assert torch.equal(nothing.stylemap, model.encode(image))
    assert not tuning.of(nothing.weights)


def test_every_step_is_told_and_can_end_it(model, image):
    told: list[float] = []

    def tick(done: float) -> None:
        told.append(done)
        if len(told) == 5:
            raise KeyError("enough")

    with pytest.raises(KeyError):
        fitting.fit(model, image, 10, tick)
    assert told == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])  # of which four are steps on the map


def test_frames_share_the_weights(model):
    """Noise over one image: what is learned from some frames holds for another, and each is drawn from the encoder's stylemap."""
    rng = torch.Generator().manual_seed(1)
    frames = model.synthesize(model.encode(torch.rand(1, 3, tiny.SIDE, tiny.SIDE, generator=rng))).detach() * 0.5
    frames = frames + 0.05 * torch.randn(4, 3, tiny.SIDE, tiny.SIDE, generator=rng)
    told: list[float] = []
    with torch.no_grad():  # as in verbs
        found = fitting.fit_frames(model, frames[:3], 30, told.append)
    assert told[-1] == 1 and len(told) == 30
    fitted, stylemaps = found.model(model), model.encode(frames)
    assert torch.equal(fitted.encode(frames), stylemaps)
    for some in (slice(0, 3), slice(3, 4)):
        before = error(model, stylemaps[some], frames[some])
        assert error(fitted, stylemaps[some], frames[some]) < 0.5 * before
    assert fitting.to_bytes(found) == fitting.to_bytes(fitting.fit_frames(model, frames[:3], 30))


def test_files_give_back_what_went_in(model, image, found):
    data = fitting.to_bytes(found)
    read = fitting.from_bytes(data)
    assert torch.equal(read.stylemap, found.stylemap)
    assert error(read.model(model), read.stylemap, image) == error(found.model(model), found.stylemap, image)
    assert len(data) <= fitting.most_bytes(model.config)


def test_rounded_weights_are_nearly_the_same(model, found):
    """bfloat16 has 8 bits, of which errors of layers add up."""
    exact, rounded = (found.model(model, kind) for kind in (torch.float32, torch.bfloat16))
    assert rounded.passes == torch.bfloat16
    with torch.no_grad():
        a, b = exact.synthesize(found.stylemap), rounded.synthesize(found.stylemap)
    assert (a - b).abs().mean() < 2**-8 * 8 * a.abs().mean()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fit: {},
        lambda fit: {"stylemap": fit.stylemap[0], **fit.weights},
        lambda fit: {"stylemap": fit.stylemap.double(), **fit.weights},
        lambda fit: {"stylemap": fit.stylemap * float("nan"), **fit.weights},
        lambda fit: {"stylemap": fit.stylemap[..., :2], **fit.weights},
        lambda fit: {"stylemap": fit.stylemap, **fit.weights, "codes": fit.weights["codes"][:-9]},
        lambda fit: {"stylemap": fit.stylemap, **fit.weights, "weights.synthesis.nothing": torch.ones(3)},
        lambda fit: {"stylemap": fit.stylemap, **{k: x.half() for k, x in fit.weights.items() if k != "codes"}},
        lambda fit: {"stylemap": fit.stylemap, **{k: x for k, x in fit.weights.items() if k != "codes"}},
    ],
)
def test_what_is_no_fit_of_these_weights_is_refused(model, found, spoil):
    with pytest.raises(InputError):
        fitting.of_tensors(spoil(found)).model(model)


def test_what_is_no_file_is_refused(found):
    for data in (b"", b"nothing", fitting.to_bytes(found)[:-5]):
        with pytest.raises(InputError, match="not a fit"):
            fitting.from_bytes(data)


def test_rounded_weights_cannot_be_fitted(image):
    model = tiny.stylemaps()
    model.compute_in(torch.bfloat16)
    with pytest.raises(InputError, match="rounded"):
        fitting.fit(model, image, 2)
