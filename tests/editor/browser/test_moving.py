"""A region of the reference, put somewhere else in the original."""

import numpy as np

from tests.editor.browser.conftest import change, patch

HAIR, MOUTH = (0.5, 0.15), (0.5, 0.7)


def blueness(picture: np.ndarray, point) -> float:
    return float((patch(picture, point)[..., 2] - patch(picture, point)[..., 0]).mean())


def test_a_mouse_drag_moves_the_region(editor):
    before = editor.result()
    painted = editor.paint_hair().result()
    moved = editor.drag("result", [HAIR, (0.5, 0.4), MOUTH]).result()
    assert blueness(moved, MOUTH) > blueness(painted, MOUTH) + 40, "the blue hair is at the mouth"
    assert change(before, moved, HAIR) < change(before, painted, HAIR) / 4, "and has left where it was"
    assert np.array_equal(editor.press("Control+z").result(), painted), "a drag is one step of undo"
    editor.press("Control+Shift+z").settle()
    assert np.array_equal(editor.press("Shift+V").result(), painted), "back in its place"


def test_a_region_is_dragged_out_of_the_reference(editor):
    painted = editor.paint_hair().result()
    moved = editor.press("v").drag("reference", [HAIR, MOUTH], to_pane="result").result()
    assert blueness(moved, MOUTH) > blueness(painted, MOUTH) + 40


def test_what_is_beside_the_region_does_not_move_it(editor):
    painted = editor.paint_hair().result()
    assert np.array_equal(editor.drag("result", [(0.1, 0.9), (0.5, 0.5)]).result(), painted)


def test_shift_keeps_to_one_axis(editor):
    editor.paint_hair()
    editor.page.keyboard.down("Shift")
    slanted = editor.drag("result", [HAIR, (0.55, 0.7)]).result()
    editor.page.keyboard.up("Shift")
    editor.press("Control+z").settle()
    assert np.array_equal(editor.drag("result", [HAIR, (0.5, 0.7)]).result(), slanted)


def test_a_finger_moves_it_too(open_editor):
    editor = open_editor(has_touch=True)
    painted = editor.paint_hair().result()
    touch = editor.page.context.new_cdp_session(editor.page)

    def send(kind, *points):
        places = [dict(zip("xy", editor.place("result", point), strict=True)) for point in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    send("touchStart", HAIR)
    for y in (0.3, 0.5, 0.7):
        send("touchMove", (0.5, y))
    send("touchEnd")
    assert blueness(editor.result(), MOUTH) > blueness(painted, MOUTH) + 40


def test_the_other_of_two_regions_is_caught_where_it_lies(editor):
    editor.paint_hair().click("#add-reference")
    editor.click("#gallery button >> nth=20").settle()
    editor.page.locator("[data-slot='1']").wait_for()
    editor.drag("reference", [(0.4, 0.7), (0.6, 0.7)])
    assert editor.page.get_attribute("[data-slot='1']", "aria-pressed") == "true"
    editor.drag("result", [HAIR, (0.5, 0.4)])
    assert editor.page.get_attribute("[data-slot='0']", "aria-pressed") == "true"
