"""Encoded texts as a Trainer takes them: whole batches from flat arrays, without an object a row."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .flat import FlatLists, as_table, numbers, pad, padded_length, side_by_side

Batch = dict[str, torch.Tensor | int]


class EncodedTexts(torch.utils.data.Dataset):
    """Rows of `encoding.encode_texts`, which a data loader takes as whole batches (`__getitems__`), padded as
    `tokenizer.pad` pads them: `as_it_is` collates them."""

    def __init__(self, encoded: Dataset, tokenizer: PreTrainedTokenizerBase):
        table = as_table(encoded)
        self.lengths, self.rows = numbers(table, "length"), np.arange(len(table))
        self.fillings = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
        self.lists = {name: FlatLists(table[name]) for name in self.fillings if name in table.column_names}
        self.has_mask = "attention_mask" in tokenizer.model_input_names
        self.pads_left = tokenizer.padding_side == "left"
        self.windows = FlatLists(table["window_lengths"]) if "window_lengths" in table.column_names else None
        self.labels = labels_of(table) if "labels" in table.column_names else None

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Sequence[int]) -> EncodedTexts:
        """Those rows in that order; nothing is copied."""
        selected = copy.copy(self)
        selected.rows, selected.lengths = self.rows[rows], self.lengths[rows]
        if self.labels is not None:
            selected.labels = self.labels[rows]
        return selected

    def by_length(self) -> EncodedTexts:
        """For an evaluation, whose figures do not depend on the order: batches of like length have little padding."""
        return self.select(self.order_by_length())

    def order_by_length(self) -> np.ndarray:
        return np.argsort(self.lengths, kind="stable")

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """`input_ids` of one row without padding, shape (length,): what transformers' samplers ask of a row."""
        (input_ids,) = self.lists["input_ids"].pieces(self.rows[[index]])
        return {"input_ids": input_ids}

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """`input_ids`, `attention_mask` and what else the model reads, int64, shape (rows, length), `length` a multiple
        of `flat.PAD_TO_MULTIPLE_OF`; `labels`, shape (rows,), int64 or of a regression float32, of several labels a row
        shape (rows, classes), float32. `num_tokens` is their number without padding.

        Of rows of windows a window is a line of `input_ids`, shape (windows, length); `text_of_window`, shape
        (windows,), counts the rows from 0, and `windows_of_text`, shape (rows,), is how many windows each has.
        """
        indices = np.asarray(indices)
        lengths, batch = self.lengths[indices], {}
        if self.windows is not None:
            windows = self.windows.pieces(self.rows[indices])
            lengths, counts = side_by_side(windows), np.array(list(map(len, windows)))
            batch = {"text_of_window": np.repeat(np.arange(len(counts)), counts), "windows_of_text": counts}
        longest = padded_length(lengths)
        inside = np.arange(longest) < lengths[:, None]
        if self.pads_left:
            inside = inside[:, ::-1]
        batch |= {
            name: pad(side_by_side(lists.pieces(self.rows[indices])), inside, self.fillings[name])
            for name, lists in self.lists.items()
        }
        if self.has_mask:
            batch["attention_mask"] = inside.astype(np.int64)
        if self.labels is not None:
            batch["labels"] = self.labels[indices]
        return {name: torch.from_numpy(values) for name, values in batch.items()} | {"num_tokens": int(lengths.sum())}


def labels_of(table: pa.Table) -> np.ndarray:
    labels = table["labels"]
    if pa.types.is_list(labels.type):
        return labels.combine_chunks().flatten().to_numpy().reshape(len(table), -1).astype(np.float32)
    values = labels.to_numpy()
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)


def as_it_is(batch: Batch) -> Batch:
    return batch
