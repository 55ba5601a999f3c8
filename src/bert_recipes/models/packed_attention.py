"""Documents side by side in one row, each attending to itself alone: no padding, and no document sees another."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from accelerate.utils import gather_object
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from ..text.collating import HOST_COUNTS
from ..text.masking import IGNORED, Example
from ..text.packing import PackingCollator

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch before 2.10
    varlen_attn = None

PACKED = "packed"  # the implementation's name, among transformers' own
# Of the norm of the logits: what rounding alone makes of them.
ROUNDING = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.05}


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    cu_seq_lens_k: torch.Tensor | None = None,
    max_length_q: int | None = None,
    max_length_k: int | None = None,
    document_mask: torch.Tensor | None = None,
    **kwargs,
) -> tuple[torch.Tensor, None]:
    """Attention of query, key and value of shape (1, heads, positions, width), between positions of one document; of a
    padded batch, which has neither `cu_seq_lens_q` nor `document_mask`, transformers' sdpa.

    Raises `ValueError` for what the kernel cannot do: dropout, or a mask that the model has made.
    """
    if document_mask is not None:
        attention_mask = document_mask if attention_mask is None else document_mask & attention_mask
    elif cu_seq_lens_q is not None:
        if dropout or attention_mask is not None:
            raise ValueError("attention over packed documents has neither dropout nor a mask of the model's own")
        states = [states[0].transpose(0, 1) for states in (query, key, value)]
        usual = scaling is None or math.isclose(scaling, query.shape[-1] ** -0.5)
        scale = {} if usual else {"scale": scaling}  # which torch before 2.11 does not take
        found = varlen_attn(*states, cu_seq_lens_q, cu_seq_lens_k, max_length_q, max_length_k, **scale)
        return found[None], None
    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, sdpa_mask)  # a name without one gets no mask, for padded batches neither


def why_no_kernel(device: torch.device, dtype: torch.dtype) -> str | None:
    """In words; None where the kernel is there."""
    if device.type != "cuda":
        return "it needs a GPU"
    if varlen_attn is None:
        return f"torch {torch.__version__} does not have torch.nn.attention.varlen"
    if torch.version.hip or torch.cuda.get_device_capability(device) < (8, 0):
        return f"{torch.cuda.get_device_name(device)} is no NVIDIA GPU of compute capability 8.0 or above"
    if dtype == torch.float32:
        return "its attention is for bf16 and fp16, and this run is in fp32"
    return None


def take_packed(model: PreTrainedModel, device: torch.device, dtype: torch.dtype, pack: PackingCollator) -> str | None:
    """Let a masked language model take what `pack` makes, by the kernel where there is one, if it gives what it gives
    for padded batches. If not, in any process, it is left as it was, and the reason is returned."""
    if not model._can_set_attn_implementation():
        return f"{type(model).__name__} has an attention of its own"
    former, place = model.config._attn_implementation, model.device
    model.set_attn_implementation(PACKED)
    handle, pack = None, copy.copy(pack)
    if why_no_kernel(device, dtype):
        handle = model.base_model.register_forward_pre_hook(mask_documents, with_kwargs=True)
        pack.positions = 2 * pack.chunk_length  # a mask has positions^2 entries
    try:
        exact = packed_is_exact(model.to(device), dtype, pack)
        fault = None if exact else "gives other logits for documents side by side"
    except Exception as error:  # whatever it is, the model can train padded
        fault = f"does not take documents side by side ({' '.join(str(error).split()) or type(error).__name__})"
    finally:
        model.to(place)
    if not all(gather_object([fault is None])):  # the processes train alike
        model.set_attn_implementation(former)
        if handle is not None:
            handle.remove()
        return f"{type(model).__name__} {fault}" if fault else "another process can't"
    return None


def mask_documents(encoder: torch.nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Once for all layers: which positions are of one document, bool, shape (1, 1, positions, positions)."""
    if (ends := kwargs.get("cu_seq_lens_q")) is not None:
        positions = torch.arange(kwargs["position_ids"].shape[1], dtype=ends.dtype, device=ends.device)
        document = torch.bucketize(positions, ends, right=True)
        kwargs["document_mask"] = (document[:, None] == document)[None, None]
    return args, kwargs


def packed_is_exact(model: PreTrainedModel, dtype: torch.dtype, pack: PackingCollator) -> bool:
    """Whether three made-up documents have the logits and gradients that they have in a padded batch, the third the
    very same logits when the first is another one; raises what the model raises where it can't train so."""
    training, vocabulary = model.training, model.config.vocab_size
    documents = made_up_documents(pack.chunk_length, vocabulary)
    lengths, labels = documents["lengths"], documents["labels"]
    others = documents | {"input_ids": documents["input_ids"].copy()}
    others["input_ids"][0] = (others["input_ids"][0] + 1) % vocabulary
    padded = {
        "input_ids": torch.from_numpy(documents["input_ids"]),
        "attention_mask": torch.from_numpy(np.arange(labels.shape[1]) < lengths[:, None]).long(),
        "masked_positions": torch.from_numpy(np.flatnonzero(labels != IGNORED)),
    }
    try:
        model.eval()
        expected, found = (logits_and_gradients(model, one, dtype) for one in (padded, pack(documents)))
        with torch.no_grad():
            beside_another = logits_of(model, pack(others), dtype)
            model.train()
            with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
                logits_of(model, pack(documents), dtype)
    finally:
        model.train(training)
    of_third = int((labels[2] != IGNORED).sum())
    near = ((one - other).norm() <= ROUNDING[dtype] * other.norm() for one, other in zip(found, expected, strict=True))
    return all(near) and torch.equal(found[0][-of_third:], beside_another[-of_third:])


def made_up_documents(chunk_length: int, vocabulary: int) -> Example:
    """The longest that there can be, one of three tokens and one half as long; every fifth token has a label."""
    lengths = np.array([chunk_length, 3, chunk_length // 2])
    input_ids = np.random.default_rng(0).integers(5, vocabulary, (3, chunk_length))
    place = np.arange(chunk_length)
    labels = np.where((place < lengths[:, None]) & (place % 5 == 0), input_ids, IGNORED)
    return {"input_ids": input_ids, "labels": labels, "lengths": lengths}


def logits_and_gradients(model: PreTrainedModel, batch: dict, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients are those of the word embeddings, behind every layer, of the sum of the squared logits."""
    logits = logits_of(model, batch, dtype)
    (gradients,) = torch.autograd.grad(logits.square().sum(), model.get_input_embeddings().weight)
    return logits.detach(), gradients


def logits_of(model: PreTrainedModel, batch: dict[str, torch.Tensor | int], dtype: torch.dtype) -> torch.Tensor:
    """At the masked positions, float32, shape (masked, vocabulary)."""
    device = model.device
    given = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    given = {name: value for name, value in given.items() if name not in ("labels", *HOST_COUNTS)}
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        logits = model(**given)["logits"].flatten(0, 1)
    positions = given["masked_positions"]
    return (logits if len(logits) == len(positions) else logits.index_select(0, positions)).float()
