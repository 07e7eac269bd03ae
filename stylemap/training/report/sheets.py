"""The image sheets of a run: the newest in full, earlier ones small, for the slider."""

import base64
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stylemap import decoding
from stylemap.errors import InputError

FRAMES = 24  # image sheets, at most
FRAME_WIDTH, FRAME_QUALITY = 512, 75  # pixels of a sheet in the slider; JPEG
NEWEST_WIDTH, NEWEST_QUALITY = 1040, 88
SHEET_COLUMNS = ("held-out", "reconstruction", "combination", "sample")  # of `heldout.picture_grid`
SHEET_PAD = 2


@dataclass(frozen=True)
class Sheets:
    """The newest sheet, large, and earlier ones, small; each in two parts, to be put below or beside each other."""

    newest: dict | None  # images, parts: list of {source, width, height}, titled
    frames: list[dict]  # images, file (what it was made from), sources: a list of data URLs

    @classmethod
    def collect(cls, run: Path, last_report: Path) -> "Sheets":
        """A sheet that cannot be read is passed over; what ``last_report`` holds is not made again."""
        paths = sorted(p for p in (run / "grids").glob("*.png") if re.fullmatch(r"[0-9]{1,18}", p.stem))
        newest = None
        while paths and newest is None:
            path = paths.pop()
            parts = _parts(path)
            if parts:
                encoded = [_jpeg(part, NEWEST_WIDTH, NEWEST_QUALITY) for part in parts]
                titled = _rows(parts[0].width, sum(p.height for p in parts) - SHEET_PAD * (len(parts) - 1)) is not None
                newest = {"images": int(path.stem), "parts": encoded, "titled": titled}
        known = _known_frames(last_report)
        frames = [_frame(path, known) for path in thinned(paths, FRAMES - 1)]
        return cls(newest, [frame for frame in frames if frame])


def thinned(items: list, most: int) -> list:
    """At most ``most`` of them: every 2^k-th, from the first on.

    As a run grows, what was left out once stays out: the next report finds all but the newest sheets in this one.
    """
    step = 1
    while len(items) > most * step:
        step *= 2
    return items[::step]


def _known_frames(report: Path) -> dict[str, dict]:
    """The frames of the last report, by the file that they were made from."""
    try:
        block = re.search(r'<script type="application/json" id="frames">(.*?)</script>', report.read_text("utf-8"))
        frames = json.loads(block[1])
        return {frame["file"]: frame for frame in frames if all(s.startswith("data:image/") for s in frame["sources"])}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # none, or of another version
        return {}


def _frame(path: Path, known: dict[str, dict]) -> dict | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    file = f"{path.name} {stat.st_size} {stat.st_mtime_ns} {FRAME_WIDTH} {FRAME_QUALITY}"
    if file in known:
        return known[file]
    sources = [_jpeg(part, FRAME_WIDTH, FRAME_QUALITY)["source"] for part in _parts(path)]
    return {"images": int(path.stem), "file": file, "sources": sources} if sources else None


def _parts(path: Path) -> list[Image.Image]:
    """The upper and the lower rows of a sheet; one part if it is low or laid out in an unknown way, none if damaged."""
    try:
        sheet = Image.fromarray(decoding.decode(path))
    except InputError:
        return []
    rows = _rows(sheet.width, sheet.height)
    if rows is None or rows < 4 or rows % 2:
        return [sheet]
    middle = (sheet.height - SHEET_PAD) // 2  # the line between the rows goes to both
    return [
        sheet.crop((0, 0, sheet.width, middle + SHEET_PAD)),
        sheet.crop((0, middle, sheet.width, sheet.height)),
    ]


def _rows(width: int, height: int) -> int | None:
    """Of a sheet of square tiles in the known columns; None for another sheet."""
    pitch, rest = divmod(width - SHEET_PAD, len(SHEET_COLUMNS))
    if rest or pitch <= SHEET_PAD or (height - SHEET_PAD) % pitch:
        return None
    return (height - SHEET_PAD) // pitch


def _jpeg(picture: Image.Image, width: int, quality: int) -> dict:
    """As a data URL, at most ``width`` wide. WebP is half the size, but takes ten times as long."""
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    source = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"source": source, "width": picture.width, "height": picture.height}


def pictures(sheets: Sheets) -> str:
    """The newest sheet; the script on the page lets the slider show the others in its place."""
    if sheets.newest is None:
        return "<section><h2>Images</h2><p class='quiet'>There is no image sheet yet.</p></section>"
    heads = "".join(f"<span>{column}</span>" for column in SHEET_COLUMNS)
    heads = f"<div class='heads'>{heads}</div>" if sheets.newest["titled"] else ""
    parts = "".join(
        f"<div>{heads}<img src='{part['source']}' width='{part['width']}' height='{part['height']}' alt='image sheet'></div>"
        for part in sheets.newest["parts"]
    )
    words = (
        "<b>Held-out</b>: an image kept from training. <b>Reconstruction</b>: what encoder and generator make of it. "
        "<b>Combination</b>: its upper half with the lower half of the next row’s image; with a vector latent, its "
        "coarser layers with the finer ones of that image. <b>Sample</b>: an image of a random z."
    )
    return (
        f"<section id='pictures'><h2>Images <span id='when'>after {sheets.newest['images']:,} images</span></h2>"
        f"<div class='sheet' data-images='{sheets.newest['images']}'>{parts}</div>"
        "<div class='slider' hidden><button type='button' aria-label='play from the start'>▶</button>"
        "<input type='range' min='0' step='1' aria-label='image sheets over time'></div>"
        + (f"<p class='quiet'>{words}</p>" if heads else "")
        + "</section>"
    )
