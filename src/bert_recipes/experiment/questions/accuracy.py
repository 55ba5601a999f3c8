"""What labels, starts and methods add to accuracy."""

from __future__ import annotations

import itertools

import numpy as np

from ...arguments.split_arguments import STARTS
from ..charts import Line, line_chart
from ..comparing import (
    MAJORITY,
    METHOD_NAMES,
    START_NAMES,
    accuracies,
    asking,
    collapsed,
    difference,
    distinct,
    interval,
    majorities,
    merit,
    of,
    opening,
    pairs,
)
from ..intervals import mean_and_interval, paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..score_tables import count_of_collapsed, table_of_rates, table_of_scores


def what_it_buys(results: list[Result]) -> Section | None:
    runs = asking(results, "labels")
    if not runs:
        return None
    counts, panels, sentences = distinct(runs, "labels"), {}, [best_in_words(runs)]
    floor = lines_of_scores(of(runs, method="tfidf"), counts) | line_of_majority(runs, counts)
    for method in [method for method in distinct(runs, "method") if method != "tfidf"]:
        name, of_method = METHOD_NAMES[method], of(runs, method=method)
        panels[name] = lines_of_scores(of_method, counts) | floor
        kinds = [{"start": start, "method": method} for start in STARTS if of(of_method, start=start)]
        for before, after in itertools.pairwise(kinds):
            step = f"from {START_NAMES[before['start']]} to {START_NAMES[after['start']]}"
            sentences += gains_in_words(runs, before, after, f"{name}, {step}")
        last = kinds[-1]
        for other in ({**last, "method": "full"}, {"method": "tfidf"}):
            beside = f"from {START_NAMES[last['start']]}, beside {METHOD_NAMES[other['method']]} on the same rows"
            sentences += gains_in_words(runs, other, last, f"{name}, {beside}") if other != last else []
    panels = panels or {METHOD_NAMES["tfidf"]: floor}
    ticks = [str(count) for count in counts]
    figure = line_chart(panels, "Test accuracy against labels", "labelled rows", "test accuracy", ticks)
    sentences += collapsed_in_words(runs)
    sentences += edges_in_words(asking(results, "learning_rate"))
    tables = [table_of_scores(runs), table_of_scores(runs, "test_macro_f1"), table_of_rates(runs)]
    return Section("What it buys", sentences, tables, figure)


def lines_of_scores(runs: list[Result], counts: list[int | str]) -> dict[str, Line]:
    """A line a start, or tf-idf's; where a number of labels has two seeds."""
    lines = {}
    for method, start in dict.fromkeys((run["method"], run["start"]) for run in runs):
        scored = [accuracies(runs, start=start, labels=count) for count in counts]
        points = [(place, *mean_and_interval(scores)) for place, scores in enumerate(scored) if len(scores) > 1]
        if points:
            lines[START_NAMES.get(start, METHOD_NAMES[method])] = points
    return lines


def line_of_majority(runs: list[Result], counts: list[int | str]) -> dict[str, Line]:
    shares = [(place, majorities(of(runs, labels=count))) for place, count in enumerate(counts)]
    points = [(place, float(np.mean(values)), 0.0) for place, values in shares if values]
    return {MAJORITY: points} if points else {}


def collapsed_in_words(runs: list[Result]) -> list[str]:
    """The kinds of runs that gave every test row one answer: their scores are the class's, not the model's."""
    parts = []
    for labels, method, start in dict.fromkeys((run["labels"], run["method"], run["start"]) for run in collapsed(runs)):
        kind = of(runs, labels=labels, method=method, start=start)
        from_start = f" from {START_NAMES.get(start, start)}" if start else ""
        parts.append(f"{METHOD_NAMES[method]}{from_start} at {labels} labels ({count_of_collapsed(kind)} runs)")
    said = "Collapsed to one class, which every test row is predicted to have: "
    advice = "These scores say nothing of the start or the method: train for more steps (--steps_at_100_labels)."
    return [f"{said}{'; '.join(parts)}. {advice}"] if parts else []


def best_in_words(runs: list[Result]) -> str:
    """At each number of labels the start and method with the highest mean, and beside it the two floors."""
    parts = []
    for count in distinct(runs, "labels"):
        of_count, tfidf = of(runs, labels=count), METHOD_NAMES["tfidf"]
        floors = {tfidf: accuracies(of_count, method="tfidf"), MAJORITY: majorities(of_count)}
        kinds = dict.fromkeys((run["start"], run["method"]) for run in of_count if run["start"])
        scored = {
            f"{METHOD_NAMES[method]} from {START_NAMES[start]}": accuracies(of_count, start=start, method=method)
            for start, method in kinds
        } or {tfidf: floors.pop(tfidf)}
        best = max(scored, key=lambda kind: np.mean(scored[kind]))
        beside = ", ".join(f"{name} {interval(values)}" for name, values in floors.items() if values)
        parts.append(f"at {count} labels {best}, {interval(scored[best])}" + (f" ({beside})" if beside else ""))
    return f"The highest mean test accuracy: {'; '.join(parts)}."


def edges_in_words(trials: list[Result]) -> list[str]:
    """Where the learning rate that validation chose is the lowest or the highest tried: a better one may lie beyond."""
    edges = []
    for method, start, labels in dict.fromkeys((run["method"], run["start"], run["labels"]) for run in trials):
        tried = of(trials, method=method, start=start, labels=labels)
        tried.sort(key=lambda run: run["learning_rate"])  # as they were tried
        rates = [run["learning_rate"] for run in tried]
        rate = max(tried, key=merit)["learning_rate"]
        if rate in (rates[0], rates[-1]):
            end = "lowest" if rate == rates[0] else "highest"
            edges.append(f"{METHOD_NAMES[method]} from {START_NAMES[start]} at {labels} labels ({rate:g}, the {end})")
    said = "Of the learning rates tried, with one seed, validation chose one at the end of their range for "
    return [f"{said}{'; '.join(edges)}."] if edges else []


def gains_in_words(runs: list[Result], before: dict, after: dict, what: str) -> list[str]:
    """One sentence about all numbers of labels at which both have two seeds; none where there is no such number."""
    parts = []
    for count in distinct(runs, "labels"):
        later, former = pairs(runs, before, after, labels=count)
        if len(later) > 1:
            gain = difference(*paired_difference(later, former), "test accuracy")
            parts.append(f"at {count} labels {gain} (n = {len(later)})")
    return [f"{opening(what)}: {'; '.join(parts)}."] if parts else []


QUESTION = Question(LABELS, what_it_buys)
