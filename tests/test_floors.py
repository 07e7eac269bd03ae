"""The order of floors: who may import whom in `stylemap`, read from the source without running it."""

import ast
import graphlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import stylemap
from stylemap.cli.verbs import VERBS

# The ground floor first. A room, which is a module or a package directly under `stylemap`, imports from lower floors only;
# rooms on one floor do not know each other.
FLOORS = """
    errors randomness
    files
    devices parallel pickles provenance reading resampling resources schema
    config decoding operators published
    fetching naming
    datasets precision
    architectures faces
    photos
    images
    charts clips sheets video
    checkpoint
    editing perceptual segmentation
    exporting familiarity inversion metrics
    project
    editor training
    comparison webapp
    diagnosis
    cli
    __main__
"""

PACKAGE = Path(stylemap.__file__).parent
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.split("\n")) for room in rooms.split()}


@cache
def sources() -> dict[str, Path]:
    """Every module of the package, `op/` among them under the name it is imported by, with its file."""
    modules = {}
    for root, name in ((PACKAGE, "stylemap"), (PACKAGE.parent / "op", "stylemap.operators")):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join((name, *(part for part in parts if part != "__init__")))] = path
    return modules


def imports(module: str, path: Path) -> Iterator[str]:
    """The modules of the package that a file names in its imports: at its top, in functions and under TYPE_CHECKING."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "stylemap")
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            if origin.split(".")[0] == "stylemap":
                for alias in node.names:
                    yield inner if (inner := f"{origin}.{alias.name}") in sources() else origin


def room(module: str) -> str:
    return module.split(".")[1] if module != "stylemap" else ""


@cache
def arrows() -> set[tuple[str, str]]:
    """(importing module, imported module), for every import inside the package but of its version, a constant."""
    found = {(module, target) for module, path in sources().items() for target in imports(module, path)}
    return {(module, target) for module, target in found if module != "stylemap" and target != "stylemap"}


def test_every_room_has_a_floor():
    assert {room(module) for module in sources()} - {""} == set(FLOOR)


def test_the_module_map_names_every_room():
    text = (PACKAGE.parent / "docs/architecture.md").read_text()
    names = set(re.findall(r"(\w+)(?:/|\.py)", text[: text.index("## Floors")]))
    assert set(FLOOR) - names - {"__main__", "operators"} == set()


def test_imports_go_down():
    between = {(module, room(target)) for module, target in arrows() if room(module) != room(target)}
    assert {(module, lower) for module, lower in between if FLOOR[room(module)] <= FLOOR[lower]} == set()


def test_modules_import_in_no_circle():
    graph: dict[str, set[str]] = {}
    for module, target in arrows():
        if module != target:
            graph.setdefault(module, set()).add(target)
    graphlib.TopologicalSorter(graph).prepare()  # raises with the circle it met


def test_what_verbs_share_imports_no_verb():
    modules = {module for module in sources() if room(module) == "cli"}
    verbs = {f"stylemap.cli.{verb.place.partition(':')[0]}" for verb in VERBS.values()}
    shared = modules - verbs - {"stylemap.cli"}
    assert {(module, target) for module, target in arrows() if module in shared and target in verbs} == set()
