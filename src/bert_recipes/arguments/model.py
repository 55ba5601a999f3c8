"""Arguments of the model: a checkpoint, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError


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
    pooling: str | None = field(
        default=None,
        metadata={
            "choices": ["cls", "mean"],
            "help": "what the classifier reads: [CLS], or the mean of the tokens; left out, what the checkpoint was "
            "trained on",
        },
    )
    aspect_attention: bool = field(
        default=False,
        metadata={"help": "one more layer, which attends from the first text of a pair, an aspect, to the second"},
    )

    def __post_init__(self):
        if self.aspect_attention and self.pooling == "mean":
            raise UserError("--aspect_attention adds to what [CLS] gives, --pooling mean leaves [CLS] out: keep one")
