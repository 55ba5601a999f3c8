"""Arguments of embed.py."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..run.errors import UserError
from ..run.launch import launched_precision
from .inference import InferenceArguments
from .recipe import RecipeArguments

WORD2VEC, FORMATS, PICTURES = (".txt", ".vec"), (".parquet", ".npz", ".txt", ".vec"), (".png", ".svg", ".pdf")
CHAR, TEXT = "char", "text"
CLS, MEAN, MEAN_LAST4 = POOLINGS = ("cls", "mean", "mean_last4")
ROWS_ON_CPU = 16  # what fits a core's cache: larger batches are slower there
BUILT_IN = "reviews"  # the test split of this corpus, where no file is named


@dataclass
class EmbedArguments(InferenceArguments):
    _argument_group_name = "embed"

    unit: str = field(
        default=TEXT, metadata={"choices": [TEXT, CHAR], "help": "a vector a row, or a vector a distinct character"}
    )
    input_file: str | None = field(
        default=None,
        metadata={"help": "csv, tsv, jsonl, json, parquet or txt; left out, the test split of the built-in reviews"},
    )
    output_file: str | None = field(
        default=None,
        metadata={"help": "parquet, npz, or word2vec text as txt or vec; left out, a parquet file in outputs/embed"},
    )
    overwrite: bool = field(
        default=False, metadata={"help": "write over an output_file, or over what an interrupted run has left"}
    )
    pooling: str | None = field(
        default=None,
        metadata={
            "choices": list(POOLINGS),
            "help": "of a text: the vector of [CLS], the mean of its tokens, or that of the last four layers; "
            "left out, mean",
        },
    )
    context: bool = field(
        default=False, metadata={"help": "of a character: the mean over its places in the file, not the table's vector"}
    )
    layer: int | None = field(
        default=None, metadata={"help": "0: the embeddings, 1: the first layer …; left out, the last one"}
    )
    normalize: bool = field(default=False, metadata={"help": "vectors of length 1"})
    max_length: int | None = field(
        default=None, metadata={"help": "tokens of a text or pair; left out, as many as the model reads"}
    )
    nearest: list[str] | None = field(
        default=None, metadata={"help": "print neighbours by cosine: a number, then characters or texts: 10 好 差"}
    )
    picture: str | None = field(default=None, metadata={"help": "draw the vectors in two dimensions (PCA): png, svg"})
    per_device_eval_batch_size: int | None = field(
        default=None, metadata={"help": "rows a step on each device: 16, on a GPU 256"}
    )
    precision: str | None = field(
        default=None,
        metadata={"choices": ["fp32", "bf16", "fp16"], "help": "else as launched, else fp32: vectors have all digits"},
    )

    def __post_init__(self):
        self.check_columns()
        if "vector" in self.text_column_names:
            raise UserError("--text_columns vector: the name is kept for the vectors, rename the column")
        if self.column_names and not self.input_file:
            raise UserError("--column_names is for files: give an --input_file, or leave it out")
        self.check_unit()
        if self.max_length is not None and self.max_length < 8:
            raise UserError(f"--max_length {self.max_length}: must be 8 or more")
        self.check_nearest()
        if self.picture and Path(self.picture).suffix.lower() not in PICTURES:
            raise UserError(f"--picture {self.picture}: must end in {', '.join(PICTURES)}")
        self.output_file = self.output_file or self.default_output()
        self.check_output(FORMATS)
        if self.picture:
            self.check_place("picture")

    def check_nearest(self) -> None:
        if not self.nearest:
            return
        if not (self.nearest[0].isdecimal() and int(self.nearest[0]) and self.nearest[1:]):
            raise UserError(
                f"--nearest {' '.join(self.nearest)}: a number above 0 first, then what to find the neighbours of: "
                "--nearest 10 好"
            )
        if self.unit == CHAR and (words := [word for word in self.nearest[1:] if len(word) > 1]):
            raise UserError(f"--nearest {words[0]}: with --unit char name single characters, with spaces between them")
        if self.unit != CHAR and len(self.text_column_names) > 1:
            raise UserError("--nearest finds the neighbours of single texts: name one column with --text_columns")

    def check_unit(self) -> None:
        for name in ("context", "pooling", "layer", "max_length"):
            if getattr(self, name) in (None, False):
                continue
            if self.unit == CHAR and name == "pooling":
                raise UserError("--pooling is for --unit text: a character's vector is that of its token")
            if self.unit == TEXT and name == "context":
                raise UserError("--context is for --unit char: a text has no context")
            if self.unit == CHAR and not self.context and name != "context":
                raise UserError(f"--{name} needs --context: the embedding table stands before all layers")
        if self.pooling == MEAN_LAST4 and self.layer is not None:
            raise UserError("--pooling mean_last4 says which layers: leave --layer out")

    def default_output(self) -> str:
        """The first of `outputs/embed/texts.parquet`, `texts-2.parquet` … that is free."""
        number, name = 1, f"outputs/embed/{self.unit}s"
        while Path(f"{name}{'' if number == 1 else f'-{number}'}.parquet").exists():
            number += 1
        return f"{name}{'' if number == 1 else f'-{number}'}.parquet"

    @property
    def corpus_name(self) -> str:
        """What messages call the text where no file is named."""
        return BUILT_IN

    @functools.cached_property
    def launch(self) -> RecipeArguments:
        """Device, precision and process group."""
        said = self.precision or self.bf16 or self.fp16 or launched_precision()
        if self.per_device_eval_batch_size is None and (self.use_cpu or not torch.accelerator.is_available()):
            self.per_device_eval_batch_size = ROWS_ON_CPU
        self.precision = self.precision if said else "fp32"
        return self.for_trainer()
