"""How precisely a run computes: bfloat16 passes, TF32 products, and what is float32 whatever the passes are."""

import contextlib
import copy
import functools
import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from stylemap import reading, resources
from stylemap.errors import InputError
from stylemap.files import append, make_folder
from stylemap.operators import kernels

AUTOCAST_DEVICES = ("cpu", "cuda", "mps")
OF_PROCESSORS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # torch's names of bfloat16 in x86 and ARM
MARGIN = 1.15  # bfloat16 must be so many times as fast to be chosen
PROBE_S, ROUNDS = 0.3, 3  # turns are taken for so long, and at least so many
ANSWERS = "precision.jsonl"  # in the cache folder; of two answers to a question the first counts


# ---- the type of the passes


def pick(precision: str, device: torch.device, part: nn.Module | None = None, learning: bool = False) -> torch.dtype:
    """The type of the networks' passes on a device.

    "auto" is bfloat16 on CPUs that have it and where it is faster, by a measurement that is remembered in the cache folder: two
    runs on one machine choose the same. While learning it is also bfloat16 on GPUs that have it.

    Args:
        precision: "auto", "float32" or "bfloat16".
        part: of the model, what is timed, see `Model.last_doubling`; None: float32 on CPUs.

    Raises:
        InputError: bfloat16 on a GPU without it.
    """
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16":
        if device.type == "cuda" and not has_bfloat16(device):
            raise InputError("this GPU has no bfloat16; choose the precision float32")
        return torch.bfloat16
    if not has_bfloat16(device):
        return torch.float32
    pays_here = learning if device.type == "cuda" else part is not None and remembered(part, learning)
    return torch.bfloat16 if pays_here else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16, rather than imitating it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in OF_PROCESSORS)


def remembered(part: nn.Module, learning: bool) -> bool:
    """`pays`, measured once for each kind of processor, torch and part. Where it cannot be noted, bfloat16 never pays."""
    abilities = dict(torch.cpu.get_capabilities())
    name, found = abilities.get("cpu_name", "CPU"), zlib.crc32(repr(sorted(abilities.items())).encode())
    shapes = [list(weight.shape) for weight in part.parameters() if weight.dim() == 4]
    work, inputs = "training" if learning else "rendering", [list(x.shape) for x in part.inputs()]
    question = f"{name} {found:08x}, torch {torch.__version__}, kernels {kernels.on_cpu()}, {work} {shapes} of {inputs}"
    try:
        file = resources.cache_folder() / ANSWERS
    except RuntimeError:  # there is no home folder
        return False
    answers = _answers(file)
    if question not in answers:
        try:
            make_folder(file.parent, exist_ok=True)
            append(file, "\n")  # before the work; and a line that a kill cut short ends here
            append(file, json.dumps({question: pays(part, learning)}) + "\n")
        except InputError:  # a folder that cannot be written
            return False
        answers = _answers(file)  # another process may have answered first
    return answers.get(question, False)


def _answers(file: Path) -> dict[str, bool]:
    """By question; lines that hold none are passed over."""
    try:
        lines = reading.decode_text(reading.read_bytes(file), file).splitlines()
    except InputError:  # the first time
        return {}
    answers: dict[str, bool] = {}
    for line in filter(None, lines):
        with contextlib.suppress(InputError):
            answer = reading.parse_json(line, file)
            if isinstance(answer, dict) and all(isinstance(value, bool) for value in answer.values()):
                answers = answer | answers
    return answers


def pays(part: nn.Module, learning: bool) -> bool:
    """Whether a part of a model is faster in bfloat16, by `MARGIN`.

    The two take turns in one thread, and the shortest time that the processor gave to each counts, so that other programs hardly
    matter.

    Args:
        learning: with a backward pass and under autocast, as in training.
    """
    plain, low = copy.deepcopy(part), copy.deepcopy(part)
    if not learning:
        low.compute_in(torch.bfloat16)
    inputs = part.inputs()

    def seconds(network: nn.Module) -> float:
        start = time.thread_time()
        with (
            torch.set_grad_enabled(learning),
            torch.autocast("cpu", torch.bfloat16, enabled=learning and network is low),
        ):
            image = network(*inputs)
        if learning:
            image.sum().backward()
        return time.thread_time() - start

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = [(seconds(plain), seconds(low)) for _ in range(ROUNDS)]
        while sum(map(sum, times)) < PROBE_S:
            times.append((seconds(plain), seconds(low)))
    finally:
        torch.set_num_threads(threads)
    best, best_low = map(min, zip(*times, strict=True))
    return best > MARGIN * best_low


# ---- the rest of a run


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Set for the time of a run whether NVIDIA GPUs may round the factors of float32 products; restored afterwards."""
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32" if allowed else "ieee"
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


# ---- float32, whatever the passes are


def full(x: Tensor) -> Tensor:
    """The tensor in float32 where autocast has made it bfloat16 or float16."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


@contextlib.contextmanager
def float32() -> Iterator[None]:
    """No autocast reaches inside, whoever opened it."""
    reaching = [device for device in AUTOCAST_DEVICES if torch.is_autocast_enabled(device)]
    for device in reaching:
        torch.set_autocast_enabled(device, False)
    try:
        yield
    finally:
        for device in reaching:
            torch.set_autocast_enabled(device, True)


def in_float32(function: Callable) -> Callable:
    """Decorate a loss, a measure or a perceptual network: it takes bfloat16 and float16 in float32, and computes in `float32`.

    Arguments are tensors, lists of them, or anything else.
    """

    def taken(x):
        if isinstance(x, Tensor):
            return full(x)
        return [taken(each) for each in x] if isinstance(x, list) else x

    @functools.wraps(function)
    def inside(*args, **kwargs):
        with float32():
            return function(*map(taken, args), **{name: taken(x) for name, x in kwargs.items()})

    return inside
