"""The shipped weights do what their card says."""

import re

import pytest

from stylemap import checkpoint
from stylemap.cli.demonstration import heldout_of
from stylemap.cli.flags import DEFAULT_WEIGHTS
from stylemap.metrics import heldout
from stylemap.resources import PRETRAINED

SHIPPED = sorted(PRETRAINED.glob("*.safetensors"))


def test_the_default_is_shipped():
    assert DEFAULT_WEIGHTS in [path.stem for path in SHIPPED]


SLOW = ("avatars128", "avatars64", "avatars32_sean")  # what begins like that takes longer than all others


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * p.stem.startswith(SLOW)) for p in SHIPPED]
)
def test_card(path):
    """Images seen, held-out error and its PSNR are those on the card, to the digits given there."""
    card = path.with_suffix(".md").read_text()
    seen, mse, psnr, explained = (
        float(re.search(rf"\| {name} \| ([\d.,]+)", card)[1].replace(",", ""))
        for name in ("images seen", "held-out MSE", "held-out PSNR", "variance explained")
    )
    assert checkpoint.read_info(path)["images"] == seen
    model = checkpoint.load_any(path)
    scores = heldout.score(model, heldout_of(model))
    # convolutions of another machine round differently; half a unit of the last digit given
    assert scores.mse == pytest.approx(mse, abs=0.6e-4)
    assert scores.psnr == pytest.approx(psnr, abs=0.02)
    assert 100 * scores.explained == pytest.approx(explained, abs=0.06)


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        ("avatars32", True),
        ("avatars32_stylegan2", True),
        ("avatars32_e4e", False),
        ("avatars32_psp", False),
        ("avatars32_sean", False),
        ("avatars64", False),
        ("avatars64_grown", True),
        ("avatars64_stylegan2", True),
        ("avatars64_e4e", False),
        ("avatars64_psp", False),
        ("avatars64_sean", False),
        ("avatars128", True),
    ],
)
def test_a_discriminator_is_there_if_it_was_trained(name, trained):
    """A random one would keep `--init-from` from a better start."""
    assert checkpoint.holds_discriminator(name) == trained
