"""Each loss against its formula by hand, on two scales."""

import pytest
import torch

from stylemap.architectures.sean import losses

LOGITS = [torch.tensor([[[[2.0, -3.0]]], [[[0.5, 0.0]]]]), torch.tensor([[[[4.0]]], [[[-1.0]]]])]  # [2, 1, h, w]


def scales(factor: float = 1.0):
    """Two layers of features before the logits."""
    return [[factor * torch.ones(2, 3, 4, 4), factor * torch.full((2, 1, 2, 2), 2.0), factor * x] for x in LOGITS]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # mean over patches, then over scales, of max(0, 1 - D), max(0, 1 + D) and -D
        (losses.hinge_real, [((0 + 4) / 2 + 0) / 2, ((0.5 + 1) / 2 + 2) / 2]),
        (losses.hinge_fake, [((3 + 0) / 2 + 5) / 2, ((1.5 + 1) / 2 + 0) / 2]),
        (losses.hinge_fools, [(0.5 - 4) / 2, (-0.25 + 1) / 2]),
    ],
)
def test_hinge(loss, expected):
    torch.testing.assert_close(loss(scales()), torch.tensor(expected))


def test_feature_matching():
    """|1 - 3| and |2 - 6| in the two layers, the same at both scales; the logits do not count."""
    torch.testing.assert_close(losses.feature_matching(scales(), scales(3.0)), torch.tensor([6.0, 6.0]))
    assert losses.feature_matching(scales(), scales()).eq(0).all()


def test_real_features_get_no_gradient():
    real, fake = scales(), scales(3.0)
    leaves = [x.requires_grad_() for features in (real, fake) for scale in features for x in scale[:-1]]
    losses.feature_matching(real, fake).sum().backward()
    assert [x.grad is not None for x in leaves] == [False] * 4 + [True] * 4
