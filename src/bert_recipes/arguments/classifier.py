"""Arguments of the recipes that train a classifier: fine-tuning and LoRA."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .adapters import LORA_LEARNING_RATE, AdapterArguments
from .losses import LossArguments
from .tricks import LayerArguments, TrickArguments

# Scores to choose the best checkpoint by.
OF_CLASSES, OF_NUMBERS = ("macro_f1", "accuracy", "macro_precision", "macro_recall"), ("pearson", "spearman")


@dataclass
class ClassifierArguments(TrickArguments, LossArguments):
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
        if regression and self.r_drop:
            raise UserError("--r_drop compares the probabilities of classes, and a regression has none: leave it out")
        scores, others = (OF_NUMBERS, OF_CLASSES) if regression else (OF_CLASSES, OF_NUMBERS)
        if self.metric_for_best_model in others:
            if "metric_for_best_model" in getattr(self, "given", {}):
                kind = "a regression has" if regression else "classes have"
                raise UserError(
                    f"--metric_for_best_model {self.metric_for_best_model}: {kind} {', '.join(scores)} and loss"
                )
            self.metric_for_best_model = scores[0]


@dataclass
class FinetuneArguments(LayerArguments, ClassifierArguments):
    default_output_dir = "outputs/finetune"


@dataclass
class LoraArguments(AdapterArguments, ClassifierArguments):
    default_output_dir = "outputs/lora"
    base_learning_rate = LORA_LEARNING_RATE
