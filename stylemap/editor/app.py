"""The editor's HTTP interface: what may be asked under which path. docs/editor.md has the table."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from stylemap import faces, images, project
from stylemap.editing import pasting
from stylemap.editing.applying import Edited
from stylemap.editor import pictures, requests
from stylemap.editor.answers import describe, download, error, is_json, media_type, png
from stylemap.editor.bodies import read_body
from stylemap.editor.gallery import Gallery, drawn
from stylemap.editor.limits import SMALL_BODY, Limits
from stylemap.editor.security import Guard
from stylemap.editor.sessions import Picture, Session, Sessions
from stylemap.editor.studio import Pictures, Studio
from stylemap.editor.workers import Worker
from stylemap.errors import InputError
from stylemap.project import recipe
from stylemap.project.recipe import ORIGINAL, SLOTS

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
SWEEP = 60.0  # seconds between looks for sessions that have expired
SESSION = "/api/sessions/{id}"


def create(
    studio: Studio,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    finder: faces.Finder | None = None,
    hosts: Iterable[str] = (),
    gallery: Gallery | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The application.

    Args:
        finder: finds faces; None = photos are cut to their central square.
        hosts: names it answers to besides those of the own machine.
        gallery: what the page begins with; None = drawn faces.
        clock: seconds; what sessions expire by.
    """
    server = Server(studio, limits, finder, gallery or drawn(studio.model.config.resolution), clock)
    app = FastAPI(lifespan=server.lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for method, path, answer in server.routes():
        app.add_api_route(path, answer, methods=[method], response_model=None)
    app.add_exception_handler(HTTPException, lambda request, err: error(err.status_code, err.detail))
    app.add_exception_handler(RequestValidationError, lambda request, err: error(422, requests.first_error(err)))
    app.add_exception_handler(InputError, lambda request, err: error(422, str(err)))
    app.add_exception_handler(ClientDisconnect, lambda request, err: error(499, "the client went away"))
    app.add_exception_handler(Exception, lambda request, err: error(500, "something went wrong here; see its log"))
    return Guard(app, hosts, limits.requests)


class Server:
    """The answers. What takes time is done by two threads, one with the model and one with picture files."""

    def __init__(
        self,
        studio: Studio,
        limits: Limits,
        finder: faces.Finder | None,
        gallery: Gallery,
        clock: Callable[[], float],
    ):
        self.studio, self.limits = studio, limits
        self.sessions = Sessions(limits, clock)
        side = studio.model.config.resolution
        self.reader = pictures.Reader(side, limits.pixels, finder)
        self.gallery = gallery
        self.model = Worker("model", limits.waiting)
        self.files = Worker("files", limits.waiting)

    def routes(self) -> list[tuple[str, str, Callable]]:
        """Method, path, answer."""
        slot = SESSION + "/pictures/{slot}"
        return [
            ("GET", "/", self.index),
            ("GET", "/static/{name}", self.static),
            ("GET", "/api/info", self.info),
            ("GET", "/api/gallery/{index}.png", self.thumbnail),
            ("POST", "/api/sessions", self.begin),
            ("DELETE", SESSION, self.end),
            ("POST", SESSION + "/close", self.end),
            ("PUT", slot, self.put_picture),
            ("DELETE", slot, self.delete_picture),
            ("GET", slot + ".png", self.show),
            ("GET", slot + "/parts.png", self.parts),
            ("POST", SESSION + "/render", self.render),
            ("POST", SESSION + "/save", self.save),
            ("POST", SESSION + "/project", self.save_project),
            ("PUT", SESSION + "/project", self.open_project),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                self.sessions.expire()

        sweeping = asyncio.create_task(sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            self.model.close()
            self.files.close()

    # ---- the page

    def index(self) -> Response:
        return self.static("index.html")

    def static(self, name: str) -> Response:
        # compared with the names that are there; never made a path
        for path in STATIC.iterdir():
            if path.name == name and path.suffix in TYPES and path.is_file():
                return Response(path.read_bytes(), media_type=TYPES[path.suffix])
        raise HTTPException(404, "there is no such file")

    def info(self) -> dict:
        config = self.studio.model.config
        return {
            "weights": self.studio.weights,
            "model": self.studio.fingerprint,
            "resolution": config.resolution,
            "stylemap_size": config.stylemap_size,
            "layers": recipe.layers(config),
            "references": recipe.REFERENCES,
            "limits": {
                "bytes": self.limits.upload_bytes,
                "project": self._project_bytes,
                "pixels": self.limits.pixels,
            },
            "parts": self.gallery.parts,
            "directions": [{"name": d.name, "accuracy": d.origin.accuracy} for d in self.studio.directions.values()],
            "gallery": {"count": len(self.gallery), "about": self.gallery.about},
            "align": self.reader.finder is not None,
        }

    async def thumbnail(self, request: Request, index: int) -> Response:
        if not 0 <= index < len(self.gallery):
            raise HTTPException(404, "there is no such picture in the gallery")
        data = await self.model.run(request, self.gallery.thumbnail, index)
        return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=3600"})

    # ---- sessions and their pictures

    async def begin(self) -> JSONResponse:
        session = self.sessions.create()
        about = {"id": session.id, "expires_s": self.limits.idle_s, "model": self.studio.fingerprint}
        return JSONResponse(about, 201)

    async def end(self, id: str) -> Response:
        self.sessions.close(id)
        return Response(status_code=204)

    async def put_picture(self, request: Request, id: str, slot: str, align: bool = False) -> dict:
        session = self._session(id, slot)
        with session.sending(self.limits.at_once):
            turn = session.begin()
            if is_json(request):
                index = requests.parse(requests.OfGallery, await self._body(request, SMALL_BODY)).gallery
                photo = await self.model.run(request, self.gallery.photo, index)
            else:
                data = await self._file(request, self.limits.upload_bytes)
                photo = await self.files.run(request, self.reader.face if align else self.reader.square, data)
            if slot != ORIGINAL:
                # an edit goes back into the original alone
                photo = replace(photo, upload=None)
            picture = await self.model.run(request, self.studio.take, photo)
            session.change(turn, {slot: picture})
        return self._describe(slot, picture)

    async def delete_picture(self, id: str, slot: str) -> Response:
        session = self._session(id, slot)
        session.change(session.begin(), {slot: None})
        return Response(status_code=204)

    async def show(
        self, request: Request, id: str, slot: str, view: Literal["photo", "reconstruction"] = "photo"
    ) -> Response:
        picture = self._picture(id, slot)
        return png(picture.photo.pixels if view == "photo" else picture.reconstruction)

    async def parts(self, id: str, slot: str) -> Response:
        labels = self._picture(id, slot).photo.labels
        if labels is None:
            raise HTTPException(404, "the parts of this picture are not known")
        return png(labels)

    # ---- edits

    async def render(self, request: Request, id: str) -> Response:
        session = self.sessions.get(id)
        with session.sending(self.limits.at_once):
            sent = await self._json(request, requests.Edit)
            began = time.perf_counter()
            edited = await self.model.run(request, self._render, sent, self._ready(session, sent))
        answer = png(edited.pixels)
        answer.headers["x-milliseconds"] = f"{(time.perf_counter() - began) * 1000:.1f}"
        return answer

    async def save(self, request: Request, id: str) -> Response:
        session = self.sessions.get(id)
        with session.sending(self.limits.at_once):
            sent = await self._json(request, requests.Save)
            given = self._ready(session, sent)
            edited = await self.model.run(request, self._render, sent, given, sent.paste_back)
            data, notes = await self.files.run(request, self._file_of, given[ORIGINAL], edited, sent)
        return download(data, "edit.png", "image/png", notes)

    async def save_project(self, request: Request, id: str) -> Response:
        session = self.sessions.get(id)
        with session.sending(self.limits.at_once):
            sent = await self._json(request, requests.SaveProject)
            given = self._ready(session, sent)
            data = await self.files.run(request, self._project, sent, given)
        return download(data, "project.safetensors", "application/octet-stream")

    async def open_project(self, request: Request, id: str) -> dict:
        session = self.sessions.get(id)
        with session.sending(self.limits.at_once):
            turn = session.begin()
            data = await self._file(request, self._project_bytes)
            opened = await self.files.run(request, project.load, data, self.limits.pixels)
            pictures = await self.model.run(request, self.studio.open, opened)
            session.change(turn, dict.fromkeys(SLOTS) | pictures)
            edit = await self.files.run(request, requests.as_json, opened.edit)
        shown = {slot: self._describe(slot, picture) for slot, picture in pictures.items()}
        return {"edit": edit, "page": opened.page, "pictures": shown}

    @property
    def _project_bytes(self) -> int:
        return project.most_bytes(self.studio.model.config, self.limits.upload_bytes)

    # ---- in the threads

    def _recipe(self, sent: requests.Edit) -> recipe.Edit:
        return sent.recipe(self.studio.model.config.resolution, self.studio.directions)

    def _render(self, sent: requests.Edit, given: Pictures, how: pasting.How = "none") -> Edited:
        return self.studio.render(self._recipe(sent), given, how)

    def _project(self, sent: requests.SaveProject, given: Pictures) -> bytes:
        return project.to_bytes(self.studio.project(self._recipe(sent), given, sent.page))

    def _file_of(self, picture: Picture, edited: Edited, sent: requests.Save) -> tuple[bytes, list[str]]:
        if sent.paste_back == "none":
            times = sent.enlarge or images.times(len(edited.pixels))
            return pictures.png(edited.pixels.repeat(times, 0).repeat(times, 1)), []
        return pictures.put_back(picture.photo, edited, sent.paste_back, self.limits.pixels)

    def _describe(self, slot: str, picture: Picture) -> dict:
        return describe(slot, picture, self.studio.known)

    # ---- what requests hold

    def _session(self, id: str, slot: str) -> Session:
        if slot not in SLOTS:
            raise HTTPException(404, f"there is no such slot; known are {', '.join(SLOTS)}")
        return self.sessions.get(id)

    def _picture(self, id: str, slot: str) -> Picture:
        picture = self._session(id, slot).pictures.get(slot)
        if picture is None:
            raise HTTPException(404, "there is no picture here yet")
        return picture

    def _ready(self, session: Session, sent: requests.Edit) -> Pictures:
        """The session's pictures as they are now, all that the edit needs among them."""
        session.used = self.sessions.clock()
        if ORIGINAL not in session.pictures:
            raise HTTPException(409, "choose a picture to edit first")
        for patch in sent.patches:
            if str(patch.reference) not in session.pictures:
                raise HTTPException(409, f"reference {patch.reference + 1} is empty; choose a picture for it")
        return dict(session.pictures)

    async def _body(self, request: Request, most: int) -> bytes:
        return await read_body(request, most, self.limits.body_s)

    async def _json(self, request: Request, kind: type[requests.T]) -> requests.T:
        if not is_json(request):
            raise HTTPException(415, "this takes application/json")
        return requests.parse(kind, await self._body(request, self.limits.edit_bytes))

    async def _file(self, request: Request, most: int) -> bytes:
        kind = media_type(request)
        if kind == "application/json" or kind.startswith("multipart/"):
            raise HTTPException(415, "this takes the bytes of a file as they are")
        return await self._body(request, most)
