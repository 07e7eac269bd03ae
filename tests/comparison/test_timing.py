"""What the clock sees and what it does not, by a clock that only moves when it is told to."""

import mmap

import pytest
import torch

from stylemap import perceptual
from stylemap.comparison import machine, timing
from stylemap.comparison.contenders import parse
from stylemap.errors import InputError
from stylemap.inversion import Subject, invert
from tests.inversion import tiny

STATISTICS, FIRST, PASS = 1000.0, 100.0, 1.0


class Clock:
    """Seconds that pass where the networks below are used."""

    now = 0.0

    def __call__(self, device) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(machine, "seconds", clock)
    return clock


def slow(subject: Subject, clock: Clock, monkeypatch) -> list[int]:
    """Statistics take long, the first encoding too, later ones and every image a second. Returns the sizes of encoded batches."""
    statistics, encode, render = subject.model.statistics, subject.model.encode, subject.render
    sizes: list[int] = []

    def slow_statistics(*arguments):
        clock.now += STATISTICS
        return statistics(*arguments)

    def slow_encode(images):
        clock.now += PASS if len(images) in sizes else FIRST
        sizes.append(len(images))
        return encode(images)

    def slow_render(tensors):
        clock.now += PASS
        return render(tensors)

    monkeypatch.setattr(subject.model, "statistics", slow_statistics)
    monkeypatch.setattr(subject.model, "encode", slow_encode)
    monkeypatch.setattr(subject, "render", slow_render)
    return sizes


def photos(model, count=3):
    return tiny.images(model, count).clamp(-1, 1)


def run(text, subject, pictures, batch=2):
    (contender,) = parse(text)
    return timing.time_method(contender, subject, pictures, batch, perceptual.load("none"))


def test_an_encoder_is_timed_warm(clock, monkeypatch):
    subject = Subject(tiny.stylemaps())
    sizes = slow(subject, clock, monkeypatch)
    found = run("encoder", subject, photos(subject.model, 3), batch=2)
    # two batches, a pass of the encoder and one of the generator each; the first encoding of either size was before
    assert found.batches == [2 * PASS, 2 * PASS]
    assert found.seconds == pytest.approx(4 * PASS / 3)
    assert found.seconds_per_step is None and found.history == []
    assert set(sizes) == {1, 2}


def test_statistics_are_not_counted(clock, monkeypatch):
    subject = Subject(tiny.vectors())
    slow(subject, clock, monkeypatch)
    found = run("w:steps=6:statistics_samples=50", subject, photos(subject.model, 2))
    # an image for each step, and the last
    assert found.batches == [7 * PASS]
    assert found.seconds == 3.5 * PASS
    assert found.seconds_statistics is not None and found.seconds_per_step > 0


def test_the_start_is_counted(clock, monkeypatch):
    subject = Subject(tiny.stylemaps())
    slow(subject, clock, monkeypatch)
    found = run("hybrid:steps=6", subject, photos(subject.model, 2))
    assert found.batches == [8 * PASS]


def test_pictures_are_those_of_invert_in_order():
    subject, network = Subject(tiny.vectors()), perceptual.load("none")
    pictures = photos(subject.model, 3)
    found = run("w+:steps=8:statistics_samples=50", subject, pictures, batch=2)
    (contender,) = parse("w+:steps=8:statistics_samples=50")
    whole = invert(contender.method, subject, pictures, network)
    assert found.pictures.shape == (3, tiny.SIDE, tiny.SIDE, 3) and found.pictures.dtype == torch.uint8
    assert found.tensors["latent"].shape == whole.latent.shape
    torch.testing.assert_close(found.tensors["latent"], whole.latent, atol=1e-3, rtol=1e-3)
    assert found.tensors.keys() == whole.tensors.keys()
    assert all(len(x) == 3 for x in found.tensors.values())


def test_history_is_of_all_pictures():
    subject, network = Subject(tiny.stylemaps()), perceptual.load("none")
    pictures = photos(subject.model, 3)
    found = run("hybrid:steps=6", subject, pictures, batch=2)
    (contender,) = parse("hybrid:steps=6")
    whole = invert(contender.method, subject, pictures, network, every=1)
    errors = [sum(row.error) / 3 for row in whole.history]
    assert [step for step, _, _ in found.history] == [row.step for row in whole.history]
    assert [error for _, _, error in found.history] == pytest.approx(errors, rel=1e-3)
    seconds = [second for _, second, _ in found.history]
    assert seconds == sorted(seconds)


def test_divergence():
    subject = Subject(tiny.vectors())
    with pytest.raises(InputError, match="diverged"):
        run("w+:steps=4:rate=1e30:rampup=0:statistics_samples=50", subject, photos(subject.model, 2))


@pytest.mark.skipif(not machine.RESET.exists(), reason="needs Linux")
def test_peak_memory_is_of_the_block():
    cpu = torch.device("cpu")
    with machine.peak(cpu) as before:
        pass
    with (
        machine.peak(cpu) as large,
        mmap.mmap(-1, 64 * 2**20) as block,
    ):  # a tensor could lie in memory that was freed before
        block[:: mmap.PAGESIZE] = bytes(len(block) // mmap.PAGESIZE)
    if before.mib is None:
        pytest.skip("this system does not let the peak be forgotten")
    with machine.peak(cpu) as after:
        pass
    # half of it: other memory may have been given back meanwhile
    assert large.mib > before.mib + 32 and after.mib < large.mib - 32
    assert "whole process" in large.how


def test_why_each_number_of_steps_is_a_run():
    """A constant rate without noise could be read from a longer run; a schedule cannot."""
    subject, network = Subject(tiny.vectors()), perceptual.load("none")
    pictures = photos(subject.model, 1)

    def read_and_run(text: str) -> tuple[float, float]:
        long, short = (parse(f"{text}:steps={n}:statistics_samples=50")[0].method for n in (20, 10))
        (row,) = (r for r in invert(long, subject, pictures, network, every=1).history if r.step == 10)
        return row.error[0], invert(short, subject, pictures, network, every=1).error[0].item()

    read, ran = read_and_run("image2stylegan:rate=0.1")
    assert read == pytest.approx(ran, rel=1e-4)
    read, ran = read_and_run("w+")
    assert read != pytest.approx(ran, rel=0.01)
