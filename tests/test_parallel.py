"""Work in several processes: order, errors, and no process left behind."""

import errno
import multiprocessing
import multiprocessing.shared_memory
import multiprocessing.synchronize
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import pytest

from stylemap import parallel
from stylemap.errors import InputError


def offset(by: int, x: int) -> int:
    return x + by


def fail_at(bad: int, x: int) -> int:
    if x == bad:
        raise InputError(f"item {x} is bad")
    return x


def die(number: int, x: int) -> None:
    os.kill(os.getpid(), number)


def die_or_hang(x: int) -> None:
    if x == 1:
        die(signal.SIGKILL, x)
    hang(x)


def signalled(number: int) -> int:
    os.kill(os.getpid(), number)
    return number


def hang_at(bad: int, x: int) -> int:
    return hang(x) if x == bad else x


def hang(x: int) -> None:
    threading.Event().wait()


def warn(x: int) -> int:
    warnings.warn(f"item {x} is odd", UserWarning, stacklevel=2)
    return x


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers):
    assert list(parallel.imap(partial(offset, 10), range(40), workers)) == list(range(10, 50))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_through_after_the_results_before_it(workers):
    got = []
    with pytest.raises(InputError, match="item 5 is bad"):
        for x in parallel.imap(partial(fail_at, 5), range(100), workers):
            got.append(x)
    assert got == [0, 1, 2, 3, 4]


def test_items_are_taken_no_further_ahead_than_promised():
    taken = []
    results = parallel.imap(partial(offset, 0), (taken.append(i) or i for i in range(1000)), 1)
    next(results)
    assert len(taken) <= parallel.AHEAD + 1
    results.close()


class Unsendable(Exception):
    def __init__(self, first, second):
        super().__init__(first + second)


def fail_unsendably(x: int) -> None:
    raise Unsendable("a", "b")


def test_an_error_that_cannot_be_sent_comes_in_words():
    with pytest.raises(RuntimeError, match="^Unsendable: ab$") as info:
        list(parallel.imap(fail_unsendably, range(3), 1))
    assert "in fail_unsendably" in str(info.value.__cause__)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_is_one_line(number):
    with pytest.raises(InputError, match=r"^a working process was killed .*fewer --workers$"):
        list(parallel.imap(partial(die, number), range(3), 1))


def test_when_one_of_several_dies_the_others_end():
    with pytest.raises(InputError, match="killed"):
        list(parallel.imap(die_or_hang, range(2), 2))
    assert not multiprocessing.active_children()


def test_signals_of_the_group_are_the_parents():
    assert list(parallel.imap(signalled, [signal.SIGTERM, signal.SIGINT], 1)) == [signal.SIGTERM, signal.SIGINT]


def test_a_stop_ends_the_wait_for_a_worker_that_hangs():
    asked = iter([False, False, True])
    assert list(parallel.imap(hang, range(3), 1, stop=lambda: next(asked))) == []
    assert not multiprocessing.active_children()


def test_a_worker_that_hangs_goes_with_who_wanted_its_results():
    results = parallel.imap(partial(hang_at, 1), range(3), 1)
    assert next(results) == 0
    results.close()
    assert not multiprocessing.active_children()


def test_warnings_of_a_worker_are_the_parents():
    with pytest.warns(UserWarning) as told:
        assert list(parallel.imap(warn, range(2), 1)) == [0, 1]
    assert [str(warning.message) for warning in told] == ["item 0 is odd", "item 1 is odd"]


def test_no_shared_memory_is_needed(monkeypatch):
    """Containers have little or none: locks and memory that processes share lie in /dev/shm."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", full)
    monkeypatch.setattr("multiprocessing.shared_memory.SharedMemory.__init__", full)
    assert list(parallel.imap(partial(offset, 10), range(4), 1)) == [10, 11, 12, 13]


@pytest.mark.skipif(os.name != "posix", reason="processes are started in another way")
def test_a_process_that_cannot_be_started_is_one_line(monkeypatch):
    def full(*_):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", full)
    with pytest.raises(InputError, match=r"cannot be started \(Resource temporarily unavailable\); .*fewer --workers$"):
        list(parallel.imap(partial(offset, 10), range(4), 2))


PARENT = """
from functools import partial
from stylemap import parallel
from tests.test_parallel import hang_at
if __name__ == "__main__":
    for _ in parallel.imap(partial(hang_at, 1), [0, 0] + [1] * 4, 2):
        print("working", flush=True)
"""


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks into /proc for the processes")
def test_workers_end_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, start_new_session=True)
    with parent.stdout:
        assert parent.stdout.readline() == b"working\n"
    deadline = time.monotonic() + 20
    while len(group(parent.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(group(parent.pid)) >= 3
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while group(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not group(parent.pid)


def group(leader: int) -> list[int]:
    """The living processes of a process group, from field 5 of /proc/<pid>/stat."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                state, _, member_of = f.read().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(member_of) == leader and state != "Z":
            found.append(int(pid))
    return found
