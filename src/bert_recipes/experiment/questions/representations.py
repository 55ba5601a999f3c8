"""How alike the representations of each layer are before and after a stage (CKA)."""

from __future__ import annotations

from ..charts import line_chart
from ..comparing import changed_by_stage, interval, labels_of, mean_or_value, opening
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result


def what_it_sees(results: list[Result]) -> Section | None:
    stages = changed_by_stage(results)
    if not stages:
        return None
    layers = len(next(iter(stages.values()))[0]["similarity"])
    names = ["embeddings", *(f"layer {layer}" for layer in range(layers - 1))]
    lines, sentences, table = {}, [], [["stage", *names]]
    for stage, runs in stages.items():
        columns = list(zip(*(run["similarity"] for run in runs), strict=True))
        points = list(map(mean_or_value, columns))
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


QUESTION = Question(LABELS, what_it_sees)
