"""Arguments of ner.py: named-entity recognition."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ..run.errors import UserError
from .adapters import LORA_LEARNING_RATE, AdapterArguments
from .data import DataArguments
from .tricks import TrickArguments


@dataclass
class NerDataArguments(DataArguments):
    dataset_name: str | None = field(
        default=None, metadata={"help": "peoples_daily_ner (where no --train_file is given), or a Hub id"}
    )
    train_file: str | None = field(
        default=None,
        metadata={
            "help": "a token and its BIO or BIOES tag a line (txt, conll, bio, tsv …), or jsonl, json or parquet with "
            "the spans of each text"
        },
    )
    test_file: str | None = field(
        default=None, metadata={"help": "where it is left out, a tenth of the training rows is held out"}
    )
    max_test_samples: int | None = field(
        default=None,
        metadata={"help": "test on this many rows, the same for every --seed, evenly drawn over the types"},
    )
    label_column: str | None = field(
        default=None, metadata={"help": "the column of spans; left out, entities, label, labels or spans"}
    )
    span_ends: str | None = field(
        default=None,
        metadata={
            "choices": ["exclusive", "inclusive"],
            "help": "whether a span's end is behind its last character, or that character; left out, as the entities' "
            "texts say where they are given, else exclusive",
        },
    )
    overlaps: str = field(
        default="error", metadata={"choices": ["error", "longest"], "help": "longest keeps the longer of two entities"}
    )
    repair_tags: bool = field(
        default=False, metadata={"help": "let an I- that follows no tag of its type begin an entity, as in IOB1"}
    )
    max_length: int = field(
        default=256, metadata={"help": "tokens of a window; a longer text is read in several, none of it is cut"}
    )
    stride: int | None = field(
        default=None, metadata={"help": "tokens that two windows of a text share; left out, a quarter of --max_length"}
    )
    split_characters: bool | None = field(
        default=None,
        metadata={
            "help": "make each character a token, so that an entity may end inside a word; left out, where entities of "
            "Chinese training text do"
        },
    )

    def __post_init__(self):
        if not self.train_file:
            self.dataset_name = self.dataset_name or "peoples_daily_ner"
        super().__post_init__()
        if len(self.text_column_names) > 1 or self.column_names:
            raise UserError("entities stand in one text: --text_columns names one column, and --column_names none")
        if self.max_length < 8:
            raise UserError(f"--max_length {self.max_length}: must be 8 or more")
        if self.stride is not None and not 0 <= self.stride <= self.max_length // 2:
            raise UserError(f"--stride {self.stride}: must lie between 0 and half of --max_length {self.max_length}")


@dataclass
class NerArguments(AdapterArguments, TrickArguments):
    default_output_dir = "outputs/ner"

    num_train_epochs: float | None = field(
        default=None, metadata={"help": "passes over the training rows; left out, 2, or more where they are few"}
    )
    metric_for_best_model: str = field(
        default="f1",
        metadata={
            "choices": ["f1", "precision", "recall", "loss"],
            "help": "the validation score that the best checkpoint has most (loss: least) of",
        },
    )
    lora: bool = field(default=False, metadata={"help": "train low-rank adapters and the head, not every weight"})

    def __post_init__(self):
        super().__post_init__()
        if self.lora:
            self.base_learning_rate = LORA_LEARNING_RATE

    def check_given(self) -> None:
        super().check_given()
        for adapter in fields(AdapterArguments):
            if not self.lora and adapter.name in self.given:
                name = "no_merge" if adapter.name == "merge" else adapter.name
                raise UserError(f"--{name} is for adapters, and every weight is trained: add --lora, or leave it out")
