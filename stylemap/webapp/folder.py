"""The folder that `stylemap export web` writes: the editor as a site of plain files, which any host of files can serve.

The page is that of the server. In place of its transport.js comes another, which asks a worker: that runs the exported graphs in
onnxruntime-web and does in JavaScript what the server does around them. So photos stay in the browser.
"""

import base64
import gzip
import hashlib
import json
import math
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stylemap import faces, familiarity, files, images
from stylemap.editing import pasting
from stylemap.editor import info
from stylemap.editor.app import STATIC
from stylemap.editor.exchange import to_png
from stylemap.editor.gallery import Gallery
from stylemap.editor.limits import MEGA, Limits
from stylemap.editor.studio import Studio
from stylemap.errors import InputError
from stylemap.exporting import onnx_folder, parity
from stylemap.familiarity import Familiarity
from stylemap.published import ONNXRUNTIME_WEB

SCRIPTS = Path(__file__).parent / "scripts"
GRAPHS = ("encoder", "resizer", "render", "parts")
PAGE, TRANSPORT, OPENED, SERVICE_WORKER = "index.html", "transport.js", "opened.js", "sw.js"
RUNTIME = {  # a build of onnxruntime-web: the files of its archive
    "wasm": {"module": "ort.wasm.min.mjs", "loader": "ort-wasm-simd-threaded.mjs"},
    "jspi": {"module": "ort.jspi.min.mjs", "loader": "ort-wasm-simd-threaded.jspi.mjs"},
}
DIRECTIONS = "model/directions.safetensors"
PACKED = "package/dist/"  # in the archive
LIMITS = Limits(upload_bytes=200 * MEGA)  # nothing is sent, so only memory bounds a photo
CONSTANTS = ("SURE", "COARSEST", "VISIBLE", "NEAR", "REACH", "FLAT", "ENOUGH", "FINE_STEPS", "COARSE_STEPS")
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
LICENCES = """The editor: stylemap, Apache-2.0.
local/runtime: ONNX Runtime Web, Copyright (c) Microsoft Corporation, MIT License:

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def export(
    weights: str | Path,
    studio: Studio,
    gallery: Gallery,
    out: str | Path,
    directions: Path | None = None,
    precision: str = "float16",
    archive: Path | None = None,
    tell: Callable[[str, int, float | None], None] = lambda name, size, difference: None,
) -> int:
    """Write the site into a folder.

    Args:
        weights: those of the studio.
        studio: of a float32 model.
        gallery: the pictures that the page offers.
        directions: the file of the studio's directions; None: there are none.
        precision: of the weights in the files, as of `onnx_folder.export`.
        archive: of onnxruntime-web, from its registry; None: where ``stylemap weights pull`` puts it.
        tell: as of `onnx_folder.export`.

    Returns:
        The bytes of all files.

    Raises:
        InputError: the archive is missing or another file, or as `onnx_folder.export`.
    """
    site = Site(Path(out))
    runtime = _runtime(ONNXRUNTIME_WEB.path(archive))  # fails before minutes of work
    names = [name for name in GRAPHS if name != "parts" or studio.segmenter is not None]
    manifest = onnx_folder.export(weights, site.folder / "model", precision, names, tell=tell)
    for path in STATIC.iterdir():
        if path.name not in (PAGE, TRANSPORT):
            site.add(f"static/{path.name}", path.read_bytes(), first=True)
    for path in SCRIPTS.glob("*.js"):
        if path.name != SERVICE_WORKER:
            folder = "static" if path.name in (TRANSPORT, OPENED) else "local"
            site.add(f"{folder}/{path.name}", path.read_bytes(), first=True)
    page = (STATIC / PAGE).read_text(encoding="utf-8")
    head = f'<script src="static/{OPENED}"></script>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    site.add(PAGE, page.replace("</head>", head + "</head>").encode(), first=True)
    for name, data in runtime.items():
        site.add(f"local/runtime/{name}", data)
    labelled = [_add_picture(site, gallery, index) for index in range(len(gallery))]
    written = [onnx_folder.MANIFEST, *(graph["file"] for graph in manifest["graphs"].values()), manifest["card"]]
    for name in filter(None, written):
        site.note(f"model/{name}", (site.folder / "model" / name).read_bytes())
    if directions is not None:
        site.add(DIRECTIONS, directions.read_bytes())
    error = _error(gallery, site.folder / "model")
    about = _about(studio, gallery, names, all(labelled), directions is not None, error, site.sizes)
    site.add("site.json", json.dumps(about, allow_nan=False).encode(), first=True)
    licence = f"The weights {manifest['weights']}: {manifest['licence'] or 'no licence is stated'}.\n"
    site.add("licences.txt", (LICENCES + licence).encode())
    return site.finish()


class Site:
    """Files that are written into a folder and listed for the service worker."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.sizes: dict[str, int] = {}
        self.hashes: dict[str, str] = {}
        self.first: list[str] = []  # what the page needs before all else

    def add(self, name: str, data: bytes, first: bool = False) -> None:
        files.write_bytes(self.folder / name, data)
        self.note(name, data)
        if first:
            self.first.append(name)

    def note(self, name: str, data: bytes) -> None:
        """List a file that is there already."""
        self.sizes[name] = len(data)
        self.hashes[name] = f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}"

    def finish(self) -> int:
        """Write the service worker, which has the list; the bytes of all. The hashes keep files of two versions apart."""
        script = (SCRIPTS / SERVICE_WORKER).read_text(encoding="utf-8")
        version = hashlib.sha256((json.dumps(self.hashes) + script).encode()).hexdigest()[:16]
        listed = {"version": version, "files": self.hashes, "first": self.first, "policy": POLICY}
        files.write_text(self.folder / SERVICE_WORKER, f"const SITE = {json.dumps(listed)};\n\n{script}")
        return sum(self.sizes.values()) + (self.folder / SERVICE_WORKER).stat().st_size


def _runtime(archive: Path) -> dict[str, bytes]:
    """The files of onnxruntime-web that a site needs, by their names there; those of WebAssembly are packed."""
    if not archive.is_file():
        raise InputError(f"there is no {archive}; {ONNXRUNTIME_WEB.command} gets it")
    if what := ONNXRUNTIME_WEB.fault(archive):
        raise InputError(f"{archive} is {what}; {ONNXRUNTIME_WEB.command} gets it again")
    found = {}
    with tarfile.open(archive) as packed:
        for build in RUNTIME.values():
            for name in (*build.values(), _binary(build["loader"])):
                member = packed.extractfile(PACKED + name)
                assert member is not None  # the hash was right
                data = member.read()
                found[_served(name)] = gzip.compress(data, mtime=0) if name.endswith(".wasm") else data
    return found


def _binary(loader: str) -> str:
    return loader.replace(".mjs", ".wasm")


def _served(name: str) -> str:
    """Not all hosts know .mjs for a script, and some change what they serve as .gz."""
    return name.replace(".wasm", ".packed") if name.endswith(".wasm") else name.replace(".mjs", ".js")


def _add_picture(site: Site, gallery: Gallery, index: int) -> bool:
    """A picture of the gallery, at its full size; whether its parts are known."""
    photo = gallery.photo(index)
    site.add(f"api/gallery/{index}.png", to_png(photo.pixels))
    if photo.labels is not None:
        site.add(f"api/gallery/{index}.parts.png", to_png(photo.labels))
    return photo.labels is not None


def _error(gallery: Gallery, graphs: Path) -> float:
    """The mean squared error with which the written graphs draw the first picture. A browser must come to the same."""
    picture = images.from_arrays([gallery.photo(0).pixels])
    found = [picture]
    for name in ("encoder", "resizer", "render"):
        found = parity.Runner(str(graphs / f"{name}.onnx"), 1)(*found)
    return float((found[0].clamp(-1, 1) - picture).square().mean())


def _about(
    studio: Studio,
    gallery: Gallery,
    graphs: list[str],
    labelled: bool,
    directions: bool,
    error: float,
    sizes: dict[str, int],
) -> dict[str, Any]:
    """What the worker must know."""
    known = studio.known
    builds = {
        build: {kind: _served(name) for kind, name in (*names.items(), ("binary", _binary(names["loader"])))}
        for build, names in RUNTIME.items()
    }
    constants = {name: getattr(pasting, name) for name in CONSTANTS}
    return {
        "info": info.about(studio, gallery, LIMITS, detector=False, fits=False, depth=False),
        "weights": studio.weights,
        "fingerprint": studio.fingerprint,
        "config": asdict(studio.model.config),
        "channels": studio.model.config.stylemap_shape[0],
        "graphs": graphs,
        "runtime": builds,
        "bytes": sum(size for name, size in sizes.items() if name.endswith((".onnx", builds["wasm"]["binary"]))),
        "directions": directions,
        "labelled": labelled,
        "error": error,
        "known": known and _known(known),
        "pasting": constants | {"FEATHER": faces.pasting.FEATHER, "INVISIBLE": faces.pasting.INVISIBLE},
    }


def _known(known: Familiarity) -> dict[str, Any]:
    """What `familiarity` tells by an image's error, as numbers and words."""
    limit = familiarity.WELL * known.usual if known.draws_something else math.inf
    return {
        "weights": known.weights,
        "usual": known.usual,
        "of": known.of,
        "limits": known.limits,
        "words": [*familiarity.WORDS[:2], familiarity.WORDS[2 if known.draws_something else 3]],
        "well": familiarity.WELL if known.draws_something else None,
        "draws_little": known.remark("this image", limit),
        "badly": familiarity.LOCAL * known.of_a_place,
        "around": familiarity.AROUND,
    }
