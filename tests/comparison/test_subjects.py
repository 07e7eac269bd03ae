"""What a comparison opens."""

import pytest
import torch

from stylemap import checkpoint
from stylemap.comparison.subjects import open_subjects
from stylemap.errors import InputError
from tests.inversion import tiny


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ({}, "vectors"),
        ({"encoder": {"style": "e4e"}}, "e4e"),
        ({"encoder": {"style": "psp"}}, "psp"),
        ({"encoder": {"style": "other"}}, "vectors"),
        ({"encoder": "e4e"}, "vectors"),  # of another program
    ],
)
def test_the_header_tells_which_encoder_it_is(tmp_path, info, kind):
    checkpoint.save(tmp_path / "v.safetensors", tiny.vectors(), info=info)
    checkpoint.save(tmp_path / "w.safetensors", tiny.stylemaps())
    paths = [str(tmp_path / "v.safetensors"), str(tmp_path / "w.safetensors")]
    subjects, notes = open_subjects(paths, torch.device("cpu"))
    assert set(subjects) == set(notes) == {kind, "stylemap"}
    with pytest.raises(InputError, match=f"both of kind {kind}"):
        open_subjects([paths[0], paths[0]], torch.device("cpu"))
