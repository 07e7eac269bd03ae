"""Every row of the interface, and that an edit is the library's to the byte."""

import base64
import io
import json
import math
import threading

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylemap import decoding, editing, images, project, reading, resampling
from stylemap.datasets.parts import GROUPS
from stylemap.editing import directions, masks
from stylemap.editing.blending import in_space, render
from stylemap.editing.composing import compose
from stylemap.editing.edit import Placement
from stylemap.editing.incremental import preview
from stylemap.editor import requests
from stylemap.editor.limits import PAGE_BYTES
from stylemap.errors import InputError
from stylemap.faces import Alignment, quad
from stylemap.faces.pasting import FEATHER
from stylemap.familiarity import LOCAL, Familiarity
from stylemap.inversion import fitting
from stylemap.segmentation import Origin, Segmenter
from tests.editing import tiny
from tests.editor.conftest import LIMITS, POINTS, SIDE, Page, avatars, box, patch, photo, pixels, png, text


def encoded(studio, *pictures):
    """Stylemaps [1, C, S, S] of uint8 pictures."""
    with torch.inference_mode():
        return [studio.model.encode(images.from_uint8(torch.from_numpy(p)[None])) for p in pictures]


def shown(image) -> np.ndarray:
    return images.to_uint8(image)[0].numpy()


def as_mask(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask.astype(np.float32) / 255)[None, None]


# ---- the page


def test_page_and_its_files(client):
    for path, kind in (("/", "text/html"), ("/static/index.html", "text/html"), ("/static/style.css", "text/css")):
        answer = client.get(path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_info(client, studio):
    info = client.get("/api/info").json()
    assert info["weights"] == "tiny" and info["resolution"] == SIDE and info["stylemap_size"] == 8
    assert info["layers"] == len(studio.model.resize(torch.zeros(1, *studio.model.config.stylemap_shape)))
    assert info["references"] == 6
    most = project.most_bytes(studio.model.config, LIMITS.upload_bytes)
    assert info["limits"] == {
        "bytes": LIMITS.upload_bytes,
        "project": most,
        "pixels": LIMITS.pixels,
        "page": PAGE_BYTES,
        "header": reading.LARGEST_HEADER,
        "kept": 1 << 22,  # of the tiny server
        "enlarge": images.MOST_TIMES,
    }
    assert [part["name"] for part in info["parts"]] == list(GROUPS)
    assert info["directions"] == [{"name": "smile", "accuracy": 0.9}]
    assert info["detector"] is True


def test_gallery(client, refused):
    answer = client.get("/api/gallery/3.png")
    assert answer.headers["content-type"] == "image/png" and "max-age" in answer.headers["cache-control"]
    assert np.array_equal(pixels(answer.content), avatars[3])
    refused(client.get("/api/gallery/48.png"), 404)
    refused(client.get("/api/gallery/-1.png"), 404)
    refused(client.get("/api/gallery/x.png"), 422)


# ---- pictures


def test_avatar(page, studio):
    answer = page.put("original", 5)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    about = answer.json()
    assert about["slot"] == "original" and (about["width"], about["height"]) == (SIDE, SIDE)
    assert about["parts"] is True and about["aligned"] is False
    seen = pixels(page.ask("GET", "/pictures/original.png?view=photo").content)
    assert np.array_equal(seen, avatars[5])
    assert np.array_equal(pixels(page.ask("GET", "/pictures/original/parts.png").content), avatars.parts(5))
    image = images.from_uint8(torch.from_numpy(avatars[5])[None])
    expected = studio.model.synthesize(studio.model.encode(image))
    assert about["mse"] == pytest.approx(float((expected.clamp(-1, 1) - image).square().mean()), rel=1e-5)
    assert about["psnr"] == pytest.approx(10 * np.log10(4 / about["mse"]))
    reconstruction = pixels(page.ask("GET", "/pictures/original.png?view=reconstruction").content)
    assert np.array_equal(reconstruction, shown(expected))


def test_errors_are_told_by_a_word_and_by_place(page, studio, monkeypatch):
    monkeypatch.setattr(studio, "known", None)
    assert page.put("original", 5).json()["word"] is None
    assert not pixels(page.ask("GET", "/pictures/original.png?view=errors").content).any()
    known = Familiarity("tiny", 0.05, "samples")
    monkeypatch.setattr(studio, "known", known)
    about = page.put("original", 5).json()
    assert about["word"] == known.word(about["mse"])
    map_ = pixels(page.ask("GET", "/pictures/original.png?view=errors").content)
    drawn = pixels(page.ask("GET", "/pictures/original.png?view=reconstruction").content)
    assert map_.shape == (SIDE, SIDE) and 0 < (map_ >= 128).mean() < 1
    assert np.array_equal(map_ >= 128, known.local(avatars[5], drawn) >= LOCAL)


def test_detail_is_kept_where_the_edit_does_not_reach(ready, studio):
    """The photo there, what the model made in the mask; with the photo at full size it is the same as without."""
    edit = {"patches": [patch(0, box(0, 8, 0, 8))]}
    kept, made = (pixels(ready.render(**edit, keep_detail=keep).content) for keep in (True, False))
    reach = 8 + math.ceil(FEATHER * SIDE) + 1  # the rim, see `faces.paste_back`
    assert np.array_equal(kept[reach:], avatars[0][reach:]) and np.array_equal(kept[:, reach:], avatars[0][:, reach:])
    assert np.array_equal(kept[:8, :8], made[:8, :8]) and not np.array_equal(made, avatars[0])
    assert np.array_equal(pixels(ready.render(keep_detail=True).content), avatars[0])
    edit["keep_detail"] = True
    assert np.array_equal(pixels(ready.ask("POST", "/save", json=edit | {"enlarge": 1}).content), kept)
    in_photo = [
        ready.ask("POST", "/save", json=edit | {"paste_back": "feather", "keep_detail": k}) for k in (True, False)
    ]
    assert in_photo[0].content == in_photo[1].content
    saved = project.read(ready.ask("POST", "/project", json=edit).content)
    assert np.array_equal(project.Replay(studio.model, saved)().in_square(saved.photos["original"]), kept)


def lines(answer) -> list[dict]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_weights_are_fitted_to_the_original(ready, studio, client):
    """It is told step by step; all edits of the photo are drawn by the fitted weights, those of others are not."""
    before, edit = ready.put("original", 0).json(), {"patches": [patch(0), patch(3)], "pushes": []}
    plain = ready.render(**edit).content
    *told, last = lines(ready.ask("POST", "/fit", json={"steps": 10}))
    assert [line["done"] for line in told] == pytest.approx([k / 10 for k in range(1, 11)])
    assert last["picture"]["fitted"] and not before["fitted"] and last["picture"]["mse"] < before["mse"]
    assert ready.render().content == ready.ask("GET", "/pictures/original.png?view=reconstruction").content

    data = ready.ask("GET", "/pictures/original/fit").content
    fit = fitting.from_bytes(data)
    model, (_, *references) = fit.model(studio.model), encoded(studio, avatars[0], avatars[1], avatars[2])
    with torch.inference_mode():
        expected = editing.blend(model, fit.stylemap, references, [as_mask(box(0, SIDE // 2, 0, SIDE))] * 2)
    drawn = ready.render(patches=[patch(i, box(0, SIDE // 2, 0, SIDE)) for i in (0, 3)])
    assert np.abs(pixels(drawn.content).astype(int) - shown(expected)).max() <= 1
    fitted = ready.render(**edit).content
    saved = ready.ask("POST", "/project", json=edit).content

    other = Page(client)
    for slot, avatar in (("original", 0), (0, 1), (3, 2)):
        other.put(slot, avatar)
    assert other.render(**edit).content == plain != fitted
    assert other.ask("PUT", "/pictures/original/fit", content=data).json() == last["picture"]
    assert other.render(**edit).content == fitted
    assert other.ask("PUT", "/project", content=saved).json()["pictures"]["original"]["fitted"]
    assert other.render(**edit).content == fitted
    ready.put("original", 0)
    assert ready.render(**edit).content == plain


def test_fits_that_cannot_be(page, refused):
    refused(page.ask("POST", "/fit", json={}), 409)
    page.put("original", 0)
    refused(page.ask("POST", "/fit", json={"steps": 0}), 422)
    refused(page.ask("GET", "/pictures/original/fit"), 404)
    refused(page.ask("PUT", "/pictures/original/fit", content=b"something"), 422)


def test_edits_go_before_the_steps_of_a_fit(ready, studio, application, monkeypatch):
    """A step waits while the model has work; a fit whose reader is gone ends."""
    steps, worker = [], application.app.state.server.model

    def fit(encoded, count, tick):
        worker.idle.clear()
        steps.append("begun")
        threading.Timer(0.2, lambda: (steps.append("edited"), worker.idle.set())).start()
        tick(0.5)
        steps.append("done")
        raise InputError("enough")

    monkeypatch.setattr(studio, "fit", fit)
    assert lines(ready.ask("POST", "/fit", json={})) == [{"done": 0.5}, {"error": "enough"}]
    assert steps == ["begun", "edited", "done"]


def test_the_parts_of_an_upload_are_what_the_segmenter_finds(page, studio, monkeypatch):
    segmenter = Segmenter(studio.model.config, Origin(studio.fingerprint, "none", 0)).eval()
    monkeypatch.setattr(studio, "segmenter", segmenter)
    assert page.put(2, png(avatars[5])).json()["parts"] is True
    found = segmenter.labels(studio.model, images.from_arrays([avatars[5]]))[0]
    assert np.array_equal(pixels(page.ask("GET", "/pictures/2/parts.png").content), found)
    page.put(2, 5)
    known = pixels(page.ask("GET", "/pictures/2/parts.png").content)
    assert np.array_equal(known, avatars.parts(5)), "where parts are known, they are shown"


def test_upload_is_cut_to_its_central_square(page, refused):
    whole = photo(100, 60)
    about = page.put(2, png(whole), "?frame=centre").json()
    assert (about["slot"], about["width"], about["height"]) == ("2", 100, 60)
    assert about["parts"] is False and about["aligned"] is False
    assert np.array_equal(pixels(page.ask("GET", "/pictures/2.png").content), resampling.fit(whole, SIDE))
    refused(page.ask("GET", "/pictures/2/parts.png"), 404)


def test_the_face_of_an_upload_is_found(page, refused):
    about = page.put("original", png(photo())).json()
    assert about["aligned"] is True and (about["width"], about["height"], about["faces"]) == (120, 100, 1)
    for query in ("?frame=face", "?align=1"):  # its earlier name
        assert page.put("original", png(photo()), query).json()["crop"] == about["crop"]
    about = page.put("original", png(photo(80, 100))).json()
    assert (about["aligned"], about["faces"], about["crop"]) == (False, 0, [0, 10, 80, 0]), "the central square"
    refused(page.put("original", png(photo(80, 100)), "?frame=face"), 422, "no face")


@pytest.mark.parametrize("slot", ["original", 2])
def test_a_square_that_is_chosen(page, slot):
    """What an answer calls its crop gives the same pixels again; a turned one is another."""
    found = page.put(slot, png(photo()))
    seen = page.ask("GET", f"/pictures/{slot}.png").content
    crop = found.json()["crop"]
    again = page.put(slot, png(photo()), f"?crop={','.join(map(repr, crop))}").json()
    assert again["crop"] == pytest.approx(crop) and page.ask("GET", f"/pictures/{slot}.png").content == seen
    page.put(slot, png(photo()), "?crop=30,30,40,90")
    turned = pixels(page.ask("GET", f"/pictures/{slot}.png").content)
    page.put(slot, png(photo()), "?crop=30,30,40")
    upright = pixels(page.ask("GET", f"/pictures/{slot}.png").content).astype(int)
    # Lanczos sums in another order
    assert np.abs(np.rot90(upright) - turned).max() <= 1


def test_looking_at_a_photo(page, refused):
    found = page.ask("POST", "/look", content=png(photo())).json()
    crop = page.put("original", png(photo())).json()["crop"]
    assert found == {"width": 120, "height": 100, "faces": [pytest.approx(crop)]}
    whole = np.zeros((50, 1700, 3), np.uint8) + 200
    answer = page.ask("POST", "/look?picture=1", content=png(whole.transpose(1, 0, 2))).json()
    kind, _, data = answer["picture"].partition(",")
    assert kind == "data:image/jpeg;base64" and pixels(base64.b64decode(data)).shape == (1600, 47, 3)
    refused(page.ask("POST", "/look", content=b"nothing"), 422)


def test_the_file_of_an_upload(page, refused):
    page.put("original", png(photo()))
    page.put(0, png(photo()))
    assert page.ask("GET", "/pictures/original/file").content == png(photo())
    refused(page.ask("GET", "/pictures/0/file"), 404, "no file")


def test_delete(ready, refused):
    assert ready.ask("DELETE", "/pictures/0").status_code == 204
    assert ready.ask("DELETE", "/pictures/0").status_code == 204
    refused(ready.ask("GET", "/pictures/0.png"), 404)


# ---- edits


def test_no_edit_is_the_reconstruction(ready):
    answer = ready.render()
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert float(answer.headers["x-milliseconds"]) > 0
    assert answer.content == ready.ask("GET", "/pictures/original.png?view=reconstruction").content


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.parametrize("hard", [False, True])
def test_blend_is_the_librarys(ready, studio, space, hard):
    masks_ = [box(3, 17, 5, 30), np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE).astype(np.uint8)]
    patches = [patch(r, m, hard=hard, strength=0.7) for r, m in zip((0, 3), masks_, strict=True)]
    seen = pixels(ready.render(space=space, patches=patches).content)
    original, *references = encoded(studio, avatars[0], avatars[1], avatars[2])
    with torch.inference_mode():
        expected = editing.blend(
            studio.model, original, references, [as_mask(m) for m in masks_], space, hard, strength=0.7
        )
    assert np.array_equal(seen, shown(expected))
    assert not np.array_equal(seen, pixels(ready.render().content))


def test_a_preview_is_made_where_exact_images_take_long(ready, studio, monkeypatch):
    made = []
    monkeypatch.setattr("stylemap.editing.blending.preview", lambda *arguments: made.append(1) or preview(*arguments))
    for exact_s, asked, expected in ((10, False, 0), (0, True, 0), (10, True, 1)):
        studio.exact_s = exact_s
        assert ready.render(patches=[patch()], preview=asked).status_code == 200
        assert len(made) == expected
    assert studio.exact_s == 10, "the time of a preview is not that of an exact image"
    ready.render(patches=[patch()])
    assert studio.exact_s < 10


def test_everything_at_once_is_the_librarys(ready, studio):
    patches = [patch(0, shift=[-3.5, 2], scale=1.5, flip=True, centre=[16, 12], feather=2, layers=[1, 4])]
    pushes = [
        {"direction": "smile", "amount": -1.5, "mask": text(box(0, 9, 0, 32))},
        {"direction": "smile", "amount": 1},
    ]
    seen = pixels(ready.render(patches=patches, pushes=pushes).content)
    # flipped, so taken from the mirrored picture: a mirrored map is no map of a face
    original, turned = encoded(studio, avatars[0], np.ascontiguousarray(avatars[1][:, ::-1]))
    model, smile = studio.model, studio.directions["smile"]

    def maps(w):
        return in_space(model, w, "w+")

    def delta(amount):
        moved = maps(directions.move(original, smile, amount))
        return [a - b for a, b in zip(moved, maps(original), strict=True)]

    with torch.inference_mode():
        mask = masks.feather(as_mask(box(8, 20, 8, 20)), 2)
        placement = Placement((-3.5, 2), 1.5, True, (16, 12))
        steps = [
            tiny.patch([m.flip(3) for m in in_space(model, turned, "w+")], mask, placement, layers=(1, 4)),
            tiny.addition(delta(-1.5), as_mask(box(0, 9, 0, 32))),
            tiny.addition(delta(1)),
        ]
        expected = render(model, compose(maps(original), steps, SIDE), "w+")
    assert np.array_equal(seen, shown(expected))


def test_direction_stays_within_its_brush(ready, studio):
    base = pixels(ready.render().content).astype(int)
    brushed = {"direction": "smile", "amount": 3, "mask": text(box(0, 8, 0, 8))}
    change = abs(pixels(ready.render(pushes=[brushed]).content) - base)
    assert change[:8, :8].mean() > 5 * change[20:, 20:].mean()


def test_masks_as_a_canvas_gives_them(ready):
    painted = np.zeros((SIDE, SIDE, 4), np.uint8)
    painted[8:20, 8:20] = 255
    assert (
        ready.render(patches=[{"reference": 0, "mask": text(painted)}]).content
        == ready.render(patches=[patch()]).content
    )


# ---- saving


def test_save(ready):
    answer = ready.ask("POST", "/save", json={"patches": [patch()]})
    assert answer.headers["content-disposition"] == 'attachment; filename="edit.png"'
    shown = pixels(ready.render(patches=[patch()]).content)
    assert np.array_equal(pixels(answer.content), shown.repeat(256 // SIDE, 0).repeat(256 // SIDE, 1))
    for times in (1, 3):
        answer = ready.ask("POST", "/save", json={"patches": [patch()], "enlarge": times})
        assert np.array_equal(pixels(answer.content), shown.repeat(times, 0).repeat(times, 1))


@pytest.mark.parametrize("how", ["feather", "poisson"])
@pytest.mark.parametrize("query", ["?frame=centre", "?frame=face", "?crop=65,25,90,30"])
def test_save_in_the_photo(page, how, query):
    whole = photo(240, 160)
    page.put("original", png(whole), query)
    page.put(0, 1)
    edit = {"patches": [patch(0, box(10, 18, 10, 18))], "paste_back": how}
    saved = pixels(page.ask("POST", "/save", json=edit).content)
    assert saved.shape == whole.shape
    changed = (saved != whole).any(2)
    assert changed.any()
    place = page_alignment(page, query)
    corners = np.array([place @ (x, y, 1) for x in (6, 22) for y in (6, 22)])
    low, high = corners.min(0), corners.max(0)
    assert not changed[: max(0, int(low[1]))].any() and not changed[int(np.ceil(high[1])) + 1 :].any()
    assert not changed[:, : max(0, int(low[0]))].any() and not changed[:, int(np.ceil(high[0])) + 1 :].any()


def page_alignment(page, query):
    """From pixels of the model's picture to those of the photo of 240 x 160."""
    if query == "?frame=face":
        return Alignment.of(quad(POINTS), SIDE).to_photo
    if "crop" in query:
        return Alignment.crop(65, 25, 90, 30, SIDE).to_photo
    return Alignment.central(160, 240, SIDE).to_photo


def test_nothing_edited_saves_the_photo(page):
    whole = photo(90, 70)
    page.put("original", png(whole))
    saved = page.ask("POST", "/save", json={"paste_back": "feather"})
    assert np.array_equal(pixels(saved.content), whole)


@pytest.mark.parametrize(("kind", "bits"), [("CMYK", 8), ("deep", 16)])
def test_save_keeps_what_a_png_can_hold_and_says_what_it_cannot(page, kind, bits):
    """Pixels that the edit does not touch: of 16 bits as they are, of CMYK as they are shown."""
    values = np.random.default_rng(0).integers(0, 65536, (70, 90, 4), np.uint16)
    values[..., 3] |= 40_000  # hardly anywhere transparent
    if kind == "CMYK":
        buffer = io.BytesIO()
        Image.frombytes("CMYK", (90, 70), (values >> 8).astype(np.uint8).tobytes()).save(buffer, "JPEG")
        data = buffer.getvalue()
    else:
        data = cv2.imencode(".png", values)[1].tobytes()
    page.put("original", data)
    page.put(0, 1)
    edit = {"patches": [patch(0, box(10, 18, 10, 18))], "paste_back": "feather"}
    answer = page.ask("POST", "/save", json=edit)
    notes = json.loads(answer.headers.get("x-notes", "[]"))
    assert notes == (["PNG has no CMYK: the result is in sRGB"] if kind == "CMYK" else [])
    assert answer.content[24] == bits
    read = decoding.decode if kind == "CMYK" else lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), -1)
    changed = (read(answer.content) != read(data)).any(2)
    assert changed[30:40, 40:50].any() and not changed[:10].any() and not changed[-10:].any()


@pytest.mark.parametrize(("format", "kind"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("paste_back", ["none", "feather"])
def test_save_in_another_format(page, format, kind, paste_back):
    page.put("original", png(photo(120, 100)))
    page.put(0, 1)
    edit = {"patches": [patch()], "paste_back": paste_back, "enlarge": 2}
    answer = page.ask("POST", "/save", json={**edit, "format": format})
    assert answer.headers["content-disposition"] == f'attachment; filename="edit.{format}"'
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.format == kind
    assert answer.headers["content-type"] == Image.MIME[kind]
    assert picture.size == ((2 * SIDE, 2 * SIDE) if paste_back == "none" else (120, 100))
    exact = pixels(page.ask("POST", "/save", json=edit).content)
    error = np.abs(np.array(picture).astype(int) - exact).mean()
    assert 0 < error < 2 if kind == "JPEG" else error == 0, "PNG and WebP keep every pixel"
    assert "x-notes" not in answer.headers


def test_the_quality_of_a_jpeg(ready, refused):
    small, large = (
        ready.ask("POST", "/save", json={"format": "jpg", "quality": quality}).content for quality in (30, 100)
    )
    assert len(small) < len(large)
    refused(ready.ask("POST", "/save", json={"format": "webp", "quality": 30}), 422, "WebP", "no quality")


@pytest.mark.parametrize("layout", ["beside", "split"])
@pytest.mark.parametrize("paste_back", ["none", "feather"])
def test_save_before_and_after(page, layout, paste_back):
    whole = photo(120, 100)
    page.put("original", png(whole))
    page.put(0, 1)
    edit = {"patches": [patch()], "paste_back": paste_back, "enlarge": 1}
    after = pixels(page.ask("POST", "/save", json=edit).content)
    before = whole if paste_back == "feather" else pixels(page.ask("GET", "/pictures/original.png").content)
    both = pixels(page.ask("POST", "/save", json={**edit, "before_after": layout}).content)
    width = after.shape[1]
    if layout == "beside":
        assert both.shape == (len(after), 2 * width + 2, 3)
        assert np.array_equal(both[:, :width], before) and np.array_equal(both[:, -width:], after)
    else:
        assert both.shape == after.shape
        assert np.array_equal(both[:, : width // 2 - 2], before[:, : width // 2 - 2])
        assert np.array_equal(both[:, width // 2 + 2 :], after[:, width // 2 + 2 :])
    labelled = page.ask("POST", "/save", json={**edit, "before_after": layout, "labels": True})
    assert (pixels(labelled.content) != both).any()


def test_a_picture_that_is_too_large_for_its_format_is_refused(page, refused):
    page.put("original", png(np.zeros((2, 8200, 3), np.uint8)))
    edit = {"paste_back": "feather", "before_after": "beside"}
    assert page.ask("POST", "/save", json=edit).status_code == 200
    refused(page.ask("POST", "/save", json={**edit, "format": "webp"}), 422, "16528 x 2", "WebP", "choose PNG")


# ---- projects


@pytest.mark.parametrize(("query", "aligned"), [("?frame=face", True), ("?crop=15,5,50,-20", False)])
def test_project_comes_back(ready, client, query, aligned):
    ready.put("original", png(photo(100, 80)), query)
    edit = {
        "space": "w+",
        "patches": [patch(0, shift=[1.5, -2.0], feather=1.0, layers=[0, 3]), patch(3, strength=0.5)],
        "pushes": [{"direction": "smile", "amount": 1.25, "mask": text(box(0, 5, 0, 5))}],
    }
    page = {"zoom": 2, "tool": "brush", "name": "Ünïcode ☺"}
    answer = ready.ask("POST", "/project", json={**edit, "page": page})
    assert answer.headers["content-disposition"] == 'attachment; filename="project.safetensors"'
    before = ready.render(**edit)
    pasted = ready.ask("POST", "/save", json={**edit, "paste_back": "feather"})

    other = Page(client)
    other.put(5, 9)
    opened = other.ask("PUT", "/project", content=answer.content)
    assert opened.status_code == 200, opened.text
    opened = opened.json()
    assert opened["page"] == page
    assert set(opened["pictures"]) == {"original", "0", "3"}
    about = opened["pictures"]["original"]
    assert (about["width"], about["height"], about["aligned"]) == (100, 80, aligned)
    assert opened["pictures"]["0"]["parts"] is True
    assert other.ask("GET", "/pictures/5.png").status_code == 404
    assert np.array_equal(pixels(other.ask("GET", "/pictures/0/parts.png").content), avatars.parts(1))
    after = other.render(**opened["edit"])
    assert after.content == before.content
    again = other.ask("POST", "/save", json={**opened["edit"], "paste_back": "feather"})
    assert again.content == pasted.content
    assert json.dumps(opened["edit"]["patches"][0]["shift"]) == "[1.5, -2.0]"
    client.delete(other.path)


def test_mask_text_round_trip():
    mask = np.arange(SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8)
    assert np.array_equal(requests.mask_from_text(requests.mask_to_text(mask), SIDE), mask)
