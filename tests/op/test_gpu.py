"""Triton's kernels: right in its interpreter and on a GPU (`triton_cases`), and compiled for GPUs that are not here."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

triton = pytest.importorskip("triton", reason="Triton is not installed")

# arguments of each kernel: pointers (* an image's type, + float32), i integers, f floats, then its constants
KERNELS = {
    "upfirdn2d_kernel": ("** iiiiiiii", {"TAPS": (0.125, 0.375, 0.375, 0.125), "ROWS": 8, "BW": 8, "BC": 64}),
    "bias_act_kernel": ("*+* iiff", {"BIASED": True, "BLOCK": 1024}),
    "bias_act_backward_kernel": ("*** iff", {"BLOCK": 1024}),
    "moments_kernel": ("*+ iiiii", {"BP": 16, "BC": 64}),
    "modulate_kernel": ("**+*++ iiiiif", {"BLOCKS": 256, "BP": 16, "BC": 64}),
    "modulate_style_kernel": ("***++*+ iiiii", {"BP": 16, "BC": 64}),
    "modulate_image_kernel": ("***+++* iiiii", {"BLOCKS": 256, "BP": 16, "BC": 64}),
}
RESAMPLINGS = {"blur": {"UP": 1, "DOWN": 1}, "down": {"UP": 1, "DOWN": 2}, "up": {"UP": 2, "DOWN": 1}}
CASES = [("upfirdn2d_kernel", by) for by in RESAMPLINGS] + [(name, None) for name in list(KERNELS)[1:]]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
@pytest.mark.parametrize("where", ["interpreter", "GPU"])
def test_right(where, which):
    if where == "GPU" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    environment = os.environ | {"TRITON_INTERPRET": str(int(where == "interpreter"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", which, "tests/op/triton_cases.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((1, 64, 1024, 1024), 1), ((1, 512, 1024, 1024), 512), ((256, 512, 8, 8), 512), ((2, 3, 4, 1 << 20), 3)],
)
def test_grids_of_large_images_are_within_cuda_s_limits(shape, groups, monkeypatch):
    """65,535 programs along y and z, 2^31 - 1 along x. Nothing is computed: tensors are on the meta device."""
    from stylemap.operators import gpu

    grids = []

    class Launched:
        def __getitem__(self, grid):
            grids.append(grid)
            return lambda *arguments, **constants: None

    for name in KERNELS:
        monkeypatch.setattr(gpu, name, Launched())
    n, c, h, w = shape
    x, style = torch.empty(shape, device="meta"), torch.empty(n, 2 * c, h, w, device="meta")
    statistics = torch.empty(n, groups, device="meta")
    gpu.modulate(x, style, groups, 1e-5)
    gpu.modulate_backward(x, x, style, statistics, statistics, groups, 1e-5)
    gpu.bias_act_backward(gpu.bias_act(x, None, 0.2, 1.0), x, 0.2, 1.0)
    gpu.upfirdn2d(x, [0.125, 0.375, 0.375, 0.125], 2, 1, 2, 2 * h, 2 * w)
    assert len(grids) == 7
    for first, *others in grids:
        assert first < 2**31 and all(programs <= 65_535 for programs in others)


@pytest.mark.parametrize(
    "capability", [90, pytest.param(80, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("name", "by"), CASES)
def test_compiles_without_spills(name, by, capability, monkeypatch, tmp_path):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from stylemap.operators import gpu

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernel = getattr(gpu, name)
    kinds, constants = KERNELS[name]
    constants = constants | RESAMPLINGS.get(by, {})
    arguments = [p for p in kernel.arg_names if p not in constants]
    types = {"*": "*bf16", "+": "*fp32", "i": "i32", "f": "fp32"}
    signature = dict(zip(arguments, (types[k] for k in kinds.replace(" ", "")), strict=True))
    even = {(i,): [["tt.divisibility", 16]] for i, p in enumerate(arguments) if signature[p][0] == "*" or p == "C"}
    source = ASTSource(kernel, signature | dict.fromkeys(constants, "constexpr"), constants, even)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    binary = tmp_path / "kernel.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    tools = Path(triton.__file__).parent / "backends/nvidia/bin"
    usage = subprocess.run(
        [tools / "cuobjdump", "-res-usage", binary], capture_output=True, text=True, check=True
    ).stdout
    found = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}
    print(name, by, f"sm_{capability}", found)
    assert found["STACK"] == found["LOCAL"] == 0  # nothing spilled
    assert found["REG"] <= 128  # of 65,536: four programs of four warps at once
