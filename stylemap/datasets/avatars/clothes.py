"""Neck, clothes and necklace."""

import numpy as np

from stylemap.datasets.avatars.face import Face
from stylemap.datasets.avatars.outlines import curve, flipped, grid, smooth, stroke
from stylemap.datasets.avatars.painting import Shape
from stylemap.datasets.avatars.palette import mix, scaled
from stylemap.datasets.parts import Part


def body(face: Face) -> list[Shape]:
    """Neck and clothes."""
    skin = face.skin.rgb
    neck_width = 0.105 + 0.03 * face.head.jaw - 0.02 * face.eyes.lashes
    neck = [(-neck_width, 0.66), (neck_width, 0.66), (neck_width, 0.88), (neck_width + 0.05, 0.96),
            (neck_width + 0.06, 1.2), (-neck_width - 0.06, 1.2), (-neck_width - 0.05, 0.96),
            (-neck_width, 0.88)]  # fmt: skip
    shapes = [Shape((np.array(neck),), scaled(skin, 0.97), (Part.NECK,))]
    shapes += _clothes(face, neck_width)
    if face.clothes.necklace and face.clothes.style in ("v_neck", "straps", "crew"):
        x = grid(11)
        chain = curve(x * (neck_width + 0.015), 0.985 - 0.075 * x**2)
        gold = (246, 206, 110) if face.clothes.tone < 0.6 else (238, 238, 244)
        shapes.append(Shape((stroke(chain, 0.013),), gold, (Part.NECKLACE,)))
    return shapes


def _clothes(face: Face, neck: float) -> list[Shape]:
    colour = face.clothes.rgb
    dark = scaled(colour, 0.78)
    style = face.clothes.style
    wide = 0.42 + 0.08 * face.clothes.shoulders
    opening, dip = {"crew": (0.03, 0.045), "collar": (0.01, 0.06), "v_neck": (0.045, 0.13), "turtleneck": (0.0, 0.0),
                    "hoodie": (0.03, 0.05), "straps": (0.16, 0.1)}[style]  # fmt: skip
    collar_y = 0.918
    x = grid(13)
    profile = 1 - np.abs(x) if style == "v_neck" else np.sqrt(1 - x**2)
    neckline = curve(x * (neck + opening), collar_y + dip * profile)
    shoulders = [(wide * 0.72, 0.945), (wide, 1.01), (wide + 0.08, 1.3), (-wide - 0.08, 1.3), (-wide, 1.01),
                 (-wide * 0.72, 0.945)]  # fmt: skip
    cloth = np.concatenate([neckline, shoulders])
    shapes = [Shape((cloth,), colour, (Part.CLOTH,))]
    if style == "turtleneck":
        roll = smooth([(-neck - 0.012, 0.865), (0, 0.895), (neck + 0.012, 0.865), (neck + 0.025, 0.95), (0, 0.985),
                       (-neck - 0.025, 0.95)])  # fmt: skip
        shapes.append(Shape((roll,), scaled(colour, 1.08), (Part.CLOTH,)))
    elif style == "collar":
        light = mix(colour, (255, 255, 255), 0.75)
        flap = np.array([(0.0, 0.995), (neck * 0.6, 0.945), (neck + 0.01, 0.885), (neck + 0.05, 0.93), (0.07, 1.05)])
        shapes.append(Shape((flap, flipped(flap)), light, (Part.CLOTH,)))
    elif style == "hoodie":
        hood = smooth([(neck - 0.01, 0.87), (neck + 0.08, 0.9), (neck + 0.1, 0.97), (0.03, 1.06), (0.02, 1.0),
                       (neck - 0.01, 0.94)])  # fmt: skip
        shapes.append(Shape((hood, flipped(hood)), dark, (Part.CLOTH,)))
    else:
        shapes.append(Shape((stroke(neckline, 0.018),), dark, (Part.CLOTH,)))
    return shapes
