"""Checks for settings in frozen dataclasses. They may come from a file, so a value of the wrong kind must be refused."""

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from stylemap.errors import InputError, listed, quoted, shortened

LARGEST = 2**63 - 1  # whole number: torch counts in 64 bits
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", type(None): "null"}


class UnknownSettings(InputError):
    """Settings that this version does not know."""


def require(ok: bool, message: str) -> None:
    """Raise an InputError with the message unless ``ok``."""
    if not ok:
        raise InputError(message)


def flat(settings: dict, prefix: str = "") -> dict[str, Any]:
    """Settings by their whole names instead of in groups: ``{"optim": {"lr": 0.002}}`` -> ``{"optim.lr": 0.002}``."""
    values = {}
    for name, value in settings.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return values


def differences(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """The settings in which two configs differ, by their whole names: the value of each, None if it has none."""
    a, b = flat(asdict(before)), flat(asdict(after))
    return {name: (a.get(name), b.get(name)) for name in a | b if a.get(name) != b.get(name)}


@functools.cache
def names(cls: type, prefix: str = "") -> frozenset[str]:
    """The whole names of the settings of a dataclass, those in its groups included: "batch", "optim.lr"."""
    inner = {name: kind for name, kind in _kinds(cls).items() if is_dataclass(kind)}
    leaves = {f"{prefix}{name}" for name in _kinds(cls).keys() - inner.keys()}
    return frozenset(leaves.union(*(names(kind, f"{prefix}{name}.") for name, kind in inner.items())))


def check_kinds(config: Any, group: str = "") -> None:
    """Raise an InputError unless every field of a dataclass holds what its annotation says: ``Annotated[float, 0, 1]`` a number
    from 0 to 1.

    Args:
        group: what its settings are called before the dot, in the message.
    """
    for name, allows in _tests(type(config)).items():
        value = getattr(config, name)
        if not allows(value):
            where = f"{group}.{name}" if group else name
            raise InputError(f"{where}: {quoted(value)} is not {in_words(_kinds(type(config))[name])}")


def in_words(kind: Any) -> str:
    """What a value of an annotation is, for a message."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is Annotated:
        return "{} in {}..{}".format(in_words(kind.__origin__), *kind.__metadata__)
    if get_origin(kind) is UnionType:
        return " or ".join(map(in_words, get_args(kind)))
    return WORDS.get(kind, "a group of settings")


@functools.cache
def _kinds(config: type) -> dict[str, Any]:
    hints = get_type_hints(config, include_extras=True)
    return {f.name: hints[f.name] for f in fields(config)}


@functools.cache
def _tests(config: type) -> dict[str, Callable[[Any], bool]]:
    return {name: _test(kind) for name, kind in _kinds(config).items()}


def _test(kind: Any) -> Callable[[Any], bool]:
    """What tells whether a value is of a kind."""
    if get_origin(kind) is UnionType:
        tests = [_test(each) for each in get_args(kind)]
        return lambda value: any(test(value) for test in tests)
    if get_origin(kind) is Literal:
        allowed = get_args(kind)
        return lambda value: isinstance(value, str | int) and not isinstance(value, bool) and value in allowed
    if get_origin(kind) is Annotated:
        inner, (low, high) = _test(kind.__origin__), kind.__metadata__
        return lambda value: inner(value) and low <= value <= high
    if kind is int:
        return lambda value: type(value) is int and abs(value) <= LARGEST
    if kind is float:  # NaN is none
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if kind is str:  # a path with a zero byte is none
        return lambda value: isinstance(value, str) and "\0" not in value
    return lambda value: isinstance(value, kind)


def from_dict(cls: type, saved: Any, prefix: str = ""):
    """Rebuild a dataclass, with those in its fields, from what `dataclasses.asdict` gave. What is missing gets its default.

    Args:
        prefix: of the names in messages.

    Raises:
        InputError: an unknown name, or no mapping.
    """
    require(isinstance(saved, dict), f"{prefix.rstrip('.') or 'it'} is {quoted(saved)}, not a group of settings")
    kinds = _kinds(cls)
    if unknown := sorted(f"{prefix}{shortened(str(name))}" for name in saved.keys() - kinds.keys()):
        raise UnknownSettings(
            f"unknown settings {listed(unknown, 3)}; are they misspelled, or of a newer version of stylemap?"
        )
    values = {
        name: from_dict(kinds[name], value, f"{prefix}{name}.") if is_dataclass(kinds[name]) else value
        for name, value in saved.items()
    }
    return cls(**values)
