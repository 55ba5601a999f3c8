"""Predictions of a model that finds entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow
from datasets import Dataset
from transformers import PretrainedConfig

from ..arguments.predict import PredictArguments
from ..models.token_classifiers import load_trained_token_classifier
from ..run.errors import UserError, tell
from ..text.columns import read_texts
from ..text.data_summary import Reading, unknown_share
from ..text.entities import SPAN_COLUMNS
from ..text.files import Table
from ..text.spans import read_entities
from ..text.tags import Entity, types_of
from ..text.windows import encode_windows
from ..training.entity_data import stride_of
from ..training.entity_metrics import Found, score_entities
from ..training.entity_trainer import entity_trainer, predict_entities
from .entities import as_record
from .predictor import Predictor

SPAN = {"start": pyarrow.int64(), "end": pyarrow.int64(), "label": pyarrow.string(), "score": pyarrow.float64()}
A_ROW_EACH = (".csv", ".tsv")


class Entities(Predictor):
    """csv and tsv have a row for each entity, and one for a text that has none: `entity`, `start`, `end`, `type`,
    `score`. Elsewhere a text keeps its row: `prediction` is the list of its entities."""

    @staticmethod
    def new_columns(config: PretrainedConfig, args: PredictArguments) -> dict[str, pyarrow.DataType]:
        if len(args.text_column_names) > 1:
            raise UserError(f"--text_columns {args.text_columns}: this model reads one text: name one column")
        if args.top_k > 1:
            raise UserError("--top_k is for a model that gives a row one label, and this finds entities: leave it out")
        if Path(args.output_file).suffix.lower() in A_ROW_EACH:
            return {"entity": pyarrow.string(), **{"type" if name == "label" else name: SPAN[name] for name in SPAN}}
        return {"prediction": pyarrow.list_(pyarrow.struct({"text": pyarrow.string(), **SPAN}))}

    def __init__(self, args: PredictArguments):
        self.args = args
        self.model, self.tokenizer = load_trained_token_classifier(args)
        self.tokenizer.padding_side = "right"
        self.trainer = entity_trainer(self.model, args.for_trainer(), self.tokenizer)
        self.expected = GivenEntities(args, types_of(self.model.config.id2label.values()))
        self.found: list[list[Entity]] = []
        self.read = False

    def predict(self, block: Table) -> Table:
        (texts,) = read_texts(block, self.args.text_column_names).values()
        encoded = encode_windows(Dataset.from_dict({"text": texts}), self.tokenizer, stride_of(self.tokenizer))
        for note in self.notes(encoded):
            tell(note)
        found, _ = predict_entities(self.trainer, encoded)
        if self.expected.add(block, texts):
            self.found += [[entity for entity, _ in row] for row in found]
        if Path(self.args.output_file).suffix.lower() in A_ROW_EACH:
            return a_row_each(block, texts, found)
        records = [[as_record(text, *pair) for pair in row] for text, row in zip(texts, found, strict=True)]
        return block.with_columns({"prediction": records})

    def notes(self, encoded: Dataset) -> Iterator[str]:
        """Of the first block: whether its text is of the tokenizer's script."""
        if not self.read:
            self.read = True
            yield from Reading(unknown_share(encoded, self.tokenizer), 0).notes(Path(self.args.input_file).name)

    def scores(self) -> dict[str, float]:
        return score_entities(self.found, self.expected.entities) if self.expected.entities else {}


def a_row_each(block: Table, texts: list[str], found: list[list[Found]]) -> Table:
    rows, cells = [], []
    for number, (text, entities) in enumerate(zip(texts, found, strict=True)):
        records = [list(as_record(text, *pair).values()) for pair in entities] or [[None] * 5]
        rows += [number] * len(records)
        cells += records
    columns = zip(*cells, strict=True)
    return block.take(rows).with_columns(
        dict(zip(("entity", "start", "end", "type", "score"), map(list, columns), strict=True))
    )


class GivenEntities:
    """The entities that a file has already, for the metrics: in its --label_column, or a column that is named so."""

    def __init__(self, args: PredictArguments, types: list[str]):
        self.names, self.types = (args.label_column, *SPAN_COLUMNS), types
        self.entities: list[list[Entity]] = []
        self.span_ends = None
        self.unread = False

    def add(self, block: Table, texts: list[str]) -> bool:
        """Whether the file has them. Where they can't be read, a line says so, and there are no metrics."""
        column = next((name for name in self.names if name in block.columns), None)
        if column is None or self.unread:
            return False
        places = [f"row {number} of {block.name}" for number in block.numbers]
        try:
            entities, self.span_ends = read_entities(
                block.name, places, texts, block.columns[column], self.span_ends, "longest"
            )
            if unknown := {entity.label for row in entities for entity in row} - set(self.types):
                raise UserError(f"column {column!r} has the type {min(unknown)!r}, which this model does not know")
        except UserError as error:
            tell(f"No metrics: {error}")
            self.entities, self.unread = [], True
            return False
        self.entities += entities
        return True
