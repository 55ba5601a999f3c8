"""How much of masked-language modelling does a stage forget?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..changes import GENERAL_TEXT
from ..charts import difference_chart
from ..comparing import START_NAMES, Difference, in_words, matched, opening, pretrained_starts
from ..finding import Finding
from ..intervals import paired_difference
from ..label_grid import LABELS
from ..page import Section
from ..question import Question
from ..runs import Result
from ..stages import changed_by_stage, labels_of

UNIT = " nats a masked token"


def forgetting(results: list[Result], rows: int) -> Section | None:
    stages = {stage: runs for stage, runs in changed_by_stage(results).items() if "masked_lm_loss" in runs[0]}
    if not stages:
        return None
    gains = {text: {stage: loss_gained(runs, text) for stage, runs in stages.items()} for text in ("task", "general")}
    forgetful = [stage for stage in stages if gains["general"][stage].sign > 0]
    worst = max(forgetful or stages, key=lambda stage: gains["general"][stage].mean)
    gain, what = gains["general"][worst], f"the loss on general text ({GENERAL_TEXT})"
    alone = f"{what} changes by {gain.mean:+.4f}{UNIT} (one run)"
    said = in_words(gain.mean, gain.half, what, UNIT) if gain.pairs > 1 else alone
    series = {f"{text} text": {stage: gain.ends for stage, gain in found.items()} for text, found in gains.items()}
    figure = difference_chart({"": series}, "Masked-language-model loss gained", "nats a masked token")
    table = [["stage", "text", "loss before", "loss after", "gained", "runs"]]
    for stage, runs in stages.items():
        for text in gains:
            before, after = (np.mean([run["masked_lm_loss"][text][place] for run in runs]) for place in (0, 1))
            mean, half, n = gains[text][stage]
            gained = f"{mean:+.4f}" + (f" ± {half:.4f}" if n > 1 else "")
            table.append([stage, f"{text} text", f"{before:.4f}", f"{after:.4f}", gained, labels_of(runs)])
    sentence = f"{worst} forgets most: {said}" if forgetful else f"no stage was measured to forget; in {worst} {said}"
    return Section(
        "Forgetting", f"{opening(sentence)}.", figure, [table], findings=list(findings(results)),
        answers={"changes": sentence},
    )  # fmt: skip


def loss_gained(runs: list[Result], text: str) -> Difference:
    """Of one run there is no interval."""
    before, after = zip(*(run["masked_lm_loss"][text] for run in runs), strict=True)
    mean, half = paired_difference(after, before) if len(runs) > 1 else (after[0] - before[0], 0.0)
    return Difference(mean, half, len(runs))


def findings(results: list[Result]) -> Iterator[Finding]:
    for start in pretrained_starts(results):
        full, lora = matched(results, start)
        if full and all("masked_lm_loss" in run for run in full):
            gained = [[after - before for before, after in losses(runs)] for runs in (full, lora)]
            yield Finding(
                "LoRA forgets less than full fine-tuning", "Biderman et al. 2024, arXiv 2405.09673",
                "masked-language-model loss gained on general text in full fine-tuning less in LoRA, from "
                f"{START_NAMES[start]} at {full[0]['labels']} labels",
                *paired_difference(*gained), len(full),
            )  # fmt: skip


def losses(runs: list[Result]) -> list[list[float]]:
    return [run["masked_lm_loss"]["general"] for run in runs]


QUESTION = Question(LABELS, forgetting)
