"""The page has no limit of its own: ranges, defaults and names of an edit come from the server."""

import json
import re

import pytest

from stylemap import reading
from stylemap.editing import edit
from stylemap.editor import requests
from stylemap.editor.app import STATIC
from stylemap.editor.limits import PAGE_BYTES, Limits
from tests.editor.conftest import patch

SCRIPTS = {path.name: path.read_text() for path in STATIC.iterdir() if path.suffix in (".js", ".html")}
KINDS = {kind: requests.schema()["properties"][kind]["items"] for kind in ("patches", "pushes")}
LIMITS = [edit.SCALE.least, edit.PIXELS.most, PAGE_BYTES, Limits.upload_bytes, Limits.pixels, reading.LARGEST_HEADER]
NUMBER = r"(?<![\w.#%-])\d[\d_]*(?:\.\d+)?(?:e\d+)?(?![\w%])"


def numbers(text: str) -> set[float]:
    return {float(number.replace("_", "")) for number in re.findall(NUMBER, text)}


@pytest.mark.parametrize("limit", LIMITS)
def test_no_limit_is_copied(limit):
    """Limits that are numbers of other things too are left out, such as 1, 6 and 32."""
    assert numbers("const MOST = 48_000; x > 0.25") == {48_000, 0.25}
    assert [name for name, text in SCRIPTS.items() if limit in numbers(text)] == []


@pytest.mark.parametrize("name", sorted({name for kind in KINDS.values() for name in kind["properties"]} - {"mask"}))
def test_no_default_is_copied(name):
    """`{ scale: 1, flip: false }` is what "back in place" sets, and no other."""
    value = rf"\b{name}: (?:null|true|false|-?[\d.]+|\[[-\d., ]*\])"
    written = {script: re.findall(value, text) for script, text in SCRIPTS.items()}
    written["panels.js"] = [text for text in written["panels.js"] if name not in ("shift", "scale", "flip")]
    written["edit.js"] = [text for text in written["edit.js"] if text != "layers: null"]  # w has one map
    assert {script: texts for script, texts in written.items() if texts} == {}


@pytest.mark.parametrize("id", ["strength", "feather", "size"])
def test_sliders_get_their_ranges_from_scripts(id):
    (tag,) = re.findall(rf'<input[^>]*id="{id}"[^>]*>', SCRIPTS["index.html"])
    assert "min=" not in tag and "max=" not in tag


def test_the_schema_is_the_server_s(client):
    """What is answered is what is checked: a value at a limit is taken, one beyond it is not."""
    schema = client.get("/api/info").json()["edit"]
    assert schema == json.loads(json.dumps(requests.schema()))
    patches = schema["properties"]["patches"]
    assert patches["maxItems"] == 32 and patches["items"]["required"] == ["reference"]
    assert patches["items"]["properties"]["scale"] == {"type": "number", "minimum": 0.25, "maximum": 4, "default": 1.0}
    assert schema["properties"]["pushes"]["items"]["properties"]["amount"]["maximum"] == edit.AMOUNT.most
    assert schema["properties"]["space"] == {"enum": ["w", "w+"], "default": "w+"}


@pytest.mark.parametrize("name", ["scale", "strength", "feather"])
def test_limits_are_the_ones_that_are_checked(ready, refused, name):
    field = KINDS["patches"]["properties"][name]
    for end, beyond in (("minimum", -1e-3), ("maximum", 1e-3)):
        assert ready.render(patches=[patch(**{name: field[end]})]).status_code == 200
        refused(ready.render(patches=[patch(**{name: field[end] + beyond})]), 422, name)
    assert ready.render(patches=[patch(**{name: field["default"]})]).content == ready.render(patches=[patch()]).content
