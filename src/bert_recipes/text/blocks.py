"""A file in blocks of rows, so that it may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from .files import Row, Table, iterate_rows

BLOCK_ROWS = 10_000  # many: sorted by length, their batches have little padding
BLOCK_SIZE = 8_000_000  # characters of its cells, or values of their lists: a block of long texts has fewer rows


def read_blocks(
    path: str,
    encoding: str,
    text_columns: list[str],
    argument: str,
    column_names: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Iterator[Table]:
    """The rows of a file as `files.read_table` reads them, block by block in their order.

    A block has the columns `names`, those of the blocks before it and its own: a cell that a row has not is None. json
    alone is read whole.
    """
    known = dict.fromkeys(names)
    arrow = ArrowRows(path) if Path(path).suffix.lower() == ".parquet" else None
    for rows in parted(iterate_rows(path, encoding, text_columns, argument, column_names)):
        known |= dict.fromkeys(name for row in rows.values() for name in row)
        columns = {name: [row.get(name) for row in rows.values()] for name in known}
        yield Table(Path(path).name, columns, list(rows), arrow.take(len(rows)) if arrow else None)


def parted(rows: Iterator[tuple[int, Row]]) -> Iterator[dict[int, Row]]:
    block, size = {}, 0
    for number, row in rows:
        block[number] = row
        size += sum(map(size_of, row.values()))
        if len(block) >= BLOCK_ROWS or size >= BLOCK_SIZE:
            yield block
            block, size = {}, 0
    if block:
        yield block


def size_of(cell: Any) -> int:
    return len(cell) if isinstance(cell, (str, bytes, list, dict)) else 1


class ArrowRows:
    """The rows of a parquet file with their types, as many at a time as are asked for."""

    def __init__(self, path: str):
        self.path, self.batches, self.rest = path, None, []

    def take(self, count: int) -> pyarrow.Table:
        if self.batches is None:
            self.batches = pyarrow.parquet.ParquetFile(self.path).iter_batches(1000)
        taken = 0
        parts: list[pyarrow.RecordBatch] = []
        while taken < count:
            batch = self.rest.pop() if self.rest else next(self.batches)
            part = batch.slice(0, count - taken)
            if part.num_rows < batch.num_rows:
                self.rest.append(batch.slice(part.num_rows))
            parts.append(part)
            taken += part.num_rows
        return pyarrow.Table.from_batches(parts)
