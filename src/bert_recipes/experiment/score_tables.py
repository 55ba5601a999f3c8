"""Scores, gains and learning rates as tables, for the screen and for the page."""

from __future__ import annotations

import itertools

from ..arguments.split_arguments import STARTS
from ..run.tables import Table
from .comparing import MAJORITY, collapsed, distinct, interval, majorities, of, pairs
from .intervals import paired_difference
from .runs import Result


def table_of_scores(results: list[Result], score: str = "test_accuracy") -> Table:
    """A line a start and method, a column a number of labels: the score's mean ± 95 % interval over the seeds, and how
    many of the runs collapsed; the last line is the majority class's."""
    counts = distinct(results, "labels")
    table = [[score.replace("_", " "), *(f"{count} labels" for count in counts)]]
    for method, start in dict.fromkeys((run["method"], run["start"]) for run in results):
        line = [f"{method}, {start}" if start else method]
        for count in counts:
            runs = of(results, method=method, start=start, labels=count)
            mark = f" ({count_of_collapsed(runs)} collapsed)" if collapsed(runs) else ""
            line.append(interval([run[score] for run in runs]) + mark if len(runs) > 1 else "–")
        table.append(line)
    shares = [majorities(of(results, labels=count), score.removeprefix("test_")) for count in counts]
    return [*table, [MAJORITY, *map(interval, shares)]] if all(shares) else table


def table_of_rates(results: list[Result]) -> Table:
    """The learning rate that each start and method chose on the validation split, by its number of labels."""
    counts = distinct(results, "labels")
    table = [["learning rate", *(f"{count} labels" for count in counts)]]
    for method, start in dict.fromkeys((run["method"], run["start"]) for run in results if run["start"]):
        rates = [distinct(of(results, method=method, start=start, labels=count), "learning_rate") for count in counts]
        table.append([f"{method}, {start}", *(", ".join(f"{rate:g}" for rate in chosen) or "–" for chosen in rates)])
    return table


def table_of_gains(results: list[Result]) -> Table:
    """What a start adds to the one before it: pairs of runs with one seed, and so the same labelled rows."""
    counts = distinct(results, "labels")
    starts = [start for start in STARTS if of(results, start=start)]
    table = [["gain in test accuracy", *(f"{count} labels" for count in counts)]]
    for method in dict.fromkeys(run["method"] for run in results if run["start"]):
        for before, after in itertools.pairwise(starts):
            cells = []
            for count in counts:
                later, former = pairs(results, {"start": before}, {"start": after}, method=method, labels=count)
                gain = paired_difference(later, former) if len(later) > 1 else None
                cells.append("{:+.4f} ± {:.4f}".format(*gain) if gain else "–")
            table.append([f"{method}, {before} to {after}", *cells])
    return table


def count_of_collapsed(runs: list[Result]) -> str:
    return f"{len(collapsed(runs))} of {len(runs)}"


def collapses_in_words(runs: list[Result]) -> list[str]:
    said = "runs here collapsed to one class, which every test row is predicted to have."
    return [f"{count_of_collapsed(runs)} {said}"] if collapsed(runs) else []
