"""recipes/ner.py as its user runs it: what it leaves, what loads it, what goes on after a kill, and its mistakes."""

import copy
import json

import pandas
import pytest
import torch
import yaml
from conftest import recipe, refusal, short
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoTokenizer, pipeline

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.ner import NerDataArguments
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.data_summary import RowsRead
from bert_recipes.text.entity_windows import EncodedWindows, encode_windows
from bert_recipes.text.tags import Entity, groups
from bert_recipes.training.entity_data import load_entity_data
from bert_recipes.training.entity_metrics import score_entities, token_predictions
from bert_recipes.training.losses import token_classification_loss
from bert_recipes.training.trainer import Trainer

MARKS = {"，": "COMMA", "、": "COMMA", "。": "STOP"}


@pytest.fixture(scope="module")
def rows():
    """Paragraphs of the newspaper; their entities are marks, which a tiny model tells apart within a few steps."""
    texts = [text for text in load_builtin("peoples_daily")["test"]["text"][:200] if len(text) > 20][:96]
    return [
        {
            "text": text,
            "entities": [
                {"start": number, "end": number + 1, "label": MARKS[mark]}
                for number, mark in enumerate(text)
                if mark in MARKS
            ],
        }
        for text in texts
    ]


@pytest.fixture(scope="module")
def file(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("ner") / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def words(folder, model, file, *more) -> list[str]:
    """Windows of 64 tokens, 30 of them shared: many of the texts have several."""
    return [
        *("--train_file", file, "--test_file", file, "--model_name_or_path", str(model), "--max_length", "64"),
        *("--stride", "30"),
        *(*short("ner"), "--learning_rate", "1e-2", "--max_steps", "30", "--output_dir", str(folder), *more),
    ]


@pytest.fixture(scope="module")
def outputs(tiny_model, file, tmp_path_factory):
    """Of every weight, and of adapters that go on from there, with its head: the types are the same."""
    folder = tmp_path_factory.mktemp("outputs")
    recipe("ner").main(words(folder / "ner", tiny_model, file))
    recipe("ner").main(words(folder / "lora", folder / "ner", file, "--lora", "--max_steps", "4"))
    return folder


@pytest.mark.parametrize("name", ["ner", "lora"])
def test_what_a_run_leaves(outputs, name, rows):
    folder = outputs / name
    left = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    assert left >= {"model.safetensors", "tokenizer.json", "README.md", "figures/training.png", "predictions.jsonl"}
    assert ("adapter/adapter_model.safetensors" in left) == (name == "lora")
    results = json.loads((folder / "all_results.json").read_text())
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    known = {row["text"]: row["entities"] for row in rows}
    assert len(predictions) == 24 and all(known[row["text"]] == row["entities"] for row in predictions)
    found, expected = (
        {(n, e["start"], e["end"], e["label"]) for n, row in enumerate(predictions) for e in row[column]}
        for column in ("prediction", "entities")
    )
    right = len(found & expected)
    f1 = 2 * right / (len(found) + len(expected))
    assert results["test_f1"] == pytest.approx(f1) and results.keys() >= {"eval_f1", "test_STOP_recall", "test_loss"}
    assert results["train_parameters"] + results["frozen_parameters"] > 100_000
    for row in predictions:
        assert all(row["text"][e["start"] : e["end"]] == e["text"] for e in row["prediction"])
    card = (folder / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "token-classification"
    assert f"{results['test_f1']:.4f}" in card and "| COMMA |" in card


@pytest.mark.parametrize("name", ["ner", "lora"])
def test_a_plain_pipeline_finds_the_same_entities(outputs, name):
    find = pipeline("token-classification", model=str(outputs / name), aggregation_strategy="simple")
    predictions = [json.loads(line) for line in (outputs / name / "predictions.jsonl").read_text().splitlines()]
    of_one_window = [row for row in predictions if len(row["text"]) <= 60]
    assert sum(len(row["prediction"]) for row in of_one_window) >= 10
    for row in of_one_window:
        found = [(e["start"], e["end"], e["entity_group"]) for e in find(row["text"])]
        assert found == [(e["start"], e["end"], e["label"]) for e in row["prediction"]]
        assert [float(e["score"]) for e in find(row["text"])] == pytest.approx(
            [e["score"] for e in row["prediction"]], abs=1e-4
        )


def predict(model, source, output) -> dict:
    return recipe("predict").main(
        ["--model_name_or_path", str(model), "--input_file", str(source), "--output_file", str(output), "--use_cpu"]
    )


def test_predict_writes_a_list_a_text_or_a_row_an_entity(outputs, file, rows, tmp_path):
    scores = predict(outputs / "ner", file, tmp_path / "all.jsonl")
    after = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert [row["text"] for row in after] == [row["text"] for row in rows]
    predictions = [json.loads(line) for line in (outputs / "ner" / "predictions.jsonl").read_text().splitlines()]
    by_text = {row["text"]: row["prediction"] for row in after}
    for row in predictions:
        after, before = by_text[row["text"]], row["prediction"]
        assert [{**e, "score": 0} for e in after] == [{**e, "score": 0} for e in before]
        assert [e["score"] for e in after] == pytest.approx([e["score"] for e in before], abs=1e-4)
    assert 0 < scores["f1"] <= 1 and scores.keys() >= {"STOP_f1", "COMMA_precision", "recall"}
    predict(outputs / "lora" / "adapter", file, tmp_path / "adapter.parquet")
    predict(outputs / "lora", file, tmp_path / "merged.parquet")
    adapter, merged = (pandas.read_parquet(tmp_path / f"{name}.parquet") for name in ("adapter", "merged"))
    for one, other in zip(adapter["prediction"], merged["prediction"], strict=True):
        assert [(e["start"], e["end"], e["label"]) for e in one] == [(e["start"], e["end"], e["label"]) for e in other]
    pandas.DataFrame({"number": [7, 8], "text": [rows[5]["text"], "。"]}).to_csv(tmp_path / "two.csv", index=False)
    predict(outputs / "ner", tmp_path / "two.csv", tmp_path / "two.tsv")
    table = pandas.read_csv(tmp_path / "two.tsv", sep="\t")
    expected = by_text[rows[5]["text"]]
    assert list(table.columns) == ["number", "text", "entity", "start", "end", "type", "score"]
    found = table[table["number"] == 7].dropna()
    assert found["entity"].tolist() == [e["text"] for e in expected]
    assert found["start"].astype(int).tolist() == [e["start"] for e in expected]
    assert (table["number"] == 8).sum() >= 1


def test_the_entities_of_a_file_are_found_where_training_finds_them(outputs, rows, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"label": "news", **row}) + "\n" for row in rows[:4]), encoding="utf-8")
    assert predict(outputs / "ner", path, tmp_path / "all.jsonl")["f1"] > 0
    told = ["--label_column", "label", "--output_file", str(tmp_path / "typed.jsonl"), "--use_cpu"]
    recipe("predict").main(["--model_name_or_path", str(outputs / "ner"), "--input_file", str(path), *told])
    assert "No metrics: row 1 of rows.jsonl has no list of entities" in capsys.readouterr().out


def test_a_script_that_the_tokenizer_lacks_is_told_of_the_first_block(tokenizer, capsys):
    texts = ["ሰላም ለዓለም", "ሰላም"]
    encoded, read = encode_windows(Dataset.from_dict({"text": texts}), tokenizer, 8), RowsRead(tokenizer, "a.csv")
    read.add(encoded, rows=2, more=True)
    read.add(encoded, rows=2, more=False)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "a.csv" in line]
    assert line.startswith("a.csv, its first 2 rows: 100% of the tokens are [UNK]")


def test_a_run_that_breaks_off_goes_on_and_ends_with_the_same_weights(dropout_model, file, tmp_path, monkeypatch):
    more = ["--save_strategy", "steps", "--save_steps", "2", "--eval_strategy", "no", "--max_steps", "8"]
    argv = {name: words(tmp_path / name, dropout_model, file, *more) for name in ("whole", "broken")}
    expected = recipe("ner").main(argv["whole"])

    class Killed(BaseException):
        pass

    def training_step(trainer, *args, **kwargs):
        if trainer.state.global_step == 5:
            raise Killed
        return step(trainer, *args, **kwargs)

    step = Trainer.training_step
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Trainer, "training_step", training_step)
        recipe("ner").main(argv["broken"])
    assert not (tmp_path / "broken" / "all_results.json").exists()
    results = recipe("ner").main([*argv["broken"], "--resume_from_checkpoint", "auto"])
    whole, resumed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert results["test_f1"] == expected["test_f1"] and results["test_loss"] == expected["test_loss"]
    (tmp_path / "broken" / "all_results.json").unlink()
    told = refusal(recipe("ner").main, [*argv["broken"], "--lora", "--resume_from_checkpoint", "auto"])
    assert "is of a run with lora False, not True" in told


def test_characters_that_words_hide_become_tokens_and_are_saved_so(tiny_model, tmp_path, capsys):
    texts = [f"第{number}场vsac米兰\ue5f1对iPhone" for number in range(40)]
    content = [{"text": t, "entities": [[t.index("ac"), t.index("对"), "ORG"]]} for t in texts]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8")
    recipe("ner").main(words(tmp_path / "out", tiny_model, str(path), "--max_steps", "2"))
    told = capsys.readouterr().out
    assert "entities begin or end inside a token: each character is made a token of its own" in told
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.tokenize("vsac\ue5f1") == ["v", "s", "a", "c", "[UNK]"]
    predictions = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert predictions[0]["entities"][0]["end"] == predictions[0]["text"].index("对")
    load_entity_data(ModelArguments(), NerDataArguments(train_file=str(path), split_characters=False), seed=0)
    assert "their tags are those of the whole token" in capsys.readouterr().out


# --- the parts ---


def test_scores_are_those_of_whole_entities():
    per, loc, short_loc = Entity(0, 2, "PER"), Entity(3, 6, "LOC"), Entity(3, 5, "LOC")
    scores = score_entities([[per, short_loc], [], [loc]], [[per, loc], [loc], []])
    # PER: 1 of 1. LOC: none of 2 found, none of 2 given.
    assert scores["PER_f1"] == 1 and scores["LOC_f1"] == 0
    assert (scores["precision"], scores["recall"]) == pytest.approx((1 / 3, 1 / 3))
    assert score_entities([[], []], [[], []]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_the_loss_is_summed_over_the_tokens_that_count_and_divided_by_all():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 5, 3), torch.tensor([[-100, 0, 2, -100, -100], [-100, 1, 1, 1, -100]])
    expected = torch.nn.functional.cross_entropy(logits[labels != -100], labels[labels != -100], reduction="sum")
    loss = token_classification_loss()
    assert torch.allclose(loss({"logits": logits}, labels, 20), expected / 20)
    assert torch.allclose(loss({"logits": logits}, labels), expected / 5)
    assert loss({"logits": logits}, torch.full((2, 5), -100)) == 0
    tags, probabilities, losses = token_predictions(logits, labels)
    assert torch.allclose(losses.sum(), expected) and torch.equal(tags, logits.argmax(-1))
    assert torch.allclose(probabilities, logits.softmax(-1).max(-1).values)


def test_a_batch_labels_each_token_in_one_of_its_windows(tokenizer, rows):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.model_max_length = 32
    encoded = encode_windows(Dataset.from_list(rows[:20]), tokenizer, 8, ["O", "B-COMMA", "B-STOP"])
    windows = EncodedWindows(encoded, tokenizer)
    batch = windows.__getitems__(range(len(windows)))
    labels = batch["labels"]
    counts = [int((labels == number).sum()) for number in range(3)]
    given = [entity["label"] for row in rows[:20] for entity in row["entities"]]
    assert counts[1:] == [given.count("COMMA"), given.count("STOP")]
    assert batch["num_labels"] == sum(counts) == int((labels != -100).sum()) == sum(map(len, encoded["starts"]))
    marks = tokenizer.convert_tokens_to_ids(["，", "、"])
    assert set(batch["input_ids"][labels == 1].tolist()) == set(marks)


def test_tags_without_a_prefix_are_grouped_as_a_pipeline_groups_them():
    assert list(groups(["PER", "PER", "O", "B-PER", "S-LOC"])) == [(0, 2, "PER"), (3, 4, "PER"), (4, 5, "LOC")]


MISTAKES = {
    "no such type of file": (["--train_file", "a.csv"], "--train_file a.csv: must be a token and its tag a line"),
    "no such file": (["--train_file", "none.bio"], "--train_file none.bio: there is no such file"),
    "two columns": (["--text_columns", "title,text"], "entities stand in one text"),
    "too long a stride": (["--stride", "200"], "--stride 200: must lie between 0 and half of --max_length 256"),
    "adapters without --lora": (
        ["--lora_r", "16"],
        "--lora_r is for adapters, and every weight is trained: add --lora",
    ),
    "a default of adapters without --lora": (["--lora_r", "8"], "--lora_r is for adapters"),
    "no adapters to merge": (["--no_merge"], "--no_merge is for adapters"),
    "a new head untrained": (["--do_train", "false"], "--do_train false: bert-mini-zh has no head for the tags of"),
    "a typo": (["--split_character", "true"], "did you mean --split_characters?"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, tmp_path, monkeypatch, file):
    argv, message = MISTAKES[name]
    (tmp_path / "a.csv").write_text("text,label\n好,a\n")
    monkeypatch.chdir(tmp_path)
    data = ["--train_file", file] if name == "a new head untrained" else []
    assert message in refusal(recipe("ner").main, [*data, *argv])
