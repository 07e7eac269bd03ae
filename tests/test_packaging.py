"""What the package index shows: the README, whose links and pictures lead to the files of this version."""

import re
import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import stylemap

ROOT = Path(__file__).parents[1]
ADDRESS = "https://github.com/somebody/faces"


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """What ``setup.py`` tells setuptools, by the text of CITATION.cff."""

    def told(citation: str) -> dict:
        (tmp_path / "stylemap").mkdir()
        for name in ("setup.py", "README.md", "stylemap/__init__.py"):
            shutil.copy(ROOT / name, tmp_path / name)
        (tmp_path / "CITATION.cff").write_text(citation)
        given: dict = {}
        setuptools = SimpleNamespace(setup=given.update, find_packages=lambda **_: [])
        monkeypatch.setitem(sys.modules, "setuptools", setuptools)
        runpy.run_path(str(tmp_path / "setup.py"))
        return given

    return told


def targets(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("written", [ADDRESS, f'"{ADDRESS}"', f'"{ADDRESS}/"'])
def test_links_and_pictures_follow_the_address(packaged, written):
    given = packaged(f"title: faces\nrepository-code: {written}\nversion: 1\n")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = targets(given["long_description"])
    assert len(shown) == len(targets(readme))
    for target, original in zip(shown, targets(readme), strict=True):
        if original.startswith(("https:", "#")):
            assert target == original
        else:
            kind = "raw" if Path(original).suffix in (".png", ".webp") else "blob"
            assert target == f"{ADDRESS}/{kind}/v{stylemap.__version__}/{original}"
            assert (ROOT / original.partition("#")[0]).exists()
    assert given["project_urls"]["Source"] == ADDRESS


@pytest.mark.parametrize("line", ["", '# repository-code: "https://github.com/OWNER/NAME"\n'])
def test_without_an_address_no_link_leads_nowhere(packaged, line):
    given = packaged(f"title: faces\n{line}url: https://arxiv.org\n")
    assert all(target.startswith(("https:", "#")) for target in targets(given["long_description"]))
    assert "![" not in given["long_description"]
    assert "Source" not in given["project_urls"]
