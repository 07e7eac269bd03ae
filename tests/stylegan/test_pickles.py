"""No pickle runs anything, however it is made; numbers come out as numpy and torch would have made them."""

import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from stylemap.errors import InputError
from stylemap.stylegan import conversion, pickles
from tests.stylegan.foreign import Ada, Rosinality, TensorFlow2, dump_tensorflow


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
        assert "RecursionError" in refuse(tmp_path / "evil.pkl", conversion.load)

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

    def test_too_few_numbers(self, tmp_path):
        found = pickles.load(dump(np.arange(6.0), tmp_path / "a.pkl"))
        found.state = (1, (7,), *found.state[2:])
        with pytest.raises(ValueError, match="6 numbers"):
            pickles.numbers(found)
