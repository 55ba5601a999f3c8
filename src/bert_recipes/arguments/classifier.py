"""Arguments of the recipes that train a classifier: fine-tuning and LoRA."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .losses import LossArguments

# Scores to choose the best checkpoint by.
OF_CLASSES, OF_NUMBERS = ("macro_f1", "accuracy", "macro_precision", "macro_recall"), ("pearson", "spearman")


@dataclass
class ClassifierArguments(LossArguments):
    num_train_epochs: float | None = field(
        default=None, metadata={"help": "passes over the training rows; left out, 2, or more where they are few"}
    )
    baseline: bool = field(default=True, metadata={"help": "score character tf-idf + logistic regression beside it"})
    metric_for_best_model: str = field(
        default="macro_f1",
        metadata={
            "choices": [*OF_CLASSES, *OF_NUMBERS, "loss"],
            "help": "the validation score that the best checkpoint has most (loss: least) of; of a regression pearson",
        },
    )

    def suit(self, regression: bool) -> None:
        """Check the arguments against what the labels are. Of a regression, which has no F1, the best checkpoint is the
        one with the highest Pearson correlation."""
        if regression and self.label_smoothing_factor:
            raise UserError("--label_smoothing_factor is for classes: a regression's numbers are not smoothed")
        scores, others = (OF_NUMBERS, OF_CLASSES) if regression else (OF_CLASSES, OF_NUMBERS)
        if self.metric_for_best_model in others:
            if "metric_for_best_model" in getattr(self, "given", {}):
                kind = "a regression has" if regression else "classes have"
                raise UserError(
                    f"--metric_for_best_model {self.metric_for_best_model}: {kind} {', '.join(scores)} and loss"
                )
            self.metric_for_best_model = scores[0]


@dataclass
class FinetuneArguments(ClassifierArguments):
    default_output_dir = "outputs/finetune"

    freeze_encoder: bool = field(default=False, metadata={"help": "train the head and the pooler alone"})


@dataclass
class LoraArguments(ClassifierArguments):
    default_output_dir = "outputs/lora"
    base_learning_rate = 3e-4  # a low-rank update wants about ten times the rate of the full one

    lora_r: int = field(default=8, metadata={"help": "rank of each adapter"})
    lora_alpha: int = field(default=16, metadata={"help": "the update is scaled by lora_alpha / lora_r"})
    lora_dropout: float = field(default=0.0, metadata={"help": "dropout in front of each adapter"})
    lora_target_modules: str | None = field(
        default=None, metadata={"help": "such as query,value or all-linear; left out, peft's choice for the model"}
    )
    use_rslora: bool = field(default=False, metadata={"help": "scale by alpha / sqrt(r) (arXiv 2312.03732)"})
    use_dora: bool = field(default=False, metadata={"help": "split magnitude and direction (arXiv 2402.09353)"})
    merge: bool = field(default=True, metadata={"help": "save the merged model too, beside adapter/"})

    def __post_init__(self):
        super().__post_init__()
        if self.lora_r < 1:
            raise UserError(f"--lora_r {self.lora_r}: must be 1 or more")
        if not 0 <= self.lora_dropout < 1:
            raise UserError(f"--lora_dropout {self.lora_dropout}: must be 0 or more, and below 1")
