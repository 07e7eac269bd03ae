"""Who may ask for the page, under which path, and in whose frames."""

import re

import pytest
from starlette.testclient import TestClient

from stylemap.editor import app
from stylemap.editor.security import Access
from stylemap.errors import InputError
from tests.editor.conftest import HOST


def asked(studio, access: Access, path: str):
    with TestClient(app.create(studio, access=access), base_url=HOST, follow_redirects=False) as client:
        return client.get(path)


@pytest.mark.parametrize("path", ["/", "/api/info", "/static/main.js"])
def test_a_proxy_may_pass_its_path_on_or_not(studio, path):
    access = Access(root="/user/me/editor")
    plain, below = asked(studio, access, path), asked(studio, access, f"/user/me/editor{path}")
    assert plain.status_code == below.status_code == 200
    assert plain.content == below.content


def test_the_root_without_its_slash_leads_to_the_page(studio):
    answer = asked(studio, Access(root="/editor"), "/editor")
    assert (answer.status_code, answer.headers["location"]) == (307, "/editor/")
    assert asked(studio, Access(root="/editor"), "/editors/").status_code == 404


@pytest.mark.parametrize(
    ("frames", "said"),
    [((), "'none'"), (("http://localhost:8888",), "http://localhost:8888"), (("https://*.a.com", "http://b:*"), "https://*.a.com http://b:*")],
)  # fmt: skip
def test_only_named_pages_may_frame_it(studio, frames, said):
    policy = asked(studio, Access(frames=frames), "/").headers["content-security-policy"]
    assert re.findall(r"frame-ancestors ([^;]*)", policy) == [said]


@pytest.mark.parametrize(
    "wrong",
    [{"frames": ("localhost:8888",)}, {"frames": ("http://a; script-src *",)}, {"frames": ("*",)}, {"root": "editor"},
     {"root": "/editor/"}, {"root": "/"}, {"root": "/a b"}],
)  # fmt: skip
def test_what_is_no_origin_and_no_path(wrong):
    with pytest.raises(InputError, match="such as"):
        Access(**wrong)
