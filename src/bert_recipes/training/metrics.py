"""Metrics that need no network: scikit-learn behind `evaluate.Metric`, and the masked-token metrics."""

from __future__ import annotations

import math

import datasets
import evaluate
import numpy as np
import torch
from scipy import stats
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from torch.nn import functional
from transformers import EvalPrediction

from ..text.masking import IGNORED

# Trainer's own `eval_loss` weighs every batch alike, a short last one too; `training.Trainer` puts this in its place.
MEAN_LOSS = "mean_loss"


class ClassificationMetric(evaluate.Metric):
    """Accuracy and macro-averaged F1, precision and recall, in [0, 1]. With several labels a row (`config_name`
    "multilabel") accuracy counts the rows whose labels are all right."""

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int64")
        label = datasets.List(label) if self.config_name == "multilabel" else label
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="",
            features=datasets.Features({"predictions": label, "references": label}),
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        precision, recall, f1, _ = precision_recall_fscore_support(
            references, predictions, average="macro", zero_division=0
        )
        return {
            "accuracy": float(accuracy_score(references, predictions)),
            "macro_f1": float(f1),
            "macro_precision": float(precision),
            "macro_recall": float(recall),
        }


def load_metric(multi_label: bool = False) -> ClassificationMetric:
    return ClassificationMetric(config_name="multilabel" if multi_label else "default", keep_in_memory=True)


def decide(logits: np.ndarray, multi_label: bool, thresholds: np.ndarray | None = None) -> np.ndarray:
    """The class of each row, shape (rows,); with several labels a row a 0/1 matrix of those at their threshold or more.

    `thresholds`, shape (classes,), are probabilities, 0.5 where they are left out. Of two classes, one a row, they add
    up to 1: a row gets the class whose threshold its probability reaches.
    """
    if multi_label:
        return (expit(logits) >= (0.5 if thresholds is None else thresholds)).astype(int)
    return (logits if thresholds is None else softmax(logits, axis=-1) - thresholds).argmax(axis=-1)


def classification_metrics(evaluation: EvalPrediction, thresholds: np.ndarray | None = None) -> dict[str, float]:
    """`compute_metrics` of a classifier: float labels of shape (rows, classes) are multi-label. The loss is plain
    cross-entropy, whatever the model was trained with, so that runs can be compared."""
    logits, labels = np.asarray(evaluation.predictions, dtype=np.float64), np.asarray(evaluation.label_ids)
    multi_label = labels.ndim == 2
    predictions = decide(logits, multi_label, thresholds)
    scores = load_metric(multi_label).compute(predictions=predictions, references=labels.astype(int))
    return {**scores, MEAN_LOSS: float(mean_cross_entropy(logits, labels))}


def mean_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Binary, of each label, where labels have shape (rows, classes)."""
    if labels.ndim == 2:
        return (np.logaddexp(0, logits) - logits * labels).mean()  # log(1 + e^x) - x y of a logit x
    return -log_softmax(logits, axis=-1)[np.arange(len(labels)), labels].mean()


def regression_metrics(evaluation: EvalPrediction) -> dict[str, float]:
    """`compute_metrics` of a regression, logits of shape (rows, 1): mean squared error, and the correlations of Pearson
    and Spearman in [-1, 1], 0 where all predictions or all labels are one number."""
    predictions = np.asarray(evaluation.predictions, dtype=np.float64).reshape(-1)
    labels = np.asarray(evaluation.label_ids, dtype=np.float64)
    squared_error = float(np.square(predictions - labels).mean())
    scores = {"mse": squared_error, "pearson": 0.0, "spearman": 0.0, MEAN_LOSS: squared_error}
    if len(set(predictions)) > 1 and len(set(labels)) > 1:
        scores["pearson"] = float(stats.pearsonr(predictions, labels).statistic)
        scores["spearman"] = float(stats.spearmanr(predictions, labels).statistic)
    return scores


def token_losses(logits: torch.Tensor | tuple, labels: torch.Tensor | tuple) -> tuple[torch.Tensor, ...]:
    """`preprocess_logits_for_metrics` of a masked language model: two maps in place of (tokens x vocabulary) logits.

    logits (1, masked, vocabulary), or (rows, length, vocabulary), and labels (rows, length) give the loss of each
    masked token and whether it was guessed, both of shape (rows, length), 0 where nothing is masked. With next-sentence
    prediction both are pairs, and the logits of the pairs, shape (rows, 2), come third.
    """
    if isinstance(labels, tuple):
        return *token_losses(logits[0], labels[0]), logits[1]
    masked_positions = labels != IGNORED
    masked_labels = labels[masked_positions]
    # Of the sparse ones several processes have as many as the longest of them.
    dense = logits.shape[:2] == labels.shape
    logits = logits[masked_positions] if dense else logits[0, : len(masked_labels)]
    losses = torch.zeros(labels.shape, device=labels.device)
    guessed = torch.zeros_like(losses)
    losses[masked_positions] = functional.cross_entropy(logits.float(), masked_labels, reduction="none")
    guessed[masked_positions] = (logits.argmax(-1) == masked_labels).float()
    return losses, guessed


def masked_language_model_metrics(evaluation: EvalPrediction) -> dict[str, float]:
    """Every masked token counts once, so the figures do not depend on the batch size: loss in nats a token,
    perplexity = e^loss, and the share of the masked tokens that is guessed. With next-sentence prediction the share of
    the pairs that is told right, and their loss (0.693 by chance), too: `loss` stays that of the tokens."""
    losses, guessed, *pair_logits = evaluation.predictions
    labels, *pair_labels = evaluation.label_ids if pair_logits else [evaluation.label_ids]
    masked_positions = labels != IGNORED
    mean_loss = losses[masked_positions].mean(dtype=np.float64)
    metrics = {
        MEAN_LOSS: float(mean_loss),
        "perplexity": math.exp(min(mean_loss, 700)),  # e^709 is the largest float
        "masked_accuracy": float(guessed[masked_positions].mean(dtype=np.float64)),
    }
    if pair_logits:
        paired = pair_labels[0] != IGNORED
        logits, answers = pair_logits[0][paired].astype(np.float64), pair_labels[0][paired]
        metrics["nsp_accuracy"] = float((logits.argmax(-1) == answers).mean())
        metrics["nsp_loss"] = float(-log_softmax(logits, axis=-1)[np.arange(len(answers)), answers].mean())
    return metrics
