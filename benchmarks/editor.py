"""How long the web editor takes from the hand to the image: real mouse drags in headless Chromium.

    python -m benchmarks.editor [--weights avatars64 avatars128 configs/ffhq256.yaml] [--strokes 30] [--json FILE]
    python -m benchmarks.editor --sites FOLDER ... [--strokes 30] [--json FILE]      # what `stylemap export web` wrote

A stroke is a circle over a part of the face, such as an eye; it is undone before the next. The mouse moves at the given rate. A
measurement runs from the first pointer event that an image shows to the frame in which the image is on the screen: waiting for
the request before it, encoding the mask, the way to the server, the network, the way back, decoding and painting. The page takes
it itself (and shows it as "Live"). *Preview* is every image that is asked for while the hand moves, which a small network draws
exactly; *exact* is the one that is asked for when the hand lets go. Weights are a name, or a recipe whose networks get random
weights. Needs playwright and a Chromium. The machine must be idle.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import recipes
from benchmarks.browser import ARGUMENTS, find, hosted, served
from benchmarks.machine import machine
from stylemap import checkpoint, files
from stylemap.architectures.stylemap.model import StylemapModel

WEIGHTS = ("avatars64", "avatars128", "configs/ffhq256.yaml")
PLACES = ((0.35, 0.42), (0.65, 0.42), (0.5, 0.7))  # of eyes and mouth: (x, y), shares of the image's side
RADIUS = 0.09
WATCH = """() => {
    window.painted = [];
    const stage = document.querySelector("#result-stage");
    const note = () => window.painted.push([stage.dataset.preview === "true", Number(stage.dataset.latency)]);
    new MutationObserver(note).observe(stage, { attributeFilter: ["data-latency"] });
}"""
NAMES = {
    "brush to preview": ("brush", True),
    "brush to exact image": ("brush", False),
    "dragged region to preview": ("move", True),
    "dragged region to exact image": ("move", False),
}


def circle(centre: tuple[float, float], radius: float, moves: int) -> Iterator[tuple[float, float]]:
    """Points of a drag, shares of the image's side."""
    for i in range(moves + 1):
        angle = 2 * math.pi * i / moves
        yield centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


class Page:
    def __init__(self, page, url: str, hertz: float):
        self.page, self.hertz = page, hertz
        page.set_default_timeout(120_000)
        page.goto(url)
        page.locator("#references .thumb[data-slot]").wait_for()
        self.settle()
        page.evaluate(WATCH)

    def settle(self) -> None:
        self.page.locator("body:not([aria-busy]) #result-stage[aria-busy=false]").wait_for()

    def drag(self, stage: str, points: Iterator[tuple[float, float]]) -> list[tuple[bool, float]]:
        """Of the images that a drag gave: whether it is a preview, and its latency in ms."""
        box = self.page.locator(stage).bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.evaluate("window.painted.length = 0")
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        due = time.perf_counter()
        for place in places[1:]:
            due += 1 / self.hertz
            self.page.wait_for_timeout(1000 * max(0.0, due - time.perf_counter()))
            self.page.mouse.move(*place)
        self.page.mouse.up()
        self.settle()
        # the exact one is on the screen; a function, because the page forbids to evaluate text
        self.page.wait_for_function("() => window.painted.length && !window.painted.at(-1)[0]")
        return self.page.evaluate("window.painted")

    def undo(self) -> None:
        self.page.keyboard.press("Control+z")
        self.page.wait_for_timeout(50)  # until the page has asked
        self.settle()


def measure(url: str, strokes: int, moves: int, hertz: float) -> dict:
    from playwright.sync_api import sync_playwright

    chromium = find()
    if chromium is None:
        raise SystemExit("error: there is no Chromium: apt-get install chromium")
    times: dict[str, list[tuple[bool, float]]] = {"brush": [], "move": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = Page(browser.new_page(viewport={"width": 1280, "height": 800}), url, hertz)
        for k, centre in enumerate(itertools.islice(itertools.cycle(PLACES), strokes + 1)):
            painted = page.drag("#reference-stage", circle(centre, RADIUS, moves))
            # the painted region is moved from a point of its rim
            moved = page.drag("#result-stage", circle(centre, RADIUS, moves))
            for _ in range(2):
                page.undo()
            if k > 0:  # the first warms up
                times["brush"] += painted
                times["move"] += moved
        version = browser.version
        browser.close()
    rows = {name: summary([ms for p, ms in times[hand] if p == preview]) for name, (hand, preview) in NAMES.items()}
    return {"browser": version, "rows": rows}


def summary(times: list[float]) -> dict:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return {"images": len(times), "p50_ms": statistics.median(times), "p95_ms": cuts[-1], "most_ms": max(times)}


@contextlib.contextmanager
def weights_file(name: str) -> Iterator[str]:
    """Weights, or a file of random weights for a recipe, as long as the context."""
    if not name.endswith(".yaml"):
        yield name
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        path = Path(folder) / f"{Path(name).stem}.safetensors"
        # The usual error would be measured otherwise, which takes a minute.
        checkpoint.save(path, StylemapModel(recipes.read(name).model), info={"data": "avatars", "heldout_mse": 1.0})
        yield str(path)


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{cpu}, {threads} threads, torch {torch}, {date}".format(**report["machine"])
    yield "\n| | images | p50, ms | p95, ms | most, ms |\n|---|---:|---:|---:|---:|"
    for weights, found in report["models"].items():
        for name, row in found["rows"].items():
            numbers = "{images} | {p50_ms:.0f} | {p95_ms:.0f} | {most_ms:.0f}".format(**row)
            yield f"| {Path(weights).stem}, {name} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=WEIGHTS, help="names or files of weights, or recipes")
    parser.add_argument("--sites", nargs="+", type=Path, metavar="FOLDER", help="measure these instead of a server")
    parser.add_argument("--strokes", type=int, default=30, help="of the brush, and drags of what it painted")
    parser.add_argument("--moves", type=int, default=60, help="of the mouse, in each drag")
    parser.add_argument("--hertz", type=float, default=60, help="moves per second")
    parser.add_argument("--device", default="cpu", help="of the server")
    parser.add_argument("--precision", default="auto", help="of the server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    report = {"machine": machine(), "load": os.getloadavg()[0], "models": {}}
    for site in arguments.sites or ():
        with hosted(site) as address:
            report["models"][str(site)] = measure(address, arguments.strokes, arguments.moves, arguments.hertz)
    for name in arguments.weights if arguments.sites is None else ():
        with weights_file(name) as weights:
            flags = ("--weights", weights, "--device", arguments.device, "--precision", arguments.precision)
            with served(*flags) as (address, _):
                report["models"][name] = measure(address, arguments.strokes, arguments.moves, arguments.hertz)
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
