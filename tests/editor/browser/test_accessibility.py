"""What axe-core finds in the page: nothing, in every state that a person meets."""

from pathlib import Path

import pytest

from tests.editor.browser.conftest import PHONE, WIDE

LOW = {"width": 667, "height": 375}
WINDOWS = {
    "light": {"viewport": WIDE},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
    "low": {"viewport": LOW, "has_touch": True, "is_mobile": True, "color_scheme": "dark"},
}
RULES = {"dark": ("color-contrast",)}  # all others find the same as in the light


@pytest.fixture
def findings():
    """What axe-core says of a page: rule and element."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    script = (Path(package.__file__).parent / "axe.min.js").read_text()

    def run(page, *rules: str) -> list[tuple[str, list]]:
        if not page.evaluate("() => 'axe' in window"):
            page.evaluate(script)
        options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
        violations = page.evaluate("options => axe.run(options)", options)["violations"]
        return [(rule["id"], node["target"]) for rule in violations for node in rule["nodes"]]

    return run


def test_axe_sees_what_is_wrong(editor, findings):
    editor.page.evaluate("() => document.querySelector('#undo').removeAttribute('aria-label')")
    editor.page.evaluate("() => document.querySelector('#undo').removeAttribute('title')")
    assert findings(editor.page) == [("button-name", ["#undo"])]


@pytest.mark.parametrize(
    "window", ["light", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dark", "phone", "low"))]
)
def test_axe_finds_nothing(open_editor, photo, findings, window):
    editor = open_editor(**WINDOWS[window])
    page, found = editor.page, {}

    def look(state: str) -> None:
        found[state] = findings(page, *RULES.get(window, ()))

    look("start")
    editor.load(photo).paint_hair().press("l")
    page.mouse.click(*editor.place("reference", (0.5, 0.5)))
    look("painted, with an open lasso and a line on how to close it")
    editor.press("Control+z").slide("#compare", 50)
    look("undone, before and after")
    if page.locator("#adjust").is_visible():
        page.locator("#adjust").tap()
    page.get_by_role("radio", name="Brushed region").click()
    look("the panel")
    if page.locator("#adjust").is_visible():
        page.locator("#adjust").tap()
    for state, keys in {"save": "s", "help": "?", "crop": "c"}.items():
        editor.press(keys)
        page.locator("dialog[open]").wait_for()
        look(state)
        editor.press("Escape")
    editor.click("#change-original")
    look("chooser")
    editor.press("Escape")
    for name in ("kept", "discard"):
        page.evaluate("name => document.getElementById(name).showModal()", name)
        look(name)
        editor.press("Escape")
    editor.expected.append("Failed to load resource")
    page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
    assert editor.notice()
    look("notice")
    assert {state: wrong for state, wrong in found.items() if wrong} == {}
    editor.settle()
