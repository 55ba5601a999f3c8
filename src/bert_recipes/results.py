"""The runs of an experiment, chosen and compared: by name, by seed, by stage, by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .runs import Result

METHOD_NAMES = {"full": "full fine-tuning", "lora": "LoRA", "head_only": "the head alone", "tfidf": "tf-idf + LR"}
START_NAMES = {"random": "random weights", "base": "the base model", "continued": "continued pretraining"}


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
    """In the order in which they first stand there."""
    return list(dict.fromkeys(run[name] for run in results))


def asking(results: list[Result], experiment: str) -> list[Result]:
    return [run for run in results if run["experiment"] == experiment]


def difference(mean: float, half: float, of_what: str, unit: str = "") -> str:
    """A gain in words: how large, how sure, or that none is seen."""
    if abs(mean) <= half:
        return f"no difference seen in {of_what} ({mean:+.4f} ± {half:.4f}{unit})"
    return f"{of_what} {'rises' if mean > 0 else 'falls'} by {abs(mean):.4f} ± {half:.4f}{unit}"


def changed_by_stage(results: list[Result]) -> dict[str, list[Result]]:
    """Continued pretraining, and each method at the largest number of labels from the base model."""
    stages = {}
    pretraining = [run for run in of(results, experiment="pretraining", method="mlm") if "columns" not in run]
    if pretraining:
        stages["continued pretraining"] = pretraining
    runs = [run for run in asking(results, "labels") if run["start"] == "base"]
    for method in distinct(runs, "method"):
        largest = max(distinct(runs, "labels"), key=lambda count: float("inf") if count == "all" else count)
        stages[METHOD_NAMES[method]] = of(runs, method=method, labels=largest)
    return stages


def mean_change(runs: Sequence[Result], group: str, name: str) -> float:
    return float(np.mean([run["weights_moved"].get(group, {}).get(name, 0) for run in runs]))


def layer_changes(runs: Sequence[Result]) -> list[float]:
    """Relative change of each layer's two parts, from the lowest layer up."""
    groups = sorted((group for group in runs[0]["weights_moved"] if group.startswith("layer ")), key=group_order)
    return [mean_change(runs, group, "relative_change") for group in groups]


def group_order(group: str) -> tuple[int, int, str]:
    if group.startswith("layer "):
        return 1, int(group.split()[1]), group
    return ("embeddings", "", "last norm", "pooler", "head").index(group), 0, group


def rows_told_right(runs: list[Result]) -> np.ndarray:
    """1 where a row was told right, in the order of the folds."""
    right = []
    for run in runs:
        argv = run["arguments"]
        path = Path(argv[argv.index("--test_file") + 1])
        labels = [json.loads(line)["label"] for line in path.read_text(encoding="utf-8").splitlines()]
        right += [float(label == said) for label, said in zip(labels, run["predictions"], strict=True)]
    return np.array(right)
