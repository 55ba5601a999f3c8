"""csv and tsv: no row is lost in a quote, none in a missing header, and what is read otherwise than written is said."""

from __future__ import annotations

import csv

import pytest

from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.results.input_rows import check_rows
from bert_recipes.run.errors import UserError
from bert_recipes.text.columns import read_texts
from bert_recipes.text.corpora import load_corpus
from bert_recipes.text.documents import load_documents
from bert_recipes.text.files import iterate_rows, read_table

ROWS = [(f"第{number}条：这一家的早餐不错", str(number % 4)) for number in range(160)]


def write(path, rows, separator="\t", end="\n", encoding="utf-8"):
    path.write_bytes("".join(separator.join(row) + end for row in rows).encode(encoding))
    return str(path)


def read(path, *names, text="text"):
    return read_table(path, "utf-8", text.split(","), "--train_file", names)


def fails(path, *said, names=(), text="text"):
    with pytest.raises(UserError) as error:
        read_texts(read(path, *names, text=text), text.split(","))
    assert "\n" not in str(error.value)
    assert all(words in str(error.value) for words in said), error.value


def stray_quotes(rows, first, last):
    rows = list(rows)
    rows[first] = ('"' + rows[first][0], rows[first][1])
    rows[last] = (rows[last][0] + '"', rows[last][1])
    return rows


# --- quotes ---


def test_a_tsvs_quotes_are_text(tmp_path, capsys):
    rows = stray_quotes(ROWS, 5, 18)
    table = read(write(tmp_path / "a.tsv", [("text", "label"), *rows]))
    assert table.columns == {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    assert "a.tsv: the quote in row 7 closes 13 lines further down, and is read as text" in capsys.readouterr().out
    rows = [('"好" 他说', "a"), ('说："好"', "b"), ('"', "a"), ('""好', "b"), ('好"', "a")]
    assert read(write(tmp_path / "b.tsv", [("text", "label"), *rows])).columns["text"] == [text for text, _ in rows]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_cell_that_is_quoted_as_a_whole_is_one_cell(tmp_path, quoting, capsys):
    rows = [["换\n行", "a"], ['他说："好"', "b"], ["制\t表", "a"], ['"', "b"], ["\r\n一行\n\n两行", "a"], ["", "b"]]
    for separator, name in (("\t", "a.tsv"), (",", "a.csv")):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=separator, quoting=quoting)
            writer.writerows([["text", "label"], *rows])
        table = read(str(tmp_path / name))
        assert list(map(list, zip(*table.columns.values(), strict=True))) == rows
        assert table.numbers == [2, 3, 4, 5, 6, 7]
        assert f"{name}: 10 lines are 6 rows, 2 of them with line ends" in capsys.readouterr().out


def test_a_csvs_quote_that_swallows_rows_is_an_error_with_its_row(tmp_path, capsys):
    path = write(tmp_path / "a.csv", [("text", "label"), *stray_quotes(ROWS, 5, 18)], ",")
    fails(path, "row 7 of a.csv: a quote opens in it and closes 13 lines further down", "'label': '1'")
    rows = [(label, text) for text, label in stray_quotes(ROWS, 5, 18)]
    fails(write(tmp_path / "b.csv", [("label", "text"), *rows], ","), "row 7 of b.csv: a quote opens")
    read(write(tmp_path / "c.csv", [("text", "label"), ('"一段, 话\n两段, 话"', "0"), *ROWS], ","))
    assert "c.csv: 162 lines are 161 rows, 1 of them" in capsys.readouterr().out
    fails(write(tmp_path / "d.csv", [("text", "label"), *ROWS[:3], ('"好" 他说', "0")], ","), "row 5 of d.csv", "quote")
    fails(write(tmp_path / "e.csv", [("text", "label"), *ROWS[:3], ('"好', "0"), *ROWS], ","), "row 5 of e.csv")


def test_a_tsvs_quote_never_swallows_whole_rows(tmp_path):
    rows = [("text", "label"), ('"好',), ("坏", "1"), ("很", "0"), ('行"', "0")]
    fails(write(tmp_path / "a.tsv", rows), "row 2 of a.tsv", "closes 3 lines further down, with whole rows between")
    fails(write(tmp_path / "b.tsv", [("text", '"label'), *ROWS]), "row 1 of b.tsv: a quote opens in the header")


# --- what ends a line ---


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt"])
def test_a_line_ends_at_a_line_feed_and_nowhere_else(tmp_path, name, capsys):
    texts = ["换\x0c页", "下\x85一行", "段\u2028落", "节\u2029", "分\x1c\x1d\x1e隔", "竖\x0b直"]
    path = write(tmp_path / name, [("text",)] * (name != "a.txt") + [(text,) for text in texts], end="\r\n")
    assert read(path).columns["text"] == [text if name != "a.txt" else text.strip() for text in texts]
    assert capsys.readouterr().out == ""


def test_a_carriage_return_inside_a_line_is_told_or_refused(tmp_path, capsys):
    rows = [("text", "label"), ("一半\r另一半", "0"), ("好", "1")]
    assert read(write(tmp_path / "a.tsv", rows)).columns["text"] == ["一半\r另一半", "好"]
    assert "a.tsv: carriage returns inside 1 line are read as text" in capsys.readouterr().out
    fails(write(tmp_path / "a.csv", rows, ","), "row 2 of a.csv", "carriage return")
    assert read(write(tmp_path / "a.txt", [("一半\r另一半",), ("好",)])).columns["text"] == ["一半\r另一半", "好"]
    assert "a.txt: carriage returns inside 1 line" in capsys.readouterr().out
    for name, separator in (("b.csv", ","), ("b.tsv", "\t")):
        assert len(read(write(tmp_path / name, [rows[0], *ROWS], separator, end="\r")).numbers) == 160
        assert f"{name} has no line feed: its lines are taken to end at carriage returns" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt", "a.jsonl", "a.json"])
def test_a_nul_is_an_error_with_its_line(tmp_path, name):
    fails(write(tmp_path / name, [("text",), ("one",), ("t\0wo",)]), "a.", "line 3" if name[2] in "tc" else name)
    with pytest.raises(UserError, match=r"line 1 of b\.txt has a NUL character.*--encoding utf-16-le"):
        read(write(tmp_path / "b.txt", [("one",)], encoding="utf-16-le"))


# --- no header ---


@pytest.mark.parametrize("name", ["train.tsv", "train.txt", "train.csv"])
def test_a_file_without_a_header_has_its_columns_named(tmp_path, name):
    separator = "," if name == "train.csv" else "\t"
    path = write(tmp_path / name, ROWS, separator)
    names = write(tmp_path / "class.txt", [(name,) for name in ("财经", "体育", "娱乐", "科技")])
    splits = load_corpus(LabelledDataArguments(train_file=path, column_names="text,label", label_names_file=names))
    found = {row["text"]: row["label"] for rows in splits.values() for row in rows}
    assert found == {text: ("财经", "体育", "娱乐", "科技")[int(label)] for text, label in ROWS}
    documents = load_documents(DataArguments(train_file=path, column_names="text,label"))
    assert sum(map(len, documents.values())) == 160
    predicted = check_rows(PredictArguments(input_file=path, output_file="out.csv", column_names="text,label"))
    (block,) = predicted
    assert block.columns["text"] == [text for text, _ in ROWS] and block.numbers[0] == 1


def test_a_header_that_looks_like_data_is_said_and_no_column_to_name(tmp_path, capsys):
    for name, separator in (("a.tsv", "\t"), ("a.csv", ",")):
        path = write(tmp_path / name, ROWS, separator)
        with pytest.raises(UserError) as error:
            load_corpus(LabelledDataArguments(train_file=path))
        message = str(error.value)
        assert f"--text_columns: {name} has no column 'text': its first row, '第0条：" in message
        assert "looks like data" in message and "--column_names" in message
        assert "name one of them" not in message and "did you mean" not in message
        capsys.readouterr()
        read(path, text=ROWS[0][0])
        assert f"{name}: its first row, '{ROWS[0][0]}', '0', is read as its header" in capsys.readouterr().out
    fails(write(tmp_path / "b.csv", [("txt", "lable"), *ROWS], ","), "did you mean 'txt'?", "--column_names")


def test_a_txt_whose_tabs_are_no_columns_is_said(tmp_path, capsys):
    path = write(tmp_path / "a.txt", ROWS)
    with pytest.raises(UserError, match=r"a\.txt has no column 'label': a txt file is one text a line.*--column_names"):
        load_corpus(LabelledDataArguments(train_file=path))
    assert "a.txt: each line is read as one text, and tabs part it in 2" in capsys.readouterr().out


def test_names_that_do_not_fit_the_file(tmp_path):
    path = write(tmp_path / "a.tsv", [("text", "label"), *ROWS])
    fails(path, "row 1 of a.tsv is a header once more: leave --column_names out", names=("text", "label"))
    fails(path, "row 1 of a.tsv has 2 cells, --column_names has 3", names=("id", "text", "label"))
    fails(write(tmp_path / "b.csv", [("text", "label"), *ROWS, ("text", "label")], ","), "row 162", "header once more")
    # Two files that a spreadsheet saved, one behind the other.
    joined = [("text", "label"), *ROWS, ("\ufefftext", "label"), *ROWS]
    fails(write(tmp_path / "c.csv", joined, ","), "row 162", "header once more")
    fails(write(tmp_path / "a.jsonl", [("{}",)]), "--column_names is for csv, tsv and txt", names=("text", "label"))
    for arguments, said in (
        ({"column_names": "a,label"}, "--text_columns text: --column_names a,label has no such column"),
        ({"column_names": "text,a"}, "--label_column label: --column_names text,a has no such column"),
        ({"column_names": "text,text"}, "a name of its own"),
        ({"label_names": "a,b", "label_names_file": "a"}, "--label_names and --label_names_file are both given"),
    ):
        with pytest.raises(UserError, match=said):
            LabelledDataArguments(train_file=path, **arguments)
    with pytest.raises(UserError, match="--column_names is for files"):
        LabelledDataArguments(column_names="text,label")
    fails(write(tmp_path / "c.csv", [("text", "label"), *ROWS], ";"), "parted by ';', not as its name says")


@pytest.mark.parametrize(
    "name, lines",
    [
        ("a.csv", ["text,label", "", "好,1", "", "", "差,0", ""]),
        ("a.txt", ["", "好", "", "", "差", ""]),
        ("a.jsonl", ["", '{"text": "好"}', "", "", '{"text": "差"}', ""]),
    ],
)
def test_blank_lines_between_rows_are_told(tmp_path, capsys, name, lines):
    """Those behind the last row stand between none."""
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    rows = dict(iterate_rows(str(tmp_path / name), "utf-8", ["text"], "--train_file"))
    assert [row["text"] for row in rows.values()] == ["好", "差"]
    assert f"{name}: 3 blank lines between its rows are left out" in capsys.readouterr().out
