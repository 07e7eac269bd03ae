"""What operations on the meta device take: bytes that are alive, arithmetic, and the casts of CUDA's autocast."""

import weakref
from collections import Counter

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

META = torch.device("meta")


class Ledger(TorchDispatchMode):
    """Bytes of the meta storages that are alive, the most of them in each phase, and arithmetic by phase and type.

    The formulas are those of torch's FlopCounterMode, which itself knows no types and fails in the gradient penalty.
    """

    def __init__(self):
        super().__init__()
        self.live = 0
        self.phase = ""
        self.peaks: dict[str, int] = {}
        self.operations: Counter[tuple[str, torch.dtype]] = Counter()
        self._alive: dict[int, weakref.ref] = {}  # storages by address

    def begin(self) -> None:
        """Forget what was counted; what is alive stays so."""
        self.phase, self.peaks, self.operations = "", {}, Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        several = result if isinstance(result, (tuple, list)) else (result,)
        tensors = [t for t in several if isinstance(t, Tensor) and t.device == META]
        for t in tensors:
            self._note(t.untyped_storage())
        formula = flop_registry.get(func.overloadpacket)
        if formula and tensors:
            count = formula(*args, **(kwargs or {}), out_val=result)
            self.operations[self.phase, tensors[0].dtype] += count
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._alive:  # a view, or changed in place
            return
        size = storage.nbytes()

        def forget(_: weakref.ref) -> None:
            del self._alive[key]
            self.live -= size

        self._alive[key] = weakref.ref(storage, forget)
        self.live += size
        self.peaks[self.phase] = max(self.live, self.peaks.get(self.phase, 0))


class CudaAutocast(TorchFunctionMode):
    """bfloat16 autocast as CUDA does it, on any device: the functions this project uses, from torch's "op reference".

    While it is on, torch takes CUDA's own autocast for enabled, so that what leaves that (`precision.float32`) leaves this.
    """

    LOWER = frozenset(("conv2d", "conv_transpose2d", "linear", "matmul", "__matmul__", "mm", "bmm", "addmm"))
    FLOAT32 = frozenset(
        (
            "group_norm",
            "layer_norm",
            "softplus",
            "pow",
            "__pow__",
            "square",
            "sum",
            "norm",
            "prod",
            "rsqrt",
            "reciprocal",
        )
        + ("__rdiv__", "__rtruediv__", "exp", "log", "cumsum", "softmax")
    )
    WIDEST = frozenset(("addcmul", "addcdiv", "grid_sample"))

    def __enter__(self):
        self.before = torch.is_autocast_enabled("cuda")
        torch.set_autocast_enabled("cuda", True)
        return super().__enter__()

    def __exit__(self, *error):
        torch.set_autocast_enabled("cuda", self.before)
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not torch.is_autocast_enabled("cuda"):
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in self.LOWER:
            args = [_cast(x, torch.bfloat16) for x in args]
        elif name in self.FLOAT32 or (name in self.WIDEST and any(_is(x, torch.float32) for x in args)):
            args = [_cast(x, torch.float32) for x in args]
        return func(*args, **kwargs)


def _is(x, dtype: torch.dtype) -> bool:
    return isinstance(x, Tensor) and x.dtype == dtype


def _cast(x, dtype: torch.dtype):
    return x.to(dtype) if _is(x, torch.float32) or _is(x, torch.bfloat16) else x
