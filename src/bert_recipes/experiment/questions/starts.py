"""What does pretraining add: each start beside the one before it?"""

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
    labelled_rows,
    of_all,
    opening,
)
from ..finding import Finding
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..score_tables import steps_between_starts, table_of_gains


def starts(results: list[Result], rows: int) -> Section | None:
    runs = asking(results, "labels")
    gains = gains_by_method(runs)
    if not gains:
        return None
    (method, steps), *_ = gains.items()
    step, by_labels = list(steps.items())[-1]
    (count, gain), *_ = by_labels.items()
    every = [gain for steps in gains.values() for by_labels in steps.values() for gain in by_labels.values()]
    first = in_words(gain.mean, gain.half, "test accuracy")
    sentence = f"{opening(method)}, {step}, with {labelled_rows(count, rows)}: {first}"
    sentence += of_all(every)
    figure = difference_chart(ends_of(gains), "What each start adds", "difference in test accuracy")
    return Section("What each start adds", sentence, figure, [table_of_gains(runs)], findings=list(findings(runs)))


def gains_by_method(runs: list[Result]) -> dict[str, dict[str, dict[int | str, Difference]]]:
    """Method -> from which start to which -> number of labels -> gain, of those with two seeds."""
    gains: dict[str, dict[str, dict[int | str, Difference]]] = {}
    for method in distinct([run for run in runs if run["start"]], "method"):
        for before, after in steps_between_starts(runs):
            kinds = ({"start": start, "method": method} for start in (before, after))
            if by_labels := differences_by_labels(runs, *kinds):
                step = f"from {START_NAMES[before]} to {START_NAMES[after]}"
                gains.setdefault(METHOD_NAMES[method], {})[step] = by_labels
    return gains


def findings(runs: list[Result]) -> Iterator[Finding]:
    kinds = ({"start": start, "method": "full"} for start in ("base", "continued"))
    for labels, gain in differences_by_labels(runs, *kinds).items():
        yield Finding(
            "Pretraining on the task's own text helps", "Gururangan et al. 2020, arXiv 2004.10964",
            f"test accuracy at {labels} labels from the continued start (one pretraining) less from the base model, "
            "full fine-tuning",
            *gain,
        )  # fmt: skip


QUESTION = Question(LABELS, starts)
