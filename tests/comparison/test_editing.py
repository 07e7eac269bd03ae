"""Local edits side by side: what is edited, how each method edits, what is measured, and that nothing is done twice."""

import json

import pytest
import torch

from stylemap import images, perceptual
from stylemap.comparison import editing, editors
from stylemap.comparison.contenders import SEAN, STYLEMAP, VECTORS, parse
from stylemap.comparison.editors import Edit, Job, editor_of, placed
from stylemap.datasets.parts import Part
from stylemap.editing import blend
from stylemap.errors import InputError
from stylemap.inversion import Subject
from stylemap.metrics import classifier
from tests.architectures.sean import tiny as sean
from tests.inversion import tiny

SIDE, COUNT = tiny.SIDE, 16
ABOUT = {
    "machine": {"gpu": None, "processor": "one", "threads": 1, "cores": 2, "libraries": ["torch 2"]},
    "weights": {
        kind: {"given": kind, "doubt": None, "info": {}, "parameters": {"generator": 1}}
        for kind in (STYLEMAP, VECTORS, SEAN)
    },
    "data": {"name": "made", "resolution": SIDE},
    "perceptual": {"network": "none"},
}
METHODS = (
    "encoder",
    "pivotal:steps=2",
    "structured-noise:steps=2",
    "image2stylegan++:steps=2:noise_steps=2",
    "in-domain:steps=2",
)


@pytest.fixture(scope="module")
def subjects():
    return {STYLEMAP: Subject(tiny.stylemaps()), VECTORS: Subject(tiny.vectors()), SEAN: Subject(sean.model())}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "STEPS", 5)


def _label(i: int) -> torch.Tensor:
    """A nose of 4 x 4 pixels, and skin; the ears of even images only."""
    found = torch.full((SIDE, SIDE), Part.SKIN, dtype=torch.uint8)
    found[6:10, 6 + i % 2 : 10 + i % 2] = Part.NOSE
    if i % 2 == 0:
        found[6:10, :2] = Part.LEFT_EAR
    return found


LABELS = torch.stack([_label(i) for i in range(COUNT)])


def benchmark(subjects, out, most=12) -> editing.Benchmark:
    plan = editing.plan(LABELS, COUNT, SIDE, 4, most, 0)
    originals = images.to_uint8(tiny.images(subjects[STYLEMAP].model, COUNT))
    return editing.Benchmark(originals, LABELS, plan, subjects, perceptual.load("none"), 3, 0, ABOUT, out)


def job(subjects, text: str, out) -> Job:
    (contender,) = parse(text)
    contender = editors.replace(contender, method=contender.method.for_latents(subjects[contender.kind].latents))
    originals = images.to_uint8(tiny.images(subjects[STYLEMAP].model, 4))
    return Job(contender, subjects[contender.kind], perceptual.load("none"), originals, LABELS, 2, out, "key")


def square(top: int, left: int, size: int = 8) -> torch.Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., top : top + size, left : left + size] = 1
    return mask


def test_placed_moves_pixels_and_cells_alike():
    x = torch.arange(SIDE * SIDE, dtype=torch.float32).view(1, 1, SIDE, SIDE)
    for shift in ((4, 0), (0, -4), (-4, 8)):
        moved = placed(x, shift, SIDE)
        rows, columns = (torch.arange(SIDE) - by for by in shift)
        expected = x[..., rows.clamp(0, SIDE - 1), :][..., columns.clamp(0, SIDE - 1)]
        assert torch.equal(moved, expected)
        cells = x[..., ::4, ::4]
        assert torch.equal(images.repeat(placed(cells, shift, SIDE), 4), placed(images.repeat(cells, 4), shift, SIDE))


def test_halves_of_a_plan_share_no_image_and_moved_masks_hold_both_places():
    plan = editing.plan(LABELS, COUNT, SIDE, 4, 20, 0)
    for kind, halves in plan.halves.items():
        used = [{i for edit in edits for i in (edit.source, edit.reference)} for edits in halves]
        assert not used[0] & used[1]
        assert all(len(edits) >= 4 for edits in halves)
        assert {edit.part for edit in plan.edits(kind)} <= (
            {"nose", "ear"} if kind == "moved" else {"skin", "nose", "ear"}
        )
        for edit in plan.edits(kind):
            assert (edit.shift == (0, 0)) == (kind == "in place")
            both = [(LABELS[i] == Part.NOSE)[None, None].float() for i in (edit.source, edit.reference)]
            if edit.part == "nose":
                union = torch.maximum(*both)
                assert torch.equal(edit.mask, torch.maximum(union, placed(union, edit.shift, SIDE)))
    with pytest.raises(InputError, match="raise --count or --edits"):
        editing.plan(LABELS, 4, SIDE, 4, 20, 0)


def test_a_step_is_whole_cells_of_every_method(subjects):
    assert editing.step_of(subjects.values(), SIDE) == SIDE // 4  # of the stylemap; the input has cells of 2 pixels
    assert editing.step_of([subjects[VECTORS]], SIDE) == SIDE // 8


def test_stylemaps_are_blended(subjects, tmp_path):
    one, model = job(subjects, "encoder", tmp_path), subjects[STYLEMAP].model
    edit = Edit("nose", 0, 1, square(4, 4), (4, 0))
    found, _ = one.run([edit], "some")
    source, reference = model.encode(one.pictures([0])), model.encode(one.pictures([1]))
    expected = blend(model, source, placed(reference, (4, 0), SIDE), edit.mask, "w+", hard=True)
    assert torch.equal(found, images.to_uint8(expected))


def test_tuned_weights_of_the_source_make_the_edit(subjects, tmp_path):
    """Where nothing is taken from the reference, the tuned source is there, and it is nearer than the source's own stylemap."""
    nothing = Edit("none", 2, 3, torch.zeros(1, 1, SIDE, SIDE))
    source = job(subjects, "encoder", tmp_path).originals[2].float()
    errors = [
        (job(subjects, text, tmp_path / name).run([nothing], "some")[0][0].float() - source).square().mean()
        for name, text in (("plain", "encoder"), ("tuned", "pivotal:steps=8:rate=0.01:locality=0"))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_structured_noise_exchanges_places_and_keeps_the_style(subjects, tmp_path):
    one = job(subjects, "structured-noise:steps=3", tmp_path)
    everything, nothing = torch.ones(1, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE)
    edits = [Edit("a", 0, 1, nothing), Edit("a", 0, 1, everything)]
    found, _ = one.run(edits, "some")
    tensors = [one.known(i) for i in (0, 1)]
    assert torch.equal(found[:1], images.to_uint8(one.subject.render(tensors[0])))
    swapped = tensors[0] | {name: x for name, x in tensors[1].items() if name != "latent" and x.shape[-1] >= 8}
    assert torch.equal(found[1:], images.to_uint8(one.subject.render(swapped)))


@pytest.mark.parametrize(
    ("text", "words"),
    [("image2stylegan++:steps=30:noise_steps=30:rate=0.1", "fitted"), ("in-domain:steps=30:rate=0.05", "diffused")],
)
def test_pasted_pictures_are_found_by_optimisation(subjects, tmp_path, text, words):
    """On images of the stylemap generator: the edit comes nearer to the reference inside than the source is."""
    one = job(subjects, text, tmp_path)
    assert words in editor_of(one.contender, one.subject).words
    edit = Edit("nose", 0, 1, square(4, 4))
    found = images.from_uint8(one.run([edit], "some")[0])
    source, reference = one.pictures([0]), one.pictures([1])

    def error(x, y):
        return ((x - y).square() * edit.mask).sum()

    assert error(found, reference) < 0.5 * error(source, reference)


def test_sean_takes_labels_and_the_code_of_the_part(subjects, tmp_path):
    one, model = job(subjects, "encoder@sean", tmp_path), subjects[SEAN].model
    edit = Edit("nose", 0, 1, square(4, 4), (0, 4))
    found, _ = one.run([edit], "some")
    masks = [model.masks_of(LABELS[i : i + 1]) for i in (0, 1)]
    codes = [model.encode(one.pictures([i]), masks[i]) for i in (0, 1)]
    drawn = torch.where(edit.mask > 0.5, placed(masks[1], (0, 4), SIDE), masks[0])
    codes[0][:, Part.NOSE] = codes[1][:, Part.NOSE]
    assert torch.equal(found, images.to_uint8(model.generate(codes[0], drawn)))


def test_errors_of_an_edit_by_hand(subjects, tmp_path):
    one = benchmark(subjects, tmp_path)
    edit = Edit("nose", 0, 1, square(4, 4), (0, 4))
    picture = one.originals[0].clone()
    picture[4:12, 4:12] = one.originals[1][4:12, 0:8]
    assert one.errors(edit, picture.numpy()) == (0.0, 0.0)
    picture[0, 0] = 255 - picture[0, 0]
    expected = ((2 * one.originals[0][0, 0].double() - 255) / 127.5).square().sum() / (3 * (SIDE**2 - 64))
    assert one.errors(edit, picture.numpy()) == (pytest.approx(expected.item()), 0.0)
    assert one.errors(edit._replace(mask=torch.ones_like(edit.mask)), picture.numpy())[0] is None


@pytest.mark.parametrize("text", ["encoder", "pivotal:steps=2", "structured-noise:steps=2", "encoder@sean"])
def test_an_edit_of_nothing_is_the_image_without_an_edit(subjects, tmp_path, text):
    one = job(subjects, text, tmp_path)
    edits = [Edit("nose", a, b, torch.zeros(1, 1, SIDE, SIDE)) for a, b in ((0, 1), (2, 3), (3, 0), (1, 2))]
    pictures, _ = one.run(edits, "some")
    remade = one.remade([edit.source for edit in edits])
    assert (pictures.int() - remade.int()).abs().max() <= 1  # 8 bits of passes of other batches
    plain = benchmark(subjects, tmp_path).detectability(remade.repeat(2, 1, 1, 1), remade.repeat(2, 1, 1, 1), 4, "cpu")
    assert plain.judged == 0.5  # no classifier tells equal images apart


def test_the_detector_is_judged_on_other_images_than_it_learned_from(subjects, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(editing.detectability, "detectability", lambda *given: seen.append(given[:2]))
    unedited, edited = torch.randint(0, 256, (2, 10, SIDE, SIDE, 3), dtype=torch.uint8)
    benchmark(subjects, tmp_path).detectability(unedited, edited, 4, "cpu")
    ((fitted, judged),) = seen
    for k, whole in enumerate((unedited, edited)):
        assert torch.equal(fitted[k], whole[:4]) and torch.equal(judged[k], whole[4:])


def test_every_method_has_a_row_and_a_kill_costs_one_batch(subjects, tmp_path, monkeypatch):
    one, real, calls = benchmark(subjects, tmp_path), editors.invert, []
    chosen = [job(subjects, text, tmp_path).contender for text in METHODS]

    def dying(method, *arguments):
        calls.append(method)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(method, *arguments)

    monkeypatch.setattr(editors, "invert", dying)
    with pytest.raises(KeyboardInterrupt):
        one.compare(chosen)
    rows = benchmark(subjects, tmp_path).compare(chosen)
    in_batches = sum(-(-len(one.plan.edits(kind)) // 3) for kind in editing.KINDS)
    inverted = len(calls)
    # every method finds a latent for each image, and two also for each edit; the kill cost one call
    assert inverted == 1 + 2 * in_batches + len(METHODS) * -(-COUNT // 3)
    assert benchmark(subjects, tmp_path).compare(chosen) == json.loads(json.dumps(rows)) and len(calls) == inverted
    assert [row["how"].split()[0] for row in rows] == ["stylemaps", "stylemaps", "inputs", "pasted", "pasted"]
    text = one.write(chosen, rows, ["a note"])
    assert len(calls) == inverted
    assert text.count("\n| ") == 1 + len(METHODS) and "±" in text and "a note" in text
    for name in (editing.RESULT, editing.TABLE, editing.PLOT, editing.SHEET):
        assert (tmp_path / name).is_file()
    for row in rows:
        for found in row["kinds"].values():
            assert all(found[name] >= 0 and found[f"{name}_error"] >= 0 for name in editing.MEASURES)


def test_a_method_that_fails_has_a_row(subjects, tmp_path, monkeypatch):
    one = benchmark(subjects, tmp_path)

    def fail(*_):
        raise InputError("enough\nof this")

    monkeypatch.setattr(editors, "invert", fail)
    (row,) = one.compare([job(subjects, "encoder", tmp_path).contender])
    assert row["failed"] == "enough"
    assert "failed: enough" in editing.table([row], [])
