"""A whole run: what it writes, that it resumes exactly, and how it ends when something is wrong."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml

from stylemap import architectures, checkpoint, files, precision
from stylemap.architectures import chance, losses
from stylemap.architectures.stylemap.config import StylemapLoss, StylemapSpeed, StylemapTraining
from stylemap.config import AugmentConfig, OptimConfig
from stylemap.datasets import ImageFolder, unseen
from stylemap.errors import InputError
from stylemap.training import augment, loop, state
from stylemap.training.log import read_log
from tests.tiny import TINY
from tests.training.processes import Command

ROOT = Path(__file__).parents[2]


def stop_after(iterations: int):
    """The loop asks before every iteration."""
    answers = iter([False] * iterations)
    return lambda: next(answers, True)


def assert_same(a, b, where="state"):
    """Equal to the last bit, all the way down."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


def logged(run: Path) -> list[dict]:
    """What does not depend on the clock; alarms look at speed, too."""
    log = read_log(run / "log.jsonl")
    return [
        {name: value for name, value in line.items() if name not in ("images_per_second", "alarms")} for line in log
    ]


@pytest.mark.parametrize("stops", [[5, 4], [1, 3, 3]], ids=str)
def test_resume_is_exact(config, whole, tmp_path, stops):
    # 10 iterations of 4 over 11 images: epochs end inside batches, and R1 (every 4th) is before and after each stop. Stops are
    # before the first state (after 4 iterations), at it, between states, and before the last iteration.
    for i, iterations in enumerate(stops):
        loop.train(config, tmp_path / "parts", resume=i > 0, stop=stop_after(iterations))
    assert loop.train(config, tmp_path / "parts", resume=True) == 40
    assert_same(state.load_newest(whole), state.load_newest(tmp_path / "parts"))
    assert logged(tmp_path / "parts") == logged(
        whole
    )  # means of a tick are of all its images, also those before a stop


def test_resume_keeps_the_strength_of_the_augmentation(config, tmp_path):
    """p and what was observed since its last change are part of the state (windows of 12 end between states of 16)."""
    augment = AugmentConfig(mode="adaptive", p=0.3, speed=100, every=12, target=-0.99)
    config = replace(config, augment=augment)
    loop.train(config, tmp_path / "whole")
    loop.train(config, tmp_path / "parts", stop=stop_after(5))
    loop.train(config, tmp_path / "parts", resume=True)
    whole = state.load_newest(tmp_path / "whole")
    assert whole["augment"]["p"] != 0.3
    assert whole["augment"]["sums"][1] == 4  # images since 36
    assert_same(whole, state.load_newest(tmp_path / "parts"))
    assert read_log(tmp_path / "whole" / "log.jsonl")[-1]["augment_p"] == pytest.approx(float(whole["augment"]["p"]))


class TestWhereTheDataLies:
    """The names of the images tell data from other data; where it lies does not."""

    @pytest.fixture
    def photos(self, pictures, tmp_path):
        return Path(shutil.copytree(pictures, tmp_path / "photos"))

    @pytest.fixture
    def stopped(self, config, photos, tmp_path, monkeypatch) -> StylemapTraining:
        """Of a run in tmp_path / "run" that was begun with a relative path."""
        monkeypatch.chdir(tmp_path)
        config = replace(config, data="photos", images=16)
        loop.train(config, Path("run"), stop=stop_after(2))
        return config

    @pytest.mark.parametrize("where", ["./photos", "absolute", "moved", "link"])
    def test_it_goes_on_where_its_data_lies_at_another_path(self, config, stopped, photos, tmp_path, where):
        if where == "absolute":
            where = str(photos)
        elif where == "moved":
            photos.rename(tmp_path / where)
        elif where == "link":
            (tmp_path / where).symlink_to(photos)
        assert loop.train(replace(stopped, data=where), Path("run"), resume=True) == 16
        loop.train(replace(config, images=16), Path("whole"))
        mine, whole = (state.load_newest(Path(run))["networks"] for run in ("run", "whole"))
        assert_same(mine, whole)

    def test_its_own_config_finds_them_from_any_working_directory(self, stopped, tmp_path, monkeypatch):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        own = architectures.train_config(yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()))
        assert loop.train(own, tmp_path / "run", resume=True) == 16
        assert checkpoint.seen_by(tmp_path / "run")[0].data == str(tmp_path / "photos")

    def test_changed_pictures_are_told_and_none_that_was_trained_on_is_held_out(self, stopped, photos):
        trained = self.trained()
        (held_out,) = {p.name for p in photos.iterdir()} - trained
        (photos / trained.pop()).rename(photos / "another.png")
        with pytest.warns(UserWarning, match="photos holds other images than when this run was stopped"):
            loop.train(stopped, Path("run"), resume=True, stop=stop_after(1))
        assert held_out not in self.trained()
        for path in photos.iterdir():
            if path.name not in trained:
                path.unlink()
        with pytest.raises(InputError, match="photos has none of the images left that were held out before"):
            loop.train(stopped, Path("run"), resume=True)

    def trained(self) -> set[str]:
        """Names of images that the run saw."""
        everything = ImageFolder("photos", 16)
        return set(unseen.trained_among(everything, everything, "photos", checkpoint.seen_by("run")))

    @pytest.mark.parametrize("data", ["avatars", "others"])
    def test_other_pictures_are_refused(self, stopped, photos, tmp_path, data):
        (tmp_path / "others").mkdir()
        for i, path in enumerate(photos.iterdir()):
            shutil.copy(path, tmp_path / "others" / f"other{i}.png")
        before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
        with pytest.raises(InputError, match=f"{data} holds other images than photos, on which run was trained"):
            loop.train(replace(stopped, data=data), Path("run"), resume=True)
        assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before

    def test_fine_tuning_holds_out_nothing_that_the_weights_saw(self, stopped, photos):
        loop.train(stopped, Path("run"), resume=True)
        trained = self.trained()
        tuned = replace(stopped, init_from="run", images=4)
        for i in range(100, 160):
            shutil.copy(photos / "0.png", photos / f"{i}.png")
        with pytest.raises(InputError, match="5 images of photos cannot be measured"):
            unseen.open_unseen("photos", 16, checkpoint.seen_by("run"), 5)
        loop.train(replace(tuned, heldout=5), Path("tuned"))
        found = unseen.open_unseen("photos", 16, checkpoint.seen_by("tuned"))
        assert not {found.heldout.name(i) for i in range(len(found.heldout))} & trained
        assert len(checkpoint.seen_by("tuned")) == 2
        # the state knows of the weights that the run began with
        loop.train(replace(tuned, heldout=5, images=8), Path("tuned"), resume=True)
        assert len(checkpoint.seen_by("tuned")) == 2

    def test_what_auto_means_was_decided_when_the_run_began(self, config, photos, tmp_path, monkeypatch):
        config = replace(config, augment=AugmentConfig(mode="auto"), images=8)
        loop.train(config, tmp_path / "run", stop=stop_after(1))
        monkeypatch.setattr(augment, "SMALL_DATA", 5)  # as if the data had grown beyond
        loop.train(config, tmp_path / "run", resume=True)
        assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["augment"]["mode"] == "adaptive"
        loop.train(config, tmp_path / "new", stop=stop_after(1))
        assert yaml.safe_load((tmp_path / "new" / "config.yaml").read_text())["augment"]["mode"] == "none"


class TestWhatIsKept:
    def test_newest_and_best(self, config, tmp_path):
        for images in (10, 20, 30, 40):
            state.save(tmp_path, images, config, loop.build(config, torch.device("cpu")))
        best, kept = state.prune(tmp_path, 2, {10: 0.5, 20: 0.1, 30: 0.3, 40: 0.2}, seen=40)
        assert (best, kept) == (20, {20, 30, 40})
        assert sorted(p.name for p in tmp_path.glob("*.pt")) == [f"state-{n:010}.pt" for n in (20, 30, 40)]

    def test_a_state_has_the_score_of_the_tick_before_it(self, config, tmp_path):
        for images in (10, 20):
            state.save(tmp_path, images, config, loop.build(config, torch.device("cpu")))
        assert state.prune(tmp_path, 2, {8: 0.1, 16: 0.5}, seen=20)[0] == 10

    def test_states_beyond_the_one_gone_on_from_are_left_alone(self, config, tmp_path):
        for images in (10, 20, 30):
            state.save(tmp_path, images, config, loop.build(config, torch.device("cpu")))
        assert state.prune(tmp_path, 1, {}, seen=20)[1] == {20}
        assert state.path(tmp_path, 30).exists()

    def test_best_weights_of_a_run(self, whole):
        records = {r["images"]: r["heldout_mse"] for r in read_log(whole / "log.jsonl")}
        best = min(records, key=records.get)
        assert checkpoint.read_info(whole / "weights-best.safetensors")["images"] == best


@pytest.mark.filterwarnings("always:.*could not be measured")
def test_a_metric_that_fails_does_not_stop_a_training(config, tmp_path):
    metrics = {"brightness": lambda model, pictures: float(pictures.float().mean()), "broken": lambda *_: 1 / 0}
    with pytest.warns(UserWarning, match=r"broken could not be measured \(ZeroDivisionError: division by zero\)"):
        assert loop.train(replace(config, images=8, tick=4), tmp_path / "run", metrics=metrics) == 8
    records = read_log(tmp_path / "run" / "log.jsonl")
    assert len(records) == 2
    for record in records:
        assert 0 < record["brightness"] < 255
        assert record["broken"] is None


class TestOtherVersions:
    def test_settings_of_a_newer_version_are_named(self, config, begun, tmp_path):
        shutil.copytree(begun, tmp_path / "run")
        path = state.paths(tmp_path / "run")[0]
        content = torch.load(path, weights_only=True)
        content["config"]["optim"]["momentum"] = 0.5
        torch.save(content, path)
        with pytest.raises(
            InputError, match=r"unknown settings optim\.momentum; are they misspelled, or of a newer version"
        ):
            loop.train(config, tmp_path / "run", resume=True)


class TestInitFrom:
    @pytest.fixture
    def weights(self, begun):
        return str(begun)

    def test_all_networks_start_from_the_weights(self, config, weights):
        trainee = loop.build(replace(config, init_from=weights, seed=9), torch.device("cpu"))
        model = checkpoint.load(weights)
        assert_same(dict(trainee.networks.model.state_dict()), dict(model.state_dict()))
        assert_same(dict(trainee.average.state_dict()), dict(model.state_dict()))
        discriminator = checkpoint.load_discriminator(weights)
        assert_same(dict(trainee.networks.discriminator.state_dict()), dict(discriminator.state_dict()))
        assert all(p.requires_grad for p in trainee.networks.parameters())

    def test_it_is_a_run_of_its_own(self, config, weights, tmp_path):
        assert loop.train(replace(config, init_from=weights, images=4), tmp_path / "second") == 4

    def test_going_on_does_not_need_the_weights(self, config, weights, tmp_path):
        weights = shutil.copytree(weights, tmp_path / "first")
        second = replace(config, init_from=str(weights))
        loop.train(second, tmp_path / "second", stop=stop_after(1))
        shutil.rmtree(weights)
        assert loop.train(replace(second, images=8), tmp_path / "second", resume=True) == 8

    def test_it_grows_to_twice_the_resolution_and_goes_on(self, config, tmp_path):
        wide = replace(config, images=4, model=replace(config.model, channel_base=16 * config.model.resolution))
        loop.train(wide, tmp_path / "first")
        grown = replace(wide, init_from=str(tmp_path / "first"), images=8, model=wide.model.grown())
        loop.train(grown, tmp_path / "grown", stop=stop_after(1))
        assert loop.train(grown, tmp_path / "grown", resume=True) == 8
        assert checkpoint.load(tmp_path / "grown").config == grown.model

    def test_other_networks_are_named(self, config, weights):
        other = replace(config, init_from=weights, model=replace(config.model, channel_max=4))
        with pytest.raises(InputError, match=r"has other networks; to start from it give --model\.channel-max 8"):
            loop.build(other, torch.device("cpu"))


def test_checkpointing_changes_memory_and_not_results(config, tmp_path):
    """The same gradients, with fewer tensors kept for the backward pass."""
    results = []
    for checkpointing in (False, True):
        config = replace(config, speed=StylemapSpeed(checkpointing=checkpointing))
        trainee = loop.build(config, torch.device("cpu"))
        trainee.networks.model.speed_up(config.speed)
        kept = 0

        def count(x):
            nonlocal kept
            kept += x.numel()
            return x

        z = chance.draw(config, 0).z[0]
        with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
            loss = trainee.networks.generator(z).square().mean()
        loss.backward()
        results.append((kept, [p.grad for p in trainee.networks.generator.parameters()]))
    (most, ours), (fewer, theirs) = results
    assert fewer < 0.8 * most
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.slow
# Dynamo looks at the gradients of inputs, which warns, and hides that unless warnings are errors.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_compiled_networks_give_the_same_losses(config, tmp_path):
    records = []
    for compile_ in (False, True):
        run = tmp_path / str(compile_)
        loop.train(replace(config, images=16, speed=StylemapSpeed(compile=compile_)), run)
        records.append(read_log(run / "log.jsonl")[0])
    for name in ("image_reconstruction", "latent_reconstruction", "heldout_mse"):
        assert records[1][name] == pytest.approx(records[0][name], rel=1e-2)  # Adam enlarges rounding


def test_a_run_depends_on_its_seed(config, tmp_path):
    a, b = (replace(config, images=4, seed=seed) for seed in (0, 1))
    loop.train(a, tmp_path / "a")
    loop.train(b, tmp_path / "b")
    one, other = (state.load_newest(tmp_path / name)["networks"]["model.encoder.from_rgb.weight"] for name in "ab")
    assert not torch.equal(one, other)


def test_a_run_that_goes_on_keeps_its_precision(config, tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: True)
    answers = iter([True, False])
    monkeypatch.setattr(precision, "remembered", lambda part, learning: next(answers))
    for images in (8, 12):
        loop.train(replace(config, images=images), tmp_path, resume=images > 8)
        assert state.load_newest(tmp_path)["config"]["speed"]["precision"] == "bfloat16"
    assert next(answers) is False  # it was not asked again


def test_run_folder(config, whole):
    run = whole
    took = replace(config, speed=replace(config.speed, precision="float32"))  # of auto
    assert architectures.train_config(yaml.safe_load((run / "config.yaml").read_text())) == took
    records = read_log(run / "log.jsonl")
    assert [r["images"] for r in records] == [16, 32, 40]
    expected = {
        "images",
        "images_per_second",
        "heldout_mse",
        "heldout_psnr",
        "heldout_explained",
        "r1_penalty",
        "perceptual",
    }
    assert expected <= records[0].keys()
    assert sorted(p.name for p in (run / "grids").iterdir()) == [f"{n:010d}.png" for n in (16, 32, 40)]
    assert [p.name for p in state.paths(run)] == [f"state-{n:010d}.pt" for n in (40, 32, 16)]  # keep_states newest
    assert any((run / "tensorboard").iterdir())
    assert not list(run.rglob(".*"))  # no temporary file stays
    info = checkpoint.read_info(run)
    assert (info["images"], info["heldout_mse"]) == (40, records[-1]["heldout_mse"])
    model, average = checkpoint.load(run).state_dict(), state.load_newest(run)["average"]
    assert_same(dict(model), dict(average))


def test_training_learns(tmp_path):
    """Held-out faces are reconstructed better than by the mean face after a few hundred images."""
    # Small batches of much weight on the images get there soonest; two seeds explained 0.30 and 0.31.
    config = StylemapTraining(
        heldout=32,
        images=400,
        batch=4,
        tick=200,
        workers=0,
        device="cpu",
        model=replace(TINY, stylemap_channels=8, channel_base=256, channel_max=16),
        optim=OptimConfig(lr=0.005),
        loss=StylemapLoss(image_reconstruction=50),
    )
    loop.train(config, tmp_path / "run")
    first, last = (r["heldout_mse"] for r in read_log(tmp_path / "run" / "log.jsonl"))
    assert last < first
    assert read_log(tmp_path / "run" / "log.jsonl")[-1]["heldout_explained"] > 0.2


def test_log_forgets_what_the_state_does_not_know(config, tmp_path):
    run = tmp_path / "run"
    loop.train(config, run, stop=stop_after(5))  # at 20 images
    noted, tick = checkpoint.read_info(run), read_log(run / "log.jsonl")[-1]
    assert (noted["images"], tick["images"]) == (20, 16)
    assert all(noted[name] == tick[name] for name in ("heldout_mse", "heldout_explained")), "of the last tick"
    with open(run / "log.jsonl", "a") as f:  # a killed run got further than its last state
        f.write(json.dumps({"images": 36, "heldout_mse": 1.0}) + "\n" + '{"images": 40, "hel')
    loop.train(config, run, resume=True)
    assert [r["images"] for r in read_log(run / "log.jsonl")] == [16, 32, 40]
    assert all("images_per_second" in r for r in read_log(run / "log.jsonl"))


@pytest.mark.parametrize("term", ["perceptual", "generator_adversarial"])
def test_non_finite_loss_stops_with_its_name(config, begun, tmp_path, monkeypatch, term):
    run = shutil.copytree(begun, tmp_path / "run")
    before = {p.name: p.read_bytes() for p in state.paths(run)}
    if term == "perceptual":
        broken = lambda real, features: torch.full((len(features[0]),), float("nan"))  # noqa: E731
        monkeypatch.setattr(losses, "feature_distance", broken)
    else:
        monkeypatch.setattr(losses, "fools", lambda logits, rival=None: logits.squeeze(1) + float("inf"))
    with pytest.raises(InputError, match=f"^{term} became") as info:
        loop.train(config, run, resume=True)
    assert "\n" not in str(info.value)
    assert {p.name: p.read_bytes() for p in state.paths(run)} == before
    (alarm,) = read_log(run / "log.jsonl")[-1]["alarms"]
    assert alarm == str(info.value)
    assert f"{term} became infinite" in (run / "report.html").read_text()


def test_equal_runs_leave_equal_bytes(config, whole, tmp_path):
    loop.train(config, tmp_path / "again")
    for name in ("weights.safetensors", "weights-best.safetensors", "state-0000000040.pt"):
        assert (whole / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_weights_that_are_not_finite_are_not_saved(config, tmp_path):
    trainee = loop.build(config, torch.device("cpu"))
    with torch.no_grad():
        trainee.networks.encoder.from_rgb.weight[0] = float("nan")
    with pytest.raises(InputError, match="from_rgb.weight is not finite"):
        state.save(tmp_path, 4, config, trainee)
    assert not list(tmp_path.glob("*.pt"))


def test_another_run_is_not_overwritten(config, tmp_path):
    run = tmp_path / "run"
    loop.train(replace(config, images=4), run)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="holds another run"):
        loop.train(config, run)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_resume_of_another_model_is_refused(config, tmp_path):
    loop.train(replace(config, images=4), tmp_path)
    other = replace(config, model=replace(config.model, stylemap_channels=8))
    with pytest.raises(InputError, match="model.stylemap_channels"):
        loop.train(other, tmp_path, resume=True)


@pytest.mark.parametrize("damage", [b"", b"not a state", None], ids=["empty", "text", "truncated"])
def test_damaged_newest_state(config, run, damage):
    newest = state.paths(run)[0]
    newest.write_bytes(newest.read_bytes()[:-1000] if damage is None else damage)
    with pytest.warns(UserWarning, match="cannot be read"):
        loop.train(config, run, resume=True, stop=stop_after(1))
    assert state.load_newest(run)["images"] == 36  # from 32 on; the damaged file does not push out good ones
    assert len(state.paths(run)) == config.keep_states
    assert newest.with_suffix(".damaged").exists()


@pytest.mark.parametrize("err", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")], ids=repr)
def test_a_state_is_not_damaged_because_memory_is_short(run, monkeypatch, err):
    def short(*_, **__):
        raise err

    monkeypatch.setattr(state.pickles, "content", short)
    with pytest.raises(type(err)):
        state.load_newest(run)
    assert not list(run.glob("*.damaged"))


def test_no_intact_state(tmp_path):
    (tmp_path / "state-0000000004.pt").write_bytes(b"")
    with pytest.warns(UserWarning), pytest.raises(InputError, match="no readable state"):
        state.load_newest(tmp_path)


def test_resume_takes_the_learning_rate_of_the_config(config, begun, whole, tmp_path):
    """It is what a run that diverged is told to change."""
    shutil.copytree(begun, tmp_path / "slow")
    slow = replace(config, optim=replace(config.optim, lr=1e-5))
    loop.train(slow, tmp_path / "slow", resume=True)
    a, b = state.load_newest(whole), state.load_newest(tmp_path / "slow")
    assert b["optimizers"]["generator"]["param_groups"][0]["lr"] == 1e-5
    name = "model.encoder.from_rgb.weight"
    assert not torch.equal(a["networks"][name], b["networks"][name])


@pytest.mark.parametrize("change", [{"seed": 1}, {"mirror": False}, {"heldout": 2}], ids=str)
def test_resume_keeps_what_decides_the_order_of_the_data(config, tmp_path, change):
    loop.train(replace(config, images=4), tmp_path)
    with pytest.raises(InputError, match=f"another {next(iter(change))}"):
        loop.train(replace(config, **change), tmp_path, resume=True)


def test_killed_before_the_first_state(config, tmp_path, monkeypatch):
    """The config is there and no state: --resume begins the run."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state, "save", killed)
        loop.train(config, tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["config.yaml"]
    assert loop.train(replace(config, images=8), tmp_path / "run", resume=True) == 8


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_vanishes_is_one_line(config, pictures, tmp_path, workers):
    pictures = shutil.copytree(pictures, tmp_path / "pictures")
    config = replace(config, data=str(pictures), workers=workers, images=10**6)

    def stop():
        for path in pictures.iterdir():
            path.unlink()
        return False

    with pytest.raises(InputError) as info:
        loop.train(config, tmp_path / "run", stop=stop)
    assert "\n" not in str(info.value)


def test_one_process_at_a_time(config, run):
    with files.owned(run), pytest.raises(InputError, match="in use by another process"):
        loop.train(config, run, resume=True)
    assert loop.train(config, run, resume=True) == config.images  # the lock went with its owner


def test_leftovers_of_a_kill_are_removed(config, run):
    (run / f".0123{files.TEMPORARY_SUFFIX}.pt").write_bytes(b"half a state")
    loop.train(config, run, resume=True)
    assert not list(run.glob(".*"))


def test_full_disk_keeps_the_last_state(config, begun, tmp_path, monkeypatch):
    run = shutil.copytree(begun, tmp_path / "run")
    before = [p.name for p in state.paths(run)]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.torch, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        loop.train(config, run, resume=True)
    assert [p.name for p in state.paths(run)] == before
    assert not list(run.glob(".*"))


def start(config: StylemapTraining, run: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, ROOT / "train.py", "--config", recipe_of(config, run), "--out", run, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def start_forked(config: StylemapTraining, run: Path, *flags: str) -> Command:
    given = flags or ("--config", recipe_of(config, run))
    return Command(run.parent, "train", "--out", run, *given)


def recipe_of(config: StylemapTraining, run: Path) -> Path:
    recipe = run.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(asdict(config)))
    return recipe


def wait_for(run: Path, process: subprocess.Popen | Command, ticks: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not (run / "log.jsonl").exists() or len(read_log(run / "log.jsonl")) < ticks:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "code", "workers", "start"),
    [
        # an interpreter of its own, which is shut down in the end; starting it takes as long as all else here
        pytest.param(signal.SIGINT, 130, 1, start, marks=pytest.mark.slow),
        (signal.SIGINT, 130, 0, start_forked),
        (signal.SIGTERM, 143, 1, start_forked),
    ],
)
def test_signal_saves_and_leaves(config, tmp_path, number, code, workers, start):
    run = tmp_path / "run"
    process = start(replace(config, images=10**9, save_every=10**8, workers=workers), run)
    wait_for(run, process, ticks=1)
    os.killpg(process.pid, number)  # as a terminal does: the loading processes get it too
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    seen = state.load_newest(run)["images"]
    assert seen > 0
    assert f"stopped after {seen} images" in output
    assert "Traceback" not in errors


@pytest.mark.slow
def test_kill_at_any_instant(config, tmp_path):
    """SIGKILL at random instants; the run always goes on, and ends with the bytes of one that was never killed."""
    config = replace(config, images=2400, save_every=16, tick=64)
    loop.train(config, tmp_path / "whole")
    run, rng, seen = tmp_path / "killed", random.Random(0), 0
    for leg in range(8):  # 37 ticks are enough for all of them
        process = start_forked(config, run, *(["--resume"] if leg else []))
        done = len(read_log(run / "log.jsonl")) if leg else 0
        wait_for(run, process, ticks=done + rng.randint(1, 4))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        before, seen = seen, state.load_newest(run)["images"]
        assert before < seen < config.images
    loop.train(config, run, resume=True)
    assert_same(state.load_newest(tmp_path / "whole"), state.load_newest(run))
