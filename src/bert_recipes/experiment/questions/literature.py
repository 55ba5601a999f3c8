"""What others measured, beside what these runs measured: agreed with, contradicted, or no difference seen."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..comparing import (
    START_NAMES,
    accuracies,
    as_number,
    asking,
    distinct,
    halves,
    labels_of,
    layer_changes,
    of,
    pairs,
)
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result


@dataclass
class Finding:
    """A finding of the literature and the difference here that it says is above 0: mean, half of its 95 % interval,
    and of how many pairs."""

    claim: str
    source: str
    measured: str
    mean: float
    half: float
    pairs: int

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.half:
            return "no difference seen here"
        return "agrees" if self.mean > 0 else "does not agree"


def findings(results: list[Result]) -> list[Finding]:
    """Those that the runs can speak to: each needs two seeds of what it compares."""
    return [finding for compare in COMPARISONS for finding in compare(results)]


def pretrained_starts(runs: list[Result]) -> list[str]:
    """Random weights have nothing to change from, or to forget."""
    return [start for start in distinct(runs, "start") if start not in (None, "random")]


def upper_layers_change_more(results: list[Result]) -> Iterator[Finding]:
    """From each start, at the fewest labels and at the most: the two may differ, as their learning rates do."""
    runs = of(asking(results, "labels"), method="full")
    for start in pretrained_starts(runs):
        counts = distinct(of(runs, start=start), "labels")
        for labels in dict.fromkeys((counts[0], counts[-1])):
            yield from upper_layers_of(of(runs, start=start, labels=labels))


def upper_layers_of(runs: list[Result]) -> Iterator[Finding]:
    if len(runs) < 2:
        return
    source = "Merchant et al. 2020, arXiv 2004.14448"
    here = f"full fine-tuning from {START_NAMES[runs[0]['start']]}, {labels_of(runs)}"
    lower, upper = zip(*(halves(layer_changes([run])) for run in runs), strict=True)
    yield Finding(
        "Fine-tuning changes the top layers most", f"{source}, who compare representations, not weights",
        f"relative change of the weights of the upper half of the layers less that of the lower half ({here})",
        *paired_difference(upper, lower), len(runs),
    )  # fmt: skip
    first, last = ([run["similarity"][layer] for run in runs] for layer in (1, -1))
    yield Finding(
        "Fine-tuning leaves the representations of early layers more alike", source,
        "CKA (Kornblith et al. 2019, arXiv 1905.00414) of the first layer before and after fine-tuning less that "
        f"of the last layer ({here})",
        *paired_difference(first, last), len(runs),
    )  # fmt: skip


def lora_learns_and_forgets_less(results: list[Result]) -> Iterator[Finding]:
    """From each start, at the largest number of labels that both have: the same rows, seed by seed."""
    runs = asking(results, "labels")
    for start in pretrained_starts(runs):
        full, lora = (by_name(of(runs, start=start, method=method)) for method in ("full", "lora"))
        shared = [name for name in full if name in lora]
        largest = max((as_number(labels) for labels, _ in shared), default=0)
        pairs_of_runs = [(full[name], lora[name]) for name in shared if as_number(name[0]) == largest]
        if len(pairs_of_runs) > 1:
            yield from lora_beside(*zip(*pairs_of_runs, strict=True))


def lora_beside(full: Sequence[Result], lora: Sequence[Result]) -> Iterator[Finding]:
    source = "Biderman et al. 2024, arXiv 2405.09673"
    here = f"from {START_NAMES[full[0]['start']]} at {full[0]['labels']} labels"
    accuracy = [[run["test_accuracy"] for run in runs] for runs in (full, lora)]
    yield Finding(
        "LoRA learns less than full fine-tuning", source, f"test accuracy of full fine-tuning less LoRA's, {here}",
        *paired_difference(*accuracy), len(full),
    )  # fmt: skip
    if all("masked_lm_loss" in run for run in full):
        forgotten = [list(map(forgets, runs)) for runs in (full, lora)]
        yield Finding(
            "LoRA forgets less than full fine-tuning", source,
            f"masked-language-model loss gained on general text in full fine-tuning less in LoRA, {here}",
            *paired_difference(*forgotten), len(full),
        )  # fmt: skip


def by_name(runs: Iterable[Result]) -> dict[tuple, Result]:
    return {(run["labels"], run["seed"]): run for run in runs}


def forgets(run: Result) -> float:
    before, after = run["masked_lm_loss"]["general"]
    return after - before


def pretraining_on_the_task_helps(results: list[Result]) -> Iterator[Finding]:
    runs = asking(results, "labels")
    for labels in distinct(runs, "labels"):
        later, former = pairs(runs, {"start": "base"}, {"start": "continued"}, method="full", labels=labels)
        if len(later) > 1:
            yield Finding(
                "Pretraining on the task's own text helps", "Gururangan et al. 2020, arXiv 2004.10964",
                f"test accuracy at {labels} labels from the continued start (one pretraining) less from the base "
                "model, full fine-tuning",
                *paired_difference(later, former), len(later),
            )  # fmt: skip


def few_labels_scatter(results: list[Result]) -> Iterator[Finding]:
    """Over every start and method: the spread of its seeds at the fewest labels and at the most."""
    runs = [run for run in asking(results, "labels") if run["start"]]
    counts = distinct(runs, "labels")
    spreads = []
    for start, method in itertools.product(distinct(runs, "start"), distinct(runs, "method")):
        ends = (counts[0], counts[-1])
        scores = [accuracies(runs, start=start, method=method, labels=count) for count in ends]
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


COMPARISONS: list[Callable[[list[Result]], Iterator[Finding]]] = [
    upper_layers_change_more,
    lora_learns_and_forgets_less,
    pretraining_on_the_task_helps,
    few_labels_scatter,
]


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


QUESTION = Question(LABELS, what_others_found)
