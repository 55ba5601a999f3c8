"""What the experiment's runs say: tables, with means and intervals."""

from __future__ import annotations

import itertools

from .experiments import STARTS
from .intervals import mean_and_interval, paired_difference


def table_of_scores(results: list[dict]) -> list[list[str]]:
    """A line a start and method, a column a number of labels: test accuracy, mean ± 95 % interval over the seeds."""
    counts = list(dict.fromkeys(result["labels"] for result in results))
    lines = dict.fromkeys((result["method"], result["start"]) for result in results)
    table = [["test accuracy", *(f"{count} labels" for count in counts)]]
    for method, start in lines:
        cells = []
        for count in counts:
            scores = scores_of(results, start, method, count)
            mean, half = mean_and_interval(scores)
            cells.append(f"{mean:.4f} ± {half:.4f}")
        table.append([f"{method}, {start}" if start else method, *cells])
    return table


def table_of_gains(results: list[dict]) -> list[list[str]]:
    """What a start adds to the one before it: pairs of runs with one seed, and so the same labelled rows."""
    counts = list(dict.fromkeys(result["labels"] for result in results))
    starts = [start for start in STARTS if any(result["start"] == start for result in results)]
    table = [["gain in test accuracy", *(f"{count} labels" for count in counts)]]
    for method in dict.fromkeys(result["method"] for result in results if result["start"]):
        for former, latter in itertools.pairwise(starts):
            cells = []
            for count in counts:
                after, before = (scores_of(results, start, method, count) for start in (latter, former))
                mean, half = paired_difference(after, before)
                cells.append(f"{mean:+.4f} ± {half:.4f}")
            table.append([f"{method}, {former} to {latter}", *cells])
    return table


def scores_of(results: list[dict], start: str | None, method: str, labels: int | str) -> list[float]:
    """Test accuracies in the order of the seeds."""
    wanted = {"start": start, "method": method, "labels": labels}
    chosen = [result for result in results if all(result[name] == value for name, value in wanted.items())]
    return [result["test_accuracy"] for result in sorted(chosen, key=lambda result: result["seed"])]
