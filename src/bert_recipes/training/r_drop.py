"""R-Drop (Liang et al. 2021, arXiv 2106.14448): a row goes through the model twice, with other dropout, and both
answers are to be alike."""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers.utils import ModelOutput

from ..text.masking import IGNORED
from .losses import LossFunction, at_least_one


def twice(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every row of a batch, and behind them every row again; the labels once."""
    doubled = {name: torch.cat((values, values)) for name, values in inputs.items() if name != "labels"}
    if "text_of_window" in doubled:  # the windows of the second copy are those of other rows
        doubled["text_of_window"][len(inputs["text_of_window"]) :] += len(inputs["windows_of_text"])
    return doubled | {name: inputs[name] for name in ("labels",) if name in inputs}


def r_drop_loss(loss: LossFunction, weight: float) -> LossFunction:
    """The mean of `loss` over both passes, plus `weight` times the divergence between them. Where the model saw the
    rows once, as in evaluation, `loss` alone."""

    def both(outputs: ModelOutput, labels: torch.Tensor, num_items_in_batch=None) -> torch.Tensor:
        logits = outputs["logits"]
        if len(logits) == len(labels):
            return loss(outputs, labels, num_items_in_batch)
        first, second = logits.float().chunk(2)
        of_labels = sum(loss({"logits": part}, labels, num_items_in_batch) for part in (first, second)) / 2
        count = at_least_one((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
        return of_labels + weight * divergence(first, second, labels) / count

    return both


def divergence(first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean of both Kullback-Leibler divergences between two answers, summed over the labels that count.

    Logits of shape (rows, classes) and labels of shape (rows,); of tokens (rows, length, classes) and (rows, length).
    Of float labels, shape (rows, classes), each is a decision between two.
    """
    if labels.is_floating_point():
        first, second = (torch.stack((logits, torch.zeros_like(logits)), -1) for logits in (first, second))
    first, second = functional.log_softmax(first, -1), functional.log_softmax(second, -1)
    of_labels = ((first.exp() - second.exp()) * (first - second)).sum(-1)
    return (of_labels * (labels != IGNORED)).sum() / 2
