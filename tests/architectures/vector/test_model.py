"""VectorModel: the interface of Model with vectors for latents."""

import pytest
import torch

from stylemap.architectures.model import truncate
from stylemap.architectures.vector.model import VectorModel
from stylemap.errors import InputError
from tests.architectures.vector.tiny import ARCHITECTURES, config
from tests.tiny import randn64 as randn

both = pytest.mark.parametrize("architecture", ARCHITECTURES)


def made(architecture: str, resolution: int = 16, seed: int = 0, **settings) -> VectorModel:
    torch.manual_seed(seed)
    return VectorModel(config(architecture, resolution), **settings)


@both
class TestInterface:
    def test_shapes(self, architecture):
        model = made(architecture)
        images = randn(3, 3, 16, 16).float()
        latent = model.encode(images)
        assert latent.shape == (3, 6, 5)
        assert model.synthesize(latent).shape == images.shape
        assert model.map(torch.randn(2, 5)).shape == (2, 6, 5)
        assert model.mean_latent().shape == model.mean_mapped(torch.randn(7, 5)).shape == (1, 6, 5)
        assert model.device == torch.device("cpu")

    @pytest.mark.parametrize("resolution", [8, 64, 1024])
    def test_every_resolution(self, architecture, resolution):
        with torch.device("meta"):
            model = made(architecture, resolution)
            images = torch.zeros(2, 3, resolution, resolution)
            assert model.synthesize(model.encode(images)).shape == images.shape

    def test_map_is_one_vector_for_all_layers(self, architecture):
        model, z = made(architecture), torch.randn(2, 5)
        assert (model.map(z) == model.generator.mapping(z)[:, None]).all()
        assert torch.equal(model.synthesize(model.map(z)), model.generator(z))

    def test_untrained_encoder_finds_the_mean(self, architecture):
        model = made(architecture)
        model.generator.w_avg.copy_(torch.arange(5.0))
        encoded = model.encode(torch.randn(2, 3, 16, 16))
        assert torch.equal(encoded, model.mean_latent().expand(2, -1, -1))

    def test_encoder_learns(self, architecture):
        """The zeros of its last layer are no trap."""
        model = made(architecture)
        images = torch.randn(4, 3, 16, 16)
        target = torch.randn(4, 6, 5)
        adam = torch.optim.Adam(model.encoder.parameters(), lr=0.05)
        losses = []
        for _ in range(20):
            loss = (model.encode(images) - target).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]

    def test_samples_do_not_see_each_other(self, architecture):
        model, images = made(architecture).double(), randn(3, 3, 16, 16)
        torch.nn.init.normal_(model.encoder.to_latent.weight)
        with torch.no_grad():
            together, alone = model.encode(images), torch.cat([model.encode(x) for x in images.split(1)])
        torch.testing.assert_close(together, alone, atol=1e-10, rtol=0)

    def test_truncation(self, architecture):
        model = made(architecture)
        z = torch.randn(4, 5)
        mean, latent = model.mean_mapped(z), model.map(z)
        assert torch.equal(truncate(latent, mean, 0), mean.expand_as(latent))
        assert torch.equal(truncate(latent, mean, 1), latent)

    def test_noise(self, architecture):
        model = made(architecture)
        for layer in model.generator.synthesis.noises:
            torch.nn.init.ones_(layer.strength)
        latent = model.map(torch.randn(1, 5))
        maps = [[randn(*shape, seed=seed).float() for shape in model.latents.noise_shapes] for seed in (0, 0, 1)]
        drawn = [model.synthesize(latent, noise) for noise in maps]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])

    def test_without_encoder(self, architecture):
        model = made(architecture, encoder=False)
        assert not any(name.startswith("encoder") for name in model.state_dict())
        model.synthesize(model.map(torch.randn(1, 5)))
        with pytest.raises(InputError, match="no encoder"):
            model.encode(torch.zeros(1, 3, 16, 16))

    def test_state_dict_round_trip(self, architecture):
        model, other = made(architecture), made(architecture, seed=1)
        torch.nn.init.normal_(model.encoder.to_latent.weight)
        other.load_state_dict(model.state_dict())
        images = torch.randn(2, 3, 16, 16)
        assert torch.equal(model.synthesize(model.encode(images)), other.synthesize(other.encode(images)))

    def test_wrong_shapes(self, architecture):
        model = made(architecture)
        for call, name, wrong in (
            (model.encode, "images", [(3, 16, 16), (1, 3, 8, 8), (1, 1, 16, 16)]),
            (model.synthesize, "latent", [(1, 5), (1, 5, 5), (1, 6, 4), (1, 5, 4, 4)]),
            (model.map, "z", [(5,), (1, 6), (1, 6, 5)]),
        ):
            for shape in wrong:
                with pytest.raises(ValueError, match=f"{name} must be"):
                    call(torch.zeros(shape))
