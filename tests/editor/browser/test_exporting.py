"""The dialog that saves and copies: what it says of the file is what one gets."""

import base64
import io
import itertools

import numpy as np
from PIL import Image

from tests.editor.browser.conftest import PHONE, pixels

PASTED = """async () => {
    const [item] = await navigator.clipboard.read();
    const bytes = new Uint8Array(await (await item.getType("image/png")).arrayBuffer());
    return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""


def test_the_dialog_tells_name_and_size(editor, photo):
    page = editor.page
    editor.load(photo).paint_hair()
    for what, show in itertools.product(("photo", "square"), ("none", "beside", "split")):
        editor.press("s")
        page.check(f"[name=what][value={what}]")
        page.click(f"#save-as [data-value={show}]")
        name, size = page.inner_text("#save-as-name"), page.inner_text("#save-as-size")
        download = editor.save_as_asked()
        picture = Image.open(io.BytesIO(download.path().read_bytes()))
        assert download.suggested_filename == name
        assert size == f"{picture.width} × {picture.height} pixels"
        kind = "edited" if show == "none" else "before-after"
        assert name == f"face-{kind}-{picture.width}x{picture.height}.png"
        side = 96 if what == "photo" else 256
        assert picture.size == ((2 * side + max(2, side // 64) if show == "beside" else side), side)


def test_formats_and_quality(editor, photo):
    page = editor.page
    editor.load(photo).paint_hair()
    exact = editor.save_in_photo()
    sizes = {}
    for format, quality in (("webp", None), ("jpg", 95), ("jpg", 20)):
        editor.press("s")
        page.click(f"#save-as [data-value={format}]")
        assert page.locator("#quality").is_visible() == (format == "jpg")
        assert ("every pixel a little" in page.inner_text("#save-as-text")) == (format == "jpg")
        if quality:
            page.fill("#quality", str(quality))
        data = editor.save_as_asked().path().read_bytes()
        assert Image.open(io.BytesIO(data)).format == {"webp": "WEBP", "jpg": "JPEG"}[format]
        sizes[format, quality] = len(data)
        if format == "webp":
            assert np.array_equal(pixels(data), exact)
    assert sizes["jpg", 20] < sizes["jpg", 95]
    assert editor.page.locator("#notice").is_hidden(), "the dialog has said what the format holds"


def test_the_choice_is_kept_and_the_square_is_enlarged(editor):
    page = editor.page
    shown = editor.paint_hair().result()
    editor.press("s")
    assert page.locator("#what").is_hidden(), "there is no larger photo"
    page.select_option("#enlarge", "1")
    page.keyboard.press("Escape")
    editor.press("s")
    assert page.inner_text("#save-as-size") == "32 × 32 pixels"
    assert pixels(editor.save_as_asked().path().read_bytes()).shape == (32, 32, 3)
    assert shown.shape == (512, 512, 3)


def test_a_dialog_that_is_closed_and_opened_at_once_is_answered(editor):
    again = "() => { document.querySelector('#save-as').close(); document.querySelector('#save').click(); }"
    editor.paint_hair().press("s").page.evaluate(again)
    assert editor.save_as_asked()


def test_copied_and_refused(open_editor, photo):
    editor = open_editor(viewport=PHONE, has_touch=True)
    page = editor.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    editor.load(photo).paint_hair()
    saved = editor.save_in_photo()
    page.tap("#save")
    page.tap("#save-as [data-value=jpg]")
    page.tap("#copy")
    page.wait_for_function("() => document.querySelector('#status').textContent === 'Copied: 96 × 96 pixels'")
    page.bring_to_front()
    assert np.array_equal(pixels(base64.b64decode(page.evaluate(PASTED))), saved), "a PNG, whatever is saved"
    for how, line in (
        (
            "() => navigator.clipboard.write = () => Promise.reject(new DOMException('no', 'NotAllowedError'))",
            "refused",
        ),
        ("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })", "over https:"),
    ):
        page.evaluate(how)
        page.tap("#save")
        page.tap("#copy")
        page.wait_for_function("line => document.querySelector('#notice p').textContent.includes(line)", arg=line)
        assert "ave the file" in editor.notice()
    editor.settle()
