"""Bodies of requests within their limits, and answers: files, pictures, and one line for each error."""

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from stylemap.editor.limits import MEGA

JSON = "application/json"
PREVIEW = 1600  # pixels


async def read_body(
    request: Request, most: int, seconds: float, kind: Literal["file", "application/json"] = "file"
) -> bytes:
    """The body of a request: the bytes of a file, or JSON, which is parsed later. It is refused as soon as it is too large,
    announced or not.

    Raises:
        HTTPException: 400, 408, 413, 415.
    """
    given = media_type(request)
    if kind == JSON and given != JSON:
        raise HTTPException(415, "this address takes application/json")
    if kind != JSON and (given == JSON or given.startswith("multipart/")):
        raise HTTPException(415, "this address takes the bytes of a file as they are")
    too_large = HTTPException(413, f"too large: this address takes at most {most / MEGA:.3g} MB")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise HTTPException(400, "the length of the request is not a number")
    if int(announced) > most:
        raise too_large

    async def collect() -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
        return bytes(body)

    try:
        return await asyncio.wait_for(collect(), seconds)
    except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
        raise HTTPException(408, f"the upload did not arrive within {seconds:g} s; try again") from None


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def to_png(pixels: np.ndarray) -> bytes:
    """uint8 [H, W, 3] RGB or [H, W] grey, quickly rather than small."""
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", stored, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def preview(photo: np.ndarray) -> str:
    """uint8 [H, W, 3] RGB -> a JPEG of at most ``PREVIEW`` pixels a side, as an address."""
    small, scale = cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), PREVIEW / max(photo.shape)
    if scale < 1:
        size = [max(1, round(length * scale)) for length in photo.shape[1::-1]]
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return "data:image/jpeg;base64," + base64.b64encode(cv2.imencode(".jpg", small)[1]).decode()


def png(pixels: np.ndarray) -> Response:
    """uint8 [H, W, 3] RGB or [H, W] grey."""
    return Response(to_png(pixels), media_type="image/png")


def download(data: bytes, name: str, kind: str, notes: Sequence[str] = ()) -> Response:
    """A file to save; ``notes`` are lines for the user, as JSON in a header, since the body is the file."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if notes:
        headers["x-notes"] = json.dumps(notes)
    return Response(data, media_type=kind, headers=headers)


def error(status: int, message: str) -> JSONResponse:
    """One line for the user."""
    return JSONResponse({"error": " ".join(message.split())[:500]}, status)
