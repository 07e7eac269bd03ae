"""The part tool on an uploaded photo, whose parts the weights name: by mouse, by keyboard, by touch."""

import json
import re

import cv2
import numpy as np
import pytest

from stylemap.datasets.avatars import Avatars
from stylemap.datasets.parts import Part
from tests.editor.browser.conftest import PHONE, change

OVERLAY = "#reference-stage .overlay"


def deepest(part: Part) -> tuple[float, float]:
    """The point of the photo that is farthest from what is not of a part: (x, y), shares of the side."""
    labels = Avatars(96, split="heldout").parts(1000)
    distance = cv2.distanceTransform((labels == part).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return (x + 0.5) / 96, (y + 0.5) / 96


HAIR, SKIN = deepest(Part.HAIR), deepest(Part.SKIN)


@pytest.fixture
def upload(photo):
    def start(editor):
        editor.click("#add-reference")
        with editor.page.expect_file_chooser() as chosen:
            editor.page.get_by_text("Upload a photo").click()
        chosen.value.set_files(photo)
        editor.page.locator("[data-slot='1'][aria-pressed=true]").wait_for()
        return editor.settle()

    return start


def shown(editor, name: str) -> None:
    editor.page.locator(f"{OVERLAY}[data-part='{name}']").wait_for()


def is_taken(editor, name: str) -> bool:
    return editor.page.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed") == "true"


def test_hovering_shows_the_part_and_a_click_takes_it(editor, upload):
    before = upload(editor).press("p").result()
    mouse = editor.page.mouse
    mouse.move(*editor.place("reference", SKIN))
    shown(editor, "skin")
    outlined = editor.canvas("reference", "overlay")
    mouse.move(*editor.place("reference", HAIR))
    shown(editor, "hair")
    assert (editor.canvas("reference", "overlay") != outlined).any(), "another outline, another name"
    assert np.array_equal(editor.result(), before), "nothing is taken yet"
    mouse.down()
    mouse.up()
    after = editor.result()
    assert is_taken(editor, "hair") and not is_taken(editor, "skin")
    assert change(before, after, HAIR) > 5
    assert "hair" in editor.page.get_attribute("#undo", "title")
    mouse.move(*editor.place("result", (0.5, 0.5)))
    shown(editor, "")


def test_by_keyboard(editor, upload):
    upload(editor).press("p")
    editor.page.locator(OVERLAY).focus()
    x, y = (round((value - 0.5) * 32) for value in HAIR)  # a step is a 32nd of the side
    for key, steps in (("ArrowRight" if x > 0 else "ArrowLeft", abs(x)), ("ArrowDown" if y > 0 else "ArrowUp", abs(y))):
        for _ in range(steps + (key == "ArrowUp" and x == 0)):
            editor.press(key)
    shown(editor, "hair")
    assert editor.page.inner_text("#status") == "hair"
    editor.press(" ").settle()
    assert is_taken(editor, "hair")


def test_the_first_tap_shows_and_the_second_takes(open_editor, upload):
    editor = upload(open_editor(viewport=PHONE, has_touch=True)).press("p")

    def tap(point):
        editor.page.touchscreen.tap(*editor.place("reference", point))

    tap(HAIR)
    shown(editor, "hair")
    assert not is_taken(editor.settle(), "hair")
    tap(SKIN)
    shown(editor, "skin")
    assert not is_taken(editor.settle(), "skin")
    tap(SKIN)
    editor.page.locator("#parts [aria-pressed=true]").wait_for()
    assert is_taken(editor.settle(), "skin")


def test_the_name_of_a_part_shows_where_it_is(editor, upload):
    upload(editor)
    editor.page.get_by_role("button", name="hair", exact=True).hover()
    shown(editor, "hair")
    editor.page.mouse.move(1, 1)
    shown(editor, "")
    editor.page.get_by_role("button", name="skin", exact=True).focus()
    shown(editor, "skin")


def test_the_tool_is_off_where_no_parts_are_known(editor, upload):
    def without(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps(answer.json() | {"parts": False}))

    editor.page.route(re.compile(r"/pictures/1(\?|$)"), without)
    part, brush = (editor.page.locator(f"#tools [data-tool={tool}]") for tool in ("part", "brush"))
    upload(editor.press("p"))
    assert part.is_disabled()
    assert "stylemap parts train" in part.get_attribute("title")
    assert brush.get_attribute("aria-checked") == "true"
    editor.press("p")
    assert brush.get_attribute("aria-checked") == "true"
    brush.focus()
    for _ in range(5):
        editor.press("ArrowRight")
    assert editor.page.get_attribute("#tools [data-tool=move]", "aria-checked") == "true", "the arrows pass it by"
    editor.click("[data-slot='0']")
    assert part.is_enabled()
    assert "click" in part.get_attribute("title")
    editor.settle()
