"""Which weights does each stage move, and how far?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...run.tables import Table
from ..charts import heat_map
from ..comparing import METHOD_NAMES, START_NAMES, opening
from ..finding import Finding
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..stages import changed_by_stage, fine_tuned, group_order, halves, labels_of, layer_changes, mean_change


def moves(results: list[Result], rows: int) -> Section | None:
    """The largest number of labels speaks for fine-tuning."""
    stages = changed_by_stage(results)
    if not stages:
        return None
    groups = list(dict.fromkeys(group for runs in stages.values() for run in runs for group in run["weights_moved"]))
    groups.sort(key=group_order)
    values = np.array([[mean_change(runs, group, "relative_change") for runs in stages.values()] for group in groups])
    notes = [
        f"{opening(stage)}: NOT FROZEN: weights of {group} moved, and none should."
        for stage, runs in stages.items()
        for group in groups
        if should_be_still(stage, group) and mean_change(runs, group, "moved") > 0
    ]
    figure = heat_map(groups, list(stages), values, "Relative change by part")
    tables = [table_of_parts(stages, groups), table_of_halves(stages)]
    sentence = farthest_in_words(stages)
    answers = {"changes": sentence.removesuffix(".")}
    return Section("What moves", sentence, figure, tables, notes, list(findings(results)), answers)


def farthest_in_words(stages: dict[str, list[Result]]) -> str:
    means = {stage: float(np.mean(layer_changes(runs))) for stage, runs in stages.items()}
    ordered = sorted(means, key=means.get, reverse=True)
    if means[ordered[0]] == 0:
        return f"{opening(ordered[0])} moves no weight of the layers."
    others = ", ".join(f"{stage} {means[stage]:.3f}" for stage in ordered[1:])
    said = f"{opening(ordered[0])} moves the layers farthest: ‖ΔW‖ / ‖W‖ is {means[ordered[0]]:.3f} in their mean"
    return said + (f" ({others})." if others else ".")


def should_be_still(stage: str, group: str) -> bool:
    if stage == METHOD_NAMES["head_only"]:
        return group not in ("pooler", "head")
    return stage == METHOD_NAMES["lora"] and group == "embeddings"


def table_of_parts(stages: dict[str, list[Result]], groups: list[str]) -> Table:
    table = [["part", *stages]]
    for group in groups:
        cells = []
        for runs in stages.values():
            names = ("relative_change", "moved", "effective_rank", "weights")
            change, moved, rank, size = (mean_change(runs, group, name) for name in names)
            said = f"{change:.4f}; {moved:,.0f} of {size:,.0f} moved; effective rank {rank:.1f}"
            cells.append("–" if math.isnan(size) else said)
        table.append([group, *cells])
    return table


def table_of_halves(stages: dict[str, list[Result]]) -> Table:
    table = [["‖ΔW‖ / ‖W‖ of the layers", "lower half", "upper half", "upper less lower", "runs"]]
    for stage, runs in stages.items():
        lower, upper = zip(*(halves(layer_changes([run])) for run in runs), strict=True)
        gap = "{:+.4f} ± {:.4f}".format(*paired_difference(upper, lower)) if len(runs) > 1 else "–"
        table.append([stage, f"{np.mean(lower):.4f}", f"{np.mean(upper):.4f}", gap, labels_of(runs)])
    return table


def findings(results: list[Result]) -> Iterator[Finding]:
    """From each start, at the fewest labels and at the most: the two may differ, as their learning rates do."""
    for runs in fine_tuned(results):
        lower, upper = zip(*(halves(layer_changes([run])) for run in runs), strict=True)
        yield Finding(
            "Fine-tuning changes the top layers most",
            "Merchant et al. 2020, arXiv 2004.14448, who compare representations, not weights",
            "relative change of the weights of the upper half of the layers less that of the lower half (full "
            f"fine-tuning from {START_NAMES[runs[0]['start']]}, {labels_of(runs)})",
            *paired_difference(upper, lower), len(runs),
        )  # fmt: skip


QUESTION = Question(LABELS, moves)
