"""Windows averaged inside the model, and what the saved model is to plain transformers."""

import pytest
import torch
from conftest import refusal
from datasets import Dataset
from torch import nn
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.adapters import add_lora
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.models.window_average import average_windows
from bert_recipes.text.encoded import EncodedTexts
from bert_recipes.text.encoding import encode_texts
from bert_recipes.text.long_texts import LongTexts

TEXTS = ["房间很干净，服务也好，下次还来。" * 6, "书的纸张太差", "电池只能用两个小时，屏幕也不亮。" * 4]


@pytest.fixture(scope="module")
def batch(tokenizer):
    limit, tokenizer.model_max_length = tokenizer.model_max_length, 24
    encoded = encode_texts(Dataset.from_dict({"text": TEXTS}), tokenizer, ["text"], long_texts=LongTexts("windows"))
    tokenizer.model_max_length = limit
    read = EncodedTexts(encoded, tokenizer).__getitems__(range(3))
    return {name: values for name, values in read.items() if name != "num_tokens"}


@pytest.mark.parametrize("lora", [False, True])
def test_the_logits_of_a_text_are_those_of_its_mean_vector(tiny_model, tmp_path, batch, lora):
    model = load_classifier(ModelArguments(str(tiny_model)), ["好", "坏"], long_texts=LongTexts("windows"))
    model.save_pretrained(tmp_path / "model")
    if lora:
        model = add_lora(model, LoraArguments(output_dir=str(tmp_path / "run"), use_cpu=True))
    with torch.no_grad():
        found = model.eval()(**batch).logits
        plain = BertForSequenceClassification.from_pretrained(tmp_path / "model").eval()
        windows = {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        vectors = plain.bert(**windows).pooler_output.split(batch["windows_of_text"].tolist())
        expected = plain.classifier(torch.stack([of_text.mean(0) for of_text in vectors]))
    assert len(vectors[0]) > 2 and found.shape == (3, 2)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_plain_transformers_reads_a_short_text_as_we_do(tiny_model, tmp_path, tokenizer):
    model = load_classifier(ModelArguments(str(tiny_model)), ["好", "坏"], long_texts=LongTexts("windows")).eval()
    model.save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(plain) is BertForSequenceClassification and plain.config.long_text == {"how": "windows"}
    short = tokenizer(TEXTS[1], return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**short).logits, plain(**short).logits)


def test_a_head_that_reads_other_vectors_is_refused(tiny_model):
    class ReadsEveryToken(BertForSequenceClassification):
        def forward(self, input_ids=None, **kwargs):
            states = self.bert(input_ids, **kwargs).last_hidden_state
            return {"logits": self.classifier(states.mean(1))}

    model = ReadsEveryToken.from_pretrained(tiny_model)
    assert "the head of ReadsEveryToken reads more than one vector a text" in refusal(average_windows, model)
    assert isinstance(model.classifier, nn.Linear)
