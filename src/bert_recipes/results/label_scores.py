"""What a classifier's test results say beside the averages: a label at a time, at its thresholds, of its scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import EvalPrediction, PretrainedConfig

from ..run.tables import Table, as_markdown
from ..training.calibration import reliability
from ..training.decisions import TEMPERATURE, thresholds_of
from ..training.metrics import MEAN_LOSS, classification_metrics, decide

MOST_LABELS = 50  # of a table; all_results.json has them all


def score_labels(logits: np.ndarray, labels: np.ndarray, config: PretrainedConfig) -> dict[str, float]:
    """`test_precision_LABEL`, `test_recall_LABEL`, `test_f1_LABEL` and `test_rows_LABEL`, as predictions are decided.

    Of a model with thresholds the scores at them as `test_*`, and those without as `test_at_half_*`. Of a calibrated
    one `test_ece` and `test_ece_before`, the expected calibration errors (Guo et al. 2017, arXiv 1706.04599).
    """
    thresholds, several = thresholds_of(config), labels.ndim == 2
    results = {}
    if thresholds is not None:
        for prefix, chosen in {"test_at_half": None, "test": thresholds}.items():
            scores = classification_metrics(EvalPrediction(logits, labels), chosen)
            results |= {f"{prefix}_{name}": value for name, value in scores.items() if name != MEAN_LOSS}
    if temperature := getattr(config, TEMPERATURE, None):
        results["test_ece"] = reliability(logits, labels).expected_error
        results["test_ece_before"] = reliability(logits * temperature, labels).expected_error
    names = [config.id2label[index] for index in range(config.num_labels)]
    has, gets = (one_column_a_label(rows, len(names)) for rows in (labels, decide(logits, several, thresholds)))
    found, rows, guessed = (has & gets).sum(axis=0), has.sum(axis=0), gets.sum(axis=0)
    scores = {"precision": found / np.maximum(guessed, 1), "recall": found / np.maximum(rows, 1)}
    scores |= {"f1": 2 * found / np.maximum(rows + guessed, 1), "rows": rows}
    for score, values in scores.items():
        results |= {f"test_{score}_{name}": value for name, value in zip(names, values.tolist(), strict=True)}
    return results


def one_column_a_label(labels: np.ndarray, count: int) -> np.ndarray:
    """Booleans of shape (rows, labels) of a class a row, shape (rows,), or of zeros and ones."""
    return labels > 0 if labels.ndim == 2 else labels[:, None] == np.arange(count)


def label_section(results: dict[str, float], label_names: Sequence[str]) -> str:
    """Of a model card."""
    sections = ["## Test results by label", as_markdown(label_table(results, label_names))]
    if len(label_names) > MOST_LABELS:
        sections.append(f"The first {MOST_LABELS} of {len(label_names)} labels; all_results.json has them all.")
    if "test_ece" in results:
        before, after = results["test_ece_before"], results["test_ece"]
        sections.append(f"Expected calibration error: {after:.4f}, before calibration {before:.4f}.")
    return "\n\n".join(sections) + "\n"


def label_table(results: dict[str, float], label_names: Sequence[str]) -> Table:
    """Precision, recall, F1 and rows of each label on the test split; the threshold too where labels have one."""
    with_threshold = any(f"threshold_{name}" in results for name in label_names)
    lines = []
    for name in label_names[:MOST_LABELS]:
        scores = [f"{results[f'test_{score}_{name}']:.4f}" for score in ("precision", "recall", "f1")]
        threshold = results.get(f"threshold_{name}")
        shown = ["-" if threshold is None else f"{threshold:.3f}"] if with_threshold else []
        lines.append([name, *scores, f"{results[f'test_rows_{name}']:,}", *shown])
    return [["label", "precision", "recall", "F1", "rows", *(["threshold"] if with_threshold else [])], *lines]
