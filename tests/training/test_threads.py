"""Threads of a training give way to other programs, come back, and stay where their number is fixed."""

import contextlib
import subprocess
import sys
import warnings

import psutil
import pytest
import torch

from stylemap.errors import Note
from stylemap.training import threads
from stylemap.training.distributed import ALONE
from stylemap.training.threads import EVERY_S, Threads, beside

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Four threads on a machine whose clock and programs the test moves."""

    class Machine:
        now = everything = ours = 0.0

        def passes(self, seconds: float, others: float, own: float = 1.0):
            self.now += seconds
            self.ours += own * seconds
            self.everything += (own + others) * seconds

    it = Machine()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads.time, "monotonic", lambda: it.now)
    monkeypatch.setattr(threads, "_all_programs", lambda: it.everything)
    monkeypatch.setattr(threads, "_program", lambda process: it.ours)
    torch.set_num_threads(4)
    yield it
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("others", "now", "then"),
    [
        (0.0, 4, 4),
        (0.5, 4, 4),  # a browser that does a little
        (0.6, 4, 3),
        (1.0, 4, 3),
        (1.6, 4, 2),
        (9.0, 4, 1),  # one is always left
        (0.4, 3, 3),  # too little to give way to, too much to come back
        (0.4, 4, 4),
        (0.2, 3, 4),
        (1.0, 1, 3),
        (0.0, 1, 4),
    ],
)
def test_number_of_threads(others, now, then):
    assert beside(others, now, most=4) == then


@pytest.mark.parametrize("others", [0.0, 0.3, 0.5, 0.7, 1.0, 1.3, 2.4])
@pytest.mark.parametrize("now", [1, 2, 3, 4])
def test_settles(now, others):
    """Beside programs that stay as they are the number changes once at most."""
    then = beside(others, now, 4)
    assert beside(others, then, 4) == then


def test_gives_way_and_comes_back(machine):
    with contextlib.closing(Threads(CPU, ALONE)) as ours:
        machine.passes(EVERY_S, others=0.1, own=3.9)
        ours.adjust()
        assert torch.get_num_threads() == 4
        machine.passes(EVERY_S / 2, others=1.0)
        ours.adjust()
        assert torch.get_num_threads() == 4  # not time yet
        machine.passes(EVERY_S / 2, others=1.0)
        with pytest.warns(Note, match="other programs keep 1.0 cores busy, so training takes 3 of 4 threads") as told:
            ours.adjust()
        assert torch.get_num_threads() == 3 and len(told) == 1
        machine.passes(EVERY_S, others=0.0)
        ours.adjust()
        assert torch.get_num_threads() == 4
        with warnings.catch_warnings(record=True) as again:  # once is enough
            warnings.simplefilter("always")
            machine.passes(EVERY_S, others=2.0)
            ours.adjust()
        assert torch.get_num_threads() == 2 and not again
    assert torch.get_num_threads() == 4  # whoever called the training has all again


@pytest.mark.parametrize("why", ["environment", "processes", "device", "one thread"])
def test_fixed(machine, monkeypatch, why):
    world, device = ALONE, CPU
    if why == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
    elif why == "processes":
        world = type("Two", (), {"size": 2})()
    elif why == "device":
        device = torch.device("meta")
    else:
        torch.set_num_threads(1)
    before = torch.get_num_threads()
    ours = Threads(device, world)
    machine.passes(10, others=3.0)
    ours.adjust()
    assert torch.get_num_threads() == before


def test_a_machine_that_lets_nobody_look(machine, monkeypatch):
    def denied():
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(threads, "_all_programs", denied)
    ours = Threads(CPU, ALONE)
    machine.passes(10, others=3.0)
    ours.adjust()
    assert torch.get_num_threads() == 4


def test_what_is_counted():
    """Work of a child is a program's own while it runs and after it; all programs together have done no less."""
    own = psutil.Process()
    before, everything = threads._program(own), threads._all_programs()
    work = "import time\nwhile time.process_time() < {}: pass\nprint(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", work.format(0.3)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child.stdout.readline()
    during = threads._program(own)
    child.communicate("\n")
    after = threads._program(own)
    tick = 0.02  # of the kernel's clock, by which both are counted; twice
    assert during - before >= 0.3 - tick
    assert after >= during - tick
    cores = threads.psutil.cpu_count()
    assert threads._all_programs() - everything >= 0.3 - tick * cores
