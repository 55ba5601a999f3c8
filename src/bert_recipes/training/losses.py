"""Losses that are summed over the rows and divided once, by all rows of the effective batch.

BERT's heads take `**kwargs` but call a bare `CrossEntropyLoss()`, so `Trainer` takes their batch means for losses that
are already divided by `num_items_in_batch`: reported loss and gradient norm come out multiplied by accumulation steps x
processes, and `max_grad_norm` clips too hard. `Trainer(compute_loss_func=...)` with these is right in every launch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional
from transformers.utils import ModelOutput

from ..text.masking import IGNORED

LossFunction = Callable[[ModelOutput, torch.Tensor, torch.Tensor | int | None], torch.Tensor]


def divided_once(summed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> LossFunction:
    """A loss for the Trainer of one that `summed` adds up over (logits, labels), of a batch or a part of one."""

    def loss(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        total = summed(outputs["logits"].float(), labels)
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss


def classification_loss(label_smoothing: float = 0.0, weights: torch.Tensor | None = None) -> LossFunction:
    """Cross-entropy for labels of shape (rows,), squared error where they are floats; binary cross-entropy for float
    labels of shape (rows, classes).

    `weights`, shape (classes,), multiply the loss of each class's rows, or of its positive labels where a row has
    several. The divisor stays the number of rows: weights with a mean of 1 over the training rows keep the loss in
    scale.
    """

    def summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if labels.is_floating_point() and labels.ndim == 1:
            return functional.mse_loss(logits.squeeze(-1), labels, reduction="sum")
        if labels.is_floating_point():
            smoothed = labels * (1 - label_smoothing) + label_smoothing / 2
            return functional.binary_cross_entropy_with_logits(logits, smoothed, pos_weight=weights, reduction="sum")
        return functional.cross_entropy(
            logits, labels, weight=weights, reduction="sum", label_smoothing=label_smoothing
        )

    return divided_once(summed)


def focal_loss(gamma: float, weights: torch.Tensor | None = None) -> LossFunction:
    """(1 - p)^gamma times the cross-entropy -log p of the true class's probability p (Lin et al. 2017, arXiv
    1708.02002), so that rows that are right already count little; labels and `weights` as in `classification_loss`."""

    def summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if labels.is_floating_point():
            cross_entropy = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
            row_weights = 1 if weights is None else 1 + labels * (weights - 1)
        else:
            cross_entropy = functional.cross_entropy(logits, labels, reduction="none")
            row_weights = 1 if weights is None else weights[labels]
        # Of a row that is certain 1 - p is 0, where a power below 1 has no gradient.
        missing = -torch.expm1(-cross_entropy)
        return (row_weights * missing.clamp(min=1e-8) ** gamma * cross_entropy).sum()

    return divided_once(summed)


def own_loss(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> LossFunction:
    """The loss of a user's `function` of logits, float32 of shape (rows, classes), and labels, int64 of shape (rows,),
    or float32 of shape (rows, classes) where a row has several; both of shape (rows,) in a regression. It returns the
    loss of each row, shape (rows,)."""

    def summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        regression = labels.is_floating_point() and labels.ndim == 1
        losses = function(logits.squeeze(-1) if regression else logits, labels)
        return losses.sum() * (labels.numel() / len(labels))  # several labels a row: the Trainer counts each of them

    return divided_once(summed)


class MaskedLabels(NamedTuple):
    """What `training.Trainer` hands these losses in place of labels of shape (rows, length), so that no GPU is asked
    where something is masked: the `tokens` of the masked `positions`, int64, both of shape (masked,), counted row after
    row, and of pairs `next_sentence`, shape (rows,)."""

    tokens: torch.Tensor
    positions: torch.Tensor
    next_sentence: torch.Tensor | None = None

    @classmethod
    def of(cls, labels: torch.Tensor, positions: torch.Tensor | None = None, next_sentence: torch.Tensor | None = None):
        flat = labels.flatten()
        if positions is None:
            positions = (flat != IGNORED).nonzero().squeeze(1)
        return cls(flat.index_select(0, positions), positions, next_sentence)


def masked_language_model_loss(
    outputs: ModelOutput, labels: MaskedLabels | torch.Tensor, num_items_in_batch=None
) -> torch.Tensor:
    """Cross-entropy of the masked tokens; logits are those of the masked positions, shape (1, masked, vocabulary), or
    of every position, shape (rows, length, vocabulary). 0 where nothing is masked."""
    if isinstance(labels, torch.Tensor):
        labels = MaskedLabels.of(labels)
    logits = outputs["logits"] if "logits" in outputs else outputs["prediction_logits"]
    logits = logits.flatten(0, 1)
    if len(logits) != len(labels.tokens):
        logits = logits.index_select(0, labels.positions)
    total = functional.cross_entropy(logits.float(), labels.tokens, reduction="sum")
    return total / at_least_one(len(labels.tokens) if num_items_in_batch is None else num_items_in_batch)


def pretraining_loss(
    outputs: ModelOutput, labels: MaskedLabels | tuple[torch.Tensor, torch.Tensor], num_items_in_batch=None
) -> torch.Tensor:
    """BERT's two tasks: the mean over the masked tokens plus the mean over the pairs. `labels` are those of the tokens
    and of the pairs, `num_items_in_batch` the number of each in the effective batch."""
    if not isinstance(labels, MaskedLabels):
        labels = MaskedLabels.of(labels[0], next_sentence=labels[1])
    pair_labels = labels.next_sentence
    pairs = (pair_labels != IGNORED).sum()
    tokens, pairs = (None, pairs) if num_items_in_batch is None else num_items_in_batch
    total = functional.cross_entropy(
        outputs["seq_relationship_logits"].float(), pair_labels, ignore_index=IGNORED, reduction="sum"
    )
    return masked_language_model_loss(outputs, labels, tokens) + total / at_least_one(pairs)


def at_least_one(count: torch.Tensor | int) -> torch.Tensor | int:
    return count.clamp(min=1) if isinstance(count, torch.Tensor) else max(1, count)
