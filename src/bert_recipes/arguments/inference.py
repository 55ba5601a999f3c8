"""Arguments of the recipes that train nothing: a file in, a file out, and what they take of TrainingArguments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ..run.errors import UserError
from .columns import ColumnArguments
from .model import CheckpointArguments
from .output_dir import nearest_folder
from .recipe import RecipeArguments


@dataclass
class InferenceArguments(ColumnArguments, CheckpointArguments):
    input_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json, parquet or txt"})
    output_file: str | None = field(default=None, metadata={"help": "the file to write"})
    overwrite: bool = field(default=False, metadata={"help": "write over an output_file that exists"})
    encoding: str = field(default="utf-8", metadata={"help": "of the input_file, such as gb18030"})
    text_columns: str = field(default="text", metadata={"help": "one column, or two for a pair: title,text"})
    column_names: str | None = field(
        default=None, metadata={"help": "the columns of a csv, tsv or txt file without a header, in order: text,label"}
    )
    per_device_eval_batch_size: int | None = field(
        default=None, metadata={"help": "rows a step on each device: 64, on a GPU 256"}
    )
    precision: str | None = field(
        default=None,
        metadata={"choices": ["fp32", "bf16", "fp16"], "help": "else as launched, else the device's best"},
    )
    bf16: bool = field(default=False, metadata={"help": "the same as --precision bf16"})
    fp16: bool = field(default=False, metadata={"help": "the same as --precision fp16"})
    use_cpu: bool = field(default=False, metadata={"help": "even where there is a GPU"})
    disable_tqdm: bool = field(default=False, metadata={"help": "no progress bars"})
    ddp_timeout: int = field(default=1800, metadata={"help": "seconds that a process waits for the others"})

    # What they take of transformers.TrainingArguments: the names that mean something where nothing trains.
    of_training_arguments: ClassVar[tuple[str, ...]] = (
        *("per_device_eval_batch_size", "precision", "bf16", "fp16", "use_cpu", "disable_tqdm", "ddp_timeout"),
    )

    def check_output(self, formats: Sequence[str]) -> None:
        if Path(self.output_file).suffix.lower() not in formats:
            raise UserError(f"--output_file {self.output_file}: must end in {', '.join(formats)}")
        self.check_place("output_file")
        if Path(self.output_file).exists() and not self.overwrite:
            raise UserError(f"--output_file {self.output_file} exists: name another, or add --overwrite")

    def check_place(self, name: str) -> None:
        folder = nearest_folder(Path(getattr(self, name)).parent)
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"--{name} {getattr(self, name)}: nothing can be written to {folder}")

    def for_trainer(self) -> RecipeArguments:
        """Device, precision and process group."""
        return RecipeArguments(
            output_dir=str(Path(self.output_file).parent),
            overwrite=True,  # of a folder that holds a run: nothing of it is touched
            do_train=False,
            do_eval=False,
            **{name: getattr(self, name) for name in self.of_training_arguments},
        )
