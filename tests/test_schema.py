"""Documents: what their annotations say is checked, from JSON and from Python, and a message names the place."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pytest

from stylemap import InputError
from stylemap.schema import Most, Range, Rule, inline, json_schema, parse, to_json, validate

DOUBT = "are they misspelled, or of a newer version of stylemap?"


@dataclass(frozen=True)
class Place:
    at: tuple[float, float] = (0.0, 0.0)
    turned: bool = False

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class Part:
    size: Annotated[int, Range(1, 9)]
    place: Place = inline(Place)
    kind: Literal["a", "b"] = "a"
    note: Annotated[str, Most(3)] | None = None
    ends: Annotated[tuple[int, int], Rule(lambda x: x[0] < x[1], "two numbers that rise")] = (0, 1)

    def __post_init__(self):
        validate(self)


@dataclass(frozen=True)
class Whole:
    parts: Annotated[tuple[Part, ...], Most(2)] = ()
    marks: dict = field(default_factory=dict)

    def __post_init__(self):
        validate(self)
        if len(self.parts) == 1 and self.parts[0].size == 9:
            raise InputError("a part of 9 needs another")


def test_json_becomes_dataclasses_and_back():
    document = {"parts": [{"size": 3, "at": [1, 2.5], "note": "xyz"}, {"size": 9, "turned": True}], "marks": {"k": [1]}}
    whole = parse(Whole, document)
    assert whole == Whole((Part(3, Place((1.0, 2.5)), note="xyz"), Part(9, Place(turned=True))), {"k": [1]})
    assert parse(Whole, to_json(whole, {})) == whole
    assert set(to_json(whole, {})["parts"][0]) == {"size", "at", "turned", "kind", "note", "ends"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the document must be a group of settings, not []"),
        ({"more": 1}, f"unknown settings more; {DOUBT}"),
        ({"parts": 1}, "parts must be a list of at most 2, not 1"),
        (
            {"parts": [{"size": 1}] * 3},
            "parts must be a list of at most 2, not [{'size': 1}, {'size': 1}, {'size': 1}]",
        ),
        ({"parts": [{}]}, "parts.0.size is missing"),
        ({"parts": [{"size": 1}, {"size": 1.0}]}, "parts.1.size must be a whole number from 1 to 9, not 1.0"),
        ({"parts": [{"size": True}]}, "parts.0.size must be a whole number from 1 to 9, not True"),
        ({"parts": [{"size": 0}]}, "parts.0.size must be a whole number from 1 to 9, not 0"),
        ({"parts": [{"size": 10}]}, "parts.0.size must be a whole number from 1 to 9, not 10"),
        ({"parts": [{"size": 9}]}, "a part of 9 needs another"),
        (
            {"parts": [{"size": 1, "place": {}}]},
            f"unknown settings parts.0.place; {DOUBT}",
        ),
        ({"parts": [{"size": 1, "at": [1]}]}, "parts.0.at must be a list of 2, not [1]"),
        ({"parts": [{"size": 1, "at": [1, 2, 3]}]}, "parts.0.at must be a list of 2, not [1, 2, 3]"),
        ({"parts": [{"size": 1, "at": [1, float("nan")]}]}, "parts.0.at.1 must be a number, not nan"),
        ({"parts": [{"size": 1, "turned": 1}]}, "parts.0.turned must be true or false, not 1"),
        ({"parts": [{"size": 1, "kind": "c"}]}, "parts.0.kind must be one of a, b, not 'c'"),
        ({"parts": [{"size": 1, "kind": ["a"]}]}, "parts.0.kind must be one of a, b, not ['a']"),
        (
            {"parts": [{"size": 1, "note": "long"}]},
            "parts.0.note must be a text of at most 3 characters or null, not 'long'",
        ),
        ({"parts": [{"size": 1, "ends": [2, 1]}]}, "parts.0.ends must be two numbers that rise, not (2, 1)"),
        ({"marks": [1]}, "marks must be a group of settings, not [1]"),
    ],
)
def test_messages_name_the_place(document, message):
    with pytest.raises(InputError) as refusal:
        parse(Whole, document)
    assert str(refusal.value) == message


def test_python_meets_the_same_check():
    with pytest.raises(InputError, match="size must be a whole number from 1 to 9, not 10"):
        Part(10)
    with pytest.raises(InputError, match=r"at\.0 must be a number"):
        Place((True, 0))
    assert Place((np.float32(1), 2)).at == (1, 2)  # numbers of other libraries are numbers
    with pytest.raises(InputError, match="parts.0 must be a group of settings"):
        Whole((Place(),))


def test_what_json_does_not_have_is_read_by_hooks():
    assert parse(Whole, {"marks": "k"}, hooks={dict: lambda value, path: {value: path}}).marks == {"k": "marks"}
    assert to_json(Whole(marks={"k": 1}), {dict: list}) == {"parts": [], "marks": ["k"]}


def test_json_schema():
    schema = json_schema(Whole, {})
    part = schema["properties"]["parts"]["items"]
    assert schema["properties"]["parts"]["maxItems"] == 2 and schema["required"] == []
    assert schema["properties"]["marks"] == {"type": "object", "default": {}}
    assert part["required"] == ["size"] and part["additionalProperties"] is False
    assert part["properties"] == {
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "at": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2, "default": (0.0, 0.0)},
        "turned": {"type": "boolean", "default": False},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "note": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}], "default": None},
        "ends": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2, "default": (0, 1)},
    }
