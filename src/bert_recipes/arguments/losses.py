"""Arguments of what a classifier's training minimises, and of how its probabilities become labels."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from ..run.errors import UserError
from .columns import split_names
from .recipe import RecipeArguments

CROSS_ENTROPY, FOCAL = "cross_entropy", "focal"
BALANCED, TUNED = "balanced", "tuned"
FOCAL_GAMMA = 2.0  # Lin et al. 2017, arXiv 1708.02002


@dataclass
class LossArguments(RecipeArguments):
    loss: str = field(
        default=CROSS_ENTROPY,
        metadata={
            "help": "cross_entropy (of a regression: squared error), focal, or your own: package.module:function"
        },
    )
    class_weights: str | None = field(
        default=None,
        metadata={"help": "balanced, or a number for each class: negative=1,positive=20; of multi-label for positives"},
    )
    focal_gamma: float | None = field(
        default=None,
        metadata={"help": "how much less a row counts that is right already; left out, 2 (arXiv 1708.02002)"},
    )
    threshold: str | None = field(
        default=None,
        metadata={"help": "probability from which a label is given: tuned on validation, 0.3, or positive=0.3"},
    )
    calibrate: bool = field(
        default=False,
        metadata={
            "help": "make a score how often such predictions are right: a temperature of validation (arXiv 1706.04599)"
        },
    )

    def __post_init__(self):
        own = self.is_own_loss
        if not own and self.loss not in (CROSS_ENTROPY, FOCAL):
            raise UserError(f"--loss {self.loss}: write cross_entropy, focal, or package.module:function for your own")
        if own and self.class_weights:
            raise UserError(
                f"--class_weights is not for --loss {self.loss}, which weighs its rows itself: leave it out"
            )
        if self.label_smoothing_factor and self.loss != CROSS_ENTROPY:
            raise UserError(f"--label_smoothing_factor is not for --loss {self.loss}: leave one of them out")
        if self.focal_gamma is not None and self.loss != FOCAL:
            raise UserError("--focal_gamma is for --loss focal: add it, or leave --focal_gamma out")
        if self.focal_gamma is not None and not 0 <= self.focal_gamma < math.inf:
            raise UserError(f"--focal_gamma {self.focal_gamma}: must be 0 or more")
        self.given_class_weights()
        self.given_thresholds()
        if own:
            find_function(self.loss)  # what can't be imported is told before the data are read
        super().__post_init__()

    @property
    def is_own_loss(self) -> bool:
        return ":" in self.loss

    def given_class_weights(self) -> dict[str, float]:
        """Class -> weight; empty without --class_weights, and where they are balanced."""
        if self.class_weights in (None, BALANCED):
            return {}
        weights = numbers_by_name("class_weights", self.class_weights, "balanced or negative=1,positive=20")
        for name, weight in weights.items():
            if not 0 < weight < math.inf:
                raise UserError(f"--class_weights {name}={weight:g}: must be above 0")
        return weights

    def given_thresholds(self) -> dict[str, float] | float | None:
        """Label -> threshold, or one number for them all; None without --threshold, and where it is tuned."""
        if self.threshold in (None, TUNED):
            return None
        if "=" not in self.threshold:
            thresholds = {"": as_number(self.threshold)}
        else:
            thresholds = numbers_by_name("threshold", self.threshold, "tuned, 0.3 or positive=0.3")
        for name, value in thresholds.items():
            if value is None:
                raise UserError(f"--threshold {self.threshold}: write tuned, 0.3 or positive=0.3")
            if not 0 < value < 1:
                raise UserError(f"--threshold {name}{'=' * bool(name)}{value:g}: must lie between 0 and 1")
        return thresholds.get("", thresholds)


def numbers_by_name(argument: str, text: str, forms: str) -> dict[str, float]:
    """Of `a=1,b=2`; a name may have an equals sign itself."""
    numbers: dict[str, float] = {}
    for part in split_names(text):
        name, equals, cell = part.rpartition("=")
        name, number = name.strip(), as_number(cell)
        if not equals or not name or number is None:
            raise UserError(f"--{argument} {text}: {part!r} is no name=number: write {forms}")
        if name in numbers:
            raise UserError(f"--{argument} {text}: {name!r} stands there twice")
        numbers[name] = number
    if not numbers:
        raise UserError(f"--{argument} {text!r}: write {forms}")
    return numbers


def as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def find_function(name: str) -> Callable:
    """`package.module:function`, looked for in the current folder first, as `python -m` does."""
    module_name, _, function_name = name.partition(":")
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's own code raises
        raise UserError(f"--loss {name}: {module_name} can't be imported: {in_one_line(error)}") from error
    finally:
        sys.path.remove(folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        where = getattr(module, "__file__", None) or module_name
        raise UserError(f"--loss {name}: {where} has no function {function_name!r}")
    return function


def in_one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
