"""What the experiment's runs say: tables for the screen, and a page of figures and sentences made of the numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

import numpy as np

from .charts import Line, heat_map, interval_chart, line_chart
from .experiments import SHUFFLED, STARTS, Experiment
from .intervals import mean_and_interval, paired_bootstrap, paired_difference
from .literature import findings
from .results import (
    METHOD_NAMES,
    START_NAMES,
    accuracies,
    asking,
    changed_by_stage,
    difference,
    distinct,
    group_order,
    halves,
    labels_of,
    layer_changes,
    mean_change,
    of,
    pairs,
    rows_told_right,
)
from .runs import Result
from .tables import Table, print_table


@dataclass
class Section:
    """A question, what the runs say to it in sentences, the numbers as tables, and their figure where they have one
    scale."""

    title: str
    sentences: list[str]
    tables: list[Table]
    figure: str = ""


def report_split(experiment: Experiment) -> list[Result]:
    """The tables on the screen, `figures/*.svg`, and `report.html`: a page that opens in any browser without a network.

    Returns the results of all runs.
    """
    results, folder = experiment.runs.results, experiment.folder
    sections = [section for build in SECTIONS if (section := build(results))]
    (folder / "figures").mkdir(exist_ok=True)
    for section in [section for section in sections if section.figure]:
        name = section.title.lower().replace(" ", "_")
        (folder / "figures" / f"{name}.svg").write_text(section.figure, encoding="utf-8")
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in experiment.facts().items())
    page = PAGE.substitute(body="\n".join(map(as_html, sections)), facts=facts, runs=distinct_runs(results))
    (folder / "report.html").write_text(page, encoding="utf-8")
    if labels := asking(results, "labels"):
        print_table(table_of_scores(labels))
        print_table(table_of_gains(labels))
    print(f"\n{distinct_runs(results)} runs in {folder / 'results.json'}, what they say in {folder / 'report.html'}")
    return results


def distinct_runs(results: list[Result]) -> int:
    """A learning rate's trial that became a run of its number of labels is one run, though it stands there twice."""
    return len({(run["method"], run["start"], *run["arguments"]) for run in results})


def as_html(section: Section) -> str:
    first, *more = map(escape, section.sentences)
    details = "".join(f"<li>{sentence}</li>" for sentence in more)
    tables = "".join(map(table_as_html, section.tables))
    figure = section.figure and f"<figure>{section.figure}</figure>"
    return (
        f"<section><h2>{escape(section.title)}</h2><p>{first}</p>{figure}<ul>{details}</ul>"
        f"<details><summary>The numbers</summary>{tables}</details></section>"
    )


def table_as_html(table: Table) -> str:
    heading, *lines = table
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heading)
    rows = "".join(
        f'<tr><th scope="row">{escape(title)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in values)}</tr>'
        for title, *values in lines
    )
    return f"<table><tr>{cells}</tr>{rows}</table>"


# --- the questions ---


def what_it_buys(results: list[Result]) -> Section | None:
    runs = asking(results, "labels")
    if not runs:
        return None
    counts, panels, sentences = distinct(runs, "labels"), {}, [best_in_words(runs)]
    floor = lines_of_scores(of(runs, method="tfidf"), counts)
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


def best_in_words(runs: list[Result]) -> str:
    """At each number of labels the start and method with the highest mean, and tf-idf's beside it."""
    parts = []
    for count in distinct(runs, "labels"):
        kinds = dict.fromkeys((run["start"], run["method"]) for run in of(runs, labels=count) if run["start"])
        scored = {kind: accuracies(runs, start=kind[0], method=kind[1], labels=count) for kind in kinds}
        floor = accuracies(runs, method="tfidf", labels=count)
        if not scored:
            parts.append(f"at {count} labels {METHOD_NAMES['tfidf']}, {interval(floor)}")
            continue
        start, method = max(scored, key=lambda kind: np.mean(scored[kind]))
        said = f"{METHOD_NAMES[method]} from {START_NAMES[start]}, {interval(scored[start, method])}"
        parts.append(f"at {count} labels {said}" + (f" ({METHOD_NAMES['tfidf']} {interval(floor)})" if floor else ""))
    return f"The highest mean test accuracy: {'; '.join(parts)}."


def edges_in_words(trials: list[Result]) -> list[str]:
    """Where the learning rate that validation chose is the lowest or the highest tried: a better one may lie beyond."""
    edges = []
    for method, start, labels in dict.fromkeys((run["method"], run["start"], run["labels"]) for run in trials):
        tried = of(trials, method=method, start=start, labels=labels)
        tried.sort(key=lambda run: run["learning_rate"])  # of equals the lowest is chosen
        rates = [run["learning_rate"] for run in tried]
        rate = max(tried, key=lambda run: run["validation_accuracy"])["learning_rate"]
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
        points = [(mean_and_interval(values) if len(values) > 1 else (values[0], 0.0)) for values in columns]
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
            gain = f"{mean:+.4f} nats a masked token in the loss on {text} text"
            if len(runs) > 1:
                gain = difference(mean, half, f"the loss on {text} text", " nats a masked token")
            sentences.append(f"{opening(stage)}: {gain} ({labels_of(runs)}).")
            table.append([stage, text, f"{np.mean(before):.4f}", f"{np.mean(after):.4f}"])
    figure = interval_chart(values, "Masked-language-model loss gained", "nats a masked token")
    return Section("What it forgets", sentences, [table], figure)


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
    values = {start: ends(*mean_and_interval(accuracies)) for start, accuracies in scores.items()}
    table = [["pretraining", "test accuracy"], *([start, interval(accuracies)] for start, accuracies in scores.items())]
    figure = interval_chart(values, "Next-sentence prediction", "test accuracy")
    return Section("What next-sentence prediction adds", sentences, [table], figure)


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
    return Section("What the title adds", sentences, [table], interval_chart(scores, "Title and text", "test accuracy"))


def where_passes_stop_to_help(results: list[Result]) -> Section | None:
    runs = asking(results, "passes")
    passes = [count for count in distinct(runs, "passes") if len(of(runs, passes=count)) > 1]
    if len(passes) < 2:
        return None
    scored = {
        "training rows": [[run["training_accuracy"] for run in of(runs, passes=count)] for count in passes],
        "test rows": [accuracies(runs, passes=count) for count in passes],
    }
    lines = {
        name: [(number, *mean_and_interval(values)) for number, values in enumerate(by_passes)]
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
    ticks = [f"{count:g}" for count in passes]
    figure = line_chart({"": lines}, "Accuracy against passes", "passes over the training rows", "accuracy", ticks)
    return Section("Again and again", sentences, [table], figure)


def what_others_found(results: list[Result]) -> Section | None:
    found = findings(results)
    if not found:
        return None
    sentences, table = [], [["what others found", "source", "measured here", "difference", "verdict"]]
    for finding in found:
        gap = f"{finding.mean:+.4f} ± {finding.half:.4f}"
        sentences.append(
            f"{finding.claim} ({finding.source}): {finding.verdict}. Measured: {finding.measured}, {gap} "
            f"(n = {finding.pairs})."
        )
        table.append([finding.claim, finding.source, finding.measured, gap, finding.verdict])
    return Section("What others found", sentences, [table])


def opening(name: str) -> str:
    """A name as it opens a sentence: LoRA stays LoRA."""
    return name[0].upper() + name[1:]


def interval(values: Sequence[float]) -> str:
    """Of one value, or of a kind of run that no seed changes, such as tf-idf with all rows, there is no interval."""
    return "{:.4f} ± {:.4f}".format(*mean_and_interval(values)) if len(set(values)) > 1 else f"{values[0]:.4f}"


def ends(mean: float, half: float) -> tuple[float, float, float]:
    return mean, mean - half, mean + half


CHANGES = ("relative_change", "moved", "effective_rank", "weights")
SECTIONS: list[Callable[[list[Result]], Section | None]] = [
    what_it_buys,
    what_moves,
    what_it_sees,
    what_it_forgets,
    what_next_sentences_add,
    what_the_title_adds,
    where_passes_stop_to_help,
    what_others_found,
]


# --- tables for the screen ---


def table_of_scores(results: list[Result], score: str = "test_accuracy") -> Table:
    """A line a start and method, a column a number of labels: the score's mean ± 95 % interval over the seeds."""
    counts = distinct(results, "labels")
    table = [[score.replace("_", " "), *(f"{count} labels" for count in counts)]]
    for method, start in dict.fromkeys((run["method"], run["start"]) for run in results):
        line = [f"{method}, {start}" if start else method]
        for count in counts:
            values = [run[score] for run in of(results, method=method, start=start, labels=count)]
            line.append(interval(values) if len(values) > 1 else "–")
        table.append(line)
    return table


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


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The split, measured</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 46rem;
  padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
figure { margin: 1rem 0; }
ul { padding-left: 1.2rem; } li { margin: 0.4rem 0; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; }
details { overflow-x: auto; }
summary { cursor: pointer; padding: 0.4rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { border: 1px solid #ccc; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
dt { font-weight: 600; } dd { margin: 0 0 0.5rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>What pretraining and fine-tuning each change in BERT, and what each buys</h1>
<p>Every number below comes from the $runs runs in <code>results.json</code> beside this page. Behind ± is half of the
95 % interval of a mean (Student's t) over n runs that differ in their seed, unless the sentence says what else n
counts; intervals over rows are from the paired bootstrap. One in twenty such intervals misses by chance.</p>
$body
<section><h2>How it was measured</h2><dl>$facts</dl></section>
</body>
</html>
""")
