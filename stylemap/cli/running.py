"""A training run at the command line: its folder, its progress, and how it is stopped."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from stylemap import datasets, files, naming
from stylemap.cli import foresight
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset
from stylemap.errors import InputError, brief, out_of_memory
from stylemap.training import distributed, loop, report

RUNS = Path("runs")
REPEATS_S = 5.0
WATCH_S, QUIET_S = 0.5, 25.0  # between looks at what goes on, and between lines in a log


def train(config: TrainConfig, out: Path, resume: bool) -> int:
    """Train under a progress bar until done or stopped by a signal. Returns the exit code."""
    if not distributed.speaks():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    print(f"training on {config.data} into {out}: {foresight.parameters(config)}", flush=True)
    try:
        with Stop() as stop, contextlib.closing(Progress(stop)) as progress:
            seen = loop.train(config, out, resume, progress, stop)
    except Exception as err:
        if out_of_memory(err):
            raise InputError(
                f"out of memory ({brief(err)}); lower --batch-gpu, take --speed.checkpointing true, or free memory. Go on with "
                f"--out {out} --resume"
            ) from err
        raise
    if stop.signal:
        print(f"stopped after {seen} images; to continue: stylemap train --out {out} --resume")
        return 128 + stop.signal
    print(f"{out / 'weights.safetensors'}  ({seen} images)")
    if (out / report.NAME).exists():
        print(f"{out / report.NAME}  (scores, images and curves; open it in a browser)")
    return 0


@contextlib.contextmanager
def next_run(data: str) -> Iterator[Path]:
    """runs/00000-avatars, runs/00001-photos ...: a folder for this run alone, which goes again if nothing is put into it."""
    name = naming.canonical(Path(data).stem).replace("/", "-") or "data"
    out = None
    while out is None:
        taken = [int(p.name[:5]) for p in RUNS.glob("[0-9][0-9][0-9][0-9][0-9]-*")]
        with contextlib.suppress(FileExistsError):  # another start was faster
            made = files.make_folder(RUNS / f"{max(taken, default=-1) + 1:05d}-{name}")
            out = made[0]
    try:
        yield out
    finally:
        files.remove_empty(made)


class Progress(loop.Observer):
    """A bar that moves on a terminal, or a line every half minute in a log; everywhere a line per tick."""

    bar: tqdm | None = None

    def __init__(self, stop: "Stop"):
        self.stop, self.over = stop, threading.Event()
        self.seen, self.began, self.spoke = 0, time.monotonic(), time.monotonic()
        self.watching = threading.Thread(target=self._watch, daemon=True)
        if distributed.speaks():
            self.watching.start()

    def close(self) -> None:
        self.over.set()
        if self.watching.is_alive():
            self.watching.join()
        if self.bar is not None:
            self.bar.close()

    def opened(self, training: Dataset, heldout: Dataset) -> None:
        print(datasets.summarize(training, heldout), flush=True)

    def start(self, seen: int, total: int) -> None:
        self.first, self.seen, self.total, self.began = seen, seen, total, time.monotonic()
        self.bar = tqdm(total=total, initial=seen, unit="img", disable=None, dynamic_ncols=True, smoothing=0.05)
        if not self.bar.disable and (self.bar.ncols or 80) <= 0:  # a terminal that does not know its size
            self.bar.dynamic_ncols, self.bar.ncols, self.bar.nrows = None, 80, 24
        if seen >= total:
            self._say(f"all {total} images are done already; to train longer, give --images {2 * total}")

    def advance(self, batch: int) -> None:
        self.seen += batch
        self.bar.update(batch)

    def tick(self, seen: int, values: dict[str, float]) -> None:
        terms = {
            "rec": "image_reconstruction",
            "G": "generator_adversarial",
            "D": "discriminator_real",
            "critic": "critic",
        }
        self.bar.set_postfix({short: f"{values[name]:.3f}" for short, name in terms.items() if name in values})
        line = f"{seen:>9} images  {values['images_per_second']:6.1f}/s"
        if "heldout_mse" in values:  # without an encoder nothing is reconstructed
            line += (
                f"  held-out mse {values['heldout_mse']:.4f}  psnr {values['heldout_psnr']:.2f} dB  "
                f"explained {values['heldout_explained']:.1%}"
            )
        self._say(line)

    def alarm(self, text: str) -> None:
        self._say(f"alarm: {text}")

    def _say(self, line: str) -> None:
        self.spoke = time.monotonic()
        tqdm.write(line)
        sys.stdout.flush()

    def _watch(self) -> None:
        """Show that the run is alive: the bar's clock goes on, or a log gets a line now and then."""
        announced = False
        while not self.over.wait(WATCH_S):
            if self.stop.signal and not announced:
                announced = True
                self._say("saving the state, then stopping (press Ctrl-C again to stop at once)")
            if self.bar is not None and not self.bar.disable:
                self.bar.refresh()
            elif time.monotonic() - self.spoke >= QUIET_S:
                self._say(f"{self.seen:>9} images  {self._left()}" if self.bar is not None else "opening images")

    def _left(self) -> str:
        """How long the rest will take at the speed so far, as text."""
        done, since = self.seen - self.first, time.monotonic() - self.began
        left = tqdm.format_interval(since / done * (self.total - self.seen)) if done else "an unknown time"
        return f"of {self.total}, {left} left"


class Stop:
    """Turns the first Ctrl-C or SIGTERM into an answer for the loop; the next one acts at once."""

    signal = 0  # the number of the one that came

    def __call__(self) -> bool:
        return self.signal != 0

    def __enter__(self) -> "Stop":
        self.before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal and time.monotonic() - self.noted < REPEATS_S and distributed.launched():
            return  # torchrun and the terminal both pass a signal on
        if self.signal:
            self.__exit__()
            os.kill(os.getpid(), number)
            return
        self.signal, self.noted = number, time.monotonic()  # nothing is printed here: it could interrupt another print
        if not distributed.launched():
            self.__exit__()
