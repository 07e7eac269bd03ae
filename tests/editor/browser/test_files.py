"""Pictures in, pictures and projects out, and what goes wrong with them."""

import base64
import urllib.request

import numpy as np
import pytest

from tests.editor.browser.conftest import pixels

GIVE_FILES = """([text, name, type, kind, selector]) => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const target = document.querySelector(selector);
    const how = { bubbles: true, cancelable: true };
    if (kind === "paste") target.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: data }));
    else for (const step of ["dragover", "drop"]) target.dispatchEvent(new DragEvent(step, { ...how, dataTransfer: data }));
}"""

ENLARGE = """async ([text, side]) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(text), letter => letter.charCodeAt(0))]));
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, side, side);
    return canvas.toDataURL().split(",")[1];
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
    editor.page.wait_for_function("() => !document.querySelector('#notice p').innerText.includes('picture')")
    assert np.array_equal(editor.result(), before)
    editor.page.get_by_label("Dismiss").click()
    assert editor.page.locator("#notice").is_hidden()


def test_the_saved_picture_is_the_one_that_is_shown(editor):
    shown = editor.paint_hair().result()
    with editor.page.expect_download() as download:
        editor.press("s")
    assert download.value.suggested_filename.endswith(".png")
    saved = download.value.path().read_bytes()
    assert pixels(saved).shape == (32, 32, 3)
    enlarged = editor.page.evaluate(ENLARGE, [base64.b64encode(saved).decode(), len(shown)])
    assert np.array_equal(pixels(base64.b64decode(enlarged)), shown)


def test_a_large_photo_gets_its_edit_back_at_full_size(editor, photo):
    editor.page.set_input_files("#file", photo)  # the chooser's first target is the original
    editor.page.wait_for_function("() => document.querySelector('#status').textContent.includes('original is loaded')")
    editor.paint_hair().click("#save")
    with editor.page.expect_download() as download:
        editor.page.get_by_text("soft edge").click()
    saved = pixels(download.value.path().read_bytes())
    assert saved.shape == (96, 96, 3)
    assert np.array_equal(saved[-10:], pixels(photo.read_bytes())[-10:]), "pixels away from the edit are the photo's"


def test_a_project_gives_the_same_picture_in_another_page(editor, open_editor, tmp_path):
    editor.paint_hair().drag("result", [(0.5, 0.15), (0.5, 0.5)])
    editor.press("f").slide("[data-direction=beard]", 2)
    picture = editor.result()
    with editor.page.expect_download() as download:
        editor.click("#save-project")
    path = tmp_path / "edit.safetensors"
    download.value.save_as(path)
    other = open_editor()
    assert not np.array_equal(other.result(), picture)
    other.page.set_input_files("#project-file", path)
    other.page.locator(".thumb.painted").wait_for()
    assert np.array_equal(other.result(), picture)
    assert np.array_equal(other.canvas("reference"), editor.canvas("reference"))
    assert other.page.get_attribute("#flip", "aria-pressed") == "true"
    assert other.page.input_value("[data-direction=beard]") == "2"
    other.slide("[data-direction=beard]", 0)
    assert np.array_equal(other.slide("[data-direction=beard]", 2).result(), picture)


def test_a_session_that_the_server_forgot_is_made_again(editor):
    editor.expected.append("Failed to load resource")
    painted = editor.paint_hair().result()
    editor.click("#undo").settle()
    session = editor.renders[-1].url.removesuffix("/render")
    urllib.request.urlopen(urllib.request.Request(session, method="DELETE")).close()
    assert np.array_equal(editor.click("#redo").result(), painted)
    assert editor.renders[-1].url.removesuffix("/render") != session


def test_a_server_that_is_away_for_a_while(editor):
    editor.expected.append("Failed to load resource")
    before = editor.result()
    editor.page.context.set_offline(True)
    editor.drag("reference", [(0.4, 0.15), (0.6, 0.15)])
    assert "does not answer" in editor.notice()
    editor.page.context.set_offline(False)
    editor.page.locator("#notice").wait_for(state="hidden")
    assert np.abs(editor.result() - before).mean() > 0.5
