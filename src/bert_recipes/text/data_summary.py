"""What the data is, told before a model trains on it and in its card: a small table, and a line for each thing that
speaks against it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from ..arguments.long_texts import HEAD_TAIL, SELECT, TRUNCATE, WINDOWS
from ..run.errors import shorten, tell
from ..run.tables import Table, as_markdown, print_table
from .encoding import join_columns
from .labels import as_list
from .long_texts import TRUNCATED, LongTexts, count_what_was_done, what_was_done
from .masking import VALIDATION_MLM_PROBABILITY, MaskedChunks, column
from .repeats import repeated_documents, repeated_rows
from .sentences import WORD
from .streaming import StreamedChunks

# The embedded Chinese vocabulary reads 0.1 % of the reviews' tokens as [UNK], and two fifths of a text in traditional
# characters or in Japanese; a vocabulary of English alone, 99 % of the reviews.
MOST_UNKNOWN = 0.02  # of the tokens
# The embedded vocabulary takes 1.0 token for a Chinese character, 1.25 where reviews name many products, and 2.5 for an
# English word, where a vocabulary of English takes 1.4. Multilingual BERT takes 2.0 for a word of the languages that it
# cuts most (Rust et al. 2021, arXiv 2012.15613).
MOST_TOKENS = 2.0  # a word
SAMPLED_TEXTS, SAMPLED_CHARACTERS = 300, 500  # of a split, and of each text: a word's tokens to two digits
WIDEST_SPREAD = 10  # standard deviation of a regression's labels
# The column of rows that are longer than the limit.
HEADING_OF = {TRUNCATE: "cut at", HEAD_TAIL: "cut at", WINDOWS: "longer than", SELECT: "longer than"}
NAMED_LABELS = 6  # in a line on the screen
BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass
class DataSummary:
    """`splits` and `labels` are tables, `notes` sentences; `labels` has a line a label, its number in front."""

    counted: ClassVar = "labels, training rows"

    splits: Table
    labels: Table = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self) -> None:
        """On the screen, by the first process alone."""
        if not is_first_process():
            return
        print_table(self.splits)
        if self.labels:
            print(f"{len(self.labels) - 1} {self.counted}: {largest_and_smallest(self.labels[1:])}")
        print(*self.notes, sep="\n", end="\n\n" if self.notes else "\n", flush=True)

    def as_markdown(self) -> str:
        tables = [as_markdown(table) for table in (self.splits, self.labels) if table]
        return "\n\n".join([*tables, *(["\n".join(f"- {note}" for note in self.notes)] if self.notes else [])])


def summarise_labelled(
    corpus: DatasetDict,
    encoded: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    text_columns: list[str],
    label_names: Sequence[str],
    long_texts: LongTexts = TRUNCATED,
) -> DataSummary:
    """Of a classifier's splits, as text (`corpus`) and as token ids (`encoded`, of `encode_texts`)."""
    limit = tokenizer.model_max_length
    heading = ["rows", "median tokens", "95 %", "longest", f"{HEADING_OF[long_texts.how]} {limit}"]
    splits = [["", *heading, *Reading.heading]]
    readings = {split: read(corpus[split], rows, tokenizer, text_columns) for split, rows in encoded.items()}
    for split, rows in encoded.items():
        lengths = column(rows, "uncut_length")
        median, most = np.percentile(lengths, [50, 95])
        cells = [f"{len(rows):,}", f"{median:,.0f}", f"{most:,.0f}", f"{lengths.max():,}"]
        cells.append(f"{long_rows(rows, limit):,} ({long_rows(rows, limit) / len(rows):.1%})")
        splits.append([split, *cells, *readings[split].cells])
    done = [
        f"{split}: the longer ones {what_was_done(count_what_was_done(rows, long_texts), long_texts, limit)}"
        for split, rows in encoded.items()
        if long_texts.how != TRUNCATE and long_rows(rows, limit)
    ]
    if isinstance(corpus["train"]["label"][0], float):
        notes = [
            *done,
            *repeated_rows(corpus, text_columns),
            *readings["train"].notes("train"),
            *ranges_of_numbers(corpus),
        ]
        return DataSummary(splits, notes=notes)
    counts = {
        split: Counter(name for label in rows["label"][:] for name in as_list(label)) for split, rows in corpus.items()
    }
    labels = [
        [str(number), name, *(f"{count[name]:,}" for count in counts.values())]
        for number, name in enumerate(label_names)
    ]
    multi_label = isinstance(corpus["train"]["label"][0], list)
    notes = [*done, *repeated_rows(corpus, text_columns), *absent_labels(counts, label_names, multi_label)]
    return DataSummary(splits, [["number", "label", *corpus], *labels], [*notes, *readings["train"].notes("train")])


def summarise_documents(
    documents: DatasetDict,
    chunks: dict[str, MaskedChunks | StreamedChunks],
    tokenizer: PreTrainedTokenizerBase,
    text_columns: list[str],
) -> DataSummary:
    """Of pretraining's text and the `chunks` made of it; of a stream, which has no documents here, its size alone."""
    readings = {split: read(part, chunks[split].chunks, tokenizer, text_columns) for split, part in documents.items()}
    splits = [["", "documents", "chunks", "tokens", *Reading.heading]]
    for split, made in chunks.items():
        cells = ["a stream", "", "", "", ""]
        if split in documents:
            cells = [f"{len(documents[split]):,}", f"{len(made):,}", f"{made.lengths.sum():,}", *readings[split].cells]
        splits.append([split, *cells])
    first = next(iter(readings))
    share = f"validation: masked once, {VALIDATION_MLM_PROBABILITY:.0%} of the tokens, whatever --mlm_probability is"
    return DataSummary(splits, notes=[*repeated_documents(documents), *readings[first].notes(first), share])


class RowsRead:
    """How a tokenizer reads the rows of a file to predict, told block by block: after the first one, where the text is
    not of its script; after the last one, how many rows are longer than the model reads, and what is done with them.
    Of `entity_windows.encode_windows`, which cuts no text, the first alone."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, long_texts: LongTexts = TRUNCATED):
        self.tokenizer, self.name, self.long_texts = tokenizer, name, long_texts
        self.rows, self.long, self.done = 0, 0, Counter()

    def add(self, encoded: Dataset, rows: int, more: bool) -> None:
        if not self.rows:
            where = f"{self.name}, its first {rows:,} rows" if more else self.name
            for note in Reading(unknown_share(encoded, self.tokenizer), 0).notes(where):
                tell(note)
        self.rows += rows
        if "uncut_length" not in encoded.column_names:
            return
        limit = self.tokenizer.model_max_length
        self.long += long_rows(encoded, limit)
        self.done += count_what_was_done(encoded, self.long_texts)
        if self.long and not more:
            done = what_was_done(self.done, self.long_texts, limit)
            tell(f"{self.name}: {self.long:,} of {self.rows:,} rows are longer than {limit} tokens, and {done}")


def long_rows(encoded: Dataset, limit: int) -> int:
    return int((column(encoded, "uncut_length") > limit).sum())


def is_first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


@dataclass
class Reading:
    """How a tokenizer reads a text: the share of its tokens that are [UNK], and how many tokens a word takes."""

    heading: ClassVar = ("[UNK]", "tokens a word")

    unknown: float
    tokens_a_word: float

    @property
    def cells(self) -> list[str]:
        return [f"{self.unknown:.1%}", f"{self.tokens_a_word:.2f}"]

    def notes(self, name: str) -> Iterator[str]:
        if self.unknown > MOST_UNKNOWN:
            yield (
                f"{name}: {self.unknown:.0%} of the tokens are [UNK], since the vocabulary lacks the characters: "
                "take a model that knows this script"
            )
        if self.tokens_a_word > MOST_TOKENS:
            yield (
                f"{name}: a word takes {self.tokens_a_word:.1f} tokens (1.0 to 1.5 is usual), since the vocabulary is "
                "of another language: take a model of this one"
            )


def read(texts: Dataset, encoded: Dataset, tokenizer: PreTrainedTokenizerBase, text_columns: Sequence[str]) -> Reading:
    rows = np.linspace(0, len(texts) - 1, min(len(texts), SAMPLED_TEXTS)).astype(int)
    sample = join_columns(texts.select(rows), text_columns)
    return Reading(unknown_share(encoded, tokenizer), tokens_a_word(sample, tokenizer))


def unknown_share(encoded: Dataset, tokenizer: PreTrainedTokenizerBase) -> float:
    """Of the tokens but [CLS] and its like; 0 where the tokenizer has no [UNK]."""
    unk = tokenizer.unk_token_id
    special = sorted(set(tokenizer.all_special_ids) - {unk})
    names = [name for name in ("input_ids", "second_ids") if name in encoded.column_names]
    unknown = tokens = 0
    for batch in encoded.select_columns(names).with_format("arrow").iter(10_000):
        for name in names:
            token_ids = batch[name].combine_chunks().flatten().to_numpy()
            unknown += int((token_ids == (-1 if unk is None else unk)).sum())
            tokens += int((~np.isin(token_ids, special)).sum())
    return unknown / max(1, tokens)


def tokens_a_word(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> float:
    """Without the punctuation beside it; a character of Chinese and its like is a word. 0 where there is none."""
    bare = [BETWEEN_WORDS.sub(" ", text[:SAMPLED_CHARACTERS]) for text in texts]
    words = sum(len(WORD.findall(text)) for text in bare)
    token_ids = tokenizer(bare, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return sum(map(len, token_ids)) / words if words else 0.0


def ranges_of_numbers(corpus: DatasetDict) -> Iterator[str]:
    """Of a regression's labels."""
    for split, rows in corpus.items():
        labels = np.array(rows["label"][:])
        spread = f"mean {labels.mean():.4g}, standard deviation {labels.std():.4g}"
        yield f"{split}: labels from {labels.min():.4g} to {labels.max():.4g}, {spread}"
    if (spread := np.std(corpus["train"]["label"][:])) > WIDEST_SPREAD:
        yield (
            f"train: the labels spread by {spread:.3g}: small steps of training hardly reach so far. Divide them so "
            "that they spread by about 1"
        )


def largest_and_smallest(labels: Table) -> str:
    """Lines of `DataSummary.labels` as words, of many the largest and the smallest."""
    counts = sorted((-int(line[2].replace(",", "")), line[1]) for line in labels)
    words = [f"{name} {-count:,}" for count, name in counts]
    if len(words) > NAMED_LABELS:
        words = [*words[: NAMED_LABELS // 2], "…", *words[-(NAMED_LABELS // 2) :]]
    return ", ".join(words)


def absent_labels(counts: dict[str, Counter[str]], label_names: Sequence[str], multi_label: bool) -> Iterator[str]:
    for split, count in counts.items():
        absent = [name for name in label_names if not count[name]]
        if absent:
            # As scikit-learn averages.
            effect = "count them as 0" if multi_label else "leave them out, but count one that is predicted as 0"
            which = f"{len(absent)} of the {len(label_names)} labels ({shorten(absent, NAMED_LABELS)})"
            yield f"{split}: no row has {which}; macro averages {effect}"
