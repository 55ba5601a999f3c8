"""Which rows a split has: held out of the training rows, or drawn from more of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import numpy
import pandas
from datasets import Dataset, DatasetDict

from ..arguments.data import LabelledDataArguments
from ..arguments.ner import NerDataArguments
from ..run.errors import UserError, tell
from .builtin_corpora import SOURCES
from .labels import as_list
from .packaged_text import normalise

HELD_OUT_SEED = 0  # not the training seed: two runs are compared on the same held-out rows


def texts_as_one(rows: Dataset, text_columns: list[str]) -> list[str]:
    return [
        "\n".join(map(normalise, texts)) for texts in zip(*(rows[column][:] for column in text_columns), strict=True)
    ]


def choose_rows(
    splits: dict[str, Dataset],
    data_args: LabelledDataArguments | NerDataArguments,
    name: str,
    text_columns: list[str],
    seed: int,
) -> DatasetDict:
    """Train, validation and test, of at most as many rows as the arguments allow: what is not given is held out of the
    training rows, a tenth each (`hold_out`). `name` is theirs, for messages."""
    if data_args.dataset_name not in SOURCES:
        splits = hold_out(splits, name, text_columns)
    chosen = {"train": splits["train"]}
    if data_args.max_train_samples and data_args.max_train_samples < len(splits["train"]):
        chosen["train"] = draw(splits["train"], data_args.max_train_samples, seed)
    for split, limit in (("validation", data_args.max_eval_samples), ("test", data_args.max_test_samples)):
        few = limit and limit < len(splits[split])
        chosen[split] = draw_evenly(splits[split], limit) if few else splits[split]
    return DatasetDict(chosen)


def hold_out(splits: dict[str, Dataset], name: str, text_columns: list[str]) -> dict[str, Dataset]:
    """Fill in validation and test with a tenth of the training rows each, evenly over the labels, in their order.

    Rows with the same text stay together; of a pair, rows with the same longer text, such as a review that is asked
    about several aspects. The first text of each label, in a random order, stays in training, so that no label is lost
    to it.
    """
    missing = [split for split in ("validation", "test") if split not in splits]
    if not missing:
        return splits
    train = splits["train"]
    labels = names_to_share(train)
    same_text: dict[str, list[int]] = {}
    for row, text in enumerate(texts_as_one(train, columns_that_tell_apart(train, text_columns))):
        same_text.setdefault(text, []).append(row)
    groups = list(same_text.values())
    random.Random(HELD_OUT_SEED).shuffle(groups)

    known: set[str] = set()
    spare = []
    for group in groups:
        names = {label for row in group for label in labels[row]}
        if names - known or not known:
            known |= names
        else:
            spare.append((sorted(names), group))
    size = min(max(1, len(groups) // 10), len(spare) // len(missing))
    if not size:
        raise UserError(
            f"{name}: too few different texts to hold some out for {' and '.join(missing)}; add rows, or give the files"
        )
    # Sorted by label (a stable sort), rows at even distances are a tenth of every label.
    spare.sort(key=lambda item: item[0])
    chosen = [spare[i][1] for i in numpy.linspace(0, len(spare) - 1, size * len(missing)).round().astype(int)]
    held_out = dict(splits)
    for part, split in enumerate(missing):
        held_out[split] = train.select(sorted(row for group in chosen[part :: len(missing)] for row in group))
    taken = {row for group in chosen for row in group}
    held_out["train"] = train.select([row for row in range(len(train)) if row not in taken])
    return held_out


def columns_that_tell_apart(rows: Dataset, text_columns: list[str]) -> list[str]:
    """Of a pair the column with most text in it; both, where one of its texts, such as a prompt, has more than a tenth
    of the rows."""
    longest = max(text_columns, key=lambda column: sum(map(len, rows[column][:])))
    counts = pandas.Series(rows[longest][:]).value_counts()
    if len(text_columns) == 1 or counts.iloc[0] <= max(1, len(rows) // 10):
        return [longest]
    tell(
        f"{counts.iloc[0]:,} rows have the same text in column {longest!r}, {counts.index[0][:20]!r}: the splits keep "
        "pairs apart, and not what stands in that column"
    )
    return text_columns


def draw(train: Dataset, size: int, seed: int) -> Dataset:
    """`size` rows at random, among them one of each label: a label that training never sees can't be evaluated."""
    train = train.shuffle(seed=seed)
    labels = names_to_share(train)
    first = first_of_each(labels, range(len(labels)))
    if len(set(first.values())) > size:
        raise UserError(
            f"--max_train_samples {size}: {len(first)} labels need {len(set(first.values()))} rows to have one each"
        )
    chosen = list(dict.fromkeys([*sorted(first.values()), *range(len(train))]))[:size]
    return train.select(sorted(chosen))


def draw_evenly(rows: Dataset, size: int) -> Dataset:
    """`size` of the rows in their order, always the same ones: of each label its share of them, and one row at least
    where `size` is not below the number of labels."""
    labels = names_to_share(rows)
    generator = numpy.random.default_rng(HELD_OUT_SEED)
    kinds, distinct = pandas.factorize(numpy.array(["\n".join(sorted(names)) for names in labels], dtype=object))
    kinds = pandas.Series(kinds)[generator.permutation(len(rows))]
    # The rows of a kind stand at even distances on a line from 0 to 1: a tenth of the line has a tenth of each kind.
    kind = kinds.groupby(kinds)
    places = (kind.cumcount() + generator.random(len(distinct))[kinds]) / kind.transform("size")
    order = places.sort_values(kind="stable").index
    first = sorted(first_of_each(labels, order).values(), key=places.__getitem__)
    return rows.select(sorted(list(dict.fromkeys([*first, *order]))[:size]))


def names_to_share(rows: Dataset) -> list[list[str]]:
    """The labels of each row, of which every split wants its share; of a regression's numbers the tenth they lie in."""
    labels = rows["label"][:]
    if isinstance(labels[0], float):
        labels = pandas.qcut(pandas.Series(labels).rank(method="first"), 10, labels=False).astype(str).tolist()
    return list(map(as_list, labels))


def first_of_each(labels: Sequence[list[str]], order: Iterable[int]) -> dict[str, int]:
    """Of each label the first row in `order` that has it."""
    first: dict[str, int] = {}
    for row in order:
        for name in labels[row]:
            first.setdefault(name, row)
    return first
