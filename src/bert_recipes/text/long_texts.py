"""Texts above the model's limit: cut, read in windows, or the sentences alone that bear on an aspect.

Of one text column the text, of a pair the second text is what may be long; the first, an aspect, is read as it is.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import BatchEncoding, PreTrainedTokenizerBase

from ..arguments.long_texts import HEAD_TAIL, LEXICAL, SELECT, TRUNCATE, WINDOWS
from ..run.errors import UserError
from .sentences import sentences_of, shared_characters

# The sentences of each text, and of each its aspect (None where there is none) -> a score a sentence.
Scores = Callable[[list[list[str]], list[str | None]], list[np.ndarray]]
Columns = dict[str, list]


@dataclass
class LongTexts:
    """`how`: truncate, head_tail, windows or select; of select `by` which scores, lexical, encoder or learned, and
    `score`, which gives them. `encoder` names the model whose vectors are compared."""

    how: str = TRUNCATE
    by: str | None = None
    encoder: str | None = None
    score: Scores | None = field(default=None, repr=False)

    def __post_init__(self):
        if self.by == LEXICAL:
            self.score = shared_characters

    def as_config(self) -> dict[str, Any] | None:
        """What a model's config.json has as `long_text`; nothing where texts lose their end."""
        parts = {"how": self.how, "select_by": self.by, "encoder": self.encoder}
        return None if self.how == TRUNCATE else {name: value for name, value in parts.items() if value}

    def encode(self, tokenizer: PreTrainedTokenizerBase, texts: list[list[str]]) -> Columns:
        """What the tokenizer gives of one column of texts or two, without a mask, with `length` and `uncut_length`; of
        windows their ids side by side, and `window_lengths`; of select `unmentioned`."""
        whole = tokenizer(*texts, truncation=False, return_attention_mask=False, verbose=False)
        uncut = [len(input_ids) for input_ids in whole["input_ids"]]
        limit = tokenizer.model_max_length
        long = [row for row, length in enumerate(uncut) if length > limit]
        if self.how == TRUNCATE:
            read = shorten(whole, texts, tokenizer, long)
        elif self.how == SELECT:
            read = self.select(whole, texts, tokenizer, long)
        else:
            read = cut_out(whole, texts, self.how, limit, long)
        return read | {"length": [len(input_ids) for input_ids in read["input_ids"]], "uncut_length": uncut}

    def select(self, whole: BatchEncoding, texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, long: list[int]):
        """The texts in `long` by the sentences with the highest scores that fit, in their order. A text whose sentences
        all have the score 0 loses its end: it is `unmentioned`."""
        selected, unmentioned = list(texts[-1]), [False] * len(texts[-1])
        rooms = [room_of(whole, row, texts, tokenizer.model_max_length)[1] for row in long]
        sentences = [sentences_of(selected[row], max(1, room // 2)) for row, room in zip(long, rooms, strict=True)]
        aspects = [texts[0][row] if len(texts) == 2 else None for row in long]
        tokens = token_counts(sentences, tokenizer)
        for row, room, of_text, counts, scores in zip(
            long, rooms, sentences, tokens, self.score(sentences, aspects) if long else [], strict=True
        ):
            if scores.any():
                kept = sorted(highest(shared_with_neighbours(scores), counts, room))
                selected[row] = "".join(of_text[place] for place in kept)
            unmentioned[row] = not scores.any()
        return shorten(whole, [*texts[:-1], selected], tokenizer, long) | {"unmentioned": unmentioned}


TRUNCATED = LongTexts()


def shorten(
    whole: BatchEncoding, texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, long: list[int]
) -> Columns:
    """`whole` with the rows in `long` encoded anew: the library's own cut, of what may be other texts now."""
    read = dict(whole)
    if long:
        columns = ([column[row] for row in long] for column in texts)
        cut = tokenizer(*columns, truncation="longest_first", return_attention_mask=False)
        for name in read:
            for row, values in zip(long, cut[name], strict=True):
                read[name][row] = values
    return read


def cut_out(whole: BatchEncoding, texts: list[list[str]], how: str, limit: int, long: list[int]) -> Columns:
    """Parts of the token ids in place of the texts in `long`; of windows one behind the other."""
    read, lengths = dict(whole), [[len(input_ids)] for input_ids in whole["input_ids"]]
    for row in long:
        span, room = room_of(whole, row, texts, limit)
        readings = windows(span, room) if how == WINDOWS else [head_and_tail(span, room)]
        end = len(whole["input_ids"][row])
        kept = [[(0, span[0]), *reading, (span[1], end)] for reading in readings]
        for name in read:
            values = read[name][row]
            read[name][row] = [value for start, stop in itertools.chain(*kept) for value in values[start:stop]]
        lengths[row] = [sum(stop - start for start, stop in parts) for parts in kept]
    return read | ({"window_lengths": lengths} if how == WINDOWS else {})


def head_and_tail(span: tuple[int, int], room: int) -> list[tuple[int, int]]:
    """The first quarter and the last three quarters of what fits (Sun et al. 2019, arXiv 1905.05583)."""
    start, end = span
    head = room // 4
    return [(start, start + head), (end - (room - head), end)]


def windows(span: tuple[int, int], room: int) -> Iterator[list[tuple[int, int]]]:
    """Each `room` tokens long, a quarter of it shared with the one before; the last one ends with the text."""
    start, end = span
    stride = room - room // 4
    for begin in range(start, end - room + stride, stride):
        begin = min(begin, end - room)
        yield [(begin, begin + room)]


def room_of(whole: BatchEncoding, row: int, texts: list[list[str]], limit: int) -> tuple[tuple[int, int], int]:
    """Where the tokens of the last text stand, and how many of them fit into `limit` beside all others."""
    if not whole.is_fast:
        raise UserError("--long_text: this model's tokenizer does not say where its tokens stand: leave it out")
    places = [place for place, number in enumerate(whole.sequence_ids(row)) if number == len(texts) - 1]
    start, end = (places[0], places[-1] + 1) if places else (0, 0)
    room = limit - (len(whole["input_ids"][row]) - (end - start))
    if room < limit // 4:
        raise UserError(
            f"--max_length {limit}: beside {texts[0][row][:20]!r} … {max(room, 0)} tokens of text have room: the first "
            "text of a pair is read whole, so shorten it, or raise --max_length"
        )
    return (start, end), room


def shared_with_neighbours(scores: np.ndarray) -> np.ndarray:
    """Scores, with half of that of the sentence before added, a tenth of that of the one behind, and so on by powers:
    a text goes on about an aspect after the sentence that names it."""
    distance = np.arange(len(scores))[:, None] - np.arange(len(scores))
    return np.where(distance >= 0, 0.5, 0.1) ** np.abs(distance) @ (scores - scores.mean())


def highest(scores: np.ndarray, tokens: list[int], room: int) -> Iterator[int]:
    """The places of the highest scores, as many as fit; of equal ones the first."""
    for place in np.argsort(-scores, kind="stable").tolist():
        if tokens[place] <= room:
            room -= tokens[place]
            yield place


def token_counts(sentences: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    flat = list(itertools.chain(*sentences))
    input_ids = tokenizer(flat, add_special_tokens=False, truncation=False, verbose=False)["input_ids"] if flat else []
    counts = iter(map(len, input_ids))
    return [list(itertools.islice(counts, len(of_text))) for of_text in sentences]


def count_what_was_done(encoded: Dataset, long_texts: LongTexts) -> Counter:
    """Of `windows`: the `texts` that have several, and the windows of these; of `select`: the texts whose aspect is
    `unmentioned`. Counts of several blocks add up."""
    if long_texts.how == WINDOWS:
        counts = np.array([len(lengths) for lengths in encoded["window_lengths"]])
        return Counter(texts=int((counts > 1).sum()), windows=int(counts[counts > 1].sum()))
    return Counter(unmentioned=int(np.sum(encoded["unmentioned"]))) if long_texts.how == SELECT else Counter()


def what_was_done(counts: Counter, long_texts: LongTexts, limit: int) -> str:
    """With the rows that are longer than the limit, in words: what they do."""
    if long_texts.how == HEAD_TAIL:
        return f"keep the first quarter and the last three quarters of {limit} tokens"
    if long_texts.how == WINDOWS:
        mean = f", {counts['windows'] / counts['texts']:.1f} a text" if counts["texts"] else ""
        return f"are read in windows of {limit} tokens{mean}, and their vectors averaged"
    if long_texts.how == SELECT:
        lost = counts["unmentioned"]
        fallback = f"; of {lost:,} no sentence mentions the aspect: they keep their beginning" if lost else ""
        return f"keep the sentences with the highest scores ({long_texts.by}) that fit{fallback}"
    return "lose their end"
