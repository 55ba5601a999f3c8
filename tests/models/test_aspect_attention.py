"""The attention from an aspect to its text: begins as BERT, comes back as it was saved, and plain transformers refuses
it."""

import subprocess
import sys

import pytest
import torch
from conftest import refusal, tools_first
from transformers import DistilBertConfig

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.model import CheckpointArguments, ClassifierModelArguments, ModelArguments
from bert_recipes.models.adapters import add_lora, save_lora
from bert_recipes.models.aspect_attention import AspectBertConfig
from bert_recipes.models.classifiers import load_classifier, load_trained_classifier

ASPECTS, TEXTS = ["酒店", "书"], ["房间很干净，服务也好，下次还来。", "纸张太差"]


@pytest.fixture
def batch(tokenizer):
    return tokenizer(ASPECTS, TEXTS, padding=True, return_tensors="pt")


def logits(model, batch):
    with torch.no_grad():
        return model.eval()(**batch).logits


def trained(tiny_model):
    """With a layer that is no longer zero."""
    model = load_classifier(ClassifierModelArguments(str(tiny_model), aspect_attention=True), ["好", "坏"])
    torch.nn.init.normal_(model.aspect_attention.output.weight, std=0.5)
    return model


def test_it_starts_from_bert_as_it_is(tiny_model, batch):
    torch.manual_seed(1)
    plain = load_classifier(ModelArguments(str(tiny_model)), ["好", "坏"])
    model = load_classifier(ClassifierModelArguments(str(tiny_model), aspect_attention=True), ["好", "坏"])
    model.classifier.load_state_dict(plain.classifier.state_dict())
    model.bert.load_state_dict(plain.bert.state_dict())
    torch.testing.assert_close(logits(model, batch), logits(plain, batch))


def test_it_reads_the_text_and_no_padding(tiny_model, tokenizer, batch):
    model = trained(tiny_model)
    together = logits(model, batch)
    alone = logits(model, tokenizer(ASPECTS[1], TEXTS[1], return_tensors="pt"))
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)
    model.aspect_attention.output.weight.data.zero_()
    assert (together - logits(model, batch)).abs().max() > 0.01


def test_it_comes_back_as_it_was_saved_with_an_adapter_too(tiny_model, tmp_path, tokenizer, batch):
    model = trained(tiny_model)
    model.save_pretrained(tmp_path / "whole")
    tokenizer.save_pretrained(tmp_path / "whole")
    reloaded, _ = load_trained_classifier(CheckpointArguments(str(tmp_path / "whole")))
    torch.testing.assert_close(logits(reloaded, batch), logits(model, batch))
    args = LoraArguments(output_dir=str(tmp_path / "run"), use_cpu=True)
    adapted = add_lora(model, args)
    adapted.base_model.model.aspect_attention.modules_to_save.default.output.weight.data.mul_(2)
    save_lora(adapted, tokenizer, args)
    for folder in ("run", "run/adapter"):
        reloaded, _ = load_trained_classifier(CheckpointArguments(str(tmp_path / folder)))
        torch.testing.assert_close(logits(reloaded, batch), logits(adapted, batch), atol=1e-5, rtol=1e-4)


def test_plain_transformers_refuses_it(tiny_model, tmp_path):
    trained(tiny_model).save_pretrained(tmp_path)
    # What `pipeline` begins with.
    command = f"from transformers import AutoConfig; AutoConfig.from_pretrained({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, env=tools_first())
    assert done.returncode and "bert_aspect_attention" in done.stderr


def test_it_is_for_bert():
    assert "--aspect_attention is for BERT, and this model is of type distilbert" in refusal(
        AspectBertConfig.of, DistilBertConfig()
    )
