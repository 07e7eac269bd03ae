"""Numbers and pages."""

import pytest

from stylemap.comparison import page
from stylemap.comparison.results import markdown, number, standard_error
from stylemap.errors import InputError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.0123456, "0.0123"),
        (0.0000012345, "0.00000123"),
        (1234567.0, "1,230,000"),
        (12.0, "12"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_standard_error():
    """Of 1, 2, 3: deviation 1, over the root of 3."""
    assert standard_error([1.0, 2.0, 3.0]) == pytest.approx(3**-0.5)
    assert standard_error([1.0]) is None


def test_markdown():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"


PAGE = "# Words\n\n{}\nold\n{}\n\nmore words\n"


@pytest.mark.parametrize("docs", [["--docs", "page.md"], ["--docs=page.md"]], ids=str)
def test_a_command_can_be_typed_again_and_has_no_page(docs):
    found = page.command("stylemap benchmark", ["--out", "two words", *docs, "--count", "2"])
    assert found == "`stylemap benchmark --out 'two words' --count 2`"


def test_a_page_keeps_everything_else(tmp_path):
    path, picture = tmp_path / "page.md", tmp_path / "plot.png"
    picture.write_bytes(b"pixels")
    path.write_text(PAGE.format(*page.markers("one")) + PAGE.format(*page.markers("two")))
    for _ in range(2):
        page.embed(path, "one", "| table |\n", {picture: "a plot"})
    text = path.read_text()
    assert text.count("| table |") == 1 and text.count("old") == 1 and text.count("# Words") == 2
    assert "![a plot](images/page_one_plot.png)" in text
    assert (tmp_path / "images" / "page_one_plot.png").read_bytes() == b"pixels"
    assert text.endswith(PAGE.format(*page.markers("two")))


@pytest.mark.parametrize("text", [None, "no markers", "{1}\n{0}"])
def test_a_page_without_a_place(tmp_path, text):
    path = tmp_path / "page.md"
    if text is not None:
        path.write_text(text.format(*page.markers("one")))
    with pytest.raises(InputError, match="page.md"):
        page.validate(path, "one")
