"""The kernels against the definition, as PyTorch's compiler sees them, and what happens where they cannot be built."""

import itertools
import os
import shutil
import stat
import threading
import warnings

import pytest
import torch

from stylemap.errors import InputError, Note
from stylemap.operators import kernels, upfirdn2d
from tests.op.test_upfirdn2d import EPS, FACTORS, bound, literal, randn

native = pytest.importorskip("stylemap.operators.native")

TAPS = [(1, 3, 3, 1), (1, 2, 4), (1,), (5, -1, 2, 3, 4, 5)]  # up to four taps have loops of their own
needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX") or "c++") is None, reason="no C++ compiler here")


def image(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return randn(*shape, dtype=dtype).contiguous(memory_format=torch.channels_last)


@pytest.fixture
def calls(monkeypatch):
    """Of the kernels: [the type, the sizes...] of each."""
    seen = []

    def noting(dtype, function):
        return lambda *arguments: (seen.append((dtype, *arguments[4:8])), function(*arguments))

    functions = {dtype: noting(dtype, function) for dtype, function in native.functions().items()}
    monkeypatch.setattr(native, "functions", lambda: functions)
    return seen


@needs_compiler
class TestUpfirdn2d:
    @pytest.mark.parametrize("dtype", list(EPS))
    @pytest.mark.parametrize("taps", TAPS)
    @pytest.mark.parametrize(("up", "down"), [*FACTORS, (3, 2)])
    def test_equals_the_definition(self, taps, up, down, dtype, calls):
        pads = set(itertools.product({0, len(taps) // 2, len(taps) - 1}, repeat=2))
        for channels, pad in itertools.product((3, 20), pads):  # fewer channels than a vector has lanes, and more
            x = image(2, channels, 7, 8, dtype=dtype)
            expected = literal(x.double(), taps, up, down, pad, 1.7)
            with kernels.using("cpp"):
                y = upfirdn2d(x, taps, up, down, pad, 1.7)
            assert y.shape == expected.shape and y.dtype == dtype
            assert y.is_contiguous(memory_format=torch.channels_last)
            # two sums of at most K products in place of one of K^2, and one rounding to the type at the end
            assert (y - expected).abs().max() <= bound(x, taps, 1.7, EPS[dtype]), (channels, pad)
        assert calls == [(dtype, 2, 7, 8, c) for c in (3, 20) for _ in pads]

    @pytest.mark.parametrize(("up", "down"), FACTORS)
    def test_gradients(self, up, down):
        def function(x):
            return upfirdn2d(x, (1, 2, 4, 3), up, down, (1, 2), gain=2.0)

        x = image(1, 2, 3, 4).requires_grad_()
        with kernels.using("cpp"):
            assert torch.autograd.gradcheck(function, x)
            assert torch.autograd.gradgradcheck(function, x)

    def test_threads_give_the_same(self):
        x, threads = image(2, 5, 9, 7), torch.get_num_threads()
        with kernels.using("cpp"):
            alone = upfirdn2d(x, (1, 3, 3, 1), up=2, pad=(2, 1))
            try:
                torch.set_num_threads(2)
                assert torch.equal(upfirdn2d(x, (1, 3, 3, 1), up=2, pad=(2, 1)), alone)
            finally:
                torch.set_num_threads(threads)

    def test_what_no_kernel_takes(self, calls):
        with kernels.using("cpp"):
            upfirdn2d(randn(2, 3, 4, 4), (1, 2, 1))  # NCHW
            upfirdn2d(image(2, 3, 4, 4).half(), (1, 2, 1))
            torch.vmap(lambda x: upfirdn2d(x, (1, 2, 1)))(torch.ones(2, 1, 3, 4, 4))
        with kernels.using("reference"):
            upfirdn2d(image(2, 3, 4, 4), (1, 2, 1))
        assert not calls

    @pytest.mark.filterwarnings(
        "ignore:The .grad attribute of a Tensor that is not a leaf"
    )  # PyTorch's own check looks there
    def test_registered_as_pytorch_asks(self):
        from stylemap.operators import registered  # noqa: F401

        arguments = (image(1, 2, 5, 4).requires_grad_(), [0.5, 0.25, 0.25], 2, 1, 1, 9, 7)
        torch.library.opcheck(torch.ops.stylemap.upfirdn2d.default, arguments)

    def test_compiled_whole_with_its_gradient(self, monkeypatch):
        monkeypatch.delenv(kernels.VARIABLE, raising=False)  # the compiler reads the environment too

        def function(x):
            return upfirdn2d(x * 2, (1, 3, 3, 1), down=2, pad=(1, 1)).square().sum()

        x = image(1, 2, 6, 4).requires_grad_()
        (expected,) = torch.autograd.grad(function(x), x)
        graphs = []

        def backend(graph, inputs):
            graphs.append(graph.print_readable(print_output=False))
            return graph

        torch.compiler.reset()
        (found,) = torch.autograd.grad(torch.compile(function, backend=backend, fullgraph=True)(x), x)
        assert torch.equal(found, expected)
        assert len(graphs) == 1 and "stylemap.upfirdn2d" in graphs[0]

    def test_exported_graphs_hold_only_what_pytorch_knows(self):
        class Filter(torch.nn.Module):
            def forward(self, x):
                return upfirdn2d(x, (1, 3, 3, 1))

        with kernels.using("cpp"):
            program = torch.export.export(Filter(), (image(1, 2, 6, 4),))
        assert "stylemap" not in str(program.graph)


class TestChoice:
    def test_environment_and_python(self, monkeypatch):
        monkeypatch.delenv(kernels.VARIABLE, raising=False)
        assert kernels.chosen() == "auto"
        monkeypatch.setenv(kernels.VARIABLE, "reference")
        assert kernels.chosen() == "reference"
        with kernels.using("cpp"):
            assert kernels.chosen() == "cpp"
        assert kernels.chosen() == "reference"

    def test_unknown_names(self, monkeypatch):
        said = "there are no kernels 'cuda'; STYLEMAP_KERNELS is one of auto, reference"
        with pytest.raises(InputError, match=said), kernels.using("cuda"):
            pass
        monkeypatch.setenv(kernels.VARIABLE, "fast")
        with pytest.raises(InputError, match="'fast'"):
            kernels.chosen()


@pytest.fixture
def unbuilt(tmp_path, monkeypatch):
    """An empty cache folder, and a process that has built nothing."""
    monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path / "cache"))
    native._functions.cache_clear()
    yield tmp_path / "cache"
    native._functions.cache_clear()


def compiler(path, script: str) -> str:
    """A program for $CXX. It prints macros as a compiler does, and runs the script to build; $out is the file."""
    path.write_text(f'#!/bin/sh\nfor out; do test "$was" = -o && break; was=$out; done\n'
                    f'case "$*" in *-dM*) echo "#define __VERSION__ 1"; exit;; esac\n{script}\n')  # fmt: skip
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


class TestBuilding:
    @pytest.mark.parametrize(
        ("script", "said"),
        [
            (None, "No such file or directory"),
            ("echo 'kernels.cpp: error: no AVX here' >&2; exit 1", "error: no AVX here"),
            ("echo no library > $out", "invalid ELF header|file too short|slice is not valid"),
        ],
        ids=["no compiler", "broken build", "broken library"],
    )
    def test_the_reference_serves_after_one_warning(self, script, said, unbuilt, tmp_path, monkeypatch):
        monkeypatch.setenv("CXX", str(tmp_path / "missing") if script is None else compiler(tmp_path / "cxx", script))
        self.check(said)

    def test_a_cache_folder_that_cannot_be_written(self, unbuilt, tmp_path, monkeypatch):
        unbuilt.write_text("a file")
        monkeypatch.setenv("CXX", compiler(tmp_path / "cxx", "exit 0"))
        self.check("cannot write")

    def check(self, said):
        x = image(1, 3, 4, 4)
        with pytest.warns(Note, match=f"no kernels for this CPU, so PyTorch's operations serve: .*({said})") as caught:
            for _ in range(2):
                y = upfirdn2d(x, (1, 2, 1))
        assert len(caught) == 1
        assert (y - literal(x, (1, 2, 1), 1, 1, (0, 0), 1.0)).abs().max() <= bound(x, (1, 2, 1), 1.0, EPS[x.dtype])

    def test_a_cause_is_told_once_and_another_anew(self, unbuilt, tmp_path, monkeypatch):
        for script, told in (("exit 1", 1), ("exit 1", 0), (None, 1), (None, 0)):
            native._functions.cache_clear()  # as in the next process
            failing = tmp_path / "missing" if script is None else compiler(tmp_path / "cxx", script)
            monkeypatch.setenv("CXX", str(failing))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert native.functions() is None
            assert len(caught) == told

    def test_builds_at_once_do_not_meet(self, unbuilt, tmp_path, monkeypatch):
        """Each writes its file slowly and in two parts; nobody sees one of another, or a half."""
        slow = 'printf "%s" half > $out; sleep 0.2; printf "%s" " and half" >> $out'
        monkeypatch.setenv("CXX", compiler(tmp_path / "cxx", slow))
        found, threads = [], []
        for _ in range(3):
            threads.append(threading.Thread(target=lambda: found.append(native._build().read_text())))
            threads[-1].start()
        for thread in threads:
            thread.join()
        assert found == ["half and half"] * 3
        assert len(list(unbuilt.iterdir())) == 1

    def test_another_compiler_or_source_builds_anew(self, unbuilt, tmp_path, monkeypatch):
        paths = set()
        for name in ("cxx", "c++ -O1"):
            monkeypatch.setenv(
                "CXX", compiler(tmp_path / name.split()[0], "echo > $out") + name[len(name.split()[0]) :]
            )
            paths.add(native._build())
            assert native._build() in paths  # found again
        source = tmp_path / "kernels.cpp"
        source.write_text("// changed")
        monkeypatch.setattr(native, "SOURCE", source)
        paths.add(native._build())
        assert len(paths) == 3 and all(path.is_file() for path in paths)
