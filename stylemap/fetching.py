"""Fetching a published file: resumed where it was cut, known by its SHA-256, and put in place whole or not at all.

The hash is the only judge of the content, so a part may be continued at any address, and no server has to be trusted.
"""

import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from stylemap import __version__, files
from stylemap.errors import InputError
from stylemap.published import PublishedFile

PARTIAL = ".partial"  # what has arrived, beside the file that it becomes
TRIES = 5  # connections in succession that bring nothing
PAUSE = 1.0  # seconds before another
TIMEOUT = 30.0  # seconds without a byte
BLOCK = 1 << 17  # bytes
LATER = (408, 425, 429, 500, 502, 503, 504)  # HTTP's answers that may be others in a second

Progress = Callable[[int, int], None]  # bytes that are here, and all


class _Cut(Exception):
    """A connection ended early, with the reason. What arrived is kept."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Followed, the header Range with them, but never from https to anything else."""

    def redirect_request(self, request, answer, code, message, headers, target):
        scheme = urlsplit(target).scheme
        if scheme != "https" and not scheme == request.type == "http":
            raise InputError(
                f"{request.full_url} leads to {target}, which is not https; give another address with --from"
            )
        return super().redirect_request(request, answer, code, message, headers, target)


def fetch(file: PublishedFile, origin: str | None = None, progress: Progress = lambda done, total: None) -> Path:
    """Put a file where programs look for it, and return its path. If it is there already, nothing is done.

    Proxies are those of the environment, such as ``https_proxy``.

    Args:
        origin: another address of it, or its path here; of a folder that holds it too, where an address ends with /. Default:
            where it was published.

    Raises:
        InputError: it cannot be had, or is not this file. What has arrived by then is used by the next call.
    """
    target = file.path()
    if target.is_file() and file.fault(target) is None:
        return target
    if origin is not None and not re.match("https?://", origin, re.IGNORECASE):
        _copy(file, Path(origin), target)
        return target
    url = file.url if origin is None else origin + file.file * origin.endswith("/")
    partial = target.with_name(target.name + PARTIAL)
    files.make_folder(target.parent, exist_ok=True)
    try:
        with open(partial, "ab") as out:
            if not files.locked(out):
                raise InputError(f"{target} is being fetched by another process; wait for it")
            try:
                _complete(file, url, out, progress)
                os.fsync(out.fileno())
            finally:
                out.flush()
                if not out.tell():
                    partial.unlink()
        os.replace(partial, target)
    except OSError as err:
        raise InputError(f"cannot write {target}: {err.strerror or err}; free some space or check the folder") from err
    return target


def _copy(file: PublishedFile, origin: Path, target: Path) -> None:
    origin = origin / file.file if origin.is_dir() else origin
    if what := file.fault(origin):
        raise InputError(f"{origin} is {what}, and not {file.file}; give another file, or leave --from away")
    files.copy(origin, target)


def _complete(file: PublishedFile, url: str, out: BinaryIO, progress: Progress) -> None:
    """Append to a part until it is the file. If it turns out to be the part of another file, begin anew, once."""
    free = shutil.disk_usage(os.path.dirname(out.name)).free
    if free < file.size - out.tell():
        raise InputError(
            f"{file.file} has {_mb(file.size)}, and {os.path.dirname(out.name)} has {_mb(free)} left; free some"
        )
    resumed, tries = out.tell() > 0, TRIES
    while True:
        before = out.tell()
        try:
            if before < file.size:
                _receive(file, url, out, progress)
            out.flush()
            what = file.fault(Path(out.name))
        except _Cut as err:
            tries = TRIES if out.tell() > before else tries - 1
            if not tries:
                raise InputError(
                    f"{url} {err}; {_mb(out.tell())} of {_mb(file.size)} are here, and the same command goes on from there"
                ) from err
            time.sleep(PAUSE)
            continue
        if what is None:
            return
        _discard(out)
        if not resumed:
            raise _other(file, url, what)
        resumed = False


def _receive(file: PublishedFile, url: str, out: BinaryIO, progress: Progress) -> None:
    """Append what one connection brings.

    Raises:
        _Cut: there is more to come, from another.
        InputError: there is nothing, or another file.
    """
    here = out.tell()
    with _answer(url, here) as answer:
        if here and answer.status != http.HTTPStatus.PARTIAL_CONTENT:  # the whole, from a server that knows no ranges
            here = _discard(out)
        elif here and not (answer.headers["Content-Range"] or "").startswith(f"bytes {here}-"):
            _discard(out)
            raise _Cut("sends another range than was asked for")
        expected = answer.length  # None: the server does not say
        if expected is not None and here + expected != file.size:
            start = b"" if here else _read(answer.read, files.MARK)
            raise _other(
                file, url, files.substitute(start) or f"a file of {here + expected:,} bytes instead of {file.size:,}"
            )
        while out.tell() <= file.size and (block := _read(answer.read1, BLOCK)):
            out.write(block)
            progress(out.tell(), file.size)
    if expected is not None and out.tell() < file.size:
        raise _Cut("cut the connection")


def _answer(url: str, here: int) -> http.client.HTTPResponse:
    """Ask for what follows the first ``here`` bytes."""
    ranges = {"Range": f"bytes={here}-"} if here else {}
    try:
        request = urllib.request.Request(url, headers={"User-Agent": f"stylemap/{__version__}", **ranges})
        return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as err:
        err.close()
        if err.code in LATER:
            raise _Cut(f"answers {err.code} {_reason(err.reason)}") from err
        raise InputError(
            f"{url} answers {err.code} {_reason(err.reason)}; give another address, or the file, with --from"
        ) from err
    except urllib.error.URLError as err:
        raise InputError(
            f"cannot reach {url}: {_reason(err.reason)}; check the network and the proxy, or fetch it on another machine and "
            "give the file with --from"
        ) from err
    except (http.client.InvalidURL, ValueError) as err:
        raise InputError(f"{url} is no address: {_reason(err)}; correct it") from err
    except (http.client.HTTPException, OSError) as err:
        raise _Cut(f"does not answer: {_reason(err)}") from err


def _read(read: Callable[[int], bytes], most: int) -> bytes:
    try:
        return read(most)
    except (http.client.HTTPException, OSError) as err:
        raise _Cut(f"cut the connection: {_reason(err)}") from err


def _discard(out: BinaryIO) -> int:
    """Empty a part. Returns how much is left of it."""
    out.seek(0)
    out.truncate()
    return 0


def _other(file: PublishedFile, url: str, what: str) -> InputError:
    return InputError(f"{url} gives {what}, and not {file.file}; give another address, or the file, with --from")


def _reason(err: object) -> str:
    """In words, on one line."""
    return getattr(err, "strerror", None) or " ".join(str(err).split()) or type(err).__name__


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
