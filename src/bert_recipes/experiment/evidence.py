"""What a stage changed in a model: how far its weights moved, what its layers see, what it forgot."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..run.errors import UserError
from ..text.collating import MaskedLanguageModelCollator
from ..text.masking import IGNORED, MaskedChunks
from ..training.metrics import token_losses

LAYER = re.compile(r"\.(?:layer|layers)\.(\d+)\.(.+)")


def parameter_group(name: str, encoder: str) -> str:
    """The part of a model that a parameter belongs to: "embeddings", "layer 0 attention", "layer 0 feed-forward" …,
    "pooler", "head" (a classifier's, or that of masked tokens). `encoder` is the model's `base_model_prefix`. Norms
    belong to the part that they follow, or, in ModernBERT, stand in front of."""
    if not name.startswith(f"{encoder}."):
        return "head"
    layer = LAYER.search(name)
    if layer:
        # BERT, RoBERTa, ELECTRA: attention.…; DistilBERT: attention.… and sa_layer_norm; ModernBERT: attn.…, attn_norm.
        part = "attention" if re.match("att|sa_", layer[2]) else "feed-forward"
        return f"layer {layer[1]} {part}"
    if name.startswith(f"{encoder}.pooler."):
        return "pooler"
    return "embeddings" if "embed" in name else "last norm"  # ModernBERT has a norm behind its layers


def parameter_groups(model: PreTrainedModel) -> dict[str, str]:
    """Each parameter's name, and the part of the model that it belongs to. Raises `UserError` for a model without a
    stack of layers that all have weights of their own."""
    groups = {name: parameter_group(name, model.base_model_prefix) for name, _ in model.named_parameters()}
    if not any(group.startswith("layer ") for group in groups.values()):
        raise UserError(f"models of type {model.config.model_type} have no stack of layers that can be compared")
    return groups


def weight_changes(before: PreTrainedModel, after: PreTrainedModel) -> dict[str, dict[str, float]]:
    """How far each parameter group moved, for two models of one build.

    `relative_change` is ‖ΔW‖ / ‖W‖ over all the weights of the group; `moved` counts those that differ in any bit, of
    `weights`; `effective_rank` is the mean over the group's matrices that moved (`effective_rank`, of ΔW).
    """
    former, groups = dict(before.named_parameters()), parameter_groups(after)
    pairs: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    for name, weight in after.named_parameters():
        if name in former:  # a pooler may be new
            pairs.setdefault(groups[name], []).append((former[name].detach(), weight.detach()))
    return {group: changes_of(weights) for group, weights in pairs.items()}


def changes_of(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    deltas = [(after - before).double() for before, after in pairs]
    norm = sum(before.double().square().sum() for before, _ in pairs).sqrt()
    distance = sum(delta.square().sum() for delta in deltas).sqrt()
    ranks = [effective_rank(delta) for delta in deltas if delta.ndim == 2 and delta.any()]
    return {
        "relative_change": float(distance / norm) if norm else float(distance > 0),
        "moved": sum(int((before != after).sum()) for before, after in pairs),
        "weights": sum(before.numel() for before, _ in pairs),
        "effective_rank": float(np.mean(ranks)) if ranks else 0.0,
    }


def effective_rank(matrix: torch.Tensor) -> float:
    """e to the entropy of the singular values, taken as shares of their sum (Roy & Vetterli 2007): 1 for a matrix of
    rank one, n for n equal singular values, 0 for a matrix of zeros."""
    values = torch.linalg.svdvals(matrix.double())
    if not values.any():
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def linear_cka(left: torch.Tensor, right: torch.Tensor) -> float:
    """Linear centred kernel alignment of two representations of the same items (Kornblith et al. 2019,
    arXiv 1905.00414): ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred X (items, width) and Y (items, width'), in [0, 1]; 1 where
    one is the other turned and scaled."""
    left, right = (matrix.double() - matrix.double().mean(0) for matrix in (left, right))
    shared = (right.T @ left).square().sum()
    return float(shared / ((left.T @ left).norm() * (right.T @ right).norm()))


@torch.no_grad()
def representations(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_length: int = 128
) -> list[torch.Tensor]:
    """What the embeddings and each layer make of every token of `texts`: matrices of shape (tokens, width)."""
    encoder = model.base_model.eval()
    layers: list[list[torch.Tensor]] = []
    for start in range(0, len(texts), 32):
        batch = tokenizer(
            list(texts[start : start + 32]), truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        ).to(model.device)
        states = encoder(**batch, output_hidden_states=True).hidden_states
        layers.append([state[batch["attention_mask"].bool()].float().cpu() for state in states])
    return [torch.cat(parts) for parts in zip(*layers, strict=True)]


def similarity_by_layer(before: Iterable[torch.Tensor], after: Iterable[torch.Tensor]) -> list[float]:
    """Linear CKA of the embeddings' output and of each layer's, before and after a stage."""
    return [linear_cka(former, latter) for former, latter in zip(before, after, strict=True)]


@torch.no_grad()
def loss_with_head(
    masked_lm: PreTrainedModel, model: PreTrainedModel, chunks: MaskedChunks, tokenizer: PreTrainedTokenizerBase
) -> float:
    """Masked-language-model loss, nats a masked token, of `model`'s encoder with the head of `masked_lm` (which has the
    sparse one) put back on. Neither model is changed."""
    masked_lm = copy.deepcopy(masked_lm).eval()
    weights = model.base_model.state_dict()
    # A pooler, which this loss does not reach, may be missing on either side.
    masked_lm.base_model.load_state_dict(
        {name: weights.get(name, own) for name, own in masked_lm.base_model.state_dict().items()}
    )
    collate = MaskedLanguageModelCollator(tokenizer)
    losses = []
    for start in range(0, len(chunks), 32):
        batch = collate(chunks.__getitems__(range(start, min(start + 32, len(chunks)))))
        labels, _ = batch.pop("labels"), batch.pop("num_tokens")
        token_loss, _ = token_losses(masked_lm(**batch).logits, labels)
        losses.append(token_loss[labels != IGNORED])
    return float(torch.cat(losses).double().mean())
