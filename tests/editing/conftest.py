import pytest

from stylemap.model import Model
from tests.editing import tiny


@pytest.fixture(scope="session")
def model() -> Model:
    return tiny.model()
