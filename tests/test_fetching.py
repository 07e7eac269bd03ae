"""Fetching, from a server on loopback that cuts, lies and sends elsewhere: the right file, or one line and nothing there."""

import contextlib
import errno
import hashlib
import http.server
import os
import shutil
import socket
import threading
import urllib.request
from collections import namedtuple

import numpy as np
import pytest

from stylemap import fetching
from stylemap.errors import InputError
from stylemap.published import PublishedFile

CONTENT = np.random.default_rng(0).bytes(300_000)
PAGE = b"<!DOCTYPE html><html>Please log in</html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:8f23\nsize 232589\n"


def known(content, folder, url="https://nowhere.invalid/f.bin", name="f"):
    """Published with this content, and looked for in ``folder``."""
    return PublishedFile(name, "a test", url, len(content), hashlib.sha256(content).hexdigest(), "none", lambda: folder)


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content`` at every path.

    Attributes:
        asked: path and Range header of every request.
        sent: of the next connections, the bytes after which each is cut; then nothing is cut.
        status: of the next answers in place of 200 and 206.
        ranges: what of a Range is heard: "all", "none" answers with the whole, "shifted" with another range.
        moved: where requests for /moved are sent.
        sized: whether it says how much it sends.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.asked, self.sent, self.status = CONTENT, [], [], []
        self.ranges, self.moved, self.sized = "all", None, True
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers["Range"]
        server.asked.append((self.path, wanted))
        if server.moved and self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", server.moved)
            self.end_headers()
            return
        first = int(wanted[6:-1]) if wanted and server.ranges != "none" else 0
        first -= server.ranges == "shifted" and first > 0
        self.send_response(server.status.pop(0) if server.status else 206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
        if server.sized:
            self.send_header("Content-Length", str(len(server.content) - first))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that has read enough
            self.wfile.write(server.content[first:][: server.sent.pop(0) if server.sent else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(fetching, "PAUSE", 0)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(server, tmp_path):
    return known(CONTENT, tmp_path / "cache", server.url + "f.bin")


def put(file, name, content):
    file.folder().mkdir()
    (file.folder() / name).write_bytes(content)


def holds(file, *names):
    """What lies in the folder, and that the file there is the right one."""
    folder = file.folder()
    assert sorted(os.listdir(folder) if folder.exists() else []) == sorted(names)
    assert "f.bin" not in names or file.path().read_bytes() == CONTENT


class TestGood:
    def test_whole(self, server, file):
        told = []
        assert fetching.fetch(file, progress=lambda done, total: told.append((done, total))) == file.path()
        holds(file, "f.bin")
        assert server.asked == [("/f.bin", None)]
        assert told == sorted(told) and told[-1] == (300_000, 300_000)

    def test_nothing_is_asked_if_it_is_there(self, server, file):
        put(file, "f.bin", CONTENT)
        assert fetching.fetch(file) == file.path() and server.asked == []

    def test_a_damaged_one_is_replaced(self, file):
        put(file, "f.bin", CONTENT[:-1])
        fetching.fetch(file)
        holds(file, "f.bin")

    def test_what_a_cut_leaves_is_continued_at_once(self, server, file):
        server.sent = [100_000] * 2
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked == [("/f.bin", None), ("/f.bin", "bytes=100000-"), ("/f.bin", "bytes=200000-")]

    def test_what_a_kill_leaves_is_continued(self, server, file):
        put(file, "f.bin.partial", CONTENT[:200_000])
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked == [("/f.bin", "bytes=200000-")]

    def test_a_part_that_is_whole_needs_no_server(self, server, file):
        put(file, "f.bin.partial", CONTENT)
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked == []

    @pytest.mark.parametrize("ranges", ["none", "shifted"])
    def test_a_server_without_ranges_or_with_wrong_ones(self, server, file, ranges):
        put(file, "f.bin.partial", CONTENT[:1000])
        server.ranges = ranges
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked[0] == ("/f.bin", "bytes=1000-")

    def test_the_part_of_another_file_is_dropped(self, server, file):
        put(file, "f.bin.partial", bytes(1000))
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked == [("/f.bin", "bytes=1000-"), ("/f.bin", None)]

    def test_redirects_take_the_range_along(self, server, file):
        put(file, "f.bin.partial", CONTENT[:1000])
        server.moved = "/elsewhere"
        fetching.fetch(file, server.url + "moved")
        holds(file, "f.bin")
        assert server.asked == [("/moved", "bytes=1000-"), ("/elsewhere", "bytes=1000-")]

    def test_an_answer_without_its_length(self, server, file):
        server.sized = False
        fetching.fetch(file)
        holds(file, "f.bin")

    def test_a_server_that_is_busy_is_asked_again(self, server, file):
        server.status = [503, 429]
        fetching.fetch(file)
        holds(file, "f.bin")

    def test_a_proxy_of_the_environment(self, server, file, monkeypatch):
        monkeypatch.setenv("http_proxy", server.url)
        fetching.fetch(file, "http://published.invalid/a/")
        holds(file, "f.bin")
        assert server.asked == [("http://published.invalid/a/f.bin", None)]

    @pytest.mark.parametrize("name", ["downloads/renamed", "downloads/"])
    def test_a_file_that_the_user_has(self, server, file, tmp_path, name):
        (tmp_path / "downloads").mkdir()
        (tmp_path / "downloads/renamed").write_bytes(CONTENT)
        (tmp_path / "downloads/f.bin").write_bytes(CONTENT)
        fetching.fetch(file, str(tmp_path / name))
        holds(file, "f.bin")
        assert server.asked == []


class TestRefused:
    def line(self, file, origin=None, **kept):
        """The one line; ``kept`` are files that are left."""
        with pytest.raises(InputError) as caught:
            fetching.fetch(file, origin)
        holds(file, *kept)
        line = str(caught.value)
        assert "\n" not in line
        return line

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (CONTENT[::-1], "gives a file with other content, and not f.bin"),
            (CONTENT[:9999], "gives a file of 9,999 bytes instead of 300,000, and not f.bin"),
            (CONTENT + b"x", "gives a file of 300,001 bytes instead of 300,000, and not f.bin"),
            (PAGE, "gives a web page, and not f.bin"),
            (POINTER, "gives a Git LFS pointer, and not f.bin"),
        ],
        ids=["same size", "smaller", "larger", "page", "pointer"],
    )
    @pytest.mark.parametrize("sized", [True, False])
    def test_other_bytes(self, server, file, content, said, sized):
        server.content, server.sized = content, sized
        line = self.line(file)
        assert said in line and line.endswith("give another address, or the file, with --from")
        assert len(server.asked) == 1

    def test_a_larger_file_is_not_taken_to_its_end(self, server, file):
        server.content, server.sized = CONTENT * 50, False
        told = []
        with pytest.raises(InputError, match="gives a file of [0-9,]+ bytes instead of 300,000"):
            fetching.fetch(file, progress=lambda done, total: told.append(done))
        assert told[-1] <= len(CONTENT) + fetching.BLOCK

    def test_cut_for_good_and_continued_later(self, server, file):
        server.sent = [100_000] + [0] * fetching.TRIES
        line = self.line(file, **{"f.bin.partial": 100_000})
        assert "cut the connection; 0.1 MB of 0.3 MB are here, and the same command goes on from there" in line
        assert len(server.asked) == 1 + fetching.TRIES
        fetching.fetch(file)
        holds(file, "f.bin")
        assert server.asked[-1] == ("/f.bin", "bytes=100000-")

    def test_a_server_that_falls_silent(self, file, monkeypatch):
        monkeypatch.setattr(fetching, "TIMEOUT", 0.05)
        monkeypatch.setattr(fetching, "TRIES", 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
            line = self.line(file, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert "does not answer: timed out" in line

    def test_no_route(self, file):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        line = self.line(file, url)
        assert line.startswith(f"cannot reach {url}f.bin: Connection refused; check the network and the proxy")

    @pytest.mark.parametrize("status", [404, 403, 416])
    def test_answers_that_are_final(self, server, file, status):
        server.status = [status]
        assert f"f.bin answers {status} " in self.line(file)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:port/"])
    def test_no_address(self, file, url):
        assert url in self.line(file, url)

    @pytest.mark.parametrize(
        ("source", "target", "followed"),
        [
            ("https://a.invalid/f", "http://a.invalid/f", False),
            ("https://a.invalid/f", "ftp://a.invalid/f", False),
            ("http://a.invalid/f", "file:///etc/passwd", False),
            ("https://a.invalid/f", "https://b.invalid/f", True),
            ("http://a.invalid/f", "https://b.invalid/f", True),
        ],
    )
    def test_redirects_stay_safe(self, source, target, followed):
        def redirect():
            return fetching._Redirects().redirect_request(urllib.request.Request(source), None, 302, "", {}, target)

        if followed:
            assert redirect().full_url == target
        else:
            with pytest.raises(InputError, match=f"{source} leads to {target}, which is not https"):
                redirect()

    def test_redirects_in_a_circle(self, server, file):
        server.moved = "/moved"
        assert "answers 302" in self.line(file, server.url + "moved")

    def test_no_space_is_seen_before(self, server, file, monkeypatch):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 299_999))
        assert "f.bin has 0.3 MB, and " in self.line(file)
        assert server.asked == []

    def test_no_space_is_left(self, file, monkeypatch):
        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        assert "f.bin: No space left on device; free some space" in self.line(file, **{"f.bin.partial": 300_000})

    def test_another_process_is_at_it(self, server, file):
        put(file, "f.bin.partial", CONTENT[:1000])
        with open(file.folder() / "f.bin.partial", "ab") as other:
            assert fetching.files.locked(other)
            assert "is being fetched by another process" in self.line(file, **{"f.bin.partial": 1000})
        assert server.asked == []

    @pytest.mark.parametrize(
        ("content", "said"), [(CONTENT[:5], "is a file of 5 bytes instead of 300,000"), (None, "no such file")]
    )
    def test_a_file_of_the_user_that_is_another(self, file, tmp_path, content, said):
        if content is not None:
            (tmp_path / "mine").write_bytes(content)
        assert said in self.line(file, str(tmp_path / "mine"))

    def test_the_folder_is_a_file(self, file):
        file.folder().write_bytes(b"")
        with pytest.raises(InputError, match="cannot write into .*cache"):
            fetching.fetch(file)
