"""Fit to my photo: a bar, before and after, a step of undo, and what survives a reload."""

from tests.editor.browser.conftest import Editor
from tests.editor.browser.test_keeping import has_kept, reload


def error(editor: Editor) -> float:
    return float(editor.settle().page.inner_text("#mse").removeprefix("error "))


def test_the_weights_learn_the_photo(open_editor, photo):
    editor = open_editor(locale="en-GB")
    page, before = editor.page, error(editor.load(photo))
    page.click("#fit")
    page.click("#fit-start")
    page.locator("#fit-progress:not([hidden])").wait_for()
    page.get_by_text("Use the fit").click()
    page.locator("#fit[aria-pressed=true]").wait_for()
    after, drawn = error(editor), editor.result()
    assert after < 0.6 * before
    assert error(editor.press("Control+z")) == before
    assert error(editor.press("Control+Shift+z")) == after
    editor.forget()
    assert (editor.paint_hair().press("Control+z").result() == drawn).all(), "the page sends the fit again"
    has_kept(editor, 1)
    reload(editor).page.get_by_text("Go on with it").click()
    assert error(editor) == after and (editor.result() == drawn).all()


def test_it_can_be_cancelled_and_left(editor, photo):
    page, before = editor.page, error(editor.load(photo))
    page.click("#fit")
    page.click("#fit-start")
    page.locator("#fit-progress:not([hidden])").wait_for()
    page.get_by_role("dialog").get_by_text("Cancel").click()
    assert page.locator("#fitting[open]").count() == 0
    drawn = editor.result()
    editor.paint_hair().press("Control+z")
    assert (editor.result() == drawn).all() and error(editor) == before
