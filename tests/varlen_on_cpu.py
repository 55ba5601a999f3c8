"""torch's attention over documents, which has kernels for GPUs alone, on a CPU: the public function, its operator and
its way through autograd and torch.compile are torch's own; what a kernel computes is written out."""

import pytest
import torch

from bert_recipes.models import packed_attention

needs_varlen = pytest.mark.skipif(packed_attention.varlen_attn is None, reason="needs torch 2.10, whose kernel it is")


def one_by_one(states, ends, ends_k, longest, longest_k):
    """Documents of states of shape (positions, heads, width), each of shape (heads, length, width)."""
    assert ends.dtype == torch.int32 and torch.equal(ends, ends_k)
    assert ends[0] == 0 and ends[-1] == len(states[0]) and ends.diff().max() <= longest == longest_k
    pieces = [state.transpose(0, 1).split(ends.diff().tolist(), dim=1) for state in states]
    return list(zip(*pieces, strict=True))


def side_by_side(pieces):
    return torch.cat(pieces, dim=1).transpose(0, 1).contiguous()


def shares(query, key, scale):
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return scale, (scale * query @ key.mT).softmax(-1)


def forward(query, key, value, ends, ends_k, longest, longest_k, is_causal=False, scale=None, *others):
    assert not is_causal
    documents = one_by_one((query, key, value), ends, ends_k, longest, longest_k)
    found = side_by_side([shares(q, k, scale)[1] @ v for q, k, v in documents])
    return found, torch.zeros(query.shape[1], len(query)), torch.zeros(2, dtype=torch.uint64)


def backward(gradient, query, key, value, found, log_sum, ends, ends_k, longest, longest_k, causal, random, scale, *_):
    gradients = []
    for g, q, k, v in one_by_one((gradient, query, key, value), ends, ends_k, longest, longest_k):
        factor, share = shares(q, k, scale)
        of_share = g @ v.mT
        of_product = factor * share * (of_share - (of_share * share).sum(-1, keepdim=True))
        gradients.append((of_product @ k, of_product.mT @ q, share.mT @ g))
    return tuple(side_by_side(pieces) for pieces in zip(*gradients, strict=True))


def use_kernel(monkeypatch) -> None:
    """Take it for a GPU's."""
    from torch.nn.attention import varlen

    varlen._varlen_attn.register_kernel("cpu", forward)
    varlen._varlen_attn_backward.register_kernel("cpu", backward)
    monkeypatch.setattr(packed_attention, "why_no_kernel", lambda device, dtype: None)
