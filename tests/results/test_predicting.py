"""Files of any size through recipes/predict.py: in blocks, from stdin, to stdout, the best labels, other tasks."""

import io
import json
import sys
import tracemalloc
import weakref

import pandas
import pyarrow
import pyarrow.parquet
import pytest
import torch
from conftest import recipe, refusal
from processes import run_recipe, said, start, statuses
from transformers import BertForSequenceClassification, pipeline

from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.results import labelling, predictors
from bert_recipes.results.input_rows import check_rows
from bert_recipes.results.predictor import Predictor
from bert_recipes.results.streams import standard_streams
from bert_recipes.run.errors import UserError
from bert_recipes.text import blocks
from bert_recipes.training.trainer import Trainer

LABELS = ["体育", "文化", "经济"]


def save_classifier(folder, tiny_model, tokenizer, **config):
    torch.manual_seed(0)
    model = BertForSequenceClassification.from_pretrained(tiny_model, **config)
    torch.nn.init.normal_(model.classifier.weight, std=20)
    with torch.no_grad():  # so that texts have different labels
        model.classifier.bias.sub_(model.eval()(**tokenizer("房间很干净。", return_tensors="pt")).logits[0])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_model, tokenizer):
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: index for index, name in enumerate(LABELS)}}
    return save_classifier(tmp_path_factory.mktemp("three"), tiny_model, tokenizer, num_labels=3, **names)


@pytest.fixture(scope="module")
def rows():
    texts = [f"第{row}天，" + "房间干净，" * (row % 4) + "早饭的粥太稀了。" * (row % 3) for row in range(23)]
    return pandas.DataFrame({"id": [f"{row:03}" for row in range(23)], "text": texts, "label": (LABELS * 8)[:23]})


@pytest.fixture
def write(tmp_path, rows):
    def write(name, frame=rows):
        path = tmp_path / name
        if path.suffix == ".jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        else:
            frame.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")
        return str(path)

    return write


def predict(model, source, target, *words):
    argv = ["--model_name_or_path", str(model), "--input_file", str(source), "--output_file", str(target)]
    return recipe("predict").main([*argv, "--use_cpu", "--disable_tqdm", "true", *words])


def live(references):
    return sum(reference() is not None for reference in references)


def test_blocks_are_not_kept_and_give_what_the_whole_file_gives(model, write, tmp_path, monkeypatch, capsys):
    source = write("a.csv")
    scores = predict(model, source, tmp_path / "whole.csv", "--per_device_eval_batch_size", "4")
    assert capsys.readouterr().out.endswith(f"23 rows labelled, saved in {tmp_path / 'whole.csv'}\n")
    read, encoded, most = [], [], []

    class Rows(blocks.Table):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            read.append(weakref.ref(self))

    class Encoded(labelling.EncodedTexts):
        def __init__(self, *args):
            super().__init__(*args)
            encoded.append(weakref.ref(self.lists["input_ids"]))  # which its copies share
            most.append((live(read), live(encoded)))

    monkeypatch.setattr(blocks, "Table", Rows)
    monkeypatch.setattr(labelling, "EncodedTexts", Encoded)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)
    again = predict(model, source, tmp_path / "blocks.csv", "--per_device_eval_batch_size", "4")
    assert len(encoded) == 6 and all(1 <= tables <= 2 and texts <= 2 for tables, texts in most[-6:]), most
    whole, parted = (pandas.read_csv(tmp_path / name, dtype={"id": str}) for name in ("whole.csv", "blocks.csv"))
    pandas.testing.assert_frame_equal(whole, parted, atol=2e-6)
    assert scores == again and scores["accuracy"] == pytest.approx((whole["label"] == whole["prediction"]).mean())
    assert whole["id"][7] == "007" and whole["prediction"].nunique() > 1
    classify = pipeline("text-classification", model=str(model))
    assert [row["label"] for row in classify(list(whole["text"]))] == whole["prediction"].tolist()


def test_a_file_is_read_in_the_memory_of_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 250)
    text = "这家酒店的房间很干净，" * 10
    peaks = []
    for count in (1_000, 4_000):
        path = tmp_path / f"{count}.tsv"
        path.write_text("text\n" + "".join(f"{text}{row}\n" for row in range(count)), encoding="utf-8")
        tracemalloc.start()
        rows = check_rows(PredictArguments(input_file=str(path), output_file="b.csv"))
        assert rows.count == count == sum(map(len, rows))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] and peaks[1] < path.stat().st_size


def test_a_block_of_long_texts_has_fewer_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_SIZE", 100)
    (tmp_path / "a.txt").write_text("好" * 60 + "\n" + "坏" * 60 + "\n短\n", encoding="utf-8")
    found = list(blocks.read_blocks(str(tmp_path / "a.txt"), "utf-8", ["text"], "--input_file"))
    assert [(len(block), block.more) for block in found] == [(2, True), (1, False)]


def test_a_mistake_in_a_late_block_is_told_before_the_model_loads(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)
    cells = [*"一二三四五", *4 * " ", *"六七八"]
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells)))
    message = refusal(predict, "none", tmp_path / "a.csv", tmp_path / "b.csv")
    assert message.startswith("row 7 of a.csv: column 'text' is empty")
    assert message.endswith("(3 such rows up to row 9)")
    records = [{"text": "一", "n": 1}] * 4 + [{"text": "二", "n": 0.5}] * 4 + [{"text": "三", "late": "四", "n": "x"}]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, records)))
    message = refusal(predict, "none", tmp_path / "c.jsonl", tmp_path / "b.parquet")
    assert "can't hold column 'n' of c.jsonl: from row 9 on it is string, before it double" in message
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, [{"text": "一", "n": 2**60 + 1}] * 4 + records[4:6])))
    assert "can't hold column 'n' of d.jsonl" in refusal(predict, "none", tmp_path / "d.jsonl", tmp_path / "b.parquet")
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "c.jsonl", "d.jsonl"}


def test_columns_that_come_late_and_types_that_widen(model, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    records = [{"text": "一", "n": 1}] * 2 + [{"text": "二", "n": 0.5, "late": ["甲"]}, {"text": "三", "n": None}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    for suffix in ("parquet", "jsonl", "csv"):
        predict(model, tmp_path / "a.jsonl", tmp_path / f"b.{suffix}")
    table = pyarrow.parquet.read_table(tmp_path / "b.parquet")
    assert [str(kind) for kind in table.schema.types] == [
        "string",
        "double",
        "list<element: string>",
        "string",
        "double",
    ]
    assert table["n"].to_pylist() == [1, 1, 0.5, None] and table["late"].to_pylist() == [None, None, ["甲"], None]
    frames = [pandas.read_json(tmp_path / "b.jsonl", lines=True), pandas.read_csv(tmp_path / "b.csv")]
    for frame in frames:
        assert list(frame.columns) == ["text", "n", "late", "prediction", "score"] and len(frame) == 4
        assert frame["prediction"].tolist() == table["prediction"].to_pylist()
        assert frame["score"].tolist() == pytest.approx(table["score"].to_pylist())


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_run_that_ends_early_leaves_no_file_but_its_blocks(model, write, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 10)
    source, target = write("a.jsonl"), tmp_path / f"b.{suffix}"
    target.with_name(f"{target.name}.part").write_text("of a run that was killed")
    whole = labelling.Labelling.predict

    def stop_in_the_last_block(self, block):
        if not block.more:
            raise UserError("stopped")
        return whole(self, block)

    with monkeypatch.context() as patch:
        patch.setattr(labelling.Labelling, "predict", stop_in_the_last_block)
        assert refusal(predict, model, source, target) == "stopped"
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", f"{target.name}.parts"}
    predict(model, source, target)
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", target.name}


def test_what_an_interrupted_run_has_finished_is_not_predicted_again(model, write, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    source, target = write("a.jsonl"), tmp_path / "b.jsonl"
    scores = predict(model, source, tmp_path / "whole.jsonl")
    predicted, whole = [], Trainer.predict

    def counting(self, rows, *words, **more):
        predicted.append(len(rows))
        if len(predicted) == 3:
            raise KeyboardInterrupt
        return whole(self, rows, *words, **more)

    monkeypatch.setattr(Trainer, "predict", counting)
    with pytest.raises(KeyboardInterrupt):
        predict(model, source, target)
    message = refusal(predict, model, source, target, "--text_columns", "id")
    assert message.endswith(
        "b.jsonl.parts holds blocks of a run with text_columns text, not id: go on with the same, name another "
        "--output_file, or give the blocks up with --overwrite"
    )
    (tmp_path / "b.jsonl.parts" / "000001.parquet").write_bytes(b"half of a file")
    capsys.readouterr()
    assert predict(model, source, target, "--top_k", "1") == scores
    assert "b.jsonl.parts has 1 of 5 blocks already" in capsys.readouterr().out
    assert predicted == [5, 5, 5, 5, 5, 5, 3] and target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.jsonl", "b.jsonl", "whole.jsonl"}


# --- stdin and stdout ---


def through(model, monkeypatch, capsys, text, *words, **files):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    scores = predict(model, files.get("source", "-"), files.get("target", "-"), *words)
    return scores, *capsys.readouterr()


def test_stdin_to_stdout_in_each_format(model, rows, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 10)
    scores, out, err = through(model, monkeypatch, capsys, rows.to_json(orient="records", lines=True))
    found = pandas.read_json(io.StringIO(out), lines=True, dtype={"id": str})
    assert found[list(rows)].equals(rows) and "23 rows labelled, written to stdout" in err
    assert scores["accuracy"] == pytest.approx((found["label"] == found["prediction"]).mean())
    assert f"{scores['accuracy']:.4f}" in err and "stdin.jsonl" in err
    for name, separator in (("csv", ","), ("tsv", "\t")):
        _, out, _ = through(model, monkeypatch, capsys, rows.to_csv(index=False, sep=separator), "--format", name)
        again = pandas.read_csv(io.StringIO(out), sep=separator, dtype={"id": str})
        assert again[["id", "prediction"]].equals(found[["id", "prediction"]])
    _, out, _ = through(model, monkeypatch, capsys, "\n".join(rows["text"]), "--format", "txt")
    assert [list(json.loads(line)) for line in out.splitlines()] == [["text", "prediction", "score"]] * 23
    assert not list(tmp_path.iterdir())


def test_one_end_is_a_file(model, rows, write, tmp_path, monkeypatch, capsys):
    _, out, err = through(model, monkeypatch, capsys, "", "--format", "csv", source=write("a.jsonl"))
    assert pandas.read_csv(io.StringIO(out))["text"].tolist() == rows["text"].tolist() and "23 rows" in err
    _, out, _ = through(model, monkeypatch, capsys, "好\n坏\n", "--format", "txt", target=tmp_path / "b.csv")
    assert pandas.read_csv(tmp_path / "b.csv")["text"].tolist() == ["好", "坏"] and "2 rows labelled, saved in" in out


def test_mistakes_of_streams(model, write, tmp_path, monkeypatch, capsys):
    message = refusal(through, model, monkeypatch, capsys, '{"text": "好"}\n{"text": " "}\n')
    assert message.startswith("row 2 of stdin.jsonl: column 'text' is empty") and not capsys.readouterr().out
    source = write("a.csv")
    said = {
        "--format csv is for -": (source, tmp_path / "b.csv", "--format", "csv"),
        "--format txt: stdout has columns": (source, "-", "--format", "txt"),
        "--top_k 0: must be 1 or more": (source, "-", "--top_k", "0"),
    }
    for words, arguments in said.items():
        assert words in refusal(predict, model, *arguments)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "several processes can't share stdin" in refusal(PredictArguments, input_file="-", output_file="b.csv")


def test_a_reader_that_has_enough_is_one_line(tmp_path, monkeypatch):
    def closed_pipe():
        with standard_streams(PredictArguments(input_file="a.csv", output_file="-")):
            raise BrokenPipeError

    with (tmp_path / "pipe").open("w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert "takes no more rows" in refusal(closed_pipe)


# --- the best labels ---


def test_the_best_labels_stand_side_by_side(model, write, tmp_path, capsys):
    predict(model, write("a.csv"), tmp_path / "b.csv", "--top_k", "5")
    assert "--top_k 5: the model has 3 labels, and all of them are given" in capsys.readouterr().out
    frame = pandas.read_csv(tmp_path / "b.csv")
    names, scores = ["prediction", "prediction_2", "prediction_3"], ["score", "score_2", "score_3"]
    assert list(frame.columns)[3:] == [name for pair in zip(names, scores, strict=True) for name in pair]
    classify = pipeline("text-classification", model=str(model), top_k=None)
    for (_, row), expected in zip(frame.iterrows(), classify(frame["text"].tolist()), strict=True):
        assert row[names].tolist() == [place["label"] for place in expected]
        assert row[scores].tolist() == pytest.approx([place["score"] for place in expected], abs=1e-5)
    predict(model, write("a.csv"), tmp_path / "b.parquet", "--top_k", "2")
    assert pyarrow.parquet.read_table(tmp_path / "b.parquet").column_names[3:] == list(frame.columns)[3:7]


def test_the_best_of_what_is_no_class_is_refused(tiny_model, tokenizer, write, tmp_path):
    for gives, config in (
        ("several", {"num_labels": 3, "problem_type": "multi_label_classification"}),
        ("a number", {"num_labels": 1}),
    ):
        folder = save_classifier(tmp_path / gives, tiny_model, tokenizer, **config)
        message = refusal(predict, folder, write("a.csv"), tmp_path / "b.csv", "--top_k", "2")
        assert f"and this gives {gives}: leave it out" in message


def test_the_name_of_a_further_place_is_taken(model, rows, write, tmp_path):
    source = write("a.csv", rows.assign(score_2=1))
    message = refusal(predict, model, source, tmp_path / "b.csv", "--top_k", "2")
    assert message.startswith("a.csv has a column 'score_2' already")
    predict(model, source, tmp_path / "b.csv")


# --- processes of their own ---


def predict_in_small_blocks(argv, stdin="/dev/null"):
    blocks.BLOCK_ROWS = 7
    with open(stdin, encoding="utf-8") as sys.stdin:
        run_recipe("predict", argv)


def test_stdout_of_a_process_has_the_rows_alone(model, rows, write, tmp_path):
    argv = ["--model_name_or_path", str(model), "--input_file", "-", "--output_file", "-", "--use_cpu"]
    log = tmp_path / "log.jsonl"
    assert statuses(start(log, predict_in_small_blocks, argv, write("a.jsonl"))) == [0], said(log)
    found = pandas.read_json(log, lines=True)
    assert found["text"].tolist() == rows["text"].tolist() and list(found)[3:] == ["prediction", "score"]
    told = log.with_suffix(".err").read_text()
    assert "23 rows labelled, written to stdout" in told and "predicting:   0%" in told, told


def test_two_processes_go_on_to_what_one_writes(model, write, tmp_path, monkeypatch):
    predict(model, write("a.csv"), tmp_path / "one.csv")

    def stop_behind_two_blocks(self, block):
        if block.numbers[0] > 15:
            raise KeyboardInterrupt
        return whole(self, block)

    whole = labelling.Labelling.predict
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(blocks, "BLOCK_ROWS", 7)
        patch.setattr(labelling.Labelling, "predict", stop_behind_two_blocks)
        predict(model, tmp_path / "a.csv", tmp_path / "two.csv")
    argv = ["--model_name_or_path", str(model), "--input_file", str(tmp_path / "a.csv"), "--use_cpu"]
    argv += ["--output_file", str(tmp_path / "two.csv"), "--per_device_eval_batch_size", "2"]
    log = tmp_path / "log.txt"
    assert statuses(start(log, predict_in_small_blocks, argv, processes=2)) == [0, 0], said(log)
    one, two = (pandas.read_csv(tmp_path / name) for name in ("one.csv", "two.csv"))
    pandas.testing.assert_frame_equal(one, two, atol=2e-6)
    told = said(log)
    assert told.count("has 2 of 4 blocks already") == told.count("23 rows labelled") == 1 and "accuracy" in told


# --- tasks ---


class Digits(Predictor):
    """Finds the digits of a text: a row each, or none."""

    @staticmethod
    def new_columns(config, args):
        return {"digit": pyarrow.string(), "start": pyarrow.int64()}

    def __init__(self, args):
        self.args, self.trainer = args, labelling.Labelling(args).trainer

    def predict(self, block):
        found = []
        for row, text in enumerate(block.columns["text"]):
            digits = [(row, text[start], start) for start in range(len(text)) if text[start].isdigit()]
            found += digits or [(row, None, None)]
        lines, digits, starts = zip(*found, strict=True)
        return block.take(lines).with_columns({"digit": list(digits), "start": list(starts)})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_task_may_give_a_row_several_rows(model, tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(predictors.PREDICTORS, "ForSequenceClassification", Digits)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    table = pyarrow.table({"text": ["无", "一1二2", "3", "空"], "day": pyarrow.array([1, 2, 3, 4], pyarrow.date32())})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    predict(model, tmp_path / "a.parquet", tmp_path / f"b.{suffix}")
    read = {"csv": pandas.read_csv, "parquet": pandas.read_parquet}[suffix]
    frame = read(tmp_path / f"b.{suffix}").astype(object)
    assert frame["text"].tolist() == ["无", "一1二2", "一1二2", "3", "空"]
    assert [value for value in frame["start"] if value == value] == [1, 3, 0]
    assert pandas.isna(frame["digit"][[0, 4]]).all() and str(frame["day"][2])[:10] == "1970-01-03"


def test_a_model_of_no_task_is_one_line(tiny_model, write, tmp_path):
    message = refusal(predict, tiny_model, write("a.csv"), tmp_path / "b.csv")
    assert "is no classifier (it is BertForMaskedLM): train one with" in message
