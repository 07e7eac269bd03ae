"""Documents as typed dataclasses: the annotation of a field says what its value must be, and one reader checks all of them.

A field is a number, text, true or false, a `Literal`, a tuple, another dataclass, or one of these ``| None``. `Range`, `Most`
and `Rule` in an ``Annotated`` limit it. A dataclass calls `validate` in its ``__post_init__``, so documents and Python programs
meet the same check. The editor's page reads the same limits as JSON Schema.
"""

import functools
import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from stylemap.errors import InputError, shortened

Hooks = Mapping[
    type, Callable[[Any, str], Any]
]  # type -> reader of a JSON value at a path, for types that JSON does not have
JSON_TYPES = {
    float: ("number", "a number"),
    int: ("integer", "a whole number"),
    bool: ("boolean", "true or false"),
    str: ("string", "text"),
    dict: ("object", "an object with names"),
}


@dataclass(frozen=True)
class Range:
    """A number from ``least`` to ``most``; both are allowed."""

    least: float
    most: float

    def check(self, value: float, path: str) -> None:
        if value < self.least:
            refuse(path, f"must be at least {self.least:g}")
        if value > self.most:
            refuse(path, f"must be at most {self.most:g}")


@dataclass(frozen=True)
class Most:
    """Items of a list, or characters of a text."""

    count: int

    def check(self, value: Any, path: str) -> None:
        if isinstance(value, str) and len(value) > self.count:
            refuse(path, f"must have at most {self.count} characters")
        if isinstance(value, list | tuple) and len(value) > self.count:
            refuse(path, f"must hold at most {self.count}")


@dataclass(frozen=True)
class Rule:
    """What the items of a value must be together; ``text`` follows the path in the message."""

    holds: Callable[[Any], bool]
    text: str

    def check(self, value: Any, path: str) -> None:
        if not self.holds(value):
            refuse(path, self.text)


def inline(kind: type) -> Any:
    """A field that holds a dataclass whose fields stand in the document beside the others."""
    return field(default_factory=kind, metadata={"inline": True})


def refuse(path: str, text: str) -> NoReturn:
    raise InputError(f"{path or 'the document'} {text}")


def parse(kind: Any, value: Any, path: str = "", hooks: Hooks | None = None) -> Any:
    """A value of a JSON document as its annotation says: lists become tuples and objects become dataclasses.

    Args:
        path: of the value in the document, such as "patches.0.scale".
        hooks: read what JSON holds in another form, such as masks.

    Raises:
        InputError: the path of the first value that does not fit, and what it must be.
    """
    hooks = hooks or {}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        for limit in kind.__metadata__:
            if isinstance(limit, Most):
                limit.check(value, path)  # first: what is too long is not read
        value = parse(arguments[0], value, path, hooks)
        for limit in kind.__metadata__:
            limit.check(value, path)
        return value
    if origin in (Union, UnionType):
        return None if value is None else parse(_without_none(kind), value, path, hooks)
    if kind in hooks:
        return hooks[kind](value, path)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            refuse(path, f"must be {' or '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _parse_items(arguments, value, path, hooks)
    if is_dataclass(kind) and not isinstance(value, kind):
        return _parse_object(kind, value, path, hooks)
    if not _is(value, kind):
        refuse(path, f"must be {JSON_TYPES[kind][1] if kind in JSON_TYPES else f'a {kind.__name__}'}")
    return float(value) if kind is float else value


def validate(document: Any) -> None:
    """Check the fields of a dataclass.

    Raises:
        InputError: as `parse`.
    """
    for name, kind in _kinds(type(document)).items():
        parse(kind, getattr(document, name), name)


def to_json(document: Any, hooks: Mapping[type, Callable[[Any], Any]]) -> dict:
    """A dataclass as `parse` reads it.

    Args:
        hooks: write what JSON does not have.
    """
    values = {}
    for f in fields(document):
        value = getattr(document, f.name)
        if _is_inline(f):
            values |= to_json(value, hooks)
        else:
            values[f.name] = _json_value(value, hooks)
    return values


def json_schema(kind: Any, hooks: Mapping[type, dict]) -> dict:
    """JSON Schema of an annotation: types, limits, defaults and names, so that the page has none of its own.

    Args:
        hooks: the schema of what JSON does not have.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        schema = json_schema(arguments[0], hooks)
        for limit in kind.__metadata__:
            if isinstance(limit, Range):
                schema |= {"minimum": limit.least, "maximum": limit.most}
            elif isinstance(limit, Most):
                schema["maxItems" if schema["type"] == "array" else "maxLength"] = limit.count
        return schema
    if origin in (Union, UnionType):
        return {"anyOf": [json_schema(_without_none(kind), hooks), {"type": "null"}]}
    if kind in hooks:
        return dict(hooks[kind])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        length = {} if arguments[-1] is Ellipsis else {"minItems": len(arguments), "maxItems": len(arguments)}
        return {"type": "array", "items": json_schema(arguments[0], hooks), **length}
    if not is_dataclass(kind):
        return {"type": JSON_TYPES[kind][0]}
    properties, required = {}, []
    for f in fields(kind):
        schema = json_schema(_kinds(kind)[f.name], hooks)
        if _is_inline(f):
            properties |= schema["properties"]
        elif _is_required(f):
            properties[f.name] = schema
            required.append(f.name)
        else:
            properties[f.name] = schema | {
                "default": f.default if f.default_factory is MISSING else f.default_factory()
            }
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _parse_items(kinds: tuple, value: Any, path: str, hooks: Hooks) -> tuple:
    if not isinstance(value, list | tuple):
        refuse(path, "must be a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) > len(kinds):
        refuse(path, f"must hold at most {len(kinds)}")
    if len(value) < len(kinds):
        refuse(f"{path}.{len(value)}", "is missing")
    return tuple(parse(k, item, f"{path}.{i}", hooks) for i, (k, item) in enumerate(zip(kinds, value, strict=True)))


def _parse_object(cls: type, value: Any, path: str, hooks: Hooks) -> Any:
    if not isinstance(value, dict):
        refuse(path, "must be an object with names")
    prefix = f"{path}." if path else ""
    left, values = dict(value), {}
    for f in fields(cls):
        kind = _kinds(cls)[f.name]
        if _is_inline(f):
            part = {inner.name: left.pop(inner.name) for inner in fields(kind) if inner.name in left}
            values[f.name] = _parse_object(kind, part, path, hooks)
        elif f.name in left:
            values[f.name] = parse(kind, left.pop(f.name), f"{prefix}{f.name}", hooks)
        elif _is_required(f):
            refuse(f"{prefix}{f.name}", "is missing")
    for name in left:
        refuse(f"{prefix}{shortened(name)}", "is not known here")
    try:
        return cls(**values)
    except InputError as err:  # of the fields together
        raise InputError(f"{path}: {err}" if path else str(err)) from err


def _json_value(value: Any, hooks: Mapping[type, Callable[[Any], Any]]) -> Any:
    for kind, write in hooks.items():
        if isinstance(value, kind):
            return write(value)
    if isinstance(value, tuple):
        return [_json_value(item, hooks) for item in value]
    return to_json(value, hooks) if is_dataclass(value) else value


@functools.cache
def _kinds(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _is_required(f: Field) -> bool:
    return f.default is MISSING and f.default_factory is MISSING


def _is_inline(f: Field) -> bool:
    return f.metadata.get("inline", False)


def _without_none(kind: Any) -> Any:
    (only,) = (k for k in get_args(kind) if k is not NoneType)
    return only


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float):  # True is an int in Python; NaN and infinities are no numbers of JSON
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool) and (kind is int or math.isfinite(value))
    return isinstance(value, kind)
