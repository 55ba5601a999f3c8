"""What do LoRA and the head alone give up beside full fine-tuning, and how does each method stand beside tf-idf?"""

from __future__ import annotations

from collections.abc import Iterator

from ..charts import difference_chart
from ..comparing import (
    METHOD_NAMES,
    START_NAMES,
    Difference,
    asking,
    differences_by_labels,
    distinct,
    ends_of,
    in_words,
    joined,
    labelled_rows,
    labels_in_words,
    last_start,
    matched,
    numbers_of_labels,
    of_all,
    opening,
    pretrained_starts,
)
from ..finding import Finding
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..score_tables import table_of_differences

Panels = dict[str, dict[str, dict[int | str, Difference]]]
STANDING = {-1: "is behind", 0: "shows no measured difference to", 1: "is ahead of"}


def methods(results: list[Result], rows: int) -> Section | None:
    runs = asking(results, "labels")
    start = last_start(runs)
    panels = panels_of(runs, start)
    if not panels:
        return None
    (beside, series), *_ = panels.items()
    (method, by_labels), *_ = series.items()
    count, gap = list(by_labels.items())[-1]
    every = [gap for series in panels.values() for by_labels in series.values() for gap in by_labels.values()]
    said = in_words(gap.mean, gap.half, "test accuracy")
    sentence = f"{opening(method)} {beside}, from {START_NAMES[start]} with {labelled_rows(count, rows)}: {said}"
    sentence += of_all(every)
    figure = difference_chart(ends_of(panels), "Methods beside each other", "difference in test accuracy")
    lines = {f"{name} {beside}": gaps for beside, series in panels.items() for name, gaps in series.items()}
    heading = f"difference in test accuracy, from {START_NAMES[start]}"
    table = table_of_differences(heading, lines, distinct(runs, "labels"))
    answers = {"methods": beside_full_in_words(panels, start)} if f"beside {METHOD_NAMES['full']}" in panels else {}
    return Section(
        "What each method gives up", sentence, figure, [table], findings=list(findings(results)), answers=answers
    )


def beside_full_in_words(panels: Panels, start: str) -> str:
    """At how many numbers of labels each method is behind, or ahead; of one number, how it stands there."""
    beside, said = panels[f"beside {METHOD_NAMES['full']}"], []
    counts = {count for by_labels in beside.values() for count in by_labels}
    if len(counts) == 1:
        (count,) = counts
        standing = [f"{method} {STANDING[by_labels[count].sign]} it" for method, by_labels in beside.items()]
        standing[0] = standing[0].removesuffix("it") + "full fine-tuning"
        return f"from {START_NAMES[start]} with {labels_in_words(count)}, {joined(standing)}"
    for method, by_labels in beside.items():
        of_how_many = f"{len(by_labels)}" if said else numbers_of_labels(by_labels)
        said.append(f"{method} {standing_in_words(list(by_labels.values()), of_how_many)}")
    return f"beside full fine-tuning from {START_NAMES[start]}, {joined(said)}"


def standing_in_words(gaps: list[Difference], of_how_many: str) -> str:
    signs = [gap.sign for gap in gaps]
    places = [f"{word} at {signs.count(sign)}" for sign, word in ((1, "ahead"), (-1, "behind")) if sign in signs]
    if not places:
        return f"shows no measured difference at any of {of_how_many}"
    return f"is {joined(places)} of {of_how_many}"


def panels_of(runs: list[Result], start: str | None) -> Panels:
    """Beside full fine-tuning, and beside tf-idf on the same rows: each method from that start."""
    kinds = {
        method: {"start": start, "method": method}
        for method in distinct([run for run in runs if run["start"] == start], "method")
        if method != "tfidf"
    }
    panels: Panels = {}
    for beside in ({"start": start, "method": "full"}, {"start": None, "method": "tfidf"}):
        for method, kind in kinds.items():
            if kind != beside and (by_labels := differences_by_labels(runs, beside, kind)):
                panels.setdefault(f"beside {METHOD_NAMES[beside['method']]}", {})[METHOD_NAMES[method]] = by_labels
    return panels


def findings(results: list[Result]) -> Iterator[Finding]:
    for start in pretrained_starts(results):
        full, lora = matched(results, start)
        if full:
            accuracy = [[run["test_accuracy"] for run in runs] for runs in (full, lora)]
            yield Finding(
                "LoRA learns less than full fine-tuning", "Biderman et al. 2024, arXiv 2405.09673",
                f"test accuracy of full fine-tuning less LoRA's, from {START_NAMES[start]} at {full[0]['labels']} "
                "labels",
                *paired_difference(*accuracy), len(full),
            )  # fmt: skip


QUESTION = Question(LABELS, methods)
