import pytest

from stylemap.architectures.stylemap.model import StylemapModel
from tests.editing import tiny


@pytest.fixture(scope="session")
def model() -> StylemapModel:
    return tiny.model()
