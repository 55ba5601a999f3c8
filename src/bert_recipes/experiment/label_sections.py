"""What labels, starts and methods buy, move, see and forget: the sections of the experiment's first question."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..arguments.split_arguments import STARTS
from .charts import Line, heat_map, interval_chart, line_chart
from .intervals import mean_and_interval, paired_difference
from .page import Section
from .results import (
    MAJORITY,
    METHOD_NAMES,
    START_NAMES,
    accuracies,
    asking,
    changed_by_stage,
    collapsed,
    difference,
    distinct,
    ends,
    group_order,
    halves,
    interval,
    labels_of,
    layer_changes,
    majorities,
    mean_change,
    mean_or_value,
    merit,
    of,
    opening,
    pairs,
)
from .runs import GENERAL_TEXT, Result
from .score_tables import count_of_collapsed, table_of_rates, table_of_scores


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


def what_moves(results: list[Result]) -> Section | None:
    """The largest number of labels speaks for fine-tuning."""
    stages = changed_by_stage(results)
    if not stages:
        return None
    groups = list(dict.fromkeys(group for runs in stages.values() for run in runs for group in run["weights_moved"]))
    groups.sort(key=group_order)
    values = np.array([[mean_change(runs, group, "relative_change") for runs in stages.values()] for group in groups])
    sentences, table = [], [["part", *stages]]
    moves = [f"{stage} {np.mean(layer_changes(runs)):.3f}" for stage, runs in stages.items()]
    sentences.append(f"How far the layers moved from the base model, ‖ΔW‖ / ‖W‖, their mean: {', '.join(moves)}.")
    for stage, runs in stages.items():
        still = [group for group in groups if mean_change(runs, group, "moved") == 0]
        if still:
            sentences.append(f"{opening(stage)}: 0 weights moved in {', '.join(still)} ({labels_of(runs)}).")
        if any(group.startswith("layer ") and group not in still for group in groups):
            sentences.append(f"{opening(stage)}: {halves_in_words(runs)} ({labels_of(runs)}).")
        sentences += [
            f"{opening(stage)}: NOT FROZEN: weights of {group} moved, and none should."
            for group in groups
            if should_be_still(stage, group) and mean_change(runs, group, "moved") > 0
        ]
    for group in groups:
        cells = []
        for runs in stages.values():
            change, moved, rank, size = (mean_change(runs, group, name) for name in CHANGES)
            said = f"{change:.4f}; {moved:,.0f} of {size:,.0f} moved; effective rank {rank:.1f}"
            cells.append("–" if math.isnan(size) else said)
        table.append([group, *cells])
    figure = heat_map(groups, list(stages), values, "Relative change by part")
    return Section("What moves", sentences, [table], figure)


CHANGES = ("relative_change", "moved", "effective_rank", "weights")


def should_be_still(stage: str, group: str) -> bool:
    if stage == METHOD_NAMES["head_only"]:
        return group not in ("pooler", "head")
    return stage == METHOD_NAMES["lora"] and group == "embeddings"


def halves_in_words(runs: list[Result]) -> str:
    """How far the layers moved in the lower and in the upper half, and whether one of them moved more."""
    lower, upper = zip(*(halves(layer_changes([run])) for run in runs), strict=True)
    said = (
        f"layers move by {np.mean(lower):.3f} of their norm in the lower half and {np.mean(upper):.3f} in the upper one"
    )
    if len(runs) == 1:
        return said
    mean, half = paired_difference(upper, lower)
    if abs(mean) <= half:
        return f"{said}; no difference seen ({mean:+.4f} ± {half:.4f})"
    return f"{said}; the upper half moves {abs(mean):.4f} ± {half:.4f} {'more' if mean > 0 else 'less'}"


def what_it_sees(results: list[Result]) -> Section | None:
    stages = changed_by_stage(results)
    if not stages:
        return None
    layers = len(next(iter(stages.values()))[0]["similarity"])
    names = ["embeddings", *(f"layer {layer}" for layer in range(layers - 1))]
    lines, sentences, table = {}, [], [["stage", *names]]
    for stage, runs in stages.items():
        columns = list(zip(*(run["similarity"] for run in runs), strict=True))
        points = list(map(mean_or_value, columns))
        lines[stage] = [(number, mean, half) for number, (mean, half) in enumerate(points)]
        lowest = min(range(layers), key=lambda number: points[number][0])
        if points[lowest][0] > 1 - 1e-6:
            sentences.append(f"{opening(stage)}: every layer sees what it saw ({labels_of(runs)}).")
        else:
            sentences.append(
                f"{opening(stage)}: the output of {names[lowest]} is the least like what it was "
                f"(CKA {interval(columns[lowest])}), that of the embeddings has {interval(columns[0])} "
                f"({labels_of(runs)})."
            )
        table.append([stage, *map(interval, columns)])
    figure = line_chart({"": lines}, "Similarity before and after, by layer", "", "linear CKA", names)
    return Section("What it sees", sentences, [table], figure)


def what_it_forgets(results: list[Result]) -> Section | None:
    stages = {stage: runs for stage, runs in changed_by_stage(results).items() if "masked_lm_loss" in runs[0]}
    if not stages:
        return None
    values, sentences, table = {}, [], [["stage", "text", "before", "after"]]
    for stage, runs in stages.items():
        for text in runs[0]["masked_lm_loss"]:
            before, after = zip(*(run["masked_lm_loss"][text] for run in runs), strict=True)
            mean, half = paired_difference(after, before) if len(runs) > 1 else (after[0] - before[0], 0.0)
            values[f"{stage}, {text}"] = ends(mean, half)
            named = f"{text} text" + (f" ({GENERAL_TEXT})" if text == "general" else "")
            gain = f"{mean:+.4f} nats a masked token in the loss on {named}"
            if len(runs) > 1:
                gain = difference(mean, half, f"the loss on {named}", " nats a masked token")
            sentences.append(f"{opening(stage)}: {gain} ({labels_of(runs)}).")
            table.append([stage, named, f"{np.mean(before):.4f}", f"{np.mean(after):.4f}"])
    figure = interval_chart(values, "Masked-language-model loss gained", "nats a masked token")
    return Section("What it forgets", sentences, [table], figure)
