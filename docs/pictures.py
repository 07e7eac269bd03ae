"""Make the images of the README and of the guides anew, from faces that no training saw.

    python -m docs.pictures                      # all of them, with the default weights
    python -m docs.pictures mixing front --weights runs/00000-avatars --out /tmp/images

The shots of the editor need Chromium, the package playwright, and the extra [web]. The charts of docs/comparison.md come with
their measurements, from `stylemap benchmark`.
"""

import argparse
import functools
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import scenes
from stylemap import checkpoint, cli, images, project, segmentation, sheets, video
from stylemap.architectures.model import noise_of
from stylemap.cli import demonstration
from stylemap.cli.flags import DEFAULT_WEIGHTS
from stylemap.clips import Clip
from stylemap.datasets import Avatars
from stylemap.datasets.avatars import Mouth, draw
from stylemap.datasets.parts import Part, part_ids
from stylemap.editing import (
    Edit,
    Patch,
    Placement,
    Region,
    blend,
    directions,
    masks,
    mix,
    morph,
    push,
    transfer,
    transplant,
)
from stylemap.editing.edit import Push
from stylemap.photos.photo import from_pixels
from stylemap.segmentation.colours import coloured, laid_over

FOLDER = Path(__file__).parent / "images"
PAIRS = ((5, 3), (9, 20), (11, 15), (33, 14))  # held-out faces: original and reference, plainly different
ROUND = (2, 64, 31, 62)  # of the film
SMILES = ((50, 44), (15, 32), (63, 51))
FRAMES, FPS = 16, 12.5


class Studio:
    """A model and the held-out faces at its resolution."""

    def __init__(self, weights: str):
        self.weights, self.model = weights, checkpoint.load(weights)
        self.side = self.model.config.resolution
        self.faces = Avatars(self.side, split="heldout")

    def photos(self, indices: Sequence[int]) -> Tensor:
        """[N, 3, R, R]."""
        return images.from_arrays(self.faces[i] for i in indices)

    def encode(self, indices: Sequence[int]) -> Tensor:
        return self.model.encode(self.photos(indices))

    def part(self, indices: Sequence[int], names: str) -> Tensor:
        """[N, 1, R, R]: where the faces have these parts, as `stylemap local-edit --part` names them."""
        return torch.cat([masks.from_parts(self.faces.parts(i), _parts(names), self.side) for i in indices])

    def either(self, first: Sequence[int], second: Sequence[int], names: str) -> Tensor:
        """[N, 1, R, R]: where one face of each pair has the parts, and a little around, as the demo does it."""
        pairs = zip(first, second, strict=True)
        return torch.cat([demonstration.part_mask(self.faces, a, b, _parts(names)) for a, b in pairs])


def _parts(names: str) -> tuple[Part, ...]:
    return tuple(part for name in names.split(",") for part in part_ids(name))


def front(studio: Studio) -> Tensor:
    """The eyes, the mouth, and both, of the reference."""
    return sheets.sheet(demonstration.edit(studio.model, studio.faces)["local edit"])


def parts(studio: Studio) -> Tensor:
    """Parts and halves of the reference."""
    first, second = zip(*PAIRS, strict=True)
    model, original, reference = studio.model, studio.encode(first), studio.encode(second)
    half = masks.half("right", studio.side)
    columns = {"original": studio.photos(first), "reference": studio.photos(second)}
    columns["reconstruction"] = model.synthesize(original)
    for names in ("eye,eyebrow", "lip", "hair"):
        columns[names] = blend(model, original, reference, studio.either(first, second, names))
    columns["half right"] = blend(model, original, reference, half)
    columns["half right, feather"] = blend(model, original, reference, masks.feather(half, studio.side / 4))
    return sheets.sheet(columns)


def transplants(studio: Studio) -> Tensor:
    """Parts of the reference at other places and sizes."""
    first, second = zip(*PAIRS, strict=True)
    model, original, reference = studio.model, studio.encode(first), studio.encode(second)
    lip, eyes = (studio.either(second, second, names) for names in ("lip", "eye,eyebrow"))
    face = studio.part(second, "skin,eye,eyebrow,nose,lip")
    r = studio.side

    def put(mask: Tensor | list[Tensor], placement: Placement | list[Placement]) -> Tensor:
        return transplant(model, original, reference, mask=mask, placement=placement)

    up, large = Placement((-3 * r / 8, 0.0)), Placement(scale=1.6)
    return sheets.sheet(
        {
            "original": studio.photos(first),
            "reference": studio.photos(second),
            "lip up": put(lip, up),
            "eyes x 1.6": put(eyes, large),
            "lip x 2": put(lip, Placement(scale=2.0)),
            "face x 0.5": put(face, Placement((-r / 4, -r / 4), scale=0.5)),
            "two at once": put([lip, eyes], [up, Placement((r / 4, 0.0))]),
        }
    )


def segments(studio: Studio) -> Tensor:
    """Parts that the weights find in faces, beside those that were drawn."""
    chosen = (0, 3, 12, 36, 46, 62)
    photos = studio.photos(chosen)
    found = segmentation.open_segmenter(studio.weights, studio.model).labels(studio.model, photos)
    true = [studio.faces.parts(i) for i in chosen]
    over = [laid_over(studio.faces[i], labels) for i, labels in zip(chosen, found, strict=True)]
    columns = {"drawn": map(coloured, true), "found": map(coloured, found), "found, over the photo": over}
    return sheets.sheet({"photo": photos} | {title: images.from_arrays(pixels) for title, pixels in columns.items()})


def mixing(studio: Studio) -> Tensor:
    """Layers of one face in another."""
    coarse, fine = (0, 62, 12), (3, 9, 22)
    a, b = studio.encode(coarse), studio.encode(fine)
    last = studio.model.config.layers - 1
    ways = ((0, 1), (0, 3), (2, 3), (4, 5), (last - 1, last))
    columns = {f"A: {i} to {k}": mix(studio.model, a, b, (i, k + 1)) for i, k in ways}
    return sheets.sheet({"A": studio.photos(coarse), "B": studio.photos(fine)} | columns)


def by_parts(studio: Studio) -> Tensor:
    """Frames in which first the mouth moves, then the eyes, then everything."""
    pair = (44, 67)
    regions = [
        Region(studio.either(pair[:1], pair[1:], "lip"), 0.0, 0.35),
        Region(studio.either(pair[:1], pair[1:], "eye,eyebrow"), 0.3, 0.65),
        Region(torch.ones(1, 1, studio.side, studio.side), 0.6, 1.0),
    ]
    frames = torch.cat(list(morph(studio.model, studio.encode(pair), FRAMES, regions)))
    return images.grid(images.enlarge(frames, sheets.TILE), columns=FRAMES // 2)


def film(studio: Studio) -> Iterator[Tensor]:
    """Faces that turn into one another."""
    return morph(studio.model, studio.encode(ROUND), FRAMES, loop=True)


def expressions(studio: Studio) -> Tensor:
    """The smile of one face on others. The neutral and the smiling face are one face, drawn with two mouths."""
    chosen = (15, 44, 34, 45)
    person = studio.faces.face(35)
    neutral, smiling = (
        studio.model.encode(images.from_arrays([draw(replace(person, mouth=mouth), studio.side)]))
        for mouth in (Mouth(smile=0.0), Mouth("laugh", smile=1.0, opening=0.6))
    )
    target = studio.encode(chosen)
    pair = (x.expand(len(chosen), -1, -1, -1).contiguous() for x in (neutral, smiling))
    change = functools.partial(transfer, studio.model, target, *pair)
    columns = {f"{amount:g}": change(amount) for amount in (-0.5, 0.0, 0.5, 1.0, 1.5)}
    mouth = studio.either(chosen, chosen, "lip")
    return sheets.sheet({"image": studio.photos(chosen)} | columns | {"1, mouth only": change(1.0, mouth)})


def strip(studio: Studio) -> Tensor:
    """Directions, a row each."""
    found = directions.load(studio.weights)
    rows = []
    for name, face in {"smile": 5, "glasses": 31, "beard": 66, "blond": 46}.items():
        stylemap = studio.encode([face])
        moved = {f"{name} {k:+d}": push(studio.model, stylemap, found[name], float(k)) for k in (-2, -1, 0, 1, 2)}
        rows.append(sheets.sheet({"image": studio.photos([face])} | moved))
    return torch.cat(rows, dim=1)


def samples(studio: Studio) -> Tensor:
    """New faces from seeds."""
    model = studio.model
    w = model.map(noise_of(range(24), model.latents.z_channels))
    return images.grid(images.enlarge(model.synthesize(w), sheets.TILE), columns=8)


def paste_back(studio: Studio) -> Tensor:
    """Mouths in larger images, put back in every way, as a user does it."""
    pairs, side = ((12, 26), (25, 52), (36, 51)), 256
    faces = Avatars(side, split="heldout")
    columns: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for original, reference in pairs:
            for i in (original, reference):
                Image.fromarray(faces[i]).save(folder / f"{i}.png")
            mask = np.isin(np.stack([faces.parts(i) for i in (original, reference)]), part_ids("lip")).any(axis=0)
            Image.fromarray(cv2.dilate(mask * np.uint8(255), np.ones((5, 5)))).save(folder / "mask.png")
            columns.setdefault("original", []).append(faces[original])
            columns.setdefault("reference", []).append(faces[reference])
            for way in ("none", "feather", "poisson"):
                command = ["local-edit", "blend", "--weights", studio.weights, "--mask", folder / "mask.png"]
                command += ["--original", folder / f"{original}.png", "--reference", folder / f"{reference}.png"]
                cli.main([*map(str, command), "--paste-back", way, "--out", str(folder / "edit.png")])
                edited = Image.open(folder / "edit.png").convert("RGB").resize((side, side))
                columns.setdefault(way, []).append(np.array(edited))
    return sheets.sheet({title: images.from_arrays(pixels) for title, pixels in columns.items()})


def clip(studio: Studio) -> list[Image.Image]:
    """A drawn face that moves, with the mouth of another and with glasses, as a user carries edits through a video; and back."""
    person, other, model = 9, 62, studio.model
    found = directions.load(studio.weights)

    def where(names: str) -> Tensor:
        return studio.either([person], [other], names)

    edits = (
        Edit(patches=(Patch(reference=0, mask=where("lip"), feather=studio.side / 42),)),
        Edit(
            pushes=(Push(direction=found["glasses"], amount=2.5, mask=where("eye,eyebrow"), feather=studio.side / 42),)
        ),
    )
    photos = {slot: from_pixels(studio.faces[i]) for slot, i in (("original", person), ("0", other))}
    stylemaps = {slot: model.encode(images.from_arrays([photo.pixels])) for slot, photo in photos.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = list(scenes.film(studio.faces.face(person), 24, 240, 320, studio.side, FPS, noise=1.0, seed=person))
        scenes.write(folder / "film.mp4", film, FPS)
        points = {str(k): scene.landmarks.tolist() for k, scene in enumerate(film)}
        (folder / "points.json").write_text(json.dumps(points))
        columns = [folder / "film.mp4"]
        for k, edit in enumerate(edits):
            about = studio.weights, model.fingerprint(), model.config, photos, stylemaps
            project.write(folder / "edit.safetensors", project.Project(*about, edit))
            columns.append(folder / f"{k}.mp4")
            command = [
                "local-edit",
                "video",
                columns[0],
                "--project",
                folder / "edit.safetensors",
                "--out",
                columns[-1],
            ]
            command += ["--landmarks", folder / "points.json", "--weights", studio.weights]
            cli.main([*map(str, command)])
        rows = zip(*([frame.pixels() for frame in Clip(path).frames()] for path in columns), strict=True)
        frames = [Image.fromarray(np.hstack(row)) for row in rows]
    return frames + frames[-2:0:-1]


IMAGES: dict[str, tuple[str, Callable[[Studio], Tensor]]] = {
    "front": ("local_edit.png", front),
    "parts": ("local_editing_parts.png", parts),
    "segments": ("parts_found.png", segments),
    "transplants": ("local_editing_transplants.png", transplants),
    "mixing": ("motion_mix.png", mixing),
    "by-parts": ("motion_parts.png", by_parts),
    "expressions": ("motion_transfer.png", expressions),
    "samples": ("samples.png", samples),
    "directions": ("directions_strip.png", strip),
    "paste-back": ("local_editing_paste_back.webp", paste_back),
}


# ---- the editor, as a person sees it


class Page:
    """The editor in a window."""

    def __init__(self, browser, address: str, **window):
        self.page = browser.new_page(**window)
        self.page.goto(address)
        self.page.evaluate("document.querySelector('#live').style.visibility = 'hidden'")  # the machine may be busy
        self.page.locator("#references .thumb[data-slot]").wait_for()
        self.settle()

    def settle(self) -> None:
        self.page.locator("body:not([aria-busy]) #result-stage[aria-busy=false]").wait_for()

    def at(self, pane: str, point: tuple[float, float]) -> tuple[float, float]:
        box = self.page.locator(f"#{pane}-stage").bounding_box()
        return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]

    def open_photo(self, pixels: np.ndarray, name: str) -> None:
        """As the original."""
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG")
        self.page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": data.getvalue()})
        loaded = "() => document.querySelector('#status').textContent.includes('original is loaded')"
        self.page.wait_for_function(loaded)
        self.settle()

    def paint(self, points: Sequence[tuple[float, float]]) -> Iterator[None]:
        """A stroke over the reference; pauses after every move."""
        self.page.mouse.move(*self.at("reference", points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at("reference", point))
            self.settle()
            yield
        self.page.mouse.up()
        self.settle()
        yield

    def shot(self) -> Image.Image:
        return Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")


def write_film(path: Path, frames: Sequence[Image.Image], fps: float = FPS / 2) -> Path:
    """Not lossless, as `stylemap.video` is: a page has many pixels, and nobody edits its picture."""
    first, *rest = frames
    first.save(path, save_all=True, append_images=rest, duration=int(1000 / fps), loop=0, quality=80, method=4)
    return path


# A stroke around the hair: up the left side, and over the top.
HAIR = [(0.30 + 0.10 * math.cos(t), 0.42 + 0.3 * math.sin(t)) for t in np.linspace(math.pi / 2, 1.5 * math.pi, 6)] + [
    (0.5 + 0.22 * math.cos(t), 0.22 + 0.08 * math.sin(t)) for t in np.linspace(math.pi, 2 * math.pi, 8)
]


def editor(weights: str, folder: Path) -> Iterator[Path]:
    """Shots on a wide window, on a dark one, on a phone and of the dialog that saves, and a film of a stroke."""
    from playwright.sync_api import sync_playwright

    from benchmarks.browser import ARGUMENTS, find, served

    wide = {"viewport": {"width": 1280, "height": 760}}
    with served("--weights", weights, "--device", "cpu") as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=ARGUMENTS)

        page = Page(browser, address, **wide)
        frames = [page.shot()] * 4
        frames += [page.shot() for _ in page.paint(HAIR)]
        yield write_film(folder / "editor_film.webp", frames + frames[-1:] * 10)
        for name, window in {
            "editor_wide": wide,
            "editor_dark": {**wide, "color_scheme": "dark"},
            "editor_phone": {"viewport": {"width": 400, "height": 800}, "has_touch": True},
            "editor_save": {"viewport": {"width": 660, "height": 640}},
        }.items():
            page = Page(browser, address, **window)
            if name == "editor_save":
                page.open_photo(Avatars(256, split="heldout")[12], "anna.png")
            page.page.click("#parts >> text=hair")
            page.page.mouse.move(0, 0)
            page.settle()
            if name == "editor_dark":
                page.page.fill("#compare", "50")
            if name == "editor_save":
                page.page.keyboard.press("s")
            yield write_film(folder / f"{name}.webp", [page.shot()])
        browser.close()


@torch.no_grad()
def main() -> None:
    names = [*IMAGES, "film", "clip", "editor"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=names, help=f"which: {', '.join(names)}")
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    studio = Studio(arguments.weights)
    for name in arguments.names:
        if name == "editor":
            paths: Iterable[Path] = editor(arguments.weights, arguments.out)
        elif name == "film":
            paths = [arguments.out / "motion_path.webp"]
            video.write(paths[0], film(studio), FPS)
        elif name == "clip":
            paths = [write_film(arguments.out / "local_editing_video.webp", clip(studio), FPS)]
        else:
            file, make = IMAGES[name]
            paths = [arguments.out / file]
            images.write(paths[0], make(studio))
        for path in paths:
            print(path)


if __name__ == "__main__":
    main()
