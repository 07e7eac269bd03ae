"""The page in a real browser, against a real server with shipped weights."""

import base64
import io
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.browser import served
from stylemap import resources
from stylemap.datasets.avatars import Avatars

TIMEOUT = 20_000  # ms, for anything the page waits for; a busy machine is slow and not wrong
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 400, "height": 800}

ENLARGE = """async ([text, side]) => {
    const picture = await createImageBitmap(new Blob([Uint8Array.from(atob(text), letter => letter.charCodeAt(0))]));
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, side, side);
    return canvas.toDataURL().split(",")[1];
}"""

FORGET = "async () => (await indexedDB.databases()).forEach(({ name }) => indexedDB.deleteDatabase(name))"

Point = tuple[float, float]  # (x, y) in a picture, shares of its side


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[str]:
    """Its address. It has no face detector, whatever this machine has in its cache folder."""
    cache = tmp_path_factory.mktemp("cache")
    for file in resources.cache_folder().glob("*[!x]"):  # kernels and measurements, but no .onnx
        (cache / file.name).symlink_to(file)
    pytest.importorskip("starlette", reason="the editor's extra is not installed: pip install 'stylemap[web]'")
    flags = (
        "--device",
        "cpu",
        "--weights",
        "avatars32",
    )  # the quickest, and projects are kept that were made with them
    changes = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "STYLEMAP_CACHE": str(cache)}
    with served(*flags, env={**os.environ, **changes}) as (address, _):
        yield address


@pytest.fixture(scope="session")
def desktop(browser):
    """The window of pages that want nothing special: making one takes as long as loading the page."""
    context = browser.new_context(viewport=WIDE)
    yield context
    context.close()


@pytest.fixture
def open_editor(server, browser, desktop) -> Iterator[Callable[..., "Editor"]]:
    """Opens pages; afterwards none may have had an error or asked anyone else."""
    editors, contexts = [], []

    def start(**options) -> Editor:
        if options:
            contexts.append(browser.new_context(**{"viewport": WIDE, **options}))
        editors.append(Editor((contexts[-1] if options else desktop).new_page(), server))
        return editors[-1].open()

    yield start
    for editor in editors:
        editor.page.evaluate(FORGET)  # what is kept would be offered to the next page
    for closing in (*(editor.page for editor in editors), *contexts):
        closing.close()
    for editor in editors:
        strays = [url for url in editor.requests if not url.startswith((server, "blob:", "data:"))]
        assert not strays
        assert [error for error in editor.errors if not any(part in error for part in editor.expected)] == []


@pytest.fixture
def editor(open_editor) -> "Editor":
    return open_editor()


class Editor:
    """The page, as a person works with it."""

    def __init__(self, page, server: str):
        self.page, self.server = page, server
        self.errors: list[str] = []
        self.expected: list[str] = []  # parts of errors that a test provokes
        self.requests: list[str] = []
        self.renders: list = []  # the responses
        page.set_default_timeout(TIMEOUT)
        page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("response", lambda response: response.url.endswith("/render") and self.renders.append(response))

    def open(self) -> "Editor":
        self.page.goto(self.server)
        self.page.locator("#references .thumb[data-slot]").wait_for()
        return self.settle()

    def settle(self) -> "Editor":
        """Until pictures are loaded and the result is the newest."""
        self.page.locator("body:not([aria-busy]) #result-stage[aria-busy=false]").wait_for()
        return self

    # ---- what is seen

    def canvas(self, pane: str = "result", layer: str = "after") -> np.ndarray:
        """What is shown, int [side, side, 3]."""
        script = "canvas => canvas.toDataURL().split(',')[1]"
        return pixels(base64.b64decode(self.page.locator(f"#{pane}-stage .{layer}").evaluate(script)))

    def result(self) -> np.ndarray:
        return self.settle().canvas()

    def notice(self) -> str:
        self.page.locator("#notice").wait_for()
        return self.page.locator("#notice p").inner_text()

    # ---- what is done

    def press(self, keys: str) -> "Editor":
        self.page.keyboard.press(keys)
        return self

    def click(self, selector: str) -> "Editor":
        self.page.click(selector)
        return self

    def slide(self, selector: str, value: float) -> "Editor":
        self.page.fill(selector, str(value))
        return self.settle()

    def drag(self, pane: str, points: list[Point], to_pane: str | None = None, steps: int = 2) -> "Editor":
        """The mouse, pressed at the first point; the last is in ``to_pane``."""
        mouse = self.page.mouse
        mouse.move(*self.place(pane, points[0]))
        mouse.down()
        for point in points[1:-1]:
            mouse.move(*self.place(pane, point), steps=steps)
        mouse.move(*self.place(to_pane or pane, points[-1]), steps=steps)
        mouse.up()
        return self.settle()

    def place(self, pane: str, point: Point) -> Point:
        box = self.page.locator(f"#{pane}-stage").bounding_box()
        return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]

    def load(self, photo: Path) -> "Editor":
        """An upload as the original: the chooser's first target."""
        self.page.set_input_files("#file", photo)
        self.page.wait_for_function(
            "() => document.querySelector('#status').textContent.includes('original is loaded')"
        )
        return self.settle()

    def drop(self, path: Path, pane: str, point: Point = (0.5, 0.5)) -> "Editor":
        """A file that is dragged in from the system, by the browser's own events."""
        x, y = self.place(pane, point)
        protocol = self.page.context.new_cdp_session(self.page)
        for step in ("dragEnter", "dragOver", "drop"):
            files = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
            protocol.send("Input.dispatchDragEvent", {"type": step, "x": x, "y": y, "data": files})
        protocol.detach()
        return self

    def save_project(self, path: Path) -> Path:
        with self.page.expect_download() as download:
            self.click("#save-project")
        download.value.save_as(path)
        return path

    def open_project(self, path: Path) -> "Editor":
        """In a page without unsaved work."""
        self.page.set_input_files("#project-file", path)
        return self.settle()

    def save_in_photo(self) -> np.ndarray:
        """What "in the photo at full size" gives."""
        return pixels(self.click("#save").save_as_asked().path().read_bytes())

    def save_as_asked(self):
        """What the dialog's button gives."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save", exact=True).last.click()
        return download.value

    @property
    def session(self) -> str:
        """The address of the session that drew last."""
        return self.renders[-1].url.removesuffix("/render")

    def forget(self) -> str:
        """Makes the server forget the session, as after half an hour; answers its address."""
        self.expected.append("Failed to load resource")
        session = self.session
        urllib.request.urlopen(urllib.request.Request(session, method="DELETE")).close()
        return session

    def paint_hair(self) -> "Editor":
        """A stroke over the upper middle of the reference, which is blue hair."""
        return self.drag("reference", [(0.4, 0.15), (0.6, 0.15)])


def enlarged(editor: Editor, png: bytes, side: int) -> np.ndarray:
    """A picture as the page shows it."""
    text = editor.page.evaluate(ENLARGE, [base64.b64encode(png).decode(), side])
    return pixels(base64.b64decode(text))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def patch(picture: np.ndarray, point: Point, radius: float = 0.07) -> np.ndarray:
    """The square of a picture around a point."""
    side = len(picture)
    left, right = (round((point[0] + sign * radius) * side) for sign in (-1, 1))
    top, bottom = (round((point[1] + sign * radius) * side) for sign in (-1, 1))
    return picture[max(0, top) : bottom, max(0, left) : right]


def change(a: np.ndarray, b: np.ndarray, point: Point) -> float:
    """How different two pictures are around a point, in grey levels."""
    return float(np.abs(patch(a, point) - patch(b, point)).mean())


@pytest.fixture(scope="session")
def photo(tmp_path_factory) -> Path:
    """A face of 96 px that is not in the gallery's first page, as a JPEG."""
    path = tmp_path_factory.mktemp("photos") / "face.jpg"
    Image.fromarray(Avatars(96, split="heldout")[1000]).save(path, quality=95)
    return path
