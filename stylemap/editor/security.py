"""Keeps the web pages of strangers away from a server that listens on somebody's own machine."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stylemap.editor import exchange
from stylemap.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {frames}",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:\d+|:\*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Access:
    """Who may ask for the page, and where.

    Raises:
        InputError: an origin or a root that is none.
    """

    hosts: tuple[str, ...] = ()
    """Further names that the server answers to, besides those of its own machine."""
    frames: tuple[str, ...] = ()
    """Origins whose pages may show this one in a frame, such as http://localhost:8888 for Jupyter."""
    root: str = ""
    """The path under which a proxy asks, if it passes it on: /editor. Without it the paths are taken as well."""

    def __post_init__(self) -> None:
        for origin in self.frames:
            if not ORIGIN.fullmatch(origin):
                raise InputError(f"{origin} is not the origin of a page; give one such as http://localhost:8888")
        if self.root and not re.fullmatch(r"(/[\w.~-]+)+", self.root):
            raise InputError(
                f"{self.root} is not a path that begins with / and does not end with it; give one such as /editor"
            )


class Guard:
    """Wraps the application: who may ask, how many at a time, and the headers of every answer.

    A page of another site can let a name of its own point here and make a browser ask this server under it (DNS rebinding).
    So the server answers only to known names. If it listens on all addresses, it also answers to any plain IP address, since
    such an address is not a name.
    """

    def __init__(self, app: ASGIApp, access: Access, most: int):
        self.app, self.root, self.most, self.running = app, access.root, most, 0
        self.hosts = {bare(host) for host in (*LOOPBACK, *access.hosts)}
        frames = " ".join(access.frames) or "'none'"
        self.headers = {name: value.replace("{frames}", frames) for name, value in HEADERS.items()}
        self.any_address = bool(self.hosts & {"0.0.0.0", "::"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if self.root and scope["path"].startswith(f"{self.root}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self.root)}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                cached = "no-store" if scope["path"].startswith("/api/") else "no-cache"
                added = {
                    name.encode(): value.encode() for name, value in (self.headers | {"cache-control": cached}).items()
                }
                message["headers"] = [*message["headers"], *(pair for pair in added.items() if pair[0] not in given)]
            await send(message)

        refusal = self.refusal(scope)
        if not refusal and self.root and scope["path"] == self.root:
            refusal = RedirectResponse(f"{self.root}/")  # the addresses in the page are relative to it
        if refusal:
            await refusal(scope, receive, send_with_headers)
            return
        self.running += 1
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            self.running -= 1

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that is refused, or None."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self.knows(host):
            called = bare(host)[:100] or "without a name"
            return exchange.error(403, f"this server does not answer as {called!r}; start it with --allow-host NAME")
        if scope["method"] not in SAFE_METHODS and is_foreign(headers):
            return exchange.error(403, "a page of another site cannot change anything here")
        if self.running >= self.most:
            return exchange.error(503, "too many requests at a time; try again in a moment")
        return None

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        name = bare(host)
        if name in self.hosts:
            return True
        if not self.any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def is_foreign(headers: dict[str, str]) -> bool:
    """Whether a page of another site made a browser ask. Only browsers say where a page is from.

    Browsers send ``sec-fetch-site``, except to plain http: addresses of other machines. Then the page's origin must be this
    server, by the name that the browser used; a proxy that asks under another name passes that one on. A foreign page cannot
    set either header without a permission that this server never gives (CORS).
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None or origin is None:
        return site in ("cross-site", "same-site")
    names = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").partition(",")[0].strip().lower()}
    return origin_host(origin) not in names


def bare(host: str) -> str:
    """ "LocalHost:8000" -> "localhost", "[::1]:8000" -> "::1"."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def origin_host(origin: str) -> str | None:
    """ "http://localhost:8000" -> "localhost:8000"; None for "null" and other texts."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") and parts.netloc else None
