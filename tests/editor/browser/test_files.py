"""Pictures in and out, and what goes wrong with them."""

import base64

import numpy as np
import pytest
from PIL import Image

from tests.editor.browser.conftest import enlarged, pixels
from tests.editor.conftest import png

GIVE_FILES = """([text, name, type, kind, selector]) => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const target = document.querySelector(selector);
    const how = { bubbles: true, cancelable: true };
    if (kind === "paste") target.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: data }));
    else for (const step of ["dragover", "drop"]) target.dispatchEvent(new DragEvent(step, { ...how, dataTransfer: data }));
}"""


def give(editor, path, kind: str, selector: str, type: str = "image/jpeg") -> None:
    text = base64.b64encode(path.read_bytes()).decode()
    editor.page.evaluate(GIVE_FILES, [text, path.name, type, kind, selector])


def test_the_file_picker_gives_another_original(editor, photo):
    before, error = editor.result(), editor.page.inner_text("#error-of-original")
    editor.click("#change-original")
    with editor.page.expect_file_chooser() as chosen:
        editor.page.get_by_text("Upload a photo").click()
    chosen.value.set_files(photo)
    editor.page.wait_for_function("text => document.querySelector('#error-of-original').innerText !== text", arg=error)
    assert np.abs(editor.result() - before).mean() > 5
    assert "dB" in editor.page.inner_text("#error-of-original")


@pytest.mark.parametrize(("kind", "target"), [("drop", "#reference-stage .overlay"), ("paste", "body")])
def test_a_dropped_or_pasted_picture_is_another_reference(editor, photo, kind, target):
    give(editor, photo, kind, target)
    editor.page.locator("[data-slot='1'][aria-pressed=true]").wait_for()
    before = editor.result()
    assert np.abs(editor.paint_hair().result() - before).mean() > 0.5


def test_a_picture_dropped_on_the_result_is_the_original(editor, photo):
    before = editor.result()
    give(editor, photo, "drop", "#result-stage .overlay")
    editor.page.wait_for_function("() => document.querySelector('#status').textContent.includes('original is loaded')")
    assert np.abs(editor.result() - before).mean() > 5


def test_six_references_and_no_more(editor):
    for slot in range(1, 6):
        editor.click("#add-reference").click(f"#gallery button >> nth={slot}")
        editor.page.locator(f"[data-slot='{slot}']").wait_for()
    assert editor.page.locator("#add-reference").count() == 0
    editor.page.locator("[data-slot='2']").hover()
    editor.page.get_by_label("Remove reference 3").click()
    editor.page.locator("[data-slot='2']").wait_for(state="detached")
    editor.page.locator("#add-reference").wait_for()
    editor.settle()


def test_a_wrong_file_is_told_and_changes_nothing(editor, tmp_path):
    editor.expected.append("Failed to load resource")
    before = editor.paint_hair().result()
    text = tmp_path / "letter.png"
    text.write_text("dear sir or madam")
    editor.page.set_input_files("#file", text)
    assert "not an image" in editor.notice()
    assert np.array_equal(editor.result(), before)
    editor.page.set_input_files("#project-file", text)
    editor.page.get_by_role("button", name="Open and lose it").click()
    editor.page.wait_for_function("() => !document.querySelector('#notice p').innerText.includes('not an image')")
    assert np.array_equal(editor.result(), before)
    editor.page.get_by_label("Dismiss").click()
    assert editor.page.locator("#notice").is_hidden()


def test_the_saved_picture_is_the_one_that_is_shown(editor):
    shown = editor.paint_hair().result()
    with editor.page.expect_download() as download:
        editor.press("s").press("Enter")
    assert download.value.suggested_filename == "picture-edited-256x256.png"
    saved = pixels(download.value.path().read_bytes())
    assert saved.shape == (256, 256, 3), "each pixel is there 8 times, to be seen"
    own = saved[::8, ::8]
    assert np.array_equal(own.repeat(8, 0).repeat(8, 1), saved)
    assert np.array_equal(enlarged(editor, png(own.astype(np.uint8)), len(shown)), shown)


def test_a_large_photo_gets_its_edit_back_at_full_size(editor, photo):
    saved = editor.load(photo).paint_hair().save_in_photo()
    assert saved.shape == (96, 96, 3)
    assert np.array_equal(saved[-10:], pixels(photo.read_bytes())[-10:]), "pixels away from the edit are the photo's"


def test_the_dialog_says_how_much_of_the_photo_changes(editor, photo):
    text = editor.page.locator("#save-as-text")
    editor.load(photo).paint_hair().click("#save")
    assert "stay as they are" in text.inner_text()
    saved = editor.press("Escape").slide("[data-direction=beard]", 2).save_in_photo()
    assert "whole face" in text.inner_text() and "stay as they are where it changes nothing" in text.inner_text()
    kept = (saved == pixels(photo.read_bytes())).all(2)
    assert 0.1 < kept.mean() < 0.9, "the beard shows in some places and not in others"
    editor.page.get_by_role("radio", name="Brushed region").click()
    editor.drag("result", [(0.4, 0.7), (0.6, 0.7)]).click("#save")
    assert "stay as they are" in text.inner_text()


def test_a_project_opens_wherever_it_is_dropped(editor, tmp_path):
    painted = editor.paint_hair().result()
    path = editor.save_project(tmp_path / "edit.safetensors")
    renamed = path.rename(tmp_path / "edit.jpg")
    path.write_bytes(renamed.read_bytes())
    for kind, selector, file, type in (
        ("drop", "#result-stage .overlay", path, ""),
        ("drop", "#reference-stage .overlay", renamed, "image/jpeg"),
        ("paste", "body", path, ""),
        ("drop", "#chooser-title", path, ""),
    ):
        if selector == "#chooser-title":
            editor.click("#change-original")
        with editor.page.expect_response("**/project") as answer:
            give(editor, file, kind, selector, type)
        assert answer.value.ok
        assert np.array_equal(editor.result(), painted)
        assert editor.page.locator("#notice").is_hidden() and editor.page.locator("#chooser").is_hidden()


def test_files_dragged_in_from_the_system(editor, photo, tmp_path):
    editor.drop(photo, "reference").page.locator("[data-slot='1'][aria-pressed=true]").wait_for()
    painted = editor.paint_hair().result()
    path = editor.save_project(tmp_path / "edit.safetensors")
    editor.click("#undo")
    with editor.page.expect_response("**/project"):
        editor.drop(path, "result").page.get_by_role("button", name="Open and lose it").click()
    assert np.array_equal(editor.result(), painted)


@pytest.mark.slow
def test_a_picture_dropped_on_the_chooser_goes_where_it_was_opened_for(editor, photo):
    editor.click("#add-reference")
    give(editor, photo, "drop", "#chooser-title")
    editor.page.locator("[data-slot='1'][aria-pressed=true]").wait_for()
    assert editor.page.locator("#chooser").is_hidden()
    editor.settle()


def test_a_file_that_is_too_large_is_told_before_it_is_sent(editor):
    asked = len(editor.requests)
    editor.page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(20_100_000)], "a.jpg", { type: "image/jpeg" }));
            document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
        }"""
    )
    assert "a.jpg has 20.1 MB" in editor.notice()
    assert [url for url in editor.requests[asked:] if not url.startswith("blob:")] == []


def test_a_photo_that_the_weights_cannot_draw_is_told(editor, photo, tmp_path):
    noise = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(noise)
    editor.load(photo)
    assert editor.page.locator("#notice").is_hidden(), "a face like those it knows"
    editor.page.set_input_files("#file", noise)
    assert "avatars32 cannot draw this image well" in editor.notice()
    editor.settle()
    assert "cannot draw" in editor.page.get_attribute("#error-of-original", "title")
    editor.press("Control+z").settle()
    assert "cannot draw" not in editor.page.get_attribute("#error-of-original", "title")


def test_what_takes_long_shows_a_sign_and_can_be_cancelled(editor, photo):
    page, held = editor.page, []
    before = editor.result()
    page.route("**/render", lambda route: held.append(route))
    editor.page.mouse.move(*editor.place("reference", (0.5, 0.15)))
    page.mouse.down()
    page.mouse.up()
    page.locator("#result-stage.slow").wait_for()
    held[0].continue_()
    page.unroute("**/render")
    page.locator("#result-stage:not(.slow)").wait_for()
    painted = editor.result()
    assert not np.array_equal(painted, before)
    page.route("**/pictures/original?*", lambda route: held.append(route))
    page.set_input_files("#file", photo)
    page.click("#cancel")
    assert "Cancelled" in editor.notice()
    page.unroute("**/pictures/original?*")
    assert page.locator("#busy").is_hidden()
    assert np.array_equal(editor.result(), painted)
    assert np.array_equal(editor.press("Control+z").result(), before), "and all goes on"


def test_a_server_that_is_busy_is_asked_again(editor):
    page = editor.page
    editor.expected.append("Failed to load resource")
    refusal = {"status": 503, "json": {"error": "too much to do at the moment; try again in a few seconds"}}
    before = editor.result()
    page.route("**/render", lambda route: route.fulfill(**refusal), times=2)  # when the hand comes and when it goes
    editor.page.mouse.move(*editor.place("reference", (0.5, 0.15)))
    page.mouse.down()
    page.mouse.up()
    assert editor.notice() == "Too much to do at the moment; try again in a few seconds"
    page.locator("#notice").wait_for(state="hidden")
    assert np.abs(editor.result() - before).mean() > 0.5


def test_a_server_that_is_away_for_a_while(editor):
    editor.expected.append("Failed to load resource")
    before = editor.result()
    editor.page.context.set_offline(True)
    editor.drag("reference", [(0.4, 0.15), (0.6, 0.15)])
    assert "does not answer" in editor.notice()
    editor.page.context.set_offline(False)
    editor.page.locator("#notice").wait_for(state="hidden")
    assert np.abs(editor.result() - before).mean() > 0.5
