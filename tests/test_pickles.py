"""No pickle runs anything, however it is made; numbers come out as numpy and torch would have made them."""

import io
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from stylemap import pickles
from stylemap.architectures.vector import conversion
from stylemap.errors import InputError
from tests.architectures.vector.foreign import Ada, Rosinality, TensorFlow2, dump_tensorflow


class Call:
    """Unpickled without care it calls the function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refuse(path, load=pickles.load):
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def dump(thing, path, protocol=4):
    path.write_bytes(pickle.dumps(thing, protocol))
    return path


class TestMalicious:
    def test_the_payload_bites(self, tmp_path):
        pickle.loads(pickle.dumps(Call(os.mkdir, str(tmp_path / "ran"))))
        assert (tmp_path / "ran").exists()

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("place", ["whole", "value", "nested", "key"])
    def test_nothing_runs(self, place, protocol, tmp_path):
        ran = tmp_path / "ran"
        payload = Call(os.mkdir, str(ran))
        saved = {
            "whole": payload,
            "value": {"G_ema": payload},
            "nested": (None, None, OrderedDict(a=[{"b": (payload,)}])),
            "key": {("k", payload): 1},
        }[place]
        message = refuse(dump(saved, tmp_path / "evil.pkl", protocol), conversion.load)
        assert "mkdir" in message
        assert "nothing in it was run" in message
        assert not ran.exists()

    @pytest.mark.parametrize(
        ("function", "name"),
        [(os.system, "system"), (eval, "builtins.eval"), (exec, "builtins.exec"), (__import__, "__import__")],
    )
    def test_names_the_class(self, function, name, tmp_path):
        assert name in refuse(dump(Call(function, "1"), tmp_path / "evil.pkl"))

    def test_torch_checkpoint(self, tmp_path):
        payload = Call(os.mkdir, str(tmp_path / "ran"))
        for zipped in (True, False):
            saved = {"g_ema": Rosinality.entries(), "more": payload}
            torch.save(saved, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
            assert "nothing in it was run" in refuse(tmp_path / "evil.pt", conversion.load)
            assert not (tmp_path / "ran").exists()

    def test_inside_a_storage(self, tmp_path):
        """The bytes of a tensor are a file of torch.save, a pickle again."""
        torch.save(Call(os.mkdir, str(tmp_path / "ran")), tmp_path / "inner.pt", _use_new_zipfile_serialization=False)
        inner = Call(torch.storage._load_from_bytes, (tmp_path / "inner.pt").read_bytes())
        refuse(dump(inner, tmp_path / "evil.pkl"))
        assert not (tmp_path / "ran").exists()

    def test_inside_good_files(self, tmp_path):
        payload = Call(os.mkdir, str(tmp_path / "ran"))
        refuse(Ada.dump(Ada.entries(), tmp_path / "a.pkl", extra=payload), conversion.load)
        refuse(dump_tensorflow(TensorFlow2.entries(), tmp_path / "b.pkl", extra=payload), conversion.load)
        assert not (tmp_path / "ran").exists()

    def test_through_what_is_allowed(self, tmp_path):
        """A dotted name that starts at an allowed one, and one that ends like one."""
        for name in ("__init__.__globals__", "OrderedDict.fromkeys", "namedtuple"):
            code = b"\x80\x04" + b"\x8c\x0bcollections" + b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
            (tmp_path / "evil.pkl").write_bytes(code)
            assert name in refuse(tmp_path / "evil.pkl")

    def test_changes_to_what_it_names_do_not_last(self, tmp_path):
        """BUILD may set attributes of a function that it names."""
        named = b"ctorch._utils\n_rebuild_parameter\n"
        (tmp_path / "evil.pkl").write_bytes(named + b"(N}S'mark'\nS'bad'\nstb.")
        assert pickles.load(tmp_path / "evil.pkl").mark == "bad"
        (tmp_path / "good.pkl").write_bytes(named + b".")
        assert not hasattr(pickles.load(tmp_path / "good.pkl"), "mark")
        assert not hasattr(torch._utils._rebuild_parameter, "mark")

    def test_source_code_stays_a_string(self, tmp_path):
        """The fixtures carry a module_src that would end the process."""
        conversion.load(Ada.dump(Ada.entries(), tmp_path / "a.pkl"))
        conversion.load(dump_tensorflow(TensorFlow2.entries(), tmp_path / "b.pkl"))

    def test_itself_inside(self, tmp_path):
        """A network whose part it is itself."""
        code = b"(NNcdnnlib.tflib.network\nNetwork\n)\x81p0\n(dS'variables'\n(lsS'components'\n(dS'a'\ng0\nssbt."
        (tmp_path / "evil.pkl").write_bytes(code)
        assert "more than 1000 parts" in refuse(tmp_path / "evil.pkl", conversion.load)

    def test_long_names_are_cut(self, tmp_path):
        (tmp_path / "evil.pkl").write_bytes(b"c" + b"x" * 10_000 + b"\ny\n.")
        assert len(refuse(tmp_path / "evil.pkl")) < 500


class TestNumbers:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize(
        "array",
        [
            np.arange(24, dtype="f4").reshape(2, 3, 4),
            np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
            np.arange(6, dtype=">i4"),
            np.array(2.5, dtype="f2"),
            np.zeros((0, 3), dtype="f4"),
            np.array([True, False]),
            np.arange(12, dtype="i8").reshape(3, 4)[:, ::2],
        ],
        ids=str,
    )
    def test_arrays(self, array, protocol, tmp_path):
        found = pickles.numbers(pickles.load(dump(array, tmp_path / "a.pkl", protocol)))
        assert found.shape == array.shape
        assert np.array_equal(found.numpy(), array)
        assert found.numpy().dtype == array.dtype.newbyteorder("=")

    def test_scalars(self, tmp_path):
        found = pickles.load(dump([np.float64(0.5), np.int32(7), np.bool_(True)], tmp_path / "a.pkl"))
        assert found == [0.5, 7, True]
        assert [pickles.numbers(x).item() for x in found] == [0.5, 7, True]

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_tensors(self, protocol, tmp_path):
        tensor = torch.arange(12.0).reshape(3, 4)
        saved = [tensor, tensor.T[1:], tensor.half(), nn.Parameter(tensor), torch.tensor(3)]
        for found, wanted in zip(pickles.load(dump(saved, tmp_path / "a.pkl", protocol)), saved, strict=True):
            assert found.dtype == wanted.dtype
            assert torch.equal(found, wanted.detach())

    def test_what_is_no_number(self, tmp_path):
        with pytest.raises(ValueError, match="str"):
            pickles.numbers("a")
        objects = pickles.load(dump(np.array([{}, []], dtype=object), tmp_path / "a.pkl"))
        with pytest.raises(ValueError, match="type 'O8'"):
            pickles.numbers(objects)

    @pytest.mark.parametrize(
        "shape", [(1 << 29, b"x"), ("x" * 1000, 1 << 19), ((0,) * 10, 1 << 23), (1.0,), None], ids=range(5)
    )
    def test_a_shape_that_is_none(self, tmp_path, shape):
        found = pickles.load(dump(np.arange(6.0), tmp_path / "a.pkl"))
        found.state = (1, shape, *found.state[2:])
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match="the shape is not a tuple of whole numbers"):
                pickles.numbers(found)
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_too_few_numbers(self, tmp_path):
        found = pickles.load(dump(np.arange(6.0), tmp_path / "a.pkl"))
        found.state = (1, (7,), *found.state[2:])
        with pytest.raises(ValueError, match="6 numbers"):
            pickles.numbers(found)


def program(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def checkpoint_of(code: bytes, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file of torch.save with a program of one's own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in {"data.pkl": code, "byteorder": b"little", **entries}.items():
            archive.writestr(f"a/{name}", data)
    return buffer.getvalue()


def storage(count: int, key: bytes = b"0") -> bytes:
    """The program's reference to a storage of so many floats."""
    return (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
        + key
        + b"X\x03\0\0\0cpuJ"
        + struct.pack("<i", count)
        + b"tQ"
    )


MEGABYTE = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20)
BOMBS = {
    "memo": program(b"Nr\xff\xff\xff\x0b"),
    "text memo": program(b"Np200000000\n"),
    "lists": program(b"]" * 2001),
    "calls": program(b"(ccollections\nOrderedDict\n)", b"R0ccollections\nOrderedDict\n)" * 201, b"R"),
    "bytes again and again": program(b"c_codecs\nencode\nq\0", MEGABYTE, b"q\1", b"0h\0h\1\x85R" * 300, b"]"),
    "lists again and again": program(b"cbuiltins\nset\nq\0]q\1(", b"N" * 50_000, b"e", b"0h\0h\1\x85R" * 300, b"]"),
    "a key of tuples in tuples": program(b")q\0", *(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(40)), b"0}h\x28Ns"),
    "the same by copies": program(b")", b"2\x86" * 40, b"q\0}h\0Ns"),
    "bytearray": program(b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R"),
    "torch": program(b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R"),
    "claims more bytes": program(b"B\xff\xff\xff\x7f"),
    "claims more bytes of 8": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "claims a bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "claims a frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.",
    "deflated": checkpoint_of(
        program(b"ctorch._utils\n_rebuild_tensor\n(" + storage(1 << 22) + b"K\0J\0\0\x40\0\x85K\1\x85tR"),
        {"data/0": bytes(1 << 24)},
        zipfile.ZIP_DEFLATED,
    ),
    "storage shorter than it says": checkpoint_of(program(storage(1000)), {"data/0": bytes(16)}),
    "view outside of its storage": checkpoint_of(
        program(b"ctorch._utils\n_rebuild_tensor\n(" + storage(4) + b"K\0K\5\x85K\1\x85tR"), {"data/0": bytes(16)}
    ),
    "another order of bytes": checkpoint_of(program(storage(4)), {"data/0": bytes(16), "byteorder": b"big"}),
    "legacy storage larger than the file": pickles.LEGACY
    + program(b"M\xe9\x03")
    + program(b"}X\r\0\0\0little_endian\x88s")
    + program(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpuJ\xff\xff\xff\x7fNtQ")
    + program(b"]X\x01\0\0\0" + b"0a"),
}


class TestSmallFilesStaySmall:
    @pytest.mark.parametrize("name", BOMBS)
    def test_refused_before_it_grows(self, name, tmp_path, monkeypatch):
        if name in ("lists", "calls"):  # as many as are allowed take seconds
            monkeypatch.setattr(pickles, "MOST_STEPS", 2000)
            monkeypatch.setattr(pickles, "MOST_CALLS", 200)
        (tmp_path / "a.pt").write_bytes(BOMBS[name])
        tracemalloc.start()
        try:
            refuse(tmp_path / "a.pt")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 300 << 20

    def test_parts_in_parts(self, tmp_path):
        """40 modules, each twice in the next: 2^40 of them when they are walked."""
        code = b"\x80\x02cdnnlib.util\nEasyDict\n)\x81q\0}X\x08\0\0\0_modules}sb0"
        for i in range(40):
            inner = b"h" + bytes([i])
            parts = b"(X\x01\0\0\0a" + inner + b"X\x01\0\0\0b" + inner + b"u"
            code += b"cdnnlib.util\nEasyDict\n)\x81q" + bytes([i + 1]) + b"}X\x08\0\0\0_modules}" + parts + b"sb0"
        (tmp_path / "a.pkl").write_bytes(code + b"}X\x05\0\0\0G_emah\x28s.")
        assert "more than 1000 parts" in refuse(tmp_path / "a.pkl", conversion.load)

    def test_numbers_that_are_repeated_by_a_stride(self, tmp_path):
        entries = {"input.input": torch.zeros(1).half().expand(pickles.MOST_NUMBERS + 1)}
        torch.save({"g_ema": entries}, tmp_path / "a.pt")
        assert f"more than {pickles.MOST_NUMBERS:,} numbers" in refuse(tmp_path / "a.pt", conversion.load)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_what_torch_saves_is_read(self, zipped, tmp_path):
        base = torch.arange(12.0).reshape(3, 4)
        kinds = [
            torch.float64,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
        ]
        saved = {
            "views": [base, base.T, base[1:, ::2], base[0, 0], base[:0]],
            "kinds": [base.to(kind) for kind in (*kinds, torch.bool)],
            "parameter": nn.Parameter(base),
            "network": nn.BatchNorm1d(3).state_dict(),
            "plain": {"a": [1, 2.5, None, True, "x", (1, 2)], 3: {"b": []}},
            "size": base.shape,
        }
        torch.save(saved, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        found = pickles.load(tmp_path / "a.pt")
        for name in ("views", "kinds"):
            for ours, theirs in zip(found[name], saved[name], strict=True):
                assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)
        assert torch.equal(found["parameter"], base)
        assert found["views"][0].data_ptr() == found["views"][1].data_ptr()  # one storage, as it was
        assert all(torch.equal(found["network"][k], v) for k, v in saved["network"].items())
        assert found["plain"] == saved["plain"] and found["size"] == (3, 4)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_any_damage_is_one_line(self, zipped, tmp_path):
        path = tmp_path / "a.pt"
        torch.save({"g_ema": {"a": torch.arange(6.0), "b": [1, "x"]}}, path, _use_new_zipfile_serialization=zipped)
        good, rng = path.read_bytes(), random.Random(0)
        for _ in range(300):
            data = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
            try:
                pickles.load(path)
            except InputError as err:
                assert "\n" not in str(err) and path.name in str(err)
