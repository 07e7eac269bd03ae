"""What the command line does around every verb."""

import subprocess
import sys

import pytest

from stylemap import cli


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
