"""The server on a real socket: who sends or reads at a crawl ends, harms nobody, and does not hold the server up at its end."""

import contextlib
import gc
import json
import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from stylemap.cli import serve
from stylemap.editing.applying import Edited
from stylemap.editor import app, connections
from stylemap.editor.limits import Limits
from stylemap.errors import InputError
from tests.editor.conftest import SIDE, photo, png

SOON = 10  # seconds; for what happens within tenths of one when the machine is idle


class Live:
    """A server in a thread of its own."""

    def __init__(self, studio, limits: Limits):
        self.limits = limits
        self.listening = serve.listen("127.0.0.1", 0)
        config = connections.configured(app.create(studio, limits), limits)
        self.server = connections.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})
        self.port = self.listening.getsockname()[1]
        self.clients: list[socket.socket] = []

    def connect(self, sent: bytes = b"") -> socket.socket:
        self.clients.append(socket.create_connection(("127.0.0.1", self.port), timeout=SOON))
        self.clients[-1].sendall(sent)
        return self.clients[-1]

    def ask(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream"
    ) -> tuple[int, bytes]:
        return answer(self.connect(head(method, path, len(body), kind) + body))

    def session(self) -> str:
        status, body = self.ask("POST", "/api/sessions")
        assert status == 201
        return f"/api/sessions/{json.loads(body)['id']}"

    def stop(self) -> float:
        """Ends it as Ctrl-C does; how long that took."""
        began = time.monotonic()
        self.server.should_exit = True
        self.thread.join(3 * SOON)
        assert not self.thread.is_alive()
        return time.monotonic() - began


def head(method: str, path: str, length: int, kind: str = "application/octet-stream") -> bytes:
    lines = f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", f"Content-Type: {kind}"
    return "\r\n".join((*lines, "", "")).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the answer that comes."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        assert part, "the connection ended without an answer"
        received += part
    top, _, body = received.partition(b"\r\n\r\n")
    length = int(next((v for k, _, v in (x.partition(b": ") for x in top.split(b"\r\n")) if k == b"content-length"), 0))
    while len(body) < length:
        body += connection.recv(65536)
    return int(top.split()[1]), body


def ends(connection: socket.socket) -> bool:
    """Whether the server ends a connection, whatever it says before."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True  # or recv has raised TimeoutError


@pytest.fixture
def start(studio) -> Iterator:
    running = []

    def begin(**limits) -> Live:
        live = Live(studio, Limits(**limits))
        running.append(live)
        live.thread.start()
        return live

    yield begin
    for live in running:
        live.stop()
        for client in live.clients:
            client.close()


@pytest.fixture
def said(caplog) -> Iterator[list[str]]:
    """What the server's log holds; uvicorn keeps it from the root, where pytest listens."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(handler.format(record))
    logger = logging.getLogger("uvicorn.error")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "], ids=["nothing", "half"])
def test_headers_that_do_not_come(start, sent):
    assert ends(start(head_s=0.2).connect(sent))


def test_headers_that_do_not_come_after_an_answer(start):
    connection = start(head_s=0.2).connect(head("GET", "/api/info", 0))
    assert answer(connection)[0] == 200
    connection.sendall(b"GET / HT")
    assert ends(connection)


def test_headers_that_trickle(start):
    """The time is that of the request, not of each byte."""
    connection = start(head_s=0.3).connect()
    with pytest.raises(ConnectionError):
        for _ in range(SOON * 20):
            connection.sendall(b"G")
            time.sleep(0.05)


def test_a_body_that_does_not_come_is_told(start, monkeypatch):
    monkeypatch.setattr(connections, "GRACE", 0.1)
    live = start(body_s=0.2)
    connection = live.connect(head("PUT", live.session() + "/pictures/0", 1000) + b"x")
    status, body = answer(connection)
    assert status == 408 and b"within 0.2 s" in body
    assert ends(connection)


def test_a_body_that_nobody_reads_ends_too(start, monkeypatch):
    monkeypatch.setattr(connections, "GRACE", 0.1)
    live = start()
    connection = live.connect(head("PUT", "/api/sessions/none/pictures/0", 1000) + b"x")
    assert answer(connection)[0] == 404
    assert ends(connection)


def test_slow_uploads_of_one_session_are_few_and_harm_nobody_else(start):
    live = start(at_once=2, spare=3, sessions=2)
    slow = live.session()
    for _ in range(2):
        live.connect(head("PUT", slow + "/pictures/0", 1000))
    while live.ask("PUT", slow + "/pictures/0")[0] != 429:
        pass  # until both have come in
    assert [answer(live.connect(head("PUT", slow + "/pictures/0", 1000)))[0] for _ in range(10)] == [429] * 10
    assert live.ask("GET", "/api/info")[0] == 200
    other = live.session()
    assert live.ask("PUT", other + "/pictures/0", png(photo()))[0] == 200


def test_an_upload_that_goes_on_waits_for_no_other(start):
    live = start()
    path = live.session() + "/pictures/"
    live.connect(head("PUT", path + "0", 1000) + b"x")
    assert live.ask("PUT", path + "1", png(photo()))[0] == 200


@pytest.mark.parametrize("later", ["DELETE", "PUT"])
def test_what_began_later_stays(start, later):
    """A picture that arrives late takes the place neither of a later one nor of a deletion."""
    live = start()
    path = live.session() + "/pictures/0"
    data = png(photo())
    upload = live.connect(head("PUT", path, len(data)) + data[:-1])
    assert live.ask("GET", path + ".png")[0] == 404  # so that the upload has come in
    assert live.ask(later, path, b"" if later == "DELETE" else png(photo(seed=5)))[0] in (200, 204)
    before = live.ask("GET", path + ".png")
    upload.sendall(data[-1:])
    assert answer(upload)[0] == 200
    assert live.ask("GET", path + ".png") == before
    assert before[0] == (404 if later == "DELETE" else 200)


def test_too_many_connections_cost_the_one_that_said_nothing_for_longest(start):
    live = start(connections=3)
    silent = [live.connect() for _ in range(3)]
    assert live.ask("GET", "/api/info")[0] == 200
    assert ends(silent[0])
    silent[2].sendall(head("GET", "/api/info", 0))
    assert answer(silent[2])[0] == 200


def test_an_answer_that_nobody_takes(start, monkeypatch):
    async def much(self, request):
        return {"x": "x" * 20_000_000}

    monkeypatch.setattr(app.Server, "info", much)
    lost = threading.Event()
    end = connections.Connection.connection_lost
    monkeypatch.setattr(connections.Connection, "connection_lost", lambda self, exc: (end(self, exc), lost.set()))
    live = start(body_s=0.2)
    connection = live.connect(head("GET", "/api/info", 0))
    assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    received = b""
    assert lost.wait(SOON)
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(1 << 20):
            received += part
    assert len(received) < 20_000_000


def test_the_end_waits_for_no_upload_and_logs_nothing(start, said):
    live = start()
    path = live.session()
    upload = live.connect(head("PUT", path + "/pictures/0", 1000) + b"x")
    edit = live.connect(head("POST", path + "/render", 1000, "application/json") + b"{")
    half = live.connect(b"GET / HTTP/1.1\r\nX: ")
    assert live.ask("GET", "/api/info")[0] == 200  # so that the others have come in
    assert live.stop() < connections.GRACE
    assert said == []
    assert all(map(ends, (upload, edit, half)))


def test_the_end_waits_a_little_for_work_and_logs_nothing(start, said, studio, monkeypatch):
    monkeypatch.setattr(connections, "GRACE", 0.2)
    began, go_on = threading.Event(), threading.Event()

    def slow(*_):
        began.set()
        go_on.wait(SOON)
        return Edited(np.zeros((SIDE, SIDE, 3), np.uint8))

    live = start()
    path = live.session()
    live.ask("PUT", path + "/pictures/original", b'{"gallery": 1}', "application/json")
    monkeypatch.setattr(studio, "render", slow)
    waiting = live.connect(head("POST", path + "/render", 2, "application/json") + b"{}")
    began.wait(SOON)
    live.server.should_exit = True
    assert ends(waiting)
    go_on.set()
    live.stop()
    assert said == []


def test_a_second_ctrl_c_ends_it_at_once(studio, monkeypatch):
    codes = []
    monkeypatch.setattr(connections.os, "_exit", codes.append)
    server = connections.Server(connections.configured(app.create(studio), Limits()))
    server.handle_exit(signal.SIGINT, None)
    assert server.should_exit and codes == []
    server.handle_exit(signal.SIGINT, None)
    assert codes == [130]


def test_who_cancels_leaves_nothing_behind(start, said):
    """A page that is closed in the middle of an upload: no word in the log, and its session goes on."""
    live = start(at_once=1)
    path = live.session() + "/pictures/0"
    for _ in range(3):
        live.connect(head("PUT", path, 1000) + b"x").close()
    while live.ask("PUT", path, png(photo()))[0] == 429:
        pass  # until the server has seen them go
    assert live.ask("GET", path + ".png")[0] == 200
    assert said == []


def test_work_that_fails_when_nobody_waits_any_more(start, said, studio, monkeypatch, caplog):
    began, go_on = threading.Event(), threading.Event()

    def fails(*_):
        began.set()
        go_on.wait(SOON)
        raise InputError("a mistake of who has left")

    live = start(at_once=1)
    path = live.session()
    live.ask("PUT", path + "/pictures/original", b'{"gallery": 1}', "application/json")
    with monkeypatch.context() as patched:
        patched.setattr(studio, "render", fails)
        left = live.connect(head("POST", path + "/render", 2, "application/json") + b"{}")
        assert began.wait(SOON)
        left.close()
        while live.ask("POST", path + "/project", b"{", "application/json")[0] == 429:
            pass  # until the server has seen it go
        go_on.set()
        assert live.ask("POST", path + "/render", b"{}", "application/json")[0] == 422
    live.stop()
    gc.collect()  # which is when asyncio tells of errors that nobody has asked for
    assert said == [] and "never retrieved" not in caplog.text


def test_websockets_are_no_matter_for_the_log(start, said):
    live = start()
    asked = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert answer(live.connect(asked))[0] == 200
    assert said == []
