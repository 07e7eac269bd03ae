"""JPEG (ITU-T T.81, annex B): Pillow gets only the segments that the pixels need.

Libraries read all that a file holds: texts, previews, hundreds of thousands of empty segments.
"""

import io
import re

from PIL.JpegImagePlugin import JpegImageFile

EXIF_MARK = b"Exif\0\0"
SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
ALONE = frozenset({0x00, 0x01, *range(0xD0, SOI + 1)})  # markers without a segment
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # what ends the coded pixels of a scan: no stuffed zero, no restart
METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})


def open_picture(data: bytes, header: bool = False) -> JpegImageFile | None:
    """Open a JPEG; None if the data end before the pixels. Its ``info`` has ``exif`` and the number of ``scans``.

    Args:
        header: do not count the scans; the data may be only the begin of a file.
    """
    head, start, exif = _head(data)
    if start is None:
        return None
    picture = JpegImageFile(io.BytesIO(head + data[start:]))
    several = picture.info.get("progressive") or data[start + 4] < picture.layers
    picture.info.update(exif=exif, scans=_scans(data, start) if several and not header else 1)
    return picture


def _head(data: bytes) -> tuple[bytes, int | None, bytes | None]:
    """The segments before the pixels -> those that the pixels need, where the first scan begins, and the EXIF.

    The last two are None where there is none.
    """
    kept, at, exif = [data[:2]], 2, None
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        code = data[at + 1]
        if code in (SOS, EOI):
            return b"".join(kept), at if code == SOS else None, exif
        if code == 0xFF or code in ALONE:
            at += 1 if code == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        content = data[at + 4 : at + 18]
        if code == 0xE1 and content.startswith(EXIF_MARK):
            exif = exif or data[at + 4 : end]
        elif code not in METADATA or content.startswith((b"JFIF\0", b"ICC_PROFILE\0", b"Adobe")):
            kept.append(data[at:end])
        at = end
    return b"".join(kept), None, exif


def _scans(data: bytes, at: int) -> int:
    """The number of scans from ``at`` on, where one begins."""
    scans = 0
    while at + 3 < len(data) and data[at + 1] != EOI:
        scans += data[at + 1] == SOS
        at += 2 if data[at + 1] in ALONE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        marker = MARKER.search(data, at)
        at = marker.start() if marker else len(data)
    return scans
