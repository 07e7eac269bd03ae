"""What a site does in JavaScript is what Python does: both get the same numbers. The networks are not needed for that."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from benchmarks.browser import hosted
from stylemap import faces
from stylemap.datasets import Avatars
from stylemap.editing import composing, masks, pasting
from stylemap.editing.composing import Change
from stylemap.editing.directions import Direction, Origin
from stylemap.editing.edit import Patch, Placement, Push
from stylemap.faces import Alignment
from stylemap.webapp import folder
from tests import tiny

SIDE = 16
SIDES = (4, 8, 16)
CHANNELS = 3
ROUNDING = 1e-5  # of float32 sums of some ten numbers up to 3

DECODE = """
const decode = (value) => {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (value.numbers !== undefined) {
    const bytes = Uint8Array.from(atob(value.numbers), (letter) => letter.charCodeAt(0));
    return new globalThis[value.type](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));
};
const encode = (array) => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
};
"""


@pytest.fixture(scope="module")
def page(browser):
    """An empty page of a host that has the scripts."""
    with hosted(folder.SCRIPTS) as address:
        page = browser.new_page()
        page.goto(address + "refusal.js")
        yield page
        page.close()


@pytest.fixture
def run(page):
    """Evaluates an expression of a module of the site; arrays go in and one comes out."""

    def call(module: str, expression: str, **given):
        names = ", ".join(given)
        script = f"""async (given) => {{ {DECODE} const {{ {names} }} = decode(given);
            const site = await import("/{module}.js"); return encode({expression}); }}"""
        return np.frombuffer(base64.b64decode(page.evaluate(script, packed(given))), np.uint8)

    return call


def packed(value):
    """For `DECODE`."""
    if isinstance(value, dict):
        return {key: packed(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(inner) for inner in value]
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        kind = {"float32": "Float32Array", "uint8": "Uint8ClampedArray"}[value.dtype.name]
        return {"numbers": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(), "type": kind}
    return value


def maps(seed: int) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(1, CHANNELS, side, side, generator=rng) for side in SIDES]


def as_maps(tensors):
    return [{"data": x, "channels": x.shape[1], "side": x.shape[-1]} for x in tensors]


def blob(top=3, bottom=9, left=5, right=12) -> torch.Tensor:
    """A part with a soft pixel."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., top:bottom, left:right] = 1
    mask[..., top, left] = 0.4
    return mask


def as_step(step) -> dict:
    given = {"mask": step.mask, "feather": step.feather, "hard": step.hard, "layers": step.layers}
    if isinstance(step, Patch):
        where = step.placement
        given |= {"strength": step.strength, "shift": where.shift, "scale": where.scale, "flip": where.flip}
        given |= {"centre": where.centre}
    return given


def patch(**changes) -> Patch:
    placement = Placement(**{key: changes.pop(key) for key in ("shift", "scale", "flip", "centre") if key in changes})
    return replace(Patch(reference=0, mask=blob(), placement=placement), **changes)


PUSH = Push(direction=Direction("smile", torch.ones(1, 1, 1), 1.0, Origin("means")), amount=1.0)
STEPS = {
    "plain": [patch()],
    "strength": [patch(strength=0.3)],
    "hard": [patch(hard=True)],
    "feather": [patch(feather=3.0)],
    "layers": [patch(layers=(1, 2))],
    "whole pixels": [patch(shift=(2.0, -3.0))],
    "parts of pixels": [patch(shift=(-1.3, 0.6))],
    "larger": [patch(scale=1.7)],
    "smaller": [patch(scale=0.3)],
    "mirrored": [patch(flip=True)],
    "all": [patch(flip=True, scale=0.8, shift=(3.2, 1.5), centre=(4.0, 6.5), feather=2.0)],
    "two": [patch(), patch(mask=blob(0, 5, 0, 8), strength=0.5)],
    "empty": [patch(mask=torch.zeros(1, 1, SIDE, SIDE))],
    "push": [PUSH],
    "push in a mask": [replace(PUSH, mask=blob(), feather=1.5)],
    "both": [patch(shift=(1.0, 1.0)), PUSH],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_maps_are_composed_alike(run, steps):
    original = maps(0)
    changes = [Change(step, maps(1 + i)) for i, step in enumerate(steps)]
    given = [
        {"step": as_step(change.step), "maps": as_maps(change.maps), "adds": isinstance(change.step, Push)}
        for change in changes
    ]
    expected = composing.compose(original, changes, SIDE)
    script = "Float32Array.from(site.compose(maps, changes, side).flatMap(({ data }) => [...data]))"
    found = run("composing", script, maps=as_maps(original), changes=given, side=SIDE).view(np.float32)
    np.testing.assert_allclose(found, np.concatenate([x.flatten() for x in expected]), atol=ROUNDING)
    placed = [change for change in changes if change.step.mask is not None]
    where = [one for one, change in zip(given, changes, strict=True) if change.step.mask is not None]
    region = run("composing", "site.region(changes, sides, side)", changes=where, sides=SIDES, side=SIDE)
    expected = composing.region(placed, SIDE)
    np.testing.assert_allclose(region.view(np.float32), expected.flatten(), atol=ROUNDING)


# ---- photos

R = 32
CROPS = {
    "the middle": None,
    "inside": (35.0, 15.0, 50.0, 0.0),
    "turned": (32.5, 16.5, 55.0, 30.0),
    "beyond the photo": (-25.0, -15.0, 90.0, -20.0),
    "much smaller": (65.0, 40.0, 20.0, 0.0),
}


@pytest.fixture(scope="module")
def photo():
    """uint8 [100, 150, 3] with edges and fine detail."""
    y, x = np.mgrid[:100, :150]
    colours = np.stack([x * 1.6, y * 2.4, 128 + 100 * np.sin(x / 6) * np.cos(y / 9)], -1)
    return np.rint(colours).clip(0, 255).astype(np.uint8)


def rgba(picture: np.ndarray) -> dict:
    opaque = np.concatenate([picture, np.full((*picture.shape[:2], 1), 255, np.uint8)], -1)
    return {"data": opaque, "width": picture.shape[1], "height": picture.shape[0]}


def alignment_of(crop, photo) -> Alignment:
    return Alignment.crop(*crop, R) if crop else Alignment.central(*photo.shape[:2], R)


def as_alignment(alignment: Alignment) -> dict:
    return {"corner": alignment.corner, "edge": alignment.edge, "side": alignment.side}


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_squares_are_cut_out_alike(run, photo, crop):
    """Python takes means over areas where the page takes those of a few samples: some levels at edges."""
    alignment = alignment_of(crop, photo)
    expected = faces.crop(photo, alignment).astype(float)
    found = run("photo", "site.square(photo, alignment)", photo=rgba(photo), alignment=as_alignment(alignment))
    difference = np.abs(found.reshape(expected.shape) - expected)
    assert difference.mean() < 0.5 and difference.max() < 6


@pytest.mark.parametrize("crop", list(CROPS.values())[1:], ids=list(CROPS)[1:])
def test_crops_are_the_same_squares(run, crop):
    alignment = Alignment.crop(*crop, R)
    found = run("photo", "Float32Array.from([...site.ofCrop(...crop, side).corner, ...site.asCrop(alignment)])",
                crop=crop, side=R, alignment=as_alignment(alignment)).view(np.float32)  # fmt: skip
    np.testing.assert_allclose(found, [*alignment.corner, *alignment.as_crop], rtol=1e-6)


def test_a_photo_of_the_model_s_side_stays_as_it_is(run):
    face = Avatars(R, 1, "heldout")[0]
    alignment = as_alignment(Alignment.central(R, R, R))
    found = run("photo", "site.square(photo, alignment)", photo=rgba(face), alignment=alignment)
    assert np.array_equal(found.reshape(face.shape), face)


CONSTANTS = {name: getattr(pasting, name) for name in folder.CONSTANTS} | {
    "FEATHER": faces.pasting.FEATHER,
    "INVISIBLE": faces.pasting.INVISIBLE,
}


@pytest.mark.parametrize("how", pasting.WAYS)
@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_edits_go_back_into_photos_alike(run, photo, crop, how):
    alignment = alignment_of(crop, photo)
    image = faces.crop(photo, alignment)
    edited = np.roll(image, 5, 1)
    region = masks.feather(blob_of(R), 2.0)[0, 0].numpy()
    source = image[::-1].astype(np.float32)
    inside = region > pasting.SURE
    share = pasting.share(image, edited, source)
    sources = [pasting.Source(source, inside, share)] if how == "poisson" else []
    expected = pasting.paste(photo, image, edited, alignment, region, how, sources)
    given = [{"image": s.image, "inside": s.inside.astype(np.uint8), "share": s.share} for s in sources]
    found = run(
        "pasting",
        "new site.Pasting(constants).paste(photo, image, edited, alignment, region, how, sources)",
        constants=CONSTANTS, photo=rgba(photo), image=image.astype(np.float32), edited=edited.astype(np.float32),
        alignment=as_alignment(alignment), region=region, how=how, sources=given,
    )  # fmt: skip
    found = found.reshape(*photo.shape[:2], 4)[..., :3].astype(int)
    assert not np.array_equal(expected, photo)
    same = (expected == photo).all(-1)
    touched = (found != photo).any(-1)
    assert (touched & same).mean() < 0.01  # at the rim a level more or less
    difference = np.abs(found - expected)
    assert difference.max() <= 3 and difference.mean() < 0.1


def blob_of(side: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 3 : 2 * side // 3, side // 4 : 2 * side // 3] = 1
    return mask


def test_where_a_slider_shows_is_found_alike(run):
    before = Avatars(R, 1, "heldout")[0]
    after = before.copy()
    after[8:18, 4:12] = before[8:18, 20:28]
    expected = pasting.changed(before, after)
    call = "new site.Pasting(constants).changed(before, after, side)"
    given = {"before": before.astype(np.float32), "after": after.astype(np.float32)}
    found = run("pasting", call, constants=CONSTANTS, side=R, **given).view(np.float32)
    assert 0 < expected.mean() < 1
    assert (found.reshape(R, R) != expected).mean() < 0.005  # where a difference is just visible


def test_tensors_are_written_as_safetensors(run):
    """Bytes first, which would leave the numbers at an odd place."""
    given = {"few": np.arange(5, dtype=np.uint8), "floats": tiny.randn(2, 3).numpy()}
    call = """new Uint8Array(await site.toFile({
        few: {shape: [5], data: new Uint8Array(few)}, floats: {shape: [2, 3], data: floats},
    }, {format: "x"}).arrayBuffer())"""
    file = run("tensors", call, **given).tobytes()
    loaded = load(file)
    assert {name: x.tolist() for name, x in loaded.items()} == {name: x.tolist() for name, x in given.items()}
    length = int.from_bytes(file[:8], "little")
    assert json.loads(file[8 : 8 + length])["__metadata__"] == {"format": "x"} and length % 8 == 0
