"""How accurate is each start, with how many labels?"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator

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
    distinct,
    interval,
    labelled_rows,
    majorities,
    methods_and_starts,
    of,
)
from ..finding import Finding
from ..intervals import mean_and_interval, paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import TRIALS, Result
from ..score_tables import count_of_collapsed, table_of_rates, table_of_scores, table_of_trials


def accuracy(results: list[Result], rows: int) -> Section | None:
    runs, trials = asking(results, "labels"), asking(results, TRIALS)
    if not runs:
        return None
    tables = [table_of_scores(runs), table_of_scores(runs, "test_macro_f1"), table_of_rates(runs, trials)]
    tables += [table_of_trials(trials)] if trials else []
    notes = collapsed_in_words(runs)
    return Section("Accuracy", best_in_words(runs, rows), figure(runs, rows), tables, notes, list(findings(runs)))


def best_in_words(runs: list[Result], rows: int) -> str:
    """At the largest number of labels the start and method with the highest mean, and beside it the two floors."""
    count = distinct(runs, "labels")[-1]
    of_count, tfidf = of(runs, labels=count), METHOD_NAMES["tfidf"]
    floors = {tfidf: accuracies(of_count, method="tfidf"), f"the {MAJORITY}": majorities(of_count)}
    scored = {
        f"{METHOD_NAMES[method]} from {START_NAMES[start]}": accuracies(of_count, start=start, method=method)
        for method, start in methods_and_starts([run for run in of_count if run["start"]])
    } or {tfidf: floors.pop(tfidf)}
    scored = {kind: values for kind, values in scored.items() if len(values) > 1} or scored
    best = max(scored, key=lambda kind: np.mean(scored[kind]))
    beside = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in floors.items() if values)
    stands = "has the highest mean test accuracy" if len(scored[best]) > 1 else "has one run, of test accuracy"
    said = f"With {labelled_rows(count, rows)}, {best} {stands}: {interval(scored[best])}"
    return said + (f" ({beside})." if beside else ".")


def figure(runs: list[Result], rows: int) -> str:
    """Every weight trained, where such runs are there; else the first method of those that are."""
    methods = distinct([run for run in runs if run["method"] != "tfidf"], "method")
    method = "full" if "full" in methods else next(iter(methods), "tfidf")
    counts = {count: rows if count == "all" else count for count in distinct(runs, "labels")}
    lines = {
        START_NAMES[start].removeprefix("the "): line_of(of(runs, method=method, start=start), counts)
        for start in STARTS
    }
    lines[METHOD_NAMES["tfidf"]] = line_of(of(runs, method="tfidf"), counts)
    shares = {count: majorities(of(runs, labels=count)) for count in counts}
    lines[MAJORITY] = [(counts[count], float(np.mean(values)), 0.0) for count, values in shares.items() if values]
    return line_chart(
        {name: points for name, points in lines.items() if points},
        f"Test accuracy against labelled rows, {METHOD_NAMES[method]}",
        "labelled rows", "test accuracy", {place: f"{place:,}" for place in counts.values()}, logarithmic=True,
    )  # fmt: skip


def line_of(runs: list[Result], counts: dict[int | str, int]) -> Line:
    """Where a number of labels has two seeds."""
    scored = {place: accuracies(runs, labels=count) for count, place in counts.items()}
    return [(place, *mean_and_interval(scores)) for place, scores in scored.items() if len(scores) > 1]


def collapsed_in_words(runs: list[Result]) -> list[str]:
    """The kinds of runs that gave every test row one answer: their scores are the class's, not the model's."""
    found, parts = collapsed(runs), []
    for (method, start), labels in itertools.product(methods_and_starts(found), distinct(found, "labels")):
        if not of(found, labels=labels, method=method, start=start):
            continue
        kind = of(runs, labels=labels, method=method, start=start)
        from_start = f" from {START_NAMES.get(start, start)}" if start else ""
        parts.append(f"{METHOD_NAMES[method]}{from_start} at {labels} labels ({count_of_collapsed(kind)} runs)")
    said = "Collapsed to one class, which every test row is predicted to have: "
    advice = "These scores say nothing of the start or the method: train for more steps (--steps_at_100_labels)."
    return [f"{said}{'; '.join(parts)}. {advice}"] if parts else []


def findings(runs: list[Result]) -> Iterator[Finding]:
    """Over every start and method: the spread of its seeds at the fewest labels and at the most."""
    runs = [run for run in runs if run["start"]]
    counts = distinct(runs, "labels")
    spreads = []
    for start, method in itertools.product(distinct(runs, "start"), distinct(runs, "method")):
        scores = [accuracies(runs, start=start, method=method, labels=count) for count in (counts[0], counts[-1])]
        if all(len(values) > 1 for values in scores):
            spreads.append([statistics.stdev(values) for values in scores])
    if len(counts) > 1 and len(spreads) > 1:
        few, many = zip(*spreads, strict=True)
        yield Finding(
            "Runs with few labels scatter more with their seed",
            "set out in Mosbach et al. 2021, arXiv 2006.04884, who find the cause in optimisation, not in few labels",
            f"standard deviation over seeds at {counts[0]} labels less at {counts[-1]}, over starts and methods",
            *paired_difference(few, many), len(spreads),
        )  # fmt: skip


QUESTION = Question(LABELS, accuracy)
