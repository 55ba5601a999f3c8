"""Texts -> windows of token ids with a tag for each token, and where each token stands in its text.

A text longer than the model reads is cut into windows that overlap. Each of its tokens counts in one of them, the one
that has more of the text on both sides of it: laid side by side, the tokens that count are the text's, in its order.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from .encoded import Batch, EncodedTexts
from .encoding import encode_with_overflow
from .entities import entities_in
from .flat import FlatLists, as_table, numbers, pad, side_by_side
from .masking import IGNORED
from .tags import Entity, entities_of, tag_pieces

# A mark over a letter, or a character for private use, that a tokenizer drops belongs to the character before it.
BELONGS_TO_THE_ONE_BEFORE = ("Mn", "Mc", "Me", "Co")


def encode_windows(
    corpus: DatasetDict | Dataset, tokenizer: PreTrainedTokenizerBase, stride: int, tag_names: Sequence[str] = ()
) -> DatasetDict | Dataset:
    """Windows of at most `tokenizer.model_max_length` tokens, those of a text one after another.

    Columns: `row` of the text, `input_ids`, `token_type_ids` where the model reads them, `length`; of the tokens that
    count here, which stand from `first` on, `starts` and `ends` in the text; with `tag_names` the `tags` of the column
    `entities`, as numbers.
    """
    tag_ids = {name: number for number, name in enumerate(tag_names)}

    def encode(rows: dict[str, list], indices: list[int]) -> dict[str, list]:
        encoded = encode_with_overflow(rows["text"], tokenizer, stride)
        windows = {name: encoded[name] for name in ("input_ids", "token_type_ids") if name in encoded}
        windows |= {"length": list(map(len, encoded["input_ids"])), "row": [], "first": [], "starts": [], "ends": []}
        windows |= {"tags": []} if tag_ids else {}
        for number, group in itertools.groupby(enumerate(encoded["overflow_to_sample_mapping"]), lambda pair: pair[1]):
            numbers = [window for window, _ in group]
            counted = tokens_that_count([encoded["special_tokens_mask"][window] for window in numbers], stride)
            offsets = [encoded["offset_mapping"][window][part] for window, part in zip(numbers, counted, strict=True)]
            starts, ends = borders(rows["text"][number], list(itertools.chain.from_iterable(offsets)))
            of_text = {"starts": starts, "ends": ends}
            if tag_ids:
                tags = tag_pieces(entities_in(rows["entities"][number]), starts, ends)
                of_text["tags"] = [tag_ids[tag] for tag in tags]
            windows["row"] += [indices[number]] * len(numbers)
            windows["first"] += [part.start for part in counted]
            for name, values in of_text.items():
                remaining = iter(values)
                windows[name] += [list(itertools.islice(remaining, len(part))) for part in offsets]
        return windows

    columns = corpus["train"].column_names if isinstance(corpus, DatasetDict) else corpus.column_names
    return corpus.map(encode, batched=True, with_indices=True, remove_columns=columns, desc="Tokenizing")


def tokens_that_count(special_tokens_masks: list[list[int]], stride: int) -> list[slice]:
    """Of each window of a text, where the tokens stand that count there: half of those that it shares with another."""
    counted = []
    for number, mask in enumerate(special_tokens_masks):
        first = mask.index(0) if 0 in mask else len(mask)
        last = len(mask) - mask[::-1].index(0) if 0 in mask else len(mask)
        first += stride - stride // 2 if number else 0
        last -= stride // 2 if number + 1 < len(special_tokens_masks) else 0
        counted.append(slice(first, last))
    return counted


def borders(text: str, offsets: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Where the tokens of a text start and end, without the space that some tokenizers count to the word behind it.
    What stands behind a character and is dropped, but belongs to it, lies in the token before."""
    starts = [
        next((place for place in range(start, end) if not text[place].isspace()), start) for start, end in offsets
    ]
    ends = [end for _, end in offsets]
    for number, end in enumerate(ends):
        following = starts[number + 1] if number + 1 < len(starts) else len(text)
        while end < following and unicodedata.category(text[end]) in BELONGS_TO_THE_ONE_BEFORE:
            end += 1
        ends[number] = end
    return starts, ends


def misplaced(rows: Dataset, encoded: Dataset, tag_names: Sequence[str]) -> list[tuple[int, Entity]]:
    """The entities that the tags of `encoded` do not give back to the character, each with its row."""
    columns = {name: FlatLists(as_table(encoded)[name]) for name in ("starts", "ends", "tags")}
    texts = texts_of_windows(encoded)
    found = []
    for row, (entities, windows) in enumerate(zip(rows["entities"][:], texts, strict=True)):
        starts, ends, tags = (side_by_side(column.pieces(windows)).tolist() for column in columns.values())
        given_back = set(entities_of([tag_names[tag] for tag in tags], starts, ends))
        found += [(row, entity) for entity in entities_in(entities) if entity not in given_back]
    return found


def texts_of_windows(encoded: Dataset) -> list[np.ndarray]:
    """The numbers of the windows of each text."""
    row = numbers(as_table(encoded), "row")
    return np.split(np.arange(len(row)), np.flatnonzero(np.diff(row)) + 1)


class EncodedWindows(EncodedTexts):
    """`EncodedTexts` with a label for each token: its tag where it counts, else `IGNORED`."""

    def __init__(self, encoded: Dataset, tokenizer: PreTrainedTokenizerBase):
        super().__init__(encoded, tokenizer)
        table = as_table(encoded)
        self.first = numbers(table, "first")
        self.tags = FlatLists(table["tags"]) if "tags" in table.column_names else None

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """As `EncodedTexts`, with `labels`, int64, shape (rows, length), and `num_labels`, how many of them count."""
        batch = super().__getitems__(indices)
        if self.tags is None:
            return batch
        rows = self.rows[np.asarray(indices)]
        tags = self.tags.pieces(rows)
        counts = np.array([len(part) for part in tags])[:, None]
        place = np.arange(batch["input_ids"].shape[1]) - self.first[rows][:, None]
        labels = pad(side_by_side(tags), (place >= 0) & (place < counts), IGNORED)
        return batch | {"labels": torch.from_numpy(labels), "num_labels": int(counts.sum())}
