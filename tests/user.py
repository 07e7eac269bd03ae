"""What a user writes against the public names. mypy checks it strictly, and `test_public` runs it."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import stylemap


def main(folder: Path) -> None:
    """Encode two photos, edit them, write the results."""
    model: stylemap.StylemapModel = stylemap.load("avatars32", device="cpu")
    side: int = model.config.resolution
    photos: Tensor = torch.cat([stylemap.read_image(folder / name, side) for name in ("a.png", "b.png")])
    original, reference = model.encode(photos).split(1)

    mask: Tensor = stylemap.read_mask(folder / "mask.png", side)
    stylemap.write_image(folder / "blend.png", stylemap.blend(model, original, reference, mask))
    stylemap.write_image(
        folder / "moved.png", stylemap.transplant(model, original, reference, mask=mask, shift=(-4, 0))
    )
    mixed: Tensor = stylemap.mix(model, coarse=original, fine=reference)
    expression: Tensor = stylemap.transfer(model, original, reference, original, amount=0.5, mask=mask)
    pixels: Tensor = stylemap.to_uint8(torch.cat([mixed, expression]))
    assert torch.equal(stylemap.to_uint8(stylemap.from_uint8(pixels)), pixels)

    smile: stylemap.Direction = stylemap.load_directions("avatars32")["smile"]
    stylemap.write_image(folder / "smile.png", stylemap.push(model, original, smile, 2.0, mask=mask))
    assert stylemap.move(original, smile, 1.0).shape == original.shape

    film: Iterator[Tensor] = stylemap.morph(model, torch.cat([original, reference]), frames=3)
    stylemap.write_film(folder / "film.webp", film)
    line: Tensor = stylemap.interpolate(original, reference, frames=3)
    samples: Tensor = model.synthesize(stylemap.truncate(line, model.mean_latent(), 0.7))
    stylemap.write_image(folder / "sample.png", samples[0])

    try:
        stylemap.load(folder / "missing.safetensors")
    except stylemap.InputError as err:
        print(err)
