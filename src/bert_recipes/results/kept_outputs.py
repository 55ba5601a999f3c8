"""What the model gave for the finished blocks of a file: predict.py, killed and started again, goes on behind them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pyarrow
import torch
from accelerate.utils import broadcast_object_list

from ..text import blocks
from ..text.corpora import sha256
from ..training.trainer import Trainer
from .input_rows import InputRows
from .parts import Parts, precision_of

FACTS = ("text_columns", "column_names", "encoding")
Arrays = tuple[np.ndarray, ...]


@contextmanager
def kept_outputs(rows: InputRows, trainer: Trainer, stdout: BinaryIO | None) -> Iterator[KeptOutputs | None]:
    """A predictor's `kept`: beside `--output_file`, block by block, and deleted at the end, unless it is an error. None
    for a file of one block, or into `stdout`."""
    if rows.blocks < 2 or stdout is not None:
        yield None
        return
    args = rows.args
    parts = Parts(args.output_file, facts(rows, trainer), rows.blocks, args.overwrite, trainer.is_world_process_zero())
    with parts.alone():
        yield KeptOutputs(parts)


def facts(rows: InputRows, trainer: Trainer) -> dict[str, Any]:
    return {name: getattr(rows.args, name) for name in FACTS} | {
        "weights": weights_of(trainer.model),
        "config": fingerprint(trainer.model.config.to_json_string(use_diff=False)),
        "tokenizer": fingerprint(repr(sorted(trainer.processing_class.get_vocab().items()))),
        "text": sha256(rows.args.input_file),
        "precision": precision_of(trainer.args),
        "rows a block": blocks.BLOCK_ROWS,
    }


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def weights_of(model: torch.nn.Module) -> str:
    """sha256 of the weights in memory: of an adapter those of its base too."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class KeptOutputs:
    """The arrays of blocks 0, 1, …, one after the other. The first process alone reads and writes them."""

    def __init__(self, parts: Parts):
        self.parts, self.block = parts, 0

    def of_next_block(self, compute: Callable[[], Arrays]) -> Arrays:
        """Those that are kept, or what `compute` gives, kept from now on."""
        block, self.block = self.block, self.block + 1
        table = self.parts.table(block) if self.parts.main_process else None
        (arrays,) = broadcast_object_list([None if table is None else as_arrays(table)])
        if arrays is None:
            arrays = compute()
            if self.parts.main_process:
                self.parts.write(block, as_table(arrays), {})
        return arrays


def as_table(arrays: Arrays) -> pyarrow.Table:
    return pyarrow.table({str(number): list(rows) for number, rows in enumerate(arrays)})


def as_arrays(table: pyarrow.Table) -> Arrays:
    return tuple(np.stack(column.to_numpy()) for column in table.columns)
