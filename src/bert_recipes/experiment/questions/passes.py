"""How many passes over the training rows help?"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from ..charts import line_chart
from ..comparing import (
    MAJORITY,
    Difference,
    accuracies,
    asking,
    difference_of,
    distinct,
    interval,
    majorities,
    mean_or_value,
    of,
)
from ..page import Section
from ..question import Plan, Question
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


def passes(results: list[Result], rows: int) -> Section | None:
    runs = asking(results, "passes")
    counts = [count for count in distinct(runs, "passes") if len(of(runs, passes=count)) > 1]
    if len(counts) < 2:
        return None
    scored = {
        "training rows": [[run["training_accuracy"] for run in of(runs, passes=count)] for count in counts],
        "test rows": [accuracies(runs, passes=count) for count in counts],
    }
    shares = [majorities(of(runs, passes=count)) for count in counts]
    scored |= {MAJORITY: shares} if all(shares) else {}
    lines = {
        name: [(count, *mean_or_value(values)) for count, values in zip(counts, by_passes, strict=True)]
        for name, by_passes in scored.items()
    }
    ticks = {count: f"{count:g}" for count in counts}
    figure = line_chart(
        lines, "Accuracy against passes", "passes over the training rows", "accuracy", ticks, logarithmic=True
    )
    gains = {
        after: difference_of(runs, {"passes": before}, {"passes": after})
        for before, after in itertools.pairwise(counts)
    }
    table = [["passes", *scored, "gain on test rows"]]
    for number, count in enumerate(counts):
        gain = gains.get(count)
        said = f"{gain.mean:+.4f} ± {gain.half:.4f} (n = {gain.pairs})" if gain else "–"
        table.append([f"{count:g}", *(interval(by_passes[number]) for by_passes in scored.values()), said])
    return Section(
        "Passes over the training rows", last_help_in_words(counts, gains), figure, [table], collapses_in_words(runs)
    )


def last_help_in_words(counts: list[float], gains: dict[float, Difference | None]) -> str:
    tried = ", ".join(f"{count:g}" for count in counts)
    best = max((count for count, gain in gains.items() if gain and gain.sign > 0), default=counts[0])
    if best == counts[-1]:
        return f"The largest number of passes tried ({tried}) still raises the test accuracy."
    beyond = f"{best:g} {'pass' if best == 1 else 'passes'}"
    return f"Beyond {beyond} no step is measured to raise the test accuracy, of the numbers tried ({tried})."


QUESTION = Question(Plan("passes", plan_passes, text="titles"), passes)
