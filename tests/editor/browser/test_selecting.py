"""Lasso and wand: plain selections on the reference, by mouse, finger and keyboard."""

import math

import numpy as np
import pytest

from tests.editor.browser.conftest import PHONE, change

HAIR, MOUTH, CORNER = (0.5, 0.15), (0.5, 0.72), (0.08, 0.92)
AROUND = [(0.5 + 0.25 * math.cos(t), 0.15 + 0.12 * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 12)]
CORNERS = [(0.3, 0.05), (0.7, 0.05), (0.7, 0.25), (0.3, 0.25)]

# what the functions answer for a picture of two grey halves, a line of the left half's colour in the right one, and a corner
# of the right half's colour in the left one that hangs together with nothing
SELECT = """async ([module, side, seed, tolerance, points, softness]) => {
    const { polygon, similar, soften, lay } = await import(module);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = canvas.getContext("2d");
    for (const [colour, ...box] of [["#777777", 0, 0, side, side], ["#999999", side / 2, 0, side, side],
        ["#777777", side - 2, 0, 1, side], ["#999999", 0, 0, 2, 2]]) {
        context.fillStyle = colour;
        context.fillRect(...box);
    }
    const region = points ? polygon(points.map(([x, y]) => ({ x, y })), side) : similar(canvas, side, seed, tolerance);
    return [...lay(new Uint8Array(side * side), soften(region, side, softness), false)];
}"""


def select(editor, side=16, seed=20 * 16 // 2, tolerance=5.0, points=None, softness=0.0) -> np.ndarray:
    module = f"{editor.server}static/selecting.js"
    values = editor.page.evaluate(SELECT, [module, side, seed, tolerance, points, softness])
    return np.array(values).reshape(side, side)


def test_a_wand_takes_what_hangs_together(editor):
    left = np.zeros((16, 16), bool)
    left[:, :8] = True
    left[:2, :2] = False
    assert np.array_equal(select(editor, seed=8 * 16 + 3) == 255, left)
    assert np.array_equal(select(editor, seed=8 * 16 + 14) == 255, np.arange(16)[None, :] + 0 * left == 14)
    # #777777 and #999999 have L* 50.0 and 63.2
    assert np.array_equal(select(editor, seed=8 * 16 + 3, tolerance=13.0) == 255, left)
    assert (select(editor, seed=8 * 16 + 3, tolerance=13.5) == 255).all()


def test_a_polygon_has_its_area_and_a_soft_edge_keeps_its_border(editor):
    triangle = [(2, 2), (14, 2), (2, 14)]
    assert select(editor, points=triangle).sum() / 255 == pytest.approx(72, rel=0.02)
    square = [(16, 16), (48, 16), (48, 48), (16, 48)]
    soft = select(editor, side=64, points=square, softness=1.0)[32]
    assert (soft[:12] == 0).all() and (soft[20:44] == 255).all(), "6.4 pixels fade, half of them on either side"
    assert (np.diff(soft[12:20]) > 0).all()
    assert soft[15] + soft[16] == pytest.approx(255, abs=1), "the border is where it was"


def test_a_lasso_by_one_drag(editor):
    before = editor.result()
    after = editor.press("l").slide("#softness", 0).drag("reference", AROUND).result()
    assert change(before, after, HAIR) > 20
    assert change(before, after, MOUTH) < 4 and change(before, after, CORNER) < 2
    assert editor.page.get_attribute("#undo", "aria-label") == "Undo lasso"
    editor.page.keyboard.down("Alt")
    erased = editor.drag("reference", [(0.1, 0.02), (0.9, 0.02), (0.9, 0.6), (0.1, 0.6), (0.1, 0.02)]).result()
    editor.page.keyboard.up("Alt")
    assert np.array_equal(erased, before)


def test_a_lasso_by_clicks(editor):
    before = editor.result()
    mouse = editor.press("l").page.mouse
    for end in (
        lambda: editor.press("Enter"),
        lambda: mouse.click(*editor.place("reference", (0.305, 0.055))),  # the first corner
        lambda: mouse.dblclick(*editor.place("reference", (0.25, 0.15))),
    ):
        for corner in CORNERS:
            mouse.click(*editor.place("reference", corner))
        assert "closes the lasso" in editor.page.inner_text("#status")
        assert np.array_equal(editor.result(), before), "it is not closed yet"
        end()
        assert change(before, editor.result(), HAIR) > 20
        assert np.array_equal(editor.press("Control+z").result(), before)
        assert editor.page.is_disabled("#undo")


def test_a_lasso_is_given_up_by_escape_and_by_another_tool(editor):
    before = editor.result()
    for key in ("Escape", "b"):
        editor.press("l").page.mouse.click(*editor.place("reference", CORNERS[0]))
        for corner in CORNERS[1:]:
            editor.page.mouse.click(*editor.place("reference", corner))
        editor.press(key).press("l").press("Enter")
    assert np.array_equal(editor.result(), before)
    assert editor.page.is_disabled("#undo")


def test_a_lasso_by_fingers_and_a_wand(open_editor):
    editor = open_editor(viewport=PHONE, has_touch=True)
    before = editor.result()
    editor.page.locator("[data-tool=lasso]").tap()
    for corner in (*CORNERS, CORNERS[0]):
        editor.page.touchscreen.tap(*editor.place("reference", corner))
    assert change(before, editor.result(), HAIR) > 20
    editor.page.locator("#undo").tap()
    editor.page.locator("[data-tool=wand]").tap()
    editor.page.touchscreen.tap(*editor.place("reference", HAIR))
    assert change(before, editor.result(), HAIR) > 20
    assert change(before, editor.result(), MOUTH) < 4


def test_by_keyboard(editor):
    before = editor.result()
    editor.press("l").page.focus("#reference-stage .overlay")
    for key in (
        ["ArrowUp"] * 12 + [" "] + ["ArrowLeft"] * 8 + [" "] + ["ArrowDown"] * 8 + [" ", "Backspace", " ", "Enter"]
    ):
        editor.press(key)
    lasso = editor.result()
    assert change(before, lasso, (0.4, 0.2)) > 10
    editor.press("Control+z").settle()
    editor.press("w")
    assert np.array_equal(editor.press("Escape").result(), before)
    editor.press(" ")
    assert change(before, editor.result(), (0.45, 0.1)) > 10


def test_the_wand_and_its_tolerance(editor):
    before = editor.result()
    editor.press("w").slide("#softness", 0)
    assert editor.page.locator("#size").is_hidden()

    def taken(tolerance: int) -> float:
        editor.slide("#tolerance", tolerance).page.mouse.click(*editor.place("reference", HAIR))
        difference = np.abs(editor.result() - before).mean()
        editor.press("Control+z").settle()
        return float(difference)

    near, far = taken(3), taken(40)
    assert 0 < near < far
    editor.press("[")
    assert float(editor.page.input_value("#tolerance")) < 40
    editor.page.mouse.click(*editor.place("reference", HAIR))
    editor.page.mouse.click(*editor.place("reference", HAIR), button="right")
    assert np.array_equal(editor.result(), before), "the right button takes it away again"
