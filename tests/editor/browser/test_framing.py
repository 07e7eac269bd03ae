"""Photos that people bring: the square that the model sees, chosen by the server or by hand, and photos that are too large."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from stylemap.datasets.avatars import Avatars
from stylemap.faces import Alignment, crop
from tests.editor.browser.conftest import PHONE, change, pixels

WIDTH, HEIGHT = 300, 200
FACE = (150.0, 40.0, 100.0, 25.0)  # the square of the face in the photo, around (200, 90): left, top, side, degrees


@pytest.fixture(scope="session")
def scene() -> np.ndarray:
    """A face, turned, in a larger photo."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    photo = np.stack([90 + x // 4, 100 + y // 3, 140 + 0 * x], 2).astype(np.uint8)
    face = Avatars(128, split="heldout")[1000]
    to_face = Alignment.crop(*FACE, 128).from_photo
    u, v = (row[0] * x + row[1] * y + row[2] for row in to_face)
    inside = (abs(u - 63.5) < 63.5) & (abs(v - 63.5) < 63.5)
    photo[inside] = face[v[inside].round().astype(int), u[inside].round().astype(int)]
    return photo


@pytest.fixture(scope="session")
def party(scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("party") / "party.png"
    Image.fromarray(scene).save(path)
    return path


class Cropping:
    """The view of an editor's page in which the square is chosen."""

    def __init__(self, editor, slot: str = "original"):
        self.editor, self.page = editor, editor.page
        editor.click(f"#crop-{slot}")
        self.stage = self.page.locator("#framing[open] #framing-stage")
        self.stage.wait_for()
        self.page.wait_for_function("() => document.querySelector('#framing-turn + output').textContent")
        box = self.stage.bounding_box()
        margin = 0.06 * WIDTH
        self.scale = min(box["width"] / (WIDTH + 2 * margin), box["height"] / (HEIGHT + 2 * margin))
        self.middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the photo is on the page while the square lies within it."""
        return self.middle[0] + (x - WIDTH / 2) * self.scale, self.middle[1] + (y - HEIGHT / 2) * self.scale

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> "Cropping":
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=3)
        self.page.mouse.up()
        return self

    def apply(self, key: str | None = None) -> list[float]:
        """Its left, top, side and degrees, applied by the button or by a key."""
        with self.page.expect_response(
            lambda answer: "/pictures/" in answer.url and answer.request.method == "PUT"
        ) as put:
            self.page.keyboard.press(key) if key else self.page.click("#framing button[value=apply]")
        self.editor.settle()
        return put.value.json()["crop"]


def test_a_square_is_chosen_with_the_mouse(editor, party, scene):
    """Moved, scaled at a corner, turned at its handle: the model sees just that of the photo."""
    editor.load(party)
    view = Cropping(editor)  # the central square, 200 pixels
    view.drag(view.at(250, 200), view.at(200, 150))  # its lower right corner; the upper left one stays at (50, 0)
    view.drag(view.at(125, 75), view.at(200, 90))
    top = view.at(200, 15)
    view.drag((top[0], top[1] - 30), view.at(200 + 75, 90))  # the handle, from above to the right: by 90 degrees
    square = view.apply()
    assert square == pytest.approx([125, 15, 150, 90], abs=1.5)
    seen = pixels(editor.page.request.get(f"{editor.session}/pictures/original.png").body())
    assert np.abs(seen - crop(scene, Alignment.crop(*square, 32))).max() <= 1, "numbers may differ in their last digits"
    editor.press("Control+z").settle()
    assert Cropping(editor).page.locator("#framing-turn + output").inner_text() == "0.0°", (
        "undo brings the old square back"
    )


def test_the_keyboard_and_the_buttons(editor, party):
    editor.load(party)
    view = Cropping(editor)
    for key in ["ArrowLeft"] * 3 + ["Shift+ArrowDown", "-", "."] + ["Shift+>", "Shift+<", "."]:
        editor.press(key)
    view.apply("Enter")
    view = Cropping(editor)
    assert view.page.locator("#framing-turn + output").inner_text() == "2.0°"
    editor.press("Shift+ArrowUp").click("#framing-reset").click("#framing .close >> nth=1")
    view = Cropping(editor)
    view.page.get_by_role("button", name="Centre").click()
    assert view.apply() == pytest.approx([50, 0, 200, 0])


def test_two_fingers(open_editor, party):
    """They move, scale and turn the square at once."""
    editor = open_editor(viewport=PHONE, has_touch=True, is_mobile=True)
    editor.load(party)
    view = Cropping(editor)
    touch = editor.page.context.new_cdp_session(editor.page)

    def fingers(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    fingers("touchStart", view.at(100, 100))
    fingers("touchStart", view.at(100, 100), view.at(200, 100))
    fingers("touchMove", view.at(150, 60), view.at(150, 110))  # half as far apart, by 90 degrees, about another point
    fingers("touchEnd")
    assert view.apply() == pytest.approx([100, 35, 100, 90], abs=1.5)


def test_what_is_painted_stays_where_it_is_on_the_photo(editor, party, scene):
    """A region of a reference, painted on the face before the face is framed."""
    with editor.page.expect_file_chooser() as chooser:
        editor.click("#add-reference").click("#chooser .button")
    chooser.value.set_files(party)
    editor.page.locator("#references .thumb[data-slot='1'][aria-pressed=true]").wait_for()
    editor.settle().press("e").slide("#softness", 0).press("b").slide("#size", 4)
    editor.drag("reference", [(0.75, 0.45), (0.751, 0.45)])  # the middle of the face: (200, 90) of the photo
    view = Cropping(editor, "reference")
    view.drag(view.at(250, 200), view.at(200, 150)).drag(view.at(125, 75), view.at(200, 90))
    view.apply()
    assert "stays where it is" in editor.notice()
    mask = mask_of(editor)
    y, x = np.nonzero(mask > 127)
    assert (x.mean(), y.mean()) == pytest.approx((15.5, 15.5), abs=1), "the middle of the square"
    editor.press("Control+z").settle()
    y, x = np.nonzero(mask_of(editor) > 127)
    assert (x.mean(), y.mean()) == pytest.approx((23.5, 13.9), abs=1)


@pytest.mark.slow
def mask_of(editor) -> np.ndarray:
    """The only mask of the edit that was drawn last."""
    (patch,) = json.loads(editor.renders[-1].request.post_data)["patches"]
    return np.array(Image.open(io.BytesIO(base64.b64decode(patch["mask"]))).convert("L"))


def test_a_project_keeps_the_square_and_the_photo(open_editor, party, tmp_path):
    editor = open_editor()
    editor.load(party)
    view = Cropping(editor)
    square = view.drag(view.at(250, 200), view.at(200, 150)).apply()
    result = editor.result()
    editor.save_project(tmp_path / "edit.safetensors")
    other = open_editor()
    other.open_project(tmp_path / "edit.safetensors")
    assert np.array_equal(other.result(), result)
    view = Cropping(other)  # the photo comes out of the project
    view.page.get_by_role("button", name="Centre").click()
    assert view.apply() == pytest.approx([50, 0, 200, 0]) != square
    assert change(other.result(), result, (0.5, 0.5)) > 1
    assert np.array_equal(other.press("Control+z").result(), result)
    saved = other.save_in_photo()
    assert saved.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.slow
def test_a_photo_that_the_browser_cannot_read(editor, scene, tmp_path):
    """The server gives a picture of it."""
    Image.fromarray(scene).save(tmp_path / "party.tif")
    editor.load(tmp_path / "party.tif")
    view = Cropping(editor)
    picture = pixels(view.stage.screenshot())
    place = np.array(view.at(200, 90)) - [view.stage.bounding_box()[axis] for axis in "xy"]
    x, y = place.round().astype(int)
    shown, true = picture[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)), scene[87:94, 197:204].mean((0, 1))
    assert np.abs(shown - true).max() < 25, "the middle of the face"
    assert view.drag(view.at(250, 200), view.at(200, 150)).apply() == pytest.approx([50, 0, 150, 0], abs=1)


def test_pictures_of_the_gallery_have_nothing_to_crop(editor):
    assert not editor.page.locator("#crop-original").is_visible()
    assert not editor.page.locator("#crop-reference").is_visible()


def test_photos_that_are_too_large_are_made_smaller(open_editor, tmp_path):
    """Upright, by their pixels and then by their bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8).repeat(5, 0).repeat(5, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).save(tmp_path / "large.jpg", exif=exif, quality=95)
    editor = open_editor()
    limits = {"pixels": 90_000, "bytes": 40_000}
    editor.page.route("**/api/info", lambda route: _limited(route, limits))
    editor.open().load(tmp_path / "large.jpg")
    assert "made it smaller" in editor.notice() and "instead of 400 × 600" in editor.notice()
    sent = editor.page.request.get(f"{editor.session}/pictures/original/file").body()
    photo = Image.open(io.BytesIO(sent))
    assert len(sent) <= limits["bytes"] and photo.width * photo.height <= limits["pixels"]
    assert photo.height / photo.width == pytest.approx(1.5, abs=0.02)


def _limited(route, limits: dict) -> None:
    answer = route.fetch()
    info = answer.json()
    info["limits"] |= limits
    route.fulfill(response=answer, json=info)
