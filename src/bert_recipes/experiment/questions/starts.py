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
    labels_in_words,
    numbers_of_labels,
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
    return Section(
        "What each start adds", sentence, figure, [table_of_gains(runs)], findings=list(findings(runs)),
        answers=answers(method, steps),
    )  # fmt: skip


def answers(method: str, steps: dict[str, dict[int | str, Difference]]) -> dict[str, str]:
    """Of the first method, which is full fine-tuning where there is some."""
    named = {
        "pretraining": ("random", "base", "the base model, beside random weights,"),
        "continued": ("base", "continued", "continued pretraining on the task's own text"),
    }
    return {
        topic: added_in_words(what, method, steps[step])
        for topic, (before, after, what) in named.items()
        if (step := step_in_words(before, after)) in steps
    }


def step_in_words(before: str, after: str) -> str:
    return f"from {START_NAMES[before]} to {START_NAMES[after]}"


def added_in_words(what: str, method: str, by_labels: dict[int | str, Difference]) -> str:
    """At how many numbers of labels the accuracy rises or falls, and where most."""
    up, down = ([count for count, gain in by_labels.items() if gain.sign == sign] for sign in (1, -1))
    if not up and not down:
        tried = numbers_of_labels(by_labels) if len(by_labels) > 1 else labels_in_words(next(iter(by_labels)))
        return f"{what} makes no difference that was measured to {method} ({tried} tried)"
    most = max(up or down, key=lambda count: abs(by_labels[count].mean))
    gain = by_labels[most]
    verb, others = ("raises", f" and lowers it at {len(down)}" if down else "") if up else ("lowers", "")
    amount = f"{gain.mean:+.4f}" + (f" ± {gain.half:.4f}" if gain.half else "")
    if len(by_labels) == 1:
        return f"{what} {verb} the test accuracy of {method} with {labels_in_words(most)} ({amount})"
    places = f"at {len(up or down)} of {numbers_of_labels(by_labels)}"
    return f"{what} {verb} the test accuracy of {method} {places} (most with {labels_in_words(most)}: {amount}){others}"


def gains_by_method(runs: list[Result]) -> dict[str, dict[str, dict[int | str, Difference]]]:
    """Method -> from which start to which -> number of labels -> gain, of those with two seeds."""
    gains: dict[str, dict[str, dict[int | str, Difference]]] = {}
    for method in distinct([run for run in runs if run["start"]], "method"):
        for before, after in steps_between_starts(runs):
            kinds = ({"start": start, "method": method} for start in (before, after))
            if by_labels := differences_by_labels(runs, *kinds):
                gains.setdefault(METHOD_NAMES[method], {})[step_in_words(before, after)] = by_labels
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
