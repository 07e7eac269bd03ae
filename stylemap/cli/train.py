"""``stylemap train``: every setting of `TrainConfig` is a flag. A config is made of layers: defaults, recipes, flags."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass
from functools import cache, partial, reduce
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import docstring_parser

from stylemap import architectures, reading
from stylemap.architectures import ARCHITECTURES, DEFAULT
from stylemap.cli.parsing import Parser
from stylemap.cli.values import FORMS, refuse
from stylemap.config import TrainConfig
from stylemap.errors import InputError, listed, quoted
from stylemap.resources import CONFIGS
from stylemap.schema import flat, in_words, names

RECIPE_WITHOUT_GPU = "photos64"  # the defaults of TrainConfig are made for a GPU
COMMON = (
    "--data", "--config", "--out", "--resume", "--dry-run", "--images", "--batch", "--batch-gpu", "--heldout", "--init-from",
    "--model.resolution", "--model.stylemap-size", "--augment.mode", "--seed", "--device",
)  # fmt: skip


def train(parser: Parser) -> None:
    """Train generator, discriminator and encoder. Settings come from a recipe, and flags override it. Without --config, a machine
    without a GPU takes the recipe photos64. docs/training.md helps to choose."""
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="RECIPE",
        help=f"Recipe: a YAML file, or one of {', '.join(sorted(path.stem for path in CONFIGS.glob('*.yaml')))}. May be given "
        "several times; a later one wins.",
    )
    parser.add_argument("--out", metavar="FOLDER", help="Folder of the run. Default: the next free runs/NUMBER-DATA.")
    parser.add_argument("--resume", action="store_true", help="Continue the run in --out from its last state.")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Print the whole config, and the memory and time that the run needs. Train nothing.",
    )
    add_settings(parser)
    parser.show_common(*COMMON)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from stylemap.cli import foresight, running
    from stylemap.training import distributed

    config, out = configured(arguments)
    if arguments.dry_run:
        if distributed.speaks():
            print(reading.to_yaml(asdict(config)), end="", flush=True)
            foresight.foresee(config, out, arguments.resume)
        return 0
    try:
        str(out).encode()
    except UnicodeEncodeError as err:  # TensorBoard cannot write there
        raise InputError(f"--out {out} is not a name in UTF-8; choose another") from err
    if out is None and distributed.launched():
        raise InputError("torchrun needs --out, the same folder for all processes")
    if out is not None:
        return running.train(config, out, arguments.resume)
    with running.next_run(config.data) as out:
        return running.train(config, out, arguments.resume)


# ---- layers


def configured(arguments: argparse.Namespace) -> tuple[TrainConfig, Path | None]:
    """The config that the flags ask for, and the folder of the run.

    Raises:
        InputError: no such recipe, one that cannot be used, nothing to resume, or values that do not fit together.
    """
    if arguments.out == "":  # of a variable that is not set
        raise InputError("--out needs a folder; without the flag it is the next free one in runs")
    out = None if arguments.out is None else Path(arguments.out)
    if arguments.resume and out is None:
        raise InputError("--resume needs --out, the folder of the run to go on with")
    recipes = arguments.config or ([] if arguments.resume else default_recipes())
    changes = given_settings(arguments)
    if changes.get("init_from") and not arguments.config and not arguments.resume:
        changes = merged(networks_of(changes["init_from"]), changes)
    return resolve(recipes, out if arguments.resume else None, changes), out


def default_recipes() -> list[str]:
    """What fits the machine, which a line tells of."""
    import torch

    from stylemap.cli import foresight

    if torch.cuda.is_available():
        foresight.note("no --config given: taking the defaults, a long run at 256 px; --config NAME chooses another")
        return []
    foresight.note(f"no GPU found: taking the recipe {RECIPE_WITHOUT_GPU}; --config NAME chooses another")
    return [RECIPE_WITHOUT_GPU]


def networks_of(weights: str) -> dict:
    """The networks that a run begins with, as settings, which a line tells of."""
    from stylemap import checkpoint
    from stylemap.cli import foresight

    foresight.note(f"no --config given: taking the networks of {weights}; --model.* changes them")
    return {"model": asdict(checkpoint.read_config(weights))}


def resolve(recipes: list[str], run: Path | None = None, changes: dict | None = None) -> TrainConfig:
    """Defaults, under the config of a run to go on with, under recipes, under changes.

    Args:
        changes: settings, nested as in a recipe.

    Raises:
        InputError: no such recipe or run, or settings that cannot be used.
    """
    paths = [*([config_of_run(run)] if run else []), *map(find_recipe, recipes)]
    layers = [reading.read_yaml(path) for path in paths]
    given = reduce(merged, [*layers, changes or {}], {})
    try:
        config = architectures.train_config(given)
    except InputError as err:
        try:
            architectures.train_config(reduce(merged, layers, {}))
        except InputError as own:
            raise InputError(f"{', '.join(map(str, paths))}: {own}") from own
        raise InputError(f"{err}; see stylemap train --help-all") from err
    if run and (missing := sorted(names(type(config)) - flat(given).keys())):
        # a default may differ from what the run was trained with
        raise InputError(f"{paths[0]} lacks {listed(missing, 3)}; restore the file, or give these as flags")
    return config


def merged(settings: dict, others: dict) -> dict:
    """The settings with others laid over them. In a group, each setting is replaced by itself."""
    groups = {
        name: merged(settings[name], value)
        for name, value in others.items()
        if isinstance(value, dict) and isinstance(settings.get(name), dict)
    }
    return settings | others | groups


def find_recipe(name: str) -> Path:
    if not name:
        raise InputError("--config needs the name of a recipe, or a YAML file; see stylemap train --help")
    if Path(name).is_file():
        return Path(name)
    recipes = {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}
    if name not in recipes:
        raise InputError(f"no recipe {quoted(name)}; give a YAML file or one of {', '.join(recipes)}")
    return recipes[name]


def config_of_run(folder: Path) -> Path:
    from stylemap import checkpoint

    config = folder / checkpoint.CONFIG_FILE
    if not config.is_file():
        raise InputError(f"{folder} holds no run to resume ({checkpoint.CONFIG_FILE} is missing)")
    return config


# ---- settings as flags

METAVARS = {int: "N", float: "X", bool: "true|false", str: "TEXT", NoneType: "null"}


class Setting(NamedTuple):
    """A field of a config, which is a flag."""

    name: str  # as in optim.r1_gamma
    kind: Any  # its annotation
    default: Any
    help: str


def add_settings(parser: Parser) -> None:
    """A flag for every setting of every architecture, a group of flags for each group of settings."""
    declared: dict[str, dict[str, Setting]] = {}  # name -> by architecture
    for architecture in ARCHITECTURES:
        for setting in settings(architectures.find(architecture).training):
            declared.setdefault(setting.name, {})[architecture] = setting
    groups = {"": parser.add_group("training")}
    for name, owners in declared.items():
        prefix = name.rpartition(".")[0]
        if prefix not in groups:
            groups[prefix] = parser.add_group(f"--{prefix}.*")
        setting = max(owners.values(), key=lambda setting: len(get_args(setting.kind)))
        kind = Literal[tuple(ARCHITECTURES)] if name == "model.architecture" else setting.kind
        only = "" if DEFAULT in owners else f"Only for {' and '.join(owners)}. "
        groups[prefix].add_argument(
            "--" + name.replace("_", "-"),
            dest=name,
            default=argparse.SUPPRESS,
            type=partial(parse, kind=kind),
            metavar="|".join("|".join(get_args(kind)) or METAVARS[kind] for kind in alternatives(kind)),
            help=f"{only}{setting.help} (default: {reading.to_yaml(setting.default).splitlines()[0]})",
        )


docstring = cache(docstring_parser.parse_from_object)  # it parses a whole file, and architectures share their settings


def settings(config: type, prefix: str = "") -> Iterator[Setting]:
    """The fields of a config and of the configs in it. The help of each is the docstring below it."""
    documented = [docstring(base) for base in reversed(config.__mro__) if is_dataclass(base)]
    texts = {param.arg_name: param.description for doc in documented for param in doc.params if param.description}
    kinds = get_type_hints(config)
    for field in fields(config):
        kind = kinds[field.name]
        if is_dataclass(kind):
            yield from settings(kind, f"{prefix}{field.name}.")
        else:
            yield Setting(prefix + field.name, kind, field.default, " ".join(texts.get(field.name, "").split()))


def alternatives(kind: Any) -> tuple:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def parse(text: str, kind: Any) -> Any:
    """The value that a text is, by the annotation of its field.

    Raises:
        argparse.ArgumentTypeError: the text is of another kind.
    """
    if text == "null" and NoneType in alternatives(kind):
        return None
    for one in alternatives(kind):
        if one is bool and text in ("true", "false"):
            return text == "true"
        if one in FORMS and re.fullmatch(FORMS[one], text):
            return one(text)
        if one is str or (get_origin(one) is Literal and text in get_args(one)):
            return text
    return refuse(text, in_words(kind))


def given_settings(arguments: argparse.Namespace) -> dict:
    """The settings that flags give, in groups as in a recipe."""
    known = frozenset().union(*(names(architectures.find(name).training) for name in ARCHITECTURES))
    nested: dict = {}
    for name in known & vars(arguments).keys():
        *groups, last = name.split(".")
        reduce(lambda group, inner: group.setdefault(inner, {}), groups, nested)[last] = getattr(arguments, name)
    return nested
