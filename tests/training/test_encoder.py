"""Training of an encoder for a generator that exists: each term by hand, the schedule of the offsets, and resuming."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stylemap import images, perceptual
from stylemap.errors import InputError
from stylemap.metrics import latent_distance
from stylemap.metrics.heldout import score
from stylemap.training import encoder
from stylemap.training.encoder import E4E, STYLES, EncoderTrainer, split_offsets, train_encoder, with_sums
from tests.inversion import tiny
from tests.metrics.toys import Set
from tests.tiny import randn, randn64

SHORT = replace(E4E, images=32, batch=4, offsets_from=0.25, offsets_every=0.125)
PIXELS = perceptual.load("none")


def generator():
    """Images of mapped latents differ from that of the mean."""
    model = tiny.vectors()
    model.generator.w_avg.copy_(model.statistics(1000)[0][0, 0])
    return model


def pictures(model, count, seed):
    """Images whose latents are known: there is an encoder without an error, up to 8 bits."""
    return images.to_uint8(tiny.images(model, count, seed))


def trained(config, model=None, known=64):
    model = generator() if model is None else model
    trainer = EncoderTrainer(model, PIXELS, config)
    train_encoder(trainer, Set(pictures(model, known, seed=1).numpy()))
    return trainer


class TestOffsets:
    def test_vectors_are_the_first_and_what_is_added_to_it(self):
        outputs = torch.tensor([[[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]])
        vectors, offsets = split_offsets(outputs, active=2)
        assert vectors.tolist() == [[[1, 2], [11, 22], [1, 2]]]
        assert offsets.tolist() == [[[10, 20], [0, 0]]]

    def test_lengths_are_summed_over_layers(self):
        offsets = torch.tensor([[[3.0, 4.0], [0.0, 2.0]], [[0.0, 0.0], [5.0, 12.0]]])
        assert encoder.offset_lengths(offsets).tolist() == [7, 13]

    def test_an_offset_of_zero_has_a_gradient_of_zero(self):
        offsets = torch.zeros(1, 2, 3, requires_grad=True)
        encoder.offset_lengths(offsets).sum().backward()
        assert offsets.grad.abs().sum() == 0

    def test_one_after_the_other_is_switched_on(self):
        """Of 1000 images: the second layer after 100, and one more every 10."""
        config = replace(E4E, images=1000)
        assert [config.active(seen, 6) for seen in (0, 99, 100, 109, 110, 130, 140, 1000)] == [1, 1, 2, 2, 3, 5, 6, 6]
        assert STYLES["psp"].active(0, 6) == 6

    def test_those_that_are_off_do_not_learn(self):
        trainer = trained(replace(SHORT, images=8, offsets_from=0.5, offsets_every=0.5, adversarial=0.0))
        rows = trainer.networks.encoder.to_latent.weight.unflatten(0, (6, 12)).abs().amax(dim=(1, 2))
        assert (rows[:1] > 0).all() and (rows[2:] == 0).all()

    @pytest.mark.parametrize("active", [1, 3, 6])
    def test_they_become_part_of_the_last_layer(self, active):
        network = tiny.vectors().encoder
        with torch.no_grad():
            network.to_latent.bias.copy_(randn(72))
        network.double()
        x = randn64(2, 3, 16, 16)
        expected, _ = split_offsets(network(x), active)
        torch.testing.assert_close(with_sums(network, active)(x), expected)


def test_the_terms_of_the_first_step():
    """The encoder says 0 for everything: latents are the mean."""
    model, photos = generator(), randn(4, 3, 16, 16).clamp(-1, 1)
    trainer = EncoderTrainer(model, PIXELS, replace(SHORT, offsets_from=0.0))
    judge = copy.deepcopy(trainer.networks.discriminator)
    terms = trainer.step(photos)
    error = (model.synthesize(model.mean_latent()) - photos).square().mean()
    torch.testing.assert_close(terms["pixels"], error)
    torch.testing.assert_close(terms["perceptual"], error)  # of the network "none"
    assert terms["offsets"] == 0
    logit = judge(model.generator.w_avg[None])[0, 0]
    torch.testing.assert_close(terms["adversarial"], F.softplus(-logit))


def test_the_latent_discriminator_by_hand():
    """A linear one: D(w) = a w has the gradient a."""
    trainer = EncoderTrainer(generator(), PIXELS, replace(E4E, r1_gamma=6.0))
    trainer.networks.discriminator = torch.nn.Linear(12, 1, bias=False)
    trainer.optimizers["discriminator"] = torch.optim.SGD(trainer.networks.discriminator.parameters(), lr=0.0)
    a = trainer.networks.discriminator.weight
    fake, real = randn(2, 3, 12), randn(5, 12, seed=1)
    terms = trainer._discriminate(fake, real.clone())
    judgement = F.softplus(-real @ a[0]).mean() + F.softplus(fake.flatten(0, 1) @ a[0]).mean()
    torch.testing.assert_close(terms["discriminator"], judgement.detach())
    torch.testing.assert_close(terms["r1_penalty"], a.detach().square().sum())
    torch.testing.assert_close(a.grad[0], torch.autograd.grad(judgement, a)[0][0] + 6 * a.detach()[0])


def test_every_part_gets_a_gradient():
    trainer = EncoderTrainer(generator(), PIXELS, replace(SHORT, offsets_from=0.0))
    for seed in range(2):  # the last layer is 0 before the first step
        trainer.step(randn(4, 3, 16, 16, seed=seed))
    for part in (trainer.networks.encoder, trainer.networks.discriminator):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    assert not any(p.requires_grad for p in trainer.model.parameters())


@pytest.mark.parametrize("style", STYLES)
def test_it_learns_to_reconstruct(style):
    """Other images of the generator: far better than the mean, which is what it begins with."""
    model = generator()
    others = pictures(model, 64, seed=2)
    trainer = trained(replace(STYLES[style], images=320, batch=8, lr=0.01), model, known=256)
    mean = images.to_uint8(model.synthesize(model.mean_latent())).float() / 127.5
    before = (mean - others.float() / 127.5).square().mean()
    assert score(trainer.finished(), others).mse < 0.5 * before


def test_small_offsets_cost_less():
    """The only difference is their weight. One that outweighs the error keeps them at a tenth, at most."""
    light, heavy = (
        trained(replace(SHORT, images=100, adversarial=0.0, offsets_from=0.0, lr=0.02, offsets=weight))
        for weight in (0.0, 1.0)
    )
    photos = images.from_uint8(pictures(light.model, 16, seed=3))
    lengths = [
        encoder.offset_lengths(split_offsets(trainer.networks.encoder(photos), 6)[1]).mean()
        for trainer in (light, heavy)
    ]
    assert lengths[1] < 0.1 * lengths[0]


def test_the_discriminator_brings_latents_to_mapped_ones():
    """The encoder begins five deviations away from them. Mapped latents lie at 1: a difference of means by one deviation more
    would let a threshold between the means tell most of them apart, which the discriminator would learn."""
    model = generator()
    mean, deviation = model.statistics(1000)
    model.generator.w_avg.copy_(mean[0, 0] + 5 * deviation[0].float() / 12**0.5)
    config = replace(E4E, images=480, batch=4, pixels=0.0, perceptual=0.0, offsets=0.0, adversarial=1.0, lr=0.02)
    photos, spread = images.from_uint8(pictures(model, 32, seed=3)), latent_distance.moments(model, count=1000)

    def distance(trainer):
        return float(latent_distance.distance(model, trainer.finished().encode(photos), spread).mean())

    assert distance(EncoderTrainer(model, PIXELS, config)) == pytest.approx(5, rel=0.05)
    assert distance(trained(config, model)) < 2


class TestResuming:
    def test_it_is_the_same_training(self, tmp_path):
        model = generator()
        data = Set(pictures(model, 12, seed=1).numpy())
        whole, first, second = (EncoderTrainer(model, PIXELS, SHORT) for _ in range(3))
        train_encoder(whole, data)
        train_encoder(first, data, tmp_path / "s.pt", {"a": 1}, stop=lambda: first.seen >= 12)
        assert first.seen == 12
        train_encoder(second, data, tmp_path / "s.pt", {"a": 1})
        assert second.seen == whole.seen == 32
        after, expected = second.networks.state_dict(), whole.networks.state_dict()
        assert all(torch.equal(after[name], value) for name, value in expected.items())

    @pytest.mark.parametrize(
        ("about", "content", "problem"), [({"a": 2}, None, "another a"), ({}, b"x", "cannot be read")]
    )
    def test_another_state_is_refused(self, tmp_path, about, content, problem):
        model, file = generator(), tmp_path / "s.pt"
        data = Set(pictures(model, 4, seed=1).numpy())
        train_encoder(EncoderTrainer(model, PIXELS, SHORT), data, file, {"a": 1}, stop=lambda: True)
        if content:
            file.write_bytes(content)
        with pytest.raises(InputError, match=problem):
            train_encoder(EncoderTrainer(model, PIXELS, SHORT), data, file, about)


def test_numbers_that_are_not_finite_end_it(tmp_path):
    model = generator()
    data = Set(pictures(model, 4, seed=1).numpy())
    trainer = EncoderTrainer(model, PIXELS, SHORT)
    trainer.networks.encoder.from_rgb.bias.data[0] = torch.nan
    with pytest.raises(InputError, match="diverged"):
        train_encoder(trainer, data, tmp_path / "s.pt")
    assert not (tmp_path / "s.pt").exists()
