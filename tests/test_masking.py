import numpy as np
import pytest
import torch
from datasets import DatasetDict

from bert_recipes.arguments import DataArguments
from bert_recipes.corpora import load_corpus
from bert_recipes.encoding import chunk_documents
from bert_recipes.masking import IGNORED, MaskedChunks, MaskedLanguageModelCollator


@pytest.fixture(scope="module")
def chunks(tokenizer):
    corpus = load_corpus(DataArguments(dataset_name="peoples_daily", max_train_samples=800))
    return chunk_documents(DatasetDict(train=corpus["train"]), tokenizer, ["text"], 64)["train"]


def same(a, b) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in ("input_ids", "labels"))


def test_a_mask_is_a_function_of_seed_epoch_and_chunk(chunks, tokenizer):
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=1)
    first = [masked[i] for i in range(20)]
    assert all(same(masked[i], first[i]) for i in reversed(range(20)))  # in any order, any number of times
    masked.set_epoch(1)
    assert not any(same(masked[i], first[i]) for i in range(20) if len(first[i]["input_ids"]) > 20)
    masked.set_epoch(0)
    assert same(masked[7], first[7])
    assert not same(MaskedChunks(chunks, tokenizer, 0.15, seed=2)[7], first[7])


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_the_share_of_masked_tokens_and_what_stands_in_their_place(chunks, tokenizer, share):
    rows = list(MaskedChunks(chunks, tokenizer, share, seed=0)[i] for i in range(len(chunks)))
    labels = np.concatenate([row["labels"] for row in rows])
    shown = np.concatenate([row["input_ids"] for row in rows])
    original = np.concatenate([np.array(ids) for ids in chunks["input_ids"]])
    special = np.isin(original, tokenizer.all_special_ids)
    masked = labels != IGNORED
    assert not masked[special].any()
    assert np.array_equal(labels[masked], original[masked]) and np.array_equal(shown[~masked], original[~masked])
    assert abs(masked.sum() / (~special).sum() - share) < 0.005
    assert abs((shown[masked] == tokenizer.mask_token_id).mean() - 0.8) < 0.02
    assert abs((shown[masked] == original[masked]).mean() - 0.1) < 0.02
    assert not np.isin(shown[masked], [tokenizer.pad_token_id, tokenizer.cls_token_id]).any()


def test_a_batch_is_padded_to_few_lengths_and_says_where_it_is_masked(chunks, tokenizer):
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=0)
    rows = [masked[i] for i in range(5)]
    batch = MaskedLanguageModelCollator(tokenizer)(rows)
    assert batch["input_ids"].shape[1] % 16 == 0
    assert batch["attention_mask"].sum(1).tolist() == [len(row["input_ids"]) for row in rows]
    assert torch.equal(batch["masked_positions"], batch["labels"] != IGNORED)
    assert (batch["input_ids"][batch["attention_mask"] == 0] == tokenizer.pad_token_id).all()
