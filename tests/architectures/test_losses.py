"""The terms of the cycle: closed forms, symmetries, and gradients where training needs them."""

import math

import pytest
import torch
from torch import nn

from stylemap.architectures import losses
from tests.tiny import randn64 as randn


class TestAdversarial:
    @pytest.mark.parametrize("term", [losses.fools, losses.is_real, losses.is_fake])
    def test_undecided_is_log_two(self, term):
        values = term(torch.zeros(3, 1, dtype=torch.float64))
        assert values.shape == (3,)
        assert torch.allclose(values, torch.full((3,), math.log(2), dtype=torch.float64), rtol=0, atol=1e-15)

    @pytest.mark.parametrize(("term", "sign"), [(losses.fools, -1), (losses.is_real, -1), (losses.is_fake, 1)])
    def test_equals_the_formula(self, term, sign):
        logits = torch.tensor([[-3.0], [-0.5], [0.5], [3.0]], dtype=torch.float64)
        expected = [math.log1p(math.exp(sign * x)) for x in logits.flatten().tolist()]
        assert term(logits).tolist() == pytest.approx(expected, rel=1e-14)

    def test_symmetry(self):
        logits = 5 * randn(50, 1)
        assert torch.equal(losses.is_fake(logits), losses.is_real(-logits))
        assert torch.equal(losses.fools(logits), losses.is_real(logits))
        # -log sigmoid(x) and -log(1 - sigmoid(x)) differ by -x
        difference = losses.is_real(logits) - losses.is_fake(logits)
        assert torch.allclose(difference, -logits[:, 0], rtol=0, atol=1e-13)

    def test_directions(self):
        """The discriminator wants real up and fake down, the generator wants its fakes up."""
        for term, sign in ((losses.is_real, -1), (losses.is_fake, 1), (losses.fools, -1)):
            logits = randn(20, 1).requires_grad_()
            (gradient,) = torch.autograd.grad(term(logits).sum(), logits)
            assert (gradient * sign > 0).all()

    @pytest.mark.parametrize("term", [losses.fools, losses.is_real, losses.is_fake])
    def test_extreme_logits_are_finite(self, term):
        logits = torch.tensor([[-1e4], [1e4]], requires_grad=True)
        values = term(logits)
        (gradient,) = torch.autograd.grad(values.sum(), logits)
        assert sorted(values.tolist()) == [0, 1e4]
        assert sorted(gradient.abs().flatten().tolist()) == [0, 1]


class TestSquaredError:
    def test_closed_form_for_each_sample(self):
        a, b = torch.zeros(3, 2, 4, 4), torch.zeros(3, 2, 4, 4)
        b[1], b[2, 0] = 3, 2
        assert losses.squared_error(a, b).tolist() == [0, 9, 2]  # half of the elements of the last are off by 2

    def test_symmetric(self):
        a, b = randn(3, 2, 4), randn(3, 2, 4, seed=1)
        assert torch.equal(losses.squared_error(a, b), losses.squared_error(b, a))


class TestGradientPenalty:
    def test_of_a_linear_discriminator_is_its_squared_norm(self):
        weight, images = randn(3, 5, 5), randn(4, 3, 5, 5).requires_grad_()
        logits = (images * weight).sum(dim=(1, 2, 3)).unsqueeze(1) + 7
        penalty = losses.gradient_penalty(images, logits)
        assert penalty.shape == (4,)
        assert torch.allclose(penalty, weight.square().sum().expand(4), rtol=1e-14, atol=0)

    def test_of_a_quadratic_one_for_each_sample(self):
        images = (randn(4, 3, 2, 2) * torch.arange(4.0).double().view(-1, 1, 1, 1)).requires_grad_()
        logits = images.square().sum(dim=(1, 2, 3)).unsqueeze(1)
        expected = 4 * images.detach().square().flatten(1).sum(dim=1)  # gradient 2 x
        assert torch.allclose(losses.gradient_penalty(images, logits), expected, rtol=1e-14, atol=0)

    def test_can_be_differentiated_by_weights_and_images(self):
        weight, images = randn(3, 2, 2).requires_grad_(), randn(2, 3, 2, 2).requires_grad_()

        def penalty(weight, images):
            return losses.gradient_penalty(images, (images * weight).sum(dim=(1, 2, 3)).tanh().unsqueeze(1))

        assert torch.autograd.gradcheck(penalty, (weight, images))

    def test_training_on_it_makes_a_network_flatter(self):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 1)).double()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
        images = randn(8, 3, 2, 2).requires_grad_()
        values = []
        for _ in range(20):
            penalty = losses.gradient_penalty(images, network(images)).mean()
            optimizer.zero_grad()
            penalty.backward()
            optimizer.step()
            values.append(penalty.item())
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.7 * values[0]


class TestFeatureDistance:
    SHAPES = [(3, 5, 4, 4), (3, 7, 2, 2)]

    def features(self, seed: int = 0) -> list[torch.Tensor]:
        return [randn(*shape, seed=seed) for shape in self.SHAPES]

    # eps 1e-8 inside the root takes 1e-8 / |x|^2 from a squared length of one; |x|^2 is above 0.01 here
    CLOSE = {"rel": 0, "abs": 4e-6}

    def test_of_identical_features_is_zero(self):
        a = self.features()
        assert losses.feature_distance(a, a).tolist() == [0, 0, 0]

    def test_of_opposite_features_is_four(self):
        a = self.features()
        assert min(x.square().sum(dim=1).min() for x in a) > 0.01
        distance = losses.feature_distance(a, [-x for x in a])
        assert distance.tolist() == pytest.approx([4, 4, 4], **self.CLOSE)

    def test_of_orthogonal_features_is_two(self):
        a, b = torch.zeros(2, 4, 3, 3), torch.zeros(2, 4, 3, 3)
        a[:, 0], b[:, 1] = 5, 0.3
        assert losses.feature_distance([a], [b]).tolist() == pytest.approx([2, 2], **self.CLOSE)

    def test_is_the_mean_over_places_and_layers(self):
        a, b = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
        a[:, 0], b[:, 0] = 1, 1
        b[:, 0, 0, 0] = -1  # one place of four is opposite
        same = [torch.ones(1, 3, 1, 1)]
        assert losses.feature_distance([a], [b]).item() == pytest.approx(1, **self.CLOSE)
        assert losses.feature_distance([a, *same], [b, *same]).item() == pytest.approx(0.5, **self.CLOSE)

    def test_length_does_not_matter_and_order_does_not(self):
        a, b = self.features(), self.features(seed=1)
        distance = losses.feature_distance(a, b).tolist()
        assert losses.feature_distance([9 * x for x in a], b).tolist() == pytest.approx(distance, **self.CLOSE)
        assert losses.feature_distance(b, a).tolist() == pytest.approx(distance, rel=1e-14)

    def test_a_sample_does_not_depend_on_the_others(self):
        a, b = self.features(), self.features(seed=1)
        alone = [losses.feature_distance([x[k : k + 1] for x in a], [y[k : k + 1] for y in b]).item() for k in range(3)]
        assert losses.feature_distance(a, b).tolist() == pytest.approx(alone, rel=1e-14)

    def test_gradient_is_finite_at_zero_features(self):
        a = torch.zeros(1, 3, 2, 2, requires_grad=True)
        b = torch.ones(1, 3, 2, 2)
        (gradient,) = torch.autograd.grad(losses.feature_distance([a], [b]).sum(), a)
        assert gradient.isfinite().all()
        assert gradient.any()

    def test_lists_of_different_length(self):
        with pytest.raises(ValueError, match="zip"):
            losses.feature_distance(self.features(), self.features()[:1])
