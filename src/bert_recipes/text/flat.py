"""Lists of numbers, one a row, as the flat arrays that Arrow keeps them in: no Python object a row, nothing copied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from datasets import Dataset

# Batches are padded up to a multiple of this: few lengths, since each one costs kernels that stay in memory.
PAD_TO_MULTIPLE_OF = 8


def as_table(rows: Dataset | pa.Table) -> pa.Table:
    """The columns of a data set in its order; memory-mapped as they are, unless rows were selected or sorted."""
    return rows if isinstance(rows, pa.Table) else rows.with_format("arrow")[:]


def numbers(table: pa.Table, name: str) -> np.ndarray:
    """A column of numbers or truth values, shape (rows,)."""
    return table[name].to_numpy()


class FlatLists:
    """A column of lists of integers: `lengths`, shape (rows,), and pieces of any rows as views of Arrow's buffers."""

    def __init__(self, column: pa.ChunkedArray):
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        offsets = [chunk.offsets.to_numpy() for chunk in chunks]
        self.values = [chunk.values.to_numpy() for chunk in chunks]
        self.chunk = np.repeat(np.arange(len(chunks), dtype=np.int32), [len(chunk) for chunk in chunks])
        self.starts = np.concatenate([of_chunk[:-1] for of_chunk in offsets]) if chunks else np.zeros(0, np.int32)
        self.lengths = np.concatenate([np.diff(of_chunk) for of_chunk in offsets]) if chunks else self.starts

    def pieces(self, rows: np.ndarray) -> list[np.ndarray]:
        starts = self.starts[rows]
        ends = starts + self.lengths[rows]
        places = zip(self.chunk[rows].tolist(), starts.tolist(), ends.tolist(), strict=True)
        return [self.values[chunk][start:end] for chunk, start, end in places]


def padded_length(lengths: np.ndarray) -> int:
    return int(-(-lengths.max() // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF)


def side_by_side(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """All of them in one array, int64."""
    return np.concatenate(pieces, dtype=np.int64) if len(pieces) else np.zeros(0, np.int64)


def pad(values: np.ndarray, inside: np.ndarray, filling: int) -> np.ndarray:
    """Values side by side -> shape (rows, length), where `inside` (bool, of that shape) says where they stand."""
    padded = np.full(inside.shape, filling, dtype=values.dtype)
    padded[inside] = values
    return padded
