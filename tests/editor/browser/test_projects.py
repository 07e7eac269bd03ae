"""Project files, out and in, and sessions that the server forgets."""

import base64
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from stylemap.editor.requests import mask_to_text
from tests.editor.browser.conftest import enlarged, pixels

SIDE = 32  # of the shipped weights


def send(method: str, url: str, value: dict | None = None) -> bytes:
    """JSON to the server, past the page."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def box(left: int, top: int, right: int, bottom: int) -> str:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask_to_text(mask)


# More than the page has controls for, and in turns of its own.
RICH = {
    "space": "w+",
    "patches": [
        {"reference": 1, "mask": box(4, 2, 20, 12), "strength": 0.7},
        {"reference": 0, "mask": box(10, 4, 28, 14), "feather": 2.0},
        {"reference": 1, "mask": box(8, 18, 24, 30), "shift": [-2.0, 1.0], "flip": True, "centre": [24.0, 16.0]},
    ],
    "pushes": [
        {"direction": "beard", "amount": 1.5, "mask": box(0, 16, 32, 32)},
        {"direction": "hat", "amount": 4.5, "mask": None},
        {"direction": "smile", "amount": 2.0, "mask": box(0, 8, 32, 32), "layers": [2, 4], "feather": 1.5},
        {"direction": "beard", "amount": 1.0, "mask": box(0, 0, 16, 32), "hard": True},
    ],
}


@pytest.fixture
def rich(server, tmp_path) -> tuple[Path, bytes]:
    """A project of `RICH`, and its picture."""
    session = server.rstrip("/") + "/api/sessions"
    session += "/" + json.loads(send("POST", session))["id"]
    for slot, avatar in (("original", 5), ("0", 3), ("1", 20)):
        send("PUT", f"{session}/pictures/{slot}", {"gallery": avatar})
    path = tmp_path / "rich.safetensors"
    path.write_bytes(send("POST", f"{session}/project", RICH))
    return path, send("POST", f"{session}/render", RICH)


def test_a_project_gives_the_same_picture_in_another_page(editor, open_editor, tmp_path):
    editor.paint_hair().drag("result", [(0.5, 0.15), (0.5, 0.5)])
    editor.press("f").slide("[data-direction=beard]", 2)
    picture = editor.result()
    path = editor.save_project(tmp_path / "edit.safetensors")
    other = open_editor()
    assert not np.array_equal(other.result(), picture)
    other.open_project(path)
    assert np.array_equal(other.result(), picture)
    assert np.array_equal(other.canvas("reference"), editor.canvas("reference"))
    assert other.page.get_attribute("#flip", "aria-pressed") == "true"
    assert other.page.input_value("[data-direction=beard]") == "2"
    other.slide("[data-direction=beard]", 0)
    assert np.array_equal(other.slide("[data-direction=beard]", 2).result(), picture)
    assert other.page.locator("#notice").is_hidden()


def test_what_the_page_has_no_controls_for_stays_in_the_picture(editor, rich, tmp_path):
    path, picture = rich
    editor.open_project(path)
    assert "cannot show" in editor.notice()
    shown = editor.result()
    assert np.array_equal(shown, enlarged(editor, picture, len(shown)))
    editor.slide("#strength", 0.1)
    assert not np.array_equal(editor.result(), shown)
    assert np.array_equal(editor.press("Control+z").result(), shown)
    again = editor.save_project(tmp_path / "again.safetensors")
    session = editor.session
    edit = json.loads(put(f"{session}/project", again))["edit"]
    assert np.array_equal(pixels(send("POST", f"{session}/render", edit)), pixels(picture))
    assert [(p["direction"], p["amount"]) for p in edit["pushes"]] == [
        (p["direction"], p["amount"]) for p in RICH["pushes"]
    ]
    assert [p["reference"] for p in edit["patches"]] == [1, 0, 1]


def put(url: str, path: Path) -> bytes:
    kind = {"content-type": "application/octet-stream"}
    with urllib.request.urlopen(urllib.request.Request(url, path.read_bytes(), kind, method="PUT")) as answer:
        return answer.read()


def test_a_slider_reaches_as_far_as_the_project(editor, rich):
    value = "document.querySelector('[data-direction=beard]').closest('label').querySelector('output').textContent"
    editor.open_project(rich[0])
    assert editor.page.evaluate(value) == "+1.5"
    editor.click("#reset-sliders").press("Control+z").settle()
    hat = dict(RICH, patches=[], pushes=[{"direction": "hat", "amount": 4.5}])
    picture = send("POST", f"{editor.session}/render", hat)
    path = rich[0].with_name("hat.safetensors")
    path.write_bytes(send("POST", f"{editor.session}/project", hat))
    editor.save_project(rich[0].with_name("saved.safetensors"))
    editor.open_project(path)
    shown = editor.result()
    assert np.array_equal(shown, enlarged(editor, picture, len(shown)))
    assert editor.page.input_value("[data-direction=hat]") == "4.5"
    assert editor.page.locator("#notice").is_hidden()


def test_a_reference_that_is_removed_takes_all_its_patches_along(editor, rich):
    editor.open_project(rich[0])
    shown = editor.result()
    editor.page.get_by_label("Remove reference 2").click(force=True)
    assert not np.array_equal(editor.result(), shown)
    edit = json.loads(editor.renders[-1].request.post_data)
    assert [patch["reference"] for patch in edit["patches"]] == [0]
    assert np.array_equal(editor.press("Control+z").result(), shown), "the reference comes out of the project again"


def test_clear_and_all_to_zero_leave_nothing_of_a_project(editor, rich):
    editor.open_project(rich[0]).click("[data-slot='1']").click("#clear").settle()
    editor.click("[data-slot='0']").click("#clear").settle()
    editor.click("#reset-sliders").settle()
    edit = json.loads(editor.renders[-1].request.post_data)
    assert edit["patches"] == edit["pushes"] == []


def test_a_project_asks_before_it_replaces_unsaved_work(editor, tmp_path):
    path = editor.save_project(tmp_path / "edit.safetensors")
    before = editor.result()
    painted = editor.paint_hair().result()
    editor.page.set_input_files("#project-file", path)
    editor.page.get_by_role("button", name="Keep my edit").click()
    editor.page.locator("#discard").wait_for(state="hidden")
    assert np.array_equal(editor.result(), painted)
    editor.page.set_input_files("#project-file", path)
    with editor.page.expect_response("**/project"):
        editor.page.get_by_role("button", name="Open and lose it").click()
    assert np.array_equal(editor.settle().result(), before)
    assert editor.page.is_disabled("#undo")
    editor.open_project(path)  # nothing is lost: it does not ask


# ---- sessions that end


def test_a_session_that_the_server_forgot_is_made_again(editor):
    painted = editor.paint_hair().result()
    editor.click("#undo").settle()
    forgotten = editor.forget()
    assert np.array_equal(editor.click("#redo").result(), painted)
    assert editor.session != forgotten
    assert "ended this page's session" in editor.notice()


def test_a_server_with_other_weights_is_told(editor):
    editor.paint_hair().forget()
    other = {"status": 201, "json": {"id": "0" * 32, "expires_s": 1800, "model": "another"}}
    editor.page.route("**/api/sessions", lambda route: route.fulfill(**other))
    editor.click("#undo")
    assert "runs other weights now" in editor.notice()


def test_a_project_whose_session_is_forgotten_keeps_its_photo(editor, open_editor, photo, tmp_path):
    path = editor.load(photo).paint_hair().save_project(tmp_path / "edit.safetensors")
    full = editor.save_in_photo()
    other = open_editor().open_project(path)
    path.unlink()  # the page does not depend on the file
    other.forget()
    assert np.array_equal(other.save_in_photo(), full)


def test_pictures_chosen_after_a_project_outlive_the_session_too(editor, open_editor, photo, tmp_path):
    path = editor.paint_hair().save_project(tmp_path / "edit.safetensors")
    other = open_editor().open_project(path).load(photo)
    full, shown = other.save_in_photo(), other.result()
    other.forget()
    assert np.array_equal(other.save_in_photo(), full)
    assert full.shape == (96, 96, 3)
    assert np.array_equal(other.result(), shown)


# ---- pictures and undo


def test_undo_brings_a_removed_reference_back(editor):
    before = editor.result()
    painted, reference = editor.paint_hair().result(), editor.canvas("reference")
    editor.page.get_by_label("Remove reference 1").click(force=True)
    editor.page.locator("[data-slot='0']").wait_for(state="detached")
    assert np.array_equal(editor.result(), before)
    assert np.array_equal(editor.press("Control+z").result(), painted)
    assert np.array_equal(editor.canvas("reference"), reference)
    assert editor.page.locator("[data-slot='0'].painted[aria-pressed=true]").count() == 1
    editor.press("Control+Shift+z").page.locator("[data-slot='0']").wait_for(state="detached")
    assert np.array_equal(editor.result(), before)


@pytest.mark.slow
def test_a_freed_slot_starts_afresh(editor):
    before = editor.result()
    editor.paint_hair().page.get_by_label("Remove reference 1").click(force=True)
    editor.click("#add-reference").click("#gallery button >> nth=20")
    editor.page.locator("[data-slot='0']").wait_for()
    assert np.array_equal(editor.result(), before)
    assert editor.page.locator("[data-slot].painted").count() == 0
    other = editor.paint_hair().result()
    assert not np.array_equal(other, before)
    assert np.array_equal(editor.press("Control+z").result(), before)
    assert np.array_equal(editor.press("Control+Shift+z").result(), other)


def test_undo_gives_the_pictures_before_another_original_and_another_reference(editor, photo):
    pictures = [editor.paint_hair().result()]
    pictures.append(editor.load(photo).result())
    for _ in range(5):
        editor.click("#add-reference").click("#gallery button >> nth=7").settle()
    editor.click("[data-slot='0']")
    pictures.append(editor.result())
    text = base64.b64encode(photo.read_bytes()).decode()
    editor.page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], "a.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data }));
        }""",
        text,
    )
    editor.page.wait_for_function("() => document.querySelector('#status').textContent.includes('Reference 1 is')")
    pictures.append(editor.result())
    assert not np.array_equal(pictures[-1], pictures[-2])
    assert np.array_equal(editor.press("Control+z").result(), pictures[2])
    editor.forget()
    for _ in range(6):
        editor.press("Control+z").settle()
    assert np.array_equal(editor.result(), pictures[0])
    for _ in range(7):
        editor.press("Control+Shift+z").settle()
    assert np.array_equal(editor.result(), pictures[3])
