"""What is compared: names of rows, knobs, and what the weights allow."""

import pytest

from stylemap.comparison import contenders
from stylemap.comparison.contenders import E4E, PSP, SEAN, STYLEMAP, VECTORS, choose, parse
from stylemap.errors import InputError
from stylemap.inversion import PRESETS, Subject
from tests.architectures.sean import tiny as sean
from tests.inversion import tiny


@pytest.fixture(scope="module")
def subjects():
    vectors = Subject(tiny.vectors())
    return {
        STYLEMAP: Subject(tiny.stylemaps()),
        VECTORS: vectors,
        E4E: vectors,
        PSP: vectors,
        SEAN: Subject(sean.model()),
    }


def test_each_number_of_steps_is_a_run():
    found = parse("w+:steps=10,300:rate=0.05", seed=4)
    assert [c.steps for c in found] == [10, 300]
    assert {c.name for c in found} == {"w+ rate=0.05"}
    assert all((c.kind, c.method.space, c.method.rate, c.method.seed) == (VECTORS, "w+", 0.05, 4) for c in found)
    assert len({c.slug for c in found} | {c.title for c in found}) == 4


def test_steps_of_all_phases_count():
    (found,) = parse("image2stylegan++:steps=7:noise_steps=5")
    assert found.steps == 12 and found.title == "image2stylegan++, 7 + 5 steps"
    short = found.shortened(2)
    assert (short.steps, short.noise_steps) == (2, 2)
    assert parse("encoder")[0].steps == 0


@pytest.mark.parametrize(
    ("text", "kind"), [("encoder", STYLEMAP), ("in-domain", VECTORS), ("in-domain@stylemap", STYLEMAP)]
)
def test_home(text, kind):
    assert parse(text)[0].kind == kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("magic", "unknown method 'magic'"),
        ("w:steps=0", "steps must be whole numbers"),
        ("w:steps=ten", "steps must be whole numbers"),
        ("w:speed=3", "method w has no setting speed; it has seed, space"),
        ("w:rate=fast", "method w: rate=fast must be float"),
        ("w:rate=-1", "rate=-1 must be 0 or more"),
        ("w:render_noise=maybe", "render_noise=maybe must be bool"),
        ("w:space=z", "must be one of w, w\\+"),
        ("w@pixels", "weights are of kind stylemap, vectors, e4e, psp or sean"),
    ],
)
def test_mistakes(text, says):
    with pytest.raises(InputError, match=says):
        parse(text)


def test_defaults_fit_all_kinds_of_weights(subjects):
    found, left_out = choose(None, subjects)
    assert left_out == []
    assert {c.kind for c in found} == set(contenders.KINDS)
    assert {(c.name, c.steps) for c in found} >= {(n, k) for n in ("w", "w+") for k in (100, 300, 1000)}
    assert ("encoder", 0) in {(c.name, c.steps) for c in found}


def test_defaults_that_do_not_fit_are_told(subjects):
    found, left_out = choose(None, {STYLEMAP: subjects[STYLEMAP]})
    assert {c.name for c in found} == set(contenders.ON_STYLEMAPS)
    assert len(left_out) == len(contenders.DEFAULT) - len(contenders.ON_STYLEMAPS)
    bare = Subject(tiny.vectors(encoder=False))
    found, left_out = choose(None, {VECTORS: bare})
    assert {c.name for c in found} == {
        *("w", "w+", "image2stylegan", "image2stylegan++", "structured-noise", "pivotal (vectors)")
    }
    assert any("begins at the encoder" in text for text in left_out)


def test_a_sean_needs_masks_and_its_encoder(subjects):
    found, left_out = choose(None, subjects, labelled=False)
    assert left_out == ["method encoder (sean) needs the part labels of the images; give --part-labels"]
    assert SEAN not in {c.kind for c in found}
    with pytest.raises(InputError, match=r"method w \(sean\): of a sean only the encoder finds codes"):
        choose(["w@sean"], subjects)


def test_all_stands_for_the_defaults_and_leaves_no_method_out(subjects):
    """But variants of `w`, `w+` and `pivotal`, and halves of an exchange of faces."""
    variants = {"w-ada", "w+rolux", "exchange-content", "exchange-style", "fit"}
    assert {parse(spec)[0].name.partition(" ")[0] for spec in contenders.DEFAULT} == set(PRESETS) - variants
    assert choose(["all"], subjects) == choose(None, subjects)
    found, left_out = choose(["w-ada", "all"], {VECTORS: subjects[VECTORS]})
    assert found[0].name == "w-ada" and len(found) > 9
    assert len(left_out) == len(contenders.ON_STYLEMAPS) + 3  # and the encoders of e4e, psp and a sean


def test_a_pivot_follows_the_weights(subjects):
    found, _ = choose(["pivotal", "pivotal@vectors"], subjects)
    assert [c.title for c in found] == ["pivotal, 350 steps", "pivotal (vectors), 450 + 350 steps"]


@pytest.mark.parametrize(
    ("specs", "kinds", "says"),
    [
        (["w"], [STYLEMAP], "method w needs weights of a vector-latent generator"),
        (["encoder"], [VECTORS], "method encoder needs stylemap weights"),
        (["encoder@e4e"], [VECTORS], r"method encoder \(e4e\) needs weights of `stylemap train-encoder --style e4e`"),
        (["image2stylegan@stylemap"], [STYLEMAP], "one vector per layer"),
        (["w:steps=5", "w:steps=9,5"], [VECTORS], "w, 5 steps is given twice"),
        (["w:rate=0.1", "w"], [VECTORS], "w rate=0.1, 1000 steps and w, 1000 steps are one and the same"),
        (
            ["w-ada", "w:render_noise=false"],
            [VECTORS],
            "w-ada, 1000 steps and w render_noise=False, 1000 steps are one",
        ),
    ],
)
def test_what_was_asked_for_must_fit(subjects, specs, kinds, says):
    with pytest.raises(InputError, match=says):
        choose(specs, {kind: subjects[kind] for kind in kinds})


def test_seeds_are_runs_of_their_own(subjects):
    found, _ = choose(["w:seed=1:steps=5", "w:seed=2:steps=5", "w:steps=5"], {VECTORS: subjects[VECTORS]}, seed=3)
    assert [c.method.seed for c in found] == [1, 2, 3]
    assert len({c.slug for c in found}) == len({c.title for c in found}) == 3


@pytest.mark.parametrize("spec", ["encoder@vectors", "in-domain", "image2stylegan:init=encoder"])
def test_an_encoder_must_be_there(spec):
    with pytest.raises(InputError, match="the vectors weights have none"):
        choose([spec], {VECTORS: Subject(tiny.vectors(encoder=False))})
