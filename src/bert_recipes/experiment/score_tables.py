"""Scores, differences and learning rates as tables, for the screen and for the page."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from ..arguments.split_arguments import STARTS
from ..run.tables import Table
from .comparing import (
    MAJORITY,
    Difference,
    collapsed,
    differences_by_labels,
    distinct,
    interval,
    majorities,
    merit,
    methods_and_starts,
    of,
)
from .runs import Result


def table_of_scores(results: list[Result], score: str = "test_accuracy") -> Table:
    """A line a start and method, a column a number of labels: the score's mean ± 95 % interval over the seeds, and how
    many of the runs collapsed; the last line is the majority class's."""
    counts = distinct(results, "labels")
    table = [[score.replace("_", " "), *(f"{count} labels" for count in counts)]]
    for method, start in methods_and_starts(results):
        line = [f"{method}, {start}" if start else method]
        for count in counts:
            runs = of(results, method=method, start=start, labels=count)
            mark = f" ({count_of_collapsed(runs)} collapsed)" if collapsed(runs) else ""
            line.append(interval([run[score] for run in runs]) + mark if len(runs) > 1 else "–")
        table.append(line)
    shares = [majorities(of(results, labels=count), score.removeprefix("test_")) for count in counts]
    return [*table, [MAJORITY, *map(interval, shares)]] if all(shares) else table


def table_of_gains(results: list[Result]) -> Table:
    """What a start adds to the one before it: pairs of runs with one seed, and so the same labelled rows."""
    gains = {}
    for method in distinct([run for run in results if run["start"]], "method"):
        for before, after in steps_between_starts(results):
            kinds = ({"start": start, "method": method} for start in (before, after))
            gains[f"{method}, {before} to {after}"] = differences_by_labels(results, *kinds)
    return table_of_differences("gain in test accuracy", gains, distinct(results, "labels"))


def steps_between_starts(results: list[Result]) -> list[tuple[str, str]]:
    return list(itertools.pairwise(start for start in STARTS if of(results, start=start)))


def table_of_differences(
    heading: str, differences: Mapping[str, Mapping[int | str, Difference]], counts: list[int | str]
) -> Table:
    """A line a comparison, a column a number of labels."""
    table = [[heading, *(f"{count} labels" for count in counts)]]
    for name, by_labels in differences.items():
        found = (by_labels.get(count) for count in counts)
        table.append([name, *(f"{gain.mean:+.4f} ± {gain.half:.4f}" if gain else "–" for gain in found)])
    return table


def table_of_rates(results: list[Result], trials: list[Result]) -> Table:
    """The learning rate that each start and method chose on the validation split, by its number of labels, and which of
    them are the lowest or highest that `trials` tried: a better one may lie beyond."""
    counts = distinct(results, "labels")
    table = [["learning rate", *(f"{count} labels" for count in counts), "at the end of those tried"]]
    for method, start in methods_and_starts([run for run in results if run["start"]]):
        rates = [distinct(of(results, method=method, start=start, labels=count), "learning_rate") for count in counts]
        chosen_ones = dict.fromkeys(rate for chosen in rates for rate in chosen)
        tried = distinct(of(trials, method=method, start=start), "learning_rate")
        table.append(
            [
                f"{method}, {start}",
                *(", ".join(f"{rate:g}" for rate in chosen) or "–" for chosen in rates),
                ", ".join(f"{rate:g}, {end}" for rate in chosen_ones if (end := end_of(rate, tried)))
                or ("none" if tried else "–"),
            ]
        )
    return table


def end_of(rate: float, tried: list[float]) -> str | None:
    """`tried` from the lowest to the highest."""
    if not tried or tried[0] < rate < tried[-1]:
        return None
    return "the lowest" if rate <= tried[0] else "the highest"


def table_of_trials(trials: list[Result]) -> Table:
    """Which learning rates were tried, with one seed, and whether the chosen one is the lowest or the highest: a better
    one may lie beyond."""
    table = [["trial", "labels", "tried", "chosen", "at the end of its range"]]
    for (method, start), labels in itertools.product(methods_and_starts(trials), distinct(trials, "labels")):
        tried = of(trials, method=method, start=start, labels=labels)
        if not tried:
            continue
        tried.sort(key=lambda run: run["learning_rate"])  # as they were tried
        rates = [run["learning_rate"] for run in tried]
        chosen = max(tried, key=merit)["learning_rate"]
        end = end_of(chosen, rates)
        said = ", ".join(f"{run['learning_rate']:g}{' (exploded)' if run.get('exploded') else ''}" for run in tried)
        cells = [str(labels), said, f"{chosen:g}", f"yes, {end}" if end else "no"]
        table.append([f"{method}, {start}", *cells])
    return table


def count_of_collapsed(runs: list[Result]) -> str:
    return f"{len(collapsed(runs))} of {len(runs)}"


def collapses_in_words(runs: list[Result]) -> list[str]:
    said = "runs here collapsed to one class, which every test row is predicted to have."
    return [f"{count_of_collapsed(runs)} {said}"] if collapsed(runs) else []
