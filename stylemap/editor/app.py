"""The editor's HTTP interface. docs/editor.md has the table of paths."""

import asyncio
import contextlib
import json
import math
import mimetypes
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from stylemap import decoding, faces, project
from stylemap.editing.applying import Edited
from stylemap.editing.edit import ORIGINAL, SLOTS, Edit
from stylemap.editor import exchange, exporting, requests
from stylemap.editor.gallery import Gallery, drawn
from stylemap.editor.info import about
from stylemap.editor.limits import SMALL_BODY, Limits
from stylemap.editor.security import Access, Guard
from stylemap.editor.sessions import EncodedPhoto, Session, Sessions
from stylemap.editor.studio import Photos, Studio
from stylemap.editor.workers import Worker
from stylemap.errors import InputError
from stylemap.familiarity import LOCAL
from stylemap.inversion import fitting
from stylemap.photos.photo import Frame, Photo, open_photo, squares_of_faces
from stylemap.schema import parse, refuse

STATIC = Path(__file__).parent / "static"
SWEEP = 60.0  # seconds between looks for sessions that have expired
SESSION = "/api/sessions/{id}"
SLOT = SESSION + "/pictures/{slot}"
FIT = SESSION + "/pictures/original/fit"
GIVE_WAY = 1.0  # seconds that a step of a fit waits for edits at most

# systems differ in the types of these files, and browsers run scripts of this type only
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


def create(
    studio: Studio,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    finder: faces.Finder | None = None,
    access: Access = Access(),  # noqa: B008 (frozen)
    gallery: Gallery | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The application.

    Args:
        finder: finds faces; None = photos are cut to their central square, unless a page chooses another.
        access: who may ask for the page, and where.
        gallery: the pictures that the page offers; None = drawn faces.
        clock: in seconds; sessions expire by it.
    """
    server = Server(studio, limits, finder, gallery or drawn(studio.model.config.resolution), clock)
    errors = {
        HTTPException: lambda request, err: exchange.error(err.status_code, err.detail),
        InputError: lambda request, err: exchange.error(422, str(err)),
        ClientDisconnect: lambda request, err: exchange.error(499, "the client went away"),
        Exception: lambda request, err: exchange.error(500, "something went wrong here; see its log"),
    }
    app = Starlette(routes=server.routes(), exception_handlers=errors, lifespan=server.lifespan)
    app.router.redirect_slashes = False
    app.state.server = server
    return Guard(app, access, limits.requests)


def _sending(answer: Callable) -> Callable:
    """For requests that send something to a session: a session takes only a few of these at a time."""

    async def limited(self: "Server", request: Request, id: str, **names: str) -> Response | dict:
        session = self.sessions.get(id)
        with session.sending(self.limits.at_once):
            return await answer(self, request, session, **names)

    return limited


class Server:
    """The answers to requests. Threads do the long work: one with the model, one with files, one fits weights."""

    def __init__(
        self,
        studio: Studio,
        limits: Limits,
        finder: faces.Finder | None,
        gallery: Gallery,
        clock: Callable[[], float],
    ):
        self.studio, self.limits, self.finder, self.gallery = studio, limits, finder, gallery
        self.sessions = Sessions(limits, clock)
        self.most_bytes = project.most_bytes(studio.model.config, limits.upload_bytes)
        self.model = Worker("model", limits.waiting)
        self.files = Worker("files", limits.waiting)
        self.fits = Worker("fits", limits.fits)
        self.fit_bytes = fitting.most_bytes(studio.model.config)

    def routes(self) -> list[Route | Mount]:
        answers = [
            ("GET", "/", self.index),
            ("GET", "/api/info", self.info),
            ("GET", "/api/gallery/{index}.png", self.thumbnail),
            ("POST", "/api/sessions", self.begin),
            ("DELETE", SESSION, self.end),
            ("POST", SESSION + "/close", self.end),
            ("PUT", SLOT, self.put_photo),
            ("DELETE", SLOT, self.delete_photo),
            ("GET", SLOT + ".png", self.show),
            ("GET", SLOT + "/parts.png", self.parts),
            ("POST", SESSION + "/fit", self.fit),
            ("GET", FIT, self.show_fit),
            ("PUT", FIT, self.put_fit),
            ("GET", SLOT + "/file", self.file),
            ("POST", SESSION + "/look", self.look),
            ("POST", SESSION + "/render", self.render),
            ("POST", SESSION + "/save", self.save),
            ("POST", SESSION + "/project", self.save_project),
            ("PUT", SESSION + "/project", self.open_project),
        ]
        routes = [Route(path, _with_parameters(answer), methods=[method]) for method, path, answer in answers]
        return [*routes, Mount("/static", StaticFiles(directory=STATIC))]

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                self.sessions.expire()

        sweeping = asyncio.create_task(sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            for worker in (self.fits, self.model, self.files):
                worker.close()

    # ---- the page

    async def index(self, request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def info(self, request: Request) -> dict:
        return about(self.studio, self.gallery, self.limits, self.finder is not None)

    async def thumbnail(self, request: Request, index: str) -> Response:
        number = _number("index", index)
        if not 0 <= number < len(self.gallery):
            raise HTTPException(404, "the gallery has no such image")
        data = await self.model.run(request, self.gallery.thumbnail, number)
        return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=3600"})

    # ---- sessions and their photos

    async def begin(self, request: Request) -> Response:
        session = self.sessions.create()
        about = {"id": session.id, "expires_s": self.limits.idle_s, "model": self.studio.fingerprint}
        return JSONResponse(about, 201)

    async def end(self, request: Request, id: str) -> Response:
        self.sessions.close(id)
        return Response(status_code=204)

    @_sending
    async def put_photo(self, request: Request, session: Session, slot: str) -> dict:
        _check_slot(slot)
        frame = requests.frame(request.query_params, self.studio.model.config.resolution)
        turn = session.begin()
        if exchange.media_type(request) == exchange.JSON:
            body = await exchange.read_body(request, SMALL_BODY, self.limits.body_s, exchange.JSON)
            index = requests.read(requests.GalleryRequest, body).gallery
            photo = await self.model.run(request, self.gallery.photo, index)
        else:
            data = await exchange.read_body(request, self.limits.upload_bytes, self.limits.body_s)
            photo = await self.files.run(request, self._open, data, frame)
        if slot != ORIGINAL:
            photo = replace(photo, source=None)  # an edit goes back into the original alone
        encoded = await self.model.run(request, self.studio.encode, photo)
        session.change(turn, {slot: encoded})
        return self._facts(slot, encoded)

    async def delete_photo(self, request: Request, id: str, slot: str) -> Response:
        _check_slot(slot)
        session = self.sessions.get(id)
        session.change(session.begin(), {slot: None})
        return Response(status_code=204)

    async def show(self, request: Request, id: str, slot: str) -> Response:
        view = parse(Literal["photo", "reconstruction", "errors"], request.query_params.get("view", "photo"), "view")
        encoded = self._photo(id, slot)
        if view == "errors":
            return exchange.png(self._errors(encoded))
        return exchange.png(encoded.photo.pixels if view == "photo" else encoded.reconstruction)

    async def parts(self, request: Request, id: str, slot: str) -> Response:
        labels = self._photo(id, slot).labels
        if labels is None:
            raise HTTPException(
                404, "the parts of this image are not known; `stylemap parts train` teaches them to the weights"
            )
        return exchange.png(labels)

    async def file(self, request: Request, id: str, slot: str) -> Response:
        source = self._photo(id, slot).photo.source
        if source is None:
            raise HTTPException(404, "this image has no file of its own")
        return Response(source, media_type="application/octet-stream")

    @_sending
    async def look(self, request: Request, session: Session) -> dict:
        picture = parse(Literal["0", "1"], request.query_params.get("picture", "0"), "picture")
        data = await exchange.read_body(request, self.limits.upload_bytes, self.limits.body_s)
        return await self.files.run(request, self._look, data, picture == "1")

    # ---- fits

    @_sending
    async def fit(self, request: Request, session: Session) -> Response:
        body = await exchange.read_body(request, SMALL_BODY, self.limits.body_s, exchange.JSON)
        steps = requests.read(requests.FitRequest, body).steps
        original = self._original(session)
        await self.model.run(request, self.studio.exact_model)
        return StreamingResponse(self._fit(session, original, steps), media_type="application/x-ndjson")

    async def _fit(self, session: Session, original: EncodedPhoto, steps: int) -> AsyncIterator[str]:
        """Lines of JSON: again and again the share that is done, at last the picture or an error. It ends with its reader."""
        loop, told = asyncio.get_running_loop(), asyncio.Queue[float | None]()
        ended, turn = threading.Event(), session.begin()

        def tick(done: float) -> None:
            if ended.is_set():
                raise InputError("the fit was cancelled")
            loop.call_soon_threadsafe(told.put_nowait, done)
            self.model.idle.wait(GIVE_WAY)  # edits go first

        try:
            job = self.fits.submit(lambda: self.studio.fit(original, steps, tick))
            job.add_done_callback(lambda _: loop.call_soon_threadsafe(told.put_nowait, None))
            while (done := await told.get()) is not None:
                session.used = self.sessions.clock()
                yield json.dumps({"done": done}) + "\n"
            found = await asyncio.wrap_future(job)
            encoded = await asyncio.wrap_future(self.model.submit(lambda: self.studio.fitted(original, found)))
            session.change(turn, {ORIGINAL: encoded})
            yield json.dumps({"picture": self._facts(ORIGINAL, encoded)}) + "\n"
        except (InputError, HTTPException) as err:
            yield json.dumps({"error": getattr(err, "detail", str(err))}) + "\n"
        finally:
            ended.set()

    async def show_fit(self, request: Request, id: str) -> Response:
        fit = self._photo(id, ORIGINAL).fit
        if fit is None:
            raise HTTPException(404, "the weights are not fitted to this image")
        return Response(await self.files.run(request, fitting.to_bytes, fit), media_type="application/octet-stream")

    @_sending
    async def put_fit(self, request: Request, session: Session) -> dict:
        data = await exchange.read_body(request, self.fit_bytes, self.limits.body_s)
        original, turn = self._original(session), session.begin()
        fit = await self.files.run(request, fitting.from_bytes, data)
        encoded = await self.model.run(request, self.studio.fitted, original, fit)
        session.change(turn, {ORIGINAL: encoded})
        return self._facts(ORIGINAL, encoded)

    # ---- edits

    @_sending
    async def render(self, request: Request, session: Session) -> Response:
        body, photos = await self._edit_and_photos(request, session)
        began = time.perf_counter()
        _, edited = await self.model.run(request, self._render, requests.RenderRequest, body, photos)
        answer = exchange.png(edited.pixels)
        answer.headers["x-milliseconds"] = f"{(time.perf_counter() - began) * 1000:.1f}"
        return answer

    @_sending
    async def save(self, request: Request, session: Session) -> Response:
        body, photos = await self._edit_and_photos(request, session)
        edit, edited = await self.model.run(request, self._render, requests.SaveRequest, body, photos)
        photo = photos[ORIGINAL].photo
        data, notes = await self.files.run(request, exporting.to_file, photo, edited, edit, self.limits.pixels)
        return exchange.download(data, f"edit.{edit.format}", exporting.MEDIA_TYPES[edit.format], notes)

    @_sending
    async def save_project(self, request: Request, session: Session) -> Response:
        body, photos = await self._edit_and_photos(request, session)
        data = await self.files.run(request, self._project, body, photos)
        return exchange.download(data, "project.safetensors", "application/octet-stream")

    @_sending
    async def open_project(self, request: Request, session: Session) -> dict:
        turn = session.begin()
        data = await exchange.read_body(request, self.most_bytes, self.limits.body_s)
        opened = await self.files.run(request, project.read, data, self.limits.pixels)
        photos = await self.model.run(request, self.studio.open, opened)
        session.change(turn, dict.fromkeys(SLOTS) | photos)
        edit = await self.files.run(request, requests.as_json, opened.edit)
        facts = {slot: self._facts(slot, photo) for slot, photo in photos.items()}
        return {"edit": edit, "page": opened.page, "pictures": facts}

    # ---- in the threads

    def _open(self, data: bytes, frame: Frame | faces.Alignment) -> Photo:
        if frame == "face" and self.finder is None:
            raise InputError("this server has no face detector: start it with --detector, or use the central square")
        side, most = self.studio.model.config.resolution, self.limits.pixels
        return open_photo(data, side, frame, self.finder, max_pixels=most, repair="use its central square")

    def _look(self, data: bytes, picture: bool) -> dict:
        """What is in a photo to choose a square by: its size, its faces, and a small JPEG of it for pages that cannot read it."""
        photo = decoding.decode(data, max_pixels=self.limits.pixels)
        squares = squares_of_faces(photo, 1, self.finder) if self.finder else []
        found = {"width": photo.shape[1], "height": photo.shape[0], "faces": [square.as_crop for square in squares]}
        return found | ({"picture": exchange.preview(photo)} if picture else {})

    def _read(self, kind: type[requests.T], body: bytes, photos: Photos) -> requests.T:
        edit = requests.read(kind, body, self.studio.model.config.resolution, self.studio.directions)
        edit.check(self.studio.model.config)
        if ORIGINAL not in photos:
            raise HTTPException(409, "choose an image to edit first")
        for reference in sorted(edit.references):
            if str(reference) not in photos:
                raise HTTPException(409, f"reference {reference + 1} is empty; choose an image for it")
        return edit

    def _render(self, kind: type[requests.T], body: bytes, photos: Photos) -> tuple[requests.T, Edited]:
        edit = self._read(kind, body, photos)
        return edit, self.studio.render(
            edit, photos, getattr(edit, "paste_back", "none"), getattr(edit, "preview", False)
        )

    def _project(self, body: bytes, photos: Photos) -> bytes:
        edit = self._read(requests.ProjectRequest, body, photos)
        plain = Edit(edit.space, edit.patches, edit.pushes, edit.keep_detail)
        return project.to_bytes(self.studio.project(plain, photos, edit.page))

    # ---- what requests name

    def _photo(self, id: str, slot: str) -> EncodedPhoto:
        _check_slot(slot)
        encoded = self.sessions.get(id).photos.get(slot)
        if encoded is None:
            raise HTTPException(404, "this slot has no image yet")
        return encoded

    def _original(self, session: Session) -> EncodedPhoto:
        if ORIGINAL not in session.photos:
            raise HTTPException(409, "choose an image to edit first")
        return session.photos[ORIGINAL]

    def _errors(self, encoded: EncodedPhoto) -> np.ndarray:
        """uint8 [R, R]: from 128 on the weights draw a place badly. 0 where nothing is known of that."""
        if self.studio.known is None:
            return np.zeros(encoded.reconstruction.shape[:2], np.uint8)
        local = self.studio.known.local(encoded.photo.pixels, encoded.reconstruction)
        return (128 / LOCAL * local).clip(0, 255).astype(np.uint8)

    async def _edit_and_photos(self, request: Request, session: Session) -> tuple[bytes, Photos]:
        """The body of an edit, and the session's photos as they are when it has arrived."""
        body = await exchange.read_body(request, self.limits.edit_bytes, self.limits.body_s, exchange.JSON)
        session.used = self.sessions.clock()
        return body, dict(session.photos)

    def _facts(self, slot: str, encoded: EncodedPhoto) -> dict:
        """What the page shows of a photo, with a remark if the weights cannot draw it."""
        photo, known = encoded.photo, self.studio.known
        width, height = photo.size
        return {
            "slot": slot,
            "width": width,
            "height": height,
            "mse": encoded.mse,
            "psnr": _decibels(encoded.mse),
            "parts": encoded.labels is not None,
            "aligned": photo.aligned,
            "fitted": encoded.fit is not None,
            "crop": photo.alignment.as_crop,
            "faces": photo.faces,
            "word": known and known.word(encoded.mse),
            "remark": None if known is None or known.knows(encoded.mse) else known.remark("this image", encoded.mse),
        }


def _number(name: str, text: str) -> int:
    try:
        return int(text[:20])
    except ValueError:
        refuse(name, "must be a whole number")


def _check_slot(slot: str) -> None:
    if slot not in SLOTS:
        raise HTTPException(404, f"there is no such slot; the slots are {', '.join(SLOTS)}")


def _with_parameters(answer: Callable) -> Callable:
    """An endpoint that takes the parameters of its path as arguments and may answer a dictionary."""

    async def endpoint(request: Request) -> Response:
        result: Any = await answer(request, **request.path_params)
        return JSONResponse(result) if isinstance(result, dict) else result

    return endpoint


def _decibels(mse: float) -> float:
    """PSNR of pixels in [-1, 1]; at most 99, as JSON has no infinity."""
    return min(99.0, 10 * math.log10(4 / mse)) if mse > 0 else 99.0
