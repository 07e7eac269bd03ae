"""Somebody who has never seen the page: photo in, another mouth, photo out, in at most six actions.

An action is a press, a file chosen in the dialog of the system, or a file dropped.
"""

import numpy as np
import pytest

from stylemap.datasets.avatars import Avatars
from stylemap.datasets.parts import part_ids
from tests.editor.browser.conftest import PHONE, Editor, pixels

MOST = 6
SIDE = 32  # of the weights


class Person:
    """Counts what the hand does."""

    def __init__(self, editor: Editor):
        self.editor, self.actions = editor, 0

    def press(self, name: str) -> None:
        """By what is written on it, or by what a screen reader calls it."""
        self.actions += 1
        self.editor.page.get_by_role("button", name=name, exact=True).locator("visible=true").last.click()
        self.editor.settle()

    def choose_file(self, name: str, photo) -> None:
        with self.editor.page.expect_file_chooser() as chosen:
            self.press(name)
        self.actions += 1
        chosen.value.set_files(photo)
        self.wait_for_the_photo()

    def drop(self, photo, pane: str) -> None:
        self.actions += 1
        self.editor.drop(photo, pane)
        self.wait_for_the_photo()

    def wait_for_the_photo(self) -> None:
        loaded = "() => document.querySelector('#status').textContent.includes('original is loaded')"
        self.editor.page.wait_for_function(loaded)
        self.editor.settle()

    def save(self) -> tuple[str, np.ndarray]:
        self.press("Save")
        with self.editor.page.expect_download() as download:
            self.press("Save")
        return download.value.suggested_filename, pixels(download.value.path().read_bytes())


@pytest.mark.parametrize("way", ["desktop", "phone", pytest.param("another face", marks=pytest.mark.slow)])
def test_photo_in_mouth_replaced_photo_out(open_editor, photo, way):
    editor = open_editor(**({"viewport": PHONE, "has_touch": True, "is_mobile": True} if way == "phone" else {}))
    person, before = Person(editor), pixels(photo.read_bytes())
    if way == "another face":
        person.drop(photo, "result")
        person.press("Add a reference")
        person.press("Image 3")
        editor.page.locator("[data-slot='1'][aria-pressed=true]").wait_for()
    else:
        person.choose_file("Your photo", photo)
    person.press("mouth")
    name, after = person.save()
    assert person.actions <= MOST
    assert name == "face-edited-96x96.png" and after.shape == before.shape
    gallery, index = Avatars(SIDE, split="heldout"), 2 if way == "another face" else 3
    mouth = np.isin(gallery.parts(index), part_ids("lip"))

    def error(picture: np.ndarray) -> float:
        small = picture.reshape(SIDE, 3, SIDE, 3, 3).mean((1, 3))
        return float(np.square(small - gallery[index])[mouth].mean())

    assert error(after) < error(before) / 2, "the mouth is the other's"
    rows, columns = np.nonzero((after != before).any(2))
    assert rows.min() > 96 * 0.5 and columns.min() > 96 * 0.15 and columns.max() < 96 * 0.85, "only around the mouth"
