"""The page as a whole: what it shows at first, narrow and dark, by keyboard alone, two at a time."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.editor.browser.conftest import PHONE, WIDE, Editor

CONTROLS = ":is(button, input, canvas[tabindex], label.button):not([aria-hidden])"


def test_the_first_sight_is_an_original_a_reference_and_what_to_do(editor):
    assert "Paint here" in editor.page.inner_text("#hint")
    assert editor.page.title() == "avatars32 · stylemap editor"
    assert editor.result().std() > 20
    assert editor.canvas("reference").std() > 20
    assert not np.array_equal(editor.canvas("result"), editor.canvas("reference"))
    editor.paint_hair()
    assert editor.page.locator("#hint").is_hidden()


def test_before_and_after(editor):
    editor.paint_hair()
    before = editor.canvas(layer="before")
    tag, divider = editor.page.locator("#before-tag"), editor.page.locator(".divider")
    assert tag.is_hidden()
    editor.slide("#compare", 50)
    assert divider.is_visible()
    assert tag.inner_text() == "Original"
    editor.drag("result", [(0.5, 0.8), (0.25, 0.8)])
    assert editor.page.input_value("#compare") == "25", "the line itself is dragged"
    half = editor.page.locator("#result-stage").screenshot()
    editor.press("x")
    assert tag.is_hidden()
    assert editor.page.locator("#result-stage").screenshot() != half
    editor.click("#before-reconstruction")
    assert tag.inner_text() == "Reconstruction"
    assert not np.array_equal(editor.canvas(layer="before"), before)
    assert editor.page.input_value("#compare") == "100"


SLOW = pytest.mark.slow
PHONES = [(320, 568), (667, 375), *(pytest.param(size, marks=SLOW) for size in ((400, 800), (844, 390), (568, 320)))]
SMALL = """() => [...document.querySelectorAll("button, input, select, label.button, label.choice")].filter(element => {
    const { width, height } = element.getBoundingClientRect();
    const isSeen = element.checkVisibility({ visibilityProperty: true }) && !element.closest(".unseen");
    const target = element.closest("label") ?? element; // all of a label is pressed
    const box = target.getBoundingClientRect();
    return isSeen && width > 0 && (Math.max(width, box.width) < 43.99 || Math.max(height, box.height) < 43.99);
}).map(element => element.outerHTML)"""


@pytest.mark.parametrize("size", PHONES)
def test_a_phone_has_pictures_and_tools_in_reach_and_large_enough_for_a_finger(open_editor, size):
    width, height = size
    editor = open_editor(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True)
    page = editor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    stages = [page.locator(f"#{pane}-stage").bounding_box() for pane in ("result", "reference")]
    bar = page.locator(".tools").bounding_box()
    for box in stages:
        assert box["width"] >= min(240, 0.4 * min(size)) and box["width"] == pytest.approx(box["height"])
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= bar["y"] or box["x"] >= bar["x"] + bar["width"], "the tools lie beside it"
    assert page.evaluate(SMALL) == []
    for tool in page.locator("#tools button").all():
        box = tool.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        tool.tap()
        assert tool.get_attribute("aria-checked") == "true"
    page.get_by_role("button", name="hair", exact=True).tap()
    assert page.evaluate(SMALL) == []
    page.locator("#adjust").tap()
    page.locator("#strength").wait_for()
    assert page.evaluate(SMALL) == []
    page.locator("#hard").scroll_into_view_if_needed()
    assert page.locator("#hard").is_visible()
    page.locator("#adjust").tap()
    page.locator("#strength").wait_for(state="hidden")
    page.locator("#save").tap()
    assert page.evaluate(SMALL) == []
    editor.settle()


def test_wide_needs_no_scrolling_for_the_pictures_and_tools(editor):
    page = editor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"]
    for selector in ("#result-stage", "#reference-stage", "#tools", "#parts"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= WIDE["height"]


@pytest.mark.parametrize("viewport", [PHONE, pytest.param({"width": 990, "height": 700}, marks=SLOW), WIDE])
def test_a_notice_leaves_undo_and_save_in_reach_and_goes_by_itself(open_editor, viewport, tmp_path):
    editor = open_editor(viewport=viewport)
    page, notice = editor.page, editor.page.locator("#notice")
    page.clock.install()
    editor.expected.append("Failed to load resource")
    text = tmp_path / "letter.png"
    text.write_text("dear sir or madam")
    editor.paint_hair().page.set_input_files("#file", text)
    assert editor.notice()
    assert notice.get_attribute("role") == "alert"
    for selector in ("#undo", "#save", "#open-project"):
        page.click(selector, trial=True)  # fails where something lies over it
    notice.hover()
    page.clock.fast_forward(60_000)
    assert notice.is_visible(), "it is being read"
    page.mouse.move(2, 2)
    page.get_by_label("Dismiss").focus()
    page.clock.fast_forward(60_000)
    assert notice.is_visible()
    page.locator("#undo").focus()
    page.clock.fast_forward(60_000)
    notice.wait_for(state="hidden")
    editor.settle()


def test_dark_and_light_have_contrast(open_editor):
    script = """selector => {
        const style = getComputedStyle(document.querySelector(selector));
        return [style.color, style.backgroundColor];
    }"""
    for scheme in ("light", "dark"):
        page = open_editor(color_scheme=scheme).page
        ground = page.evaluate(script, "body")[1]
        for selector in ("body", "#facts", "#live", "#save", "#parts button"):
            color, own = page.evaluate(script, selector)
            assert contrast(color, ground if own == "rgba(0, 0, 0, 0)" else own) >= 4.5, (scheme, selector)
        assert (luminance(ground) < 0.1) == (scheme == "dark")


def test_everything_has_a_name(editor):
    unnamed = """selector => [...document.querySelectorAll(selector)].filter(element => {
        const label = element.labels?.[0]?.textContent ?? "";
        return !(element.getAttribute("aria-label") ?? element.textContent + label).trim();
    }).map(element => element.outerHTML)"""
    assert editor.page.evaluate(unnamed, CONTROLS) == []


def test_by_keyboard_alone(editor):
    reach(editor, "#keep-detail")  # with it, a region of strength 0 is the reconstruction in the photo
    before = editor.press(" ").result()
    reach(editor, "#reference-stage .overlay")
    for _ in range(10):
        editor.press("ArrowUp")
    painted = editor.press(" ").result()
    assert not np.array_equal(painted, before)
    reach(editor, "#result-stage .overlay")
    for _ in range(4):
        editor.press("Shift+ArrowDown")
    moved = editor.result()
    assert not np.array_equal(moved, painted)
    reach(editor, "#strength")
    assert np.array_equal(editor.press("Home").result(), before)
    editor.press("Control+z").settle()
    assert np.array_equal(editor.result(), moved)
    editor.press("?")
    assert editor.page.locator("#help").is_visible()
    assert editor.page.locator("#help tr").count() > 12
    editor.press("Escape")
    assert editor.page.locator("#help").is_hidden()


@pytest.mark.slow
def reach(editor, selector: str) -> None:
    """By the Tab key."""
    for _ in range(80):
        editor.press("Tab")
        if editor.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_two_pages_do_not_mix(open_editor):
    one, two = open_editor(), open_editor()
    before = two.result()
    assert not np.array_equal(one.paint_hair().result(), before)
    two.slide("#compare", 30)
    two.drag("reference", [(0.4, 0.7), (0.6, 0.7)])
    assert np.array_equal(two.press("Control+z").result(), before)
    assert one.renders[-1].url != two.renders[-1].url


@pytest.fixture
def proxy(server) -> Iterator[str]:
    """The address of the editor behind a proxy that adds a path, and knows no other."""

    class Proxy(BaseHTTPRequestHandler):
        def pass_on(self):
            if not self.path.startswith("/user/me/proxy/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            with (
                contextlib.closing(http.client.HTTPConnection(urlsplit(server).netloc)) as connection,
                contextlib.suppress(ConnectionError),  # a page that is closed waits for nothing
            ):
                connection.request(self.command, self.path.removeprefix("/user/me/proxy"), body, headers)
                with connection.getresponse() as answer:
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer.read())

        do_GET = do_POST = do_PUT = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}/user/me/proxy/"
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_behind_a_proxy_that_adds_a_path(desktop, proxy):
    editor = Editor(desktop.new_page(), proxy).open()
    before = editor.result()
    assert not np.array_equal(editor.paint_hair().result(), before)
    editor.click("#change-original").page.locator("#gallery img >> nth=2").evaluate("image => image.decode()")
    assert [url for url in editor.requests if not url.startswith((proxy, "blob:", "data:"))] == []
    assert editor.errors == []
    editor.page.close()


def luminance(color: str) -> float:
    """Relative, of WCAG 2, of an opaque color."""
    values = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
