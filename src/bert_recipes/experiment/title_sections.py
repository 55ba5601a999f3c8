"""What next-sentence prediction, titles and further passes add: the sections of titles and texts."""

from __future__ import annotations

import itertools

import numpy as np

from .charts import interval_chart, line_chart
from .intervals import paired_bootstrap, paired_difference
from .page import Section
from .results import (
    MAJORITY,
    accuracies,
    asking,
    collapsed,
    difference,
    distinct,
    ends,
    interval,
    majorities,
    mean_or_value,
    of,
    pairs,
    rows_told_right,
)
from .runs import Result
from .score_tables import count_of_collapsed
from .title_questions import SHUFFLED


def what_next_sentences_add(results: list[Result]) -> Section | None:
    runs = asking(results, "nsp")
    scores = {start: accuracies(runs, start=start) for start in distinct(runs, "start")}
    later, former = pairs(runs, {"start": "mlm"}, {"start": "mlm+nsp"})
    if len(later) < 2:
        return None
    gain = difference(*paired_difference(later, former), "test accuracy")
    sentences = [
        f"With next-sentence prediction beside masked tokens: {gain} (n = {len(later)} seeds of fine-tuning, from one "
        "pretraining of each kind: the interval does not cover how two pretrainings differ)."
    ]
    for run in of(results, experiment="pretraining", method="mlm+nsp"):
        sentences.append(f"In pretraining it told {run['nsp_accuracy']:.4f} of the validation pairs right (one run).")
    scores |= {MAJORITY: majorities(runs)} if majorities(runs) else {}
    sentences += collapses_in_words(runs)
    values = {name: ends(*mean_or_value(accuracies)) for name, accuracies in scores.items()}
    table = [["pretraining", "test accuracy"], *([name, interval(accuracies)] for name, accuracies in scores.items())]
    figure = interval_chart(values, "Next-sentence prediction", "test accuracy")
    return Section("What next-sentence prediction adds", sentences, [table], figure, text="titles")


def what_the_title_adds(results: list[Result]) -> Section | None:
    """Of folds that all ways of reading the rows have."""
    runs = asking(results, "titles")
    by_columns = {columns: of(runs, columns=columns) for columns in distinct(runs, "columns")}
    folds = [{run["fold"] for run in of_columns} for of_columns in by_columns.values()]
    if len(by_columns) < 4 or not set.intersection(*folds):
        return None
    shared = set.intersection(*folds)
    right = {
        columns: rows_told_right([run for run in of_columns if run["fold"] in shared])
        for columns, of_columns in by_columns.items()
    }
    pair = next(columns for columns in right if "," in columns and not columns.endswith(SHUFFLED))
    title, text = pair.split(",")
    shuffled = pair + SHUFFLED
    sentences = []
    for after, before in ((pair, text), (pair, title), (pair, shuffled), (shuffled, text)):
        mean, low, high = paired_bootstrap(right[after], right[before])
        seen = "no difference seen" if low <= 0 <= high else f"{'gains' if mean > 0 else 'loses'} {abs(mean):.4f}"
        sentences.append(
            f"{after} against {before}: {seen} in test accuracy ({mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}, "
            f"n = {len(right[after])} rows of {len(shared)} folds, one training each)."
        )
    scores = {name: paired_bootstrap(values, np.zeros(len(values))) for name, values in right.items()}
    table = [["columns", "test accuracy", "95 % interval"]]
    table += [[name, f"{mean:.4f}", f"{low:.4f} to {high:.4f}"] for name, (mean, low, high) in scores.items()]
    folds_of_text = [run for run in by_columns[text] if run["fold"] in shared]
    if shares := majorities(folds_of_text):
        share = float(np.average(shares, weights=[len(run["rows_told_right"]) for run in folds_of_text]))
        scores[MAJORITY] = ends(share, 0.0)
        table.append([MAJORITY, f"{share:.4f}", "–"])
    sentences += collapses_in_words(runs)
    figure = interval_chart(scores, "Title and text", "test accuracy")
    return Section("What the title adds", sentences, [table], figure, text="titles")


def where_passes_stop_to_help(results: list[Result]) -> Section | None:
    runs = asking(results, "passes")
    passes = [count for count in distinct(runs, "passes") if len(of(runs, passes=count)) > 1]
    if len(passes) < 2:
        return None
    scored = {
        "training rows": [[run["training_accuracy"] for run in of(runs, passes=count)] for count in passes],
        "test rows": [accuracies(runs, passes=count) for count in passes],
    }
    shares = [majorities(of(runs, passes=count)) for count in passes]
    scored |= {MAJORITY: shares} if all(shares) else {}
    lines = {
        name: [(number, *mean_or_value(values)) for number, values in enumerate(by_passes)]
        for name, by_passes in scored.items()
    }
    table = [["passes", *scored]]
    for number, count in enumerate(passes):
        table.append([f"{count:g}", *(interval(by_passes[number]) for by_passes in scored.values())])
    sentences, best = [], passes[0]
    for before, after in itertools.pairwise(passes):
        later, former = pairs(runs, {"passes": before}, {"passes": after})
        if len(later) > 1:
            gain = paired_difference(later, former)
            sentences.append(
                f"From {before:g} to {after:g} passes: {difference(*gain, 'test accuracy')} (n = {len(later)})."
            )
            best = after if gain[0] > gain[1] else best
    tried = ", ".join(f"{count:g}" for count in passes)
    if best == passes[-1]:
        sentences.append(f"The largest number tried ({tried}) still helps the test rows.")
    else:
        beyond = f"{best:g} {'pass' if best == 1 else 'passes'}"
        sentences.append(f"No step beyond {beyond} is seen to help the test rows, of the numbers tried ({tried}).")
    sentences += collapses_in_words(runs)
    ticks = [f"{count:g}" for count in passes]
    figure = line_chart({"": lines}, "Accuracy against passes", "passes over the training rows", "accuracy", ticks)
    return Section("Again and again", sentences, [table], figure, text="titles")


def collapses_in_words(runs: list[Result]) -> list[str]:
    said = "runs here collapsed to one class, which every test row is predicted to have."
    return [f"{count_of_collapsed(runs)} {said}"] if collapsed(runs) else []
