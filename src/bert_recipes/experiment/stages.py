"""What each stage changed in the weights: continued pretraining, and each method from the base model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from .comparing import METHOD_NAMES, asking, distinct, of, pretrained_starts, the_pretraining
from .runs import Result


def changed_by_stage(results: list[Result]) -> dict[str, list[Result]]:
    """Continued pretraining, and each method from the base model at the largest number of labels that it has."""
    stages = {}
    if pretraining := the_pretraining(results):
        stages["continued pretraining"] = pretraining
    runs = [run for run in asking(results, "labels") if run["start"] == "base"]
    for method in distinct(runs, "method"):
        largest = distinct(of(runs, method=method), "labels")[-1]
        stages[METHOD_NAMES[method]] = of(runs, method=method, labels=largest)
    return stages


def fine_tuned(results: list[Result]) -> Iterator[list[Result]]:
    """Two seeds or more of full fine-tuning, from each pretrained start, at the fewest labels and at the most."""
    for start in pretrained_starts(results):
        runs = of(asking(results, "labels"), method="full", start=start)
        counts = distinct(runs, "labels")
        for labels in dict.fromkeys((*counts[:1], *counts[-1:])):
            if len(found := of(runs, labels=labels)) > 1:
                yield found


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
