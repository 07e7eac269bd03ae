"""What must not get in: too much, too long, of another kind, from elsewhere. Each with one line for the user."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from stylemap.editing import applying
from stylemap.editor import app
from stylemap.editor.security import Access, Guard, bare, origin_host
from tests.editor.conftest import HOST, LIMITS, Page, box, patch, photo, png, text

# ---- paths, sessions and slots


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/index.html%00.js",
        "/static/.",
        "/static/nothing.js",
        "/etc/passwd",
        "/docs",
        "/openapi.json",
    ],
)
def test_paths_lead_nowhere(client, refused, path):
    refused(client.get(path), 404)


def test_static_names_only_what_a_page_needs(client, refused, monkeypatch, tmp_path):
    (tmp_path / "secret.txt").write_text("no")
    (tmp_path / "folder.js").mkdir()
    monkeypatch.setattr(app, "STATIC", tmp_path)
    refused(client.get("/static/secret.txt"), 404)
    refused(client.get("/static/folder.js"), 404)


@pytest.mark.parametrize("id", ["0" * 32, "..%2f..%2fetc", "x", "%00", "a" * 5000])
def test_unknown_sessions(client, refused, id):
    refused(client.post(f"/api/sessions/{id}/render", json={}), 404)
    refused(client.get(f"/api/sessions/{id}/pictures/original.png"), 404)
    refused(client.put(f"/api/sessions/{id}/pictures/original", json={"gallery": 1}), 404)


@pytest.mark.parametrize("slot", ["6", "-1", "00", "Original", "..%2f0", "%2e%2e", "0%00", "１"])
def test_unknown_slots(page, refused, slot):
    for method, path in (
        ("PUT", f"/pictures/{slot}"),
        ("DELETE", f"/pictures/{slot}"),
        ("GET", f"/pictures/{slot}.png"),
    ):
        refused(page.ask(method, path, **({"json": {"gallery": 1}} if method == "PUT" else {})), 404)


def test_ending_twice_is_no_error(client):
    page = Page(client)
    assert client.post(page.path + "/close").status_code == 204
    assert client.delete(page.path).status_code == 204
    assert page.put("original", 1).status_code == 404


def test_other_methods(client, refused):
    refused(client.put("/api/info"), 405)
    refused(client.post("/"), 405)


# ---- pictures


def header_of(width: int, height: int) -> bytes:
    """A PNG that promises much and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", png(photo())[:500], header_of(0, 5), b"\xff\xd8\xff" + bytes(100)],
)
def test_what_is_not_an_image(page, refused, data):
    refused(page.put("original", data), 422, "the file")
    refused(page.put("original", data, "?frame=face"), 422, "the file")
    refused(page.ask("POST", "/look", content=data), 422, "the file")
    refused(page.ask("GET", "/pictures/original.png"), 404)


def test_bombs_are_refused_by_their_header(page, refused, monkeypatch):
    def decoded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("stylemap.decoding.colours.rgb", decoded)
    for query in ("", "?frame=face", "?crop=9,9,9"):
        refused(page.put("original", header_of(60_000, 60_000), query), 422, "million pixels")
    # one row more than is allowed
    refused(page.put("original", header_of(300, 301)), 422, "million pixels")


def test_too_many_bytes(page, refused):
    most = LIMITS.upload_bytes
    refused(page.put("original", bytes(most + 1)), 413, "0.2 MB")
    refused(page.put("original", bytes(most)), 422)

    def stream():
        for _ in range(most // 1000 + 1):
            yield bytes(1000)

    refused(page.ask("PUT", "/pictures/original", content=stream()), 413)
    refused(page.ask("POST", "/render", json={"space": "x" * LIMITS.edit_bytes}), 413)
    refused(page.ask("PUT", "/pictures/0", json={"gallery": 1, "x": "y" * 5000}), 413)


def test_reading_ends_at_the_limit(page):
    """The rest of an endless upload is never taken."""
    taken, sent = 0, []

    async def receive():
        nonlocal taken
        taken += 1000
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "PUT", "scheme": "http",
        "path": page.path + "/pictures/original", "raw_path": b"", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    page.client.portal.call(page.client.app, scope, receive, send)
    assert sent[0]["status"] == 413
    assert taken <= LIMITS.upload_bytes + 2000


@pytest.mark.parametrize("length", ["-1", "x", "1e9", "９"])
def test_lengths_that_are_none(page, refused, length):
    headers = {"content-length": length.encode()}
    refused(page.ask("PUT", "/pictures/original", content=b"", headers=headers), 400)


def test_content_types(page, refused):
    refused(page.ask("PUT", "/pictures/0", files={"file": b"x"}), 415)
    refused(page.ask("POST", "/render", content=b"{}", headers={"content-type": "text/plain"}), 415)
    refused(page.ask("POST", "/save", content=b"{}"), 415)
    refused(page.ask("PUT", "/project", json={}), 415)


@pytest.mark.parametrize(
    "body", [{}, {"gallery": -1}, {"gallery": 48}, {"gallery": "1"}, {"gallery": True}, {"gallery": 1.5}, []]
)
def test_avatars_that_there_are_not(page, refused, body):
    refused(page.ask("PUT", "/pictures/0", json=body), 422)


# ---- edits

MASK = text(box(0, 9, 0, 9))
NUMBERS = [float("nan"), float("inf"), -float("inf"), 1e300, "1", None, [], True, 1 << 70]


def raw(edit: dict) -> dict:
    return {"content": json.dumps(edit), "headers": {"content-type": "application/json"}}


@pytest.mark.parametrize("name", ["shift", "scale", "centre", "strength", "feather", "layers", "reference", "amount"])
@pytest.mark.parametrize("value", NUMBERS, ids=str)
def test_numbers_out_of_range(ready, refused, name, value):
    if name == "centre" and value is None or name == "layers" and value is None:
        return
    if name in ("shift", "centre", "layers"):
        value = [0, value]
    if name == "amount":
        edit = {"pushes": [{"direction": "smile", "amount": value}]}
    else:
        edit = {"patches": [{"reference": 0, "mask": MASK, name: value}]}
    # the whole number 1e300 is not; a float where one may stand, true is none
    refused(ready.ask("POST", "/render", **raw(edit)), 422)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.2},
        {"scale": 4.1},
        {"strength": 1.01},
        {"strength": -0.01},
        {"shift": [0]},
        {"shift": [0, 0, 0]},
        {"layers": [2, 2]},
        {"layers": [3, 1]},
        {"layers": [0, 7]},
        {"layers": [0]},
        {"feather": -1},
        {"reference": 6},
        {"reference": -1},
        {"flip": 1},
        {"hard": "yes"},
        {"unknown": 1},
        {"mask": None},
        {"mask": ""},
        {"mask": "***"},
        {"mask": "A" * 10},
        {"mask": base64.b64encode(b"GIF89a" + bytes(50)).decode()},
        {"mask": base64.b64encode(png(box(0, 9, 0, 9))[:60]).decode()},
        {"mask": text(box(0, 9, 0, 9, side=31))},
        {"mask": text(box(0, 9, 0, 9, side=64))},
        {"mask": text(np.zeros((16, 64), np.uint8))},
        {"mask": base64.b64encode(header_of(50_000, 50_000)).decode()},
    ],
    ids=lambda change: str(change)[:40],
)
def test_patches_that_are_none(ready, refused, change):
    message = refused(
        ready.render(patches=[patch(**change) if "mask" not in change else {"reference": 0, **change}]), 422
    )
    assert "PNG" in message or "mask" in message or next(iter(change)) in message or "layers" in message


@pytest.mark.parametrize(
    "edit",
    [
        {"space": "z"},
        {"patches": [patch()] * 33},
        {"pushes": [{"direction": "smile", "amount": 0}] * 33},
        {"patches": {}},
        {"pushes": [{"direction": "frown", "amount": 1}]},
        {"pushes": [{"direction": "x" * 101, "amount": 1}]},
        {"pushes": [{"amount": 1}]},
        {"space": "w", "patches": [patch(layers=[0, 1])]},
        {"unknown": 1},
        [],
        "text",
        None,
    ],
    ids=lambda edit: str(edit)[:40],
)
def test_edits_that_are_none(ready, refused, edit):
    for path in ("/render", "/save", "/project"):
        refused(ready.ask("POST", path, **raw(edit)), 422)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"patches":' * 20_000, b"NaN"])
def test_what_is_no_json(ready, refused, body):
    refused(ready.ask("POST", "/render", content=body, headers={"content-type": "application/json"}), 422)


@pytest.mark.parametrize(
    ("path", "edit", "message"),
    [
        ("/render", {"patches": [patch(scale="1")]}, "patches.0.scale must be a number from 0.25 to 4, not '1'"),
        (
            "/render",
            {"patches": [patch(reference=1.5)]},
            "patches.0.reference must be a whole number from 0 to 5, not 1.5",
        ),
        ("/render", {"patches": [patch(strength=2)]}, "patches.0.strength must be a number from 0 to 1, not 2"),
        ("/render", {"patches": [patch(scale=0.1)]}, "patches.0.scale must be a number from 0.25 to 4, not 0.1"),
        ("/render", {"patches": [patch(shift=[0])]}, "patches.0.shift must be a list of 2, not [0]"),
        ("/render", {"patches": [patch(flip=1)]}, "patches.0.flip must be true or false, not 1"),
        ("/render", {"patches": [{"mask": MASK}]}, "patches.0.reference is missing"),
        ("/render", {"patches": 3}, "patches must be a list of at most 32, not 3"),
        ("/render", {"patches": [patch()] * 33}, "patches must be a list of at most 32"),
        ("/render", {"space": "z"}, "space must be one of w, w+, not 'z'"),
        ("/render", {"tail": 1}, "unknown settings tail; are they misspelled, or of a newer version of stylemap?"),
        ("/render", [], "the document must be a group of settings, not []"),
    ],
)
def test_messages_are_for_people(ready, refused, path, edit, message):
    seen = refused(ready.ask("POST", path, **raw(edit)), 422, message)
    assert "Input" not in seen and "path." not in seen and "body" not in seen


def test_messages_of_addresses(client, ready, refused):
    assert refused(client.get("/api/gallery/x.png"), 422) == "index must be a whole number"
    assert (
        refused(ready.ask("GET", "/pictures/original.png?view=x"), 422)
        == "view must be one of photo, reconstruction, errors, not 'x'"
    )
    assert (
        refused(ready.put("original", b"", "?frame=perhaps"), 422)
        == "frame must be one of auto, face, centre, not 'perhaps'"
    )
    broken = {"content": b"{", "headers": {"content-type": "application/json"}}
    assert refused(ready.ask("POST", "/render", **broken), 422) == "the request is not JSON"


def test_a_project_with_an_upload_of_junk(ready, refused):
    """Told when it is opened, where the person still knows the file, and not when the result is saved."""
    ready.put("original", png(photo(90, 70)))
    data = ready.ask("POST", "/project", json={}).content
    tensors = load(data)
    metadata = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])["__metadata__"]
    tensors["upload"] = torch.zeros_like(tensors["upload"])
    refused(
        ready.ask("PUT", "/project", content=save(tensors, metadata)), 422, "the upload", "is really nothing but zeros"
    )


def test_empty_slots(page, refused):
    refused(page.render(), 409, "image")
    page.put("original", 0)
    refused(page.render(patches=[patch(4)]), 409, "reference 5")
    refused(page.ask("POST", "/save", json={"patches": [patch(4)]}), 409)
    refused(page.ask("POST", "/project", json={"patches": [patch(4)]}), 409)


def test_paste_back_and_page(ready, refused):
    refused(ready.ask("POST", "/save", json={"paste_back": "glue"}), 422)
    refused(ready.ask("POST", "/save", json={"enlarge": 0}), 422)
    refused(ready.ask("POST", "/save", json={"enlarge": 65}), 422)
    refused(ready.ask("POST", "/project", json={"page": {"x": "y" * 66_000}}), 422, "64 KB")
    refused(ready.ask("POST", "/project", json={"page": 3}), 422)
    refused(ready.ask("POST", "/project", **raw({"page": {"x": float("nan")}})), 422)


@pytest.fixture(scope="module")
def fuzzed(client):
    page = Page(client)
    page.put("original", 0)
    yield page
    client.delete(page.path)


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(MASK),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["space", "patches", "pushes", "reference", "mask", "shift", "scale", "amount", "direction"]
                ),
                inner,
            )
        ),
        max_leaves=15,
    )
)
def test_any_json_is_answered(client, fuzzed, edit):
    body = json.dumps(edit).encode()
    answer = fuzzed.ask("POST", "/render", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 409, 422)
    if answer.status_code != 200:
        assert set(answer.json()) == {"error"}


def test_a_mistake_of_ours_shows_nothing(ready, refused, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr(applying, "apply", broken)
    assert "secret" not in refused(ready.render(), 500)
    assert ready.render().headers["x-content-type-options"] == "nosniff"


# ---- who may ask


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:8000", "editor.example:80"]
)
def test_known_names(client, host):
    assert client.get("/api/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost.evil", "10.0.0.1", "[::2]"]
)
def test_rebound_names(client, refused, host):
    refused(client.get("/api/info", headers={"host": host}), 403, "--allow-host")


def test_all_addresses_let_in_addresses_and_no_names():
    guard = Guard(None, Access(("0.0.0.0",)), 1)
    assert guard.knows("192.168.1.7:8000") and guard.knows("[fe80::1]:8000") and guard.knows("localhost")
    assert not guard.knows("evil.example") and not guard.knows("")


def test_other_sites_change_nothing(client, refused):
    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "file://"},
        {"origin": "http://[bad"},
        {"sec-fetch-site": "cross-site"},
    ):
        refused(client.post("/api/sessions", headers=headers), 403)
        assert client.get("/api/info", headers=headers).status_code == 200
    ours = client.post("/api/sessions", headers={"origin": HOST, "sec-fetch-site": "same-origin"})
    assert ours.status_code == 201
    client.delete(f"/api/sessions/{ours.json()['id']}")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://hub.example", "sec-fetch-site": "same-origin"},
        {"origin": "https://hub.example", "x-forwarded-host": "hub.example"},
    ],
)
def test_a_proxy_may_ask_under_a_name_of_its_own(client, headers):
    answer = client.post("/api/sessions", headers=headers)
    assert answer.status_code == 201
    client.delete(f"/api/sessions/{answer.json()['id']}")


def test_no_other_site_reads_answers(client):
    answer = client.get("/api/info", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_names_and_origins():
    assert bare("[::1]:8000") == bare("::1") == "::1"
    assert origin_host("https://A.b:1") == "a.b:1" and origin_host("a") is None


@pytest.mark.parametrize(
    ("crop", "why"),
    [
        ("", "is not a square like"),
        ("1,2", "is not a square like"),
        ("1,2,3,4,5", "is not a square like"),
        ("nan,2,3", "is not a square like"),
        ("1,2,0", "does not fit a photo of 120 x 100"),
        ("1e99,2,3", "does not fit a photo of 120 x 100"),
        ("60,50,1e9", "does not fit a photo of 120 x 100"),
        ("200,50,40", "does not fit a photo of 120 x 100"),
    ],
)
def test_squares_that_are_none(page, refused, crop, why):
    refused(page.put("original", png(photo()), f"?crop={crop}"), 422, why)
