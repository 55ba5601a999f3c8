"""What `recipes/predict.py` asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod

import pyarrow
from transformers import PretrainedConfig

from ..arguments.predict import PredictArguments
from ..text.files import Table
from ..training.trainer import Trainer


class Predictor(ABC):
    """A task's model and what it writes behind the columns of a file. `predictors.PREDICTORS` has one for each task.

    It is made once, from the arguments, and loads the model and its tokenizer. The file then comes in blocks of up to
    `text.blocks.BLOCK_ROWS` rows, in its order, and no block is kept: what the metrics need of it (label ids, counts)
    is. Of several processes each gets every block, and `trainer.predict` shares its batches among them.

    Attributes:
        trainer: predicts the batches; the bar on the screen counts its prediction steps, however many a row takes.
    """

    trainer: Trainer

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
        """What is written for a block: usually `block.with_columns({name: a cell a row})`, its keys those of
        `new_columns`. A task that finds several things in a row gives each a row of its own in csv and tsv,
        `block.take([0, 0, 1, …]).with_columns(…)`, with None where a row has nothing. `text.columns.read_texts(block,
        args.text_column_names)` gives the checked texts, `block.columns` every cell as read."""

    def scores(self) -> dict[str, float]:
        """The metrics over all blocks where the file has labels, else none. Called once, after the last block, by the
        first process alone."""
        return {}
