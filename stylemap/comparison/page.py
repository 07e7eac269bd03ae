"""Results inside a document: they replace the text between two markers, and their images are copied beside the document."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from stylemap import files
from stylemap.errors import InputError

PICTURES = "images"  # folder beside the page


def markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin, written by stylemap benchmark -->", f"<!-- {name}: end -->"


def command(name: str, argv: Sequence[str]) -> str:
    """The command that gives the same results, as code in Markdown, without --docs."""
    kept = [word for k, word in enumerate(argv) if "--docs" not in (word.partition("=")[0], argv[k - 1] if k else "")]
    return f"`{name} {shlex.join(kept)}`"


def validate(page: Path, name: str) -> None:
    """InputError if the page has no place for these results."""
    _parts(page, name)


def embed(page: Path, name: str, text: str, pictures: dict[Path, str]) -> None:
    """Put text and images between the markers of ``name``.

    Args:
        images: file -> its description; in the page's folder of images it becomes <page>_<name>_<file>.

    Raises:
        InputError: no page, or no markers in it.
    """
    before, after = _parts(page, name)
    begin, end = markers(name)
    pictures_of_page = []
    for path, description in pictures.items():
        file = f"{page.stem}_{name}_{path.name}"
        files.write_bytes(page.parent / PICTURES / file, path.read_bytes())
        pictures_of_page.append(f"![{description}]({PICTURES}/{file})\n")
    files.write_text(page, before + "\n".join([begin, "", text, *pictures_of_page, end]) + after)


def _parts(page: Path, name: str) -> tuple[str, str]:
    """The text before and after the markers."""
    begin, end = markers(name)
    try:
        text = page.read_text()
    except (OSError, UnicodeDecodeError) as err:
        raise InputError(f"--docs {page} cannot be read ({err}); give a Markdown file") from err
    before, opening, rest = text.partition(begin)
    _, closing, after = rest.partition(end)
    if not (opening and closing):
        raise InputError(f"--docs {page} has no place for the results: put the lines {begin} and {end} into it")
    return before, after
