"""Labels that are numbers, for regression: read with their rows, and told from classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..run.errors import UserError
from .columns import complain, find_column, plain
from .files import Table

IGNORED = -100.0  # what transformers takes for a row without a label
MOST_CLASSES = 20  # of decimal numbers: "0.5" may be a class, two hundred of its kind are scores
FEWEST_ROWS = 40  # of fewer, half may well be classes of their own


def read_numbers(tables: dict[str, Table], label_column: str) -> dict[str, list[float]]:
    """Of each split a finite number a row. Raises `UserError` with the row of one that is none."""
    numbers = {}
    for split, table in tables.items():
        cells = [as_number(cell) for cell in find_column(table, label_column, "--label_column")]
        complain(table, label_column, [not math.isfinite(number) for number in cells], "is not a number")
        ignored = [number == IGNORED for number in cells]
        complain(table, label_column, ignored, "is -100, which stands for a missing label: shift the numbers")
        numbers[split] = cells
    if "train" in tables and len(set(numbers["train"])) < 2:
        raise UserError(f"--label_column {label_column}: {tables['train'].name} has one number only")
    return numbers


def as_number(cell: Any) -> float:
    """NaN for what is none."""
    try:
        return math.nan if isinstance(cell, (bool, list, dict)) else float(plain(cell))
    except ValueError:
        return math.nan


def refuse_scores(labels: Sequence[str] | Sequence[list[str]], label_column: str, name: str) -> None:
    """A class a row, or nearly so, is a score, an id or a text that was taken for a label."""
    if isinstance(labels[0], list):
        return
    distinct = set(labels)
    decimals = [label for label in distinct if math.isfinite(as_number(label)) and not as_number(label).is_integer()]
    if len(distinct) > MOST_CLASSES and len(decimals) > len(distinct) / 2:
        raise UserError(
            f"--label_column {label_column}: {name} has {len(distinct):,} different decimal numbers in {len(labels):,} "
            "rows: add --problem_type regression, or name a column of classes"
        )
    if len(labels) >= FEWEST_ROWS and len(distinct) > len(labels) / 2:
        raise UserError(
            f"--label_column {label_column}: {name} has {len(distinct):,} different labels in {len(labels):,} rows, "
            f"such as {min(distinct)[:30]!r}: name a column of classes, or add --problem_type regression"
        )
