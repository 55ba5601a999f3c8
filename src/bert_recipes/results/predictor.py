"""What `recipes/predict.py` asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import numpy as np
import pyarrow
from transformers import PretrainedConfig

from ..arguments.predict import PredictArguments
from ..text.encoded import EncodedTexts
from ..text.files import Table
from ..training.predicting import arrays_in_order
from ..training.trainer import Trainer
from .kept_outputs import KeptOutputs


class Predictor(ABC):
    """A task's model and what it writes behind the columns of a file. `predictors.PREDICTORS` has one for each task.

    It is made once, from the arguments, and loads the model and its tokenizer. The file then comes in blocks of up to
    `text.blocks.BLOCK_ROWS` rows, in its order, and no block is kept: what the metrics need of it (label ids, counts)
    is. Of several processes each gets every block, and `trainer.predict` shares its batches among them.

    Attributes:
        trainer: predicts the batches; the bar on the screen counts its prediction steps, however many a row takes.
        kept: what the model gave for finished blocks, where it is kept (`kept_outputs`).
    """

    trainer: Trainer
    kept: KeptOutputs | None = None

    @staticmethod
    @abstractmethod
    def new_columns(config: PretrainedConfig, args: PredictArguments) -> dict[str, pyarrow.DataType]:
        """The names of the new columns, in order, and their types in a parquet file. Called before the weights are
        loaded: raise `UserError` where the arguments do not suit the model. A name that the file has already is refused
        by the caller."""

    @abstractmethod
    def __init__(self, args: PredictArguments): ...

    @abstractmethod
    def predict(self, block: Table) -> Table:
        """What is written for a block: usually `block.with_columns({name: a cell a row})`, with the names of
        `new_columns`. A task that finds several things in a row gives each a row of its own in csv and tsv:
        `block.take([0, 0, 1, …]).with_columns(…)`, with None in the new cells of a row that has nothing.

        `text.columns.read_texts(block, args.text_column_names)` gives the checked texts and `block.columns` every cell
        as read. `block.numbers` are the rows' places in the file, for messages; `block.more` says whether rows of the
        file follow.
        """

    def outputs(self, rows: EncodedTexts) -> tuple[np.ndarray, ...]:
        """What the model gives for the rows of a block, in their order: `predict` asks for it once a block. Where a run
        that was cut off has finished the block, it is what that one kept."""
        compute = partial(arrays_in_order, self.trainer, rows)
        return compute() if self.kept is None else self.kept.of_next_block(compute)

    def scores(self) -> dict[str, float]:
        """The metrics over all blocks where the file has labels, else none. Called once, after the last block, by the
        first process alone."""
        return {}
