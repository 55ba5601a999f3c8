"""What a stage forgets of masked-language modelling."""

from __future__ import annotations

import numpy as np

from ..changes import GENERAL_TEXT
from ..charts import interval_chart
from ..comparing import changed_by_stage, difference, ends, labels_of, opening
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result


def what_it_forgets(results: list[Result]) -> Section | None:
    stages = {stage: runs for stage, runs in changed_by_stage(results).items() if "masked_lm_loss" in runs[0]}
    if not stages:
        return None
    values, sentences, table = {}, [], [["stage", "text", "before", "after"]]
    for stage, runs in stages.items():
        for text in runs[0]["masked_lm_loss"]:
            before, after = zip(*(run["masked_lm_loss"][text] for run in runs), strict=True)
            mean, half = paired_difference(after, before) if len(runs) > 1 else (after[0] - before[0], 0.0)
            values[f"{stage}, {text}"] = ends(mean, half)
            named = f"{text} text" + (f" ({GENERAL_TEXT})" if text == "general" else "")
            gain = f"{mean:+.4f} nats a masked token in the loss on {named}"
            if len(runs) > 1:
                gain = difference(mean, half, f"the loss on {named}", " nats a masked token")
            sentences.append(f"{opening(stage)}: {gain} ({labels_of(runs)}).")
            table.append([stage, named, f"{np.mean(before):.4f}", f"{np.mean(after):.4f}"])
    figure = interval_chart(values, "Masked-language-model loss gained", "nats a masked token")
    return Section("What it forgets", sentences, [table], figure)


QUESTION = Question(LABELS, what_it_forgets)
