"""Plain text for pretraining: checked, held out by its content, on disk however large."""

import json

import pytest
from datasets import load_dataset

from bert_recipes.arguments.data import DataArguments
from bert_recipes.run.errors import UserError
from bert_recipes.text.documents import KEY, load_documents, load_validation


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def texts(documents, split):
    return list(documents[split]["text"])


def test_the_built_in_text_keeps_its_splits():
    documents = load_documents(DataArguments(dataset_name="peoples_daily_titles"))
    assert {split: len(rows) for split, rows in documents.items()} == {"train": 1061, "validation": 107}
    assert documents["train"].column_names == ["text", KEY]


def test_a_column_may_have_any_name(tmp_path):
    path = write(tmp_path / "a.csv", ["key", *(f"第{number}句话。" for number in range(20))])
    documents = load_documents(DataArguments(train_file=path, text_columns="key"))
    assert documents["train"]["key"][0] == "第0句话。"


def test_a_tenth_of_a_file_is_held_out_and_no_text_stands_on_two_sides(tmp_path):
    lines = [f"第{number}句话，说的是不同的事情。" for number in range(100)]
    path = write(tmp_path / "a.txt", lines + [line.replace("，", " ") for line in lines])
    documents = load_documents(DataArguments(train_file=path))
    assert len(documents["validation"]) == 20 and len(documents["train"]) == 180  # ten texts, each twice

    def plain(split):
        return {text.replace("，", " ") for text in texts(documents, split)}

    assert not plain("train") & plain("validation") and len(plain("train") | plain("validation")) == 100
    (tmp_path / "b.txt").write_text("\n".join(reversed(lines)), encoding="utf-8")
    again = load_documents(DataArguments(train_file=str(tmp_path / "b.txt")))
    assert {text.replace("，", " ") for text in texts(again, "validation")} == plain("validation")


def test_documents_lie_on_disk_and_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path / "a.txt", [f"第{number}句。" for number in range(20)])
    first = load_documents(DataArguments(train_file=path))
    assert first["train"].cache_files
    write(tmp_path / "a.txt", [f"第{number}句话。" for number in range(30)])
    assert sum(map(len, load_documents(DataArguments(train_file=path)).values())) == 30


def test_a_validation_file_keeps_its_rows(tmp_path):
    train = write(tmp_path / "a.txt", ["一句话。", "两句话。", "三句话。"])
    validation = write(tmp_path / "b.txt", ["两句话", "四句话"])
    documents = load_documents(DataArguments(train_file=train, validation_file=validation))
    assert texts(documents, "validation") == ["两句话", "四句话"] and len(documents["train"]) == 3


def test_validation_documents_are_drawn_from_all_of_the_file_and_the_same_whatever_the_seed(tmp_path):
    lines = [f"第{number}句。" for number in range(60)]
    path, others = write(tmp_path / "a.txt", lines), write(tmp_path / "b.txt", ["另外一句。", "还有一句。"])
    data_args = DataArguments(train_file=others, validation_file=path, max_eval_samples=10)
    first, second = (texts(load_documents(data_args, seed), "validation") for seed in (1, 2))
    assert first == second == texts(load_validation(data_args), "validation")
    places = [lines.index(text) for text in first]
    assert len(places) == 10 and places == sorted(places) and max(places) > 30


def test_training_documents_are_drawn_by_the_seed(tmp_path):
    path = write(tmp_path / "a.txt", [f"第{number}句。" for number in range(60)])
    draws = [
        texts(load_documents(DataArguments(train_file=path, max_train_samples=10), seed), "train") for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 10


def test_a_folder_of_files_is_a_data_set_too(tmp_path):
    (tmp_path / "train.jsonl").write_text(
        "\n".join(json.dumps({"text": f"第{number}句。"}) for number in range(30)), encoding="utf-8"
    )
    assert len(load_dataset(str(tmp_path))["train"]) == 30
    documents = load_documents(DataArguments(dataset_name=str(tmp_path)))
    assert len(documents["train"]) == 27 and len(documents["validation"]) == 3


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "一句话\n", "one text alone"),
        ("a.txt", "", "has no rows"),
        ("a.jsonl", '{"text": "一"}\n{"text": ""}\n', "row 2 of a.jsonl: column 'text' is empty"),
        ("a.jsonl", '{"txt": "一"}\n', "row 1 of a.jsonl has no column 'text'.*did you mean 'txt'"),
        ("a.jsonl", '{"text": "一"}\n{"label": 3}\n', "row 2 of a.jsonl has no column 'text' but 'label'"),
        ("a.jsonl", '{"text": "一"}\n{"text": \n', "line 2 of a.jsonl is not JSON"),
        ("a.csv", "text,id\n一,1\n二\n", "row 3 of a.csv has 1 cell, the header has 2"),
        ("a.pdf", "一", "must be csv, tsv, jsonl, json, parquet or txt"),
    ],
)
def test_mistakes_name_file_and_row(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_documents(DataArguments(train_file=str(tmp_path / name)))


def test_a_file_in_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_text("一句话。\n两句话。\n", encoding="gb18030")
    with pytest.raises(UserError, match=r"a\.txt is not utf-8 \(byte 2, line 1\): try --encoding gb18030"):
        load_documents(DataArguments(train_file=str(tmp_path / "a.txt")))
    assert sum(map(len, load_documents(DataArguments(train_file=str(tmp_path / "a.txt"), encoding="gb18030")).values()))


def test_a_stream_has_a_validation_file(tmp_path):
    path = write(tmp_path / "a.txt", ["一句话。", "两句话。"])
    with pytest.raises(UserError, match="--streaming needs a --validation_file"):
        load_validation(DataArguments(train_file=path))
    assert len(load_validation(DataArguments(train_file=path, validation_file=path))["validation"]) == 2
