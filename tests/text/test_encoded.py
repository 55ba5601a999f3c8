import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.encoded import EncodedTexts, as_it_is
from bert_recipes.text.encoding import encode_texts
from bert_recipes.text.flat import PAD_TO_MULTIPLE_OF

LABELS = {
    "classes": (["好", "差"], torch.int64),
    "several": ([["好", "贵"], []], torch.float32),
    "numbers": ([1.5, -2.0], torch.float32),
}


@pytest.fixture(scope="module")
def titles():
    return load_builtin("peoples_daily_titles")["test"].select(range(70))


@pytest.fixture(params=["right", "left"])
def padding(request):
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh", padding_side=request.param)
    tokenizer.model_max_length = 100
    return tokenizer


@pytest.mark.parametrize("columns", [["title"], ["title", "text"]])
def test_batches_are_those_of_the_tokenizer(titles, padding, columns):
    encoded = encode_texts(titles, padding, columns)
    batches = DataLoader(EncodedTexts(encoded, padding).by_length(), batch_size=16, collate_fn=as_it_is)
    rows = encoded.select(np.argsort(encoded["length"], kind="stable"))
    seen = 0
    for batch in batches:
        texts = rows[seen : seen + len(batch["input_ids"])]
        texts = {name: texts[name] for name in ("input_ids", "token_type_ids")}
        expected = padding.pad(texts, pad_to_multiple_of=PAD_TO_MULTIPLE_OF, return_tensors="pt")
        assert batch.keys() == {*expected.keys(), "num_tokens"}
        for name, values in expected.items():
            assert torch.equal(batch[name], values) and batch[name].dtype == values.dtype
        assert batch["num_tokens"] == int(expected["attention_mask"].sum())
        seen += len(batch["input_ids"])
    assert seen == len(titles)


@pytest.mark.parametrize("kind", LABELS)
def test_labels(tokenizer, kind):
    labels, dtype = LABELS[kind]
    rows = Dataset.from_dict({"text": ["好", "不好，也贵"] * 3, "label": labels * 3})
    encoded = encode_texts(rows, tokenizer, ["text"], ["好", "差", "贵"])
    batch = EncodedTexts(encoded, tokenizer).select([1, 4, 0]).__getitems__([0, 2])
    assert batch["labels"].dtype == dtype
    assert batch["labels"].tolist() == [encoded["labels"][1], encoded["labels"][0]]
    assert batch["input_ids"][:, :7].tolist() == [encoded["input_ids"][1], [*encoded["input_ids"][0], *[0] * 4]]


def test_a_tokenizer_says_what_its_model_reads(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "model_input_names", ["input_ids"])
    encoded = encode_texts(Dataset.from_dict({"text": ["好"]}), tokenizer, ["text"])
    assert EncodedTexts(encoded, tokenizer).__getitems__([0]).keys() == {"input_ids", "num_tokens"}
