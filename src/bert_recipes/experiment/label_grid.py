"""The runs that several questions share: every start, method and number of labels, at the learning rate that validation
likes best."""

from __future__ import annotations

import math
from dataclasses import replace

from ..arguments.split_arguments import RECIPES
from ..models.pretrained import load_config
from ..run.errors import UserError
from ..training.learning_rate import suitable_learning_rate
from .comparing import merit
from .folds import label_set
from .question import Plan
from .recipe_flags import baseline_run, classifier_run, pretraining_run
from .runs import Run, with_seed
from .setting import Setting


def do_labels(setting: Setting) -> None:
    """A run for every start × method × number of labels × seed.

    Each start × method tries its learning rates first, with the first seed and each number of `trial_labels`; the best
    one on the validation split (of equals the one with the lowest loss there) serves the numbers of labels near it.
    """
    setting.do(pretraining(setting))
    for labels in trial_counts(setting):
        tried = trials(setting, labels)
        setting.do(tried)
        chosen = rates(setting, labels)
        for trial in tried:  # the best one is the first seed's run with so many labels: it is not run twice
            if trial.learning_rate == chosen[trial.start, trial.method] and labels in setting.args.label_counts:
                setting.runs.keep(replace(trial, experiment="labels"), setting.runs.result(trial))
    setting.do(labelled_runs(setting))


def plan_labels(setting: Setting) -> list[Run]:
    counts = trial_counts(setting)
    tried = [trial for labels in counts for trial in trials(setting, labels)]
    # The best trial becomes the first seed's run.
    more = [run for run in labelled_runs(setting) if run.seed or run.labels not in counts or run.method == "tfidf"]
    return [*pretraining(setting), *tried, *more]


def pretraining(setting: Setting) -> list[Run]:
    return [pretraining_run(setting)] if "continued" in setting.args.starts else []


def labelled_runs(setting: Setting) -> list[Run]:
    args, runs = setting.args, []
    for count in args.label_counts:
        chosen = rates(setting, nearest_trial(setting, count))
        cells = [classifier_run(setting, "labels", *cell, count, rate) for cell, rate in chosen.items()]
        cells += [baseline_run(setting, count)] if "tfidf" in args.methods else []
        runs += [with_seed(run, seed) for run in cells for seed in range(args.num_seeds)]
    return runs


def trial_counts(setting: Setting) -> list[int]:
    return list(dict.fromkeys(nearest_trial(setting, count) for count in setting.args.label_counts))


def nearest_trial(setting: Setting, count: int | str) -> int:
    """Of `trial_labels` the nearest to a number of labels, by their ratio; all rows, where there are fewer."""
    labels = setting.number_of_rows(count)
    numbers = [setting.number_of_rows(trial) for trial in setting.args.trial_labels]
    return min(numbers, key=lambda number: abs(math.log(number / labels)))


def trials(setting: Setting, labels: int) -> list[Run]:
    methods = [method for method in setting.args.methods if method != "tfidf"]
    return [
        with_seed(classifier_run(setting, "learning_rate", start, method, labels, rate), 0)
        for method in methods
        for start in setting.args.starts
        for rate in rates_to_try(setting, method)
    ]


def rates(setting: Setting, labels: int) -> dict[tuple[str, str], float]:
    """The learning rate of each start and method: with so many labels, the best on the validation split of those that
    were tried; else the first to try."""
    best: dict[tuple[str, str], tuple] = {}
    for trial in trials(setting, labels):
        result, cell = setting.runs.result(trial), (trial.start, trial.method)
        tried = merit(result) if result else (-math.inf,)
        if cell not in best or tried > best[cell][0]:
            best[cell] = tried, trial.learning_rate
    return {cell: rate for cell, (_, rate) in best.items()}


def rates_to_try(setting: Setting, method: str) -> list[float]:
    *_, arguments, factors = RECIPES[method]
    recipe_rate = suitable_learning_rate(arguments, load_config(setting.model_args))
    return [float(f"{factor * recipe_rate:.2g}") for factor in factors]


def check_label_counts(setting: Setting) -> None:
    args, classes = setting.args, len(label_set(setting.corpus["train"]["label"]))
    for name in ("label_counts", "trial_labels"):
        for count in getattr(args, name):
            # A default for trials that is more than there is means all of it.
            most = setting.rows if name in args.given or name == "label_counts" else math.inf
            if count != "all" and not classes <= count <= most:
                raise UserError(
                    f"--{name} {count}: the training split has {setting.rows:,} rows of {classes} labels, and a run "
                    "wants a row of each: name numbers between, or all"
                )


LABELS = Plan("labels", plan_labels, do_labels, check_label_counts)
