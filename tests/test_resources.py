"""The project's own folders are found, whatever lies beside the package or is imported by the same name."""

import subprocess
import sys
from pathlib import Path

import pytest

from stylemap import operators, resources

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["stylemap/configs", "configs"], "stylemap/configs"),  # installed, beside another's folder of that name
        (["stylemap/configs"], "stylemap/configs"),
        (["configs"], "configs"),  # a checkout
    ],
)
def test_inside_the_package_first(tmp_path, there, expected):
    for folder in there:
        (tmp_path / folder).mkdir(parents=True)
    assert resources.folder("configs", tmp_path / "stylemap") == tmp_path / expected


def test_operators_are_those_of_the_tree():
    assert operators.upfirdn2d.__module__ == "stylemap.operators.upfirdn2d"
    assert Path(sys.modules["stylemap.operators.upfirdn2d"].__file__) == ROOT / "op/upfirdn2d.py"


@pytest.mark.slow
def test_installed_beside_another_package_called_op(tmp_path):
    """As pip lays it out: what the package needs is in it, and nothing of it is called ``op``."""
    built = tmp_path / "site-packages"
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", tmp_path / "build", "--build-lib", built]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert {path.name for path in built.iterdir()} == {"stylemap"}
    assert (built / "stylemap/op/kernels.cpp").is_file()
    for name in ("op", "configs", "pretrained"):
        (built / name).mkdir()
        (built / name / "__init__.py").write_text("raise ImportError('this is not yours')")
    code = "import stylemap, stylemap.operators as o; print(o.__path__[0]); print(stylemap.load('avatars32').config.resolution)"
    done = subprocess.run([sys.executable, "-c", code], cwd=built, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(built / "stylemap/op"), "32"]
