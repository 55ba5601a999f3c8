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
from datasets import Dataset, DatasetDict
from transformers import BatchEncoding, PreTrainedTokenizerBase

from ..arguments.long_texts import HEAD_TAIL, LEXICAL, SELECT, TRUNCATE, WINDOWS
from ..run.errors import UserError
from .sentences import sentences_of, shared_characters, token_ids_of

# The sentences of each text, and of each its aspect (None where there is none) -> a score a sentence.
Scores = Callable[[list[list[str]], list[str | None]], list[np.ndarray]]
Columns = dict[str, list]


@dataclass
class LongTexts:
    """`how`: truncate, head_tail, windows or select; of select `by` which scores, lexical, encoder or learned, and
    `score`, which gives them. `encoder` is the model whose vectors are compared: its name, revision and fingerprint."""

    how: str = TRUNCATE
    by: str | None = None
    encoder: dict[str, str] | None = None
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
        windows their ids side by side, and `window_lengths`; of select `unmentioned`.

        The first text of a pair is read whole. Where it leaves the second less than a quarter of the limit, the row is
        `cramped`: the longer of the two loses its end.
        """
        whole = tokenizer(*texts, truncation=False, return_attention_mask=False, verbose=False)
        uncut = [len(input_ids) for input_ids in whole["input_ids"]]
        limit = tokenizer.model_max_length
        long = [row for row, length in enumerate(uncut) if length > limit]
        if self.how == TRUNCATE:
            read = shorten(dict(whole), texts, tokenizer, long)
        else:
            spans = {row: span_of_text(whole, row, len(texts) - 1) for row in long}
            rooms = {row: limit - uncut[row] + end - start for row, (start, end) in spans.items()}
            cramped = [row for row in long if rooms[row] < limit // 4]
            read = shorten(dict(whole), texts, tokenizer, cramped)
            rooms = {row: room for row, room in rooms.items() if row not in cramped}
            if self.how == SELECT:
                read = self.select(read, texts, tokenizer, rooms)
            else:
                read = cut_out(read, self.how, spans, rooms)
            read["cramped"] = [row in cramped for row in range(len(uncut))]
        return read | {"length": [len(input_ids) for input_ids in read["input_ids"]], "uncut_length": uncut}

    def select(
        self, read: Columns, texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, rooms: dict[int, int]
    ) -> Columns:
        """The texts that have `rooms` by the sentences with the highest scores that fit, in their order. A text whose
        sentences all have the score 0 loses its end: it is `unmentioned`."""
        selected, unmentioned = list(texts[-1]), [False] * len(texts[-1])
        sentences = [sentences_of(selected[row], max(1, room // 2)) for row, room in rooms.items()]
        aspects = [texts[0][row] if len(texts) == 2 else None for row in rooms]
        token_ids = token_ids_of(sentences, tokenizer)
        for (row, room), of_text, ids, scores in zip(
            rooms.items(), sentences, token_ids, self.score(sentences, aspects) if rooms else [], strict=True
        ):
            if scores.any():
                kept = sorted(highest(shared_with_neighbours(scores), list(map(len, ids)), room))
                selected[row] = "".join(of_text[place] for place in kept)
            unmentioned[row] = not scores.any()
        return shorten(read, [*texts[:-1], selected], tokenizer, list(rooms)) | {"unmentioned": unmentioned}


TRUNCATED = LongTexts()


def shorten(read: Columns, texts: list[list[str]], tokenizer: PreTrainedTokenizerBase, rows: list[int]) -> Columns:
    """`read` with some rows encoded anew: the library's own cut, of what may be other texts now."""
    if rows:
        columns = ([column[row] for row in rows] for column in texts)
        cut = tokenizer(*columns, truncation="longest_first", return_attention_mask=False)
        for name in read:
            for row, values in zip(rows, cut[name], strict=True):
                read[name][row] = values
    return read


def cut_out(read: Columns, how: str, spans: dict[int, tuple[int, int]], rooms: dict[int, int]) -> Columns:
    """Parts of the token ids in place of the texts that have `rooms`; of windows one behind the other."""
    lengths = [[len(input_ids)] for input_ids in read["input_ids"]]
    for row, room in rooms.items():
        span, (length,) = spans[row], lengths[row]
        readings = windows(span, room) if how == WINDOWS else [head_and_tail(span, room)]
        kept = [[(0, span[0]), *reading, (span[1], length)] for reading in readings]
        for rows in read.values():
            rows[row] = [value for start, stop in itertools.chain(*kept) for value in rows[row][start:stop]]
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


def span_of_text(whole: BatchEncoding, row: int, number: int) -> tuple[int, int]:
    """Where the tokens of a row's text of that number stand."""
    if not whole.is_fast:
        raise UserError("--long_text: this model's tokenizer does not say where its tokens stand: leave it out")
    places = [place for place, of_text in enumerate(whole.sequence_ids(row)) if of_text == number]
    return (places[0], places[-1] + 1) if places else (0, 0)


def check_room(encoded: DatasetDict, corpus: DatasetDict, text_columns: list[str], limit: int) -> None:
    """Raises `UserError` for a `cramped` row, which is named by its first text."""
    for split, rows in encoded.items():
        if "cramped" in rows.column_names and any(cramped := rows["cramped"][:]):
            first = corpus[split][cramped.index(True)][text_columns[0]]
            raise UserError(
                f"--max_length {limit}: {first[:20]!r} …, in {cramped.count(True):,} of {len(rows):,} {split} rows, "
                "leaves its text less than a quarter: the first text of a pair is read whole, so shorten it, or raise "
                "--max_length"
            )


def shared_with_neighbours(scores: np.ndarray) -> np.ndarray:
    """Scores, with half of that of the sentence before added, a tenth of that of the one behind, and so on by powers:
    a text goes on about an aspect after the sentence that names it."""
    # The shares hardly matter: forward 0.3 to 0.7 and backward 0 to 0.5 of it keep 47 to 48 % of the right review's
    # characters on the validation split of `joined_reviews`.
    distance = np.arange(len(scores))[:, None] - np.arange(len(scores))
    return np.where(distance >= 0, 0.5, 0.1) ** np.abs(distance) @ (scores - scores.mean())


def highest(scores: np.ndarray, tokens: list[int], room: int) -> Iterator[int]:
    """The places of the highest scores, as many as fit; of equal ones the first."""
    for place in np.argsort(-scores, kind="stable").tolist():
        if tokens[place] <= room:
            room -= tokens[place]
            yield place


def count_what_was_done(encoded: Dataset, long_texts: LongTexts) -> Counter:
    """Of `windows`: the `texts` that have several, and the windows of these; of `select`: the texts whose aspect is
    `unmentioned`; of all but `truncate` the `cramped` rows. Counts of several blocks add up."""
    counts = Counter()
    if long_texts.how != TRUNCATE:
        counts["cramped"] = int(np.sum(encoded["cramped"]))
    if long_texts.how == WINDOWS:
        windows = np.array([len(lengths) for lengths in encoded["window_lengths"]])
        counts.update(texts=int((windows > 1).sum()), windows=int(windows[windows > 1].sum()))
    if long_texts.how == SELECT:
        counts["unmentioned"] = int(np.sum(encoded["unmentioned"]))
    return counts


def what_was_done(counts: Counter, long_texts: LongTexts, limit: int) -> str:
    """With the rows that are longer than the limit, in words: what they do."""
    if not counts["cramped"]:
        return what_is_read(counts, long_texts, limit)
    return (
        f"{what_is_read(counts, long_texts, limit)}; in {counts['cramped']:,} of them the first text leaves the second "
        "too little room, and the longer one loses its end"
    )


def what_is_read(counts: Counter, long_texts: LongTexts, limit: int) -> str:
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
