"""Predictions of a classifier: logits to labels and scores, and the metrics of a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from scipy.special import expit, softmax
from transformers import EvalPrediction

from ..arguments.columns import split_names
from ..arguments.predict import PredictArguments
from ..arguments.problems import MULTI_LABEL, REGRESSION
from ..run.errors import UserError
from ..text.encoded import EncodedTexts
from ..text.encoding import label_vector
from ..text.files import Table
from ..text.labels import Labels, as_list, given_label_names, read_labels
from ..text.numbers import read_numbers
from ..training.metrics import MEAN_LOSS, classification_metrics, decide, regression_metrics
from ..training.predicting import predict_in_order
from ..training.trainer import Trainer

LABEL_JOINT = ";"  # between the labels of a row that has several


def predict(trainer: Trainer, dataset: Dataset, metric_key_prefix: str = "test") -> tuple[np.ndarray, dict[str, float]]:
    """Logits of shape (rows, classes) in the order of `dataset`, and the metrics where it has `labels`."""
    output = predict_in_order(trainer, EncodedTexts(dataset, trainer.processing_class), metric_key_prefix)
    return output.predictions, output.metrics


def name_predictions(
    logits: np.ndarray,
    label_names: Sequence[str],
    problem_type: str | None,
    thresholds: np.ndarray | None = None,
    top_k: int = 1,
) -> dict[str, list]:
    """Columns `prediction` and `score`: the label and its probability, and of the `top_k` labels the most probable of
    the others in `prediction_2`, `score_2` and so on; of several labels a row, joined by `;`, those with a probability
    of their threshold (0.5) or more and the probability of each. Of a model with one output the raw value, and, unless
    it is a regression, its sigmoid: a reranker's relevance."""
    if logits.shape[1] == 1 and problem_type != MULTI_LABEL:
        values = logits[:, 0].astype(np.float64)
        scores = {} if problem_type == REGRESSION else {"score": [round(score, 6) for score in expit(values).tolist()]}
        return {"prediction": [round(value, 6) for value in values.tolist()], **scores}
    multi_label = problem_type == MULTI_LABEL
    decisions = decide(logits, multi_label, thresholds)
    if not multi_label:
        probabilities = softmax(logits.astype(np.float64), axis=-1)
        order = -logits
        order[np.arange(len(logits)), decisions] = -np.inf  # of two classes a threshold may choose the less probable
        best = np.argsort(order, axis=-1, kind="stable")[:, :top_k]
        scores = np.take_along_axis(probabilities, best, axis=-1).round(6)
        columns = {}
        for (prediction, score), indices, values in zip(places(top_k), best.T, scores.T, strict=True):
            columns[prediction] = [label_names[index] for index in indices]
            columns[score] = values.tolist()
        return columns
    probabilities = expit(logits.astype(np.float64))
    chosen = [np.flatnonzero(row) for row in decisions]
    return {
        "prediction": [LABEL_JOINT.join(label_names[index] for index in row) for row in chosen],
        "score": [
            LABEL_JOINT.join(f"{probabilities[row, index]:.6f}" for index in indices)
            for row, indices in enumerate(chosen)
        ],
    }


def places(top_k: int) -> list[tuple[str, str]]:
    """The names of the columns of each place: the best has no number."""
    return [("prediction", "score"), *((f"prediction_{place}", f"score_{place}") for place in range(2, top_k + 1))]


def join_labels(labels: Sequence, label_names: Sequence[str]) -> list[str] | list[float]:
    """Labels as a csv cell holds them: several in the order of `label_names`, as predictions are."""
    return [
        label if not isinstance(label, list) else LABEL_JOINT.join(name for name in label_names if name in label)
        for label in labels
    ]


def score_file(
    logits: np.ndarray,
    table: Table,
    args: PredictArguments,
    label_names: Sequence[str],
    problem_type: str | None,
    thresholds: np.ndarray | None = None,
) -> dict[str, float]:
    """The metrics of a file where it has labels that the model knows; else none, and a line that says why."""
    columns = {args.label_column, *split_names(args.label_column)}
    if not columns & table.columns.keys():
        return {}
    try:
        label_ids = np.array(label_ids_of(table, args, label_names, problem_type))
    except UserError as error:
        print(f"No metrics: {error}")
        return {}
    rows = EvalPrediction(predictions=logits, label_ids=label_ids)
    scores = regression_metrics(rows) if problem_type == REGRESSION else classification_metrics(rows, thresholds)
    return {name: value for name, value in scores.items() if name != MEAN_LOSS}


def label_ids_of(
    table: Table, args: PredictArguments, label_names: Sequence[str], problem_type: str | None
) -> list[int] | list[list[float]] | list[float]:
    """Of the file's own labels. Raises `UserError` where the model does not know them."""
    if problem_type == REGRESSION:
        return read_numbers({"input": table}, args.label_column)["input"]
    if len(label_names) == 1:
        raise UserError("the model has one output, and its config does not say that it is a regression")
    multi_label = problem_type == MULTI_LABEL
    separator = args.label_separator if multi_label else None
    (labels,) = read_labels({"input": table}, args.label_column, separator, given_label_names(args)).values()
    check_known(labels, label_names, multi_label, args)
    ids = {name: index for index, name in enumerate(label_names)}
    return [label_vector(label, ids) for label in labels]


def check_known(labels: Labels, label_names: Sequence[str], multi_label: bool, args: PredictArguments) -> None:
    if isinstance(labels[0], list) != multi_label:
        has, gives = ("one label", "several") if multi_label else ("lists of labels", "one")
        raise UserError(f"column {args.label_column!r} has {has} a row, and the model gives {gives}")
    unknown = {name for label in labels for name in as_list(label)} - set(label_names)
    if unknown:
        advice = " (--label_names names class numbers)" if min(unknown).isdigit() else ""
        raise UserError(f"column {args.label_column!r} has {min(unknown)!r}, which is no label of this model{advice}")
