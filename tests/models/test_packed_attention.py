"""Documents side by side: what they have in a padded batch, none sees another, and a model that can't is left alone."""

import types

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)
from varlen_on_cpu import needs_varlen, use_kernel

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models import packed_attention
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.models.packed_attention import PACKED, logits_of, made_up_documents, take_packed, why_no_kernel
from bert_recipes.models.sparse_head import sparse_head
from bert_recipes.text.masking import IGNORED
from bert_recipes.text.packing import PackingCollator

CPU = torch.device("cpu")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


@pytest.fixture(params=["by a mask", pytest.param("by the kernel", marks=needs_varlen)])
def way(request, monkeypatch):
    if request.param == "by the kernel":
        use_kernel(monkeypatch)
    return request.param


@pytest.fixture
def pack(tokenizer):
    return PackingCollator(tokenizer, positions=256, chunk_length=64, chunks_a_batch=3)


def padded_and_packed(model, pack, dtype):
    """Loss, logits and gradients of the same documents in both forms."""
    examples = made_up_documents(64, model.config.vocab_size)
    places = torch.from_numpy(np.flatnonzero(examples["labels"] != IGNORED))
    padded = {
        "input_ids": torch.from_numpy(examples["input_ids"]),
        "attention_mask": torch.from_numpy((np.arange(64) < examples["lengths"][:, None]).astype(int)),
        "masked_positions": places,
    }
    labels, found = torch.from_numpy(examples["labels"]).flatten()[places].to(model.device), []
    for batch in (padded, pack(examples)):
        model.zero_grad()
        logits = logits_of(model, batch, dtype)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        found.append({"loss": loss, "logits": logits} | gradients)
    assert len(found[0]) > 30 and found[0].keys() == found[1].keys()
    return found


def near_all(found, expected, share):
    """Of all gradients together: those of the keys' biases are rounding alone."""
    gradients = [torch.cat([part[name].flatten() for name in expected if "." in name]) for part in (found, expected)]
    pairs = [(found["loss"], expected["loss"]), (found["logits"], expected["logits"]), gradients]
    return all((one - other).norm() <= share * other.norm() for one, other in pairs)


def test_packed_documents_have_the_logits_loss_and_gradients_of_padded_ones(tiny_model, tokenizer, pack, way):
    model = load_masked_lm(ModelArguments(str(tiny_model)), tokenizer)
    assert take_packed(model, CPU, torch.float32, pack) is None and model.config._attn_implementation == PACKED
    assert bool(model.base_model._forward_pre_hooks) == (way == "by a mask")
    padded, packed = padded_and_packed(model, pack, torch.float32)
    for name, expected in padded.items():
        torch.testing.assert_close(packed[name], expected, atol=1e-5, rtol=1e-5, msg=name)
    padded, packed = padded_and_packed(model, pack, torch.bfloat16)
    assert near_all(packed, padded, share=0.05)


def test_no_document_sees_another(tiny_model, tokenizer, pack, way):
    model = load_masked_lm(ModelArguments(str(tiny_model)), tokenizer).eval()
    assert take_packed(model, CPU, torch.float32, pack) is None
    examples = made_up_documents(64, len(tokenizer))
    examples["labels"] = np.where(np.arange(64) < examples["lengths"][:, None], examples["input_ids"], IGNORED)
    other = examples | {"input_ids": examples["input_ids"].copy()}
    other["input_ids"][1, :3] += 7
    found, beside_another = (logits_of(model, pack(one), torch.float32) for one in (examples, other))
    own = slice(64, 67)
    assert not torch.isclose(found[own], beside_another[own]).all()
    assert torch.equal(found[:64], beside_another[:64]) and torch.equal(found[67:], beside_another[67:])


@pytest.mark.parametrize(
    "config, taken",
    [
        (BertConfig(**SIZES), True),
        (ElectraConfig(**SIZES, embedding_size=16), True),
        (ModernBertConfig(**SIZES, local_attention=32, pad_token_id=0, cls_token_id=2, sep_token_id=3), True),
        (RobertaConfig(**SIZES, pad_token_id=1), False),  # its positions begin at 2
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_which_models_take_packed_batches_is_tried_out(config, taken, pack):
    torch.manual_seed(0)
    model = sparse_head(AutoModelForMaskedLM.from_config(config))
    former = model.config._attn_implementation
    why_not = take_packed(model, CPU, torch.float32, pack)
    assert why_not is None if taken else "side by side" in why_not
    assert model.config._attn_implementation == (PACKED if taken else former)
    assert bool(model.base_model._forward_pre_hooks) == taken


@needs_varlen
def test_the_kernel_has_neither_dropout_nor_a_mask_of_the_models_own(dropout_model, tokenizer, pack, monkeypatch):
    use_kernel(monkeypatch)
    model = load_masked_lm(ModelArguments(str(dropout_model)), tokenizer, dropout=0.1)
    assert "neither dropout nor a mask" in take_packed(model, CPU, torch.float32, pack)
    config = ModernBertConfig(**SIZES, local_attention=128, pad_token_id=0, cls_token_id=2, sep_token_id=3)
    model = sparse_head(AutoModelForMaskedLM.from_config(config))
    assert "nor a mask" in take_packed(
        model, CPU, torch.float32, pack
    )  # which rows of 256 need, and those of 128 do not


def test_a_device_without_the_kernel_is_told(monkeypatch):
    gpu = types.SimpleNamespace(type="cuda")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    monkeypatch.setattr(packed_attention, "varlen_attn", print)
    assert why_no_kernel(CPU, torch.bfloat16) == "it needs a GPU"
    assert why_no_kernel(gpu, torch.float16) == "Tesla T4 is no NVIDIA GPU of compute capability 8.0 or above"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert why_no_kernel(gpu, torch.bfloat16) is None
    assert "fp32" in why_no_kernel(gpu, torch.float32)
    monkeypatch.setattr(packed_attention, "varlen_attn", None)
    assert "torch.nn.attention.varlen" in why_no_kernel(gpu, torch.bfloat16)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_kernel_of_a_gpu_is_exact_within_its_rounding(tiny_model, tokenizer, pack, dtype):
    model = load_masked_lm(ModelArguments(str(tiny_model)), tokenizer).to("cuda")
    assert take_packed(model, torch.device("cuda"), dtype, pack) is None
    assert not model.base_model._forward_pre_hooks  # by the kernel
    padded, packed = padded_and_packed(model, pack, dtype)
    assert near_all(packed, padded, share=0.05)
