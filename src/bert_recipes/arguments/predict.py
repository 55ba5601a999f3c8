"""Arguments of predict.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..run.errors import UserError
from ..run.launch import launched_processes
from .inference import InferenceArguments

STANDARD_STREAM = "-"
STREAM_FORMATS = ["jsonl", "csv", "tsv", "txt"]
WRITABLE = (".csv", ".tsv", ".jsonl", ".json", ".parquet")


@dataclass
class PredictArguments(InferenceArguments):
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
    label_column: str = field(default="label", metadata={"help": "where the file has it, the metrics are reported too"})
    label_separator: str = field(default=";", metadata={"help": "between the labels of a row that has several"})
    label_names: str | None = field(
        default=None, metadata={"help": "of the file's classes 0, 1, 2 …, in order, to score them: a,b,c"}
    )
    label_names_file: str | None = field(default=None, metadata={"help": "the same as a file, a name a line"})
    span_ends: str | None = field(
        default=None,
        metadata={
            "choices": ["inclusive", "exclusive"],
            "help": "of the file's own entities, to score them: whether a span's end is its last character",
        },
    )
    top_k: int = field(
        default=1,
        metadata={"help": "how many labels a row, the best first: prediction, score, prediction_2, score_2 …"},
    )
    torch_compile: bool = field(default=False, metadata={"help": "compile the model first"})
    dataloader_num_workers: int = field(default=0, metadata={"help": "processes that prepare batches"})
    eval_accumulation_steps: int | None = field(
        default=None, metadata={"help": "bring predictions to the CPU every so many steps"}
    )
    of_training_arguments: ClassVar[tuple[str, ...]] = (
        *InferenceArguments.of_training_arguments,
        *("torch_compile", "dataloader_num_workers", "eval_accumulation_steps"),
    )

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
            self.check_output(WRITABLE)

    def check_streams(self) -> None:
        files = (self.input_file, self.output_file)
        if self.format and STANDARD_STREAM not in files:
            raise UserError(f"--format {self.format} is for -, stdin or stdout: a file's name says its format")
        if self.format == "txt" and self.input_file != STANDARD_STREAM:
            raise UserError("--format txt: stdout has columns, so that it is jsonl, csv or tsv")
        if self.input_file == STANDARD_STREAM and launched_processes() > 1:
            raise UserError("--input_file -: several processes can't share stdin: name a file, or launch one process")
        self.format = self.format or STREAM_FORMATS[0]

    @property
    def output_format(self) -> str:
        """Of stdout."""
        return STREAM_FORMATS[0] if self.format == "txt" else self.format
