"""Text -> token ids: a text or a pair with its labels; a vocabulary trained on text."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from datasets import Dataset, DatasetDict
from tokenizers import BertWordPieceTokenizer
from transformers import BatchEncoding, BertTokenizer, PreTrainedTokenizerBase

from .long_texts import TRUNCATED, LongTexts


def encode_texts(
    corpus: DatasetDict | Dataset,
    tokenizer: PreTrainedTokenizerBase,
    text_columns: Sequence[str],
    label_names: Sequence[str] | None = None,
    long_texts: LongTexts = TRUNCATED,
) -> DatasetDict | Dataset:
    """Encode one text column, or two as a pair (`[CLS] first [SEP] second [SEP]`, told apart by `token_type_ids`).

    Above `tokenizer.model_max_length` tokens a text is read as `long_texts` says; by default it loses its end, a pair
    the end of its longer text. Columns of the result: what the tokenizer gives, `length`, `uncut_length` (before the
    cut), and with `label_names` `labels`: an index, or for lists of labels a float 0/1 vector of their number. Of
    windows, which stand side by side in a row, also `window_lengths`.
    """
    label_ids = {name: index for index, name in enumerate(label_names or ())}

    def encode(rows: dict[str, list]) -> dict[str, list]:
        encoded = long_texts.encode(tokenizer, [rows[name] for name in text_columns])
        if label_ids:
            encoded["labels"] = [label_vector(label, label_ids) for label in rows["label"]]
        return encoded

    columns = corpus["train"].column_names if isinstance(corpus, DatasetDict) else corpus.column_names
    return corpus.map(encode, batched=True, remove_columns=columns, desc="Tokenizing")


def encode_with_overflow(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, stride: int) -> BatchEncoding:
    """Token ids of texts with the offsets of their tokens, and their special tokens marked; one that is longer than the
    model reads is in several rows, which share `stride` tokens (`overflow_to_sample_mapping` says whose each is)."""
    return tokenizer(
        list(texts),
        truncation=True,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_attention_mask=False,
    )


def label_vector(label: str | list[str] | float, label_ids: dict[str, int]) -> int | list[float] | float:
    """A class number, a 0 or 1 for each class, or a regression's number as it is."""
    if isinstance(label, float):
        return label
    if isinstance(label, str):
        return label_ids[label]
    return [float(name in label) for name in label_ids]


def sort_by_length(dataset: Dataset) -> Dataset:
    """For an evaluation, whose figures do not depend on the order: batches of like length have little padding."""
    return dataset.select(np.argsort(dataset["length"], kind="stable"))


def join_columns(rows: Mapping[str, list[str]], text_columns: Sequence[str]) -> list[str]:
    """One document a row: its title and its text, say, on lines of their own."""
    return ["\n".join(texts) for texts in zip(*(rows[name] for name in text_columns), strict=True)]


def train_tokenizer(texts: Iterable[str], vocab_size: int, alphabet: str | None = None) -> BertTokenizer:
    """Train a lower-casing WordPiece vocabulary (Chinese: a character a token) of about `vocab_size` entries.

    `alphabet="gb2312"` adds the 6,763 characters of GB 2312, which covers 99.7 % of running Chinese text, so that
    text of another domain is not made of [UNK].
    """
    wordpiece = BertWordPieceTokenizer(lowercase=True)
    wordpiece.train_from_iterator(
        # A character inside a word is an entry of its own (##a): these words make one of each, for any Latin text.
        itertools.chain(texts, [2 * character for character in string.ascii_lowercase + string.digits]),
        vocab_size=vocab_size,
        limit_alphabet=vocab_size,  # the library's default is 1,000: most Chinese characters would be [UNK]
        initial_alphabet=list(string.punctuation) + (gb2312_characters() if alphabet == "gb2312" else []),
        show_progress=False,
    )
    by_id = sorted(wordpiece.get_vocab().items(), key=lambda item: item[1])
    return BertTokenizer(vocab=dict(by_id), do_lower_case=True)


def gb2312_characters() -> list[str]:
    """Every character of GB 2312: rows 1 to 9 hold punctuation and symbols, 16 to 87 the 6,763 Chinese characters."""
    cells = (bytes((0xA0 + row, 0xA0 + cell)) for row in (*range(1, 2), *range(16, 88)) for cell in range(1, 95))
    return [character for cell in cells if (character := cell.decode("gb2312", errors="ignore"))]
