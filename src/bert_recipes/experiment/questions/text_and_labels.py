"""How much unlabelled text is worth how many labels?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...run.errors import UserError
from ...run.tables import Table
from ..charts import contour_chart
from ..comparing import (
    Difference,
    accuracies,
    asking,
    difference_of,
    distinct,
    interval,
    labelled_rows,
    labels_in_words,
    of,
    opening,
    the_pretraining,
)
from ..label_grid import Cell, plain_run, plan_with_rates, rate_of, with_seeds
from ..page import Section
from ..question import Question
from ..recipe_flags import classifier_run, pretraining_run
from ..runs import Result, Run
from ..score_tables import collapses_in_words
from ..setting import Setting

# Of --pretraining_epochs: of 12 passes 1, 3, 6 and 24. None of them is the base model, all of them the continued start.
SHARES, SHORT_SHARES = (1 / 12, 1 / 4, 1 / 2, 2), (1 / 2,)
BASE = {"experiment": "labels", "method": "full", "start": "base"}
Kinds = dict[float, dict]  # passes -> the names of its runs


# --- the runs ---


def counts(setting: Setting) -> list[int | str]:
    wanted = setting.counts_among(100, 500, 2000)
    return wanted if len(wanted) > 1 else setting.args.label_counts


def check_counts(setting: Setting) -> None:
    if len(setting.args.label_counts) < 2:
        raise UserError("--experiments text: name two numbers of --label_counts or more, such as 100,500")
    if "full" not in setting.args.methods or not {"base", "continued"} <= set(setting.args.starts):
        raise UserError(
            "--experiments text is about full fine-tuning from base and continued: name them in --methods and --starts"
        )


def cells(setting: Setting) -> list[Cell]:
    return [(start, "full", count) for count in counts(setting) for start in ("base", "continued")]


def text_runs(setting: Setting) -> list[Run]:
    """Full fine-tuning after ever more passes of continued pretraining, at the learning rate of the continued start; no
    pass and --pretraining_epochs are the label grid's own runs."""
    shares = SHARES if setting.args.full else SHORT_SHARES
    pretrained = [pretraining_run(setting, share=share) for share in shares]
    runs = [plain_run(setting, cell) for cell in cells(setting)]
    for cell in cells(setting):
        if cell[0] == "continued":
            for first in pretrained:
                run = classifier_run(setting, "text", *cell, rate_of(setting, cell), first)
                runs.append(replace(run, passes=first.passes))
    return [*pretrained, *with_seeds(setting, runs)]


# --- the section ---


def text_and_labels(results: list[Result], rows: int) -> Section | None:
    asked = asking(results, "text")
    kinds = kinds_of(results, asked)
    found = {
        count: {passes: accuracies(results, **kind, labels=count) for passes, kind in kinds.items()}
        for count in distinct(asked, "labels")
    }
    found = {count: by_passes for count, by_passes in found.items() if len(by_passes[0]) > 1}
    places = [passes for passes in kinds if any(len(by_passes[passes]) > 1 for by_passes in found.values())]
    if len(found) < 2 or len(places) < 2:
        return None
    values = np.array([[mean_or_nan(by_passes[passes]) for passes in places] for by_passes in found.values()])
    worth = {
        (passes, count): found_worth
        for count in found
        for passes in places[1:]
        if (found_worth := worth_in_labels(results, kinds[passes], count, rows))
    }
    if not worth:
        return None
    gains = [item for item in worth.items() if item[1].gain.sign > 0]
    (passes, count), first = (gains or list(worth.items()))[0]
    sentence = worth_in_words(passes, count, first, rows)
    note = "The learning rate is that of the continued start for every number of passes above 0; the base has its own."
    limit = (
        "One pretraining of each length: the intervals do not cover how two pretrainings differ. In brackets stands "
        "how many labels the ends of the gain's interval are worth, the base model's mean accuracies taken as they are."
    )
    return Section(
        "How much text is worth how many labels", f"{opening(sentence)}.", figure(values, places, list(found), rows),
        [table_of_accuracies(found, places), table_of_worth(worth, list(found), places)],
        [note, limit, *collapses_in_words(asked)], answers={"continued": sentence},
    )  # fmt: skip


def kinds_of(results: list[Result], asked: list[Result]) -> Kinds:
    kinds: Kinds = {0: BASE}
    for run in the_pretraining(results):
        passes = float(run["arguments"][run["arguments"].index("--num_train_epochs") + 1])
        kinds[passes] = BASE | {"start": "continued"}
    kinds |= {passes: {"experiment": "text", "passes": passes} for passes in distinct(asked, "passes")}
    return dict(sorted(kinds.items()))


def mean_or_nan(scores: Sequence[float]) -> float:
    """Of one seed there is no point."""
    return float(np.mean(scores)) if len(scores) > 1 else math.nan


def figure(values: np.ndarray, places: Sequence[float], found: Sequence[int | str], rows: int) -> str:
    """No pass has its place on the axis, too: log(1 + passes / the fewest)."""
    x = {math.log1p(passes / places[1]): f"{passes:g}" for passes in places}
    y = {math.log(number_of(count, rows)): f"{number_of(count, rows):,}" for count in found}
    return contour_chart(
        x, y, values, "Test accuracy by passes over the unlabelled text and by labels",
        "passes of continued pretraining", "labelled rows",
    )  # fmt: skip


def number_of(count: int | str, rows: int) -> int:
    return rows if count == "all" else count


# --- what text is worth ---


class Worth(NamedTuple):
    """A gain over no pass, and how many more labels do the same: as many as its mean asks for, and the ends of its
    interval (None: more than were tried)."""

    gain: Difference
    more: float | None
    fewest: float | None
    most: float | None


def worth_in_labels(results: list[Result], kind: dict, count: int | str, rows: int) -> Worth | None:
    """How many more labels the base model needs for the accuracy that `kind` has with `count` of them. None without two
    shared seeds."""
    gain = difference_of(results, BASE, kind, labels=count)
    if not gain:
        return None
    base = {
        number_of(other, rows): float(np.mean(scores))
        for other in distinct(of(results, **BASE), "labels")
        if len(scores := accuracies(results, **BASE, labels=other)) > 1
    }
    return Worth(gain, *(more_labels(base, number_of(count, rows), added) for added in gain.ends))


def more_labels(base: Mapping[int, float], own: int, added: float) -> float | None:
    """How many labels more than `own` add so much to the accuracies of `base` (by number of labels): between two
    numbers accuracy is taken to be straight in their logarithm."""
    target, (before, reached) = base[own] + added, (own, base[own])
    for number in sorted(number for number in base if number > own):
        if base[number] >= target > reached:
            share = (target - reached) / (base[number] - reached)
            return before * (number / before) ** share - own
        before, reached = (number, base[number]) if base[number] > reached else (before, reached)
    return None


def worth_in_words(passes: float, count: int | str, worth: Worth, rows: int) -> str:
    how_many = "pass over the unlabelled text is" if passes == 1 else "passes over the unlabelled text are"
    said = f"with {labelled_rows(count, rows)}, {passes:g} {how_many} worth"
    if worth.gain.sign == 0:
        return f"{said} no number of labels: no difference in test accuracy was measured"
    if worth.gain.sign < 0:
        return f"{said} no number of labels: the test accuracy falls"
    if worth.more is None:
        return f"{said} more labels than were tried: the base model's test accuracy stays lower with all of them"
    return f"{said} {labels_between(worth, 'more labels')}"


def labels_between(worth: Worth, what: str) -> str:
    most = "more than tried" if worth.most is None else rounded(worth.most)
    return f"about {rounded(worth.more)} {what} ({rounded(worth.fewest)} to {most})"


def rounded(number: float) -> str:
    """Two figures: no more are known."""
    digits = max(0, math.floor(math.log10(max(number, 1))) - 1)
    return f"{round(number, -digits):,.0f}"


def table_of_accuracies(found: dict, places: Sequence[float]) -> Table:
    table = [["test accuracy, passes", *map(labels_in_words, found)]]
    for passes in places:
        scores = [by_passes[passes] for by_passes in found.values()]
        table.append([f"{passes:g}", *(interval(values) if len(values) > 1 else "–" for values in scores)])
    return table


def table_of_worth(worth: dict, found: Sequence[int | str], places: Sequence[float]) -> Table:
    table = [["worth in labels, passes", *map(labels_in_words, found)]]
    cells = {passes: [worth_cell(worth.get((passes, count))) for count in found] for passes in places[1:]}
    return table + [[f"{passes:g}", *of_passes] for passes, of_passes in cells.items()]


def worth_cell(worth: Worth | None) -> str:
    if worth is None:
        return "–"
    gain = worth.gain
    if gain.sign <= 0:
        worth_what = "no difference measured" if gain.sign == 0 else "none, less accurate"
    else:
        worth_what = "more than tried" if worth.more is None else labels_between(worth, "more")
    return f"{worth_what}; {gain.mean:+.4f} ± {gain.half:.4f}"


QUESTION = Question(plan_with_rates("text", cells, text_runs, check=check_counts, short=False), text_and_labels)
