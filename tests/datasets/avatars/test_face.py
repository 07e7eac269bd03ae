"""Descriptions of faces: drawn as they are, refused where a value is not allowed."""

import dataclasses
from typing import get_args, get_type_hints

import numpy as np
import pytest

from stylemap.datasets.avatars import (
    Brows,
    Clothes,
    Eyes,
    Face,
    Glasses,
    Hair,
    Hat,
    Head,
    Mouth,
    Part,
    Skin,
    draw,
    draw_parts,
    eyes,
    face,
    hair,
    hats,
    head,
    palette,
    sampling,
)
from stylemap.errors import InputError


def kinds(described, field):
    return set(get_args(get_type_hints(described)[field]))


def test_a_face_by_hand():
    by_hand = Face(hair=Hair("bob", "ginger"), eyes=Eyes(colour="green"), hat=Hat("cap", "navy"))
    picture, labels = draw(by_hand, 128), draw_parts(by_hand, 128)
    assert np.abs(np.median(picture[labels == Part.HAT], 0) - palette.FABRICS["navy"]).max() < 25
    assert np.abs(np.median(picture[labels == Part.HAIR], 0) - palette.HAIR["ginger"]).max() < 60
    assert not np.array_equal(picture, draw(Face(hair=by_hand.hair, eyes=by_hand.eyes), 128))


def test_what_is_not_given_is_the_same_for_all():
    assert Face() == Face(skin=Skin(), hair=Hair())
    assert not np.isin(draw_parts(Face(), 64), (Part.HAT, Part.EYEGLASSES, Part.EARRING, Part.NECKLACE)).any()


@pytest.mark.parametrize("style", sorted(kinds(Hair, "style") - {"covered"}))
def test_every_style_of_hair_can_be_worn_with_anything(style):
    bare = draw_parts(Face(hair=Hair(style)), 32)
    assert (bare == Part.HAIR).any() == (style != "bald")
    worn = Face(hair=Hair(style), hat=Hat("beanie"), glasses=Glasses(style="sun"), head=Head(earrings=True))
    assert {Part.HAT, Part.EYEGLASSES, Part.EARRING} <= set(draw_parts(worn, 64).flat)
    assert draw(worn, 32).shape == (32, 32, 3)


def test_a_head_scarf_covers_the_hair():
    labels = draw_parts(Face(hair=Hair("covered"), hat=Hat("headscarf")), 64)
    assert Part.HAT in labels and Part.HAIR not in labels
    for hair_style, hat in (("bob", "headscarf"), ("covered", "none")):
        with pytest.raises(InputError, match="a head scarf covers the hair"):
            Face(hair=Hair(hair_style), hat=Hat(hat))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Hair("mohawk"), "Hair.style must be one of bald, buzz"),
        (lambda: Skin(tone=1.5), "Skin.tone must be a number from 0 to 1, not 1.5"),
        (lambda: Skin(tone=float("nan")), "Skin.tone must be a number"),
        (lambda: Skin(tone="dark"), "Skin.tone must be a number"),
        (lambda: Skin(freckles=1), "Skin.freckles must be true or false"),
        (lambda: Brows(angle=True), "Brows.angle must be a number from -1 to 1, not True"),
        (lambda: Mouth(smirk_side=0), "Mouth.smirk_side must be one of -1, 1"),
        (lambda: Clothes(colour=["navy"]), r"Clothes.colour must be one of navy"),
        (lambda: Face(grain=1.5), "Face.grain must be a whole number from 0 to 4000, not 1.5"),
        (lambda: Face(skin="light"), "Face.skin must be a group of settings"),
    ],
)
def test_values_that_are_not_allowed(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_descriptions_cannot_be_changed_and_can_be_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Face().light = 0.0
    assert dataclasses.replace(Face(), light=-1.0).light == -1.0


def test_every_kind_that_can_be_described_is_known_to_the_drawing():
    assert kinds(Hair, "style") == set(hair.STYLES)
    assert kinds(Hat, "style") == {*hats.HATS, "none"}
    assert kinds(Eyes, "shape") == set(eyes.LID)
    assert kinds(face.Nose, "shape") == set(head.NOSE)
    for described, field, colours in (
        (Hair, "colour", palette.HAIR), (Eyes, "colour", palette.IRIS), (Hat, "colour", palette.FABRICS),
        (Clothes, "colour", palette.FABRICS), (face.Background, "colour", palette.BACKDROPS),
    ):  # fmt: skip
        assert get_args(get_type_hints(described)[field]) == tuple(colours)
    assert kinds(Glasses, "colour") == {"black", *palette.FABRICS}
    assert kinds(Mouth, "lipstick") == {"natural", *palette.LIPSTICK}


def test_every_field_is_an_attribute():
    def leaves(described):
        values = [getattr(described, field.name) for field in dataclasses.fields(described)]
        return sum(leaves(value) if dataclasses.is_dataclass(value) else 1 for value in values)

    assert len(sampling.sample(0, 0).attributes()) == leaves(Face()) + 1  # whether a hat is worn follows from its style
