"""What works on this machine, what does not, and what would change it. Needs no network."""

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
import torch

import stylemap
from stylemap import architectures, checkpoint, devices, parallel, precision, provenance, published, reading, resources
from stylemap.architectures.stylemap.model import StylemapModel
from stylemap.comparison import machine
from stylemap.datasets import Avatars
from stylemap.editing import blend, masks
from stylemap.errors import InputError, brief
from stylemap.images import from_arrays
from stylemap.operators import kernels, native
from stylemap.training import loop

State = Literal["good", "missing", "bad"]  # "missing" may be missed: something is slower, or cannot be done
NEEDED = ("torch", "torchvision", "numpy", "opencv-python", "pillow", "av", "safetensors", "lpips")
PURPOSES = {  # of extras
    "web": "the editor",
    "fast": "reading JPEGs faster",
    "heic": "photos of iPhones",
    "metrics": "FID, KID, precision and recall",
    "attributes": "separability",
    "onnx": "export",
}
ALTERNATIVES = {"opencv-python": ("opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")}
LEAST_FREE = 2**30  # bytes on a disk: states of a small run and its images
LEAST_SHARED = 64 * 2**20  # bytes of /dev/shm: batches of a few loading processes
TESTED = "avatars32"  # weights and recipe of the self-test: the smallest


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    part: str
    name: str
    says: str
    state: State = "good"
    remedy: str | None = None


def findings(self_test: bool = True) -> Iterator[Finding]:
    """Everything, part by part, as it is found. The self-test takes some seconds."""
    for part in (_system, _libraries, _devices, _kernels, _weights, _space, *([_self_test] if self_test else [])):
        yield from part()


def _system() -> Iterator[Finding]:
    part = "system"
    yield Finding(part, "stylemap", f"{stylemap.__version__} in {Path(stylemap.__file__).parent}")
    yield Finding(part, "python", f"{platform.python_version()}, {sys.executable}")
    yield Finding(part, "system", platform.platform())
    memory = psutil.virtual_memory()
    yield Finding(part, "processor", f"{machine.processor()}, {parallel.cores()} cores for this process")
    yield Finding(part, "memory", f"{_size(memory.available)} free of {_size(memory.total)}")


def _libraries() -> Iterator[Finding]:
    part = "libraries"
    for name in NEEDED:
        found = next(filter(None, map(_version, (name, *ALTERNATIVES.get(name, ())))), None)
        if found:
            yield Finding(part, name, found)
        else:
            yield Finding(part, name, "not installed", "bad", f"pip install {name}")
    for module, (name, extra) in provenance.LIBRARIES.items():
        if importlib.util.find_spec(module):
            yield Finding(part, name, _version(name) or "installed")
        else:
            yield Finding(
                part, name, f"not installed; for {PURPOSES[extra]}", "missing", f"pip install 'stylemap[{extra}]'"
            )


def _devices() -> Iterator[Finding]:
    part = "devices"
    quick = "bfloat16 in hardware" if precision.has_bfloat16(torch.device("cpu")) else "no bfloat16 in hardware"
    yield Finding(
        part, "cpu", f"threads: {torch.get_num_threads()}, {torch.backends.cpu.get_cpu_capability()}, {quick}"
    )
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        try:
            devices.pick(str(device))
            free, total = torch.cuda.mem_get_info(device)
            yield Finding(
                part, str(device), f"{torch.cuda.get_device_name(device)}, {_size(free)} free of {_size(total)}"
            )
        except (InputError, RuntimeError) as err:
            yield Finding(part, str(device), brief(err), "bad", "check the driver; --device cpu works without it")
    if torch.backends.mps.is_available():
        yield Finding(part, "mps", "Apple's GPU")
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        yield Finding(part, "gpu", "none that PyTorch can use; all commands work, training takes longer", "missing")


def _kernels() -> Iterator[Finding]:
    part = "kernels"
    yield Finding(part, "setting", f"{kernels.VARIABLE}={kernels.chosen()}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line below says it
        fault = native.fault()
    if fault:
        remedy = "install a C++ compiler (g++ or clang++), or name one by CXX"
        yield Finding(part, "cpp", f"not built, so PyTorch's operations serve: {fault}", "missing", remedy)
    else:
        yield Finding(part, "cpp", f"built{'' if kernels.on_cpu() == 'cpp' else ', not taken by the setting'}")
    there = importlib.util.find_spec("triton") is not None
    yield Finding(part, "triton", "installed; for GPUs, if the setting asks for it" if there else "not installed")


def _weights() -> Iterator[Finding]:
    part = "weights"
    shipped = sorted(resources.PRETRAINED.glob("*.safetensors"))
    if shipped:
        sizes = (f"{path.stem} ({_size(path.stat().st_size)})" for path in shipped)
        yield Finding(part, "shipped", ", ".join(sizes))
    else:
        remedy = "install stylemap again; its wheel holds them"
        yield Finding(part, "shipped", f"none in {resources.PRETRAINED}", "bad", remedy)
    for file in published.FILES.values():
        if (path := file.path()).is_file():
            yield Finding(part, file.name, str(path))
        else:
            yield Finding(part, file.name, f"not here; {file.purpose}", "missing", file.command)


def _space() -> Iterator[Finding]:
    part = "space"
    folders = {"this folder": Path.cwd(), "temporary": Path(tempfile.gettempdir()), "cache": resources.cache_folder()}
    for name, folder in folders.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        says = f"{_size(free)} free in {folder}"
        if not os.access(there, os.W_OK):
            yield Finding(part, name, f"{folder} cannot be written", "bad", "change its rights, or work elsewhere")
        elif free < LEAST_FREE:
            yield Finding(part, name, says, "bad", f"free {_size(LEAST_FREE)} or more")
        else:
            yield Finding(part, name, says)
    if (shared := Path("/dev/shm")).is_dir():
        free = shutil.disk_usage(shared).free
        if free < LEAST_SHARED:
            remedy = "give --workers 0; in Docker also --shm-size 1g"
            yield Finding(part, "shared memory", f"{_size(free)} free", "bad", remedy)
        else:
            yield Finding(part, "shared memory", f"{_size(free)} free")


def _self_test() -> Iterator[Finding]:
    """Decode, encode, edit, and train an iteration, each timed."""
    model: StylemapModel | None = None

    def load() -> str:
        nonlocal model
        model = checkpoint.load(TESTED)
        return f"{TESTED}"

    def edit() -> str:
        assert model is not None
        side = model.config.resolution
        faces = from_arrays([Avatars(side, 2, "heldout")[i] for i in range(2)])
        original, reference = model.encode(faces).split(1)
        result = blend(model, original, reference, masks.half("lower", side))
        error = (model.synthesize(original) - faces[:1]).square().mean().sqrt() * 127.5
        if not result.isfinite().all():
            raise InputError("the edit is not a number")
        return f"a face within {float(error):.0f} of 255 levels, and the lower half of another in it"

    def train() -> str:
        recipe = reading.read_yaml(resources.CONFIGS / f"{TESTED}.yaml")
        config = architectures.train_config(recipe | {"images": recipe["batch"], "heldout": 2})
        with tempfile.TemporaryDirectory() as folder:
            loop.train(config, Path(folder))
        return f"an iteration of {config.batch} faces of {config.model.resolution} px"

    for name, step in {"load": load, "encode and edit": edit, "train": train}.items():
        yield _timed(name, step)


def _timed(name: str, step: Callable[[], str]) -> Finding:
    began = time.perf_counter()
    try:
        with warnings.catch_warnings(), torch.no_grad() if name != "train" else torch.enable_grad():
            warnings.simplefilter("ignore")
            says = step()
    except Exception as err:  # whatever goes wrong, the other lines still help
        return Finding("self-test", name, f"{type(err).__name__}: {brief(err)}", "bad", "report this, with all lines")
    return Finding("self-test", name, f"{says}, {time.perf_counter() - began:.1f} s")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _size(count: float) -> str:
    """Of bytes, as people read it."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
