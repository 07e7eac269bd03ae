"""The images of README and docs can be made anew by anyone."""

import re
from pathlib import Path

import pytest
from PIL import Image

from docs import pictures

MADE = {file for file, _ in pictures.IMAGES.values()} | {"motion_path.webp", "local_editing_video.webp"}
EDITOR = {"editor_film.webp", "editor_wide.webp", "editor_dark.webp", "editor_phone.webp", "editor_save.webp"}


@pytest.mark.parametrize("name", [*pictures.IMAGES, "film", pytest.param("clip", marks=pytest.mark.slow)])
def test_every_image_is_made(name, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pictures", name, "--weights", "avatars32", "--out", str(tmp_path)])
    pictures.main()
    (made,) = tmp_path.iterdir()
    with Image.open(made) as new, Image.open(pictures.FOLDER / made.name) as there:
        assert new.format == there.format
        assert getattr(new, "n_frames", 1) == getattr(there, "n_frames", 1)


def test_every_image_of_the_pages_is_made_or_belongs_to_a_measurement():
    pages = [Path("README.md"), *Path("docs").glob("*.md")]
    named = {
        name for page in pages for name in re.findall(r"(?:\]\(|src=\")(?:docs/)?images/([\w.]+)", page.read_text())
    }
    assert {name for name in named if not name.startswith("comparison_")} <= MADE | EDITOR
    assert named <= {path.name for path in pictures.FOLDER.iterdir()}
