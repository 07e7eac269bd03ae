"""How long the web editor takes from the hand to the image: real mouse drags in headless Chromium.

    python -m benchmarks.editor [--weights avatars32] [--moves 150] [--hertz 60] [--json FILE]

The mouse moves at the given rate. A measurement runs from the first pointer event that an image shows to the frame in which
the image is on the screen: waiting for the request before it, encoding the mask, the way to the server, the network, the way
back, decoding and painting. The page takes it itself (and shows it as "Live"). Needs playwright and a Chromium.
"""

import argparse
import json
import math
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.browser import ARGUMENTS, find, served
from benchmarks.machine import machine
from stylemap import files

WATCH = """() => {
    window.latencies = [];
    const stage = document.querySelector("#result-stage");
    const note = () => window.latencies.push(Number(stage.dataset.latency));
    new MutationObserver(note).observe(stage, { attributeFilter: ["data-latency"] });
}"""


def circle(centre: tuple[float, float], radius: float, moves: int) -> Iterator[tuple[float, float]]:
    """Points of a drag, shares of the image's side."""
    for i in range(moves + 1):
        angle = 2 * math.pi * i / 50
        yield centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)


class Page:
    def __init__(self, page, url: str, hertz: float):
        self.page, self.hertz = page, hertz
        self.server_ms: list[float] = []
        page.on("response", self._note)
        page.goto(url)
        page.locator("#references .thumb[data-slot]").wait_for()
        self.settle()
        page.evaluate(WATCH)

    def _note(self, response) -> None:
        if response.url.endswith("/render") and response.ok:
            self.server_ms.append(float(response.headers["x-milliseconds"]))

    def settle(self) -> None:
        self.page.locator("body:not([aria-busy]) #result-stage[aria-busy=false]").wait_for()

    def drag(self, stage: str, points: Iterator[tuple[float, float]]) -> list[float]:
        """Latencies in ms of the images that a drag gave."""
        box = self.page.locator(stage).bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.evaluate("window.latencies.length = 0")
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        due = time.perf_counter()
        for place in places[1:]:
            due += 1 / self.hertz
            rest = max(0.0, due - time.perf_counter())
            self.page.wait_for_timeout(1000 * rest)  # responses are noted meanwhile
            self.page.mouse.move(*place)
        self.page.mouse.up()
        self.settle()
        return self.page.evaluate("window.latencies")


def measure(url: str, moves: int, hertz: float) -> dict:
    from playwright.sync_api import sync_playwright

    chromium = find()
    if chromium is None:
        raise SystemExit("error: there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = Page(browser.new_page(viewport={"width": 1280, "height": 800}), url, hertz)
        page.drag("#reference-stage", circle((0.5, 0.2), 0.1, 30))  # warms up, and leaves a region to move
        page.server_ms.clear()
        report = {"brush": summary(page.drag("#reference-stage", circle((0.5, 0.4), 0.25, moves)))}
        # from a place that was painted: the first one of both circles
        moved = page.drag("#result-stage", circle((0.55, 0.4), 0.2, moves))
        report["move"] = summary(moved)
        report["server"] = summary(page.server_ms)
        report["browser"] = browser.version
        browser.close()
    return report


def summary(times: list[float]) -> dict:
    cuts = statistics.quantiles(times, n=20, method="inclusive")
    return {"pictures": len(times), "p50_ms": statistics.median(times), "p95_ms": cuts[-1], "most_ms": max(times)}


def table(report: dict) -> Iterator[str]:
    """Markdown."""
    yield "{cpu}, {threads} threads, torch {torch}, {date}; ".format(**report["machine"]) + report["weights"]
    yield "\n| | images | p50, ms | p95, ms | most, ms |\n|---|---:|---:|---:|---:|"
    names = {"brush": "brush to image", "move": "dragged region to image", "server": "of it in the server"}
    for key, name in names.items():
        yield "| {} | {images} | {p50_ms:.0f} | {p95_ms:.0f} | {most_ms:.0f} |".format(name, **report[key])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="avatars32")
    parser.add_argument("--moves", type=int, default=150, help="of the mouse, in each drag")
    parser.add_argument("--hertz", type=float, default=60, help="moves per second")
    parser.add_argument("--device", default="cpu", help="of the server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    arguments = parser.parse_args()
    with served("--weights", arguments.weights, "--device", arguments.device) as (address, _):
        report = {"machine": machine(), "load": os.getloadavg()[0], "weights": arguments.weights}
        report |= measure(address, arguments.moves, arguments.hertz)
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
