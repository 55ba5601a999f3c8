"""Labels in all the ways that files write them, and the model's labels in the order that the user gave."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.arguments.problems import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from bert_recipes.results.inference import score_file
from bert_recipes.run.errors import UserError
from bert_recipes.text.files import Table
from bert_recipes.text.labels import given_label_names, label_names, read_labels
from bert_recipes.training.data import load_classification_data


def table(cells, name="a.jsonl", column="label"):
    columns = cells if isinstance(cells, dict) else {column: cells}
    return Table(name, columns, range(1, 1 + len(next(iter(columns.values())))))


def labels(cells, *arguments, column="label", **others):
    tables = {"train": table(cells)} | {split: table(cells, f"{split}.jsonl") for split, cells in others.items()}
    found = read_labels(tables, column, *arguments)
    return found if others else found["train"]


def fails(said, cells, *arguments, **others):
    with pytest.raises(UserError) as error:
        labels(cells, *arguments, **others)
    assert said in str(error.value) and "\n" not in str(error.value), error.value


# --- a 0 or 1 a class ---


@pytest.mark.parametrize("kind", [int, float, bool])
def test_a_list_with_a_zero_or_one_a_class(kind, capsys):
    cells = [list(map(kind, cell)) for cell in ([0, 1, 1], [1, 0, 0], [0, 0, 0])]
    assert labels(cells) == [["1", "2"], ["0"], []]
    assert "'label' is read as a 0 or 1 for each class: 0, 1, 2; --label_names names them" in capsys.readouterr().out
    assert labels(cells, None, ["毒", "骂", "吓"]) == [["骂", "吓"], ["毒"], []]
    assert labels([str(cell) for cell in cells], ",", ["a", "b", "c"]) == [["b", "c"], ["a"], []]
    assert labels(cells, test=[[1, 1, 1], [0, 0, 0]])["test"] == [["0", "1", "2"], []]


def test_lists_of_class_numbers_stay_such():
    assert labels([[0, 2], [1], []]) == [["0", "2"], ["1"], []]
    assert labels([[0], [1], [0]]) == [["0"], ["1"], ["0"]]
    assert labels([["0", "1"], ["1", "0"]]) == [["0", "1"], ["1", "0"]]
    assert labels([[0, 2], [1]], None, ["a", "b", "c"]) == [["a", "c"], ["b"]]


def test_what_could_be_either_is_refused():
    fails("row 1 of a.jsonl: column 'label' has a number twice", [[0, 1, 1], [0, 1]])
    fails("row 2 of a.jsonl: column 'label' has a number twice", [[0, 1], [1, 1, 0], [2]])
    fails("row 1 of a.jsonl: column 'label' has a number twice", [[1, 1], [1, 1]])
    fails("row 2 of a.jsonl: column 'label' holds a share", [[0, 1], [0.3, 0.7]])
    fails("row 2 of test.jsonl: column 'label' isn't a list of 3 zeros", [[0, 1, 0]], test=[[0, 0, 1], [0, 1]])
    fails("--label_names has 2 names, the lists in column 'label' of a.jsonl have 3", [[0, 1, 0]], None, ["a", "b"])


def test_a_column_of_zeros_and_ones_for_each_class():
    cells = {"toxic": ["0", "1", "0"], "insult": [1, 0, 0.0], "threat": [True, False, False]}
    assert labels(cells, column="toxic, insult,threat") == [["insult", "threat"], ["toxic"], []]
    assert labels({"a,b": ["x", "y"]}, column="a,b") == ["x", "y"]
    fails("row 2 of a.jsonl: column 'insult' is neither 0 nor 1", {"toxic": [0, 1], "insult": ["1", "-1"]},
          column="toxic,insult")  # fmt: skip
    fails("row 1 of a.jsonl: column 'b' is neither 0 nor 1", {"a": [0, 1], "b": [None, 1]}, column="a,b")
    fails("has no column 'threat' but 'toxic', 'insult'", {"toxic": [0], "insult": [1]}, column="toxic,threat")


def test_the_models_labels_stand_in_the_order_given(tmp_path, tiny_model, capsys):
    rows = [{"text": f"第{n}条评论", "label": [n % 2, 0, int(n % 3 == 0), 1 - n % 2]} for n in range(40)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    data_args = LabelledDataArguments(train_file=str(path), label_names="丁,丙,乙,甲")
    data = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1)
    assert data.label_names == ["丁", "乙", "甲"] and data.problem_type == MULTI_LABEL
    assert "a.jsonl: no row has the label 丙: the model does not learn it" in capsys.readouterr().out
    for row, encoded in zip(data.corpus["train"], data.encoded["train"], strict=True):
        assert encoded["labels"] == [float(name in row["label"]) for name in data.label_names]
    path = tmp_path / "a.csv"
    path.write_text("text,毒,骂\n" + "".join(f"第{n}条,{n % 2},{n % 3 % 2}\n" for n in range(40)))
    data_args = LabelledDataArguments(train_file=str(path), label_column="骂,毒")
    data = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1)
    assert data.label_names == ["骂", "毒"] and data.problem_type == MULTI_LABEL


# --- printed lists ---


@pytest.mark.parametrize("separator", [None, ","])
def test_a_cell_that_prints_a_list_is_one(separator, capsys):
    cells = ["['甲', '乙']", '["甲"]', "[]", " ('乙', '丙') ", "{'甲'}"]
    assert labels(cells, separator) == [["甲", "乙"], ["甲"], [], ["乙", "丙"], ["甲"]]
    assert "column 'label' is read as lists of labels, such as ['甲', '乙']" in capsys.readouterr().out


def test_a_list_that_prints_badly_or_alone_is_refused():
    fails("row 2 of a.jsonl: column 'label' isn't a list, as the others are", ["['甲', '乙']", "甲"])
    fails("row 2 of a.jsonl: column 'label' isn't a list, as the others are", ["['甲', '乙']", ""], ",")
    fails("row 1 of a.jsonl: column 'label' holds a list without commas", ["['甲' '乙']", "['甲']"])
    fails("row 2 of a.jsonl: column 'label' holds a list without commas", ["[0, 1]", "[0. 1.]"])


def test_a_name_in_brackets_is_a_name():
    assert labels(["[爱你]", "[哈哈]", "(正面)", "{}"]) == ["[爱你]", "[哈哈]", "(正面)", "{}"]


# --- class numbers ---


def test_class_numbers_get_their_names(capsys):
    names = ["财经", "体育", "娱乐"]
    assert labels(["2", "0", "1"], None, names, test=["1"]) == {"train": ["娱乐", "财经", "体育"], "test": ["体育"]}
    assert "column 'label' is read as numbers of classes: 0 财经, 1 体育, 2 娱乐" in capsys.readouterr().out
    assert labels([2, 0.0, "1"], None, names) == ["娱乐", "财经", "体育"]
    assert labels(["娱乐", "财经"], None, names) == ["娱乐", "财经"]
    assert label_names(["娱乐", "财经"], names) == ["财经", "娱乐"]
    assert labels(["0", "1"], None, ["0", "1"]) == ["0", "1"]


def test_labels_that_are_neither_numbers_nor_names():
    fails(
        "row 2 of a.jsonl: column 'label' has the label '2', which is neither one of the 2",
        ["0", "2"],
        None,
        ["a", "b"],
    )
    fails("row 1 of test.jsonl: column 'label' has the label 'b'", ["0", "1"], None, ["a", "b"], test=["b"])
    fails("could be the given names, or their numbers", ["0", "1"], None, ["1", "0", "x"])


def test_the_file_of_names(tmp_path):
    def given(content):
        (tmp_path / "class.txt").write_text(content, encoding="utf-8")
        return given_label_names(LabelledDataArguments(label_names_file=str(tmp_path / "class.txt")))

    assert given("\ufeff财经\r\n体育\r\n\r\n") == ["财经", "体育"]
    for content, said in (
        ("a\nb\na\n", "line 3 of class.txt"),
        ("a\t0\n", "line 1 of class.txt"),
        ("\n", "no names"),
        ("财经\n\n体育\n", "line 2 of class.txt is empty: the names behind it would move up a number"),
    ):
        with pytest.raises(UserError, match=said):
            given(content)
    with pytest.raises(UserError, match="--label_names_file none: there is no such file"):
        given_label_names(LabelledDataArguments(label_names_file="none"))


def test_a_separator_parts_zeros_and_ones_and_is_missed_where_no_cell_holds_it(capsys):
    cells = table(["0,1,1", "1,0,0", "0,0,0"])
    found = read_labels({"train": cells, "test": table(["0,1,0"])}, "label", ",")
    assert found == {"train": [["1", "2"], ["0"], []], "test": [["1"]]}
    assert "is read as a 0 or 1 for each class: 0, 1, 2" in capsys.readouterr().out
    # What could be either stays what it was; all splits are read alike.
    assert read_labels({"train": table(["0,1", "1,0"])}, "label", ",") == {"train": [["0", "1"], ["1", "0"]]}
    splits = {"train": table(["0,1", "1,0"]), "test": table(["1,1", "0,1"])}
    assert read_labels(splits, "label", ",") == {"train": [["1"], ["0"]], "test": [["0", "1"], ["1"]]}
    read_labels({"train": table(["体育；财经", "体育"])}, "label", ";")
    assert "no cell of column 'label' holds the separator ';': each is one label" in capsys.readouterr().out


def test_bytes_are_no_labels():
    with pytest.raises(UserError, match="column 'label' holds bytes: save the column as strings"):
        read_labels({"train": table([b"a", b"b"])}, "label", ";")
    fails("holds something else than names or numbers", [[b"a"], ["b"]])


# --- scores of a labelled file ---


def scored(cells, names, multi_label=True, **arguments):
    logits = np.array([[3.0, -3.0, -3.0], [-3.0, 3.0, 3.0]])
    args = PredictArguments(input_file="a.jsonl", output_file="b.jsonl", **arguments)
    problem_type = MULTI_LABEL if multi_label else SINGLE_LABEL
    return score_file(logits, table(cells), args, names, problem_type).get("accuracy")


def test_files_of_each_kind_are_scored(capsys):
    assert scored([[1, 0, 0], [0, 1, 1]], ["0", "1", "2"]) == 1
    assert scored([[1, 0, 0], [0, 1, 1]], ["a", "b", "c"], label_names="a,b,c") == 1
    assert scored([[1, 0, 0], [0, 1, 1]], ["a", "b", "c"], label_names="b,a,c") == 0
    assert scored([[1, 0, 0], [0, 1, 1]], ["a", "b", "c"]) is None
    assert "'0', which is no label of this model (--label_names names class numbers)" in capsys.readouterr().out
    assert scored({"a": ["1", "0"], "b": [0, 1], "c": [0, 1]}, ["a", "b", "c"], label_column="a,b,c") == 1
    assert scored(["['a']", "['b', 'c']"], ["a", "b", "c"]) == 1
    assert scored([0, 1], ["a", "b", "c"], False, label_names="a,b,c") == 1
    assert scored({"a": ["1", "2"], "b": [0, 1]}, ["a", "b", "c"], label_column="a,b") is None
    assert "No metrics: row 2 of a.jsonl: column 'a' is neither 0 nor 1" in capsys.readouterr().out


def test_a_regression_is_scored_on_one_row_too():
    args = PredictArguments(input_file="a.jsonl", output_file="b.jsonl")
    assert score_file(np.array([[1.0]]), table([1.5]), args, ["label"], REGRESSION)["mse"] == pytest.approx(0.25)
