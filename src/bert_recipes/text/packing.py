"""Chunks side by side in one row of a constant length, so that no position is spent on padding."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .masking import IGNORED, Example

SPARE_DOCUMENTS = 1.25  # times as many as a batch has on average: room in its list, which has one length in all batches


class PackingCollator:
    """A batch of masked chunks as one row of `positions` tokens. What is left is filled with [PAD], in documents of its
    own, that no chunk sees.

    Raises `ValueError` where the chunks are longer than the row.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, positions: int, chunk_length: int, chunks_a_batch: float = 1
    ):
        self.pad_token_id, self.positions, self.chunk_length = tokenizer.pad_token_id, positions, chunk_length
        self.listed_documents = round_up(int(chunks_a_batch * SPARE_DOCUMENTS), 8)

    def __call__(self, examples: Example) -> dict[str, torch.Tensor | int]:
        """`input_ids`, `labels`, `position_ids`, int64, shape (1, positions), where the positions begin anew with each
        document; `masked_positions`, int64, shape (masked,), as of `MaskedLanguageModelCollator`; `cu_seq_lens_q` and
        `cu_seq_lens_k`, int32, shape (documents + 1,): where documents begin and end, empty ones last, so that nearly
        all batches have as many. Numbers: `max_length_q` and `max_length_k`, the longest that a document can be, and
        `num_tokens` without the filling."""
        lengths = examples["lengths"]
        inside = np.arange(examples["input_ids"].shape[1]) < lengths[:, None]
        labels = self.fill(examples["labels"][inside], IGNORED)
        ends = self.ends(lengths)
        begins = np.concatenate(([0], ends[:-1]))
        documents = torch.from_numpy(self.listed(ends))
        return {
            "input_ids": torch.from_numpy(self.fill(examples["input_ids"][inside], self.pad_token_id)[None]),
            "labels": torch.from_numpy(labels[None]),
            "position_ids": torch.from_numpy((np.arange(self.positions) - np.repeat(begins, ends - begins))[None]),
            "masked_positions": torch.from_numpy(np.flatnonzero(labels != IGNORED)),
            "cu_seq_lens_q": documents,
            "cu_seq_lens_k": documents,
            "max_length_q": self.chunk_length,
            "max_length_k": self.chunk_length,
            "num_tokens": int(lengths.sum()),
        }

    def fill(self, tokens: np.ndarray, filling: int) -> np.ndarray:
        if len(tokens) > self.positions:
            raise ValueError(f"{len(tokens)} tokens do not fit into {self.positions} positions")
        filled = np.full(self.positions, filling, dtype=np.int64)
        filled[: len(tokens)] = tokens
        return filled

    def ends(self, lengths: np.ndarray) -> np.ndarray:
        """Of the chunks, and behind them of the filling, in documents of at most `chunk_length`."""
        ends = np.cumsum(lengths)
        return np.concatenate((ends, np.arange(self.positions, ends[-1], -self.chunk_length)[::-1]))

    def listed(self, ends: np.ndarray) -> np.ndarray:
        """From 0 on, and up to the common number, which is doubled for a batch of so many short ones."""
        count = self.listed_documents
        while count < len(ends):
            count *= 2
        return np.concatenate(([0], ends, np.full(count - len(ends), self.positions))).astype(np.int32)


def round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
