"""``stylemap local-edit video``: one edit carried through every frame of a clip, with its sound."""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stylemap import files, provenance
from stylemap.cli import flags, inputs
from stylemap.cli.parsing import Parser, without_gradients
from stylemap.cli.preparing import Bar
from stylemap.cli.values import CLIPS, OutputFile, real
from stylemap.errors import InputError, Note

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylemap.architectures.stylemap.model import StylemapModel
    from stylemap.clips import Clip
    from stylemap.editing.clip_edit import ClipEdit, Find, Seen
    from stylemap.faces import Alignment
    from stylemap.faces.tracking import Place
    from stylemap.project import Project, Replay

SECONDS = real(0, 1e6)
SMOOTH_FACE, SMOOTH_MAPS = 0.15, 0.0  # docs/local_editing.md has the measurements
STEPS, FITTED = 200, 8  # of a fit, and frames that it sees; measured there too
CUT_SHORT = 0.5  # seconds: sound may last so much longer than the frames


def video(parser: Parser) -> None:
    """Carry the edit of a project through every frame of a video, and put it back at full size. The largest face is found in
    each frame, followed and steadied. The sound is copied as it is. If it is stopped, run the same command again to
    continue."""
    parser.add_argument("clip", metavar="VIDEO", help="Video with a face.")
    parser.add_argument(
        "--project",
        required=True,
        metavar="FILE",
        help="Project file that the editor saved: its edit is carried through.",
    )
    parser.add_argument("--out", type=OutputFile(*CLIPS), required=True, metavar="VIDEO", help="Video to write.")
    parser.add_argument(
        "--paste-back",
        choices=("feather", "poisson"),
        default="feather",
        help="How the edit goes back into the frames. poisson also fits parts of references to their light and tint.",
    )
    parser.add_argument(
        "--start", type=SECONDS, default=0.0, metavar="S", help="Begin so many seconds after the start."
    )
    parser.add_argument(
        "--end", type=SECONDS, metavar="S", help="End so many seconds after the start. Default: the end."
    )
    group = parser.add_group(
        "which square of the frames",
        "The largest face is found and straightened in every frame. --frame centre and --crop name a square that stays in its "
        "place.",
    )
    flags.add(
        group,
        "--frame",
        choices=("face", "centre"),
        default="face",
        help="How the square is found: along the face, or in the middle of all frames.",
    )
    flags.add(group, "--crop", help="Any square of all frames, in pixels, turned clockwise about its middle.")
    flags.add(
        group,
        "--landmarks",
        help='Points of the face in each frame, instead of a detector: {"0": [[x, y], ...], "1": ...}, with frames counted '
        "from --start.",
    )
    flags.add(group, "--detector")
    group.add_argument(
        "--smooth-face",
        type=real(0, 10),
        default=SMOOTH_FACE,
        metavar="S",
        help="Steady the place of the face over so many seconds (standard deviation). 0 takes it as it is found.",
    )
    group.add_argument(
        "--smooth-maps",
        type=real(0, 10),
        default=SMOOTH_MAPS,
        metavar="S",
        help="Steady the stylemaps over so many seconds (standard deviation). 0 takes each frame for itself.",
    )
    flags.add(
        parser,
        "--fit",
        help=f"First fit the weights to {FITTED} frames of the video, in N steps, so that they draw the face better. "
        f"{STEPS} are a good number.",
    )
    flags.add_weights_of_project(parser)
    flags.add(parser, "--device", "--precision")
    parser.set_defaults(run=run)


@without_gradients
def run(arguments: argparse.Namespace) -> None:
    from stylemap import checkpoint, devices, project
    from stylemap.cli import loading
    from stylemap.clips import Clip
    from stylemap.editing.carrying import Carrier
    from stylemap.editing.clip_edit import ClipEdit
    from stylemap.faces import tracking

    read = [path for path in (arguments.clip, arguments.project, arguments.landmarks) if path]
    inputs.keep_inputs([arguments.out], read)
    if arguments.end is not None and arguments.end <= arguments.start:
        raise InputError(f"--end {arguments.end:g} is not after --start {arguments.start:g}; give a later one")
    clip = Clip(arguments.clip)
    for line in clip.lost:
        warnings.warn(f"{clip.path}: {line}", Note, stacklevel=2)
    loaded = project.read(arguments.project)
    if not loaded.edit.steps:
        raise InputError(f"{arguments.project} holds no edit; make one in the editor and save it again")
    if loaded.fit is not None and not arguments.fit:
        text = (
            f"is fitted to its own photo; the video is drawn by the weights as they were, or fitted with --fit {STEPS}"
        )
        warnings.warn(f"{arguments.project} {text}", Note, stacklevel=2)
    weights = loading.weights_of_project(arguments, loaded.weights)
    precision = "float32" if arguments.fit else arguments.precision
    model = checkpoint.load(weights, devices.pick(arguments.device), precision)
    repeat = project.Replay(model, loaded)
    side = model.config.resolution
    fixed = fixed_square(arguments, clip, side)
    find, by = (None, None) if fixed else finding(arguments)
    job = ClipEdit(clip, arguments.out, arguments.start, arguments.end)
    with files.owned(job.folder), going_on():
        with Bar("frames searched") as bar:
            seen = job.look(find, by, bar)
        sightings = [one.sighting for one in seen]
        if fixed is not None:
            places = tracking.stay(sightings, fixed)
        else:
            places = tracking.track(sightings, side, arguments.smooth_face)
        count = sum(place.alignment is not None for place in places)
        if not count:
            job.clear()
            raise InputError(
                f"no face was found in {clip.path}; give its points with --landmarks, or a square with --crop"
            )
        tell_if_strange(clip, seen, places, model, weights)
        edit = [provenance.sha256(Path(arguments.project)), str(model.dtype)]
        where = [by, arguments.crop, arguments.frame, arguments.smooth_face, loaded.fingerprint]
        if arguments.fit:
            frames = pictures(clip, seen, places, FITTED).to(model.device)
            repeat = fitted(job, repeat, loaded, frames, arguments.fit, [*where, *edit])
        carrier = Carrier(repeat.model, repeat.of, arguments.paste_back, arguments.smooth_maps)
        with Bar("frames edited") as bar:
            how = [arguments.fit, arguments.smooth_maps, arguments.paste_back]
            job.make(carrier, places, seen, [*where, *how, *edit], bar)
        job.clear()
    files.remove_empty([job.folder])
    print(arguments.out)
    missing = len(places) - count
    rest = f"; {missing} show{'s' * (missing == 1)} no face and stay{'s' * (missing == 1)} as before" if missing else ""
    print(f"{len(places)} frame{'s' * (len(places) > 1)}, {count} edited{rest}")
    if seen[-1].sighting.time < min(clip.seconds, arguments.end or clip.seconds) - CUT_SHORT:
        text = f"{clip.path} lasts {clip.seconds:.1f} s by its header, but no frame after {seen[-1].sighting.time:.1f} s can be "
        warnings.warn(f"{text}read: its file is damaged or cut short", Note, stacklevel=2)


def finding(arguments: argparse.Namespace) -> "tuple[Find, object]":
    """What finds the faces of a frame, and what names it.

    Raises:
        InputError: no detector where one is needed.
    """
    from stylemap.faces import Finder, landmarks

    try:
        finder = Finder(arguments.landmarks, arguments.detector)
    except InputError as err:
        raise InputError(f"{err}; or choose a square with --crop") from err

    def find(number: int, pixels: "np.ndarray") -> "list[np.ndarray]":
        name = str(number)
        if finder.lookup is not None and finder.lookup(name) is None:
            return []
        found = [face.landmarks for face in finder.faces(name, pixels)]
        return [points for points in found if landmarks.fault(points) is None]

    return find, provenance.sha256(Path(arguments.landmarks or finder.detector.model))


def fixed_square(arguments: argparse.Namespace, clip: "Clip", side: int) -> "Alignment | None":
    """The square of ``--crop`` or ``--frame centre``.

    Raises:
        InputError: another way to find it beside these, or a square beside the frames.
    """
    from stylemap import faces

    width, height = clip.size
    if not arguments.crop and arguments.frame == "face":
        return None
    inputs.only_with("--frame face", arguments, "landmarks", "detector")
    if not arguments.crop:
        return faces.Alignment.central(height, width, side)
    square = faces.Alignment.crop(*arguments.crop, side)
    faces.crop(next(clip.frames()).pixels(), square)  # refuses what does not fit
    return square


def tell_if_strange(
    clip: "Clip", seen: "list[Seen]", places: "list[Place]", model: "StylemapModel", weights: str
) -> None:
    """A `Note` if the weights cannot draw the face of the clip, by a frame in the middle of those that show it."""
    from stylemap import familiarity

    picture = pictures(clip, seen, places, 1)
    familiarity.tell(familiarity.measure(weights, model), [clip.path], familiarity.errors(model, picture))


def spread(count: int, length: int) -> list[int]:
    """``count`` of ``length`` frames, or all if they are fewer, evenly over time."""
    count = min(count, length)
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]


def pictures(clip: "Clip", seen: "list[Seen]", places: "list[Place]", count: int) -> "Tensor":
    """What the model sees of ``count`` frames that show the face, or of all if they are fewer: [N, 3, R, R], evenly over time."""
    from stylemap import faces, images

    shown = [k for k, place in enumerate(places) if place.alignment is not None]
    chosen = [shown[i] for i in spread(count, len(shown))]
    found = (next(clip.frames(seen[k].sighting.time)).pixels() for k in chosen)
    return images.from_arrays([faces.along(x, places[k].alignment) for k, x in zip(chosen, found, strict=True)])


def fitted(job: "ClipEdit", repeat: "Replay", loaded: "Project", frames: "Tensor", steps: int, by: list) -> "Replay":
    """The edit, drawn by weights that were fitted to frames of the clip. Prints what that did to their error.

    They are fitted to the references of the edit too, or else parts of another face would be drawn like those of this one.

    Args:
        by: names what the frames depend on, and the edit, as JSON.
    """
    import numpy as np
    import torch

    from stylemap import familiarity, images
    from stylemap.inversion import fitting

    references = [loaded.photos[str(slot)].pixels for slot in sorted(loaded.edit.references)]
    known = torch.cat([frames, *(images.from_arrays([pixels]).to(frames) for pixels in references)])

    def fit() -> bytes:
        with Bar("steps of the fit") as bar:
            found = fitting.fit_frames(repeat.model, known, steps, lambda share: bar(round(share * steps), steps))
        return fitting.to_bytes(found)

    found = fitting.from_bytes(job.fitted([*by, steps], fit))
    result = repeat.fitted(found.model(repeat.model))
    before, after = (np.mean(familiarity.errors(one.model, frames)) for one in (repeat, result))
    text = f"fitted to {len(frames)} frames in {steps} steps; the error of their reconstructions is {after:.2g}"
    print(f"{job.clip.path}: {text}, and was {before:.2g}")
    return result


@contextlib.contextmanager
def going_on() -> "Iterator[None]":
    """Ctrl-C is answered with how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; run the same command again to continue", file=sys.stderr)
        raise
