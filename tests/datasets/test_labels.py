"""Labels: every layout reads alike, mistakes name file, line and column, questions divide pictures as they say."""

import numpy as np
import pytest

from stylemap import InputError, naming
from stylemap.datasets import labels
from stylemap.datasets.labels import Question

TABLE = {"a.png": {"smile": 1.0, "age": 30.5}, "b.png": {"smile": 0.0, "age": None}}
CSV = "file,smile,age\na.png,{},30.5\nb.png,{},\n"


def written(path, text: str):
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        CSV.format("1", "0"),
        CSV.format("true", "FALSE"),
        CSV.format("Yes", "no"),
        CSV.format(" 1.0 ", "0e3"),
        "\ufeff" + CSV.format("1", "0"),
        CSV.format("1", "0").replace("\n", "\r\n"),
        CSV.format("1", "0").replace(",", ";"),
        CSV.format("1", "0").replace(",", "\t"),
        CSV.format('"1"', "0") + "\n\n",
        CSV.format("1", "0").replace("b.png,0,", "b.png,0,NA"),
        "2\nsmile age\na.png  1 30.5\nb.png 0 nan\n",
    ],
)
def test_layouts(tmp_path, text):
    assert labels.read(written(tmp_path / "l.csv", text)) == TABLE


def test_celeba_s_layout(tmp_path):
    text = "2\n5_o_Clock_Shadow Smiling \n000001.jpg -1  1\n000002.jpg  1 -1\n"
    assert labels.read(written(tmp_path / "list_attr_celeba.txt", text)) == {
        "000001.jpg": {"5_o_Clock_Shadow": -1.0, "Smiling": 1.0},
        "000002.jpg": {"5_o_Clock_Shadow": 1.0, "Smiling": -1.0},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\na,b\n", "begins with an empty line"),
        ("file,smile\n", "holds no labels"),
        ("file\na.png\n", "holds no labels"),
        ("file,smile,smile\na.png,1,1\n", "line 1: the columns need names that differ"),
        ("file,smile,\na.png,1,1\n", "line 1: the columns need names that differ"),
        ("file,smile\na.png,1\nb.png,maybe\n", "line 3, column smile: 'maybe' is neither"),
        ("file,smile\na.png,inf\n", "line 2, column smile: 'inf' is neither"),
        ("file,smile\na.png,1,0\n", "line 2: 3 columns, not the header's 2"),
        ("file,smile\n\na.png\n", "line 3: 1 columns, not the header's 2"),
        ("file,smile\na.png,1\na.png,0\n", "line 3: a.png is there twice"),
        ("1\nsmile\na.png 1 1\n", "line 3: 3 columns, not the header's 2"),
        ("1\nsmile\na.png x\n", "line 3, column smile: 'x'"),
    ],
)
def test_mistakes(tmp_path, text, reason):
    path = written(tmp_path / "l.csv", text)
    with pytest.raises(InputError) as caught:
        labels.read(path)
    assert reason in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        labels.read(tmp_path / "l.csv")
    (tmp_path / "l.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        labels.read(tmp_path / "l.csv")


def test_pictures_are_matched_by_path_then_name_then_stem():
    table = {"x/a.png": {"s": 1}, "b.png": {"s": 2}, "c": {"s": 3}, "x/d": {"s": 4}}
    names = ["x/a.png", "x/b.png", "y/c.webp", "x/d.jpg", "e.png"]
    with pytest.warns(UserWarning, match=r"l.csv has no row for 1 of 5 pictures, such as e.png; they are left out"):
        assert [row.get("s") for row in labels.match("l.csv", table, names)] == [1, 2, 3, 4, None]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("zoe\u0301.png", "zo\u00e9.png"),  # decomposed, as Macs write it
        ("x\\a.png", "x/a.png"),
        (".\\x\\a.png", "x/a.png"),
        ("IMG_1.JPG", "img_1.jpg"),
        ("000001.jpg", "000001.png"),
        ("b.jpg", "x/B.PNG"),
        ("zo\u00e9.jpeg", "x/ZOE\u0301.webp"),
    ],
)
def test_names_that_changed_on_the_way(tmp_path, given, name):
    table = labels.read(written(tmp_path / "l.csv", f"file,smile\n{given},1\n"))
    assert labels.match("l.csv", table, [naming.canonical(name)]) == [{"smile": 1.0}]


def test_a_row_is_of_the_picture_that_it_names_exactly():
    with pytest.warns(UserWarning, match=r"no row for 2 of 4 pictures, such as A\.png"):
        found = labels.match("l.csv", {"a.png": {"s": 1}, "b": {"s": 2}}, ["a.png", "A.png", "a.jpg", "B.png"])
    assert found == [{"s": 1}, {}, {}, {"s": 2}]


def test_rows_that_fit_equally_well():
    with pytest.raises(InputError, match=r"l.csv: a.jpg and a.png both fit a.webp; name it exactly"):
        labels.match("l.csv", {"a.jpg": {"s": 1}, "a.png": {"s": 2}}, ["a.webp"])


def test_two_pictures_of_one_row():
    with pytest.raises(InputError, match=r"l.csv: a.png fits x/a.png and y/a.png"):
        labels.match("l.csv", {"a.png": {"s": 1}}, ["x/a.png", "y/a.png"])


def test_no_picture_of_the_table():
    with pytest.raises(InputError, match=r"l.csv names none of the pictures, neither b.png"):
        labels.match("l.csv", {"a.png": {"s": 1}}, ["b.png"])


ROWS = [
    {"binary": -1.0, "number": 1.0, "word": "black", "flag": False},
    {"binary": 1.0, "number": 2.0, "word": "none", "flag": True},
    {"binary": None, "number": 5.0, "word": "black", "flag": False},
    {"binary": -1.0, "number": 9.0, "word": "red", "flag": False},
]


@pytest.mark.parametrize(
    ("text", "name", "positive", "known"),
    [
        ("binary", "binary", [0, 1, 0, 0], [1, 1, 0, 1]),
        ("number", "number", [0, 0, 1, 1], [1, 1, 1, 1]),  # median 3.5
        ("number>5", "number>5", [0, 0, 0, 1], [1, 1, 1, 1]),
        ("old:number>1.5", "old", [0, 1, 1, 1], [1, 1, 1, 1]),
        ("number=2", "number=2", [0, 1, 0, 0], [1, 1, 1, 1]),
        ("binary!=1", "binary!=1", [1, 0, 0, 1], [1, 1, 0, 1]),
        ("word=black", "word=black", [1, 0, 1, 0], [1, 1, 1, 1]),
        ("some:word!=none", "some", [1, 0, 1, 1], [1, 1, 1, 1]),
        ("flag", "flag", [0, 1, 0, 0], [1, 1, 1, 1]),
        ("flag=false", "flag=false", [1, 0, 1, 1], [1, 1, 1, 1]),
    ],
)
def test_questions(text, name, positive, known):
    question = Question.parse(text)
    answers = question.answer(ROWS)
    assert question.name == name
    np.testing.assert_array_equal(answers, np.array([positive, known], bool))


@pytest.mark.parametrize("text", ["", "=black", "a:", ":a", "a>x", "a=", "a==b", "a:b:c", "a>1>2", "a!b"])
def test_questions_that_are_none(text):
    with pytest.raises(InputError, match="is no attribute like"):
        Question.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("beard", "no picture has the attribute 'beard'; known are binary, number, word, flag"),
        ("word", "word is a word; choose one, such as word=black"),
        ("word=blue", "no picture has word=blue; there are black, none, red"),
        ("word>1", "word is a word"),
    ],
)
def test_questions_without_an_answer(text, reason):
    with pytest.raises(InputError, match=reason):
        Question.parse(text).answer(ROWS)
