"""Arguments of simcse.py."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .embed import CLS, MEAN
from .recipe import RecipeArguments


@dataclass
class SimcseArguments(RecipeArguments):
    default_output_dir = "outputs/simcse"
    base_learning_rate = 3e-5

    pooling: str = field(
        default=MEAN, metadata={"choices": [MEAN, CLS], "help": "what a text's vector is: embed.py takes the same"}
    )
    temperature: float = field(default=0.05, metadata={"help": "cosines are divided by it"})
    dropout: float = field(
        default=0.1, metadata={"help": "in this stage alone: all that a text's two vectors differ by"}
    )
    max_length: int = field(default=64, metadata={"help": "tokens of a text or pair; the longer is cut"})
    num_train_epochs: float = field(default=1.0, metadata={"help": "passes over the training texts"})
    per_device_train_batch_size: int = field(
        default=64, metadata={"help": "texts a step on each device; a text is told from the others of its device"}
    )
    # Vectors that are spread more evenly are not always better ones: the last checkpoint is taken.
    load_best_model_at_end: bool = field(default=False, metadata={"help": "end with the most uniform checkpoint"})
    metric_for_best_model: str = field(
        default="uniformity", metadata={"choices": ["uniformity"], "help": "the validation score of a checkpoint"}
    )
    eval_on_start: bool = field(default=True, metadata={"help": "score the vectors before the first step too"})
    greater_is_better: bool = field(default=False, metadata={"help": "a lower uniformity is an evener spread"})

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.dropout < 1:
            raise UserError(f"--dropout {self.dropout}: must lie between 0 and 1, or a text's two vectors are the same")
        if self.temperature <= 0:
            raise UserError(f"--temperature {self.temperature}: must be above 0")
        if self.max_length < 8:
            raise UserError(f"--max_length {self.max_length}: must be 8 or more")
        if self.per_device_train_batch_size < 2:
            raise UserError("--per_device_train_batch_size 1: a text needs others to be told from, give 2 or more")
        if self.label_smoothing_factor:
            raise UserError("--label_smoothing_factor is for classifiers: SimCSE has no labels")
