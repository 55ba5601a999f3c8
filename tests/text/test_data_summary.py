"""What is told of the data before a model trains on it: exact numbers, and a line for what speaks against it."""

import json

import pytest
from conftest import recipe, short
from datasets import Dataset, DatasetDict

from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.text.corpora import load_corpus
from bert_recipes.text.data_summary import MOST_TOKENS, MOST_UNKNOWN, RowsRead, tokens_a_word, unknown_share
from bert_recipes.text.encoding import encode_texts, train_tokenizer
from bert_recipes.text.repeats import repeated_rows
from bert_recipes.training.data import load_classification_data, load_pretraining_data

ENGLISH = [
    "The minister said on Tuesday that the government would publish its plans for the railway next month.",
    "Shares of the company fell sharply after it reported lower profits than analysts had expected.",
    "Researchers have found that children who sleep longer remember more of what they learned at school.",
    "The visitors scored twice in the second half and won their third match away from home this season.",
]


@pytest.fixture(scope="module")
def pairs():
    """Titles and texts of a newspaper: of each column some are longer than any limit here."""
    corpus = load_corpus(LabelledDataArguments(dataset_name="peoples_daily_titles", text_columns="title,text"))
    return corpus["test"]


def column_of(table, name) -> dict[str, str]:
    place = table[0].index(name)
    return {line[0]: line[place] for line in table[1:]}


@pytest.mark.parametrize("limit", [16, 256, 4096])
@pytest.mark.parametrize("columns", [["text"], ["title", "text"]])
def test_rows_are_cut_as_the_tokenizer_cuts_and_their_whole_lengths_known(
    pairs, tokenizer, monkeypatch, limit, columns
):
    monkeypatch.setattr(tokenizer, "model_max_length", limit)
    encoded = encode_texts(pairs, tokenizer, columns)
    texts = [list(pairs[name]) for name in columns]
    cut = tokenizer(*texts, truncation="longest_first")
    for name in ("input_ids", "token_type_ids"):
        assert list(encoded[name]) == cut[name]
    assert encoded["uncut_length"][:] == [
        len(input_ids) for input_ids in tokenizer(*texts, truncation=False, verbose=False)["input_ids"]
    ]


def test_the_table_of_a_classifiers_data(tmp_path, tiny_model, capsys):
    rows = [
        {"text": "花" * length, "label": label} for length, label in [(3, "一"), (60, "二"), (61, "一"), (70, "三")]
    ]
    rows += [{"text": f"第{number}句话", "label": "一二三"[number % 3]} for number in range(6)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": "草" * 100, "label": "二"}))
    files = {f"{split}_file": str(tmp_path / "b.jsonl") for split in ("validation", "test")}
    data_args = LabelledDataArguments(train_file=str(tmp_path / "a.jsonl"), max_length=62, **files)
    summary = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1).summary
    expected = {
        "rows": ("10", "1", "1"),
        "median tokens": ("6", "102", "102"),  # with [CLS] and [SEP]
        "95 %": ("68", "102", "102"),  # of 5, six times 6, 62, 63, 72
        "longest": ("72", "102", "102"),
        "cut at 62": ("2 (20.0%)", "1 (100.0%)", "1 (100.0%)"),
        "[UNK]": ("0.0%",) * 3,
        "tokens a word": ("1.00",) * 3,
    }
    for name, cells in expected.items():
        assert tuple(column_of(summary.splits, name).values()) == cells, name
    assert summary.labels == [
        ["number", "label", "train", "validation", "test"],
        *(["0", "一", "4", "0", "0"], ["1", "三", "3", "0", "0"], ["2", "二", "3", "1", "1"]),
    ]
    assert summary.notes == [
        "test: 1 of 1 rows have a text that validation has too: their scores say nothing about new texts",
        "validation: no row has 2 of the 3 labels (一, 三); macro averages leave them out, but count one that is "
        "predicted as 0",
        "test: no row has 2 of the 3 labels (一, 三); macro averages leave them out, but count one that is "
        "predicted as 0",
    ]
    screen = capsys.readouterr().out
    assert "3 labels, training rows: 一 4, 三 3, 二 3\n" in screen and all(note in screen for note in summary.notes)
    assert "| 0 | 一 | 4 | 0 | 0 |" in summary.as_markdown() and f"- {summary.notes[0]}" in summary.as_markdown()


def test_another_process_than_the_first_is_silent(tmp_path, tiny_model, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    data_args = LabelledDataArguments(dataset_name="peoples_daily_titles")
    summary = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1).summary
    assert capsys.readouterr().out == "" and summary.splits


def test_of_many_labels_the_screen_has_the_largest_and_the_smallest(tmp_path, tiny_model, capsys):
    rows = [{"text": f"{letter}{i}", "label": letter} for letter in "abcdefghij" for i in range(ord(letter) - 94)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    files = {f"{split}_file": str(path) for split in ("train", "validation", "test")}
    summary = load_classification_data(ModelArguments(str(tiny_model)), LabelledDataArguments(**files), seed=1).summary
    assert "\n10 labels, training rows: j 12, i 11, h 10, …, c 5, b 4, a 3\n" in capsys.readouterr().out
    assert len(summary.labels) == 11 and summary.labels[4] == ["3", "d", "6", "6", "6"]


def test_repeats_in_a_split_and_across_splits():
    corpus = DatasetDict(
        train=Dataset.from_dict({"text": ["一，", "一", "二", "三"], "label": ["a", "b", "a", "a"]}),
        validation=Dataset.from_dict({"text": ["四"], "label": ["a"]}),
        test=Dataset.from_dict({"text": ["一！", "二", "二", "四", "五"], "label": ["c", "a", "b", "a", "a"]}),
    )
    assert list(repeated_rows(corpus, ["text"])) == [
        "train: 1 of 4 rows repeat the text of an earlier one; 1 text has different labels",
        "test: 1 of 5 rows repeat the text of an earlier one; 1 text has different labels",
        "test: 3 of 5 rows have a text that train has too, 2 of them under another label: their scores say nothing "
        "about new texts",
        "test: 1 of 5 rows have a text that validation has too: their scores say nothing about new texts",
    ]


def test_chinese_reads_well_and_english_is_told(tokenizer, tmp_path, tiny_model):
    chinese = list(load_corpus(LabelledDataArguments(dataset_name="reviews"))["test"]["text"][:300])
    assert 0.9 < tokens_a_word(chinese, tokenizer) < 1.2
    assert tokens_a_word(ENGLISH, tokenizer) > MOST_TOKENS
    own = train_tokenizer(ENGLISH * 50, vocab_size=2000)
    assert tokens_a_word(ENGLISH, own) < 1.5
    encoded = encode_texts(Dataset.from_dict({"text": chinese}), own, ["text"])
    assert unknown_share(encoded, own) > 0.5
    encoded = encode_texts(Dataset.from_dict({"text": chinese}), tokenizer, ["text"])
    assert unknown_share(encoded, tokenizer) < MOST_UNKNOWN / 4

    rows = [{"text": f"{number}: {text}", "label": number % 2} for number in range(10) for text in ENGLISH]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data_args = LabelledDataArguments(train_file=str(tmp_path / "a.jsonl"))
    (note,) = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1).summary.notes
    assert note.startswith("train: a word takes 2.") and note.endswith("of another language: take a model of this one")


def test_an_unknown_script_is_told(tokenizer, tmp_path, tiny_model):
    hangul = "".join(chr(code) for code in range(0xAC00, 0xAC00 + 40))
    rows = [{"text": f"{hangul[number:]} {number}", "label": number % 2} for number in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data_args = LabelledDataArguments(train_file=str(tmp_path / "a.jsonl"))
    summary = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1).summary
    assert any("of the tokens are [UNK], since the vocabulary lacks the characters" in note for note in summary.notes)


def mlm(folder, **given):
    return MlmArguments(output_dir=str(folder / "out"), overwrite=True, use_cpu=True, **given)


@pytest.mark.parametrize("nsp", [False, True])
def test_the_table_of_pretrainings_text(tmp_path, tiny_model, capsys, nsp):
    lines = [f"第{number}天，我们去海边看日出。明天再去。" for number in range(40)]
    (tmp_path / "a.txt").write_text("\n".join([*lines, *lines[:3]]), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join([*lines[:2], "另外一句话。还有一句。"]), encoding="utf-8")
    files = DataArguments(train_file=str(tmp_path / "a.txt"), validation_file=str(tmp_path / "b.txt"))
    data = load_pretraining_data(ModelArguments(str(tiny_model)), files, mlm(tmp_path, nsp=nsp))
    splits = data.summary.splits
    assert column_of(splits, "documents") == {"train": "43", "validation": "3"}
    assert column_of(splits, "chunks") == {"train": "43", "validation": "3"}
    tokens = {"train": data.train.lengths.sum(), "validation": data.validation.lengths.sum()}
    assert column_of(splits, "tokens") == {split: f"{count:,}" for split, count in tokens.items()}
    assert column_of(splits, "[UNK]") == {"train": "0.0%", "validation": "0.0%"}
    assert data.summary.notes == [
        "train: 3 of 43 documents repeat an earlier one",
        "validation: 2 documents are training documents too, which says nothing about new text",
        "validation: masked once, 15% of the tokens, whatever --mlm_probability is",
    ]
    assert all(note in capsys.readouterr().out for note in data.summary.notes[:1])


def test_a_stream_tells_of_its_validation_text(tmp_path, tiny_model):
    (tmp_path / "a.txt").write_text("\n".join(f"第{number}句话。" for number in range(40)), encoding="utf-8")
    (tmp_path / "b.txt").write_text("\n".join(ENGLISH), encoding="utf-8")
    files = DataArguments(train_file=str(tmp_path / "a.txt"), validation_file=str(tmp_path / "b.txt"))
    args = mlm(tmp_path, streaming=True, max_steps=1)
    summary = load_pretraining_data(ModelArguments(str(tiny_model)), files, args).summary
    assert summary.splits[1] == ["train", "a stream", "", "", "", ""] and summary.splits[2][1] == "4"
    assert summary.notes[0].startswith("validation: a word takes 2.")


def test_the_card_has_it(tmp_path, tiny_model):
    rows = [{"text": f"第{number}句话，" + "花" * number, "label": f"名|{number % 3}"} for number in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe("finetune").main(
        ["--train_file", str(tmp_path / "a.jsonl"), "--model_name_or_path", str(tiny_model), "--max_length", "24",
         "--output_dir", str(tmp_path / "out"), *short("finetune")]
    )  # fmt: skip
    card = (tmp_path / "out" / "README.md").read_text()
    assert "cut at 24 | [UNK] | tokens a word |" in card
    assert r"| 0 | 名\|0 | 1" in card and r"| 2 | 名\|2 | 1" in card


def test_predict_tells_how_many_rows_are_cut(tokenizer, capsys, monkeypatch):
    monkeypatch.setattr(tokenizer, "model_max_length", 16)
    rows = Dataset.from_dict({"text": ["花" * 14, "花" * 15, "花" * 40]})
    encoded = encode_texts(rows, tokenizer, ["text"])
    RowsRead(tokenizer, "a.csv").add(encoded, len(encoded), more=False)
    assert capsys.readouterr().out == "a.csv: 2 of 3 rows are longer than 16 tokens, and lose their end\n"
    read = RowsRead(tokenizer, "a.csv")
    read.add(encoded, len(encoded), more=True)
    assert capsys.readouterr().out == ""
    read.add(encoded.select([0]), 1, more=False)
    assert capsys.readouterr().out == "a.csv: 2 of 4 rows are longer than 16 tokens, and lose their end\n"
    RowsRead(tokenizer, "a.csv").add(encoded.select([0]), 1, more=False)
    assert capsys.readouterr().out == ""
    latin = encode_texts(Dataset.from_dict({"text": ["ж" * 5, "花" * 5]}), tokenizer, ["text"])
    RowsRead(tokenizer, "a.csv").add(latin, len(latin), more=True)
    assert capsys.readouterr().out.startswith("a.csv, its first 2 rows: 17% of the tokens are [UNK]")
