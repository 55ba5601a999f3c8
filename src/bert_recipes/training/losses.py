"""Losses that are summed over the rows and divided once, by all rows of the effective batch.

BERT's heads take `**kwargs` but call a bare `CrossEntropyLoss()`, so `Trainer` takes their batch means for losses that
are already divided by `num_items_in_batch`: reported loss and gradient norm come out multiplied by accumulation steps x
processes, and `max_grad_norm` clips too hard. `Trainer(compute_loss_func=...)` with these is right in every launch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional
from transformers.utils import ModelOutput

from ..text.masking import IGNORED

LossFunction = Callable[[ModelOutput, torch.Tensor, torch.Tensor | int | None], torch.Tensor]


def classification_loss(label_smoothing: float = 0.0) -> LossFunction:
    """Cross-entropy for labels of shape (rows,), squared error where they are floats; binary cross-entropy for float
    labels of shape (rows, classes)."""

    def loss(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        logits = outputs["logits"].float()
        if labels.is_floating_point() and labels.ndim == 1:
            total = functional.mse_loss(logits.squeeze(-1), labels, reduction="sum")
        elif labels.is_floating_point():
            smoothed = labels * (1 - label_smoothing) + label_smoothing / 2
            total = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="sum")
        else:
            total = functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss


def masked_language_model_loss(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
    """Cross-entropy of the masked tokens; logits are those of the masked positions, shape (1, masked, vocabulary), or
    of every position, shape (rows, length, vocabulary). 0 where nothing is masked."""
    masked_positions = labels != IGNORED
    logits = outputs["logits"] if "logits" in outputs else outputs["prediction_logits"]
    logits = logits[masked_positions] if logits.shape[:2] == labels.shape else logits[0]
    total = functional.cross_entropy(logits.float(), labels[masked_positions], reduction="sum")
    count = masked_positions.sum() if num_items_in_batch is None else num_items_in_batch
    return total / max(1, count)


def pretraining_loss(
    outputs: ModelOutput, labels: tuple[torch.Tensor, torch.Tensor], num_items_in_batch=None
) -> torch.Tensor:
    """BERT's two tasks: the mean over the masked tokens plus the mean over the pairs. `labels` are those of the tokens
    and of the pairs, `num_items_in_batch` the number of each in the effective batch."""
    token_labels, pair_labels = labels
    pairs = (pair_labels != IGNORED).sum()
    tokens, pairs = (None, pairs) if num_items_in_batch is None else num_items_in_batch
    total = functional.cross_entropy(
        outputs["seq_relationship_logits"].float(), pair_labels, ignore_index=IGNORED, reduction="sum"
    )
    return masked_language_model_loss(outputs, token_labels, tokens) + total / max(1, pairs)
