"""Kills, full disks and damaged files: a run always goes on, from its newest intact state, and ends with the same bytes."""

import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from stylemap import checkpoint, files
from stylemap.architectures.stylemap.config import StylemapTraining
from stylemap.config import AugmentConfig
from stylemap.errors import InputError
from stylemap.training import loop, monitor, state
from stylemap.training.log import read_log
from tests.training.test_loop import assert_same, stop_after

ROOT = Path(__file__).parents[2]
NOT_REPEATABLE = {"images_per_second", "alarms"}  # alarms look at earlier ticks, which a lost log does not have


@pytest.fixture
def adaptive(config, tmp_path) -> StylemapTraining:
    """p changes every 12 images, while states are 16 apart: what was observed since its last change is part of a state.

    With this penalty and learning rate the discriminator stays in doubt, so that p goes up and down by what was observed.
    """
    folder = tmp_path / "more"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for i in range(24):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    augment = AugmentConfig(mode="adaptive", p=0.4, speed=20_000, every=12, target=0.0)
    optim = replace(config.optim, r1_gamma=0.1, lr=0.01)
    return replace(config, data=str(folder), heldout=2, augment=augment, optim=optim)


def newest(run: Path) -> Path:
    return state.paths(run)[0]


def ticks(run: Path) -> list[int]:
    return [record["images"] for record in read_log(run / "log.jsonl")]


def weights(run: Path) -> tuple[dict, bytes]:
    """The bytes of weights.safetensors, but for the order of the header's entries, which safetensors leaves to chance."""
    content = (run / "weights.safetensors").read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:start]), content[start:]


def leftovers(run: Path) -> list[Path]:
    return [
        path for path in run.rglob(".*") if path.name != ".lock"
    ]  # a killed process leaves its lock, but not locked


# ---- what is done to a run that stands still


def truncated(run: Path) -> None:
    newest(run).write_bytes(newest(run).read_bytes()[: newest(run).stat().st_size // 2])


def zeros(run: Path) -> None:
    newest(run).write_bytes(bytes(newest(run).stat().st_size))


def flipped(run: Path) -> None:
    """One bit of a number; what lies between the entries of the file means nothing."""
    content = bytearray(newest(run).read_bytes())
    with zipfile.ZipFile(newest(run)) as file:
        numbers = file.read(max(file.infolist(), key=lambda entry: entry.file_size))
    content[content.index(numbers) + len(numbers) // 2] ^= 1
    newest(run).write_bytes(content)


def emptied(run: Path) -> None:
    newest(run).write_bytes(b"")


def half_line(run: Path) -> None:
    if (run / "log.jsonl").exists():
        with open(run / "log.jsonl", "a") as f:
            f.write('{"images": 1600, "heldout_ms')


def temporary_files(run: Path) -> None:
    for folder in (run, run / "grids"):
        folder.mkdir(exist_ok=True)
        (folder / f".0123{files.TEMPORARY_SUFFIX}.png").write_bytes(b"half an image")


def no_weights(run: Path) -> None:
    (run / "weights.safetensors").unlink(missing_ok=True)


def no_log(run: Path) -> None:
    (run / "log.jsonl").unlink(missing_ok=True)


def nothing(run: Path) -> None:
    pass


# ---- one fault at a time


@pytest.mark.parametrize("damage", [truncated, zeros, flipped, emptied])
def test_a_damaged_state_is_noticed_and_passed_over(config, run, whole, damage):
    damage(run)
    with pytest.warns(UserWarning, match=r"state-0000000040\.pt cannot be read .* now state-0000000040\.damaged"):
        assert state.load_newest(run)["images"] == 32
    loop.train(config, run, resume=True)
    assert_same(state.load_newest(run), state.load_newest(whole))
    assert weights(run) == weights(whole)


def without_networks(content):
    del content["networks"]


def another_shape(content):
    content["average"][next(iter(content["average"]))] = torch.zeros(3)


def moments_of_another_shape(content):
    content["optimizers"]["generator"]["state"][0]["exp_avg"] = torch.zeros(3)


def moments_that_are_not_finite(content):
    content["optimizers"]["generator"]["state"][0]["exp_avg"].fill_(torch.nan)


def moments_in_lists(content):
    """2^40 of them when they are walked."""
    lists = []
    for _ in range(40):
        lists = [lists, lists]
    content["optimizers"]["generator"]["state"][0]["more"] = lists


def not_finite(content):
    content["networks"][next(iter(content["networks"]))].fill_(torch.nan)


CHANGES = {
    "networks missing": without_networks,
    "networks a number": lambda content: content.update(networks=5),
    "networks of numbers": lambda content: content.update(networks=dict.fromkeys(content["networks"], 1)),
    "config a list": lambda content: content.update(config=[]),
    "optimizers empty": lambda content: content.update(optimizers={}),
    "moments": moments_of_another_shape,
    "moments not finite": moments_that_are_not_finite,
    "moments in lists": moments_in_lists,
    "settings that do not fit": lambda content: content["config"].update(batch="x"),
    "images a text": lambda content: content.update(images="x"),
    "images huge": lambda content: content.update(images=10**30),
    "other images than its name": lambda content: content.update(images=36),
    "a tensor of another shape": another_shape,
    "not finite": not_finite,
    "augment a number": lambda content: content.update(augment=1),
    "totals of texts": lambda content: content.update(totals={"a": ("x", 1)}),
    "format a list": lambda content: content.update(format=[1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_whole_file_that_holds_something_else_is_passed_over(config, run, name):
    """Checksums are right, the content is not: the next older state is taken."""
    content = torch.load(newest(run), weights_only=True)
    CHANGES[name](content)
    torch.save(content, newest(run))
    with pytest.warns(UserWarning, match=r"state-0000000040\.pt cannot be read .* now state-0000000040\.damaged"):
        assert state.load_newest(run)["images"] == 32


def test_a_state_of_another_version_is_not_damaged(config, run):
    """An older program must not rename the states of a newer one, one after another."""
    content = torch.load(newest(run), weights_only=True)
    torch.save(content | {"format": "stylemap-state-3"}, newest(run))
    before = state.paths(run)
    with pytest.raises(
        InputError, match=r"state-0000000040\.pt was written by another version of stylemap \(stylemap-state-3\)"
    ):
        loop.train(config, run, resume=True)
    assert state.paths(run) == before


@pytest.mark.parametrize("error", [MemoryError(), PermissionError(13, "Permission denied")], ids=repr)
def test_a_machine_that_cannot_read_does_not_make_a_state_damaged(config, run, monkeypatch, error):
    def load(*_, **__):
        raise error

    before = state.paths(run)
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(state.pickles, "content", load)
        loop.train(config, run, resume=True)
    assert state.paths(run) == before


def test_any_flipped_bit_is_noticed_or_harmless(run):
    """torch.load takes wrong numbers for what they are; some bytes, such as padding, mean nothing."""
    path = newest(run)
    intact, content = path.read_bytes(), state.load(path)
    rng, noticed = random.Random(0), 0
    for _ in range(60):
        damaged = bytearray(intact)
        damaged[rng.randrange(len(intact))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        try:
            found = state.load(path)
        except Exception:
            noticed += 1
        else:
            assert_same(found, content)
    assert noticed > 20


def test_temporary_files_are_removed_from_every_folder(config, run):
    temporary_files(run)
    loop.train(config, run, resume=True)
    assert not list(run.rglob(".*"))


def test_what_is_no_tick_is_dropped_from_the_log(config, run):
    """A kill leaves half a line; a machine that loses its power can leave anything."""
    with open(run / "log.jsonl", "ab") as f:
        f.write(b"\xff\xfe\0\0\nnull\n[1]\n" + b'{"images": "x"}\n{}\n' + bytes(4096) + b'\n{"images": 40, "heldo')
    loop.train(config, run, resume=True)
    assert ticks(run) == [16, 32, 40]
    assert all(json.loads(line) for line in (run / "log.jsonl").read_text().splitlines())


def test_without_its_log_a_run_goes_on(config, tmp_path):
    loop.train(config, tmp_path / "run", stop=stop_after(5))
    no_log(tmp_path / "run")
    assert loop.train(config, tmp_path / "run", resume=True) == 40
    assert ticks(tmp_path / "run") == [32, 40]


def test_removed_weights_come_back(config, run):
    before = weights(run)
    no_weights(run)
    loop.train(config, run, resume=True)
    assert weights(run) == before


@pytest.mark.parametrize("call", range(0, 26, 8))
def test_a_disk_that_is_full_from_some_write_on(config, whole, tmp_path, monkeypatch, call):
    """Whichever file it is that cannot be written: one line, no temporary file, and the run goes on."""
    run, calls, fsync = tmp_path / "full", iter(range(1000)), os.fsync

    def full(handle):
        if next(calls) >= call:
            raise OSError(28, "No space left on device")
        return fsync(handle)

    with monkeypatch.context() as patch, contextlib.suppress(InputError):  # the page may be what is not written
        patch.setattr(os, "fsync", full)
        loop.train(config, run)
    assert not list(run.rglob(".*"))
    loop.train(config, run, resume=True)
    assert_same(state.load_newest(run), state.load_newest(whole))
    assert ticks(run) == ticks(whole)


@pytest.mark.parametrize("broken", ["__init__", "add", "flush"])
def test_a_log_that_cannot_be_written_is_named(config, whole, tmp_path, monkeypatch, broken):
    """TensorBoard's, too."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    run = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(monitor.Board, broken, full)
        with pytest.raises(InputError, match=r"^cannot write the log of .*full: No space left on device; free"):
            loop.train(config, run)
    loop.train(config, run, resume=True)
    assert_same(state.load_newest(run), state.load_newest(whole))
    assert ticks(run) == ticks(whole)


# ---- a kill between any two changes of the disk


@pytest.mark.slow
def test_killed_between_any_two_changes_of_the_disk(adaptive, tmp_path, monkeypatch):
    """Every state that the disk goes through is copied, and gone on from."""
    config = replace(adaptive, images=32, tick=8, save_every=8, keep_states=2)
    run, copies, known = tmp_path / "run", [], set()

    def copy() -> None:
        content = {
            ("." if path.name.startswith(".") else path.name, path.read_bytes())
            for path in run.rglob("*")
            if path.is_file() and "tensorboard" not in path.parts and path.name not in (".lock", "report.html")
        }
        digest = hashlib.sha256(repr(sorted(content)).encode()).digest()
        if digest not in known:
            known.add(digest)
            copies.append(shutil.copytree(run, tmp_path / f"copy-{len(copies)}"))

    def watched(change: Callable) -> Callable:
        def call(*args, **kwargs):
            copy()
            return change(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for owner, name in ((os, "fsync"), (os, "replace"), (os, "link"), (Path, "unlink"), (Path, "touch")):
            patch.setattr(owner, name, watched(getattr(owner, name)))
        loop.train(config, run)
    assert len(copies) > 40
    whole = state.load_newest(run)
    for copied in copies:
        assert loop.train(config, copied, resume=True) == 32
        assert_same(state.load_newest(copied), whole, copied.name)
        assert ticks(copied) == [8, 16, 24, 32]
        for name in ("grids", "."):
            assert {p.name for p in (copied / name).glob("[!w]*")} == {p.name for p in (run / name).glob("[!w]*")}
        assert weights(copied) == weights(run)


# ---- twenty faults, one after another


FAULTS = {  # how a process ends -> what is done to the run before the next one starts
    "killed": (nothing, truncated, flipped, half_line),
    "killed while saving": (nothing, zeros, emptied, temporary_files),
    "terminated": (nothing, nothing, flipped, no_log),
    "disk full": (nothing, truncated, emptied, no_weights),
    "killed early": (temporary_files, half_line, no_weights, no_log),
}


class Leg:
    """One process of a run: the command line, until it ends or is ended."""

    def __init__(self, run: Path, recipe: Path):
        self.run = run
        self.resumed = (run / "config.yaml").exists()
        self.boards = set(run.glob("tensorboard/*"))
        self.newest = max(numbers(run), default=0)  # damaged or not
        flags = ["--resume"] if self.resumed else ["--config", recipe]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stylemap", "train", "--out", run, *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end
            time.sleep(0.001)

    def end(self) -> tuple[int, str, str]:
        """-> (exit code, stdout, stderr)"""
        output, errors = self.process.communicate(timeout=120)
        return self.process.returncode, output, errors

    def starts(self) -> list[int]:
        """Of how many images TensorBoard was told that the run goes on from."""
        return [
            event.step - 1
            for board in set(self.run.glob("tensorboard/*")) - self.boards
            for event in EventFileLoader(str(board)).Load()
            if event.HasField("session_log")
        ]


def end(leg: Leg, how: str, rng: random.Random) -> None:
    """Let the process save something new, except where it is killed early; then end it at a random instant."""
    if how == "killed early":
        with contextlib.suppress(subprocess.TimeoutExpired):
            leg.process.wait(rng.uniform(0, 5))
        leg.process.kill()
        assert leg.end()[0] == -signal.SIGKILL
        return
    leg.wait_for(lambda: max(numbers(leg.run), default=0) > leg.newest)
    time.sleep(rng.uniform(0, 0.3))
    if how == "killed while saving":
        leg.wait_for(lambda: any(leg.run.glob(f".*{files.TEMPORARY_SUFFIX}.pt")))
    if how == "terminated":
        leg.process.terminate()
        code, output, errors = leg.end()
        assert code == 128 + signal.SIGTERM, errors
        assert f"stopped after {max(numbers(leg.run))} images" in output
        assert "Traceback" not in errors
    elif how == "disk full":  # of some files, of all but small ones, or for good
        limit = rng.choice([0, 2_000, 200_000])
        resource.prlimit(leg.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        code, _, errors = leg.end()
        assert code == 2, errors
        assert [line for line in errors.splitlines() if line.startswith("error: cannot write ")], errors
    else:
        leg.process.kill()
        assert leg.end()[0] == -signal.SIGKILL
    if how in ("terminated", "disk full"):
        assert not leftovers(leg.run)


def numbers(run: Path) -> set[int]:
    return {int(path.stem.removeprefix("state-")) for path in state.paths(run)}


class Watch:
    """What is known of a run from fault to fault, to be compared with what it does."""

    def __init__(self, run: Path, keep: int):
        self.run, self.keep = run, keep
        self.intact: set[int] = set()  # states
        self.broken: dict[int, bytes] = {}  # by us
        self.starts: set[int] = set()
        self.ticks: dict[int, dict] = {}

    def expected(self) -> int:
        """The images of the newest intact state."""
        return max(self.intact, default=0)

    def look(self, leg: Leg, trained: bool) -> None:
        """After a process has ended."""
        starts = leg.starts()
        assert starts == [self.expected()] or (not starts and not trained)
        self.starts |= set(starts)
        now = {n for n in numbers(self.run) if self.broken.get(n) != state.path(self.run, n).read_bytes()}
        for number in now:
            assert state.load(state.path(self.run, number))["images"] == number
        for lost in self.intact - now:
            assert sum(n > lost for n in now) >= self.keep, f"state {lost} is gone, {now} are left"
        self.intact = now
        if (self.run / "log.jsonl").exists():
            self.ticks |= {record["images"]: record for record in read_log(self.run / "log.jsonl")}
        if (self.run / "weights.safetensors").exists():
            checkpoint.load_any(self.run)

    def damage(self, do: Callable[[Path], None]) -> None:
        before = {path: path.read_bytes() for path in state.paths(self.run)}
        do(self.run)
        for path, content in before.items():
            if path.read_bytes() != content:
                number = int(path.stem.removeprefix("state-"))
                self.intact.remove(number)
                self.broken[number] = path.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a full disk is made by a limit of Linux")
@pytest.mark.parametrize("seed", [0])
def test_twenty_faults(adaptive, tmp_path, seed):
    config = replace(adaptive, images=1200, tick=16, save_every=16)
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(asdict(config)))
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert Leg(whole, recipe).end()[0] == 0

    rng, watch = random.Random(seed), Watch(run, config.keep_states)
    faults = [(how, damage) for how, damages in FAULTS.items() for damage in damages]
    rng.shuffle(faults)
    assert len(faults) == 20
    for how, damage in faults:
        leg = Leg(run, recipe)
        end(leg, how, rng)
        watch.look(leg, trained=how != "killed early")
        watch.damage(damage)
    last = Leg(run, recipe)
    code, _, errors = last.end()
    assert code == 0, errors
    watch.look(last, trained=True)

    ours, theirs = state.load_newest(run), state.load_newest(whole)
    strengths = [record["augment_p"] for record in read_log(whole / "log.jsonl")]
    assert set(np.sign(np.diff(strengths))) == {-1, 0, 1} and 0 < min(strengths) < max(strengths) < 0.8
    assert_same(ours, theirs)
    assert weights(run) == weights(whole)
    assert not leftovers(run)
    assert not (run / ".lock").exists()
    assert contents(run / "grids") == contents(whole / "grids")

    records = {record["images"]: record for record in read_log(whole / "log.jsonl")}
    assert watch.ticks.keys() == records.keys()
    assert ticks(run) == sorted(ticks(run)) == [n for n in records if n >= ticks(run)[0]]
    for images, record in watch.ticks.items():
        assert {k: v for k, v in record.items() if k not in NOT_REPEATABLE} == {
            k: v for k, v in records[images].items() if k not in NOT_REPEATABLE
        }


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
