import numpy as np
import pytest
import torch
from datasets import Dataset

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.arguments.problems import MULTI_LABEL, SINGLE_LABEL
from bert_recipes.arguments.recipe import RecipeArguments
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.results.inference import name_predictions, predict, score_file
from bert_recipes.text.encoding import encode_texts
from bert_recipes.text.files import Table
from bert_recipes.training.assembling import classifier_trainer

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
    named = name_predictions(np.array([[0.0, 0.0, np.log(8)], [np.log(3), 0.0, 0.0]]), ["a", "b", "c"], SINGLE_LABEL)
    assert named["prediction"] == ["c", "a"] and named["score"] == [0.8, 0.6]


def test_the_label_that_a_threshold_chooses_stands_first():
    logits = np.array([[np.log(3), 0.0], [0.0, np.log(9)]])
    named = name_predictions(logits, ["a", "b"], SINGLE_LABEL, np.array([0.8, 0.2]), top_k=2)
    assert named["prediction"] == ["b", "b"] and named["score"] == [0.25, 0.9]
    assert named["prediction_2"] == ["a", "a"] and named["score_2"] == [0.75, 0.1]


def test_several_labels_are_those_above_one_half():
    named = name_predictions(np.array([[2.0, -2.0, 0.1], [-1.0, -1.0, -1.0]]), ["a", "b", "c"], MULTI_LABEL)
    assert named["prediction"] == ["a;c", ""] and named["score"] == ["0.880797;0.524979", ""]


def scored(logits, cells, names, multi_label=False, **arguments):
    args = PredictArguments(input_file="a.jsonl", output_file="b.jsonl", **arguments)
    return score_file(
        logits, Table("a.jsonl", cells, range(1, 9)), args, names, MULTI_LABEL if multi_label else SINGLE_LABEL
    )


def test_labels_of_the_file_are_scored_where_the_model_knows_them(capsys):
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    scores = scored(logits, {"label": ["a", "b", "b"]}, ["a", "b"])
    assert scores["accuracy"] == pytest.approx(2 / 3) and set(scores) >= {"macro_f1", "macro_precision"}
    assert scored(logits, {"text": ["", "", ""]}, ["a", "b"]) == {}
    assert scored(logits, {"label": ["a", "b", "z"]}, ["a", "b"]) == {}
    assert "'z', which is no label of this model" in capsys.readouterr().out
    assert scored(logits, {"label": [1.0, 0.0, 1.0]}, ["0", "1"])["accuracy"] == 0
    several = {"label": ["a", "b", "a; b"]}
    assert scored(logits - 0.5, several, ["a", "b"], multi_label=True)["accuracy"] == pytest.approx(2 / 3)
    assert scored(logits, {"label": [["a"], ["b"], ["a", "b"]]}, ["a", "b"]) == {}
    assert "lists of labels a row, and the model gives one" in capsys.readouterr().out
