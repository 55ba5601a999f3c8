"""The runs of an experiment, chosen and compared: by name, by seed, by stage, by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from .intervals import mean_and_interval
from .runs import Result

METHOD_NAMES = {"full": "full fine-tuning", "lora": "LoRA", "head_only": "the head alone", "tfidf": "tf-idf + LR"}
START_NAMES = {"random": "random weights", "base": "the base model", "continued": "continued pretraining"}
MAJORITY = "majority class"


def of(results: Iterable[Result], **wanted) -> list[Result]:
    """The runs of these names, in the order of their seeds."""
    chosen = [run for run in results if all(run.get(name) == value for name, value in wanted.items())]
    return sorted(chosen, key=lambda run: (run["seed"], run.get("fold") or 0))


def accuracies(results: Iterable[Result], **wanted) -> list[float]:
    return [run["test_accuracy"] for run in of(results, **wanted)]


def pairs(results: list[Result], before: dict, after: dict, **shared) -> tuple[list[float], list[float]]:
    """Test accuracies of two kinds of runs, named by their start and method (`after`'s first), at the seeds that both
    have: one seed, the same labelled rows."""
    scores = [{run["seed"]: run["test_accuracy"] for run in of(results, **kind, **shared)} for kind in (after, before)]
    seeds = sorted(scores[0].keys() & scores[1].keys())
    return [scores[0][seed] for seed in seeds], [scores[1][seed] for seed in seeds]


def distinct(results: Iterable[Result], name: str) -> list:
    """In the order in which they first stand there; numbers in theirs, and all rows behind them."""
    values = list(dict.fromkeys(run[name] for run in results))
    return sorted(values, key=as_number) if any(isinstance(value, (int, float)) for value in values) else values


def merit(trial: Result) -> tuple[float, float]:
    """What the learning rates of a start and method are compared by: validation accuracy, and of equals the validation
    loss. Results of before the loss was kept have none: of those equals the first stays the best."""
    return trial["validation_accuracy"], -trial.get("validation_loss", math.inf)


def collapsed(results: Iterable[Result]) -> list[Result]:
    """Those that gave every test row one answer; of old results nobody has counted the answers."""
    return [run for run in results if run.get("predicted_labels") == 1]


def majorities(results: Iterable[Result], score: str = "accuracy") -> list[float]:
    """What the most frequent class of the labelled rows scores on the test rows, for each seed (and fold): one seed has
    the same labelled rows in every run. Empty for old results, which do not say."""
    name = f"majority_{score}"
    return list({(run["seed"], run.get("fold")): run[name] for run in results if name in run}.values())


def as_number(count: float | str) -> float:
    return math.inf if count == "all" else count


def asking(results: list[Result], experiment: str) -> list[Result]:
    return [run for run in results if run["experiment"] == experiment]


def difference(mean: float, half: float, of_what: str, unit: str = "") -> str:
    """A gain in words: how large, how sure, or that none is seen."""
    if abs(mean) <= half:
        return f"no difference seen in {of_what} ({mean:+.4f} ± {half:.4f}{unit})"
    if half == 0:  # of few rows, two gains may be equal by accident
        return f"{of_what} changes by {mean:+.4f}{unit} every time, too even for an interval"
    return f"{of_what} {'rises' if mean > 0 else 'falls'} by {abs(mean):.4f} ± {half:.4f}{unit}"


def changed_by_stage(results: list[Result]) -> dict[str, list[Result]]:
    """Continued pretraining, and each method from the base model at the largest number of labels that it has."""
    stages = {}
    pretraining = [run for run in of(results, experiment="pretraining", method="mlm") if "columns" not in run]
    if pretraining:
        stages["continued pretraining"] = pretraining
    runs = [run for run in asking(results, "labels") if run["start"] == "base"]
    for method in distinct(runs, "method"):
        largest = distinct(of(runs, method=method), "labels")[-1]
        stages[METHOD_NAMES[method]] = of(runs, method=method, labels=largest)
    return stages


def labels_of(runs: Sequence[Result]) -> str:
    """How many labels a stage of `changed_by_stage` had, its learning rate, and runs of it: continued pretraining has
    no labels."""
    what = "one run, no interval" if len(runs) == 1 else f"n = {len(runs)}"
    if runs[0]["experiment"] == "pretraining":
        return what
    rates = ", ".join(f"{rate:g}" for rate in distinct(runs, "learning_rate"))
    return f"{runs[0]['labels']} labels, learning rate {rates}, {what}"


def mean_change(runs: Sequence[Result], group: str, name: str) -> float:
    """NaN for a part that the stage's model does not have."""
    return float(np.mean([run["weights_moved"].get(group, {}).get(name, math.nan) for run in runs]))


def layer_changes(runs: Sequence[Result]) -> list[float]:
    """Relative change of each layer, the mean of its two parts, from the lowest layer up."""
    layers: dict[int, list[float]] = {}
    for group in runs[0]["weights_moved"]:
        if group.startswith("layer "):
            layers.setdefault(group_order(group)[1], []).append(mean_change(runs, group, "relative_change"))
    return [float(np.mean(layers[number])) for number in sorted(layers)]


def halves(layers: Sequence[float]) -> tuple[float, float]:
    """Means of the lower and of the upper half; of an odd number the one in the middle belongs to neither."""
    size = max(1, len(layers) // 2)
    return float(np.mean(layers[:size])), float(np.mean(layers[-size:]))


def group_order(group: str) -> tuple[int, int, str]:
    if group.startswith("layer "):
        return 1, int(group.split()[1]), group
    return ("embeddings", "", "last norm", "pooler", "head").index(group), 0, group


def rows_told_right(runs: list[Result]) -> np.ndarray:
    """1 where a row was told right, in the order of the folds."""
    return np.concatenate([run["rows_told_right"] for run in runs]).astype(float)


def opening(name: str) -> str:
    """A name as it opens a sentence: LoRA stays LoRA."""
    return name[0].upper() + name[1:]


def interval(values: Sequence[float]) -> str:
    """Of one value, or of a kind of run that no seed changes, such as tf-idf with all rows, there is no interval."""
    return "{:.4f} ± {:.4f}".format(*mean_and_interval(values)) if len(set(values)) > 1 else f"{values[0]:.4f}"


def mean_or_value(values: Sequence[float]) -> tuple[float, float]:
    return mean_and_interval(values) if len(values) > 1 else (values[0], 0.0)


def ends(mean: float, half: float) -> tuple[float, float, float]:
    return mean, mean - half, mean + half
