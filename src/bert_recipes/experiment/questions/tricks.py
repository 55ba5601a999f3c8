"""Which of the tricks that people reach for pay, beside plain full fine-tuning of as many steps?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...models.mean_pooling import MeanPoolingBertConfig
from ...models.pretrained import load_config
from ...run.errors import UserError, tell
from ...run.tables import Table
from ..charts import difference_chart
from ..comparing import (
    START_NAMES,
    Difference,
    asking,
    difference_of,
    distinct,
    interval,
    joined,
    labels_in_words,
    last_start,
    of,
    the_pretraining,
)
from ..label_grid import Cell, plain_run, plan_with_rates, rate_of, with_seeds
from ..page import Section
from ..question import Question
from ..recipe_flags import classifier_run, pretraining_run
from ..runs import Result, Run
from ..score_tables import collapses_in_words
from ..setting import Setting


@dataclass(frozen=True)
class Trick:
    """`flags` of finetune.py, or of the continued `pretraining`, that a run has beside those of the plain one; `{half}`
    is half of the layers, `{tenth}` a tenth of the steps."""

    name: str  # in results.json
    title: str
    source: str
    flags: str = ""
    pretraining: str = ""
    passes: int = 1  # forward and backward a step, beside the plain run's one
    bert_only: bool = False


TRICKS = (
    Trick("fgm", "FGM", "Miyato et al. 2017, arXiv 1605.07725", "--adversarial fgm", passes=2),
    # It compares two drawings of dropout.
    Trick("r_drop", "R-Drop", "Liang et al. 2021, arXiv 2106.14448", "--r_drop 1.0 --dropout 0.1", passes=2),
    Trick("dropout", "dropout 0.1", "Srivastava et al. 2014, JMLR 15", "--dropout 0.1"),
    Trick(
        "layer_decay", "layer-wise learning rates", "Howard & Ruder 2018, arXiv 1801.06146",
        "--layer_learning_rate_decay 0.9",
    ),
    Trick("smoothing", "label smoothing", "Szegedy et al. 2016, arXiv 1512.00567", "--label_smoothing_factor 0.1"),
    Trick("freezing", "freezing the lower half", "Lee et al. 2019, arXiv 1911.03090", "--freeze_layers {half}"),
    Trick(
        "mean_pooling", "mean pooling", "Reimers & Gurevych 2019, arXiv 1908.10084", "--pooling mean", bert_only=True
    ),
    Trick(
        "averaging", "averaging checkpoints", "Vaswani et al. 2017, arXiv 1706.03762",
        "--average_checkpoints 3 --save_strategy steps --save_steps {tenth}",
    ),
    Trick("warmup", "a longer warm-up", "Mosbach et al. 2021, arXiv 2006.04884", "--warmup_steps 0.2"),
    Trick(
        "top_layer", "re-initialising the top layer", "Zhang et al. 2021, arXiv 2006.05987", "--reinitialize_layers 1"
    ),
    Trick("whole_words", "masking whole words", "Cui et al. 2019, arXiv 1906.08101", pretraining="--whole_word_mask"),
    Trick("mask_30", "masking 30 %", "Wettig et al. 2022, arXiv 2202.08005", pretraining="--mlm_probability 0.3"),
)  # fmt: skip
TITLES = {trick.name: trick.title for trick in TRICKS}
Differences = dict[int | str, dict[str, Difference]]  # number of labels -> name of a trick -> beside the plain run


# --- the runs ---


def check(setting: Setting) -> None:
    if "full" not in setting.args.methods or setting.last_start == "random":
        raise UserError(
            "--experiments tricks is about full fine-tuning of a pretrained start: name them in --methods and --starts"
        )
    model_type = load_config(setting.model_args).model_type
    for trick in TRICKS:
        if not fits_model(trick, setting):
            tell(f"tricks without {trick.title}: it is for BERT, and this model is of type {model_type}")


def cells(setting: Setting) -> list[Cell]:
    return [(setting.last_start, "full", count) for count in setting.counts_among(500, 2000)]


def trick_runs(setting: Setting) -> list[Run]:
    """Each trick and the plain run, which is the label grid's own; those of the continued stage have a pretraining of
    their own, and are left out where no start is continued. So is what is for BERT alone, of another model."""
    continued = setting.last_start == "continued"
    known = [trick for trick in TRICKS if fits_model(trick, setting) and (continued or not trick.pretraining)]
    pretrained = {
        trick: pretraining_run(setting, variant=trick.name, flags=trick.pretraining.split())
        for trick in known
        if trick.pretraining
    }
    half, runs = max(1, load_config(setting.model_args).num_hidden_layers // 2), []
    for cell in cells(setting):
        runs.append(plain_run(setting, cell))
        tenth = max(1, setting.steps(setting.number_of_rows(cell[2])) // 10)
        for trick in known:
            flags = trick.flags.format(half=half, tenth=tenth).split()
            run = classifier_run(setting, "tricks", *cell, rate_of(setting, cell), pretrained.get(trick), flags)
            runs.append(replace(run, variant=trick.name, tokens=run.tokens * trick.passes))
    return [*pretrained.values(), *with_seeds(setting, runs)]


def fits_model(trick: Trick, setting: Setting) -> bool:
    return not trick.bert_only or MeanPoolingBertConfig.fits(load_config(setting.model_args))


# --- the section ---


def tricks(results: list[Result], rows: int) -> Section | None:
    runs = asking(results, "tricks")
    start = last_start(runs)
    found = differences(results, runs, start)
    if not found:
        return None
    series = {
        labels_in_words(count): {TITLES[name]: gain.ends for name, gain in gains.items()}
        for count, gains in found.items()
    }
    figure = difference_chart({"": series}, "Tricks beside the plain run", "difference in test accuracy")
    sentence = verdict_in_words(found) + "."
    return Section(
        "Tricks", f"From {START_NAMES[start]}, {sentence}", figure, [table(results, runs, start, found)],
        notes(results, runs, found), answers={"tricks": verdict_in_words(found)},
    )  # fmt: skip


def differences(results: list[Result], runs: list[Result], start: str | None) -> Differences:
    """In the order of `TRICKS`; of those that share two seeds with the plain run."""
    found: Differences = {}
    for count in distinct(runs, "labels"):
        for trick in TRICKS:
            gain = difference_of(results, plain(start), tricked(start, trick.name), labels=count)
            if gain:
                found.setdefault(count, {})[trick.name] = gain
    return found


def plain(start: str | None) -> dict:
    return {"experiment": "labels", "method": "full", "start": start}


def tricked(start: str | None, name: str) -> dict:
    return {"experiment": "tricks", "start": start, "variant": name}


def verdict_in_words(found: Differences) -> str:
    every = [gain for gains in found.values() for gain in gains.values()]
    none = sum(gain.sign == 0 for gain in every)
    parts = []
    for sign, verb in ((1, "raise"), (-1, "lower")):
        names = tricks_of_sign(found, sign)
        which = joined(names) or "no trick"
        parts.append(f"{which} {verb if len(names) > 1 else f'{verb}s'}")
    counts = joined([f"{count}" if count == "all" else f"{count:,}" for count in found])
    return (
        f"{parts[0]} the test accuracy of full fine-tuning with {counts} labels, {parts[1]} it, and in {none} of "
        f"{len(every)} comparisons no difference was measured"
    )


def tricks_of_sign(found: Differences, sign: int) -> list[str]:
    """Their titles, with the numbers of labels where there are several."""
    named: dict[str, list[str]] = {}
    for count, gains in found.items():
        for name, gain in gains.items():
            if gain.sign == sign:
                named.setdefault(TITLES[name], []).append(labels_in_words(count).removesuffix(" labels"))
    if len(found) == 1:
        return list(named)
    return [f"{title} ({joined(counts)})" for title, counts in named.items()]


def table(results: list[Result], runs: list[Result], start: str | None, found: Differences) -> Table:
    """Differences, and what a run takes: its seconds beside those of the plain run, or of the plain pretraining."""
    lines = [["trick", *(labels_in_words(count) for count in found), "seconds beside the plain run", "source"]]
    scores = ([run["test_accuracy"] for run in of(results, **plain(start), labels=count)] for count in found)
    lines.append(["none: the plain run's test accuracy", *map(interval, scores), "1.00", "–"])
    for trick in TRICKS:
        gains = [found[count].get(trick.name) for count in found]
        if any(gains):
            cells = [f"{gain.mean:+.4f} ± {gain.half:.4f} (n = {gain.pairs})" if gain else "–" for gain in gains]
            lines.append([trick.title, *cells, seconds_in_words(results, runs, start, trick), trick.source])
    return lines


def seconds_in_words(results: list[Result], runs: list[Result], start: str | None, trick: Trick) -> str:
    if trick.pretraining:
        own = of(results, experiment="pretraining", variant=trick.name)
        pairs, said = zip(own, the_pretraining(results), strict=False), "pretraining "
    else:
        others = {(run["labels"], run["seed"]): run for run in of(results, **plain(start))}
        own = of(runs, **tricked(start, trick.name))
        named = [(run, others.get((run["labels"], run["seed"]))) for run in own]
        pairs, said = [(run, other) for run, other in named if other], ""
    ratios = [run["seconds"] / other["seconds"] for run, other in pairs]
    return f"{said}{np.mean(ratios):.2f}" if ratios else "–"


def notes(results: list[Result], runs: list[Result], found: Differences) -> list[str]:
    size = sum(map(len, found.values()))
    said = [
        "Every trick trains at the learning rate that was chosen for the plain run: another one may suit it better."
    ]
    by_chance = round(size / 20)
    said += [f"Of {size} intervals, about {by_chance} would leave out zero by chance."] if by_chance else []
    if any(of(results, experiment="pretraining", variant=trick.name) for trick in TRICKS):
        said.append("One pretraining of each kind: the intervals do not cover how two pretrainings differ.")
    return said + collapses_in_words(runs)


QUESTION = Question(plan_with_rates("tricks", cells, trick_runs, check=check, short=False), tricks)
