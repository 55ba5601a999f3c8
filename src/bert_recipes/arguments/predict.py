"""Arguments of predict.py."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ..run.errors import UserError
from ..run.launch import launched_processes
from .columns import ColumnArguments
from .model import CheckpointArguments
from .output_dir import nearest_folder
from .recipe import RecipeArguments

STANDARD_STREAM = "-"
STREAM_FORMATS = ["jsonl", "csv", "tsv", "txt"]
WRITABLE = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
# What predict.py takes of transformers.TrainingArguments: the names that mean something where nothing trains.
OF_TRAINING_ARGUMENTS = (
    *("per_device_eval_batch_size", "precision", "bf16", "fp16", "use_cpu", "torch_compile", "dataloader_num_workers"),
    *("eval_accumulation_steps", "disable_tqdm", "ddp_timeout"),
)


@dataclass
class PredictArguments(ColumnArguments, CheckpointArguments):
    _argument_group_name = "predict"

    model_name_or_path: str = field(
        default="outputs/finetune", metadata={"help": "a folder that finetune.py or lora.py wrote, or a Hub id"}
    )
    input_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json, parquet or txt; - is stdin"})
    output_file: str | None = field(
        default=None, metadata={"help": "csv, tsv, jsonl, json or parquet; - is stdout, and messages go to stderr"}
    )
    format: str | None = field(
        default=None,
        metadata={"choices": STREAM_FORMATS, "help": "of -: jsonl where left out; with txt stdout is jsonl"},
    )
    overwrite: bool = field(default=False, metadata={"help": "write over an output_file that exists"})
    encoding: str = field(default="utf-8", metadata={"help": "of the input_file, such as gb18030"})
    text_columns: str = field(default="text", metadata={"help": "one column, or two for a pair: title,text"})
    label_column: str = field(default="label", metadata={"help": "where the file has it, the metrics are reported too"})
    label_separator: str = field(default=";", metadata={"help": "between the labels of a row that has several"})
    column_names: str | None = field(
        default=None, metadata={"help": "the columns of a csv, tsv or txt file without a header, in order: text,label"}
    )
    label_names: str | None = field(
        default=None, metadata={"help": "of the file's classes 0, 1, 2 …, in order, to score them: a,b,c"}
    )
    label_names_file: str | None = field(default=None, metadata={"help": "the same as a file, a name a line"})
    top_k: int = field(
        default=1,
        metadata={"help": "how many labels a row, the best first: prediction, score, prediction_2, score_2 …"},
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
    torch_compile: bool = field(default=False, metadata={"help": "compile the model first"})
    dataloader_num_workers: int = field(default=0, metadata={"help": "processes that prepare batches"})
    eval_accumulation_steps: int | None = field(
        default=None, metadata={"help": "bring predictions to the CPU every so many steps"}
    )
    disable_tqdm: bool = field(default=False, metadata={"help": "no progress bars"})
    ddp_timeout: int = field(default=1800, metadata={"help": "seconds that a process waits for the others"})

    def __post_init__(self):
        for name in ("input_file", "output_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is missing: name a file")
        self.check_columns()
        self.check_label_names()
        if self.top_k < 1:
            raise UserError(f"--top_k {self.top_k}: must be 1 or more")
        self.check_streams()
        if self.output_file != STANDARD_STREAM:
            self.check_output()

    def check_streams(self) -> None:
        files = (self.input_file, self.output_file)
        if self.format and STANDARD_STREAM not in files:
            raise UserError(f"--format {self.format} is for -, stdin or stdout: a file's name says its format")
        if self.format == "txt" and self.input_file != STANDARD_STREAM:
            raise UserError("--format txt: stdout has columns, so that it is jsonl, csv or tsv")
        if self.input_file == STANDARD_STREAM and launched_processes() > 1:
            raise UserError("--input_file -: several processes can't share stdin: name a file, or launch one process")
        self.format = self.format or STREAM_FORMATS[0]

    def check_output(self) -> None:
        if Path(self.output_file).suffix not in WRITABLE:
            raise UserError(f"--output_file {self.output_file}: must end in {', '.join(WRITABLE)}")
        folder = nearest_folder(Path(self.output_file).parent)
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"--output_file {self.output_file}: nothing can be written to {folder}")
        if Path(self.output_file).exists() and not self.overwrite:
            raise UserError(f"--output_file {self.output_file} exists: name another, or add --overwrite")

    @property
    def output_format(self) -> str:
        """Of stdout."""
        return STREAM_FORMATS[0] if self.format == "txt" else self.format

    def for_trainer(self) -> RecipeArguments:
        return RecipeArguments(
            output_dir=str(Path(self.output_file).parent),
            overwrite=True,  # of a folder that holds a run: a prediction touches none of its files
            do_train=False,
            do_eval=False,
            **{name: getattr(self, name) for name in OF_TRAINING_ARGUMENTS},
        )
