"""Vectors as Arrow tables, with what they are the vectors of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ..arguments.embed import EmbedArguments

VECTOR, CHARACTER, COUNT = "vector", "character", "count"


@dataclass
class Vectors:
    """`tables()`: Arrow tables in their order, with the texts' columns or `character` and `count`, and `vector`."""

    count: int
    width: int
    of_characters: bool
    tables: Callable[[], Iterator[pa.Table]] = field(repr=False)


def vectors_of_characters(
    characters: list[str], counts: list[int], vectors: np.ndarray, args: EmbedArguments
) -> Vectors:
    vectors = normalized(vectors) if args.normalize else vectors
    table = pa.table({CHARACTER: characters, COUNT: counts, VECTOR: vector_column(vectors)})
    return Vectors(len(characters), vectors.shape[1], True, lambda: iter([table]))


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def vector_column(vectors: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


def vectors_in(table: pa.Table, column: str = VECTOR) -> np.ndarray:
    """Shape (rows, width)."""
    values = table[column].combine_chunks()
    return values.flatten().to_numpy().reshape(len(table), values.type.list_size)
