"""Where further passes over the training rows stop to help."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from ..charts import line_chart
from ..comparing import (
    MAJORITY,
    accuracies,
    asking,
    difference,
    distinct,
    interval,
    majorities,
    mean_or_value,
    of,
    pairs,
)
from ..intervals import paired_difference
from ..page import Section
from ..question import Question, plan_of
from ..recipe_flags import titles_run
from ..runs import Result, Run, with_seed
from ..score_tables import collapses_in_words
from ..setting import Setting

PASSES = (1, 2, 4, 8, 16)


def plan_passes(setting: Setting) -> list[Run]:
    """The pair after ever more passes over the training rows: what it makes of them (in the validation split's place),
    and of the test rows."""
    data, runs = setting.titles_data(), []
    for passes in PASSES if setting.args.full else PASSES[:2]:
        steps = math.ceil(len(setting.titles_corpus["train"]) * passes / setting.args.batch_size)
        files = {**data, "validation": data["train"]}
        run = titles_run(setting, "passes", "base", files, setting.title_and_text, steps=steps)
        runs += [with_seed(replace(run, passes=passes), seed) for seed in range(setting.args.num_seeds)]
    return runs


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
    return Section("Again and again", sentences, [table], figure)


PASSES_PLAN = plan_of("passes", plan_passes, text="titles")
QUESTION = Question(PASSES_PLAN, where_passes_stop_to_help)
