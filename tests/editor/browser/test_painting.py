"""Brush, box, parts and what comes of them; strength, flip, scale, undo."""

import json

import numpy as np
from PIL import Image

from stylemap.datasets.avatars import Avatars
from tests.editor.browser.conftest import PHONE, change, patch

HAIR, MOUTH, CORNER = (0.5, 0.15), (0.5, 0.72), (0.08, 0.92)


def test_a_stroke_changes_the_result_there_and_hardly_elsewhere(editor):
    before = editor.result()
    after = editor.paint_hair().result()
    assert change(before, after, HAIR) > 20
    assert change(before, after, CORNER) < 2
    assert change(before, after, MOUTH) < 4
    # the hair is blue now
    assert patch(after, HAIR)[..., 2].mean() > patch(after, HAIR)[..., 0].mean() + 30


def test_no_more_than_one_request_is_on_its_way_and_the_last_picture_is_of_the_last_edit(editor):
    open_now, most = set(), 0

    def begins(request):
        nonlocal most
        if request.url.endswith("/render"):
            open_now.add(request)
            most = max(most, len(open_now))

    editor.page.on("request", begins)
    editor.page.on("requestfinished", lambda request: open_now.discard(request))
    dragged = editor.drag("reference", [(0.3, 0.2), (0.7, 0.2), (0.3, 0.4)], steps=12).result()
    assert most == 1
    previews = [json.loads(response.request.post_data)["preview"] for response in editor.renders[-3:]]
    assert previews == [True, True, False], "previews while it is dragged, the exact image in the end"
    editor.click("#undo").settle()
    assert np.array_equal(editor.click("#redo").result(), dragged)


def test_eraser_takes_away_what_the_brush_gave(editor):
    before = editor.result()
    editor.paint_hair().press("e").slide("#size", 40)
    assert np.array_equal(editor.drag("reference", [(0.2, 0.15), (0.8, 0.15)]).result(), before)


def test_a_box(editor):
    before = editor.result()
    after = editor.press("r").drag("reference", [(0.3, 0.05), (0.7, 0.28)]).result()
    assert change(before, after, HAIR) > 20
    assert change(before, after, MOUTH) < 4


def test_a_click_takes_a_part_and_another_gives_it_back(editor):
    before = editor.result()
    editor.press("p")
    after = editor.drag("reference", [HAIR, HAIR]).result()
    assert change(before, after, HAIR) > 20
    assert editor.page.get_by_role("button", name="hair", exact=True).get_attribute("aria-pressed") == "true"
    assert np.array_equal(editor.drag("reference", [HAIR, HAIR]).result(), before)


def test_parts_by_name(editor):
    before = editor.result()
    editor.page.get_by_role("button", name="mouth", exact=True).click()
    after = editor.result()
    assert change(before, after, MOUTH) > change(before, after, HAIR)


def test_size_and_softness_have_an_effect(editor):
    def masks_of(size: int, softness: int) -> np.ndarray:
        editor.slide("#size", size).slide("#softness", softness)
        result = editor.paint_hair().result()
        editor.click("#undo").settle()
        return result

    small, large = masks_of(4, 0), masks_of(20, 0)
    soft = masks_of(20, 100)
    before = editor.result()
    assert np.abs(small - before).mean() < np.abs(large - before).mean()
    assert np.abs(soft - before).mean() < np.abs(large - before).mean()


def test_strength_zero_is_the_reconstruction(editor):
    editor.page.uncheck("#keep-detail")
    before = editor.result()
    full = editor.paint_hair().result()
    half = editor.slide("#strength", 0.5).result()
    none = editor.slide("#strength", 0).result()
    assert np.array_equal(none, before)
    assert 0 < np.abs(half - before).mean() < np.abs(full - before).mean()


def test_flip_scale_feather_layers_space_and_hard_edge_each_change_the_picture(editor):
    editor.drag("reference", [(0.2, 0.3), (0.4, 0.1)])
    seen = [editor.result()]
    for action in (
        lambda: editor.press("f"),
        lambda: editor.press("f").press("+"),
        lambda: editor.press("-").slide("#feather", 4),
        lambda: editor.click("#hard"),
        lambda: editor.page.select_option("#first-layer", "2"),
        lambda: editor.page.select_option("#last-layer", "3"),
        lambda: editor.click("[data-space=w]"),
    ):
        action()
        seen.append(editor.result())
        assert np.abs(seen[-1] - seen[-2]).mean() > 0.1
    for _ in range(9):
        editor.press("Control+z").settle()
    assert np.array_equal(editor.result(), seen[0])


def test_undo_and_redo_give_exactly_the_same_pictures(editor):
    pictures = [editor.result()]
    for stroke in ([(0.4, 0.15), (0.6, 0.15)], [(0.3, 0.6), (0.5, 0.8)], [(0.5, 0.5), (0.6, 0.5)]):
        pictures.append(editor.drag("reference", stroke).result())
    for picture in reversed(pictures[:-1]):
        assert np.array_equal(editor.press("Control+z").result(), picture)
    assert editor.page.is_disabled("#undo")
    for picture in pictures[1:]:
        assert np.array_equal(editor.press("Control+Shift+z").result(), picture)
    assert editor.page.is_disabled("#redo")


def test_a_direction_on_the_whole_face_and_in_a_brushed_region(editor):
    before = editor.result()
    whole = editor.slide("[data-direction=hat]", 3).result()
    assert change(before, whole, HAIR) > 10
    editor.page.get_by_role("radio", name="Brushed region").click()
    assert np.array_equal(editor.result(), before), "nothing is brushed yet"
    limited = editor.drag("result", [(0.3, 0.15), (0.4, 0.15)]).result()
    assert change(before, limited, (0.3, 0.15)) > 5
    assert change(before, limited, (0.85, 0.3)) < change(before, whole, (0.85, 0.3)) + 1
    assert change(before, limited, MOUTH) < 3
    editor.click("#reset-sliders")
    assert np.array_equal(editor.result(), before)


def test_two_fingers_paint_and_move_nothing(open_editor):
    editor = open_editor(viewport=PHONE, has_touch=True)
    before = editor.result()
    touch = editor.page.context.new_cdp_session(editor.page)

    def send(kind: str, pane: str, *points):
        places = [editor.place(pane, point) for point in points]
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]},
        )

    def pinch(pane: str):
        send("touchStart", pane, (0.5, 0.2))
        send("touchMove", pane, (0.5, 0.21))
        send("touchStart", pane, (0.5, 0.21), (0.5, 0.4))
        for step in range(1, 4):
            send("touchMove", pane, (0.5, 0.21 - step / 30), (0.5, 0.4 + step / 10))
        send("touchEnd", pane)

    send("touchStart", "reference", (0.4, 0.15))
    send("touchMove", "reference", (0.6, 0.15))
    send("touchEnd", "reference")
    painted = editor.result()
    assert not np.array_equal(painted, before), "one finger paints"
    pinch("result")
    pinch("reference")
    editor.page.evaluate("document.querySelectorAll('.zoomed').forEach(badge => badge.click())")
    assert np.array_equal(editor.result(), painted)
    assert np.array_equal(editor.press("Control+z").result(), before), "a pinch is no step of undo"
    assert editor.page.evaluate("visualViewport.scale") == 1, "the picture is zoomed, and not the page"


def test_a_brushed_region_begins_with_the_brush(editor):
    page = editor.slide("[data-direction=hat]", 3).page
    for key in ("p", "v"):
        editor.press(key)
        page.get_by_role("radio", name="Brushed region").click()
        assert page.get_attribute("#tools [data-tool=brush]", "aria-checked") == "true"
        page.get_by_role("radio", name="Whole face").click()
    page.get_by_role("radio", name="Brushed region").click()
    empty = editor.result()
    assert np.abs(editor.drag("result", [(0.3, 0.15), (0.4, 0.15)]).result() - empty).mean() > 0.5


def test_what_the_weights_draw_badly_is_hatched_and_told(editor, tmp_path):
    """Stripes on a face: painting them warns, painting the face does not, and both are hatched or not likewise."""
    face = Avatars(64, split="heldout")[1000].copy()
    face[24:40, 16:32] = np.where(np.arange(16) % 8 < 4, 255, 0)[:, None]
    Image.fromarray(face).save(tmp_path / "striped.png")
    editor.click("#add-reference")
    editor.page.set_input_files("#file", tmp_path / "striped.png")
    editor.page.wait_for_function("() => document.querySelectorAll('#references .thumb[data-slot]').length === 2")
    stripes, hair = (0.37, 0.5), (0.6, 0.12)
    before = editor.settle().canvas("reference", "overlay")
    editor.press("h").page.locator("#show-errors[aria-pressed=true]").wait_for()
    editor.page.evaluate("() => new Promise(requestAnimationFrame)")
    hatched = editor.canvas("reference", "overlay")
    assert change(before, hatched, stripes) > 10 > 1 > change(before, hatched, hair)
    editor.press("h").drag("reference", [hair, (0.65, 0.12)])
    assert "badly" not in editor.page.inner_text("#hint")
    editor.press("Control+z").drag("reference", [stripes, (0.38, 0.55)])
    assert "draw this place badly" in editor.page.inner_text("#hint")


def test_the_detail_of_the_photo_is_kept_until_it_is_switched_off(editor):
    photo = editor.settle().canvas(layer="before")
    assert np.array_equal(editor.result(), photo), "nothing is edited yet"
    editor.page.uncheck("#keep-detail")
    assert not np.array_equal(editor.result(), photo)
    assert np.array_equal(editor.press("Control+z").result(), photo)
    assert change(editor.paint_hair().result(), photo, MOUTH) == 0 < change(editor.result(), photo, HAIR)
