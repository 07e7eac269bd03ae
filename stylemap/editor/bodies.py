"""Bodies of requests, never more of them than is allowed."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request

from stylemap.editor.limits import MEGA


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The body of a request, refused as soon as it is too large, announced or not.

    Raises:
        HTTPException: 400, 408, 413.
    """
    too_large = HTTPException(413, f"too large: {most / MEGA:.3g} MB is the most here")
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise HTTPException(400, "the length of the request is no number")
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
