"""How alike are the representations of each layer before and after a stage (linear CKA)?"""

from __future__ import annotations

from collections.abc import Iterator

from ..charts import line_chart
from ..comparing import START_NAMES, interval, mean_or_value, opening
from ..finding import Finding
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..stages import changed_by_stage, fine_tuned, labels_of

MOST_NAMES = 13  # that the axis has room for


def representations(results: list[Result], rows: int) -> Section | None:
    stages = changed_by_stage(results)
    if not stages:
        return None
    layers = len(next(iter(stages.values()))[0]["similarity"])
    names = ["embeddings", *(f"layer {layer}" for layer in range(layers - 1))]
    by_layer = {stage: list(zip(*(run["similarity"] for run in runs), strict=True)) for stage, runs in stages.items()}
    lines = {
        stage: [(number, *mean_or_value(values)) for number, values in enumerate(columns)]
        for stage, columns in by_layer.items()
    }
    stage, number, mean = min(
        ((stage, number, mean) for stage, points in lines.items() for number, mean, _ in points),
        key=lambda found: found[2],
    )
    if mean > 1 - 1e-6:
        sentence = "No stage changes a representation: every linear CKA is 1."
    else:
        sentence = (
            f"{opening(stage)} changes the representations most: what {names[number]} gives has a linear CKA of "
            f"{interval(by_layer[stage][number])} with what it gave before (1: unchanged)."
        )
    places = range(0, layers, -(-layers // MOST_NAMES))
    ticks = {number: str(number - 1) if number else "emb." for number in places}
    figure = line_chart(lines, "Similarity before and after, by layer", "layer", "linear CKA", ticks)
    table = [["stage", *names, "runs"]]
    table += [[stage, *map(interval, columns), labels_of(stages[stage])] for stage, columns in by_layer.items()]
    return Section("Representations", sentence, figure, [table], findings=list(findings(results)))


def findings(results: list[Result]) -> Iterator[Finding]:
    for runs in fine_tuned(results):
        first, last = ([run["similarity"][layer] for run in runs] for layer in (1, -1))
        yield Finding(
            "Fine-tuning leaves the representations of early layers more alike",
            "Merchant et al. 2020, arXiv 2004.14448",
            "CKA (Kornblith et al. 2019, arXiv 1905.00414) of the first layer before and after fine-tuning less that "
            f"of the last layer (full fine-tuning from {START_NAMES[runs[0]['start']]}, {labels_of(runs)})",
            *paired_difference(first, last), len(runs),
        )  # fmt: skip


QUESTION = Question(LABELS, representations)
