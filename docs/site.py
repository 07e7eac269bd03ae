"""Build the documentation as a site: the pages of the repository, the help of every verb, and the Python reference.

    python -m docs.site --out site      # `make site`; open site/index.html, no server needed

Pages keep their places, so their links stay right. What GitHub shows of itself (a folder, a recipe) becomes a page. Nothing is
fetched, neither to build the site nor to read it.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import stylemap
from stylemap.cli import verbs

ROOT = Path(__file__).parents[1]
PAGES = ("docs/*.md", "pretrained/*.md", "data/**/*.md", "CONTRIBUTING.md", "CHANGELOG.md")
FILES = ("docs/images/*", "examples/*.ipynb", "LICENSE", "CITATION.cff")
TITLES = {"configs/index.md": "Recipes", "docs/verbs.md": "All commands", "docs/api.md": "Python reference"}
NAV: dict[str, tuple[str, ...]] = {
    "Edit": (
        "docs/editing.md", "docs/editor.md", "docs/local_editing.md", "docs/directions.md", "docs/motion.md",
        "docs/export.md", "docs/responsible_use.md",
    ),
    "Train": ("docs/data.md", "docs/training.md", "docs/recipe.md", "configs/index.md"),
    "Compare": (
        "docs/comparison.md", "docs/comparison_32.md", "docs/comparing.md", "docs/inversion.md", "docs/metrics.md",
        "docs/peers.md",
    ),
    "Look up": (
        "docs/verbs.md", "docs/python.md", "docs/api.md", "docs/glossary.md", "docs/benchmarks.md", "docs/performance.md",
        "pretrained/index.md",
    ),
    "Extend": ("CONTRIBUTING.md", "docs/architecture.md", "CHANGELOG.md"),
}  # fmt: skip


def assemble(folder: Path) -> None:
    """The source of the site: a folder like the repository, with the pages that the repository does not hold as files."""
    for pattern in (*PAGES, *FILES):
        for path in ROOT.glob(pattern):
            place = folder / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place.with_name("index.md") if path.name == "README.md" else place)
    (folder / "index.md").write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    for name, text in {
        "docs/verbs.md": commands(),
        "docs/api.md": reference(),
        "configs/index.md": recipes(),
        "pretrained/index.md": cards(),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for page in folder.rglob("*.md"):
        page.write_text(relinked(page.read_text(encoding="utf-8"), page.parent), encoding="utf-8")


def relinked(text: str, folder: Path) -> str:
    """Links to folders and READMEs lead to their pages."""

    def target(found: re.Match) -> str:
        link, anchor = found[1], found[2] or ""
        place = folder / link
        if place.name == "README.md":
            link = str(Path(link).with_name("index.md"))
        elif place.is_dir():
            link = f"{link.rstrip('/')}/index.md"
        return f"]({link}{anchor})"

    return re.sub(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)", target, text)


def commands() -> str:
    """The help of every verb."""
    lines = ["# All commands", "", "`stylemap VERB --help` prints the same."]
    for title, group in verbs.GROUPS.items():
        lines += ["", f"## {title}"]
        for name in group:
            lines += ["", f"### stylemap {name}", "", "```text", verbs.parser(name).format_help().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """The public names, each with its docstring."""
    lines = [
        "# Python reference",
        "",
        "The names of `import stylemap`, sorted. [Python](python.md) shows them at work.",
    ]
    for name in stylemap.__all__:
        lines += ["", f"::: stylemap.{name}"]
    return "\n".join(lines) + "\n"


def recipes() -> str:
    """Every recipe, as it stands."""
    lines = ["# Recipes", "", "`stylemap train --config NAME` takes one, and a flag changes any line of it."]
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        lines += ["", f"## {path.stem}", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```"]
    return "\n".join(lines) + "\n"


def cards() -> str:
    """The shipped weights."""
    names = sorted(path.stem for path in (ROOT / "pretrained").glob("*.md"))
    listed = "\n".join(f"- [{name}]({name}.md)" for name in names)
    return f"# Shipped weights\n\nEach has a card with its data, commands, time, errors and licence.\n\n{listed}\n"


def settings(source: Path) -> str:
    """The configuration of Zensical, as TOML."""

    def entries() -> Iterator[str]:
        yield '{ "Home" = "index.md" }'
        for title, pages in NAV.items():
            inner = ", ".join(f'{{ "{TITLES[page]}" = "{page}" }}' if page in TITLES else f'"{page}"' for page in pages)
            yield f'{{ "{title}" = [{inner}] }}'

    return f"""[project]
site_name = "StyleMapGAN"
site_description = "Edit a part of a face, and leave the rest alone"
docs_dir = {json.dumps(source.name)}
site_dir = "site"
use_directory_urls = false
nav = [{", ".join(entries())}]
[project.theme]
language = "en"
font = false
features = ["content.code.copy", "navigation.footer", "navigation.tabs", "navigation.top", "search.highlight", "toc.follow"]
palette = [
  {{ media = "(prefers-color-scheme: light)", scheme = "default", toggle = {{ icon = "lucide/sun", name = "Dark" }} }},
  {{ media = "(prefers-color-scheme: dark)", scheme = "slate", toggle = {{ icon = "lucide/moon", name = "Light" }} }},
]
[project.markdown_extensions]
attr_list = {{}}
md_in_html = {{}}
tables = {{}}
[project.markdown_extensions.toc]
permalink = true
[project.markdown_extensions.pymdownx.highlight]
[project.markdown_extensions.pymdownx.superfences]
[project.plugins.search]
[project.plugins.mkdocstrings.handlers.python]
paths = [{json.dumps(str(ROOT))}]
[project.plugins.mkdocstrings.handlers.python.options]
docstring_style = "google"
show_source = false
show_root_heading = true
heading_level = 2
inherited_members = true
members_order = "source"
show_signature_annotations = true
separate_signature = true
docstring_section_style = "list"
docstring_options = {{ warn_unknown_params = false, warn_missing_types = false }}
"""


def build(out: Path) -> None:
    """Write the site.

    Raises:
        SystemExit: Zensical is not installed, or warns, for instance of a link that leads nowhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pages"
        assemble(source)
        (Path(folder) / "zensical.toml").write_text(settings(source), encoding="utf-8")
        done = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=folder)
        if done.returncode:
            sys.exit(done.returncode)
        shutil.copytree(Path(folder) / "site", out, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="FOLDER")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
