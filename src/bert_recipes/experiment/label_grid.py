"""The runs that several questions share: every start, method and number of labels, at the learning rate that validation
likes best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..arguments.split_arguments import RECIPES
from ..models.pretrained import load_config
from ..run.errors import UserError, counted, tell
from ..training.learning_rate import suitable_learning_rate
from .comparing import merit, of
from .folds import label_set
from .question import Plan
from .recipe_flags import baseline_run, classifier_run, pretraining_run
from .runs import OTHER_RATE, TRIALS, Run, with_seed
from .setting import Setting

Cell = tuple[str, str, int | str]  # start, method, number of labels
AT_THE_CHOSEN_RATE = ("labels", "text", "ranks", "tricks")  # experiments whose runs take the rate of their cell


def plan_with_rates(
    name: str,
    cells: Callable[[Setting], Sequence[Cell]],
    runs: Callable[[Setting], list[Run]],
    check: Callable[[Setting], None] = lambda setting: None,
    short: bool = True,
) -> Plan:
    """The plan of `runs` that take the learning rate of `cells`, which trials choose first."""

    def all_trials(setting: Setting) -> list[Run]:
        return [*pretraining(setting, cells(setting)), *trials(setting, cells(setting))]

    def all_runs(setting: Setting) -> list[Run]:
        return [*pretraining(setting, cells(setting)), *runs(setting)]

    def choose(setting: Setting) -> None:
        choose_rates(setting, cells(setting))

    def check_all(setting: Setting) -> None:
        check_label_counts(setting)
        check(setting)

    return Plan(name, all_runs, all_trials, choose, check_all, short=short)


def choose_rates(setting: Setting, cells: Sequence[Cell]) -> None:
    """Of each start × method the best of the learning rates that it has tried, with the first seed and each number of
    `trial_labels`: the best on the validation split (of equals the one with the lowest loss there). It serves the
    numbers of labels near it."""
    tried = trials(setting, cells)
    for cell in cells:
        rate = rate_of(setting, cell)
        leave_other_rates_out(setting, cell, rate)
        for trial in tried:  # the best one is the first seed's run with so many labels: it is not run twice
            if (trial.start, trial.method, trial.labels, trial.learning_rate) == (*cell, rate):
                setting.runs.keep(trial_too(trial), setting.runs.result(trial))


def trial_too(trial: Run) -> Run:
    """The run of the grid that a trial is, where its learning rate is the best."""
    return replace(trial, experiment="labels")


def leave_other_rates_out(setting: Setting, cell: Cell, rate: float) -> None:
    """An experiment that has tried fewer rates goes on: where a new one is better, runs at the former would be
    averaged with it."""
    start, method, labels = cell
    former = [
        run
        for run in of(setting.runs.results, start=start, method=method, labels=labels)
        if run["experiment"] in AT_THE_CHOSEN_RATE and run["learning_rate"] != rate
    ]
    if former:
        setting.runs.set_apart(former)
        tell(
            f"{counted(len(former), 'earlier run')} of {method} from {start} with {labels} labels stand apart in "
            f"{setting.runs.path}, as {OTHER_RATE}: validation likes learning rate {rate:g} best of those tried now"
        )


def pretraining(setting: Setting, cells: Sequence[Cell]) -> list[Run]:
    return [pretraining_run(setting)] if any(start == "continued" for start, *_ in cells) else []


def trials(setting: Setting, cells: Sequence[Cell]) -> list[Run]:
    kinds = dict.fromkeys((nearest_trial(setting, count), method, start) for start, method, count in cells)
    return [
        with_seed(classifier_run(setting, TRIALS, start, method, labels, rate), 0)
        for labels, method, start in kinds
        for rate in rates_to_try(setting, method)
    ]


def rate_of(setting: Setting, cell: Cell) -> float:
    """Of the rates that were tried with about so many labels the best on the validation split; else the first to
    try."""
    tried = trials(setting, [cell])
    results = {trial: result for trial in tried if (result := setting.runs.result(trial))}
    if len(results) == len(tried) and all(result.get("exploded") for result in results.values()):
        start, method, _ = cell
        rates = ", ".join(f"{trial.learning_rate:g}" for trial in tried)
        raise UserError(
            f"{method} from {start}: the loss explodes at each of the learning rates {rates} with "
            f"{tried[0].labels} labels: leave the method or the start out, or try another model"
        )
    return max(results or tried[:1], key=lambda trial: merit(results[trial]) if results else 0).learning_rate


def nearest_trial(setting: Setting, count: int | str) -> int:
    """Of `trial_labels` the nearest to a number of labels, by their ratio; all rows, where there are fewer."""
    labels = setting.number_of_rows(count)
    numbers = [setting.number_of_rows(trial) for trial in setting.args.trial_labels]
    return min(numbers, key=lambda number: abs(math.log(number / labels)))


def rates_to_try(setting: Setting, method: str) -> list[float]:
    *_, arguments, factors = RECIPES[method]
    recipe_rate = suitable_learning_rate(arguments, load_config(setting.model_args))
    return [float(f"{factor * recipe_rate:.2g}") for factor in (factors if setting.args.full else factors[1:-1])]


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
    if {"all", setting.rows} <= set(args.label_counts):
        if "label_counts" not in args.given:
            args.label_counts.remove(setting.rows)
            return
        raise UserError(f"--label_counts {setting.rows} and all are the same rows: leave one of them out")


# --- the grid itself ---


def grid(setting: Setting) -> list[Cell]:
    args = setting.args
    methods = [method for method in args.methods if method != "tfidf"]
    return [(start, method, count) for count in args.label_counts for method in methods for start in args.starts]


def plain_run(setting: Setting, cell: Cell) -> Run:
    return classifier_run(setting, "labels", *cell, rate_of(setting, cell))


def with_seeds(setting: Setting, runs: Sequence[Run]) -> list[Run]:
    return [with_seed(run, seed) for run in runs for seed in range(setting.args.num_seeds)]


def labelled_runs(setting: Setting) -> list[Run]:
    floors = [baseline_run(setting, count) for count in setting.args.label_counts if "tfidf" in setting.args.methods]
    return with_seeds(setting, [*(plain_run(setting, cell) for cell in grid(setting)), *floors])


LABELS = plan_with_rates("labels", grid, labelled_runs)
