"""The arguments of recipes/split.py: which questions, starts and methods, and how large each run is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from ..run.errors import UserError
from ..run.launch import available_cores, launched_processes
from .classifier import FinetuneArguments, LoraArguments

STARTS = ("random", "base", "continued")
METHODS = ("full", "mean_pooling", "lora", "head_only", "tfidf")
# method -> recipe and its flags, the arguments that hold the recipe's own learning rate, and the multiples of it tried:
# with --full all five. Of the three in the middle, which the short form tries, random weights took the lowest with
# 2,000 labels and the base model the highest with 500 and 2,000 (docs/split).
RECIPES = {
    "full": ("finetune.py", [], FinetuneArguments, (0.1, 0.3, 1, 3, 10)),
    "mean_pooling": ("finetune.py", ["--pooling", "mean"], FinetuneArguments, (0.1, 0.3, 1, 3, 10)),
    "lora": ("lora.py", [], LoraArguments, (0.1, 0.3, 1, 3, 10)),
    "head_only": ("finetune.py", ["--freeze_encoder"], FinetuneArguments, (1, 3, 10, 30, 100)),
}
# Of an argument that is not given: in the short form, and with --full.
SIZES = {
    "output_dir": ("outputs/split", "outputs/split_full"),
    "label_counts": ("100,500", "100,500,2000,all"),
    "num_seeds": (2, 3),
    "steps_at_100_labels": (12, 48),
    "batch_size": (16, 32),
    "trial_labels": ("100", "100,500,2000"),
    "pretraining_epochs": (0.25, 12),
}


@dataclass
class SplitArguments:
    _argument_group_name = "experiment"

    output_dir: str | None = field(
        default=None,
        metadata={
            "help": "a stopped experiment goes on where it stopped: outputs/split, or with --full outputs/split_full"
        },
    )
    full: bool = field(default=False, metadata={"help": "the whole grid, on whole texts and all rows: hours"})
    experiments: str | None = field(
        default=None,
        metadata={
            "help": "questions to answer: labels,nsp,titles,passes, or with --full text,ranks,tricks too, unless you "
            "name some"
        },
    )
    starts: str = field(default="random,base,continued", metadata={"help": "weights that fine-tuning starts from"})
    methods: str = field(
        default="full,lora,head_only,tfidf",
        metadata={
            "help": "what moves while it fine-tunes; mean_pooling moves all, and reads the mean of the tokens in place "
            "of [CLS]"
        },
    )
    label_counts: str | None = field(
        default=None, metadata={"help": "labelled rows, such as 500,2000,all; 100,500, or with --full 100,500,2000,all"}
    )
    num_seeds: int | None = field(default=None, metadata={"help": "runs of each kind: 2, or with --full 3"})
    steps_at_100_labels: int | None = field(
        default=None,
        metadata={
            "help": "optimiser steps, the same for every start and method; grows as sqrt(labels). 12, or with --full 48"
        },
    )
    batch_size: int | None = field(default=None, metadata={"help": "rows a step: 16, or with --full 32"})
    trial_labels: str | None = field(
        default=None,
        metadata={
            "help": "labelled rows with which each start and method picks its learning rate; a number of labels takes "
            "the rate of the nearest of these: 100, or with --full 100,500,2000"
        },
    )
    pretraining_epochs: float | None = field(
        default=None,
        metadata={
            "help": "passes of the continued start over the training text: 0.25 (of 500 rows in all, at least), "
            "or with --full 12"
        },
    )
    workers: int | None = field(default=None, metadata={"help": "runs at a time: one a core, or one on a GPU"})

    def __post_init__(self):
        if launched_processes() > 1:
            raise UserError("split.py starts its runs by itself, --workers at a time: launch it as one process")
        for name, (short, full) in SIZES.items():
            if getattr(self, name) is None:
                setattr(self, name, full if self.full else short)
        if self.workers is None:
            self.workers = 1 if torch.accelerator.is_available() else available_cores()
        self.starts = choices("--starts", self.starts, STARTS)
        self.methods = choices("--methods", self.methods, METHODS)
        self.label_counts = label_counts("--label_counts", self.label_counts)
        self.trial_labels = label_counts("--trial_labels", self.trial_labels)
        if self.num_seeds < 2:
            raise UserError(f"--num_seeds {self.num_seeds}: an interval needs 2 or more")
        for name in ("workers", "batch_size", "steps_at_100_labels"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")
        if self.pretraining_epochs <= 0:
            raise UserError(f"--pretraining_epochs {self.pretraining_epochs}: must be above 0")


def choices(argument: str, names: str, known: Iterable[str]) -> list[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen or [names]:
        if name not in known:
            raise UserError(f"{argument} {name}: must be of {', '.join(known)}, with commas between them")
    return list(dict.fromkeys(chosen))


def label_counts(argument: str, counts: str) -> list[int | str]:
    chosen = [count.strip() for count in counts.split(",")]
    for count in chosen:
        if count != "all" and not (count.isdigit() and int(count) > 0):
            raise UserError(f"{argument} {count}: must be numbers above 0, or all, with commas between them")
    return list(dict.fromkeys(count if count == "all" else int(count) for count in chosen))
