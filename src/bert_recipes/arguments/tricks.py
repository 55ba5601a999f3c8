"""What people reach for to fine-tune better: adversarial training, R-Drop, a learning rate for each layer, dropout."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .recipe import RecipeArguments

FGM = "fgm"


@dataclass
class TrickArguments(RecipeArguments):
    adversarial: str | None = field(
        default=None,
        metadata={
            "choices": [FGM],
            "help": "fgm: train on embeddings moved against the model too (arXiv 1605.07725), two passes a step",
        },
    )
    adversarial_epsilon: float = field(
        default=1.0, metadata={"help": "length of what is added to the embeddings of a row, or of a window"}
    )
    r_drop: float = field(
        default=0.0,
        metadata={
            "help": "weight of the divergence between two passes with other dropout (arXiv 2106.14448), such as 1; "
            "two passes a step"
        },
    )
    dropout: float | None = field(
        default=None, metadata={"help": "while this model trains; left out, what the checkpoint's config says"}
    )
    layer_learning_rate_decay: float = field(
        default=1.0,
        metadata={"help": "each layer's learning rate is that of the one above it times this, such as 0.9"},
    )

    def __post_init__(self):
        if not 0 < self.adversarial_epsilon < float("inf"):
            raise UserError(f"--adversarial_epsilon {self.adversarial_epsilon}: must be above 0")
        if not 0 <= self.r_drop < float("inf"):
            raise UserError(f"--r_drop {self.r_drop}: must be 0 or more")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise UserError(f"--dropout {self.dropout}: must be 0 or more, and below 1")
        if not 0 < self.layer_learning_rate_decay <= 1:
            raise UserError(
                f"--layer_learning_rate_decay {self.layer_learning_rate_decay}: must be above 0, and at most 1"
            )
        super().__post_init__()

    def check_given(self) -> None:
        super().check_given()
        if self.adversarial is None and "adversarial_epsilon" in self.given:
            raise UserError(
                "--adversarial_epsilon is for --adversarial fgm: add it, or leave --adversarial_epsilon out"
            )


@dataclass
class LayerArguments:
    """Of a run that trains every weight: which layers start anew or stay, and what becomes of the checkpoints."""

    freeze_encoder: bool = field(default=False, metadata={"help": "train the head and the pooler alone"})
    freeze_layers: int = field(
        default=0, metadata={"help": "train neither the embeddings nor so many of the lowest layers"}
    )
    reinitialize_layers: int = field(
        default=0,
        metadata={"help": "draw so many of the topmost layers, and the pooler, anew (arXiv 2006.05987)"},
    )
    average_checkpoints: int = field(
        default=0,
        metadata={
            "help": "end with the mean of the last so many checkpoints' weights, in place of the best checkpoint"
        },
    )

    def __post_init__(self):
        for name in ("freeze_layers", "reinitialize_layers", "average_checkpoints"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name} {getattr(self, name)}: must be 0 or more")
        if self.freeze_encoder and (self.freeze_layers or self.reinitialize_layers):
            name = "freeze_layers" if self.freeze_layers else "reinitialize_layers"
            raise UserError(f"--freeze_encoder trains no layer at all: leave it out, or --{name}")
        if self.freeze_encoder and self.layer_learning_rate_decay < 1:
            raise UserError("--layer_learning_rate_decay is for layers that train: leave it out, or --freeze_encoder")
        if self.average_checkpoints == 1:
            raise UserError("--average_checkpoints 1: one checkpoint is its own mean, name 2 or more")
        if self.average_checkpoints:
            self.keep_checkpoints_to_average()
        super().__post_init__()

    def keep_checkpoints_to_average(self) -> None:
        if self.save_strategy == "no":
            raise UserError(
                "--average_checkpoints: --save_strategy no leaves none: write epoch, or steps with --save_steps"
            )
        if self.save_strategy == "best":
            raise UserError("--average_checkpoints: --save_strategy best keeps the best ones: write steps or epoch")
        if self.early_stopping_patience is not None:
            raise UserError(
                "--average_checkpoints ends with a mean, --early_stopping_patience with the best: keep one of them"
            )
        self.load_best_model_at_end = False
        if self.save_total_limit is not None:  # where the run evaluates, one of them is kept for being the best
            self.save_total_limit = max(self.save_total_limit, self.average_checkpoints + 1)

    def check_given(self) -> None:
        super().check_given()
        count = self.average_checkpoints
        if count and self.given.get("load_best_model_at_end"):
            raise UserError(
                f"--load_best_model_at_end ends with the best checkpoint, --average_checkpoints {count} with a mean: "
                "keep one of them"
            )
        limit = self.given.get("save_total_limit")
        if limit and count and limit <= count:
            raise UserError(
                f"--save_total_limit {limit} keeps too few checkpoints, the best among them, for --average_checkpoints "
                f"{count}: write {count + 1}, or leave it out"
            )
