"""Readers of JSON, YAML, .safetensors and .npy. The file may come from anybody.

A reader returns what the file holds, or raises an `InputError` of one short line that names the file. It bounds depth and size.
The caller checks types, shapes and ranges.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import yaml
from safetensors import SafetensorError, safe_open

from stylemap.errors import InputError, brief, shortened
from stylemap.files import opened

if TYPE_CHECKING:  # not imported: the report and loading processes do without torch, the help of train without NumPy
    import numpy as np
    from torch import Tensor, nn

LARGEST_TEXT = 1 << 30  # bytes of a JSON file; FFHQ's landmarks are 270 MB
LARGEST_SETTINGS = 1 << 16  # bytes of a YAML file; PyYAML takes 10 s for a million
LARGEST_HEADER = 1 << 20  # bytes of JSON in front of the tensors of a .safetensors file
DEEPEST = 32  # lists in each other
LONGEST_NUMBER = 40  # digits of a whole number


class _Unfit(ValueError):
    """Content that the format allows and this program does not, with the reason."""


def read_bytes(path: str | Path, most: int = LARGEST_TEXT) -> bytes:
    """Read the bytes of a file.

    Raises:
        InputError: missing, not readable, or more than ``most`` bytes.
    """
    with opened(path) as f:
        data = f.read(most + 1)
    if len(data) > most:
        raise InputError(f"{path} has more than {most:,} bytes; check the path")
    return data


def decode_text(data: bytes, where: str | Path) -> str:
    """Decode UTF-8, or UTF-16 where the text begins with its mark, as Windows may write it.

    Raises:
        InputError: another encoding.
    """
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise InputError(f"{where} is not text in UTF-8 (line {line}); save it as UTF-8") from err


# ---- JSON


def parse_json(data: bytes | str, where: str | Path) -> Any:
    """Parse JSON. NaN and Infinity are read too, since Python writes them.

    Args:
        where: the data come from, for the message.

    Raises:
        InputError: not JSON; a name that occurs twice in one object; more than `DEEPEST` lists in each other; a whole number of
            more than `LONGEST_NUMBER` digits.
    """
    written = decode_text(data, where) if isinstance(data, bytes) else data
    try:
        value = json.loads(written, object_pairs_hook=_distinct, parse_int=_whole)
        _check_depth(value)
    except json.JSONDecodeError as err:
        raise InputError(
            f"{where} is not JSON ({err.msg}: line {err.lineno}, column {err.colno}); write it again"
        ) from err
    except (_Unfit, RecursionError) as err:
        raise InputError(f"{where} cannot be used: {_reason(err)}; write it again") from err
    return value


def read_json(path: str | Path, most: int = LARGEST_TEXT) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
        InputError: as of `read_bytes` and `parse_json`, or JSON of another kind.
    """
    value = parse_json(read_bytes(path, most), path)
    if not isinstance(value, dict):
        raise InputError(f"{path} is not JSON of names and values; write it again")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _twice(name for name, _ in pairs)
    return values


def _twice(names: Iterable[str]) -> _Unfit:
    return _Unfit(f"{shortened(Counter(names).most_common(1)[0][0])!r} stands twice in it")


def _whole(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise _Unfit(f"a number in it has {len(digits)} digits")
    return int(digits)


def _check_depth(value: Any, depth: int = 1) -> None:
    if depth > DEEPEST:
        raise RecursionError
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, (list, dict)):
            _check_depth(inner, depth + 1)


def _reason(err: Exception) -> str:
    return f"more than {DEEPEST} lists are in each other" if isinstance(err, RecursionError) else str(err)


# ---- YAML: one dialect is read and written


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can make a small file endless, and without names that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            raise _Unfit(f"line {self.peek_event().start_mark.line + 1} has an alias (*); write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [name.value for name, _ in node.value if isinstance(name, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise _twice(names)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    pass


for _side in (_Loader, _Dumper):
    # 1e-3 is a number, as it is in JSON and on the command line. A date is text.
    _side.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if not tag.endswith((":float", ":timestamp"))]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|nan))$"),
        list("-+.0123456789"),
    )


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read the settings in a YAML file, a recipe or the config of a run. An empty file holds none.

    Raises:
        InputError: missing, not YAML, not names with values, or YAML that `_Loader` refuses.
    """
    written = decode_text(read_bytes(path, LARGEST_SETTINGS), path)
    try:
        value = yaml.load(written, _Loader)
        _check_depth(value)
    except yaml.MarkedYAMLError as err:
        line = f" (line {err.problem_mark.line + 1}: {shortened(err.problem or '')})" if err.problem_mark else ""
        raise InputError(f"{path} is not YAML{line}; correct it") from err
    except (_Unfit, RecursionError) as err:
        raise InputError(f"{path} cannot be used: {_reason(err)}; correct it") from err
    except Exception as err:  # a tag on an unfit value raises nearly any type
        raise InputError(f"{path} is not YAML ({type(err).__name__}); correct it") from err
    if not isinstance(value or {}, dict) or not all(isinstance(name, str) for name in value or {}):
        raise InputError(f"{path} holds no settings, which are lines NAME: VALUE; correct it")
    return value or {}


def to_yaml(values: dict[str, Any]) -> str:
    """Write YAML from which `read_yaml` reads the same values, also texts that look like numbers."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False)


# ---- tensors


def read_metadata(file: str | Path | BinaryIO, where: str | Path | None = None) -> dict[str, str]:
    """Read the texts in the header of a .safetensors file. No tensor is read.

    Args:
        file: a path, or an open file.
        where: the open file comes from, for the message.

    Raises:
        InputError: missing, no such file, or a header of more than `LARGEST_HEADER` bytes.
    """
    if isinstance(file, (str, Path)):
        with opened(file) as f:
            return read_metadata(f, file)
    length = int.from_bytes(file.read(8), "little")
    header = file.read(length) if 2 <= length <= LARGEST_HEADER else b""
    if len(header) < 2 or len(header) < length or header[:1] != b"{":
        raise InputError(f"{where} is damaged or no .safetensors file; check the path, or copy it again")
    entries = parse_json(header, f"the header of {where}")
    texts = entries.get("__metadata__", {}) if isinstance(entries, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
        raise InputError(f"{where} has a damaged header; copy it again")
    return texts


def read_tensors(path: str | Path) -> dict[str, "Tensor"]:
    """Read the tensors of a .safetensors file by name. They cannot be larger than the file.

    Raises:
        InputError: missing, damaged, or another kind of file.
    """
    with _open_tensors(path) as f:
        return {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118 (not a dict)


def read_names(path: str | Path) -> list[str]:
    """The names of the tensors of a .safetensors file, from its header. Errors as of `read_tensors`."""
    with _open_tensors(path) as f:
        return list(f.keys())


@contextlib.contextmanager
def _open_tensors(path: str | Path) -> Iterator[safe_open]:
    opened(path).close()
    try:
        with safe_open(path, "pt") as f:
            yield f
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as err:  # the last: a type torch lacks
        raise InputError(f"{path} is damaged or no .safetensors file ({brief(err)}); copy it again") from err


def read_array(path: str | Path) -> "np.ndarray":
    """Read the real numbers of a .npy file as float64. Pickles are refused.

    Raises:
        InputError: missing, damaged, an archive or pickled objects, other numbers, or numbers that are not finite.
    """
    import numpy as np

    opened(path).close()
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # takes no memory for what the file does not hold
        if array.dtype.kind not in "fiu":
            raise _Unfit("must hold one array of real numbers")
        if array.offset + array.nbytes != Path(path).stat().st_size:
            raise _Unfit("is longer than its shape says")
        numbers = np.array(array, np.float64)
    except _Unfit as err:
        raise InputError(f"{path} {err}; save the array alone") from err
    except Exception as err:  # numpy parses the header as Python: damage raises nearly any type
        pickled = "Python objects" in str(err)
        what = "must hold one array of real numbers" if pickled else "is damaged or no .npy file"
        raise InputError(f"{path} {what}; save the array alone") from err
    if not np.isfinite(numbers).all():
        raise InputError(f"{path} holds numbers that are not finite; make it again")
    return numbers


def fill(module: "nn.Module", tensors: "dict[str, Tensor]", prefix: str, path: str | Path, assign: bool = True) -> None:
    """Load the entries under ``prefix`` into a module.

    Raises:
        InputError: one is missing, does not fit, or holds numbers that are not finite.
    """
    state = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    for name, parameter in module.state_dict().items():
        if name not in state:
            continue  # load_state_dict says so
        if state[name].is_floating_point() != parameter.is_floating_point():
            raise InputError(f"{path} does not fit its own config ({name} is {state[name].dtype}); copy it again")
        state[name] = state[name].to(parameter.dtype)
        if not state[name].isfinite().all():
            raise InputError(f"{path} holds numbers that are not finite, in {name}; take other weights")
    try:
        module.load_state_dict(state, assign=assign)
    except RuntimeError as err:
        raise InputError(f"{path} does not fit its own config ({brief(err)}); copy it again") from err
