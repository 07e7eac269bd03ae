"""README and docs agree with the program: links and anchors resolve, commands parse, flags exist."""

import functools
import re
import shlex
import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from stylemap.cli import verbs
from stylemap.datasets import Avatars
from stylemap.errors import InputError
from tests.decoding.files import encoded

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "data/*/*.md", "pretrained/*.md", "examples/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it names flags of its time
)
FOLDERS = ("data", "benchmarks", "stylemap/datasets", "stylemap/cli")
SCRIPTS = [path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py")]
TORCHRUN = {
    "--max-restarts",
    "--nnodes",
    "--nproc-per-node",
    "--rdzv-backend",
    "--rdzv-endpoint",
    "--rdzv-id",
    "--standalone",
}
RUN_ELSEWHERE = ("CONTRIBUTING.md", "export.md")  # by test_contributing.py and exporting/test_onnx_folder.py
WORKED_EXAMPLES = {"--loss.absolute_error"}  # of CONTRIBUTING, which adds it
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """The command lines of `stylemap` in fenced blocks, without comments."""
    blocks = [text for language, text in FENCED.findall(page.read_text(encoding="utf-8")) if language in ("", "bash")]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("stylemap ")]


@functools.cache
def known_flags() -> set[str]:
    """All flags of the verbs and of the scripts beside them."""
    parsers = [verbs.parser(name) for name in verbs.VERBS]
    flags = {flag for parser in parsers for action in parser.arguments for flag in action.option_strings}
    text = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    groups = {flag.partition(".")[0] for flag in flags}  # of settings, such as --loss
    return flags | groups | set(re.findall(r'"(--[a-z][\w-]*)"', text)) | TORCHRUN | WORKED_EXAMPLES


@pages
def test_links_lead_to_files_and_headings(page):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for link in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pages
def test_commands_parse(page):
    for line in commands(page):
        name, words = verbs.find(shlex.split(line, comments=True)[1:])
        if words in (["--help"], ["--help-all"]):
            continue
        try:
            verbs.parser(name).parse_args(words)
        except InputError as err:
            pytest.fail(f"{line}: {err}")


@pages
def test_flags_exist(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", page.read_text(encoding="utf-8")))
    assert named - known_flags() == set()


def has_python(page: Path) -> bool:
    return any(language == "python" for language, _ in FENCED.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "page",
    [str(page.relative_to(ROOT)) for page in PAGES if has_python(page) and page.name not in RUN_ELSEWHERE],
)
def test_python_runs(page, tmp_path, monkeypatch):
    """The blocks of a page run one after the other, on drawn faces under the names that the pages use."""
    faces = Avatars(64, split="heldout")
    for index, name in enumerate(("me", "you", "ada", "bob", "photo")):
        for ending in ("png", "jpg"):
            Image.fromarray(faces[index]).save(tmp_path / f"{name}.{ending}")
    for name, box in (("mouth", (24, 40, 40, 52)), ("eyes", (18, 26, 46, 36))):
        mask = Image.new("L", (64, 64))
        mask.paste(255, box)
        mask.save(tmp_path / f"{name}.png")
    with zipfile.ZipFile(tmp_path / "celebahq256-labels.zip", "w") as archive:
        archive.writestr("train/00007.png", encoded(faces.parts(0)))
    (tmp_path / "pretrained").symlink_to(ROOT / "pretrained")
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    names = {
        "stylemaps": torch.randn(20, 64, 8, 8, generator=generator),
        "labels": torch.arange(20) < 10,
    }  # the reader's
    blocks = [
        code for language, code in FENCED.findall((ROOT / page).read_text(encoding="utf-8")) if language == "python"
    ]
    assert blocks
    for code in blocks:
        exec(compile(code, page, "exec"), names)
