"""Training on a CPU alone and beside one other busy process: images per second, by how threads wait for one another.

    python -m benchmarks.beside [--config configs/avatars32.yaml] [--rounds 3] [--seconds 6] [--json FILE]

The machine must be idle otherwise. Threads meet at the end of every operation. Libgomp's own setting lets the first one spin for
milliseconds; `cli.let_threads_sleep`, which every verb calls, lets it sleep early. *One thread* has nobody to wait for.
*As trained* sleeps early and takes as many threads as the other program leaves cores (`training.threads`). A process for each of
them runs in turns with the others: alone, then beside a process that counts. With the defaults this takes about 4 minutes.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import memory
from stylemap import cli, files, parallel

AS_TRAINED = "as trained"
SETTINGS = {  # row -> what it adds to the environment
    "libgomp's own": {},
    "asleep early": {cli.SPIN: cli.SPINS},
    "one thread": {"OMP_NUM_THREADS": "1"},
    AS_TRAINED: {cli.SPIN: cli.SPINS},
}
OURS_TO_SET = (cli.SPIN, "OMP_WAIT_POLICY", "OMP_NUM_THREADS")


class Setting:
    """A process that trains for as many seconds as it is told, and then waits."""

    def __init__(self, config: str, name: str, environment: dict[str, str]):
        clean = {name: value for name, value in os.environ.items() if name not in OURS_TO_SET}
        command = [sys.executable, "-m", "benchmarks.beside", "--config", config, "--setting", name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean | environment, cwd=memory.ROOT
        )
        self.speed(0)  # after this everything is loaded

    def speed(self, seconds: float) -> float:
        """Images per second."""
        print(seconds, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def be_setting(config: str, name: str) -> None:
    from benchmarks import recipes, speed
    from stylemap import devices
    from stylemap.training.distributed import ALONE
    from stylemap.training.threads import EVERY_S, Threads

    device = devices.pick("cpu")
    training, threads = speed.Training(speed.plain(recipes.read(config)), device), Threads(device, ALONE)
    threads.fixed |= name != AS_TRAINED
    for line in sys.stdin:
        settled = time.perf_counter() + 2.5 * EVERY_S * (not threads.fixed) * (float(line) > 0)
        while time.perf_counter() < settled:  # until the threads know of the other program
            training.iterate()
            threads.adjust()
        start, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - start < float(line):
            done += 1
            training.iterate()
            threads.adjust()
        print(done * training.config.batch / (time.perf_counter() - start), flush=True)


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Another program that never waits, in a session of its own as one that a person has started."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        yield
    finally:
        other.kill()
        other.wait()


def measure(config: str, rounds: int, seconds: float) -> dict:
    with contextlib.ExitStack() as stack:
        settings = {
            name: stack.enter_context(contextlib.closing(Setting(config, name, e))) for name, e in SETTINGS.items()
        }
        speeds = {name: {"alone": [], "beside": []} for name in settings}
        for _ in range(rounds):
            for where, around in (("alone", contextlib.nullcontext), ("beside", busy)):
                with around():
                    for name, setting in settings.items():
                        speeds[name][where].append(setting.speed(seconds))
    return {"cores": parallel.cores(), "images_per_second": speeds}


def table(report: dict) -> Iterator[str]:
    yield f"| threads of {report['cores']} cores | images/s alone | beside a busy process |"
    yield "|---|---:|---:|"
    for name, speeds in report["images_per_second"].items():
        cells = (f"{statistics.median(s):.1f} ({min(s):.1f} to {max(s):.1f})" for s in speeds.values())
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", default=str(memory.ROOT / "configs/avatars32.yaml"), help="the recipe to measure")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured")
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.setting:
        be_setting(arguments.config, arguments.setting)
        return
    report = measure(arguments.config, arguments.rounds, arguments.seconds)
    print("\n".join(table(report)))
    if arguments.json:
        files.write_text(arguments.json, json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
