"""Arguments of the data: which text, which columns, which labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .columns import ColumnArguments, split_names
from .long_texts import LongTextArguments
from .problems import PROBLEM_TYPES, REGRESSION


@dataclass
class DataArguments(ColumnArguments):
    _argument_group_name = "data"

    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "reviews, review_domains, reviews_to_laptop, laptop_reviews, joined_reviews, peoples_daily, "
            "peoples_daily_titles, or a Hub id; reviews where no --train_file is given"
        },
    )
    dataset_config_name: str | None = field(
        default=None, metadata={"help": "the configuration of a Hub data set that has several"}
    )
    train_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json, parquet or txt"})
    validation_file: str | None = field(
        default=None, metadata={"help": "where it is left out, a tenth of the training rows is held out"}
    )
    encoding: str = field(default="utf-8", metadata={"help": "of csv, tsv, json and txt files, such as gb18030"})
    text_columns: str = field(default="text", metadata={"help": "one column, or two for a pair: title,text"})
    column_names: str | None = field(
        default=None, metadata={"help": "the columns of csv, tsv or txt files without a header, in order: text,label"}
    )
    max_train_samples: int | None = field(default=None, metadata={"help": "train on this many rows, drawn by --seed"})
    max_eval_samples: int | None = field(
        default=None,
        metadata={"help": "validate on this many rows, the same for every --seed, evenly drawn over the labels"},
    )

    def __post_init__(self):
        if self.dataset_name and self.train_file:
            raise UserError("--dataset_name and --train_file are both given: keep one of them")
        if self.dataset_config_name and not self.dataset_name:
            raise UserError("--dataset_config_name needs the --dataset_name of a Hub data set beside it")
        if not self.train_file:
            self.dataset_name = self.dataset_name or "reviews"
            for name in ("validation_file", "test_file"):
                if getattr(self, name, None):
                    raise UserError(f"--{name} needs a --train_file beside it")
        if self.column_names and self.dataset_name:
            raise UserError("--column_names is for files: give a --train_file, or leave it out")
        self.check_columns(split_names(getattr(self, "label_column", None) or ""))
        for name in ("max_train_samples", "max_eval_samples", "max_test_samples"):
            if getattr(self, name, None) is not None and getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")

    @property
    def corpus_name(self) -> str:
        """What messages and cards call a data set: its name, and its configuration where one is named."""
        return " ".join(filter(None, (self.dataset_name, self.dataset_config_name)))


@dataclass
class LabelledDataArguments(DataArguments):
    test_file: str | None = field(
        default=None, metadata={"help": "where it is left out, a tenth of the training rows is held out"}
    )
    max_test_samples: int | None = field(
        default=None,
        metadata={"help": "test on this many rows, the same for every --seed, evenly drawn over the labels"},
    )
    label_column: str = field(
        default="label",
        metadata={"help": "a list in a cell makes the task multi-label, and so do columns of 0 and 1: toxic,insult"},
    )
    label_separator: str | None = field(
        default=None, metadata={"help": "cut the label column at this string: multi-label from a csv"}
    )
    label_names: str | None = field(default=None, metadata={"help": "of the classes 0, 1, 2 …, in order: a,b,c"})
    label_names_file: str | None = field(default=None, metadata={"help": "the same as a file, a name a line"})
    problem_type: str | None = field(
        default=None,
        metadata={
            "choices": PROBLEM_TYPES,
            "help": "regression: the labels are numbers; else they are classes, several a row where a cell is a list",
        },
    )
    max_length: int = field(
        default=256, metadata={"help": "tokens of a text or pair; the longer is cut, no further than the model reads"}
    )

    def __post_init__(self):
        super().__post_init__()
        self.check_label_names()
        named = "--label_names_file" if self.label_names_file else "--label_names"
        if (self.label_names or self.label_names_file) and self.problem_type == REGRESSION:
            raise UserError(f"{named} is for classes: --problem_type regression has numbers, leave one of them out")
        if (self.label_names or self.label_names_file) and len(split_names(self.label_column)) > 1:
            raise UserError(f"{named}: the classes of several label columns have the columns' names: leave it out")
        if self.max_length < 8:
            raise UserError(f"--max_length {self.max_length}: must be 8 or more")


@dataclass
class ClassifierDataArguments(LongTextArguments, LabelledDataArguments):
    def __post_init__(self):
        super().__post_init__()
        self.check_long_text(self.text_column_names)
