"""Zooming and moving the view of a picture; the tools work at the same places of the picture as before."""

import numpy as np
import pytest

from tests.editor.browser.conftest import PHONE
from tests.editor.browser.test_framing import mask_of

MIDDLE = (0.5, 0.5)
NEAR = (0.05, 0.05)  # the corner, which is round


def zoom(editor, pane: str) -> int:
    """In %."""
    text = editor.page.locator(f"#{pane}-stage .zoomed").text_content() or "100 %"
    shown = editor.page.locator(f"#{pane}-stage .zoomed").is_visible()
    return int(text.split()[0]) if shown else 100


def wheel(editor, pane: str, point, delta: float) -> None:
    editor.page.mouse.move(*editor.place(pane, point))
    editor.page.mouse.wheel(0, delta)
    editor.page.wait_for_timeout(50)


def centre_of(mask: np.ndarray) -> tuple[float, float]:
    """Of what is taken, in shares of the side."""
    y, x = np.mgrid[: len(mask), : len(mask)] + 0.5
    return float((x * mask).sum() / mask.sum() / len(mask)), float((y * mask).sum() / mask.sum() / len(mask))


def test_the_wheel_zooms_around_the_pointer(editor):
    """What is under the pointer stays there, and a brush paints there, as large in the picture as without a zoom."""
    editor.slide("#size", 8).slide("#softness", 0)
    editor.drag("reference", [(0.75, 0.25), (0.751, 0.25)])
    plain = mask_of(editor)
    editor.press("Control+z").settle()
    wheel(editor, "reference", (0.75, 0.25), -400)
    assert zoom(editor, "reference") == round(100 * np.exp(0.8))
    assert zoom(editor, "result") == 100
    editor.drag("reference", [(0.75, 0.25), (0.751, 0.25)])
    assert np.abs(mask_of(editor).astype(int) - plain).max() <= 20, "8 for the end of the stroke, the rest for pixels"
    wheel(editor, "reference", (0.75, 0.25), 4000)
    assert zoom(editor, "reference") == 100


@pytest.mark.slow
def test_what_is_shown_is_a_part_of_the_picture(editor):
    whole = editor.result()
    side = len(whole)
    editor.page.mouse.move(*editor.place("result", MIDDLE))
    editor.press("z").press("z")
    assert zoom(editor, "result") == 225
    editor.page.mouse.dblclick(*editor.place("result", (0.9, 0.9)))
    assert zoom(editor, "result") == 100, "a double click fits"
    assert np.array_equal(editor.canvas(), whole)
    editor.page.mouse.dblclick(*editor.place("result", NEAR))
    assert zoom(editor, "result") == 250
    corner = NEAR[0] * (1 - 1 / 2.5)
    low, high = round(side * corner), round(side * (corner + 1 / 2.5))
    part = whole[low:high, low:high]
    seen = editor.canvas()
    assert np.abs(part.mean((0, 1)) - seen.mean((0, 1))).max() < 3, "the upper left corner"
    editor.press("0")
    assert np.array_equal(editor.canvas(), whole)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["space", "middle"])
def test_the_view_is_moved(editor, how):
    editor.slide("#size", 8)
    wheel(editor, "reference", NEAR, -1000)  # e² times, 1 / 7.39 of the side is seen
    mouse, shown = editor.page.mouse, 1 / np.exp(2)
    corner = NEAR[0] * (1 - shown)
    if how == "space":
        editor.page.keyboard.down(" ")
    mouse.move(*editor.place("reference", (0.9, 0.9)))
    mouse.down(button="left" if how == "space" else "middle")
    mouse.move(*editor.place("reference", (0.2, 0.4)), steps=3)
    mouse.up(button="left" if how == "space" else "middle")
    editor.page.keyboard.up(" ")
    assert editor.settle().page.locator("#undo").is_disabled(), "nothing was painted"
    editor.drag("reference", [MIDDLE, (0.51, 0.5)])
    expected = corner + (0.5 + 0.7) * shown, corner + (0.5 + 0.5) * shown
    assert centre_of(mask_of(editor)) == pytest.approx(expected, abs=0.02)


def test_two_fingers_zoom_and_one_paints(open_editor):
    editor = open_editor(viewport=PHONE, has_touch=True, is_mobile=True)
    touch = editor.page.context.new_cdp_session(editor.page)

    def fingers(kind: str, *points) -> None:
        places = [editor.place("reference", point) for point in points]
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    fingers("touchStart", (0.4, 0.5))
    fingers("touchStart", (0.4, 0.5), (0.6, 0.5))
    fingers("touchMove", (0.3, 0.5), (0.7, 0.5))
    fingers("touchMove", (0.2, 0.6), (0.6, 0.6))  # and moved by (-0.1, 0.1)
    fingers("touchEnd")
    assert zoom(editor, "reference") == pytest.approx(200, abs=2)
    assert editor.page.locator("#undo").is_disabled(), "the first finger painted nothing"
    assert editor.page.evaluate("() => visualViewport.scale") == pytest.approx(1, abs=0.05), "the page was not zoomed"
    fingers("touchStart", (0.4, 0.6))
    fingers("touchMove", (0.4, 0.61))
    fingers("touchEnd")
    editor.settle()
    assert centre_of(mask_of(editor)) == pytest.approx((0.5, 0.5), abs=0.03)
    editor.page.locator("#reference-stage .zoomed").tap()
    assert zoom(editor, "reference") == 100


def test_alt_and_the_wheel_belong_to_the_tools(editor):
    size = editor.page.locator("#size").input_value()
    editor.page.keyboard.down("Alt")
    wheel(editor, "reference", MIDDLE, -100)
    editor.page.keyboard.up("Alt")
    assert float(editor.page.locator("#size").input_value()) > float(size) and zoom(editor, "reference") == 100
    editor.paint_hair()
    editor.page.keyboard.down("Alt")
    wheel(editor, "result", MIDDLE, -100)
    editor.page.keyboard.up("Alt")
    assert editor.page.locator("#scale").inner_text() == "110 %" and zoom(editor, "result") == 100


@pytest.mark.slow
def test_regions_are_dragged_in_a_zoomed_result(editor):
    """Where the pointer is in the picture counts."""
    editor.paint_hair()
    plain = editor.drag("result", [(0.5, 0.15), (0.5, 0.35)]).result()
    editor.press("Control+z").settle()
    wheel(editor, "result", (0.5, 0.0), -np.log(2) / 0.002)  # twice: y 0.15 is at 0.3
    editor.drag("result", [(0.5, 0.3), (0.5, 0.7)])
    editor.press("0")
    assert np.abs(editor.result() - plain).mean() < 1


def test_the_brush_of_the_keyboard_stays_in_sight(editor):
    wheel(editor, "reference", NEAR, -1000)
    editor.page.mouse.move(5, 5)
    editor.page.locator("#reference-stage .overlay").focus()
    for _ in range(5):
        editor.press("ArrowRight")
    editor.press(" ").settle()
    assert centre_of(mask_of(editor))[0] == pytest.approx(0.5 + 4 / 32, abs=0.02)
    editor.press("Control+z").settle()
    editor.drag("reference", [(0.99, 0.99), (0.995, 0.99)])
    assert centre_of(mask_of(editor))[0] == pytest.approx(0.5 + 4 / 32, abs=0.05), "the view has come along"
