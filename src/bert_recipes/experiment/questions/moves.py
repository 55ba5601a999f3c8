"""Which weights each stage moves, and how far."""

from __future__ import annotations

import math

import numpy as np

from ..charts import heat_map
from ..comparing import (
    METHOD_NAMES,
    changed_by_stage,
    group_order,
    halves,
    labels_of,
    layer_changes,
    mean_change,
    opening,
)
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result


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


QUESTION = Question(LABELS, what_moves)
