"""Work that the browser keeps: after a reload, for pages that were closed, and never for two."""

import numpy as np
import pytest

from tests.editor.browser.conftest import Editor

# the edits that are kept, by the names of their pages
KEPT = """() => new Promise(resolve => {
    indexedDB.open("stylemap", 1).onsuccess = ({ target: { result: database } }) => {
        database.transaction("work").objectStore("work").getAllKeys().onsuccess = ({ target }) => {
            database.close();
            resolve(target.result.length);
        };
    };
})"""
MAY_LEAVE = "() => window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"


def has_kept(editor: Editor, count: int) -> None:
    """The page writes a moment after the edit."""
    editor.page.wait_for_function(f"async () => await ({KEPT})() === {count}")


def reload(editor: Editor) -> Editor:
    editor.page.wait_for_function(MAY_LEAVE)
    editor.page.reload()
    editor.page.locator("#kept[open]").wait_for()
    return editor


def test_a_reload_offers_the_edit_with_its_photo(open_editor, photo):
    editor = open_editor(locale="en-GB")
    painted = editor.load(photo).paint_hair().slide("[data-direction=hat]", 1.5).result()
    full = editor.save_in_photo()
    has_kept(editor, 1)
    other = Editor(editor.page.context.new_page(), editor.server).open()
    assert other.page.locator("#kept[open]").count() == 0, "somebody works on it"
    other.page.close()
    reload(editor).page.get_by_text("Go on with it").click()
    assert np.array_equal(editor.result(), painted)
    assert editor.page.input_value("[data-direction=hat]") == "1.5"
    assert np.array_equal(editor.save_in_photo(), full)
    changed = editor.click("#clear").result()
    assert not np.array_equal(changed, painted)
    reload(editor).press("Escape").settle()  # neither: it is offered again
    assert np.array_equal(open_editor().result(), editor.result()), "what a new page begins with"
    editor.page.reload()
    editor.page.locator("#kept[open]").wait_for()
    editor.page.get_by_text("Go on with it").click()
    assert np.array_equal(editor.result(), changed)


@pytest.mark.slow
def test_pictures_out_of_a_project_are_kept(open_editor, photo, tmp_path):
    editor = open_editor(locale="en-GB")
    path = editor.load(photo).paint_hair().save_project(tmp_path / "edit.safetensors")
    has_kept(editor, 0)  # all of it is in the file
    editor.open_project(path)
    moved = editor.drag("result", [(0.5, 0.15), (0.5, 0.5)]).result()
    full = editor.save_in_photo()
    reload(editor).page.get_by_text("Go on with it").click()
    assert np.array_equal(editor.result(), moved)
    assert np.array_equal(editor.save_in_photo(), full)


def test_what_is_forgotten_is_offered_no_more(open_editor):
    editor = open_editor(locale="en-GB")
    before = editor.result()
    reload(editor.paint_hair()).page.get_by_text("Forget it").click()
    editor.page.locator("#references .thumb[data-slot]").wait_for()
    assert np.array_equal(editor.result(), before)
    has_kept(editor, 0)
    editor.page.reload()
    editor.page.locator("#references .thumb[data-slot]").wait_for()
    assert editor.settle().page.locator("#kept[open]").count() == 0
