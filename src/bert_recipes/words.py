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
    where jieba puts their first characters into one word, or where the tokenizer cut them out of one (play ##ing).
    """
    cut = segmenter().lcut(text)
    word_of_character = np.repeat(np.arange(len(cut)), [len(word) for word in cut])
    numbers, word, before = [], -1, (None, None)
    for piece_of, (start, _) in zip(encoding.word_ids, encoding.offsets, strict=True):
        here = (piece_of, word_of_character[min(start, len(word_of_character) - 1)])
        word += here[0] != before[0] and here[1] != before[1]
        numbers.append(int(word))
        before = here
    return numbers


@functools.cache
def segmenter() -> jieba.Tokenizer:
    """jieba with its dictionary, read once a process (about a second; later from the data sets' cache)."""
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # jieba would trust a file of that name in /tmp, where any user of the machine may have put it.
    config.HF_DATASETS_CACHE.mkdir(parents=True, exist_ok=True)
    tokenizer.tmp_dir = str(config.HF_DATASETS_CACHE)
    return tokenizer
