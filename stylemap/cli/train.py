"""``stylemap train``: every field of `TrainConfig` is a flag; values come from a recipe, then from the command line."""

import os
import re
import signal
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path
from types import FrameType

import torch
import yaml
from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser, set_parsing_settings
from tqdm import tqdm

from stylemap.cli import foresight
from stylemap.config import TrainConfig
from stylemap.errors import InputError
from stylemap.resources import CONFIGS
from stylemap.training import distributed, loop

RECIPE_WITHOUT_GPU = "photos64"  # the defaults of TrainConfig are made for a GPU
RUNS = Path("runs")
REPEATS_S = 5.0
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
FORMERLY = {"augment": ["--augment.mode", "none"], "speed": ["--speed.precision", "float32"]}


def main(argv: list[str]) -> int:
    config, out, resume, dry_run = parse(argv)
    if dry_run:
        if distributed.speaks():
            print(yaml.safe_dump(asdict(config), sort_keys=False), end="", flush=True)
            foresight.foresee(config, out, resume)
        return 0
    if out is None and distributed.launched():
        raise InputError("torchrun needs --out, the same folder for all processes")
    return run(config, out or next_run(config.data), resume)


def run(config: TrainConfig, out: Path, resume: bool) -> int:
    """Train under a progress bar until done or stopped by a signal. Returns the exit code."""
    if not distributed.speaks():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
    print(f"training on {config.data} into {out}: {foresight.parameters(config)}", flush=True)
    progress = Progress()
    try:
        with Stop() as stop:
            seen = loop.train(config, out, resume, progress, stop)
    except torch.OutOfMemoryError as err:
        raise InputError(
            "the device is out of memory; lower --batch-gpu, take --speed.checkpointing true, or free the device"
        ) from err
    except RuntimeError as err:
        if "DataLoader worker" not in str(err):  # torch has no class of its own for it
            raise
        raise InputError(
            f"a loading process was killed (out of memory?); go on with --out {out} --resume and fewer --workers"
        ) from err
    finally:
        progress.close()
    if stop.signal:
        print(f"stopped after {seen} images; to go on: stylemap train --out {out} --resume")
        return 128 + stop.signal
    print(f"{out / 'weights.safetensors'}  ({seen} images)")
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
    )
    parser.add_argument(
        "--config", action=ActionConfigFile, help="a recipe: the name of one in configs/, or a YAML file"
    )
    parser.add_argument("--out", type=str, help="folder of the run; default: the next free runs/<number>-<data>")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, exactly where it was")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved config and what it will take, train nothing"
    )
    parser.add_class_arguments(TrainConfig)
    argv = _with_recipe([_with_underscores(argument) for argument in argv])
    try:
        arguments = parser.instantiate(parser.parse_args(argv))
    except ArgumentError as err:
        recipes = _parted(argv)[0]
        where = f" (flags, or {', '.join(recipes)})" if recipes else ""
        raise InputError(f"{_plain(str(err))}{where}; see stylemap train --help") from err
    config = TrainConfig(**{f.name: getattr(arguments, f.name) for f in fields(TrainConfig)})
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


def _with_recipe(argv: list[str]) -> list[str]:
    """The arguments with recipes first, so that flags win wherever they stand: the run's own recipe on --resume, those given, or
    one that fits the machine.

    Raises:
        InputError: no such recipe, nothing to resume, or a flag that is given twice.
    """
    recipes, flags = _parted(argv)
    named = [flag.partition("=")[0] for flag in flags if flag.startswith("--")]
    if twice := [flag for flag in named if named.count(flag) > 1]:
        raise InputError(f"{twice[0]} is given twice; see stylemap train --help")
    recipes = [recipe if Path(recipe).is_file() else str(_recipe(recipe)) for recipe in recipes]
    before: list[str] = []
    if "--resume" in flags:
        own = _config_of_run(flags)
        before = ["--config", str(own), *_as_before(own)]
    elif not recipes and not {"-h", "--help"} & set(flags):
        if torch.cuda.is_available():
            foresight.note(
                "no --config given: taking the defaults, a long run at 256 px; --config NAME chooses another"
            )
        else:
            foresight.note(f"no GPU found: taking the recipe {RECIPE_WITHOUT_GPU}; --config NAME chooses another")
            recipes = [str(_recipe(RECIPE_WITHOUT_GPU))]
    return [*before, *(part for recipe in recipes for part in ("--config", recipe)), *flags]


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


def _as_before(config: Path) -> list[str]:
    """Flags for a run from before these settings were there, so that it goes on as it was."""
    known = yaml.safe_load(config.read_text()) or {}
    return [part for group, flags in FORMERLY.items() if group not in known for part in flags]


def _recipe(name: str) -> Path:
    recipes = {p.stem: p for p in sorted(CONFIGS.glob("*.yaml"))}
    if name not in recipes:
        raise InputError(f"no recipe {name!r}; give a YAML file or one of {', '.join(recipes)}")
    return recipes[name]


def _config_of_run(argv: list[str]) -> Path:
    given = dict(zip(argv, argv[1:], strict=False)) | dict(a.split("=", 1) for a in argv if a.startswith("--out="))
    if "--out" not in given:
        raise InputError("--resume needs --out, the folder of the run to go on with")
    config = Path(given["--out"]) / loop.CONFIG_FILE
    if not config.is_file():
        raise InputError(f"{given['--out']} holds no run to resume ({loop.CONFIG_FILE} is missing)")
    return config


def next_run(data: str) -> Path:
    """runs/00000-avatars, runs/00001-photos ..."""
    taken = [int(p.name[:5]) for p in RUNS.glob("[0-9][0-9][0-9][0-9][0-9]-*")]
    return RUNS / f"{max(taken, default=-1) + 1:05d}-{Path(data).stem or 'data'}"


class Progress(loop.Observer):
    """A bar on a terminal, and everywhere a line per tick."""

    bar: tqdm | None = None

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def start(self, seen: int, total: int) -> None:
        self.bar = tqdm(total=total, initial=seen, unit="img", disable=None, dynamic_ncols=True, smoothing=0.05)
        if seen >= total:
            self.bar.write(f"all {total} images are done already; to go on give more of them: --images {2 * total}")

    def advance(self, batch: int) -> None:
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
        self.bar.write(line)

    def alarm(self, text: str) -> None:
        self.bar.write(f"alarm: {text}")


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
        self.signal, self.noted = number, time.monotonic()
        if not distributed.launched():
            self.__exit__()
        print("\nsaving, then leaving (again to leave at once)", flush=True)
