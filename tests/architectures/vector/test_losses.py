"""The losses in closed form, on maps whose gradients are known."""

import math

import pytest
import torch

from stylemap.architectures.vector import losses
from tests.architectures.vector.tiny import generator
from tests.tiny import randn64 as randn


class TestPathLength:
    def test_of_a_linear_map(self):
        """image = A w for every layer summed: J^T y is A^T y in each layer, so the length is ||A^T y|| / sqrt(H W)."""
        a = randn(3 * 4 * 6, 5)
        latent = randn(2, 7, 5, seed=1).requires_grad_()
        images = (latent.sum(dim=1) @ a.T).reshape(2, 3, 4, 6)
        noise = randn(2, 3, 4, 6, seed=2)
        lengths = losses.path_lengths(images, latent, noise)
        wanted = (noise.reshape(2, -1) @ a).norm(dim=1) / math.sqrt(4 * 6)
        # 1e-8 under a root of about 1
        torch.testing.assert_close(lengths, wanted, atol=1e-8, rtol=0)

    def test_layers_are_averaged_in_square(self):
        """image = c_l w_l: one number per layer."""
        latent = torch.zeros(1, 2, 1, dtype=torch.float64, requires_grad=True)
        images = (latent * torch.tensor([[[3.0], [4.0]]])).sum().expand(1, 1, 1, 1)
        length = losses.path_lengths(images, latent, torch.ones(1, 1, 1, 1).double())
        assert length.item() == pytest.approx(math.sqrt((9 + 16) / 2), abs=1e-8)

    def test_does_not_depend_on_the_resolution(self):
        """Of an image of the same content: the noise is divided by sqrt(H W), so that E ||J^T y||^2 is a mean over pixels."""
        squares = []
        for side in (8, 32):
            latent = torch.zeros(1, 1, 1, dtype=torch.float64, requires_grad=True)
            images = latent.view(1, 1, 1, 1).expand(1, 1, side, side)
            draws = [losses.path_lengths(images, latent, randn(1, 1, side, side, seed=i)) for i in range(400)]
            squares.append(torch.stack(draws).square().mean().item())
        # each a mean of 400 squared unit normals: deviation sqrt(2 / 400) = 0.07
        assert squares == pytest.approx([1, 1], abs=0.3)

    def test_reaches_the_weights(self):
        g = generator("stylegan2", 8)
        latent = g.tile(randn(2, 5)).clone().requires_grad_()
        images = g.synthesis(latent)
        lengths = losses.path_lengths(images, latent, randn(*images.shape, seed=1))
        losses.path_length_penalty(lengths, torch.tensor(0.0)).mean().backward()
        assert g.synthesis.layers[0].conv.weight.grad.abs().max() > 0

    def test_dead_generator_has_finite_gradients(self):
        latent = torch.ones(1, 1, 2, requires_grad=True)
        scale = torch.zeros(1, requires_grad=True)
        lengths = losses.path_lengths((latent.sum() * scale).expand(1, 3, 4, 4), latent, torch.ones(1, 3, 4, 4))
        lengths.sum().backward()
        assert scale.grad.isfinite().all()

    def test_running_mean_and_penalty(self):
        mean = losses.running_length(torch.tensor(2.0), torch.tensor([3.0, 5.0], requires_grad=True))
        assert mean.item() == pytest.approx(0.99 * 2 + 0.01 * 4)
        assert not mean.requires_grad
        assert losses.path_length_penalty(torch.tensor([3.0, 5.0]), torch.tensor(4.0)).tolist() == [1, 1]
        assert losses.path_length_penalty(torch.tensor([4.0]), torch.tensor(4.0)).tolist() == [0]


class TestWgan:
    def test_generator_and_critic(self):
        real, fake = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [3.0]])
        assert losses.wgan_generator(fake).tolist() == [-0.5, -3.0]
        found = losses.wgan_critic(real, fake)
        assert found.tolist() == pytest.approx([0.5 - 2 + 0.004, 3 + 1 + 0.001])
        assert losses.wgan_critic(real, fake, drift=0).tolist() == pytest.approx([-1.5, 4])

    def test_between(self):
        real, fake = randn(3, 3, 4, 4), randn(3, 3, 4, 4, seed=1)
        images = losses.between(real, fake, torch.tensor([0.0, 1.0, 0.25]).double())
        assert images.requires_grad
        assert images.is_leaf
        found = images.detach()
        torch.testing.assert_close(found[0], fake[0])
        torch.testing.assert_close(found[1], real[1])
        torch.testing.assert_close(found[2], 0.75 * fake[2] + 0.25 * real[2])

    @pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
    def test_gradient_penalty_of_a_linear_critic(self, slope):
        """Its gradient is the same everywhere: (slope - 1)^2, and 0 for slope 1."""
        direction = randn(1, 3, 4, 4)
        direction /= direction.norm()
        images = randn(2, 3, 4, 4, seed=1).requires_grad_()
        logits = slope * (images * direction).flatten(1).sum(dim=1, keepdim=True)
        penalty = losses.wgan_gradient_penalty(images, logits)
        # sqrt(1e-8) = 1e-4 where the slope is 0
        torch.testing.assert_close(penalty, torch.full((2,), (slope - 1) ** 2).double(), atol=3e-4, rtol=0)

    def test_can_be_differentiated(self):
        weight = torch.tensor(3.0, requires_grad=True)
        images = torch.ones(1, 1, 1, 1, requires_grad=True)
        losses.wgan_gradient_penalty(images, (weight * images).flatten(1)).sum().backward()
        assert weight.grad.item() == pytest.approx(2 * (3 - 1))
