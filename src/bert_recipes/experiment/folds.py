"""Labelled rows in contiguous folds, so that every row is a test row once; titles of other rows, as a control; splits
as files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas
from datasets import DatasetDict

from ..run.whole_files import whole_file

FOLDS = 5

Splits = dict[str, pandas.DataFrame]


def drop_repeats(splits: Splits) -> Splits:
    """Without the validation rows that stand in the test split, and the training rows that stand in either."""
    seen, kept = pandas.Index([]), {}
    for split in ("test", "validation", "train"):
        rows = splits[split]
        keys = pandas.Index(rows.drop(columns="label").agg("\n".join, axis=1))
        kept[split] = rows[~keys.isin(seen)]
        seen = seen.append(keys)
    return {split: kept[split] for split in ("train", "validation", "test")}


def contiguous_folds(rows: pandas.DataFrame, drop: Callable[[Splits], Splits] = drop_repeats) -> list[Splits]:
    """All rows in their order, cut into tenths: two are the test split, the next one (behind the last the first) is
    validation, the others train, but for what `drop` takes away: rows that stand in validation or test, too."""
    tenths = [rows.iloc[part] for part in np.array_split(np.arange(len(rows)), 2 * FOLDS)]
    folds = []
    for fold in range(FOLDS):
        numbers = {"test": [2 * fold, 2 * fold + 1], "validation": [(2 * fold + 2) % (2 * FOLDS)]}
        numbers["train"] = sorted(set(range(2 * FOLDS)) - {*numbers["test"], *numbers["validation"]})
        folds.append(drop({split: pandas.concat([tenths[i] for i in parts]) for split, parts in numbers.items()}))
    return folds


def shuffled_within(splits: Splits, column: str) -> Splits:
    """Each row has another row's value in `column`, of its own split."""
    return {split: rows.assign(**{column: another_row(rows[column])}) for split, rows in splits.items()}


def another_row(column: pandas.Series) -> np.ndarray:
    """The values in random order, each moved on by one from there, so that of two or more rows none keeps its own."""
    order = np.random.default_rng(0).permutation(len(column))
    moved = np.empty(len(column), dtype=object)
    moved[order] = column.to_numpy()[np.roll(order, 1)]
    return moved


def label_set(labels: Iterable[str | list[str]]) -> set[str]:
    return {label for row in labels for label in ([row] if isinstance(row, str) else row)}


def files_flags(files: dict[str, Path], *splits: str) -> list[str]:
    return [word for split in splits or files for word in (f"--{split}_file", str(files[split]))]


def write_splits(corpus: DatasetDict, folder: Path) -> dict[str, Path]:
    """The checked splits as files: every run reads the same rows, and none cleans them again."""
    files = {split: folder / f"{split}.jsonl" for split in corpus}
    for split, path in files.items():
        if not path.exists():
            with whole_file(path) as part:
                corpus[split].to_json(part, force_ascii=False)
    return files
