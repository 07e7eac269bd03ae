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
        self._alive: set[int] = set()  # ids of storages
        self.begin()

    def begin(self) -> None:
        """Forget what was counted; what is alive stays so."""
        self.phase = ""
        self.peaks: dict[str, int] = {}
        self.operations: Counter[tuple[str, torch.dtype]] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        several = result if isinstance(result, (tuple, list)) else (result,)
        tensors = [t for t in several if isinstance(t, Tensor) and t.device == META]
        for t in tensors:
            self._note(t.untyped_storage())
        if tensors and (formula := flop_registry.get(func.overloadpacket)):
            self.operations[self.phase, tensors[0].dtype] += formula(*args, **(kwargs or {}), out_val=result)
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()  # a storage is one Python object as long as it lives
        if key in self._alive:  # a view, or changed in place
            return
        self._alive.add(key)
        self.live += size
        self.peaks[self.phase] = max(self.live, self.peaks.get(self.phase, 0))
        weakref.finalize(storage, self._forget, key, size).atexit = False

    def _forget(self, key: int, size: int) -> None:
        self._alive.remove(key)
        self.live -= size


class CudaAutocast(TorchFunctionMode):
    """bfloat16 autocast as CUDA does it, on any device: the functions this project uses, from torch's "op reference".

    While it is on, torch takes CUDA's own autocast for enabled, so that what leaves that (`precision.float32`) leaves this.
    """

    LOWER = {"conv2d", "conv_transpose2d", "linear", "matmul", "__matmul__", "mm", "bmm", "addmm"}
    FLOAT32 = {
        *("group_norm", "layer_norm", "softplus", "pow", "__pow__", "square", "sum", "norm", "prod", "rsqrt"),
        *("reciprocal", "__rdiv__", "__rtruediv__", "exp", "log", "cumsum", "softmax"),
    }
    WIDEST = {"addcmul", "addcdiv", "grid_sample"}  # float32 if one of their inputs is

    def __enter__(self):
        self.before = torch.is_autocast_enabled("cuda")
        torch.set_autocast_enabled("cuda", True)
        return super().__enter__()

    def __exit__(self, *error):
        torch.set_autocast_enabled("cuda", self.before)
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if torch.is_autocast_enabled("cuda"):
            name, kinds = getattr(func, "__name__", ""), {x.dtype for x in args if isinstance(x, Tensor)}
            if name in self.LOWER:
                args = [_cast(x, torch.bfloat16) for x in args]
            elif name in self.FLOAT32 or (name in self.WIDEST and torch.float32 in kinds):
                args = [_cast(x, torch.float32) for x in args]
        return func(*args, **(kwargs or {}))


def _cast(x, dtype: torch.dtype):
    return x.to(dtype) if isinstance(x, Tensor) and x.dtype in (torch.float32, torch.bfloat16) else x
