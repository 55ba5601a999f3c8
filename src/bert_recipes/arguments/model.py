"""Arguments of the model: a checkpoint, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class CheckpointArguments:
    _argument_group_name = "model"

    model_name_or_path: str = field(
        default="bert-mini-zh", metadata={"help": "the embedded bert-mini-zh, a folder, or a Hub id"}
    )
    revision: str = field(default="main", metadata={"help": "branch, tag or commit of a Hub model"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with a Hub model"})


@dataclass
class ModelArguments(CheckpointArguments):
    from_scratch: bool = field(default=False, metadata={"help": "the same architecture from random weights"})


@dataclass
class ClassifierModelArguments(ModelArguments):
    aspect_attention: bool = field(
        default=False,
        metadata={"help": "one more layer, which attends from the first text of a pair, an aspect, to the second"},
    )
