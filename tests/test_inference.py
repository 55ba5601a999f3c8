import json

import numpy as np
import pandas
import pytest
import torch
from datasets import Dataset

from bert_recipes.arguments import ModelArguments, RecipeArguments
from bert_recipes.encoding import encode_texts
from bert_recipes.errors import UserError
from bert_recipes.inference import check_new_columns, name_predictions, predict, score_file, write_file
from bert_recipes.models import load_classifier
from bert_recipes.training import classifier_trainer

TEXTS = ["好", "房间很干净，服务态度也特别好，下次还来", "不推荐", "电池不行。" * 20, "书不错"]


def test_predictions_stand_in_the_order_of_their_rows(tiny_model, tokenizer, tmp_path):
    model = load_classifier(ModelArguments(str(tiny_model)), ["a", "b"])
    args = RecipeArguments(output_dir=str(tmp_path), use_cpu=True, do_eval=False, per_device_eval_batch_size=2)
    encoded = encode_texts(Dataset.from_dict({"text": TEXTS}), tokenizer, ["text"])
    logits, _ = predict(classifier_trainer(model, args, tokenizer), encoded)
    with torch.no_grad():
        one_by_one = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS]
    np.testing.assert_allclose(logits, one_by_one, atol=1e-5)


def test_a_label_and_its_probability():
    named = name_predictions(np.array([[0.0, 0.0, np.log(8)], [np.log(3), 0.0, 0.0]]), ["a", "b", "c"], False)
    assert named["prediction"] == ["c", "a"] and named["score"] == [0.8, 0.6]


def test_several_labels_are_those_above_one_half():
    named = name_predictions(np.array([[2.0, -2.0, 0.1], [-1.0, -1.0, -1.0]]), ["a", "b", "c"], True)
    assert named["prediction"] == ["a;c", ""] and named["score"] == ["0.880797;0.524979", ""]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_files_keep_their_columns_first_and_their_rows_in_order(tmp_path, suffix):
    rows = Dataset.from_dict({"id": ["01", "02"], "text": ['带"引号"，逗号', "换\n行"], "label": ["好", "坏"]})
    path = tmp_path / "new" / f"out.{suffix}"
    write_file(rows, {"prediction": ["好", "好"], "score": [0.9, 0.5]}, path)
    if suffix in ("csv", "tsv"):
        frame = pandas.read_csv(path, sep="\t" if suffix == "tsv" else ",", dtype={"id": str})
    elif suffix == "parquet":
        frame = pandas.read_parquet(path)
    else:
        text = path.read_text(encoding="utf-8")
        frame = pandas.DataFrame(json.loads(text) if suffix == "json" else map(json.loads, text.splitlines()))
    assert list(frame.columns) == ["id", "text", "label", "prediction", "score"]
    assert frame["id"].tolist() == ["01", "02"] and frame["text"].tolist() == rows["text"][:]


def test_labels_of_the_file_are_scored_where_the_model_knows_them(capsys):
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    scores = score_file(logits, Dataset.from_dict({"label": ["a", "b", "b"]}), "label", ["a", "b"], None)
    assert scores["accuracy"] == pytest.approx(2 / 3) and set(scores) >= {"macro_f1", "macro_precision"}
    assert score_file(logits, Dataset.from_dict({"text": ["", "", ""]}), "label", ["a", "b"], None) == {}
    assert score_file(logits, Dataset.from_dict({"label": ["a", "b", "z"]}), "label", ["a", "b"], None) == {}
    assert "'z', which is no label of this model" in capsys.readouterr().out
    floats = Dataset.from_dict({"label": [1.0, 0.0, 1.0]})
    assert score_file(logits, floats, "label", ["0", "1"], None)["accuracy"] == 0
    several = Dataset.from_dict({"label": ["a", "b", "a; b"]})
    assert score_file(logits - 0.5, several, "label", ["a", "b"], ";")["accuracy"] == pytest.approx(2 / 3)


def test_integers_with_a_gap_stay_integers(tmp_path):
    rows = Dataset.from_dict({"id": [1234567890123456789, None]})
    write_file(rows, {"score": [0.5, 0.25]}, tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert lines == [{"id": 1234567890123456789, "score": 0.5}, {"id": None, "score": 0.25}]


def test_a_file_with_predictions_of_its_own():
    with pytest.raises(UserError, match=r"a\.csv has a column 'score' already"):
        check_new_columns(Dataset.from_dict({"text": ["a"], "score": [1]}), "a.csv")
