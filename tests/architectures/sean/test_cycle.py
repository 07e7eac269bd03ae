"""A SEAN trains in the loop of StyleMapGAN: it learns, resumes exactly, and labels go with their images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import checkpoint
from stylemap.architectures.sean.cycle import SeanCycle
from stylemap.architectures.sean.model import SeanModel
from stylemap.datasets import Avatars, labelled
from stylemap.errors import InputError
from stylemap.metrics import heldout
from stylemap.metrics.evaluation import Evaluation, Reference
from stylemap.perceptual import registry
from stylemap.training import batching, loop, state
from stylemap.training.estimate import Rehearsal
from stylemap.training.log import read_log
from tests.architectures.sean import tiny
from tests.architectures.sean.tiny import TRAINING
from tests.architectures.stylemap.test_cycle import snapshot
from tests.training.test_loop import assert_same, stop_after


def make(passes: int = 1):
    trainee = loop.build(TRAINING, torch.device("cpu"))
    places = batching.assign_places(TRAINING.batch, passes=passes)
    pictures = tiny.faces(TRAINING.batch)[sum(places, [])]
    cycle = loop.cycle_of(TRAINING, trainee, None)
    return cycle, lambda seen: batching.split(pictures, TRAINING, seen, places, trainee)


def test_each_step_trains_its_networks():
    cycle, parts = make()
    networks = cycle.networks

    def trained(before) -> set[str]:
        moved = [name for name, p in networks.named_parameters() if not torch.equal(p, before[name])]
        return {name.removeprefix("model.").partition(".")[0] for name in moved}

    before = snapshot(networks)
    _, judged = cycle.discriminator_step(parts(0))
    assert trained(before) == {"discriminator"}
    before = snapshot(networks)
    cycle.image_step(parts(0), judged)
    assert trained(before) == {"generator", "encoder"}


def test_passes_see_what_a_whole_batch_sees():
    """But for the order of float sums: the gradients of both are one mean over the batch."""
    terms = []
    for passes in (1, 2):
        cycle, parts = make(passes)
        terms.append(cycle.iterate(parts(0), 0))
    assert terms[0].keys() == terms[1].keys() == set(SeanCycle.terms)
    for name, value in terms[0].items():
        torch.testing.assert_close(terms[1][name], value, rtol=1e-3, atol=1e-4)


def test_a_few_iterations_lower_the_error():
    cycle, parts = make()
    pictures = tiny.faces(TRAINING.batch)
    before = heldout.score(cycle.networks.model, pictures).mse
    for i in range(20):
        cycle.iterate(parts(i * TRAINING.batch), i * TRAINING.batch)
    assert heldout.score(cycle.networks.model, pictures).mse < 0.7 * before


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sean") / "whole"
    loop.train(TRAINING, folder)
    return folder


def test_resume_is_exact(run, tmp_path):
    loop.train(TRAINING, tmp_path, stop=stop_after(3))
    loop.train(TRAINING, tmp_path, resume=True)
    whole = state.load_newest(run)
    assert_same(whole, state.load_newest(tmp_path))
    model = checkpoint.load_any(run)
    assert isinstance(model, SeanModel)
    assert_same(dict(model.state_dict()), dict(whole["average"]))
    record = read_log(run / "log.jsonl")[-1]
    assert {"heldout_mse", "code_std_of_parts", *SeanCycle.terms} <= record.keys()
    assert "sample_diversity" not in record


def test_measures_take_it_or_say_why_not(run):
    model, reference = checkpoint.load_any(run), Reference(Avatars(16), 8)
    with_labels = Evaluation(model, reference, Avatars(16, 4, "heldout"), labels=Avatars(16, 4, "heldout").parts)
    assert with_labels.measure("mse").value == pytest.approx(read_log(run / "log.jsonl")[-1]["heldout_mse"], abs=1e-3)
    assert with_labels.measure("swd_lerp").value > 0
    edits = with_labels.measure("mse_src")
    assert edits.value > 0 and edits.details["space"] == "codes and masks"
    assert "makes no samples" in with_labels.measure("swd").details["reason"]
    without = Evaluation(model, reference, Avatars(16, 4, "heldout"))
    assert "needs the part labels of the images" in without.measure("mse").details["reason"]


def test_its_discriminator_is_no_perceptual_network(run):
    with pytest.raises(InputError, match="judges images under part masks"):
        registry.load("discriminator", weights=run)


def test_it_is_rehearsed():
    assert Rehearsal(TRAINING).memory().total > 0


def test_a_folder_with_label_maps(tmp_path):
    faces = Avatars(16, 8)
    for i in range(8):
        for folder, values in {"photos": faces[i], "labels": faces.parts(i)}.items():
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(values).save(tmp_path / folder / f"{i}.png")
    config = replace(TRAINING, data=str(tmp_path / "photos"), part_labels=str(tmp_path / "labels"), images=4, heldout=1)
    assert loop.train(config, tmp_path / "run") == 4
    (tmp_path / "labels" / "3.png").unlink()
    with pytest.raises(InputError, match=r"labels holds no part labels of 3\.png; add them"):
        loop.train(config, tmp_path / "other")


def test_avatars_give_image_and_labels():
    faces = Avatars(16, 2)
    picture = labelled(faces, None)[1]
    assert np.array_equal(picture[..., :3], faces[1]) and np.array_equal(picture[..., 3], faces.parts(1))
