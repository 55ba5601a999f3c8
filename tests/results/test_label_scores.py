"""A run with thresholds and a temperature: what it leaves, plain transformers, and predict.py say the same."""

import json

import numpy as np
import pandas
import pytest
from conftest import recipe
from sklearn.metrics import precision_recall_fscore_support
from transformers import AutoConfig, BertConfig, pipeline

from bert_recipes.arguments.problems import MULTI_LABEL
from bert_recipes.results.label_scores import score_labels
from bert_recipes.text.builtin_corpora import load_builtin

FLAGS = ["--max_length", "32", "--use_cpu", "--disable_tqdm", "true", "--per_device_train_batch_size", "8"]
FLAGS += [
    "--no_baseline",
    "--max_steps",
    "6",
    "--eval_strategy",
    "no",
    "--save_strategy",
    "no",
    "--learning_rate",
    "0.01",
]


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """Files of reviews, one positive to four negative ones; `both.csv` has a second label of long reviews."""
    folder = tmp_path_factory.mktemp("rare")
    for split, rows in load_builtin("reviews").items():
        frame = rows.to_pandas()
        parts = [frame[frame["label"] == label][:count] for label, count in (("negative", 64), ("positive", 16))]
        frame = pandas.concat(parts)
        frame.to_csv(folder / f"{split}.csv", index=False)
    long = frame["text"].str.len() > 40
    frame.assign(
        label=[f"{label};long" if is_long else label for label, is_long in zip(frame["label"], long, strict=True)]
    ).to_csv(folder / "both.csv", index=False)
    return folder


def run(name, folder, tiny_model, rare, *argv):
    files = [
        word for split in ("train", "validation", "test") for word in (f"--{split}_file", str(rare / f"{split}.csv"))
    ]
    files = ["--train_file", str(rare / "both.csv"), "--label_separator", ";"] if "--both" in argv else files
    argv = [word for word in argv if word != "--both"]
    return recipe(name).main(
        [*files, "--model_name_or_path", str(tiny_model), "--output_dir", str(folder), *FLAGS, *argv]
    )


def labelled(folder, output, *argv):
    """What predict.py makes of the run's own test rows."""
    rows = pandas.read_csv(folder / "predictions.csv", keep_default_na=False)
    rows[["text", "label"]].to_csv(output.with_suffix(".in.csv"), index=False)
    scores = recipe("predict").main(
        ["--model_name_or_path", str(folder), "--input_file", str(output.with_suffix(".in.csv")),
         "--output_file", str(output), "--use_cpu", *argv]
    )  # fmt: skip
    return rows, pandas.read_csv(output, keep_default_na=False), scores


@pytest.mark.parametrize("name", ["finetune", "lora"])
def test_a_tuned_threshold_and_a_temperature(tmp_path, tiny_model, rare, capsys, name):
    argv = ["--class_weights", "balanced", "--threshold", "tuned", "--calibrate"]
    results = run(name, tmp_path / "out", tiny_model, rare, *argv)
    told = capsys.readouterr().out
    assert "Class weights: negative 0.625, positive 2.5" in told and "Calibrated on 80 validation rows" in told
    config = AutoConfig.from_pretrained(tmp_path / "out")
    threshold = config.label_thresholds["positive"]
    assert config.label_thresholds == {"positive": results["threshold_positive"]}
    assert config.calibration_temperature == results["calibration_temperature"]

    rows, again, scores = labelled(tmp_path / "out", tmp_path / "again.csv")
    assert again["prediction"].tolist() == rows["prediction"].tolist()
    assert scores["macro_f1"] == pytest.approx(results["test_macro_f1"])
    assert (rows["label"] == rows["prediction"]).mean() == pytest.approx(results["test_accuracy"])
    assert f"{results['test_macro_f1']:.4f}" in told.split("at the threshold")[1].splitlines()[0]
    assert f"{results['test_at_half_macro_f1']:.4f}" in told.split("this run, test, at 0.5")[1].splitlines()[0]
    if name == "lora":  # the adapter by itself has the threshold and the divided head too
        _, adapted, _ = labelled(
            tmp_path / "out", tmp_path / "a.csv", "--model_name_or_path", str(tmp_path / "out/adapter")
        )
        assert adapted["prediction"].tolist() == rows["prediction"].tolist()
        assert adapted["score"].tolist() == pytest.approx(again["score"].tolist(), abs=1e-5)

    # A plain pipeline has the calibrated scores, and the most probable label.
    guesses = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)(
        rows["text"].tolist(), truncation=True
    )
    for row, found in zip(rows.itertuples(), guesses, strict=True):
        probability = {guess["label"]: guess["score"] for guess in found}
        assert probability[row.prediction] == pytest.approx(row.score, abs=1e-4)
        assert abs(probability["positive"] - threshold) < 1e-4 or (row.prediction == "positive") == (
            probability["positive"] > threshold
        )
    by_label = precision_recall_fscore_support(
        rows["label"], rows["prediction"], labels=["negative", "positive"], zero_division=0
    )
    for score, values in zip(("precision", "recall", "f1", "rows"), by_label, strict=True):
        assert [results[f"test_{score}_{label}"] for label in ("negative", "positive")] == pytest.approx(list(values))
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"| positive | {results['test_precision_positive']:.4f}" in card and f"| 16 | {threshold:.3f} |" in card
    assert f"Expected calibration error: {results['test_ece']:.4f}, before calibration" in card
    assert 0 <= results["test_ece"] <= 1 and 0 <= results["test_ece_before"] <= 1
    assert (tmp_path / "out" / "figures" / "reliability.png").stat().st_size > 10_000


def test_a_single_label_that_a_row_has_or_not():
    config = BertConfig(id2label={0: "spam"}, problem_type=MULTI_LABEL, label_thresholds={"spam": 0.7})
    results = score_labels(np.array([[2.0], [0.5], [-1.0]]), np.array([[1.0], [1.0], [0.0]]), config)
    assert (results["test_recall_spam"], results["test_rows_spam"], results["test_accuracy"]) == (0.5, 2, 2 / 3)
    assert results["test_at_half_accuracy"] == 1 and results["test_f1_spam"] == pytest.approx(2 / 3)


def test_thresholds_of_several_labels_a_row(tmp_path, tiny_model, rare, capsys):
    argv = ["--loss", "focal", "--class_weights", "balanced", "--threshold", "positive=0.45,long=0.6"]
    results = run("finetune", tmp_path / "out", tiny_model, rare, "--both", *argv)
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert config.label_thresholds == {"long": 0.6, "negative": 0.5, "positive": 0.45}
    rows, again, scores = labelled(tmp_path / "out", tmp_path / "again.csv")
    assert again["prediction"].tolist() == rows["prediction"].tolist()
    assert scores["accuracy"] == pytest.approx(results["test_accuracy"])
    guesses = pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)(
        rows["text"].tolist(), truncation=True
    )
    for prediction, found in zip(rows["prediction"], guesses, strict=True):
        certain = [guess for guess in found if abs(guess["score"] - config.label_thresholds[guess["label"]]) > 1e-4]
        assert all(
            (guess["label"] in prediction.split(";")) == (guess["score"] > config.label_thresholds[guess["label"]])
            for guess in certain
        )
    assert results["test_rows_positive"] + results["test_rows_negative"] == len(rows)
    # Trained further without thresholds, the model has none; only scored, it keeps them.
    start = ["--model_name_or_path", str(tmp_path / "out")]
    saving = ["--eval_strategy", "steps", "--eval_steps", "2", "--save_strategy", "steps", "--save_steps", "2"]
    again = run("finetune", tmp_path / "more", tiny_model, rare, "--both", *start, *saving)
    assert "threshold_long" not in again
    assert "The thresholds that the model had are left out" in capsys.readouterr().out
    configs = list((tmp_path / "more").rglob("config.json"))  # its checkpoints' too
    assert len(configs) > 1 and not any("label_thresholds" in config.read_text() for config in configs)
    scored = run("finetune", tmp_path / "scored", tiny_model, rare, "--both", *start, "--do_train", "false")
    assert scored["test_macro_f1"] == pytest.approx(results["test_macro_f1"], abs=1e-6)
    assert np.isclose(scored["test_at_half_macro_f1"], results["test_at_half_macro_f1"], atol=1e-6)
    assert json.loads((tmp_path / "scored" / "config.json").read_text())["label_thresholds"] == config.label_thresholds
