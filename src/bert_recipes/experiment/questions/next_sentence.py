"""What next-sentence prediction adds to masked tokens in pretraining."""

from __future__ import annotations

from ...models.models import class_for
from ...models.pretrained import load_config
from ...run.errors import UserError
from ..charts import interval_chart
from ..comparing import (
    MAJORITY,
    accuracies,
    asking,
    difference,
    distinct,
    ends,
    interval,
    majorities,
    mean_or_value,
    of,
    pairs,
)
from ..intervals import paired_difference
from ..page import Section
from ..question import Question, plan_of
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


def what_next_sentences_add(results: list[Result]) -> Section | None:
    runs = asking(results, "nsp")
    scores = {start: accuracies(runs, start=start) for start in distinct(runs, "start")}
    later, former = pairs(runs, {"start": "mlm"}, {"start": "mlm+nsp"})
    if len(later) < 2:
        return None
    gain = difference(*paired_difference(later, former), "test accuracy")
    sentences = [
        f"With next-sentence prediction beside masked tokens: {gain} (n = {len(later)} seeds of fine-tuning, from one "
        "pretraining of each kind: the interval does not cover how two pretrainings differ)."
    ]
    for run in of(results, experiment="pretraining", method="mlm+nsp"):
        sentences.append(f"In pretraining it told {run['nsp_accuracy']:.4f} of the validation pairs right (one run).")
    scores |= {MAJORITY: majorities(runs)} if majorities(runs) else {}
    sentences += collapses_in_words(runs)
    values = {name: ends(*mean_or_value(accuracies)) for name, accuracies in scores.items()}
    table = [["pretraining", "test accuracy"], *([name, interval(accuracies)] for name, accuracies in scores.items())]
    figure = interval_chart(values, "Next-sentence prediction", "test accuracy")
    return Section("What next-sentence prediction adds", sentences, [table], figure)


NEXT_SENTENCE = plan_of("nsp", plan_next_sentence, check=check_next_sentence, text="titles")
QUESTION = Question(NEXT_SENTENCE, what_next_sentences_add)
