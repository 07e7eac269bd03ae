"""Every failure of a reader is one short line that names the file; nothing that is read is deep, endless or ambiguous."""

import json
import random
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save

from stylemap import reading
from stylemap.errors import InputError

LONGEST = 200  # characters that a message may have beside the path


def refuse(call, path) -> str:
    with pytest.raises(InputError) as caught:
        call(path)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable()
    assert str(path) in message
    assert len(message) < LONGEST + len(str(path))
    return message


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


class TestAnyFile:
    @pytest.mark.parametrize("read", [reading.read_yaml, reading.read_json, reading.read_tensors, reading.read_array])
    def test_missing_folder_empty_and_impossible(self, read, tmp_path):
        assert "no such file" in refuse(read, tmp_path / "missing")
        refuse(read, tmp_path)
        if read is not reading.read_yaml:  # an empty file has no settings
            refuse(read, write(tmp_path / "empty", b""))
        with pytest.raises(InputError, match="cannot be read|no such file"):
            read("a\0b")

    def test_larger_than_it_can_be(self, tmp_path):
        path = write(tmp_path / "a", b"x" * 11)
        assert reading.read_bytes(path, 11) == b"x" * 11
        assert "more than 10 bytes" in refuse(lambda p: reading.read_bytes(p, 10), path)


JSON = {
    "nothing": (b"", "line 1, column 1"),
    "cut": (b'{"a": [1', "not JSON"),
    "latin-1": ('{"a": 1,\n"\u00e9": 2}'.encode("latin-1"), r"UTF-8 (line 2)"),
    "twice": (b'{"a": 1, "b": {"c": 2, "c": 3}}', "'c' stands twice"),
    "deep": (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "32 lists"),
    "very deep": (b"[" * 200_000, "32 lists"),
    "digits": (b'{"a": 1' + b"0" * 5000 + b"}", "5001 digits"),
    "long name": (b'{"a": ' + b"1" * 41 + b', "' + b"x" * 9999 + b'": 1}', "41 digits"),
    "long name twice": (b'{"' + b"x" * 9999 + b'": 1, "' + b"x" * 9999 + b'": 1}', "xxx...' stands twice"),
}


class TestJson:
    @pytest.mark.parametrize("case", JSON)
    def test_mistakes(self, case, tmp_path):
        data, reason = JSON[case]
        assert reason in refuse(reading.read_json, write(tmp_path / "a.json", data))

    @pytest.mark.parametrize("data", ["[]", "3", "null", '"text"'])
    def test_no_object(self, data, tmp_path):
        assert "names and values" in refuse(reading.read_json, write(tmp_path / "a.json", data))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_encodings(self, encoding, tmp_path):
        wanted = {"größe": [1, 2.5, None, {"日": "本"}], "large": int("9" * 40)}
        data = json.dumps(wanted, ensure_ascii=False).encode(encoding)
        assert reading.read_json(write(tmp_path / "a.json", data)) == wanted

    def test_depth_that_is_allowed(self):
        value = [1]
        for _ in range(reading.DEEPEST - 1):
            value = [value]
        assert reading.parse_json(json.dumps(value), "a") == value
        with pytest.raises(InputError, match="32 lists"):
            reading.parse_json(json.dumps([value]), "a")


YAML = {
    "latin-1": ("data: avatars\n# caf\u00e9\n".encode("latin-1"), "UTF-8 (line 2)"),
    "itself": (b"a: &a [*a]\n", "line 1 has an alias"),
    "laughs": (b"a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "line 2 has an alias"),
    "merged": (b"a: &a {x: 1}\nb: {<<: *a}\n", "alias"),
    "twice": (b"data: a\nimages: 4\ndata: b\n", "'data' stands twice"),
    "twice inside": (b"optim: {lr: 1, lr: 2}\n", "'lr' stands twice"),
    "number": (b"3\n", "no settings"),
    "list": (b"- a\n", "no settings"),
    "number as name": (b"3: a\n", "no settings"),
    "open": (b"data: [avatars\n", "line 2"),
    "tag": (b"data: !foo x\n", "line 1"),
    "python": (b"data: !!python/object/apply:os.system [ls]\n", "line 1"),
    "wrong tag": (b"data: !!bool x\n", "KeyError"),
    "control": (b"data: \x1c\n", "not YAML"),
    "tab": (b"model:\n\tnorm: layer\n", "line 2"),
    "digits": (b"images: " + b"9" * 5000, "not YAML"),
    "deep": (b"a: " + b"[" * 40 + b"]" * 40, "32 lists"),
    "very deep": (b"a: " + b"[" * 20_000, "32 lists"),
    "large": (b"a: 1\n" + b"#" * reading.LARGEST_SETTINGS, "more than 65,536 bytes"),
    "documents": (b"a: 1\n---\nb: 1\n", "line 2"),
}


class TestSettings:
    @pytest.mark.parametrize("case", YAML)
    def test_mistakes(self, case, tmp_path):
        data, reason = YAML[case]
        assert reason in refuse(reading.read_yaml, write(tmp_path / "a.yaml", data))

    @pytest.mark.parametrize("data", [b"", b"# nothing\n", b"---\n...\n", b"{}"])
    def test_nothing(self, data, tmp_path):
        assert reading.read_yaml(write(tmp_path / "a.yaml", data)) == {}

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_encodings(self, encoding, tmp_path):
        path = write(tmp_path / "a.yaml", "data: 'größe'\nimages: 3\n".encode(encoding))
        assert reading.read_yaml(path) == {"data": "größe", "images": 3}

    def test_numbers_as_json_has_them(self, tmp_path):
        path = write(tmp_path / "a.yaml", "a: 1e-3\nb: 2.0e+5\nc: .5\nd: 1E5\ne: 7\nf: .inf\ng: 2024-01-01\nh: 1e\n")
        wanted = {"a": 1e-3, "b": 2e5, "c": 0.5, "d": 1e5, "e": 7, "f": float("inf"), "g": "2024-01-01", "h": "1e"}
        assert reading.read_yaml(path) == wanted

    def test_what_is_written_is_read_again(self, tmp_path):
        """Text that looks like something else, as the name of a folder may."""
        words = [
            "1e5",
            "695e0514",
            "1E5",
            "1e-3",
            ".5",
            "0x10",
            "1_000",
            "1:30",
            "010",
            "yes",
            "null",
            "~",
            ".inf",
            "nan",
        ]
        words += [
            "2024-01-01",
            "a: b",
            "- a",
            "*a",
            "&a",
            "!a",
            "",
            " a ",
            "a\nb",
            "\u00e9",
            "\u65e5",
            "\u202e",
            "'",
            '"',
            "#a",
        ]
        values = {"data": words, "numbers": [1e-3, 1e5, 5, 0.1, 1e300, -2.5e-8], "none": None, "group": {"a": True}}
        assert reading.read_yaml(write(tmp_path / "a.yaml", reading.to_yaml(values))) == values


def header(text: str, rest: bytes = b"") -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data + rest


class TestTensors:
    @pytest.fixture
    def good(self) -> bytes:
        return save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(1, dtype=torch.int64)}, {"format": "x"})

    def test_reads(self, good, tmp_path):
        path = write(tmp_path / "a.safetensors", good)
        assert reading.read_metadata(path) == {"format": "x"}
        found = reading.read_tensors(path)
        assert torch.equal(found["a"], torch.arange(6.0).reshape(2, 3)) and found["b"].dtype == torch.int64

    def test_notes_need_no_tensors(self, good, tmp_path):
        """Only the header is read: the file may end there."""
        length = 8 + int.from_bytes(good[:8], "little")
        path = write(tmp_path / "a.safetensors", good[:length])
        assert reading.read_metadata(path) == {"format": "x"}
        refuse(reading.read_tensors, path)

    @pytest.mark.parametrize(
        "data",
        [
            b"short",
            struct.pack("<Q", 1 << 62) + b"{}",
            struct.pack("<Q", reading.LARGEST_HEADER + 1) + b"{" + b" " * (reading.LARGEST_HEADER + 1),
            header("[]"),
            header('{"__metadata__": 3}'),
            header('{"__metadata__": {"a": 3}}'),
            header('{"__metadata__": {"a": "1", "a": "2"}}'),
            header('{"__metadata__": ' + "[" * 100_000),
            header("{\xff}"),
        ],
        ids=range(9),
    )
    def test_damaged_headers(self, data, tmp_path):
        refuse(reading.read_metadata, write(tmp_path / "a.safetensors", data))

    def test_nothing_else_escapes(self, good, tmp_path):
        rng = random.Random(0)
        path = tmp_path / "a.safetensors"
        for _ in range(150):
            data = bytearray(good)
            for _ in range(rng.randint(1, 3)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            write(path, bytes(data[: rng.randint(len(data) // 2, 2 * len(data))]))
            for read in (reading.read_metadata, reading.read_tensors):
                try:
                    read(path)
                except InputError as err:
                    assert "\n" not in str(err)


def npy(text: str, rest: bytes = b"") -> bytes:
    data = text.encode()
    data += b" " * (-(len(data) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(data)) + data + rest


class TestArray:
    @pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2", "<i4", "|u1"])
    def test_reads(self, kind, tmp_path):
        wanted = np.arange(12).reshape(3, 4).astype(kind)
        for array in (wanted, np.asfortranarray(wanted), wanted[0, 0]):
            np.save(tmp_path / "a.npy", array)
            found = reading.read_array(tmp_path / "a.npy")
            assert found.dtype == np.float64 and found.shape == array.shape and np.array_equal(found, array)

    @pytest.mark.parametrize(
        "data",
        [
            b"PK\x03\x04" + bytes(40),
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,), }", bytes(64)),
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-4, -4), }", bytes(64)),
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1000000000000000000000), }"),
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", bytes(20)),
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"cos\nsystem\n."),
            npy("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", bytes(16)),
            npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", bytes(4)),
            npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
            npy("((((("),
            npy("(" * 9000),
            npy("-" * 9000 + "1"),
            npy("{}"),
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", np.float32(np.nan).tobytes()),
        ],
        ids=range(14),
    )
    def test_mistakes(self, data, tmp_path):
        refuse(reading.read_array, write(tmp_path / "a.npy", data))

    def test_pickles_and_archives(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
        assert "array alone" in refuse(reading.read_array, tmp_path / "a.npy")
        np.savez(tmp_path / "a.npz", a=np.zeros(3))
        refuse(reading.read_array, tmp_path / "a.npz")
