"""Undo and redo say what they take back: in the tooltip, to screen readers, and for a moment on the page."""

import pytest

HAIR = (0.5, 0.15)
STEPS = [
    (lambda editor: editor.paint_hair(), "brush stroke"),
    (lambda editor: editor.press("e").paint_hair(), "eraser stroke"),
    (lambda editor: editor.press("r").drag("reference", [(0.3, 0.05), (0.7, 0.28)]), "box"),
    (lambda editor: editor.press("p").drag("reference", [HAIR, HAIR]), "hair"),
    (lambda editor: editor.page.get_by_role("button", name="mouth", exact=True).click(), "mouth"),
    (lambda editor: editor.slide("#strength", 0.5), "strength 100 % → 50 %"),
    (lambda editor: editor.slide("#feather", 2), "feather 0 px → 2 px"),
    (lambda editor: editor.press("f"), "flip"),
    (lambda editor: editor.press("+"), "scale 100 % → 110 %"),
    (lambda editor: editor.drag("result", [HAIR, (0.5, 0.5)]), "move"),
    (lambda editor: editor.press("Shift+V"), "region back in place"),
    (lambda editor: editor.click("#hard"), "hard edge on"),
    (lambda editor: editor.page.select_option("#first-layer", "2"), "layers all → 2 to 5"),
    (lambda editor: editor.click("[data-space=w]"), "space w+ → w"),
    (lambda editor: editor.slide("[data-direction=mouth_open]", 1.5), "mouth open 0 → +1.5"),
    (lambda editor: editor.click("#reset-sliders"), "mouth open +1.5 → 0"),
    (lambda editor: editor.click("[data-limited=true]"), "sliders on the brushed region"),
    (lambda editor: editor.press("b").drag("result", [HAIR, (0.6, 0.2)]), "brush stroke"),
    (lambda editor: editor.click("#clear-selection"), "clearing of the region"),
    (lambda editor: editor.click("#clear"), "clearing of the region"),
    (lambda editor: choose(editor, "#add-reference", "[data-slot='1']"), "new reference 2"),
    (lambda editor: editor.page.get_by_label("Remove reference 2").dispatch_event("click"), "removal of reference 2"),
    (lambda editor: choose(editor, "#change-original", "body[aria-busy]"), "new original"),
]


def choose(editor, button: str, then: str) -> None:
    editor.click(button).click("#gallery button >> nth=2")
    editor.page.locator(then).wait_for()


@pytest.mark.slow
def test_every_step_has_a_name(editor):
    undo, redo = editor.page.locator("#undo"), editor.page.locator("#redo")
    assert undo.get_attribute("title") == "Undo (Ctrl+Z)"
    for do, _ in STEPS:
        do(editor)
        editor.settle()
    assert undo.get_attribute("title") == "Undo new original (Ctrl+Z)"
    names = [name for _, name in STEPS]
    for name in reversed(names):
        assert undo.get_attribute("aria-label") == f"Undo{':' if '→' in name else ''} {name}"
        editor.press("Control+z")
        assert editor.page.inner_text("#status") == f"Undone: {name}"
        assert redo.get_attribute("aria-label").endswith(f" {name}")
    assert editor.page.is_disabled("#undo")
    assert editor.click("#redo").page.inner_text("#status") == "Done again: brush stroke"
    editor.settle()


@pytest.mark.parametrize("height", [pytest.param(800, marks=pytest.mark.slow), 390])
def test_what_was_undone_is_seen_for_a_moment(open_editor, height):
    editor = open_editor(viewport={"width": 844, "height": height}, has_touch=True)
    editor.page.clock.install()
    flash = editor.page.locator("#flash")
    editor.paint_hair().page.tap("#undo")
    assert flash.inner_text() == "Undone: brush stroke"
    box = flash.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 844
    editor.page.clock.fast_forward(5000)
    flash.wait_for(state="hidden")
    editor.settle()
