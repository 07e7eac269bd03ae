"""Labels: every layout reads alike, mistakes name file, line and column, questions divide images as they say."""

import contextlib

import numpy as np
import pytest

from stylemap import InputError, naming
from stylemap.datasets import labels
from stylemap.datasets.labels import Question
from stylemap.errors import Note

NAMES = ["a.png", "b.png"]
TABLE = {"smile": [1.0, 0.0], "age": [30.5, None]}
CSV = "file,smile,age\na.png,{},30.5\nb.png,{},\n"
PLAIN = CSV.format("1", "0")


def written(path, text: str | bytes):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, names=NAMES) -> dict:
    """Every column that can be asked for."""
    table = labels.read(path, names)
    return dict(table.select([row for row in labels.match(path, table.rows, names) if row is not None]))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        CSV.format("true", "FALSE"),
        CSV.format("Yes", "no"),
        CSV.format(" 1.0 ", "0e3"),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace("30.5", "30,5"),
        PLAIN.replace(",", "\t").replace("30.5", "30,5"),
        PLAIN.replace(",", "|"),
        "sep=;\r\n" + PLAIN.replace(",", ";"),
        "sep=,\n" + PLAIN,
        "\n ,,\n" + PLAIN + ",,\n\n,,,,\n",
        CSV.format('"1"', "0") + "\n\n",
        PLAIN.replace("a.png", '"a.png"').replace("b.png", ' "b.png"'),
        PLAIN.replace("a.png", '="a.png"').replace("b.png", "'b.png'"),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("file", "").replace(",1", ",,1").replace(",0", ",,0").replace(",smile", ",,smile"),
        PLAIN.replace("b.png,0,", "b.png,0,NA"),
        PLAIN.replace("b.png,0,", "b.png,0,none"),
        PLAIN + "c.png,1,2\nc.png,1,2\n",
        "2\nsmile age\na.png  1 30.5\nb.png 0 nan\n",
        "smile age\na.png  1 30.5\nb.png 0 nan\n",
        "file  smile age\na.png  1 30.5\nb.png 0 nan\n",
    ],
    ids=repr,
)
def test_layouts(tmp_path, text):
    assert read(written(tmp_path / "l.csv", text)) == TABLE


@pytest.mark.parametrize("header", ["", "index", "Unnamed: 0", "file2"])
@pytest.mark.parametrize("names", [["0.png", "1.png"], ["x/1.png", "x/0.png"], ["1", "0"]], ids=str)
def test_a_column_of_row_numbers_does_not_name_the_pictures(tmp_path, header, names):
    """It may fit them, in another order."""
    text = f"{header},file,smile\n0,{names[1]},7\n1,{names[0]},5\n"
    if header == "file2" and names[0] == "1":
        return  # nobody can know
    with contextlib.nullcontext() if not header else pytest.warns(Note, match="the column file names the images"):
        assert read(written(tmp_path / "l.csv", text), names)["smile"] == [5.0, 7.0]


def test_celeba_s_layout(tmp_path):
    text = "2\n5_o_Clock_Shadow Smiling \n000001.jpg -1  1\n000002.jpg  1 -1\n"
    assert read(written(tmp_path / "list_attr_celeba.txt", text), ["000001.jpg", "000002.jpg"]) == {
        "5_o_Clock_Shadow": [-1.0, 1.0],
        "Smiling": [1.0, -1.0],
    }


def test_words_and_numbers_of_several_kinds(tmp_path):
    """Nothing but a column of numbers is one; "none" is a word among words."""
    text = 'file,hat,beard,size,split\na.png,1,none,1.5,train\nb.png,none,goatee,n/a,\nc.png,0,None,"1,234",val\n'
    assert read(written(tmp_path / "l.csv", text), ["a.png", "b.png", "c.png"]) == {
        "hat": [1.0, None, 0.0],
        "beard": ["none", "goatee", "None"],
        "size": ["1.5", None, "1,234"],
        "split": ["train", None, "val"],
    }


def test_what_is_not_asked_for_harms_nothing(tmp_path):
    text = "file,smile,twice,twice,,odd\na.png,1,1,2,x,inf\nb.png,0,3,4,,\n"
    table = labels.read(written(tmp_path / "l.csv", text), NAMES)
    columns = table.select([table.rows[name] for name in NAMES])
    assert list(columns) == ["smile", "twice", "odd"]
    assert columns["smile"] == [1.0, 0.0] and columns["odd"] == ["inf", None]
    with pytest.raises(InputError, match=r"l.csv: 2 columns are named twice; give them names that differ"):
        columns["twice"]


def test_row_numbers_are_no_attribute(tmp_path):
    path = written(tmp_path / "l.csv", "Unnamed: 0,file,index,smile\n0,a.png,5,1\n1,b.png,6,0\n")
    with pytest.warns(Note, match="the column file names the images"):
        table = labels.read(path, NAMES)
    assert list(table) == ["smile"]
    assert table["index"][table.rows["a.png"]] == 5.0


def test_cells_without_a_value_are_of_no_class(tmp_path):
    """Spreadsheets write #N/A, pandas <NA>: hair_colour!=black must not count them."""
    text = "file,hair_colour,age\na.png,black,#N/A\nb.png,#N/A,30\nc.png,<NA>,20\nd.png,red,n/a\n"
    assert read(written(tmp_path / "l.csv", text), ["a.png", "b.png", "c.png", "d.png"]) == {
        "hair_colour": ["black", None, None, "red"],
        "age": [None, 30.0, 20.0, None],
    }


def test_windows_encoding_is_read_and_told(tmp_path):
    path = written(tmp_path / "l.csv", "file;gr\u00f6\u00dfe\nzo\u00e9.png;\u20ac\n".encode("cp1252"))
    with pytest.warns(
        Note, match=r"l.csv is not UTF-8 and is read as Windows-1252; if names look wrong, save it as CSV in UTF-8"
    ):
        assert read(path, ["zo\u00e9.png"]) == {"gr\u00f6\u00dfe": ["\u20ac"]}


def test_rows_without_an_end_are_told(tmp_path):
    """Some spreadsheets leave empty cells out at the end of a row."""
    path = written(tmp_path / "l.csv", "file,smile,age\na.png,1\nb.png,0,5\nc.png\n")
    with pytest.warns(
        UserWarning, match=r"l.csv: line 2 and 1 more end before the last column; missing cells count as unknown"
    ):
        assert read(path, ["a.png", "b.png", "c.png"]) == {"smile": [1.0, 0.0, None], "age": [None, 5.0, None]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n , \n", "holds no labels"),
        ("file,smile\n", "holds no labels"),
        ("file\na.png\n", "holds no labels"),
        ("sep=;\n", "holds no labels"),
        (
            "file,smile\na.png,1,0\n",
            "line 2: 3 columns, not the header's 2; put cells that hold a comma in quotation marks",
        ),
        ("file;age\na.png;1;0\n", "line 2: 3 columns, not the header's 2"),
        ("file,smile\na.png,1\na.png,0\n", "line 3: a.png appears twice, first in line 2; remove one"),
        ("file,smile\nx/a.png,1\nx\\a.png,0\n", "line 3: x/a.png appears twice, first in line 2"),
        ("1\nsmile\na.png 1 1\nb.png 1\n", "line 3: 3 columns, not the header's 1"),
        ('file,smile\n"a.png,1\nb.png,0\n', "look for a quotation mark without its other half"),
        (b"PK\x03\x04rest", "is a workbook, not text; save it as CSV in UTF-8"),
        (b"\xd0\xcf\x11\xe0rest", "is a workbook"),
        (b"file,smile\na.png,\x81\n", "is not text"),
        (b"file,smile\na.png,1\0\n", "zero bytes"),
        (b"\xff\xfe\x00", "is not text"),
        ("file,smile\n,1\n", "names none of the images, such as a.png"),
        ("a.png,1\nb.png,0\n", "begins with a row of labels; its first line must name the columns"),
        ("0;a.png;1\n1;b.png;0\n", "begins with a row of labels"),
    ],
    ids=lambda x: repr(x)[:40],
)
@pytest.mark.filterwarnings("ignore:.*before the last column")
def test_mistakes(tmp_path, text, reason):
    path = written(tmp_path / "l.csv", text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert reason in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / "l.csv", tmp_path):
        with pytest.raises(InputError, match="check the path of the labels"):
            labels.read(path, NAMES)


def test_pictures_are_matched_by_path_then_name_then_stem():
    table = {"x/a.png": 1, "b.png": 2, "c": 3, "x/d": 4}
    names = ["x/a.png", "x/b.png", "y/c.webp", "x/d.jpg", "e.png"]
    with pytest.warns(UserWarning, match=r"l.csv has no row for 1 of 5 images, such as e.png; they are left out"):
        assert labels.match("l.csv", table, names) == [1, 2, 3, 4, None]


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
    path = written(tmp_path / "l.csv", f"file,smile\n{given},1\n")
    assert read(path, [naming.canonical(name)]) == {"smile": [1.0]}


def test_a_row_is_of_the_picture_that_it_names_exactly():
    with pytest.warns(UserWarning, match=r"no row for 2 of 4 images, such as A\.png"):
        found = labels.match("l.csv", {"a.png": 1, "b": 2}, ["a.png", "A.png", "a.jpg", "B.png"])
    assert found == [1, None, None, 2]


def test_rows_that_fit_equally_well():
    with pytest.raises(InputError, match=r"l.csv: a.jpg and a.png both fit a.webp; name it exactly"):
        labels.match("l.csv", {"a.jpg": 1, "a.png": 2}, ["a.webp"])


def test_two_pictures_of_one_row():
    with pytest.raises(InputError, match=r"l.csv: a.png fits x/a.png and y/a.png"):
        labels.match("l.csv", {"a.png": 1}, ["x/a.png", "y/a.png"])


def test_no_picture_of_the_table():
    with pytest.raises(InputError, match=r"l.csv names none of the images, such as b.png"):
        labels.match("l.csv", {"a.png": 1}, ["b.png"])


COLUMNS = {
    "binary": [-1.0, 1.0, None, -1.0],
    "number": [1.0, 2.0, 5.0, 9.0],
    "word": ["black", "none", "Black", "red"],
    "mixed": ["1", "2", "many", None],
    "flag": [False, True, False, False],
    "unknown": [None] * 4,
}


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
        ("word=RED", "word=RED", [0, 0, 0, 1], [1, 1, 1, 1]),
        ("mixed=1", "mixed=1", [1, 0, 0, 0], [1, 1, 1, 0]),
        ("flag", "flag", [0, 1, 0, 0], [1, 1, 1, 1]),
        ("flag=false", "flag=false", [1, 0, 1, 1], [1, 1, 1, 1]),
    ],
)
def test_questions(text, name, positive, known):
    question = Question.parse(text)
    answers = question.answer(COLUMNS)
    assert question.name == name
    np.testing.assert_array_equal(answers, np.array([positive, known], bool))


@pytest.mark.parametrize("text", ["", "=black", "a:", ":a", "a>x", "a=", "a==b", "a:b:c", "a>1>2", "a!b"])
def test_questions_that_are_none(text):
    with pytest.raises(InputError, match="is not an attribute like"):
        Question.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("beard", "no image has the attribute 'beard'; known are binary, number, word, mixed, flag, unknown"),
        ("unknown", "no image has the attribute 'unknown'"),
        ("word", "word holds words, such as 'black'; choose one, as in word=black, or make all of them numbers"),
        ("mixed", "mixed holds words, such as 'many'; choose one, as in mixed=many"),
        ("mixed>1", "mixed holds words, such as 'many'"),
        ("word=blue", "no image has word=blue; there are Black, black, none, red"),
        ("word>1", "word holds words"),
    ],
)
def test_questions_without_an_answer(text, reason):
    with pytest.raises(InputError, match=reason):
        Question.parse(text).answer(COLUMNS)
