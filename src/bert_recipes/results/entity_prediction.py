"""Predictions of a model that finds entities."""

from __future__ import annotations

from pathlib import Path

import pyarrow
from datasets import Dataset
from transformers import PretrainedConfig

from ..arguments.predict import PredictArguments
from ..models.token_classifiers import load_trained_token_classifier
from ..run.errors import UserError, tell
from ..text.columns import read_texts
from ..text.data_summary import RowsRead
from ..text.entities import SPAN_COLUMNS, span_column
from ..text.entity_windows import EncodedWindows, encode_windows
from ..text.files import Table
from ..text.spans import read_entities
from ..text.tags import Entity, types_of
from ..training.entity_data import stride_of
from ..training.entity_metrics import Found, find_entities, score_entities
from ..training.entity_trainer import entity_trainer, tag_names_of
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
        self.stride = stride_of(self.model.config, self.tokenizer)
        self.expected = GivenEntities(
            args.given.get("label_column"), types_of(self.model.config.id2label.values()), args.span_ends
        )
        self.found: list[list[Entity]] = []
        self.read = RowsRead(self.tokenizer, Path(args.input_file).name)

    def predict(self, block: Table) -> Table:
        (texts,) = read_texts(block, self.args.text_column_names).values()
        encoded = encode_windows(Dataset.from_dict({"text": texts}), self.tokenizer, self.stride)
        self.read.add(encoded, len(block), block.more)
        tags, probabilities = self.outputs(EncodedWindows(encoded, self.tokenizer))
        found = find_entities(encoded, tags, probabilities, tag_names_of(self.model.config))
        if self.expected.add(block, texts):
            self.found += [[entity for entity, _ in row] for row in found]
        if Path(self.args.output_file).suffix.lower() in A_ROW_EACH:
            return a_row_each(block, texts, found)
        records = [[as_record(text, *pair) for pair in row] for text, row in zip(texts, found, strict=True)]
        return block.with_columns({"prediction": records})

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
    """The entities that a file has already, for the metrics: in the --label_column that was typed, else in the column
    that training takes too (`entities.span_column`)."""

    def __init__(self, label_column: str | None, types: list[str], span_ends: str | None):
        self.label_column, self.types, self.span_ends = label_column, types, span_ends
        self.entities: list[list[Entity]] = []
        self.unread = False

    def add(self, block: Table, texts: list[str]) -> bool:
        """Whether the file has them. Where they can't be read, a line says so, and there are no metrics."""
        if self.unread or not (self.label_column or block.columns.keys() & set(SPAN_COLUMNS)):
            return False
        places = [f"row {number} of {block.name}" for number in block.numbers]
        try:
            column = span_column(block, self.label_column)
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
