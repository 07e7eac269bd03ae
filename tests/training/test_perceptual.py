import pytest
import torch

from stylemap.architectures.discriminator import Discriminator
from stylemap.config import LossConfig, ModelConfig
from stylemap.errors import InputError
from stylemap.training import perceptual

SMALL = ModelConfig(resolution=16, stylemap_size=4, channel_base=128, channel_max=8)


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return Discriminator(SMALL).requires_grad_(False)


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_discriminator_distance(discriminator, images):
    other = images.flip(3).requires_grad_()
    distance = perceptual.by_discriminator(
        images, other, discriminator.features(other), lambda: discriminator.features(images)
    )
    assert distance.shape == (3,)
    assert (distance > 0).all()
    distance.sum().backward()
    assert other.grad.abs().sum() > 0
    same = perceptual.by_discriminator(
        images, images, discriminator.features(images), lambda: discriminator.features(images)
    )
    assert torch.equal(same, torch.zeros(3))


def test_none(images):
    config = LossConfig(perceptual_network="none")
    term = perceptual.build(config, torch.device("cpu"))
    assert torch.equal(term(images, images + 1, [], list), torch.zeros(3))


@pytest.fixture(scope="module")
def vgg():
    """Random weights in the layout of torchvision's file (its convolutions; the classifier is not needed)."""
    import torchvision

    torch.manual_seed(0)
    features = torchvision.models.vgg16(weights=None).features.state_dict()
    return {f"features.{name}": value for name, value in features.items()}


@pytest.mark.filterwarnings("ignore")  # lpips asks torchvision in a way it has deprecated
def test_lpips_uses_the_weights_of_the_file(vgg, tmp_path):
    file = tmp_path / perceptual.VGG_FILE
    torch.save(vgg, file)
    term = perceptual.build(LossConfig(perceptual_network="lpips", vgg=str(file)), torch.device("cpu"))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    other = images.roll(3, dims=2).requires_grad_()
    distance = term(images, other, [], list)
    assert distance.shape == (2,) and (distance > 0).all()
    distance.sum().backward()
    assert other.grad.isfinite().all() and other.grad.abs().sum() > 0
    assert torch.equal(term(images, images, [], list), torch.zeros(2))
    again = perceptual.lpips_vgg(vgg, torch.device("cpu"))
    torch.testing.assert_close(again(images, other, [], list), distance, rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):  # float32 all the same
        torch.testing.assert_close(again(images, other, [], list), distance, rtol=0, atol=0)


def test_missing_vgg_says_where_to_put_it(tmp_path):
    config = LossConfig(perceptual_network="lpips", vgg=str(tmp_path / "nowhere.pth"))
    with pytest.raises(InputError, match="nowhere.pth.*download.*vgg16-397923af.pth") as info:
        perceptual.build(config, torch.device("cpu"))
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "other weights"])
def test_wrong_vgg(tmp_path, content):
    file = tmp_path / "vgg.pth"
    torch.save({"weight": torch.zeros(1)}, file) if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match="does not hold torchvision's VGG-16"):
        perceptual.vgg_weights(str(file))
