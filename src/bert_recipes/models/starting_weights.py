"""Weights to start from that the first hundred steps would have to learn otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel


@torch.no_grad()
def attend_to_neighbours(model: PreTrainedModel) -> PreTrainedModel:
    """Start a BERT where attention prefers tokens that are near and alike, which it otherwise has to find out first.

    Sinusoids for position embeddings (Vaswani et al. 2017, arXiv 1706.03762; of the size that the others have), whose
    products fall with the distance, and key weights equal to the query's, a positive product (Trockman & Kolter 2023,
    arXiv 2305.09828). Fixed values at the start, trained like all others. A model of another build is left as it is.
    """
    embeddings = getattr(model.base_model, "embeddings", None)
    positions = getattr(embeddings, "position_embeddings", None)
    attentions = [module for module in model.modules() if hasattr(module, "query") and hasattr(module, "key")]
    if not isinstance(positions, torch.nn.Embedding) or not attentions:
        return model
    count, width = positions.weight.shape
    angles = torch.arange(count).unsqueeze(1) * 10_000 ** (-torch.arange(0, width, 2) / width)
    waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :width]
    positions.weight.copy_(waves * 2**0.5 * model.config.initializer_range)  # a sinusoid's mean square is a half
    for attention in attentions:
        attention.key.weight.copy_(attention.query.weight.mul_(1.5))  # 1.5 did well; little else was tried
    return model


@torch.no_grad()
def guess_by_frequency(model: PreTrainedModel, token_counts: np.ndarray) -> PreTrainedModel:
    """Start a masked language model from how frequent each token is, which its first hundred steps learn otherwise:
    the bias of the vocabulary projection, where it has one, becomes log((count + 1) / (all + vocabulary)).

    `token_counts` has shape (vocabulary,), or less where the last tokens never occur.
    """
    bias = getattr(model.get_output_embeddings(), "bias", None)
    if bias is not None:
        counts = torch.ones_like(bias)
        counts[: len(token_counts)] += torch.from_numpy(token_counts)
        bias.copy_((counts / counts.sum()).log())
    return model


@torch.no_grad()
def guess_the_mean(model: torch.nn.Module, labels: Sequence[float]) -> None:
    """Let a regression's new head, whose bias is 0, start from the mean of the labels, which its first hundred steps
    learn otherwise. A head that was trained stays as it is."""
    for module in model.modules():
        one_output = isinstance(module, torch.nn.Linear) and module.out_features == 1
        if one_output and module.bias is not None and not module.bias.any():
            module.bias.fill_(float(np.mean(labels)))
