"""Pictures in and out, and what goes wrong with them."""

import base64

import numpy as np
import pytest

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


def give(editor, path, kind: str, selector: str) -> None:
    text = base64.b64encode(path.read_bytes()).decode()
    editor.page.evaluate(GIVE_FILES, [text, path.name, "image/jpeg", kind, selector])


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
    assert "picture" in editor.notice()
    assert np.array_equal(editor.result(), before)
    editor.page.set_input_files("#project-file", text)
    editor.page.get_by_role("button", name="Open and lose it").click()
    editor.page.wait_for_function("() => !document.querySelector('#notice p').innerText.includes('picture')")
    assert np.array_equal(editor.result(), before)
    editor.page.get_by_label("Dismiss").click()
    assert editor.page.locator("#notice").is_hidden()


def test_the_saved_picture_is_the_one_that_is_shown(editor):
    shown = editor.paint_hair().result()
    with editor.page.expect_download() as download:
        editor.press("s")
    assert download.value.suggested_filename.endswith(".png")
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
    editor.press("Escape").slide("[data-direction=beard]", 2).click("#save")
    assert "whole face" in text.inner_text()
    assert "stay as they are" not in text.inner_text()
    editor.press("Escape").page.get_by_role("radio", name="Brushed region").click()
    editor.drag("result", [(0.4, 0.7), (0.6, 0.7)]).click("#save")
    assert "stay as they are" in text.inner_text()


def test_a_server_that_is_away_for_a_while(editor):
    editor.expected.append("Failed to load resource")
    before = editor.result()
    editor.page.context.set_offline(True)
    editor.drag("reference", [(0.4, 0.15), (0.6, 0.15)])
    assert "does not answer" in editor.notice()
    editor.page.context.set_offline(False)
    editor.page.locator("#notice").wait_for(state="hidden")
    assert np.abs(editor.result() - before).mean() > 0.5
