"""Entities out of a model's tags, and their precision, recall and F1: seqeval behind `evaluate.Metric`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
import torch
from datasets import Dataset
from seqeval.metrics import classification_report
from torch.nn import functional
from transformers import EvalPrediction

from ..text.entities import entities_in
from ..text.entity_windows import texts_of_windows
from ..text.flat import FlatLists, as_table, numbers, side_by_side
from ..text.masking import IGNORED
from ..text.tags import Entity, groups, tag_pieces
from .metrics import MEAN_LOSS
from .predicting import in_order

Found = tuple[Entity, float]  # with its score: the mean probability of its tokens' tags
SCORES = {"precision": "precision", "recall": "recall", "f1": "f1-score"}  # ours -> seqeval's


class EntityMetric(evaluate.Metric):
    """Precision, recall and F1 in [0, 1] of whole entities, right in type and in both borders: of all types together
    (micro-averaged), and of each by its name, `PER_f1` say. Of tags in BIO, a sequence a text."""

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=self.__doc__,
            citation="https://github.com/chakki-works/seqeval",
            features=datasets.Features({"predictions": tags, "references": tags}),
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        report = classification_report(references, predictions, output_dict=True, zero_division=0)
        averages = {"micro avg": "", "macro avg": None, "weighted avg": None}
        prefixes = {name: averages.get(name, f"{name}_") for name in report}
        return {
            f"{prefix}{ours}": float(report[name][theirs])
            for name, prefix in prefixes.items()
            if prefix is not None
            for ours, theirs in SCORES.items()
        }


def score_entities(found: Sequence[list[Entity]], expected: Sequence[list[Entity]]) -> dict[str, float]:
    """`EntityMetric` of the spans of each text, to the character; all 0 where there are none on both sides."""
    if not any([*found, *expected]):
        return dict.fromkeys(SCORES, 0.0)
    tags = [tags_of_both(*pair) for pair in zip(found, expected, strict=True)]
    metric = EntityMetric(keep_in_memory=True)
    return metric.compute(predictions=[first for first, _ in tags], references=[second for _, second in tags])


def tags_of_both(found: list[Entity], expected: list[Entity]) -> tuple[list[str], list[str]]:
    """Of the pieces between all their borders: spans are equal where their tags are, and a text needs few."""
    borders = sorted({border for entity in [*found, *expected] for border in (entity.start, entity.end)})
    if not borders:
        return ["O"], ["O"]
    starts, ends = zip(*itertools.pairwise(borders), strict=True)
    return tag_pieces(found, starts, ends), tag_pieces(expected, starts, ends)


def token_predictions(logits: torch.Tensor, labels: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """`preprocess_logits_for_metrics`: of each token its tag, that tag's probability, and with labels the loss (0 where
    it does not count), three maps of shape (rows, length) in the place of one of logits."""
    logits = logits[0] if isinstance(logits, tuple) else logits
    probabilities, tags = logits.float().softmax(-1).max(-1)
    if labels is None:
        return tags, probabilities
    losses = functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), reduction="none", ignore_index=IGNORED
    )
    return tags, probabilities, losses.view_as(probabilities)


class EntityScorer:
    """`compute_metrics` for the windows of these texts, predicted in `order` (`text.entity_windows.encode_windows`)."""

    def __init__(self, texts: Dataset, encoded: Dataset, tag_names: Sequence[str], order: np.ndarray):
        self.expected = [entities_in(row) for row in texts["entities"][:]]
        self.encoded, self.tag_names, self.order = encoded, tag_names, order

    def __call__(self, evaluation: EvalPrediction) -> dict[str, float]:
        tags, probabilities, losses = (in_order(values, self.order) for values in evaluation.predictions)
        found = find_entities(self.encoded, tags, probabilities, self.tag_names)
        scores = score_entities([[entity for entity, _ in row] for row in found], self.expected)
        return {**scores, MEAN_LOSS: float(counted(self.encoded, losses).mean(dtype=np.float64))}


def counted(encoded: Dataset, values: np.ndarray) -> np.ndarray:
    """Values of shape (windows, length) -> those of the texts' tokens, side by side, each from the window where it
    counts."""
    table = as_table(encoded)
    first, counts = numbers(table, "first")[:, None], FlatLists(table["starts"]).lengths[:, None]
    place = np.arange(values.shape[1])
    return values[(place >= first) & (place < first + counts)]


def find_entities(
    encoded: Dataset, tags: np.ndarray, probabilities: np.ndarray, tag_names: Sequence[str]
) -> list[list[Found]]:
    """Of each text the entities that the tags of its windows, put together, tell; tags are numbers, both arrays of
    shape (windows, length)."""
    table = as_table(encoded)
    windows = np.arange(len(table))
    lists = {name: FlatLists(table[name]) for name in ("starts", "ends")}
    starts, ends = (side_by_side(column.pieces(windows)) for column in lists.values())
    tags, probabilities = counted(encoded, tags), counted(encoded, probabilities).astype(np.float64)
    sizes = [int(lists["starts"].lengths[of_text].sum()) for of_text in texts_of_windows(encoded)]
    texts, begin = [], 0
    for size in sizes:
        names = [tag_names[tag] for tag in tags[begin : begin + size]]
        texts.append(
            [
                (
                    Entity(int(starts[begin + first]), int(ends[begin + last - 1]), label),
                    float(probabilities[begin + first : begin + last].mean()),
                )
                for first, last, label in groups(names)
            ]
        )
        begin += size
    return texts
