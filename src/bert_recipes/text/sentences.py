"""Where a sentence ends, in Chinese and in Western text, and the sentences of a text."""

from __future__ import annotations

import itertools
import re

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import PreTrainedTokenizerBase

# With the quotes and brackets that close behind it; a full stop ends a sentence in front of a space ("3.5" has none).
SENTENCE_END = re.compile(r"""[。！？!?；;…]+[”’」』）)"']*|\.["')]*(?=\s|$)""")
SENTENCE = re.compile(rf"{SENTENCE_END.pattern}|\n+")
CLAUSE = re.compile(r"[，、：,:]+|\s+")
# Scripts that set no spaces between words: a character stands for a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]+")


def sentences_of(text: str, longest: int) -> list[str]:
    """Sentences, which join up to the text. One of more than `longest` characters is cut behind its commas, and at
    `longest` where it has none."""
    sentences = []
    for sentence in cut_behind(SENTENCE, text):
        clauses = cut_behind(CLAUSE, sentence) if len(sentence) > longest else [sentence]
        for clause in clauses:
            sentences += [clause[start : start + longest] for start in range(0, len(clause), longest)]
    return sentences


def cut_behind(end: re.Pattern, text: str) -> list[str]:
    ends = [match.end() for match in end.finditer(text)]
    return [text[start:stop] for start, stop in itertools.pairwise(sorted({0, *ends, len(text)}))]


def token_ids_of(texts: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[list[int]]]:
    """The token ids of each text's sentences, without special tokens."""
    flat = [sentence for text in texts for sentence in text]
    ids = iter(tokenizer(flat, add_special_tokens=False, truncation=False, verbose=False)["input_ids"] if flat else [])
    return [[next(ids) for _ in text] for text in texts]


def shared_characters(sentences: list[list[str]], aspects: list[str]) -> list[np.ndarray]:
    """How much each text's sentences share with its aspect: the cosine of tf-idf over characters and pairs of them (of
    Western text words), shape (sentences,), where what many sentences of the text have counts less. 0 where nothing is
    shared."""
    scores = []
    for of_text, aspect in zip(sentences, aspects, strict=True):
        vectorizer = TfidfVectorizer(token_pattern=WORD.pattern, ngram_range=(1, 2))
        if WORD.search(aspect):
            vectors = vectorizer.fit_transform([*of_text, aspect])
            scores.append((vectors[:-1] @ vectors[-1].T).toarray()[:, 0])
        else:
            scores.append(np.zeros(len(of_text)))
    return scores
