from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset

from bert_recipes.arguments.data import DataArguments
from bert_recipes.text import masking
from bert_recipes.text.chunks import Chunker
from bert_recipes.text.collating import MaskedLanguageModelCollator
from bert_recipes.text.documents import load_documents
from bert_recipes.text.flat import PAD_TO_MULTIPLE_OF
from bert_recipes.text.masking import (
    IGNORED,
    IS_NEXT,
    IS_RANDOM,
    MaskedChunks,
    MaskedPairs,
)


@pytest.fixture(scope="module")
def rows():
    """Paragraphs of a newspaper, long and short, and two that are English."""
    documents = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=800))["train"]["text"]
    return [*documents, "unbelievably fine-tuning transformers", "我们用 pretraining 和 fine-tuning 训练模型。"]


@pytest.fixture(scope="module")
def cut(rows, tokenizer):
    def cut(**given):
        chunker = Chunker(tokenizer, ["text"], 64, **given)
        return Dataset.from_dict(chunker({"text": rows}, range(len(rows))), features=chunker.features)

    return cut


@pytest.fixture(scope="module")
def chunks(cut):
    return cut()


def same(a, b) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in ("input_ids", "labels"))


def test_a_mask_is_a_function_of_seed_epoch_and_chunk(chunks, tokenizer):
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=1)
    first = [masked[i] for i in range(20)]
    assert all(same(masked[i], first[i]) for i in reversed(range(20)))  # in any order, any number of times
    masked.set_epoch(1)
    assert not any(same(masked[i], first[i]) for i in range(20) if len(first[i]["input_ids"]) > 30)
    masked.set_epoch(0)
    assert same(masked[7], first[7])
    assert not same(MaskedChunks(chunks, tokenizer, 0.15, seed=2)[7], first[7])


def test_tokens_are_counted_but_for_those_that_are_never_masked(cut, tokenizer, monkeypatch):
    chunks = cut(nsp=True)
    counts = MaskedPairs(chunks, tokenizer, 0.15, seed=0).token_counts()
    expected = Counter(token for name in ("input_ids", "second_ids") for ids in chunks[name] for token in ids)
    assert counts[tokenizer.all_special_ids].sum() == 0
    assert all(counts[token] == expected[token] for token in expected.keys() - set(tokenizer.all_special_ids))
    monkeypatch.setattr(masking, "COUNTED_CHUNKS", 100)  # a share of them, from everywhere
    some = MaskedPairs(chunks, tokenizer, 0.15, seed=0).token_counts()
    assert 0.5 < some.sum() / counts.sum() * len(chunks) / 100 <= 1.5


@pytest.mark.parametrize("share", [0.15, 0.4])
@pytest.mark.parametrize("whole_word_mask", [False, True])
def test_the_share_of_masked_tokens_and_what_stands_in_their_place(cut, tokenizer, whole_word_mask, share):
    chunks = cut(whole_word_mask=whole_word_mask)
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


@pytest.mark.parametrize("whole_word_mask", [False, True])
def test_the_share_holds_for_texts_of_a_few_characters_too(tokenizer, whole_word_mask):
    texts = ["很好", "不错啊", "房间很小", "买了就后悔"] * 500
    chunker = Chunker(tokenizer, ["text"], 64, whole_word_mask)
    chunks = Dataset.from_dict(chunker({"text": texts}, range(2000)))
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=0)
    count = sum((masked[i]["labels"] != IGNORED).sum() for i in range(2000))
    assert abs(count / sum(map(len, texts)) - 0.15) < 0.015  # three standard errors of 7,000 characters


def test_a_chosen_word_is_masked_whole(cut, tokenizer):
    chunks = cut(whole_word_mask=True)
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=0)
    fates, by_length = [], {1: [0, 0], 2: [0, 0], 3: [0, 0]}
    for index in range(len(chunks)):
        row, words = masked[index], np.array(chunks[index]["words"])
        for word in set(words[words >= 0]):
            at = words == word
            if np.isin(chunks[index]["input_ids"], tokenizer.all_special_ids)[at].any():
                continue
            chosen = row["labels"][at] != IGNORED
            assert chosen.all() or not chosen.any()
            if at.sum() in by_length:
                by_length[at.sum()][0] += chosen[0]
                by_length[at.sum()][1] += 1
            if chosen.all() and at.sum() > 1:
                masks = row["input_ids"][at] == tokenizer.mask_token_id
                kept = row["input_ids"][at] == row["labels"][at]
                assert masks.all() or not masks.any()
                fates.append((masks.all(), kept.all()))
    shares = np.mean(fates, axis=0)
    assert len(fates) > 500 and shares == pytest.approx([0.8, 0.1], abs=0.05)
    # Long words are chosen as often as short ones.
    assert [chosen / count for chosen, count in by_length.values()] == pytest.approx([0.15] * 3, abs=0.03)


def test_english_is_masked_by_its_words(cut, tokenizer):
    chunks = cut(whole_word_mask=True)
    index = len(chunks) - 2
    tokens = tokenizer.convert_ids_to_tokens(chunks[index]["input_ids"])
    assert any(token.startswith("##") for token in tokens)
    words = chunks[index]["words"]
    for token, word, before in zip(tokens[1:-1], words[1:-1], words[:-2], strict=True):
        assert (word == before) == token.startswith("##")


def test_a_batch_is_padded_to_few_lengths_and_says_where_it_is_masked(chunks, tokenizer):
    masked = MaskedChunks(chunks, tokenizer, 0.15, seed=0)
    rows = [masked[i] for i in range(5)]
    batch = MaskedLanguageModelCollator(tokenizer)(rows)
    ready = MaskedLanguageModelCollator(tokenizer)(masked.__getitems__(range(5)))
    assert ready.pop("num_tokens") == batch.pop("num_tokens") == sum(len(row["input_ids"]) for row in rows)
    assert batch.keys() == ready.keys() and all(torch.equal(batch[name], ready[name]) for name in batch)
    assert batch["input_ids"].shape[1] % PAD_TO_MULTIPLE_OF == 0
    assert batch["attention_mask"].sum(1).tolist() == [len(row["input_ids"]) for row in rows]
    assert batch["masked_positions"].tolist() == np.flatnonzero(batch["labels"] != IGNORED).tolist()
    assert (batch["input_ids"][batch["attention_mask"] == 0] == tokenizer.pad_token_id).all()
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()


@pytest.mark.parametrize("whole_word_mask", [False, True])
def test_half_of_the_second_texts_come_from_another_document(cut, tokenizer, whole_word_mask):
    pairs = cut(nsp=True, whole_word_mask=whole_word_mask)
    examples = MaskedPairs(pairs, tokenizer, 0.15, seed=0)
    seconds = {}
    for pair in pairs:
        seconds.setdefault(tuple(pair["second_ids"]), set()).add(pair["document"])
    labels = []
    for index, pair in enumerate(pairs):
        example = examples[index]
        original = np.where(example["labels"] == IGNORED, example["input_ids"], example["labels"])
        first, second = (original[example["token_type_ids"] == kind].tolist() for kind in (0, 1))
        labels.append(int(example["next_sentence_label"]))
        assert first == pair["input_ids"] and len(original) <= 64
        if labels[-1] == IS_RANDOM:
            assert seconds[tuple(second)] - {pair["document"]}
        else:
            assert second == pair["second_ids"] and (labels[-1] == IS_NEXT) == bool(second)
    labels = np.array(labels)
    assert (labels[labels != IGNORED] == IS_RANDOM).mean() == pytest.approx(0.5, abs=0.05)
    again = MaskedPairs(pairs, tokenizer, 0.15, seed=0)
    assert all(same(again[i], examples[i]) for i in (5, 3))
    batch = MaskedLanguageModelCollator(tokenizer)([examples[i] for i in range(4)])
    assert batch["token_type_ids"].shape == batch["input_ids"].shape and batch["next_sentence_label"].shape == (4,)


def test_pairs_of_one_document_alone(tokenizer):
    chunker = Chunker(tokenizer, ["text"], 64, nsp=True)
    chunks = Dataset.from_dict(chunker({"text": ["今天很好。明天更好。", "没有第二句"]}, range(2)))
    pairs = MaskedPairs(chunks, tokenizer, 0.15, seed=0)
    assert not pairs.can_exchange  # a data set of such pairs is refused, a block of a stream is masked only
    assert [int(pairs[i]["next_sentence_label"]) for i in range(2)] == [IGNORED, IGNORED]


def test_another_document_is_drawn_evenly_however_lopsided_they_are(tokenizer):
    chunker = Chunker(tokenizer, ["text"], 64, nsp=True)
    texts = ["今天很好。明天更好。" * 40, "花开了。鸟来了。", "雨停了。天晴了。"]
    chunks = Dataset.from_dict(chunker({"text": texts}, range(3)))
    pairs = MaskedPairs(chunks, tokenizer, 0.15, seed=0)
    numbers = np.random.default_rng(0).integers(2**64, size=400, dtype=np.uint64)
    drawn = pairs.document[pairs.of_another_document(np.zeros(400, int), numbers)].tolist()
    assert set(drawn) == {1, 2} and 0.4 < drawn.count(1) / 400 < 0.6
    assert set(pairs.document[pairs.of_another_document(np.full(400, 2), numbers)]) == {0, 1}


@pytest.mark.parametrize(
    "given", [{}, {"whole_word_mask": True}, {"nsp": True}, {"nsp": True, "whole_word_mask": True}]
)
def test_a_row_is_masked_alike_in_every_batch(cut, tokenizer, given):
    chunks = cut(**given)
    masked = (MaskedPairs if "nsp" in given else MaskedChunks)(chunks, tokenizer, 0.15, seed=7)
    order = np.random.default_rng(0).permutation(len(chunks))[:200]
    alone = [masked[int(index)] for index in order]
    for size in (3, 64, 200):
        batches = [order[start : start + size] for start in range(0, 200, size)]
        together = [example for batch in batches for example in masked.examples(batch)]
        for one, other in zip(alone, together, strict=True):
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[name], other[name]) for name in one)


def test_selected_rows_are_masked_in_their_order(chunks, tokenizer):
    order = np.argsort(chunks["length"], kind="stable")[::-1]
    masked = MaskedChunks(chunks.select(order), tokenizer, 0.15, seed=0)
    for place in (0, 5, len(order) - 1):
        row = masked[place]
        shown = np.where(row["labels"] == IGNORED, row["input_ids"], row["labels"])
        assert shown.tolist() == chunks[int(order[place])]["input_ids"]
