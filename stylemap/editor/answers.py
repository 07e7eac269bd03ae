"""Answers of the server, and what requests say about themselves."""

import json
from collections.abc import Sequence

import numpy as np
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from stylemap.editor import pictures
from stylemap.editor.sessions import Picture
from stylemap.familiarity import Familiarity


def describe(slot: str, picture: Picture, known: Familiarity | None) -> dict:
    """What the page is told about a picture, also where it is none that the weights can draw."""
    photo = picture.photo
    width, height = photo.size
    return {
        "slot": slot,
        "width": width,
        "height": height,
        "mse": picture.mse,
        "psnr": pictures.decibels(picture.mse),
        "parts": photo.labels is not None,
        "aligned": photo.aligned,
        "remark": known and known.remark("this picture", picture.mse),
    }


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    return media_type(request) == "application/json"


def png(pixels: np.ndarray) -> Response:
    """uint8 [H, W, 3] or [H, W]."""
    return Response(pictures.png(pixels), media_type="image/png")


def download(data: bytes, name: str, kind: str, notes: Sequence[str] = ()) -> Response:
    """A file to save; ``notes`` are lines for the user, as JSON in a header, since the body is the file."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    if notes:
        headers["x-notes"] = json.dumps(notes)
    return Response(data, media_type=kind, headers=headers)


def error(status: int, message: str) -> JSONResponse:
    """One line for the user."""
    return JSONResponse({"error": " ".join(message.split())[:500]}, status)
