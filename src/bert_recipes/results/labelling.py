"""Predictions of a sequence classifier: a class, several labels, a number, or a reranker's relevance."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from datasets import Dataset
from transformers import PretrainedConfig

from ..arguments.columns import split_names
from ..arguments.predict import PredictArguments
from ..arguments.problems import MULTI_LABEL, REGRESSION
from ..models.classifiers import load_trained_classifier
from ..models.long_texts import check_as_trained
from ..run.errors import UserError, tell
from ..text.columns import read_texts
from ..text.data_summary import RowsRead
from ..text.encoded import EncodedTexts
from ..text.encoding import encode_texts
from ..text.files import Table
from ..training.assembling import classifier_trainer
from ..training.decisions import thresholds_of
from .inference import name_predictions, places, score_file
from .predictor import Predictor


class Labelling(Predictor):
    """Columns `prediction` and `score`, and of each further place of `--top_k` (`inference.name_predictions`)."""

    @staticmethod
    def new_columns(config: PretrainedConfig, args: PredictArguments) -> dict[str, pyarrow.DataType]:
        check_as_trained(config, args, args.text_column_names)
        thresholds_of(config)  # checked before the weights are loaded
        one_class = config.num_labels > 1 and config.problem_type not in (MULTI_LABEL, REGRESSION)
        if args.top_k > 1 and not one_class:
            gives = "several" if config.problem_type == MULTI_LABEL else "a number"
            raise UserError(f"--top_k is for a model that gives a row one label, and this gives {gives}: leave it out")
        if config.problem_type == MULTI_LABEL:
            return {"prediction": pyarrow.string(), "score": pyarrow.string()}
        if config.problem_type == REGRESSION:
            return {"prediction": pyarrow.float64()}
        prediction = pyarrow.string() if one_class else pyarrow.float64()
        kinds = itertools.cycle([prediction, pyarrow.float64()])
        return dict(zip(itertools.chain(*places(min(args.top_k, config.num_labels))), kinds, strict=False))

    def __init__(self, args: PredictArguments):
        self.args = args
        self.model, self.tokenizer = load_trained_classifier(args)
        self.trainer = classifier_trainer(self.model, args.for_trainer(), self.tokenizer)
        config = self.model.config
        self.label_names = [config.id2label[index] for index in range(config.num_labels)]
        self.thresholds = thresholds_of(config)
        self.top_k = min(args.top_k, config.num_labels)
        if args.top_k > self.top_k:
            tell(f"--top_k {args.top_k}: the model has {config.num_labels} labels, and all of them are given")
        self.read = RowsRead(self.tokenizer, Path(args.input_file).name, self.model.long_texts)
        self.logits: list[np.ndarray] = []
        self.labels = KeptLabels(args)

    def predict(self, block: Table) -> Table:
        texts = Dataset.from_dict(read_texts(block, self.args.text_column_names))
        encoded = encode_texts(texts, self.tokenizer, self.args.text_column_names, long_texts=self.model.long_texts)
        self.read.add(encoded, len(block), block.more)
        (logits,) = self.outputs(EncodedTexts(encoded, self.tokenizer))
        if self.labels.add(block):
            self.logits.append(logits)
        problem_type = self.model.config.problem_type
        labels = name_predictions(logits, self.label_names, problem_type, self.thresholds, self.top_k)
        return block.with_columns(labels)

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
