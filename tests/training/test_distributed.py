"""Several processes train as one does: the same gradients, weights and log, and no hang when one dies."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import yaml

from stylemap import cli, perceptual
from stylemap.architectures.cycle import Pass
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.config import OptimConfig
from stylemap.errors import InputError
from stylemap.training import batching, distributed, loop, state
from stylemap.training.log import read_log
from tests.architectures.vector import tiny
from tests.training.processes import spawn, start

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="this torch has no gloo")
ROOT = Path(__file__).parents[2]


# ---- gradients and weights


def five_iterations(config: StylemapTraining, folder: Path) -> None:
    """In float64, where another order of sums is nothing beside 1e-5: gradients of the first iteration, weights after 5."""
    with distributed.joined(torch.device("cpu")) as world:
        trainee = loop.build(config, torch.device("cpu"))
        trainee.networks.double()
        cycle = loop.cycle_of(config, trainee, perceptual.for_training(config.loss, torch.device("cpu")), world)
        gradients = {}
        for i in range(5):
            cycle.iterate(passes_of(config, i, world, trainee), i * config.batch)
            if i == 0:
                gradients = {n: p.grad.clone() for n, p in trainee.networks.named_parameters() if p.grad is not None}
        torch.save((gradients, trainee.networks.state_dict()), folder / f"{world.size}-{world.rank}.pt")


def passes_of(config: StylemapTraining, i: int, world: distributed.World, trainee: state.Trainee) -> list[Pass]:
    """What the loop would make of random images."""
    samples = batching.assign_places(config.batch, world.rank, world.size, batching.count_passes(config, world))
    pictures = torch.randint(
        0, 256, (config.batch, 16, 16, 3), generator=torch.Generator().manual_seed(i), dtype=torch.uint8
    )
    parts = batching.split(pictures[sum(samples, [])], config, i * config.batch, samples, trainee)
    return [in_float64(part) for part in parts]


def in_float64(part: Pass) -> Pass:
    """Noise maps stay float32, as they are drawn where they are used."""
    draws = {
        name: x.double()
        for name, x in vars(part.chance).items()
        if isinstance(x, torch.Tensor) and x.is_floating_point()
    }
    return replace(part, real=part.real.double(), chance=replace(part.chance, **draws))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process makes of a config."""

    @functools.cache
    def results(config: StylemapTraining) -> tuple[dict, dict]:
        folder = tmp_path_factory.mktemp("alone")
        five_iterations(config, folder)
        return torch.load(folder / "1-0.pt")

    return results


@pytest.mark.parametrize(
    ("world", "changes"),
    [
        (2, {}),
        (4, {}),
        (2, {"batch_gpu": 4}),
        (2, {"augment.mode": "fixed"}),
        (2, {"batch_gpu": 4, "architecture": "stylegan2"}),
    ],
    ids=[
        "2 processes",
        "4 processes",
        "2 with 2 passes each",
        "2 with augmentation",
        "StyleGAN2, 2 with 2 passes each",
    ],
)
def test_same_gradients_and_weights_as_one_process(config, alone, tmp_path, world, changes):
    config = replace(config, batch=16, optim=OptimConfig(r1_every=2, clip=5.0))
    if "augment.mode" in changes:
        config = replace(config, augment=replace(config.augment, mode="fixed", p=0.5))
    if "architecture" in changes:
        config = tiny.training(config, changes["architecture"])
    spawn(five_iterations, world, replace(config, batch_gpu=changes.get("batch_gpu")), tmp_path)
    gradients, weights = alone(config)
    for rank in range(world):
        theirs, after = torch.load(tmp_path / f"{world}-{rank}.pt")
        assert theirs.keys() == gradients.keys()
        largest = max(g.abs().max() for g in gradients.values())
        for name, gradient in gradients.items():
            assert (theirs[name] - gradient).abs().max() <= 1e-5 * largest, name
        for name, weight in weights.items():
            torch.testing.assert_close(after[name], weight, rtol=1e-5, atol=1e-5)


class TestRestarts:
    """A restart goes on with the run of its own launch, and with no other."""

    @pytest.fixture(autouse=True)
    def first_attempt(self, monkeypatch):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "mine")
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")

    def test_of_the_launch_that_began_the_run(self, tmp_path, monkeypatch):
        distributed.claim(tmp_path)
        assert not distributed.restarted(tmp_path)
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
        assert distributed.restarted(tmp_path)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
        assert not distributed.restarted(tmp_path)

    def test_without_a_run(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
        assert not distributed.restarted(tmp_path)

    def test_launches_without_an_id_are_told_apart(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
        distributed.claim(tmp_path)
        assert distributed.restarted(tmp_path)
        monkeypatch.setattr(distributed.os, "getppid", lambda: 1)
        assert not distributed.restarted(tmp_path)


def test_without_torchrun_nothing_is_noted(tmp_path, monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    distributed.claim(tmp_path)
    assert not list(tmp_path.iterdir())


# ---- whole runs, most of them by torchrun


class TestTheOthersWait:
    """Threads in place of processes: the one that works, and the one that waits for it."""

    @pytest.fixture
    def worlds(self, monkeypatch):
        monkeypatch.setattr(distributed, "BEAT_S", 0.02)
        monkeypatch.setattr(distributed, "SILENCE_S", 1.0)
        monkeypatch.setattr(distributed.World, "any", lambda *_: False)  # where they meet afterwards
        store = dist.HashStore()
        return [distributed.World(rank, 2, store) for rank in range(2)]

    def test_for_as_long_as_the_first_works(self, worlds):
        """Which is longer than any silence."""
        working, order = threading.Event(), []

        def first() -> None:
            for turn in range(2):
                with worlds[0].first_works():
                    working.wait(2 if turn == 0 else 0)
                    order.append("worked")

        thread = threading.Thread(target=first)
        thread.start()
        for _ in range(2):
            with worlds[1].first_works():
                pass
            order.append("waited")
        thread.join()
        assert order == ["worked", "waited", "worked", "waited"] or order == ["worked", "worked", "waited", "waited"]

    def test_but_not_for_one_that_has_died(self, worlds):
        with pytest.raises(InputError, match="process 1 of 2 has not heard from process 0 .* --resume"):  # noqa: SIM117
            with worlds[1].first_works():
                pass

    def test_nor_for_one_that_fails(self, worlds):
        with pytest.raises(ZeroDivisionError), worlds[0].first_works():
            raise ZeroDivisionError
        with worlds[1].first_works():  # and notices where they meet
            pass


def write_config(config: StylemapTraining, path: Path) -> Path:
    path.write_text(yaml.safe_dump(asdict(config)))
    return path


def torchrun(processes: int, *arguments, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    if restarts := options.pop("restarts", 0):
        command.append(f"--max-restarts={restarts}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command += [str(ROOT / "train.py"), *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def finished(process: subprocess.Popen, within: float = 120) -> tuple[int, str]:
    try:
        out, _ = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL) if os.getpgid(process.pid) == process.pid else process.kill()
        pytest.fail(f"still running after {within} s: {process.communicate()[0][-2000:]}")
    return process.returncode, out


def train_command(folder: Path, *arguments: str) -> None:
    """``stylemap train`` in this process; what it prints goes to a file."""
    path = folder / f"{os.environ['RANK']}.txt"
    with open(path, "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        code = cli.main(["train", *arguments])
    sys.exit(code)


@pytest.mark.parametrize("then", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_a_run_of_two_goes_on_as_one_or_four(config, tmp_path, then):
    """And ends where a run of one process ends, but for the rounding of float32 that Adam enlarges."""
    config = replace(
        config, batch=8, images=48, tick=16, save_every=16, augment=replace(config.augment, mode="adaptive")
    )
    short = write_config(replace(config, images=24), tmp_path / "short.yaml")
    arguments = ("--config", short, "--out", tmp_path / "run")
    if then == 1:
        spawn(train_command, 2, tmp_path, *map(str, arguments))
        out = "".join((tmp_path / f"{rank}.txt").read_text() for rank in range(2))
    else:
        code, out = finished(torchrun(2, *arguments))
        assert code == 0, out
    assert out.count("weights.safetensors") == 1  # one process prints
    if then == 1:
        assert loop.train(config, tmp_path / "run", resume=True) == 48
    else:
        code, out = finished(torchrun(then, "--out", tmp_path / "run", "--resume", "--images", 48))
        assert code == 0, out
    loop.train(config, tmp_path / "alone")
    several, alone = (read_log(tmp_path / name / "log.jsonl") for name in ("run", "alone"))
    assert [r["images"] for r in several] == [16, 24, 32, 48]
    ours = {r["images"]: r for r in several}
    for record in alone:
        assert ours[record["images"]]["heldout_mse"] == pytest.approx(record["heldout_mse"], rel=0.02)
    for name in ("image_reconstruction", "discriminator_real"):  # later ticks cover other images
        assert ours[16][name] == pytest.approx(alone[0][name], rel=1e-3), name
    sums = (
        state.load_newest(tmp_path / "run")["augment"]["sums"],
        state.load_newest(tmp_path / "alone")["augment"]["sums"],
    )
    assert sums[0][1] == sums[1][1]  # images observed, over all processes


def test_torchrun_needs_a_folder_that_all_agree_on(monkeypatch):
    from stylemap.cli import train, verbs

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="torchrun needs --out, the same folder for all processes"):
        train.run(verbs.parser("train").parse_args(["--config", "avatars32"]))


def test_a_process_that_dies_ends_the_others(config, tmp_path):
    """By themselves, and they say why."""
    config = replace(config, images=10**6, tick=10**6, save_every=16)
    recipe = write_config(config, tmp_path / "c.yaml")
    processes = start(train_command, 2, tmp_path, "--config", str(recipe), "--out", str(tmp_path / "run"))
    try:
        wait_for(lambda: len(state.paths(tmp_path / "run")) > 1)
        processes[1].kill()
        processes[0].join(60)
        assert processes[0].exitcode == 2
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert "process 0 of 2 lost another one" in (tmp_path / "0.txt").read_text()
    assert state.load_newest(tmp_path / "run")["images"] >= 16


@pytest.mark.slow  # the test above has the same without torchrun, which takes 12 s of three processes to begin with
def test_a_process_that_dies_ends_the_others_within_a_minute(config, tmp_path, request):
    config = replace(config, images=10**6, tick=10**6, save_every=16)
    arguments = ("--config", write_config(config, tmp_path / "c.yaml"), "--out", tmp_path / "run")
    process = torchrun(2, *arguments, start_new_session=True)
    request.addfinalizer(lambda: end(process))
    wait_for(lambda: len(state.paths(tmp_path / "run")) > 1)
    os.kill(workers_of(process.pid)[-1], signal.SIGKILL)
    code, out = finished(process, within=60)
    assert code != 0
    assert state.load_newest(tmp_path / "run")["images"] >= 16


@pytest.mark.slow
def test_torchrun_starts_again_and_the_run_goes_on(config, tmp_path, request):
    config = replace(config, images=10**6, tick=10**6, save_every=16)
    arguments = ("--config", write_config(config, tmp_path / "c.yaml"), "--out", tmp_path / "run")
    process = torchrun(2, *arguments, restarts=1, start_new_session=True)
    request.addfinalizer(lambda: end(process))
    wait_for(lambda: len(state.paths(tmp_path / "run")) > 1)
    before = state.load_newest(tmp_path / "run")["images"]
    first = workers_of(process.pid)
    os.kill(first[-1], signal.SIGKILL)
    wait_for(lambda: len(workers_of(process.pid)) == 2 and not set(first) & set(workers_of(process.pid)))
    newest = state.load_newest(tmp_path / "run")["images"]
    assert newest >= before
    wait_for(lambda: state.load_newest(tmp_path / "run")["images"] > newest)
    os.kill(process.pid, signal.SIGTERM)
    finished(process)


def end(process: subprocess.Popen) -> None:
    """Whatever a test that failed has left of torchrun and its processes, each of which leads a group of its own."""
    for pid in [*workers_of(process.pid), process.pid] if process.poll() is None else []:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition, within: float = 90) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def workers_of(launcher: int) -> list[int]:
    """The processes that torchrun has started, by their parent in /proc."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == launcher and b"train.py" in command and status[0] != "Z":
            found.append(int(pid))
    return sorted(found)
