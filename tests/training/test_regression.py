"""Labels that are numbers: from the file to the prediction, and models with one output."""

import json
import random

import numpy as np
import pandas
import pytest
import torch
from conftest import recipe, refusal
from transformers import AutoConfig, BertForSequenceClassification, EvalPrediction, pipeline

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.text.corpora import load_corpus
from bert_recipes.training.losses import classification_loss
from bert_recipes.training.metrics import regression_metrics

FLAGS = ["--max_length", "32", "--use_cpu", "--disable_tqdm", "true", "--per_device_train_batch_size", "8"]


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Reviews with a decimal number each, higher where they are positive."""
    rows = load_corpus(LabelledDataArguments(dataset_name="reviews", max_train_samples=160))["train"].to_pandas()
    noise = random.Random(0)
    rows["label"] = [(4 if label == "positive" else 2) + round(noise.gauss(0, 0.5), 3) for label in rows["label"]]
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    rows.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(scores, tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "regression"
    argv = ["--train_file", str(scores), "--model_name_or_path", str(tiny_model), "--output_dir", str(folder)]
    recipe("finetune").main([*argv, *FLAGS, "--problem_type", "regression", "--max_steps", "12"])
    return folder


def test_a_regression_leaves_what_a_classifier_leaves(run):
    results = json.loads((run / "all_results.json").read_text())
    names = {f"{split}_{name}" for split in ("eval", "test", "baseline", "majority") for name in ("mse", "pearson")}
    assert names <= results.keys() and results["majority_pearson"] == 0
    rows = pandas.read_csv(run / "predictions.csv")
    assert list(rows.columns) == ["text", "label", "prediction"]
    assert ((rows["label"] - rows["prediction"]) ** 2).mean() == pytest.approx(results["test_mse"], rel=1e-3)
    # The head starts from the labels' mean: a model that learnt nothing is not far from guessing it.
    assert results["test_mse"] < 2 * results["majority_mse"]
    assert (run / "figures" / "scatter.png").exists() and not (run / "figures" / "confusion.png").exists()
    config = AutoConfig.from_pretrained(run)
    assert (config.problem_type, config.num_labels, config.id2label) == ("regression", 1, {0: "label"})
    assert "labels from" in (run / "README.md").read_text()
    score = pipeline("text-classification", model=str(run))(rows["text"][0], truncation=True)[0]["score"]
    assert score == pytest.approx(rows["prediction"][0], abs=1e-4)


def test_predict_gives_the_value_and_scores_the_file(run, scores, tmp_path, capsys):
    argv = ["--model_name_or_path", str(run), "--input_file", str(scores), "--use_cpu"]
    results = recipe("predict").main([*argv, "--output_file", str(tmp_path / "a.csv")])
    rows = pandas.read_csv(tmp_path / "a.csv")
    assert ((rows["label"] - rows["prediction"]) ** 2).mean() == pytest.approx(results["mse"], rel=1e-3)
    assert "score" not in rows and "pearson" in capsys.readouterr().out


def test_a_model_with_one_output_gives_its_value_and_the_sigmoid(tiny_model, tokenizer, tmp_path, capsys):
    """A reranker's head: its softmax would be 1 for every row."""
    torch.manual_seed(0)
    model = BertForSequenceClassification.from_pretrained(tiny_model, num_labels=1)
    torch.nn.init.normal_(model.classifier.weight, std=5)
    model.save_pretrained(tmp_path / "reranker")
    tokenizer.save_pretrained(tmp_path / "reranker")
    (tmp_path / "a.csv").write_text("text,label\n房间很干净,1\n电池只能用两个小时,0\n", encoding="utf-8")
    argv = ["--model_name_or_path", str(tmp_path / "reranker"), "--input_file", str(tmp_path / "a.csv"), "--use_cpu"]
    recipe("predict").main([*argv, "--output_file", str(tmp_path / "b.csv")])
    rows = pandas.read_csv(tmp_path / "b.csv")
    values = rows["prediction"].to_numpy()
    assert values[0] != values[1] and rows["score"].to_numpy() == pytest.approx(1 / (1 + np.exp(-values)), abs=1e-5)
    assert "No metrics: the model has one output" in capsys.readouterr().out


def test_scores_taken_for_classes_are_refused(scores, tmp_path):
    message = refusal(load_corpus, LabelledDataArguments(train_file=str(scores)))
    assert "different decimal numbers in 160 rows: add --problem_type regression" in message
    frame = pandas.read_csv(scores)
    frame.assign(label=[f"id{row}" for row in range(len(frame))]).to_csv(tmp_path / "ids.csv", index=False)
    message = refusal(load_corpus, LabelledDataArguments(train_file=str(tmp_path / "ids.csv")))
    assert "160 different labels in 160 rows, such as 'id0': name a column of classes" in message
    frame.assign(label=[row % 2 + 0.5 for row in range(len(frame))]).to_csv(tmp_path / "half.csv", index=False)
    assert len(load_corpus(LabelledDataArguments(train_file=str(tmp_path / "half.csv")))["train"]) == 128


@pytest.mark.parametrize(
    ("cell", "said"), [("gut", "is not a number"), ("", "is not a number"), ("-100", "stands for a missing label")]
)
def test_a_cell_that_is_no_number_is_named(tmp_path, cell, said):
    rows = [f"第{row}行,{row / 7}" for row in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows[:3], f"一行,{cell}", *rows[3:]]), encoding="utf-8")
    data_args = LabelledDataArguments(train_file=str(tmp_path / "a.csv"), problem_type="regression")
    message = refusal(load_corpus, data_args)
    assert "row 5 of a.csv: column 'label'" in message and said in message


def test_held_out_rows_cover_the_range(scores):
    corpus = load_corpus(LabelledDataArguments(train_file=str(scores), problem_type="regression"))
    means = [np.mean(rows["label"][:]) for rows in corpus.values()]
    assert [len(rows) for rows in corpus.values()] == [128, 16, 16] and max(means) - min(means) < 0.5


def test_a_score_of_classes_does_not_choose_a_regressions_best(scores, tiny_model, tmp_path):
    argv = ["--train_file", str(scores), "--model_name_or_path", str(tiny_model), "--problem_type", "regression"]
    argv += ["--output_dir", str(tmp_path / "out"), "--metric_for_best_model", "accuracy"]
    assert "--metric_for_best_model accuracy: a regression has pearson" in refusal(
        recipe("finetune").main, [*argv, *FLAGS]
    )
    argv[5] = "multi_label_classification"
    rows = "\n".join(["text,label", *(f"第{row}行,{row % 2}" for row in range(40))])
    scores_of_classes = tmp_path / "classes.csv"
    scores_of_classes.write_text(rows, encoding="utf-8")
    argv[1] = str(scores_of_classes)
    assert "the labels make it single_label_classification" in refusal(recipe("finetune").main, [*argv, *FLAGS])


def test_the_loss_is_the_squared_error_and_the_scores_are_scipys():
    labels, logits = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([[1.5], [2.0], [2.0]])
    assert classification_loss()({"logits": logits}, labels).item() == pytest.approx((0.25 + 0 + 4) / 3)
    scores = regression_metrics(EvalPrediction(predictions=logits.numpy(), label_ids=labels.numpy()))
    assert scores["mse"] == pytest.approx(4.25 / 3) and scores["spearman"] == pytest.approx(0.866, abs=1e-3)
    constant = regression_metrics(EvalPrediction(predictions=np.ones((3, 1)), label_ids=labels.numpy()))
    assert (constant["pearson"], constant["spearman"]) == (0, 0)
    (args,) = parse(FinetuneArguments, argv=["--output_dir", "unused", "--use_cpu"])
    args.suit(regression=True)
    assert args.metric_for_best_model == "pearson" and args.greater_is_better
