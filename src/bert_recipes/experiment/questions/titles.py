"""What does a title add to its text?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
from datasets import Dataset, DatasetDict

from ...run.errors import UserError
from ...run.tables import Table
from ...text.builtin_corpora import drop_leaks
from ..charts import difference_chart
from ..comparing import MAJORITY, asking, distinct, majorities, of, rows_told_right
from ..folds import FOLDS, Splits, contiguous_folds, drop_repeats, label_set, shuffled_within, write_splits
from ..intervals import Interval, paired_bootstrap
from ..page import Section
from ..question import Plan, Question
from ..recipe_flags import titles_run
from ..runs import Result, Run, with_seed
from ..score_tables import collapses_in_words
from ..setting import Setting

SHUFFLED = " (shuffled)"  # behind the columns' names: titles of other rows


def plan_titles(setting: Setting) -> list[Run]:
    """Title alone, text alone, the pair, and the pair with titles of other rows (the control): five contiguous folds,
    so that every row is a test row once."""
    title, text = setting.title_and_text
    runs = []
    for (number, fold), shuffled in itertools.product(enumerate(folds(setting)), (False, True)):
        files = fold_data(setting, number, shuffled_within(fold, title) if shuffled else fold, shuffled)
        for columns in [[title, text]] if shuffled else [[title], [text], [title, text]]:
            name = ",".join(columns) + (SHUFFLED if shuffled else "")
            run = titles_run(setting, "titles", "base", files, columns)
            runs.append(with_seed(replace(run, columns=name, fold=number), 0))
    return runs


def fold_data(setting: Setting, number: int, splits: Splits, shuffled: bool) -> dict[str, Path]:
    corpus = DatasetDict({split: Dataset.from_pandas(part, preserve_index=False) for split, part in splits.items()})
    return write_splits(corpus, setting.folder / "data" / f"fold{number}{'_shuffled' if shuffled else ''}")


def folds(setting: Setting) -> list[Splits]:
    rows = pandas.concat([part.to_pandas() for part in setting.titles_corpus.values()], ignore_index=True)
    newspaper = setting.titles_args.dataset_name == "peoples_daily_titles"
    return contiguous_folds(rows, drop_leaks if newspaper else drop_repeats)


def check_folds(setting: Setting) -> None:
    """A file that is sorted by its labels has folds without one of them."""
    labels = label_set(label for part in setting.titles_corpus.values() for label in part["label"])
    for number, fold in enumerate(folds(setting), start=1):
        missing = labels - label_set(fold["train"]["label"])
        if missing:
            raise UserError(
                f"--experiments titles: of {FOLDS} folds of the rows in their order, number {number} has no "
                f"training row of label {min(missing)!r}: shuffle the file's rows, or leave titles out"
            )


def titles(results: list[Result], rows: int) -> Section | None:
    """Of folds that all ways of reading the rows have."""
    runs = asking(results, "titles")
    by_columns = {columns: of(runs, columns=columns) for columns in distinct(runs, "columns")}
    folds = [{run["fold"] for run in of_columns} for of_columns in by_columns.values()]
    if len(by_columns) < 4 or not set.intersection(*folds):
        return None
    shared = set.intersection(*folds)
    by_columns = {name: [run for run in of_name if run["fold"] in shared] for name, of_name in by_columns.items()}
    right = {columns: rows_told_right(of_columns) for columns, of_columns in by_columns.items()}
    pair = next(columns for columns in right if "," in columns and not columns.endswith(SHUFFLED))
    title, text = pair.split(",")
    shuffled = pair + SHUFFLED
    gains: dict[str, Interval] = {
        f"{after} less {before}": paired_bootstrap(right[after], right[before])
        for after, before in ((pair, text), (pair, title), (pair, shuffled), (shuffled, text))
    }
    figure = difference_chart({"": {"": gains}}, "Title and text", "difference in test accuracy")
    sentence = gain_in_words(title, text, gains[f"{pair} less {text}"])
    tables = [table_of_accuracies(right, by_columns[text]), table_of_rows(gains, len(right[pair]), len(shared))]
    return Section("Title and text", sentence, figure, tables, collapses_in_words(runs))


def gain_in_words(title: str, text: str, gain: Interval) -> str:
    mean, low, high = gain
    said = f"({mean:+.4f}, 95 % interval {low:+.4f} to {high:+.4f})"
    if low <= 0 <= high:
        return f"Columns {title} and {text} against {text} alone: no difference was measured in test accuracy {said}."
    verb = "rises" if mean > 0 else "falls"
    return f"Columns {title} and {text} against {text} alone: test accuracy {verb} {said}."


def table_of_accuracies(right: dict[str, np.ndarray], runs: list[Result]) -> Table:
    """`runs` are those of one way of reading the rows: the majority class is the same in all."""
    table = [["columns", "test accuracy", "95 % interval"]]
    for name, values in right.items():
        mean, low, high = paired_bootstrap(values, np.zeros(len(values)))
        table.append([name, f"{mean:.4f}", f"{low:.4f} to {high:.4f}"])
    if shares := majorities(runs):
        share = float(np.average(shares, weights=[len(run["rows_told_right"]) for run in runs]))
        table.append([MAJORITY, f"{share:.4f}", "–"])
    return table


def table_of_rows(gains: dict[str, Interval], rows: int, folds: int) -> Table:
    table = [["difference in test accuracy", f"mean of {rows:,} rows, {folds} folds", "95 % interval"]]
    return table + [[name, f"{mean:+.4f}", f"{low:+.4f} to {high:+.4f}"] for name, (mean, low, high) in gains.items()]


QUESTION = Question(Plan("titles", plan_titles, check=check_folds, text="titles"), titles)
