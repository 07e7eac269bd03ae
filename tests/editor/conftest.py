"""A server with a tiny random model, asked in-process; what it answers does not depend on the weights."""

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from stylemap.datasets.avatars import Avatars
from stylemap.editing import directions
from stylemap.editor import app
from stylemap.editor.limits import Limits
from stylemap.editor.security import Access
from stylemap.editor.studio import Studio
from stylemap.faces import Face, Finder
from tests import tiny
from tests.decoding.files import encoded as png

SIDE = tiny.SMALL.resolution  # R
HOST = "http://127.0.0.1:8000"
# eyes, nose, corners of the mouth of the one face that the detector in here ever finds
POINTS = np.array([(40, 40), (60, 40), (50, 50), (43, 62), (57, 62)], np.float32)


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Page:
    """One session, asked as the page asks."""

    def __init__(self, client: TestClient):
        self.client = client
        answer = client.post("/api/sessions")
        assert answer.status_code == 201
        self.path = f"/api/sessions/{answer.json()['id']}"

    def ask(self, method: str, path: str, **options):
        return self.client.request(method, self.path + path, **options)

    def put(self, slot: str | int, picture: int | bytes, query: str = ""):
        body = {"json": {"gallery": picture}} if isinstance(picture, int) else {"content": picture}
        return self.ask("PUT", f"/pictures/{slot}{query}", **body)

    def render(self, **edit):
        return self.ask("POST", "/render", json=edit)


def make_studio() -> Studio:
    model = tiny.model(tiny.SMALL)
    vector = torch.randn(tiny.SMALL.stylemap_shape, generator=torch.Generator().manual_seed(0))
    smile = directions.normalised("smile", vector, 3.0, directions.Origin("means", accuracy=0.9))
    return Studio(model, "tiny", {"smile": smile}, maps_bytes=1 << 22)


def detector(photo: np.ndarray) -> list[Face]:
    """Finds a face in pictures that are wider than high."""
    return [Face(POINTS, (30, 30, 40, 40))] if photo.shape[1] > photo.shape[0] else []


LIMITS = Limits(upload_bytes=200_000, pixels=90_000, edit_bytes=300_000, sessions=6, body_s=5.0)


@pytest.fixture(scope="session")
def studio() -> Studio:
    return make_studio()


@pytest.fixture(scope="session")
def application(studio):
    return app.create(studio, LIMITS, Finder(detector=detector), access=Access(("editor.example",)))


@pytest.fixture(scope="session")
def client(application) -> Iterator[TestClient]:
    with TestClient(application, base_url=HOST, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def page(client) -> Iterator[Page]:
    """An empty session."""
    page = Page(client)
    yield page
    client.delete(page.path)


@pytest.fixture
def ready(page) -> Page:
    """A session with an original and two references."""
    for slot, avatar in (("original", 0), (0, 1), (3, 2)):
        assert page.put(slot, avatar).status_code == 200
    return page


@pytest.fixture
def refused(client):
    """Sends a request that must be refused: the status, one line for the user, and nothing of the server's insides."""

    def check(answer, status: int, *words: str) -> str:
        assert answer.status_code == status, answer.text
        assert set(answer.json()) == {"error"}
        message = answer.json()["error"]
        assert message and "\n" not in message and len(message) <= 500
        assert "Traceback" not in message and "/work" not in message
        for word in words:
            assert word in message, message
        return message

    return check


def photo(width: int = 120, height: int = 100, seed: int = 0) -> np.ndarray:
    """uint8 [height, width, 3], smooth and different everywhere."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / (7 + seed) + c) * np.cos(y / (9 + seed) - c) for c in range(3)]
    return np.stack(waves, 2).astype(np.uint8)


def pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)))


def text(mask: np.ndarray) -> str:
    return base64.b64encode(png(mask)).decode()


def box(top: int, bottom: int, left: int, right: int, side: int = SIDE) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def patch(reference: int = 0, mask: np.ndarray | None = None, **settings) -> dict:
    return {"reference": reference, "mask": text(box(8, 20, 8, 20) if mask is None else mask), **settings}


avatars = Avatars(SIDE, 48, "heldout")
