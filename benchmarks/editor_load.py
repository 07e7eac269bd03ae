"""The editor's server under load: people who paint all at once, for a while.

    python -m benchmarks.editor_load [--sessions 20] [--seconds 60] [--pause 0.2] [--weights avatars32] [--json FILE]

Each person has a connection and a session of his own with three images, and asks for one edit after another, each with
another mask: as fast as they come or with a pause between them. At the end each compares an edit with what it was at first.
It tells how long answers took (from asking to the last byte, and in the server), that none was wrong, and how much memory
the server had every second. Before that one person alone is timed. The server is a process of its own on the same machine,
so what asks takes time from what answers.
"""

import argparse
import base64
import http.client
import io
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.browser import served
from benchmarks.machine import machine
from stylemap import files

WARM, ALONE = 5, 100  # edits before the measurement, and of the one person alone
SETTLED = 0.25  # of the time, after which memory is to stay what it is
STROKES = 24  # masks of each person, in turn
SLOTS = ("original", "0", "1")


@dataclass
class Person:
    """A page without a browser."""

    host: str
    number: int
    times: list[float] = field(default_factory=list)  # ms, of every edit
    inside: list[float] = field(default_factory=list)  # ms, of that in the server
    errors: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.connection = http.client.HTTPConnection(self.host, timeout=120)
        self.path = f"/api/sessions/{json.loads(self.ask('POST', '/api/sessions')[1])['id']}"
        for k, slot in enumerate(SLOTS):
            self.ask("PUT", f"{self.path}/pictures/{slot}", {"gallery": (3 * self.number + k) % 48})
        side = json.loads(self.ask("GET", "/api/info")[1])["resolution"]
        self.edits = [stroke(side, k, self.number) for k in range(STROKES)]
        self.first = self.edit(self.edits[0])[1]

    def ask(self, method: str, path: str, body: dict | None = None) -> tuple[dict, bytes]:
        """Headers and body of an answer; one that is no success is noted."""
        sent = None if body is None else json.dumps(body)
        self.connection.request(method, path, sent, {} if sent is None else {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            self.errors.append(f"{method} {path}: {answer.status} {data[:200].decode(errors='replace')}")
        return dict(answer.headers), data

    def edit(self, edit: dict) -> tuple[dict, bytes]:
        return self.ask("POST", f"{self.path}/render", edit)

    def paint(self, until: float, pause: float) -> None:
        """One edit after another, and at the end the first once more."""
        try:
            k = 0
            while time.perf_counter() < until:
                began = time.perf_counter()
                headers, _ = self.edit(self.edits[k % STROKES])
                self.times.append(1000 * (time.perf_counter() - began))
                self.inside.append(float(headers.get("x-milliseconds", "nan")))
                k += 1
                time.sleep(pause)
            if self.edit(self.edits[0])[1] != self.first:
                self.errors.append("an edit is another one than at first")
        except (OSError, http.client.HTTPException) as err:
            self.errors.append(f"{type(err).__name__}: {err}")

    def leave(self) -> None:
        self.ask("DELETE", self.path)
        self.connection.close()


def stroke(side: int, step: int, person: int) -> dict:
    """An edit with a part of each reference, the brush at another place at each step."""
    y, x = np.mgrid[:side, :side] / side
    patches = []
    for reference in (0, 1):
        turn = 2 * np.pi * (step / STROKES + reference / 2 + person / 7)
        where = (y - 0.5 - 0.25 * np.sin(turn)) ** 2 + (x - 0.5 - 0.25 * np.cos(turn)) ** 2 < 0.15**2
        buffer = io.BytesIO()
        Image.fromarray((255 * where).astype(np.uint8)).save(buffer, "PNG")
        patches.append({"reference": reference, "mask": base64.b64encode(buffer.getvalue()).decode(), "feather": 2})
    return {"space": "w+", "patches": patches, "pushes": []}


def memory(process: subprocess.Popen) -> float:
    """MB that the server holds; Linux only."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def summary(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "median": round(cuts[49], 1),
        "p95": round(cuts[94], 1),
        "p99": round(cuts[98], 1),
        "max": round(max(times), 1),
    }


def measure(host: str, process: subprocess.Popen, sessions: int, seconds: float, pause: float) -> dict:
    alone = Person(host, 0)
    for edit in alone.edits[:WARM]:
        alone.edit(edit)
    for k in range(ALONE):
        began = time.perf_counter()
        headers, _ = alone.edit(alone.edits[k % STROKES])
        alone.times.append(1000 * (time.perf_counter() - began))
        alone.inside.append(float(headers["x-milliseconds"]))
    alone.leave()
    people = [Person(host, k) for k in range(sessions)]
    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=person.paint, args=(until, pause)) for person in people]
    for thread in threads:
        thread.start()
    held = []
    while time.perf_counter() < until:
        held.append(round(memory(process), 1))
        time.sleep(1)
    for thread in threads:
        thread.join()
    for person in people:
        person.leave()
    times = [t for person in people for t in person.times]
    settled = held[int(SETTLED * len(held)) :]
    errors = [error for person in [alone, *people] for error in person.errors]
    return {
        "alone_ms": summary(alone.times),
        "alone_in_server_ms": summary(alone.inside),
        "together_ms": summary(times),
        "edits": len(times),
        "edits_per_second": round(len(times) / seconds, 1),
        "fewest_and_most_of_a_person": [min(len(p.times) for p in people), max(len(p.times) for p in people)],
        "errors": len(errors),
        "first_errors": errors[:5],
        "memory_mb": held,
        "memory_growth_mb": round(settled[-1] - settled[0], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between an answer and the next edit")
    parser.add_argument("--weights", default="avatars32")
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    flags = ("--device", "cpu", "--weights", arguments.weights, "--sessions", str(arguments.sessions + 1))
    with served(*flags) as (address, process):
        result = measure(
            urllib.parse.urlsplit(address).netloc, process, arguments.sessions, arguments.seconds, arguments.pause
        )
    result = {"machine": machine(), **vars(arguments), **result}
    print(json.dumps({**result, "memory_mb": [result["memory_mb"][0], result["memory_mb"][-1]]}, indent=2))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(result, indent=2) + "\n")
    return 1 if result["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
