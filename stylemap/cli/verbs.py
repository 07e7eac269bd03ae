"""The verbs of ``stylemap``: what its help lists, what is imported when a verb is used, and what the shell completes."""

import argparse
import difflib
import importlib
import os
from typing import NamedTuple

import argcomplete

from stylemap.cli.parsing import Parser
from stylemap.errors import InputError, shortened


class Verb(NamedTuple):
    place: str  # MODULE:FUNCTION of stylemap.cli; the function gives a parser its flags and ``run``
    help: str


GROUPS: dict[str, dict[str, Verb]] = {
    "Start here": {
        "demo": Verb("demo:demo", "train on drawn faces, then reconstruct and edit others"),
        "serve": Verb("serve:serve", "edit photos in the browser"),
    },
    "Edit photos": {
        "local-edit blend": Verb("local_edit:blend", "take what a mask selects from a reference"),
        "local-edit transplant": Verb("local_edit:transplant", "put a part of a reference at another place"),
        "local-edit replay": Verb("replay:replay", "repeat an edit that the editor saved, on any photos"),
        "local-edit video": Verb("edit_video:video", "carry an edit through every frame of a video"),
        "local-edit batch": Verb("batch_edit:batch", "edit many pairs of images, and measure the edits"),
        "parts predict": Verb("parts:predict", "name the parts of photos: eyes, hair and so on"),
        "parts train": Verb("parts:train", "teach weights to name the parts of any image"),
        "directions apply": Verb("directions:apply", "move a photo along a direction such as a smile"),
        "directions strip": Verb("directions:strip", "show photos at several amounts of a direction"),
        "directions list": Verb("directions:listing", "show what a file of directions holds"),
        "directions train": Verb("directions:train", "find directions from images with labels"),
        "directions pca": Verb("directions:pca", "find principal components of stylemaps, without labels"),
        "directions convert": Verb("directions:convert", "convert from and to InterFaceGAN's .npy"),
    },
    "Make images and films": {
        "generate samples": Verb("generate:samples", "generate new images from seeds"),
        "generate reconstruct": Verb("generate:reconstruct", "encode photos and render them again"),
        "generate interpolate": Verb("morph:interpolate", "make a film from one photo to another"),
        "generate mix": Verb("generate:mix", "take coarse layers from one photo, fine from another"),
        "morph path": Verb("morph:path", "make a film from photo to photo, whole or by parts"),
        "morph transfer": Verb("morph:transfer", "carry an expression from one face to another"),
    },
    "Find latents": {
        "project": Verb("project:project", "find latents of photos by encoder or optimisation"),
        "latents morph": Verb("latents:morph", "make a film from one latent to another"),
        "latents edit": Verb("latents:edit", "move a latent along a boundary, such as InterFaceGAN's"),
        "latents exchange": Verb("latents:exchange", "exchange some layers of two latents"),
    },
    "Prepare data": {
        "data check": Verb("check:check", "report what is usable in a folder, zip or LMDB"),
        "data prepare": Verb("prepare:prepare", "make one zip of square images of one size"),
        "data align": Verb("align:align", "cut the faces out of photos, upright and of one size"),
    },
    "Train and measure": {
        "train": Verb("train:train", "train generator, discriminator and encoder"),
        "train-mapping": Verb("train_mapping:train_mapping", "teach the mapping network alone, for better samples"),
        "train-encoder": Verb("train_encoder:train_encoder", "train an encoder for a StyleGAN, for edits or errors"),
        "report": Verb("report:report", "write one page about a run: scores, images, curves"),
        "evaluate": Verb("evaluate:evaluate", "measure reconstruction, samples, interpolations, edits"),
        "benchmark inversion": Verb("benchmark:inversion", "compare ways to find latents: time, error, quality"),
        "benchmark editing": Verb("benchmark_editing:editing", "compare local edits: errors, and how visible they are"),
        "benchmark ablation": Verb("benchmark_ablation:ablation", "train stylemaps of several sizes, and compare them"),
        "import": Verb("import_weights:import_weights", "convert weights of other programs"),
    },
    "Run elsewhere": {
        "export onnx": Verb("export_onnx:export_onnx", "write ONNX graphs, for programs without PyTorch"),
        "export web": Verb("export_web:export_web", "write the editor as a site that needs no server"),
    },
    "Set up": {
        "doctor": Verb("doctor:doctor", "check this installation, for you and for bug reports"),
        "weights list": Verb("weights:listing", "show published files that some verbs need"),
        "weights verify": Verb("weights:verify", "compare those that are here with their SHA-256"),
        "weights pull": Verb("weights:pull", "fetch one of them"),
        "completion": Verb("completion:completion", "print the script that completes verbs and flags on Tab"),
    },
}
VERBS = {name: verb for group in GROUPS.values() for name, verb in group.items()}


def usage(prefix: str = "") -> str:
    """The help of the program, or of the verbs that begin with a word."""
    lines = [f"usage: stylemap {f'{prefix} ' if prefix else ''}VERB [FLAGS]   (add --help for the flags of a verb)"]
    for title, group in GROUPS.items():
        entries = [
            f"  {name:<24}{verb.help}" for name, verb in group.items() if f"{name} ".startswith(f"{prefix} ".lstrip())
        ]
        lines += ["", title, *entries] if entries else []
    return "\n".join(lines)


def find(words: list[str]) -> tuple[str, list[str]]:
    """The verb that a command line begins with, or a word that several verbs begin with; and what follows it.

    Raises:
        InputError: no such verb.
    """
    for count in (2, 1):
        if (name := " ".join(words[:count])) in VERBS:
            return name, words[count:]
    second = [name.split()[1] for name in VERBS if name.startswith(f"{words[0]} ")]
    if second and (len(words) == 1 or words[1] in ("-h", "--help")):
        return words[0], ["--help"]
    choices = second or list(dict.fromkeys(name.split()[0] for name in VERBS))
    before, word = (f"{words[0]} ", words[1]) if second else ("", words[0])
    near = difflib.get_close_matches(word, choices, 1)
    known = f"did you mean {before}{near[0]}?" if near else f"known are {', '.join(before + name for name in choices)}"
    raise InputError(f"unknown verb {before}{shortened(word)!r}; {known}")


def parser(name: str) -> Parser:
    """The parser of a verb."""
    module, function = VERBS[name].place.split(":")
    declare = getattr(importlib.import_module(f"stylemap.cli.{module}"), function)
    flags = Parser(f"stylemap {name}", " ".join((declare.__doc__ or "").split()))
    declare(flags)
    return flags


def complete() -> None:
    """Answer the shell that asks for completions, and exit; see https://github.com/kislyuk/argcomplete."""
    words = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])].split()[1:]
    name = next((name for name in (" ".join(words[:2]), *words[:1]) if name in VERBS), None)
    if name is None:
        flags = argparse.ArgumentParser("stylemap", add_help=False)
        before = words[:1] if len(words) > 1 or os.environ["COMP_LINE"].endswith(" ") else []
        skipped = len(before)
        entries = [entry for entry in map(str.split, VERBS) if entry[:skipped] == before and len(entry) > skipped]
        flags.add_argument("verb", choices=list(dict.fromkeys(entry[skipped] for entry in entries)))
    else:
        flags, skipped = parser(name), len(name.split())
    os.environ["_ARGCOMPLETE"] = str(1 + skipped)  # words that are not the parser's
    argcomplete.autocomplete(flags, always_complete_options="long")
