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

from .masking import IGNORED

LossFunction = Callable[[ModelOutput, torch.Tensor, torch.Tensor | int | None], torch.Tensor]


def classification_loss(label_smoothing: float = 0.0) -> LossFunction:
    """Cross-entropy for labels of shape (rows,); binary cross-entropy for float labels of shape (rows, classes)."""

    def loss(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        logits = outputs["logits"].float()
        if labels.is_floating_point():
            smoothed = labels * (1 - label_smoothing) + label_smoothing / 2
            total = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="sum")
        else:
            total = functional.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
        return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

    return loss


def masked_language_model_loss(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
    """Cross-entropy of the masked tokens; logits are those of the masked positions, shape (1, masked, vocabulary)."""
    masked_labels = labels[labels != IGNORED]
    total = functional.cross_entropy(outputs["logits"][0].float(), masked_labels, reduction="sum")
    return total / (masked_labels.numel() if num_items_in_batch is None else num_items_in_batch)
