"""The words of a text, token by token: Chinese ones as jieba cuts them, all others as the tokenizer does."""

from __future__ import annotations

import functools
import logging

import jieba
import numpy as np
from datasets import config
from tokenizers import Encoding


def number_words(text: str, encoding: Encoding) -> list[int]:
    """For each token of `encoding` (of `text`, without special tokens) the number of its word, counted from 0.

    A Chinese text has no spaces, so that a tokenizer sees characters, or one endless word: two tokens belong together
    where jieba puts their first characters into one word; between others, where the tokenizer cut them out of one, too
    (play ##ing).
    """
    cut = segmenter().lcut(text)
    word_of_character = np.repeat(np.arange(len(cut)), [len(word) for word in cut])
    numbers, word, before = [], -1, (None, None, False)
    for piece_of, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        while start < end - 1 and text[start].isspace():  # a SentencePiece or byte-level token begins with a space
            start += 1
        start = min(start, len(text) - 1)
        here = (piece_of, word_of_character[start], is_chinese(text[start]))
        cut_by_tokenizer, cut_by_jieba = here[0] != before[0], here[1] != before[1]
        word += cut_by_jieba and (cut_by_tokenizer or here[2] or before[2])
        numbers.append(int(word))
        before = here
    return numbers


def is_chinese(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


@functools.cache
def segmenter() -> jieba.Tokenizer:
    """jieba with its dictionary, read once a process (about a second; later from the data sets' cache)."""
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # jieba would trust a file of that name in /tmp, where any user of the machine may have put it.
    config.HF_DATASETS_CACHE.mkdir(parents=True, exist_ok=True)
    tokenizer.tmp_dir = str(config.HF_DATASETS_CACHE)
    return tokenizer
