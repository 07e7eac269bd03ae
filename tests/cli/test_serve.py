"""``stylemap serve`` as a process: it says where it is, answers, and ends when told to."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from stylemap.cli import serve
from stylemap.errors import InputError


@contextmanager
def serving(*arguments: str):
    """The process and the first line it prints."""
    command = [sys.executable, "-m", "stylemap", "serve", "--device", "cpu", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        return err.code, err.read()


def test_a_session_from_start_to_ctrl_c(inputs):
    with serving("--port", "0", "--weights", str(inputs / "w.safetensors"), "--upload-megabytes", "1") as (
        process,
        line,
    ):
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        info = json.loads(ask(url + "api/info")[1])
        assert info["weights"] == "w" and info["directions"] == [] and info["limits"]["bytes"] == 1_000_000
        status, body = ask(url + "api/sessions", "POST")
        session = f"{url}api/sessions/{json.loads(body)['id']}"
        assert status == 201
        as_json = {"Content-Type": "application/json"}
        assert ask(session + "/pictures/original", "PUT", b'{"gallery": 3}', **as_json)[0] == 200
        assert ask(session + "/pictures/0", "PUT", bytes(1_000_001), **{"Content-Type": "image/png"})[0] == 413
        status, picture = ask(session + "/render", "POST", b"{}", **as_json)
        assert status == 200 and picture.startswith(b"\x89PNG")
        assert ask(url + "api/info", Host="evil.example")[0] == 403
        # another server cannot have the port
        port = url.split(":")[-1].strip("/")
        with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1 port {port}.*--port"):
            serve.listen("127.0.0.1", int(port))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert (out, err) == ("", "")


def test_refusals(refused, inputs):
    weights = "--weights IN/w.safetensors"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen" in refused("serve", weights, "--port", taken.getsockname()[1])
    assert "--port" in refused("serve --port 70000")
    assert "--port" in refused("serve --port x")
    assert "--sessions" in refused("serve --sessions 0")
    assert "--threads" in refused("serve --threads 0")
    assert "--upload-megabytes" in refused("serve --upload-megabytes -3")
    assert "--host" in refused("serve", weights, "--host no.such.host.invalid --port 0")
    line = refused("serve", weights, "--host 192.0.2.1 --port 0")
    assert "--host 192.0.2.1 is not an address of this machine; leave it out" in line and "--port" not in line
    with pytest.raises(InputError, match="--host names no address; leave it out"):
        serve.listen("", 0)
    assert "no.safetensors" in refused("serve --weights no.safetensors")
    assert "directions" in refused("serve", weights, "--directions IN/w.safetensors")
    line = refused("serve", weights, "--detector none.onnx")
    assert line.startswith("--detector: ") and "none.onnx" in line and "leave --detector out" in line


def test_missing_packages_are_named(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'stylemap[web]'" in refused("serve")


@pytest.mark.parametrize(
    ("host", "url", "own"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/", True),
        ("localhost", "http://localhost:80/", True),
        ("::1", "http://[::1]:80/", True),
        ("0.0.0.0", "http://127.0.0.1:80/", False),
        ("::", "http://[::1]:80/", False),
        ("10.1.2.3", "http://10.1.2.3:80/", False),
        ("studio.example", "http://studio.example:80/", False),
    ],
)
def test_addresses(host, url, own):
    assert serve.address(host, 80) == url
    assert serve.is_loopback(host) == own


@pytest.mark.slow
def test_others_are_warned_of(inputs):
    with serving("--port", "0", "--host", "0.0.0.0", "--weights", str(inputs / "w.safetensors")) as (process, line):
        url = re.search(r"http://127\.0\.0\.1:\d+/", line)[0]
        assert ask(url + "api/info", Host="192.168.1.9:8000")[0] == 200
        assert ask(url + "api/info", Host="evil.example")[0] == 403
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert err.startswith("warning: ") and len(err.splitlines()) == 1
        assert process.returncode in (143, -signal.SIGTERM)
