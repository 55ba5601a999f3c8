"""What does next-sentence prediction add to masked tokens in pretraining?"""

from __future__ import annotations

from ...models.masked_lm import class_for
from ...models.pretrained import load_config
from ...run.errors import UserError
from ..charts import difference_chart
from ..comparing import (
    MAJORITY,
    accuracies,
    asking,
    difference_of,
    distinct,
    in_words,
    interval,
    majorities,
    of,
)
from ..page import Section
from ..question import Plan, Question
from ..recipe_flags import pretraining_run, titles_run
from ..runs import Result, Run, with_seed
from ..score_tables import collapses_in_words
from ..setting import Setting


def plan_next_sentence(setting: Setting) -> list[Run]:
    """The same passes of continued pretraining over titles and texts with masked tokens alone and with next-sentence
    prediction too, then fine-tuned on the pairs."""
    starts, runs = [pretraining_run(setting, nsp) for nsp in (False, True)], []
    for start in starts:
        run = titles_run(setting, "nsp", start.method, setting.titles_data(), setting.title_and_text, start)
        runs += [with_seed(run, seed) for seed in range(setting.args.num_seeds)]
    return starts + runs


def check_next_sentence(setting: Setting) -> None:
    try:
        class_for(load_config(setting.model_args), nsp=True)
    except UserError as error:
        raise UserError(f"{error}: leave nsp out of --experiments") from error


def next_sentence(results: list[Result], rows: int) -> Section | None:
    runs = asking(results, "nsp")
    gain = difference_of(runs, {"start": "mlm"}, {"start": "mlm+nsp"})
    if not gain:
        return None
    said = in_words(gain.mean, gain.half, "test accuracy")
    sentence = f"With next-sentence prediction beside masked tokens: {said}."
    row = "with next-sentence prediction less without"
    figure = difference_chart({"": {"": {row: gain.ends}}}, "Next-sentence prediction", "difference in test accuracy")
    scores = {start: accuracies(runs, start=start) for start in distinct(runs, "start")}
    table = [["pretraining", "test accuracy"], *([name, interval(values)] for name, values in scores.items())]
    table += [[MAJORITY, interval(shares)] for shares in [majorities(runs)] if shares]
    table += [["difference", f"{gain.mean:+.4f} ± {gain.half:.4f} (n = {gain.pairs} seeds of fine-tuning)"]]
    table += [
        ["next-sentence accuracy in pretraining", f"{run['nsp_accuracy']:.4f} (validation pairs, one run)"]
        for run in of(results, experiment="pretraining", method="mlm+nsp")
    ]
    limit = "One pretraining of each kind: the interval does not cover how two pretrainings differ."
    return Section("Next-sentence prediction", sentence, figure, [table], [limit, *collapses_in_words(runs)])


QUESTION = Question(Plan("nsp", plan_next_sentence, check=check_next_sentence, text="titles"), next_sentence)
