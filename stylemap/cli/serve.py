"""``stylemap serve``: the web editor on this machine."""

import argparse
import errno
import ipaddress
import socket
import sys
import threading
import webbrowser

from stylemap.cli import flags
from stylemap.cli.parsing import Parser
from stylemap.cli.values import whole
from stylemap.errors import InputError

SMALL = 64  # pixels; up to here a thread that waits for another, which the browser holds up, costs more than it gains
BACKLOG = 128  # connections that wait to be taken


def serve(parser: Parser) -> None:
    """Edit photos in the browser. The model runs on this machine."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="Address to listen on. Default: 127.0.0.1, for this machine alone. 0.0.0.0 lets other machines in.",
    )
    parser.add_argument("--port", type=whole(0, 65535), default=8000, metavar="N", help="Port. 0 takes any free port.")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="Another name that the server answers to, such as the name of a proxy. May repeat.",
    )
    parser.add_argument(
        "--root-path",
        default="",
        metavar="PATH",
        help="Path under which a proxy asks, such as /editor, if it passes the path on.",
    )
    parser.add_argument(
        "--frame-in",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="Page that may show the editor in a frame, such as http://localhost:8888 for Jupyter. May repeat.",
    )
    flags.add(parser, "--directions", "--detector")
    parser.add_argument(
        "--sessions",
        type=whole(1, 10_000),
        default=32,
        metavar="N",
        help="Number of people who can edit at the same time.",
    )
    parser.add_argument(
        "--upload-megabytes",
        type=whole(1, 10_000),
        default=20,
        metavar="N",
        help="Largest image file that the page may send, in megabytes.",
    )
    parser.add_argument(
        "--threads",
        type=whole(1, 10_000),
        metavar="N",
        help="Threads of the model. Default: 1 for images up to 64 pixels, else one for each core.",
    )
    parser.add_argument("--open", action="store_true", help="Open the page in the browser.")
    flags.add(parser, "--weights", "--device", "--precision")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    try:
        import uvicorn  # noqa: F401 (named where it is missing)

        from stylemap.editor import app, connections, gallery, limits, studio
        from stylemap.editor.security import Access
    except ImportError as err:
        raise InputError(f"the editor needs {err.name or 'more packages'}: pip install 'stylemap[web]'") from err
    import torch

    from stylemap import familiarity, segmentation
    from stylemap.cli import direction_files, framing, loading

    access = Access((arguments.host, *arguments.allow_host), tuple(arguments.frame_in), arguments.root_path)
    model = loading.load_model(arguments)
    path = arguments.directions or direction_files.shipped(arguments.weights)
    directions = direction_files.load(path, model) if path else {}
    if arguments.threads or model.config.resolution <= SMALL:
        torch.set_num_threads(arguments.threads or 1)
    bounds = limits.Limits(sessions=arguments.sessions, upload_bytes=arguments.upload_megabytes * limits.MEGA)
    name, known = familiarity.name_of(arguments.weights), familiarity.measure(arguments.weights, model)
    load = None if model.passes == torch.float32 else lambda: loading.load_exact(arguments)
    application = app.create(
        studio.Studio(model, name, directions, known, load=load, segmenter=segmentation.find(arguments.weights, model)),
        bounds,
        framing.find_finder(arguments.detector),
        access,
        gallery.open_gallery(arguments.weights, model),
    )
    with listen(arguments.host, arguments.port) as listening:
        url = address(arguments.host, listening.getsockname()[1])
        if not is_loopback(arguments.host):
            print(
                "warning: everybody who reaches this address may use the editor; it has no passwords", file=sys.stderr
            )
        print(f"The editor is at {url} (Ctrl-C ends it)", flush=True)
        if arguments.open:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        connections.Server(connections.configured(application, bounds)).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections.

    Raises:
        InputError: the address is none of this machine's, or the port is in use.
    """
    if not host:
        raise InputError("--host names no address; leave it out for this machine alone, or give 0.0.0.0 for all")
    elsewhere = f"--host {host} is not an address of this machine; leave it out, or give 0.0.0.0 for all of them"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as err:
        raise InputError(f"{elsewhere} ({err.strerror or err})") from err
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(BACKLOG)
    except OSError as err:
        listening.close()
        if err.errno == errno.EADDRNOTAVAIL:
            raise InputError(elsewhere) from err
        reason = err.strerror or str(err)
        raise InputError(f"cannot listen on {host} port {port}: {reason}; choose another --port, or 0") from err
    return listening


def address(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{reachable}:{port}/"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
