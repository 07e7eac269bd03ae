"""Project files: what goes in comes out, what does not belong is refused, and an edit repeats to the byte."""

import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load, save

import stylemap
from stylemap import editing, images, project
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.editing import masks
from stylemap.editing.directions import Origin, normalised
from stylemap.editing.edit import Edit, Patch, Placement, Push
from stylemap.errors import InputError
from stylemap.faces import Alignment
from stylemap.inversion import fitting
from stylemap.photos.photo import Photo
from stylemap.project import FORMAT, Project
from tests.decoding.files import encoded
from tests.editing import tiny
from tests.editing.tiny import CELLS, CHANNELS, SIDE

FILES = Path(__file__).parent / "projects"
RNG = np.random.default_rng(0)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def upload(width: int, height: int) -> bytes:
    return encoded(Image.new("RGB", (width, height)))


def mask() -> torch.Tensor:
    return masks.from_bytes(RNG.integers(0, 256, (SIDE, SIDE), np.uint8))


@pytest.fixture(scope="module")
def model() -> StylemapModel:
    return tiny.model()


@pytest.fixture(scope="module")
def made(model) -> Project:
    """One with everything in it."""
    smile = normalised("smile", torch.randn(CHANNELS, CELLS, CELLS), 2.5, Origin("means"))
    original = Photo(
        picture(), upload(300, 200), (300, 200), Alignment((10.5, 20.25), (90.0, -7.5), SIDE), aligned=True
    )
    plain = Alignment.central(SIDE, SIDE, SIDE)
    labels = RNG.integers(0, 19, (SIDE, SIDE), np.uint8)
    references = {"0": Photo(picture(), None, (SIDE, SIDE), plain, labels=labels)}
    references["4"] = Photo(picture(), None, (SIDE, SIDE), plain)
    photos = {"original": original, **references}
    stylemaps = {slot: model.encode(as_image(photo.pixels)) for slot, photo in photos.items()}
    patches = (
        Patch(
            reference=0,
            mask=mask(),
            placement=Placement((1.5, -2.0), 1.25, True, (3.0, 4.5)),
            strength=0.75,
            feather=1.5,
            layers=(1, 4),
        ),
        Patch(reference=4, mask=mask(), hard=True),
    )
    pushes = (
        Push(direction=smile, amount=-1.5, mask=mask(), feather=2.0),
        Push(direction=smile, amount=0.5, layers=(0, 2), cells=(1, 2, 3, 4)),
    )
    edit = Edit("w+", patches, pushes)
    page = {"zoom": 1.5, "name": "ü☺", "list": [1, None]}
    return Project("tiny", model.fingerprint(), model.config, photos, stylemaps, edit, page)


def as_image(pixels: np.ndarray) -> torch.Tensor:
    return images.from_uint8(torch.from_numpy(pixels)[None])


def equal(a, b) -> bool:
    """By value, through dataclasses and containers."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, (Photo, Project, Edit, Patch, Push)):
        return equal(vars(a), vars(b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if type(a).__name__ == "Direction":
        return a.name == b.name and a.scale == b.scale and torch.equal(a.vector, b.vector)
    return a == b


def test_round_trip(made, tmp_path):
    project.write(tmp_path / "p.safetensors", made)
    for source in (tmp_path / "p.safetensors", str(tmp_path / "p.safetensors"), project.to_bytes(made)):
        assert equal(project.read(source), made)


def test_round_trip_of_little(made):
    little = replace(made, photos={}, stylemaps={}, edit=Edit("w"), page={})
    assert equal(project.read(project.to_bytes(little)), little)


def test_size_is_bounded(made):
    most = project.most_bytes(made.config, len(made.photos["original"].source))
    assert len(project.to_bytes(made)) < most


def test_replay_repeats(made, model):
    again = project.read(project.to_bytes(made))
    first, second = (project.Replay(model, p)(how="poisson") for p in (again, made))
    assert np.array_equal(first.pixels, second.pixels) and np.array_equal(first.region, second.region)


def test_a_fit_goes_with_the_original(made, model):
    """Into the file and out of it; replay draws the original with it, and other photos without."""
    original = as_image(made.photos["original"].pixels)
    fit = fitting.fit(model, original, 8)
    fitted = replace(made, fit=fit, stylemaps={**made.stylemaps, "original": fit.stylemap})
    data = project.to_bytes(fitted)
    assert len(data) <= project.most_bytes(model.config, 20_000)
    read = project.read(data)
    assert equal(read.fit.weights, dict(fit.weights)) and torch.equal(read.fit.stylemap, fit.stylemap)
    again, tuned = project.Replay(model, read), fit.model(model)
    plain = project.Replay(tuned, replace(fitted, fit=None, fingerprint=tuned.fingerprint()))
    assert np.array_equal(again().pixels, plain().pixels)
    assert not np.array_equal(again().pixels, project.Replay(model, made)().pixels)
    assert np.array_equal(again(original).pixels, project.Replay(model, made)(original).pixels)


def test_replay_is_the_librarys(made, model):
    plain = Edit("w+", (replace(made.edit.patches[1], hard=False),))
    stylemaps = made.stylemaps
    expected = editing.blend(
        model,
        stylemaps["original"],
        stylemaps["4"],
        plain.patches[0].mask,
    )
    replay = project.Replay(model, replace(made, edit=plain))
    assert np.array_equal(replay().pixels, images.to_uint8(expected)[0])
    other = as_image(picture())
    expected = editing.blend(
        model,
        model.encode(other),
        stylemaps["4"],
        plain.patches[0].mask,
    )
    assert np.array_equal(replay(other).pixels, images.to_uint8(expected)[0])


def test_what_is_the_same_for_every_photo_is_done_once(made, model, monkeypatch):
    encoded, checked = [], []
    encode, fingerprint = model.encode, model.fingerprint
    monkeypatch.setattr(type(model), "encode", lambda self, x: encoded.append(len(x)) or encode(x))
    monkeypatch.setattr(type(model), "fingerprint", lambda self: checked.append(self) or fingerprint())
    resized, resize = [], model.resize
    monkeypatch.setattr(type(model), "resize", lambda self, w: resized.append(w) or resize(w))
    replay = project.Replay(model, made)
    for _ in range(3):
        replay(as_image(picture()), "poisson")
    # two references, and three photos
    assert len(encoded) == 5 and len(checked) == 1
    references = [w for reference in replay.references.values() for w in (reference.stylemap, reference.mirrored)]
    assert [sum(w is one for w in resized) for one in references].count(1) == 2
    assert all(sum(w is one for w in resized) <= 1 for one in references)


def test_region_follows_the_masks(made, model):
    box = tiny.box_mask(4, 4, 4, 4)
    moved = replace(made, edit=Edit("w+", (Patch(reference=0, mask=box, placement=Placement((10.0, 0.0))),)))
    assert np.array_equal(project.Replay(model, moved)(how="feather").region, box.roll(10, 2)[0, 0])
    assert project.Replay(model, replace(made, edit=Edit()))(how="feather").region.max() == 0


def test_region_of_a_direction_without_a_mask(made, model):
    """Where it shows, and not all of the image, whose detail the model has not."""
    smile = made.edit.pushes[0].direction
    box = tiny.box_mask(4, 4, 4, 4)

    def push(amount):
        return Push(direction=smile, amount=amount)

    def region(*pushes, patches=()):
        edited = replace(made, edit=Edit("w+", patches, pushes))
        return project.Replay(model, edited)(how="feather").region

    assert region(push(0.0)).max() == 0
    assert (region(push(0.0), patches=(Patch(reference=0, mask=box),)) == box[0, 0].numpy()).all()
    assert 0 < region(push(0.5)).mean() <= region(push(20.0)).mean()


def test_other_weights_are_refused(made, model):
    with pytest.raises(InputError, match="tiny.*of the same size"):
        project.Replay(tiny.model(seed=1), made)
    with pytest.raises(InputError, match=f"mapping_layers {made.config.mapping_layers}, not 4"):
        project.Replay(tiny.model(mapping_layers=4), made)


def test_fingerprint_sees_every_value(model):
    other = tiny.model()
    assert other.fingerprint() == model.fingerprint()
    other.encoder.state_dict()[next(iter(other.encoder.state_dict()))].view(-1)[-1] += 1e-3
    assert other.fingerprint() != model.fingerprint()


def test_fingerprint_is_the_same_in_every_precision():
    """A project of a server that rounds opens where nothing is rounded."""
    plain, rounded = tiny.model(), tiny.model()
    rounded.compute_in(torch.bfloat16)
    assert rounded.fingerprint() == plain.fingerprint()


def test_no_original(made, model):
    photos = {slot: p for slot, p in made.photos.items() if slot != "original"}
    stylemaps = {slot: made.stylemaps[slot] for slot in photos}
    without = project.read(project.to_bytes(replace(made, photos=photos, stylemaps=stylemaps)))
    replay = project.Replay(model, without)
    with pytest.raises(InputError, match="no original"):
        replay()
    assert replay(as_image(picture())).pixels.shape == (SIDE, SIDE, 3)


def test_a_file_gives_the_pictures_it_gave():
    """A project that the first editor saved: flips, scales, feathers, layers, directions, all of them at once.

    Its images were made by that version. Other builds of PyTorch may round a level differently.
    """
    saved = project.read(FILES / "edit.safetensors")
    edited = project.Replay(stylemap.load("avatars32"), saved)(how="poisson")
    stream = io.BytesIO()
    edited.put_back(stream, saved.photos["original"], "poisson", ".png")
    for made, name in ((edited.pixels, "edit"), (np.array(Image.open(stream)), "edit_in_photo")):
        expected = np.array(Image.open(FILES / f"{name}.png"))
        assert abs(made.astype(int) - expected).max() <= 1


# ---- files from strangers


def rewrite(made: Project, change=lambda header: None, tensors=None) -> bytes:
    """The project file with its header changed and tensors replaced (None takes one away)."""
    data = project.to_bytes(made)
    length = struct.unpack("<Q", data[:8])[0]
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    header = json.loads(metadata["project"])
    changed = change(header)
    header = header if changed is None else changed
    held = load(data) | (tensors or {})
    held = {name: t for name, t in held.items() if t is not None}
    return save(held, {"format": metadata["format"], "project": json.dumps(header)})


def setting(*path):
    """A change that sets ``path[-1]`` at the path before it."""

    def change(header):
        *way, last, value = path
        for key in way:
            header = header[key]
        header[last] = value

    return change


def dropped(*path):
    def change(header):
        *way, last = path
        for key in way:
            header = header[key]
        del header[last]

    return change


CHANGES = {
    "weights": setting("weights", 3),
    "long": setting("weights", "x" * 1000),
    "fingerprint": setting("fingerprint", None),
    "model": setting("model", "resolution", 33),
    "larger": setting("model", "resolution", 64),
    "strange": setting("model", "unknown", 1),
    "space": setting("space", "z"),
    "space w": setting("space", "w"),
    "page": setting("page", []),
    "nan": setting("page", {"x": float("nan")}),
    "patches": setting("patches", {}),
    "many": setting("patches", [{}] * 33),
    "few": setting("patches", []),
    "kind": setting("patches", 0, 3),
    "slot": setting("patches", 0, "reference", 6),
    "true": setting("patches", 0, "reference", True),
    "scale": setting("patches", 0, "scale", 100),
    "shift": setting("patches", 0, "shift", [float("nan"), 0]),
    "short": setting("patches", 0, "shift", [0]),
    "text": setting("patches", 0, "shift", "ab"),
    "centre": setting("patches", 0, "centre", 7),
    "centre of dicts": setting("patches", 0, "centre", [{}, {}]),
    "flip": setting("patches", 0, "flip", "no"),
    "feather": setting("patches", 0, "feather", 1e9),
    "layers": setting("patches", 0, "layers", [0, 31]),
    "layers turned": setting("patches", 0, "layers", [3, 2]),
    "unknown": setting("patches", 0, "unknown", 1),
    "mask": setting("patches", 0, "mask", 1),
    "missing": dropped("patches", 0, "reference"),
    "cells": setting("pushes", 0, "cells", [0, 0, 9, 1]),
    "amount": setting("pushes", 0, "amount", 1e9),
    "direction": setting("pushes", 0, "direction", ["x"]),
    "direction's scale": setting("pushes", 0, "scale", 0),
    "no pushes": dropped("pushes"),
    "upload": setting("upload", None),
    "upload's size": setting("upload", "size", [0, 0]),
    "upload's size a lie": setting("upload", "size", [301, 200]),
    "upload's size in words": setting("upload", "size", ["300", "200"]),
    "upload's size as text": setting("upload", "size", "ab"),
    "upload's corner in words": setting("upload", "corner", ["1", "2"]),
    "upload's place": setting("upload", "corner", [1e300, 0]),
    "upload's nan": setting("upload", "edge", [float("nan"), 1]),
    "upload's edge": setting("upload", "edge", [0, 0]),
    "upload's count": setting("upload", "edge", [1, 2, 3]),
    "upload's text": setting("upload", "edge", "wide"),
    "aligned": setting("upload", "aligned", 1),
    "list": lambda header: [1],
    "nothing": lambda header: {},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_headers_that_do_not_fit(made, change):
    one_line(rewrite(made, change))


TENSORS = {
    "no photo's stylemap": {"pictures.0.stylemap": None},
    "no photo": {"pictures.0.photo": None},
    "no mask": {"patches.0.mask": None},
    "no vector": {"pushes.0.vector": None},
    "no upload": {"upload": None},
    "upload of another kind": {"upload": torch.zeros(3)},
    "upload of junk": {"upload": torch.arange(200, dtype=torch.uint8)},
    "one more": {"more": torch.zeros(1)},
    "another slot": {"pictures.6.photo": torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)},
    "a mask too small": {"patches.1.mask": torch.zeros(SIDE, SIDE - 1, dtype=torch.uint8)},
    "a mask of floats": {"patches.1.mask": torch.zeros(SIDE, SIDE)},
    "a photo of floats": {"pictures.4.photo": torch.zeros(SIDE, SIDE, 3)},
    "a stylemap of halves": {"pictures.4.stylemap": torch.zeros(1, CHANNELS, CELLS, CELLS).half()},
    "a stylemap of NaN": {"pictures.4.stylemap": torch.full((1, CHANNELS, CELLS, CELLS), float("nan"))},
    "a stylemap too far": {"pictures.4.stylemap": torch.full((1, CHANNELS, CELLS, CELLS), 1e9)},
    "a vector too far": {"pushes.0.vector": torch.full((CHANNELS, CELLS, CELLS), float("inf"))},
    "labels unknown": {"pictures.0.labels": torch.full((SIDE, SIDE), 19, dtype=torch.uint8)},
}


def test_an_upload_too_large_for_this_server(made):
    data = project.to_bytes(made)
    with pytest.raises(InputError, match="300 x 200, more than 0.05 million pixels"):
        project.read(data, most_pixels=50_000)


def test_an_upload_that_is_turned(made):
    """By its EXIF: stored 300 x 200, upright 200 x 300."""
    turned = replace(made.photos["original"], size=(200, 300))
    loaded = project.read(project.to_bytes(replace(made, photos={**made.photos, "original": turned})))
    assert loaded.photos["original"].size == (200, 300)


@pytest.mark.parametrize("tensors", TENSORS.values(), ids=TENSORS)
def test_tensors_that_do_not_fit(made, tensors):
    one_line(rewrite(made, tensors=tensors))


def one_line(data: bytes) -> None:
    with pytest.raises(InputError) as refusal:
        project.read(data)
    message = str(refusal.value)
    assert message and "\n" not in message and len(message) < 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        bytes(8),
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        b"PK\x03\x04" + bytes(100),
        b"\x80\x04\x95" + bytes(100),
        save({"x": torch.zeros(1)}),
        save({"x": torch.zeros(1)}, {"format": "stylemap-weights-1"}),
        save({"x": torch.zeros(1)}, {"format": FORMAT}),
        save({"x": torch.zeros(1)}, {"format": FORMAT, "project": "[" * 100_000}),
        save({"x": torch.zeros(1)}, {"format": FORMAT, "project": "7"}),
    ],
)
def test_what_is_no_project(data):
    one_line(data)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no.safetensors cannot be read"):
        project.read(tmp_path / "no.safetensors")


@settings(max_examples=150, deadline=None, database=None)
@given(st.data())
def test_damage_is_told(made, data):
    """A project with some bytes changed or cut off is refused in one line, or it is a project all the same."""
    whole = bytearray(project.to_bytes(made))
    length = struct.unpack("<Q", whole[:8])[0]
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, length + 16))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)) | st.just(len(whole)))
    try:
        loaded = project.read(bytes(whole[:cut]))
    except InputError as err:
        assert "\n" not in str(err)
    else:
        assert isinstance(loaded, Project)
