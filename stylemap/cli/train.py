"""``stylemap train``: every field of `TrainConfig` is a flag; values come from a recipe, then from the command line."""

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import reduce
from itertools import pairwise
from pathlib import Path
from types import FrameType

import torch
from jsonargparse import ArgumentError, ArgumentParser, set_parsing_settings
from tqdm import tqdm

from stylemap import architectures, checkpoint, datasets, files, naming, reading
from stylemap.cli import foresight
from stylemap.cli.parsing import joined
from stylemap.config import TrainConfig
from stylemap.datasets import Dataset
from stylemap.errors import InputError, brief, out_of_memory, quoted
from stylemap.resources import CONFIGS
from stylemap.settings import flat
from stylemap.training import distributed, loop, report

RECIPE_WITHOUT_GPU = "photos64"  # the defaults of TrainConfig are made for a GPU
RUNS = Path("runs")
REPEATS_S = 5.0
WATCH_S, QUIET_S = 0.5, 25.0  # between looks at what goes on, and between lines in a log
UNFIT = (  # what jsonargparse says of a value that does not fit
    r'Parser key "(?P<key>[^"]+)": Expected a (?P<kind>.+)\. Got value: (?P<value>.*)',
    r'Parser key "(?P<key>[^"]+)": Does not validate against any of the Union subtypes Subtypes: \[(?P<kind>.+?)\] Errors: '
    r".* Given value: (?P<value>.*)",
)
KINDS = {
    r", <class 'NoneType'>": " or null",
    r"<class 'int'>": "a whole number",
    r"<class 'float'>": "a number",
    r"<class 'bool'>": "true or false",
    r"<class 'str'>": "a text",
    r"typing\.Literal\[(.*?)\]": r"one of \1",
}
FORMERLY = {"augment": {"mode": "none"}, "speed": {"precision": "float32"}}  # of runs from before these were there


def main(argv: list[str]) -> int:
    config, out, resume, dry_run = parse(argv)
    if dry_run:
        if distributed.speaks():
            print(reading.to_yaml(asdict(config)), end="", flush=True)
            foresight.foresee(config, out, resume)
        return 0
    try:
        str(out).encode()
    except UnicodeEncodeError as err:  # TensorBoard cannot write there
        raise InputError(f"--out {out} is no name in UTF-8; choose another") from err
    if out is None and distributed.launched():
        raise InputError("torchrun needs --out, the same folder for all processes")
    if out is not None:
        return run(config, out, resume)
    with next_run(config.data) as out:
        return run(config, out, resume)


def run(config: TrainConfig, out: Path, resume: bool) -> int:
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
        print(f"stopped after {seen} images; to go on: stylemap train --out {out} --resume")
        return 128 + stop.signal
    print(f"{out / 'weights.safetensors'}  ({seen} images)")
    if (out / report.NAME).exists():
        print(f"{out / report.NAME}  (scores, pictures and curves, for the browser)")
    return 0


def parse(argv: list[str]) -> tuple[TrainConfig, Path | None, bool, bool]:
    """-> (config, run folder, resume, dry run).

    Raises:
        InputError: an unknown key or flag, or a value that does not fit; one line.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)  # the docstrings of the fields become the help
    parser = ArgumentParser(
        prog="stylemap train",
        description="Train generator, discriminator and encoder.",
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode="json",  # YAML would take the file "#1" for a comment, and so for no value
    )
    parser.add_argument("--config", help="a recipe: the name of one in configs/, or a YAML file; flags win over it")
    parser.add_argument("--out", type=str, help="folder of the run; default: the next free runs/<number>-<data>")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, exactly where it was")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved config and what it will take, train nothing"
    )
    recipe, flags = _with_recipe(joined([_with_underscores(argument) for argument in argv]))
    training = type(recipe)
    architectures.refuse_foreign(
        (flag[2:].partition("=")[0] for flag in flags if flag.startswith("--")), recipe.model.architecture
    )
    parser.add_class_arguments(training)
    parser.set_defaults(flat(asdict(recipe)))
    try:
        arguments = parser.instantiate(parser.parse_args(flags))
    except ArgumentError as err:
        raise InputError(f"{_plain(str(err))}; see stylemap train --help") from err
    config = training(**{f.name: getattr(arguments, f.name) for f in fields(training)})
    return config, Path(arguments.out) if arguments.out else None, arguments.resume, arguments.dry_run


def _plain(message: str) -> str:
    """A message of jsonargparse without the words of a programmer."""
    message = " ".join(message.split())
    if group := re.fullmatch(r'Parser key "([^"]+)": Unable to load config .*', message):
        return f"{group[1]} is a group of settings; give one of them, as --{group[1]}.NAME VALUE"
    for pattern in UNFIT:
        if wrong := re.fullmatch(pattern, message):
            kind = wrong["kind"]
            for type_name, words in KINDS.items():
                kind = re.sub(type_name, words, kind)
            return f"{wrong['key']}: {wrong['value']!r} is not {kind}"
    return message


def _with_underscores(argument: str) -> str:
    """--save-every is --save_every; values, also those after =, stay as they are."""
    name, equals, value = argument.partition("=")
    if not name.startswith("--") or name == "--dry-run":
        return argument
    name = "--" + name[2:].replace("-", "_")
    return ("--dry-run" if name == "--dry_run" else name) + equals + value


def _with_recipe(argv: list[str]) -> tuple[TrainConfig, list[str]]:
    """What the flags change, and the flags: the run's own config on --resume, the recipes given, or one that fits the machine.

    Raises:
        InputError: no such recipe, one that cannot be used, nothing to resume, or a flag that is given twice.
    """
    recipes, flags = _parted(argv)
    named = [flag.partition("=")[0] for flag in flags if flag.startswith("--")]
    if twice := [flag for flag in named if named.count(flag) > 1]:
        raise InputError(f"{twice[0]} is given twice; see stylemap train --help")
    if "--out=" in flags or ("--out", "") in pairwise(flags):  # of a variable that is not set
        raise InputError("--out needs a folder; without the flag it is the next free one in runs")
    configs = [Path(recipe) if Path(recipe).is_file() else _recipe(recipe) for recipe in recipes]
    if "--resume" in flags:
        configs.insert(0, _config_of_run(flags))
    elif not recipes and not {"-h", "--help"} & set(flags):
        if torch.cuda.is_available():
            foresight.note(
                "no --config given: taking the defaults, a long run at 256 px; --config NAME chooses another"
            )
        else:
            foresight.note(f"no GPU found: taking the recipe {RECIPE_WITHOUT_GPU}; --config NAME chooses another")
            configs = [_recipe(RECIPE_WITHOUT_GPU)]
    layers = [reading.read_yaml(config) for config in configs]
    if name := _value("--model.architecture", flags):
        architectures.find(name)
        layers.append({"model": {"architecture": name}})
    if "--resume" in flags:
        layers[0] = FORMERLY | layers[0]
    try:
        return architectures.train_config(reduce(_over, layers, {})), flags
    except InputError as err:
        raise InputError(f"{', '.join(map(str, configs))}: {err}") from err


def _over(settings: dict, others: dict) -> dict:
    """The settings with others laid over them. In a group, each setting is replaced by itself."""
    groups = {
        name: _over(settings[name], value)
        for name, value in others.items()
        if isinstance(value, dict) and isinstance(settings.get(name), dict)
    }
    return settings | others | groups


def _parted(argv: list[str]) -> tuple[list[str], list[str]]:
    """The values of --config, and all other arguments."""
    recipes, others, rest = [], [], iter(argv)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name != "--config":
            others.append(argument)
        elif value := value if equals else next(rest, ""):
            recipes.append(value)
        else:
            raise InputError("--config needs the name of a recipe, or a YAML file; see stylemap train --help")
    return recipes, others


def _recipe(name: str) -> Path:
    recipes = {p.stem: p for p in sorted(CONFIGS.glob("*.yaml"))}
    if name not in recipes:
        raise InputError(f"no recipe {quoted(name)}; give a YAML file or one of {', '.join(recipes)}")
    return recipes[name]


def _value(flag: str, argv: list[str]) -> str | None:
    """The value of a flag; None where it is not given."""
    given = dict(zip(argv, argv[1:], strict=False)) | dict(a.split("=", 1) for a in argv if a.startswith(f"{flag}="))
    return given.get(flag)


def _config_of_run(argv: list[str]) -> Path:
    out = _value("--out", argv)
    if out is None:
        raise InputError("--resume needs --out, the folder of the run to go on with")
    config = Path(out) / checkpoint.CONFIG_FILE
    if not config.is_file():
        raise InputError(f"{out} holds no run to resume ({checkpoint.CONFIG_FILE} is missing)")
    return config


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
            self._say(f"all {total} images are done already; to go on give more of them: --images {2 * total}")

    def advance(self, batch: int) -> None:
        self.seen += batch
        self.bar.update(batch)

    def tick(self, seen: int, values: dict[str, float]) -> None:
        shown = {
            "rec": "image_reconstruction",
            "G": "generator_adversarial",
            "D": "discriminator_real",
            "critic": "critic",
        }
        self.bar.set_postfix({short: f"{values[name]:.3f}" for short, name in shown.items() if name in values})
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
        told = False
        while not self.over.wait(WATCH_S):
            if self.stop.signal and not told:
                told = True
                self._say("saving, then leaving (again to leave at once)")
            if self.bar is not None and not self.bar.disable:
                self.bar.refresh()
            elif time.monotonic() - self.spoke >= QUIET_S:
                self._say(f"{self.seen:>9} images  {self._left()}" if self.bar is not None else "opening pictures")

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
