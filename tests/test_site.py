"""The documentation as a site: complete, without dead links, and readable without a network."""

import re
from pathlib import Path

import pytest

import stylemap
from docs import site
from stylemap.cli.verbs import VERBS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    site.assemble(folder)
    return folder


def test_every_page_is_in_the_navigation(source):
    listed = {page for pages in site.NAV.values() for page in pages}
    assert listed <= {str(path.relative_to(source)) for path in source.rglob("*.md")}
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")}
    assert pages <= listed


def test_links_lead_to_pages_of_the_site(source):
    for page in source.rglob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", text):
            assert (page.parent / link).is_file(), f"{page.relative_to(source)}: {link}"


def test_all_verbs_and_public_names_are_there(source):
    verbs = (source / "docs/verbs.md").read_text(encoding="utf-8")
    assert all(f"### stylemap {name}\n" in verbs for name in VERBS)
    names = (source / "docs/api.md").read_text(encoding="utf-8")
    assert all(f"::: stylemap.{name}" in names for name in stylemap.__all__)


def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("zensical", reason="the site needs pip install 'stylemap[docs]'")
    site.build(tmp_path / "site")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|img|iframe)[^>]* src="?(?:https?:)?//[^">]*', text), page
        assert not re.findall(r'<link[^>]* rel="?stylesheet[^>]*href="?(?:https?:)?//[^">]*', text), page
    reference = (tmp_path / "site/docs/api.html").read_text(encoding="utf-8")
    assert all(f'id="stylemap.{name}"' in reference for name in stylemap.__all__)


def test_the_citation_has_the_version():
    assert f"\nversion: {stylemap.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
