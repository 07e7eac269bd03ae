"""Typed dataclasses that a file, a request or a program fills: settings, faces, edits, headers. One reader checks all of them.

The annotation of a field says what its value must be: a number, text, true or false, a `Literal`, a tuple, a class, another
dataclass, or one of these ``| None``. `Range`, `Most` and `Rule` in an ``Annotated`` limit it. A dataclass calls `validate` in
its ``__post_init__``, so files and Python programs meet the same check. The editor's page reads the limits as JSON Schema.
"""

import functools
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from stylemap.errors import InputError, listed, quoted, shortened

# type -> reader of a value at a path, for types that JSON does not have
Hooks = Mapping[type, Callable[[Any, str], Any]]
NO_HOOKS: Hooks = MappingProxyType({})

LARGEST = 2**63 - 1  # whole number: torch counts in 64 bits
REAL, WHOLE = (float, int, numbers.Real), (int, numbers.Integral)  # the usual ones first, which is faster
A_TEXT = "a text"
TYPES = {  # in JSON, and in words
    float: ("number", "a number"),
    int: ("integer", "a whole number"),
    bool: ("boolean", "true or false"),
    str: ("string", A_TEXT),
    dict: ("object", "a group of settings"),
}


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``, which belong to it, or between ``above`` and ``below``, which do not."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def allows(self, value: float) -> bool:
        return self.least <= value <= self.most and self.above < value < self.below

    def describe(self, kind: str) -> str:
        bounds = {"from": self.least, "above": self.above, "to": self.most, "below": self.below}
        return " ".join([kind, *(f"{word} {bound:.12g}" for word, bound in bounds.items() if math.isfinite(bound))])

    @property
    def json(self) -> dict[str, float]:
        names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        bounds = zip(names, (self.least, self.most, self.above, self.below), strict=True)
        return {name: bound for name, bound in bounds if math.isfinite(bound)}


@dataclass(frozen=True)
class Most:
    """Items of a list, or characters of a text."""

    count: int

    def allows(self, value: Any) -> bool:
        return not isinstance(value, str | list | tuple) or len(value) <= self.count

    def describe(self, kind: str) -> str:
        return f"{kind} of at most {self.count}{' characters' * (kind == A_TEXT)}"


@dataclass(frozen=True)
class Rule:
    """What the items of a value must be together, and how a message says it."""

    allows: Callable[[Any], bool]
    text: str

    def describe(self, kind: str) -> str:
        return self.text


class UnknownSettings(InputError):
    """Settings that this version does not know."""


def inline(kind: type) -> Any:
    """A field that holds a dataclass whose fields stand in the document beside the others."""
    return field(default_factory=kind, metadata={"inline": True})


def refuse(path: str, text: str) -> NoReturn:
    raise InputError(f"{path or 'the document'} {text}")


def require(ok: bool, message: str) -> None:
    """Raise an InputError with the message unless ``ok``."""
    if not ok:
        raise InputError(message)


# ---- reading and checking


def parse(kind: Any, value: Any, path: str = "", hooks: Hooks = NO_HOOKS) -> Any:
    """A value of a document as its annotation says: lists become tuples and objects become dataclasses.

    Args:
        path: of the value in the document, such as "patches.0.scale".
        hooks: read what JSON holds in another form, such as masks.

    Raises:
        UnknownSettings: a name that the document should not have.
        InputError: the path of the first value that does not fit, and what it must be.
    """
    kind = Kind.of(kind)
    base = kind.base
    if value is None and kind.optional:
        return None
    for limit in kind.limits:
        if isinstance(limit, Most) and not limit.allows(value):
            _misfit(kind, value, path)  # before its items are read
    if base in hooks:
        value = hooks[base](value, path)
    elif base is tuple:
        if not isinstance(value, list | tuple) or (kind.length or len(value)) != len(value):
            _misfit(kind, value, path)
        value = tuple(parse(kind.item(i), item, f"{path}.{i}", hooks) for i, item in enumerate(value))
    elif isinstance(value, dict) and is_dataclass(base):
        value = _parse_object(base, value, path, hooks)
    elif not kind.fits(value):
        _misfit(kind, value, path)
    elif (base is float or base is int) and not isinstance(value, int | float):
        value = base(value)  # of another library, such as numpy
    for limit in kind.limits:
        if not limit.allows(value):
            _misfit(kind, value, path)
    return value


def validate(document: Any, group: str = "") -> None:
    """Check the fields of a dataclass; what fits in another form, as a list for a tuple, is converted.

    Args:
        group: what stands before the dot in messages: "optim" for "optim.lr".

    Raises:
        InputError: as `parse`.
    """
    for name, kind in _kinds(type(document)).items():
        value = getattr(document, name)
        parsed = parse(kind, value, f"{group}.{name}" if group else name)
        if parsed is not value:
            object.__setattr__(document, name, parsed)  # it is frozen for everybody else


def in_words(kind: Any) -> str:
    """What a value of an annotation is, for a message."""
    kind = Kind.of(kind)
    if kind.base is Literal:
        words = f"one of {', '.join(map(str, kind.arguments))}"
    elif kind.base is tuple:
        words = f"a list of {kind.length}" if kind.length else "a list"
    elif is_dataclass(kind.base):
        words = TYPES[dict][1]
    else:
        words = TYPES[kind.base][1] if kind.base in TYPES else f"a {kind.base.__name__}"
    for limit in kind.limits:
        words = limit.describe(words)
    return words + " or null" * kind.optional


def _misfit(kind: "Kind", value: Any, path: str) -> NoReturn:
    refuse(path, f"must be {in_words(kind)}, not {quoted(value)}")


def _parse_object(cls: type, document: dict, path: str, hooks: Hooks) -> Any:
    prefix = f"{path}." if path else ""
    left, values = dict(document), {}
    for f in fields(cls):
        kind = _kinds(cls)[f.name]
        if _is_inline(f):
            part = {inner: left.pop(inner) for inner in _kinds(kind.base) if inner in left}
            values[f.name] = _parse_object(kind.base, part, path, hooks)
        elif f.name in left:
            values[f.name] = parse(kind, left.pop(f.name), f"{prefix}{f.name}", hooks)
        elif f.default is MISSING and f.default_factory is MISSING:
            refuse(f"{prefix}{f.name}", "is missing")
    if left:
        unknown = sorted(f"{prefix}{shortened(str(name))}" for name in left)
        raise UnknownSettings(
            f"unknown settings {listed(unknown, 3)}; are they misspelled, or of a newer version of stylemap?"
        )
    return cls(**values)


@dataclass(frozen=True, eq=False)
class Kind:
    """An annotation, taken apart."""

    base: Any  # Literal, tuple, or the class of a value
    arguments: tuple  # of a Literal or tuple
    limits: tuple
    optional: bool  # None is a value too

    @classmethod
    def of(cls, annotation: Any) -> "Kind":
        if isinstance(annotation, Kind):
            return annotation
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            (only,) = (argument for argument in arguments if argument is not NoneType)
            return replace(cls.of(only), optional=True)
        if origin is Annotated:
            return replace(cls.of(arguments[0]), limits=arguments[1:])
        if origin is tuple:
            arguments = tuple(each if each is Ellipsis else cls.of(each) for each in arguments)
        return cls(origin or annotation, arguments, (), False)

    @property
    def length(self) -> int | None:
        """Of a tuple; None: any."""
        return None if self.arguments[-1] is Ellipsis else len(self.arguments)

    def item(self, i: int) -> "Kind":
        return self.arguments[i if self.length else 0]

    def fits(self, value: Any) -> bool:
        """Whether a value is of the type, whatever the limits."""
        if self.base is Literal:
            return isinstance(value, str | int) and not isinstance(value, bool) and value in self.arguments
        if self.base is float:  # neither NaN nor infinite; True is a number in Python
            return isinstance(value, REAL) and not isinstance(value, bool) and abs(value) < math.inf
        if self.base is int:
            return isinstance(value, WHOLE) and not isinstance(value, bool) and abs(value) <= LARGEST
        return isinstance(value, self.base) and not (self.base is str and "\0" in value)  # no path has a zero byte


@functools.cache
def _kinds(cls: type) -> dict[str, Kind]:
    hints = get_type_hints(cls, include_extras=True)
    return {f.name: Kind.of(hints[f.name]) for f in fields(cls)}


def _is_inline(f: Field) -> bool:
    return f.metadata.get("inline", False)


# ---- writing


def to_json(value: Any, hooks: Mapping[type, Callable[[Any], Any]]) -> Any:
    """A dataclass as `parse` reads it.

    Args:
        hooks: write what JSON does not have.
    """
    for kind, write in hooks.items():
        if isinstance(value, kind):
            return write(value)
    if isinstance(value, tuple):
        return [to_json(item, hooks) for item in value]
    if not is_dataclass(value):
        return value
    document = {}
    for f in fields(value):
        item = to_json(getattr(value, f.name), hooks)
        document |= item if _is_inline(f) else {f.name: item}
    return document


def json_schema(kind: Any, hooks: Mapping[type, dict]) -> dict:
    """JSON Schema of an annotation: types, limits, defaults and names, so that the page has none of its own.

    Args:
        hooks: the schema of what JSON does not have.
    """
    kind = Kind.of(kind)
    if kind.base in hooks:
        schema = dict(hooks[kind.base])
    elif kind.base is Literal:
        schema = {"enum": list(kind.arguments)}
    elif kind.base is tuple:
        length = {"minItems": kind.length, "maxItems": kind.length} if kind.length else {}
        schema = {"type": "array", "items": json_schema(kind.item(0), hooks), **length}
    elif is_dataclass(kind.base):
        schema = _object_schema(kind.base, hooks)
    else:
        schema = {"type": TYPES[kind.base][0]}
    for limit in kind.limits:
        if isinstance(limit, Range):
            schema |= limit.json
        elif isinstance(limit, Most):
            schema["maxItems" if kind.base is tuple else "maxLength"] = limit.count
    return {"anyOf": [schema, {"type": "null"}]} if kind.optional else schema


def _object_schema(cls: type, hooks: Mapping[type, dict]) -> dict:
    properties, required = {}, []
    for f in fields(cls):
        schema = json_schema(_kinds(cls)[f.name], hooks)
        if _is_inline(f):
            properties |= schema["properties"]
            continue
        if f.default is not MISSING:
            schema["default"] = f.default
        elif f.default_factory is not MISSING:
            schema["default"] = f.default_factory()
        else:
            required.append(f.name)
        properties[f.name] = schema
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


# ---- settings in groups


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
    inner = {name: kind.base for name, kind in _kinds(cls).items() if is_dataclass(kind.base)}
    leaves = {f"{prefix}{name}" for name in _kinds(cls).keys() - inner.keys()}
    return frozenset(leaves.union(*(names(kind, f"{prefix}{name}.") for name, kind in inner.items())))
