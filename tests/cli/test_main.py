"""What the command line does around every verb."""

import errno
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from stylemap import cli
from stylemap.cli import report


class TestThreads:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        for name in (cli.SPIN, "OMP_WAIT_POLICY"):
            monkeypatch.setenv(name, "")  # so that it is as before when the test is over
            monkeypatch.delenv(name)

    def spins(self) -> str | None:
        assert cli.main(["report", "/nowhere"]) == 2
        return cli.os.environ.get(cli.SPIN)

    def test_those_that_wait_sleep_soon(self):
        assert self.spins() == cli.SPINS

    @pytest.mark.parametrize(("name", "value", "after"), [(cli.SPIN, "7", "7"), ("OMP_WAIT_POLICY", "ACTIVE", None)])
    def test_what_the_environment_says_stays(self, monkeypatch, name, value, after):
        monkeypatch.setenv(name, value)
        assert self.spins() == after

    def test_torch_is_not_there_before(self):
        """It reads the environment when it is loaded."""
        code = "import sys, stylemap.cli; sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.zeros(10**15),
        lambda: np.zeros(10**16),
        lambda: bytearray(10**17),
        lambda: cv2.resize(np.zeros((1, 1)), (2**20, 2**20)),
        lambda: raised(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")),
        lambda: raised(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
        lambda: raised(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ],
    ids=["torch", "NumPy", "Python", "OpenCV", "CUDA", "system", "cuBLAS"],
)
def test_out_of_memory_is_one_line_in_every_verb(work, monkeypatch, capsys):
    monkeypatch.setattr(report, "run", lambda _: work())
    assert cli.main(["report", "run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory")


def test_another_error_is_a_fault_of_the_program(monkeypatch):
    monkeypatch.setattr(report, "run", lambda _: torch.zeros(3) + torch.zeros(4))
    with pytest.raises(RuntimeError, match="size of tensor"):
        cli.main(["report", "run"])


def raised(err: Exception):
    raise err
