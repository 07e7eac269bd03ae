"""What the diagnosis says of a machine that lacks something."""

import pytest

from stylemap import checkpoint, diagnosis, published, resources
from stylemap.errors import InputError
from stylemap.operators import native


def of(part: str, name: str, **settings) -> diagnosis.Finding:
    return next(found for found in diagnosis.findings(**settings) if (found.part, found.name) == (part, name))


def test_the_self_test_encodes_edits_and_trains():
    found = [f for f in diagnosis.findings() if f.part == "self-test"]
    assert [(f.name, f.state) for f in found] == [("load", "good"), ("encode and edit", "good"), ("train", "good")]


def test_a_failure_is_a_line_and_the_other_lines_follow(monkeypatch):
    def refuse(*_):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(checkpoint, "load", refuse)
    monkeypatch.setattr(diagnosis.loop, "train", refuse)
    found = [f for f in diagnosis.findings() if f.part == "self-test"]
    assert [f.state for f in found] == ["bad", "bad", "bad"]
    assert found[0].says.startswith("RuntimeError: two lines")


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "/no/such/compiler")
    monkeypatch.setenv("STYLEMAP_CACHE", str(tmp_path))
    native._functions.cache_clear()
    try:
        found = of("kernels", "cpp", self_test=False)
        again = of("kernels", "cpp", self_test=False)
    finally:
        native._functions.cache_clear()
    assert found == again  # the second time too, when the note is old
    assert found.state == "missing"
    assert "/no/such/compiler" in found.says
    assert "CXX" in found.remedy


def test_missing_weights_name_their_command(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "PRETRAINED", tmp_path)
    assert of("weights", "shipped", self_test=False).state == "bad"
    monkeypatch.setattr(published.PublishedFile, "path", lambda *_: tmp_path / "absent")
    for file in published.FILES.values():
        assert of("weights", file.name, self_test=False).remedy == file.command


@pytest.mark.parametrize(("free", "state"), [(diagnosis.LEAST_FREE, "good"), (diagnosis.LEAST_FREE - 1, "bad")])
def test_a_full_disk(monkeypatch, free, state):
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda _: diagnosis.shutil._ntuple_diskusage(free, 0, free))
    assert of("space", "this folder", self_test=False).state == state


def test_a_gpu_that_fails_is_bad_and_the_cpu_is_still_there(monkeypatch):
    def refuse(name):
        raise InputError("no driver")

    monkeypatch.setattr(diagnosis.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(diagnosis.devices, "pick", refuse)
    assert of("devices", "cuda:0", self_test=False).state == "bad"
    assert of("devices", "cpu", self_test=False).state == "good"
