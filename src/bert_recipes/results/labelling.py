"""Predictions of a sequence classifier: a class, several labels, a number, or a reranker's relevance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow
from datasets import Dataset
from transformers import PretrainedConfig

from ..arguments.columns import split_names
from ..arguments.predict import PredictArguments
from ..arguments.problems import MULTI_LABEL, REGRESSION
from ..models.classifiers import load_trained_classifier
from ..text.columns import read_texts
from ..text.data_summary import tell_of_rows
from ..text.encoding import encode_texts
from ..text.files import Table
from ..training.assembling import classifier_trainer
from ..training.decisions import thresholds_of
from .inference import name_predictions, predict, score_file
from .predictor import Predictor


class Labelling(Predictor):
    """Columns `prediction` and `score` (`inference.name_predictions`)."""

    @staticmethod
    def new_columns(config: PretrainedConfig, args: PredictArguments) -> dict[str, pyarrow.DataType]:
        thresholds_of(config)  # checked before the weights are loaded
        if config.problem_type == MULTI_LABEL:
            return {"prediction": pyarrow.string(), "score": pyarrow.string()}
        if config.problem_type == REGRESSION:
            return {"prediction": pyarrow.float64()}
        value = pyarrow.float64() if config.num_labels == 1 else pyarrow.string()
        return {"prediction": value, "score": pyarrow.float64()}

    def __init__(self, args: PredictArguments):
        self.args = args
        self.model, self.tokenizer = load_trained_classifier(args)
        self.trainer = classifier_trainer(self.model, args.for_trainer(), self.tokenizer)
        config = self.model.config
        self.label_names = [config.id2label[index] for index in range(config.num_labels)]
        self.thresholds = thresholds_of(config)
        self.logits: list[np.ndarray] = []
        self.labels = KeptLabels(args)

    def predict(self, block: Table) -> Table:
        texts = Dataset.from_dict(read_texts(block, self.args.text_column_names))
        encoded = encode_texts(texts, self.tokenizer, self.args.text_column_names)
        tell_of_rows(encoded, self.tokenizer, self.args.input_file)
        logits, _ = predict(self.trainer, encoded)
        if self.labels.add(block):
            self.logits.append(logits)
        problem_type = self.model.config.problem_type
        return block.with_columns(name_predictions(logits, self.label_names, problem_type, self.thresholds))

    def scores(self) -> dict[str, float]:
        if not self.logits:
            return {}
        logits, problem_type = np.concatenate(self.logits), self.model.config.problem_type
        return score_file(logits, self.labels.table, self.args, self.label_names, problem_type, self.thresholds)


class KeptLabels:
    """The label cells of every block, for the metrics of the whole file."""

    def __init__(self, args: PredictArguments):
        self.names = [args.label_column, *split_names(args.label_column)]
        self.table = Table("", {}, [])
        self.known: dict[Any, Any] = {}

    def add(self, block: Table) -> bool:
        """Whether the file has labels."""
        columns = {name: block.columns[name] for name in self.names if name in block.columns}
        self.table.name = block.name
        self.table.numbers += block.numbers if columns else []
        for name, cells in columns.items():
            self.table.columns.setdefault(name, []).extend(map(self.one_of_its_kind, cells))
        return bool(columns)

    def one_of_its_kind(self, cell: Any) -> Any:
        """A file has few labels, each read anew in every row: one string stands for all that are equal."""
        return self.known.setdefault(cell, cell) if isinstance(cell, str) else cell
