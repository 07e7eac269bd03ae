"""Runs made up for the report, and its page as a test wants to see it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

CONFIG = {
    "data": "avatars",
    "images": 1000,
    "batch": 4,
    "seed": 0,
    "model": {"resolution": 32, "stylemap_size": 8},
    "optim": {"lr": 0.004},
}


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.silent = False
        self.text = ""  # but for scripts and styles
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.silent = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.silent = False

    def handle_data(self, data):
        if not self.silent:
            self.text += f"{data} "

    def all(self, tag: str, **attributes) -> list[dict]:
        return [a for t, a in self.tags if t == tag and attributes.items() <= a.items()]

    def data(self, name: str):
        return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', self.source)[1])

    def curve(self, field: str) -> str:
        """The line of the plot that shows only this field: its path, and after it the marks of points that stand alone."""
        return re.search(
            rf"data-name='{field}'.*?<g class=\"curve\">(.*?)</g>\n<g class=\"(?!curve)", self.source, re.DOTALL
        )[1]


def tick(images: int, **values) -> dict:
    return {"images": images, "heldout_mse": 0.04, "heldout_psnr": 20.0, "heldout_explained": 0.75, **values}


def sheet(run: Path, images: int, rows: int = 8, columns: int = 4, side: int = 6) -> Path:
    path = run / "grids" / f"{images:010d}.png"
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((rows * (side + 2) + 2, columns * (side + 2) + 2, 3), images % 256, np.uint8)
    Image.fromarray(pixels).save(path)
    return path
