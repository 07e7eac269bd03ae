"""Flags that several verbs share: each is declared once, so that it means the same everywhere. Imports no torch.

CONTRIBUTING.md holds the vocabulary. What the names of networks, spaces and the like are is repeated here, since the modules
that know them import torch; a test compares them.
"""

from pathlib import Path
from typing import get_args

from stylemap import parallel
from stylemap.cli.parsing import Group, Parser
from stylemap.cli.values import FILMS, PICTURES, Numbers, OutputFile, Range, Several, Square, real, whole
from stylemap.config import Precision

DEFAULT_WEIGHTS = "avatars128"
MOST_ENLARGED = 64
MOST_IMAGES = 1_000_000
MOST_FRAMES = 100_000
MOST_STEPS = 1000  # of a fit
AVATARS = 2000  # of the drawn faces, which have no end, to find directions in
FARTHEST = 4096  # pixels or cells, four times the largest image
MOST_AMOUNT = 20
SPACES = ("w", "w+")
WAYS = ("none", "feather", "poisson")
PARTS = ("background", "skin", "nose", "eye", "eyebrow", "ear", "lip", "hair", "neck", "cloth")
PRECISIONS = get_args(Precision)
FRAMES = ("auto", "face", "centre")
HALVES = ("left", "right", "upper", "lower")
EASES = ("linear", "smooth")
PERCEPTUAL = ("auto", "lpips", "discriminator", "random", "none")
FPS = 12.5
DATA_OF_WEIGHTS = (
    "Data set: a folder, zip or LMDB of images, or avatars. Default: the one that the weights were trained on."
)
SEED = whole(0, 2**63 - 1)
FRACTION = real(0, 1)
AMOUNT = real(-MOST_AMOUNT, MOST_AMOUNT)
PIXELS = whole(-FARTHEST, FARTHEST)
CELLS = Several(whole(0, FARTHEST), "2,1,4,6")

SHARED: dict[str, dict] = {
    "--weights": {
        "default": DEFAULT_WEIGHTS,
        "metavar": "W",
        "help": "Weights: the name of shipped ones, a .safetensors file, or the folder of a run.",
    },
    "--device": {"default": "auto", "help": "Where to compute: auto, cpu, cuda, cuda:1 or mps."},
    "--precision": {
        "choices": PRECISIONS,
        "default": "auto",
        "help": "Number format of the networks. bfloat16 changes images by about 0.2 of 255 levels. auto takes it on CPUs where "
        "it is faster by a short measurement, which is remembered.",
    },
    "--seed": {"type": SEED, "metavar": "N", "default": 0, "help": "Seed of everything that is random."},
    "--seeds": {"type": Numbers(SEED), "metavar": "LIST", "help": "Seeds."},
    "--workers": {
        "type": whole(0, 1024),
        "metavar": "N",
        "default": parallel.cores(),
        "help": "Number of worker processes. 0 works in the main process.",
    },
    # what is read
    "--data": {"metavar": "PATH", "help": "Data set: a folder, zip or LMDB of images, or avatars."},
    "--photos": {"nargs": "+", "metavar": "PATH", "help": "Photos, or folders of photos."},
    "--original": {"required": True, "metavar": "PHOTO", "help": "Photo to edit."},
    "--mask": {"metavar": "IMAGE", "help": "Grey image. The edit happens where it is white."},
    "--part-labels": {"metavar": "PATH", "help": "Folder or zip of label maps, named like the photos."},
    "--directions": {
        "metavar": "FILE",
        "help": ".safetensors file of directions, or InterFaceGAN's .npy. Default: the directions shipped with the weights.",
    },
    "--vgg": {
        "metavar": "FILE",
        "help": "Weights vgg16-397923af.pth. Default: where `stylemap weights pull vgg16` puts them.",
    },
    "--inception": {
        "metavar": "FILE",
        "help": "Weights weights-inception-2015-12-05-6726825d.pth. Default: where `stylemap weights pull inception` puts them.",
    },
    "--frame": {
        "choices": FRAMES,
        "help": "How the square is found. face finds and straightens the largest face. centre takes the central square. auto "
        "takes the face if there is a detector and it finds one; square photos that are the square of a face already stay as "
        "they are. Default: auto.",
    },
    "--crop": {
        "type": Square(),
        "metavar": "LEFT,TOP,SIDE[,DEGREES]",
        "help": "Any square of the one photo, in pixels, turned clockwise about its middle. It may reach beyond the photo.",
    },
    "--landmarks": {
        "metavar": "JSON",
        "help": 'Points of each face, instead of a detector: {"photo.jpg": [[x, y], ...]}, with 5, 68 or named points.',
    },
    "--detector": {
        "metavar": "ONNX",
        "help": "File of YuNet, the face detector of OpenCV's model zoo. Default: the one that `stylemap weights pull yunet` "
        "gets.",
    },
    # how many
    "--count": {"type": whole(1), "metavar": "N", "help": "Take the first N images of the data. Default: all."},
    "--heldout": {
        "type": whole(1, MOST_IMAGES),
        "metavar": "N",
        "help": "Number of held-out images to use. Default: all that training held out.",
    },
    "--samples": {
        "type": whole(1, MOST_IMAGES),
        "metavar": "N",
        "default": 1000,
        "help": "Number of generated images, and of training images to compare them with.",
    },
    "--pairs": {
        "type": whole(1, MOST_IMAGES),
        "metavar": "N",
        "default": 250,
        "help": "Edits for each part or half, at most.",
    },
    "--batch-gpu": {
        "type": whole(1, MOST_IMAGES),
        "metavar": "N",
        "default": 4,
        "help": "Most images to compute at once. The results do not depend on it.",
    },
    "--resolution": {"type": whole(8, 4096), "metavar": "R", "default": 256, "help": "Side of the images in pixels."},
    # how to edit
    "--space": {
        "choices": SPACES,
        "help": "Space to blend in. w blends whole cells of the stylemap, w+ follows the mask to the pixel. Default: w+.",
    },
    "--hard": {"action": "store_true", "help": "Take every cell that the mask touches whole, instead of blending it."},
    "--fit": {
        "type": whole(1, MOST_STEPS),
        "metavar": "N",
        "help": "First fit the weights to the original, in N steps, so that they draw it better. 50 are a good number.",
    },
    "--layers": {
        "type": Range(whole(0, 63)),
        "metavar": "A..B",
        "help": "Layers to change, counted from 0. Default: all.",
    },
    "--cells": {"metavar": "Y,X,H,W", "help": "Rectangle of cells of the stylemap."},
    "--amount": {
        "type": AMOUNT,
        "metavar": "X",
        "help": "How far to go, in standard deviations or as a multiple. Below 0 goes the other way.",
    },
    "--direction": {"metavar": "NAME", "help": "Name of the direction. `stylemap directions list` shows all names."},
    "--methods": {
        "nargs": "+",
        "default": ["all"],
        "metavar": "METHOD",
        "help": "NAME[@stylemap|@vectors|@e4e|@psp|@sean][:SETTING=VALUE]..., such as w+:steps=100,1000:rate=0.05; each number "
        "of steps is a row. all: those of docs/comparison_32.md that the weights allow. Default: all.",
    },
    "--perceptual-network": {
        "choices": PERCEPTUAL,
        "default": "auto",
        "help": "Network that compares images. auto takes lpips if VGG-16 is found, else the discriminator if the weights have "
        "one, else random weights.",
    },
    # what is written
    "--keep-detail": {
        "action": "store_true",
        "help": "Write the pixels of the photo where the edit does not reach, in the square that the model sees. --paste-back "
        "does it at full size.",
    },
    "--json": {
        "type": OutputFile(".json"),
        "metavar": "FILE",
        "help": "Also write the whole report to this file, as JSON.",
    },
    "--enlarge": {
        "type": whole(1, MOST_ENLARGED),
        "metavar": "TIMES",
        "help": "Repeat each pixel this many times across and down. 1 keeps the original pixels, which metrics need. "
        "Default: until the image is 256 pixels wide.",
    },
    "--frames": {
        "type": whole(2, MOST_FRAMES),
        "metavar": "N",
        "default": 16,
        "help": "Frames from one image to the next, both included. With --loop the next is not included.",
    },
    "--fps": {"type": real(0.1, 50), "metavar": "X", "default": FPS, "help": "Frames per second."},
    "--loop": {"action": "store_true", "help": "Return to the first image, so that the film repeats without a seam."},
    "--ease": {"choices": EASES, "help": "Speed of a film: linear is constant, smooth rests at each image."},
    "--sheet": {"type": OutputFile(*PICTURES), "metavar": "IMAGE", "help": "Also write up to 16 frames side by side."},
    "--docs": {"type": Path, "metavar": "PAGE", "help": "Markdown page that gets the results, between its markers."},
}


def add(parser: Parser | Group, *names: str, **changes) -> None:
    """Give a verb shared flags, with changes such as another default."""
    for name in names:
        parser.add_argument(name, **SHARED[name] | changes)


def add_weights_of_project(parser: Parser) -> None:
    text = "Weights that the project was made with. Default: the shipped weights of that name."
    add(parser, "--weights", default=None, help=text)


def add_out_image(parser: Parser) -> None:
    parser.add_argument("--out", type=OutputFile(*PICTURES), required=True, metavar="IMAGE", help="Image to write.")


def add_out_folder(parser: Parser, holds: str = "") -> None:
    text = "Folder to write into" + (f": {holds}." if holds else ".")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help=text)


def add_film(
    parser: Parser,
    ease: str,
    kinds: tuple[str, ...] = FILMS,
    out: str = "Film to write.",
    frames: int | None = 16,
) -> None:
    """The flags of verbs that write films.

    Args:
        ease, frames: the defaults of their flags.
        kinds: endings of ``--out``, whose help is ``out``.
    """
    parser.add_argument(
        "--out", type=OutputFile(*kinds), required=True, metavar="FILM" if kinds == FILMS else "FILE", help=out
    )
    add(parser, "--frames", default=frames)
    add(parser, "--fps", "--loop")
    add(parser, "--ease", default=ease)
    add(parser, "--enlarge", "--sheet")


def add_alignment(parser: Parser, photos: str, frame: str, painted: bool) -> None:
    """``--paste-back``, and which square of the photos the verb works on.

    Args:
        photos: which of the verb's files that is about.
        frame: where its masks lie, as a sentence.
        painted: masks may be painted on the photo, otherwise only on a face that is cut out.
    """
    parser.add_argument(
        "--paste-back",
        choices=WAYS,
        help="Write the whole photo with the edited region in it, instead of the model's image. feather has a soft rim. poisson "
        "also fits parts of references to the photo's light and tint. Default: feather for faces "
        "and --crop, none for central squares.",
    )
    add(parser, "--keep-detail", "--enlarge")
    group = add_framing(
        parser,
        f"{photos}. A face is cut out like FFHQ's faces, edited, and put back into the photo at full size. Only the edited "
        f"region and a soft rim around it change. {frame}".strip(),
    )
    if painted:
        group.add_argument(
            "--mask-on",
            choices=("photo", "face"),
            help="Whether masks and part labels lie over the whole photos, or over the squares of them that are edited, "
            "such as the faces that `stylemap data align` cuts out. Default: photo.",
        )
    parser.set_defaults(painted=painted)


def add_framing(parser: Parser, text: str = "") -> Group:
    """Which square of each photo a verb works on; ``text`` says what of the verb that is about."""
    group = parser.add_group("which square of a photo", text or None)
    add(group, "--frame", "--crop", "--landmarks", "--detector")
    return group
