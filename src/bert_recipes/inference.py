"""Predictions for rows in their order: sorted by length inside, where padding costs, and put back outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from datasets import Dataset
from scipy.special import expit, softmax
from transformers import EvalPrediction

from .corpora import plain
from .encoding import label_vector
from .errors import UserError
from .metrics import MEAN_LOSS, classification_metrics, decide
from .training import Trainer

LABEL_JOINT = ";"  # between the labels of a row that has several


def predict(trainer: Trainer, dataset: Dataset, metric_key_prefix: str = "test") -> tuple[np.ndarray, dict[str, float]]:
    """Logits of shape (rows, classes) in the order of `dataset`, and the metrics where it has `labels`."""
    order = np.argsort(dataset["length"], kind="stable")[::-1]  # the longest first: the time left is no false promise
    output = trainer.predict(dataset.select(order), metric_key_prefix=metric_key_prefix)
    logits = np.empty_like(output.predictions)
    logits[order] = output.predictions
    return logits, output.metrics


def name_predictions(logits: np.ndarray, label_names: Sequence[str], multi_label: bool) -> dict[str, list]:
    """Columns `prediction` and `score`: the label and its probability; of several labels a row, joined by `;`, those
    with a probability of 0.5 or more and the probability of each."""
    decisions = decide(logits, multi_label)
    if not multi_label:
        probabilities = softmax(logits.astype(np.float64), axis=-1)
        return {
            "prediction": [label_names[index] for index in decisions],
            "score": [round(float(score), 6) for score in probabilities.max(axis=-1)],
        }
    probabilities = expit(logits.astype(np.float64))
    chosen = [np.flatnonzero(row) for row in decisions]
    return {
        "prediction": [LABEL_JOINT.join(label_names[index] for index in row) for row in chosen],
        "score": [
            LABEL_JOINT.join(f"{probabilities[row, index]:.6f}" for index in indices)
            for row, indices in enumerate(chosen)
        ],
    }


def join_labels(labels: Sequence[str] | Sequence[list[str]], label_names: Sequence[str]) -> list[str]:
    """Labels as a csv cell holds them: several in the order of `label_names`, as predictions are."""
    return [
        label if isinstance(label, str) else LABEL_JOINT.join(name for name in label_names if name in label)
        for label in labels
    ]


def score_file(
    logits: np.ndarray, rows: Dataset, label_column: str, label_names: Sequence[str], label_separator: str | None
) -> dict[str, float]:
    """The metrics of `rows` where they have a label column that the model knows every label of, else none.

    `label_separator` cuts the cells of a multi-label file; None stands for one label a row.
    """
    if label_column not in rows.column_names:
        return {}
    label_ids = {name: index for index, name in enumerate(label_names)}
    labels = rows[label_column]
    if label_separator is not None:
        cells = [cell if isinstance(cell, list) else plain(cell).split(label_separator) for cell in labels]
        labels = [[name for part in cell if (name := plain(part).strip())] for cell in cells]
    else:
        labels = [plain(label).strip() for label in labels]
    unknown = {name for label in labels for name in ([label] if isinstance(label, str) else label)} - label_ids.keys()
    if unknown:
        print(f"No metrics: column {label_column!r} has {sorted(unknown)[0]!r}, which is no label of this model")
        return {}
    label_ids = np.array([label_vector(label, label_ids) for label in labels])
    scores = classification_metrics(EvalPrediction(predictions=logits, label_ids=label_ids))
    return {name: value for name, value in scores.items() if name != MEAN_LOSS}


def write_file(rows: Dataset, new_columns: dict[str, list], path: Path) -> None:
    """Write the columns of `rows` and behind them the new ones, in the format that the file's name says."""
    # Arrow's own types: pandas would turn a column of integers with a gap into floats.
    frame = rows.with_format("arrow")[:].to_pandas(types_mapper=pandas.ArrowDtype).assign(**new_columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".csv" | ".tsv" as suffix:
            frame.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        case ".json":
            frame.to_json(path, orient="records", force_ascii=False, indent=2)
        case ".parquet":
            frame.to_parquet(path, index=False)


def check_new_columns(rows: Dataset, path: str) -> None:
    for name in ("prediction", "score"):
        if name in rows.column_names:
            raise UserError(f"--input_file {path} has a column {name!r} already: rename or remove it")
