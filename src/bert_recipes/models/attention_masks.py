"""Attention masks that the device is not asked about."""

from __future__ import annotations

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from .packed_attention import PACKED


def expand_masks(model: PreTrainedModel | PeftModel) -> bool:
    """Hand the encoder masks of shape (rows, 1, length, length) in place of (rows, length), where that is exact, and
    say whether it is; then a batch without padding needs no mask at all either.

    transformers looks into a mask of two dimensions, whether it masks anything: on a GPU every step waits for that.
    """
    if isinstance(model, PeftModel):
        model = model.get_base_model()
    if getattr(model.config, "_attn_implementation", None) not in ("sdpa", PACKED):
        return False
    # A layer that sees the tokens near it alone (ModernBERT) takes such a mask for all there is to mask.
    if "sliding_attention" in (getattr(model.config, "layer_types", None) or []):
        return False
    if not (expected := trial(model)):
        return False
    handle = model.base_model.register_forward_pre_hook(expand_mask, with_kwargs=True)
    found = trial(model, full_batch_has_mask=False)
    exact = len(found) > 0 and all(
        torch.allclose(one, other, atol=1e-4, rtol=1e-4) for one, other in zip(expected, found, strict=True)
    )
    if not exact:
        handle.remove()
    return exact


def expand_mask(encoder: torch.nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    mask = kwargs.get("attention_mask")
    if mask is not None and mask.ndim == 2:
        rows, length = mask.shape
        kwargs["attention_mask"] = mask.bool()[:, None, None, :].expand(rows, 1, length, length)
    return args, kwargs


@torch.no_grad()
def trial(model: PreTrainedModel, full_batch_has_mask: bool = True) -> list[torch.Tensor]:
    """What the model makes of eight made-up tokens, of which two are padding, and of four without padding; nothing if
    it can't take them so."""
    training, input_ids = model.training, torch.arange(5, 13).view(2, 4).to(model.device)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]], device=model.device)
    model.eval()
    try:
        padded = model(input_ids=input_ids, attention_mask=mask)[0]
        full = model(input_ids=input_ids[:1], attention_mask=mask[:1] if full_batch_has_mask else None)[0]
    except (RuntimeError, ValueError, IndexError, TypeError):
        return []
    finally:
        model.train(training)
    return [padded[mask.bool()] if padded.shape[:2] == mask.shape else padded, full]
