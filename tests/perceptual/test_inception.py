import hashlib

import pytest
import torch

from stylemap import provenance
from stylemap.errors import InputError
from stylemap.perceptual import inception
from tests.metrics import toys


def test_extract_joins_batches():
    pictures = toys.noise(10, side=8)
    whole = inception.extract(toys.extractor(), [pictures])
    assert whole.shape == (10, 5) and whole.dtype == torch.float64
    torch.testing.assert_close(inception.extract(toys.extractor(), pictures.split(3)), whole, rtol=0, atol=1e-6)


def test_values_that_are_not_finite():
    broken = inception.Extractor(lambda x: torch.full((len(x), 2), torch.nan), {})
    with pytest.raises(InputError, match="not finite"):
        inception.extract(broken, [toys.noise(2, side=8)])


@pytest.mark.parametrize("content", [b"", b"text", None], ids=["empty", "text", "other weights"])
def test_wrong_inception(tmp_path, content):
    file = tmp_path / "inception.pth"
    torch.save({"weight": torch.zeros(1)}, file) if content is None else file.write_bytes(content)
    with pytest.raises(
        InputError, match="does not hold torch-fidelity's Inception.*`stylemap weights pull inception`"
    ) as info:
        inception.load(str(file), torch.device("cpu"))
    assert "\n" not in str(info.value)


def test_no_code_of_a_file_is_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    file = tmp_path / "inception.pth"
    torch.save({"weight": Harmful()}, file)
    with pytest.raises(InputError, match="does not hold"):
        inception.load(str(file), torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_missing_inception(tmp_path):
    with pytest.raises(InputError, match="nowhere.pth: `stylemap weights pull inception` gets them"):
        inception.load(str(tmp_path / "nowhere.pth"), torch.device("cpu"))


def test_missing_library(monkeypatch):
    monkeypatch.setitem(provenance.LIBRARIES, "no_such_module", ("no-such", "metrics"))
    with pytest.raises(InputError, match=r"needs no-such: pip install 'stylemap\[metrics\]'"):
        provenance.library("no_such_module.part")


@pytest.mark.slow
def test_random_inception_of_a_file(tmp_path, monkeypatch):
    """The real network, its code for loading and its provenance; only the numbers are others."""
    from torch_fidelity import feature_extractor_inceptionv3 as published

    kind = published.FeatureExtractorInceptionV3
    with monkeypatch.context() as patch, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        patch.setattr(published, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(kind, "load_state_dict", lambda self, state: None)
        weights = kind("inception", ["2048"]).state_dict()
    file = tmp_path / "inception.pth"
    torch.save(weights, file)
    function, origin = inception.load(str(file), torch.device("cpu"))
    x = toys.noise(2, side=16)
    assert function(x).shape == (2, 2048)
    assert not torch.equal(function(x)[0], function(x)[1])
    assert origin["weights_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert origin["comparable"] is False
