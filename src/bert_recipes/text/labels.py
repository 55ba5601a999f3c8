"""Label cells -> a name a row, or a list of names, in whichever way a file writes them down
(numbers: `encoding.label_vector`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..arguments.columns import split_names
from ..arguments.data import LabelledDataArguments
from ..arguments.predict import PredictArguments
from ..run.errors import UserError, tell
from .columns import complain, find_column, plain
from .files import Table
from .lines import read_lines
from .numbers import refuse_scores
from .printed_lists import lacks_commas, printed_list

ZERO_OR_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}

Labels = list[str] | list[list[str]]


def read_labels(
    tables: dict[str, Table], label_column: str, separator: str | None = None, names: Sequence[str] = ()
) -> dict[str, Labels]:
    """Of each split a string a row, or a list of strings, which may be empty.

    Lists are cells that hold one, that print one (`['a', 'b']`, as pandas does in a csv), or that `separator` cuts. A
    0 or 1 for each class, in a list a row or in a column a class (`label_column` "a,b,c"), becomes the list of those
    with a 1. `names` are those of the classes 0, 1, 2 …; labels that are names already stay as they are. The first
    split decides which of these it is, and the others must be alike.
    """
    first = next(iter(tables))
    if columns := label_columns(tables[first], label_column):
        return {split: ones_of_columns(table, columns) for split, table in tables.items()}
    cells = {split: unpack(table, label_column, separator) for split, table in tables.items()}
    if separator and all(len(cell) < 2 for cell in cells[first]):
        name = tables[first].name
        tell(f"{name}: no cell of column {label_column!r} holds the separator {separator!r}: each is one label")
    if separator and any(names_twice(cell) for of_split in cells.values() for cell in of_split):
        cells = {split: list(map(zeros_and_ones, of_split)) for split, of_split in cells.items()}
    if width := zero_one_width(cells[first]):
        names = names_of_positions(tables[first], label_column, width, names)
        return {split: ones(table, label_column, cells[split], names) for split, table in tables.items()}
    multi_label = any(isinstance(cell, list) for cell in cells[first])
    check = check_lists if multi_label else check_names
    labels = {split: check(table, label_column, cells[split]) for split, table in tables.items()}
    if names:
        known = numbers_or_names(tables[first], label_column, labels[first], names)
        labels = {split: renamed(table, label_column, labels[split], known) for split, table in tables.items()}
    return labels


def label_columns(table: Table, label_column: str) -> list[str]:
    """The columns that `label_column` lists; none where it names one."""
    names = split_names(label_column)
    return names if len(names) > 1 and label_column not in table.columns else []


def given_label_names(args: LabelledDataArguments | PredictArguments) -> list[str]:
    """The names of the classes 0, 1, 2 … that the user gave, if any."""
    if not args.label_names_file:
        return split_names(args.label_names or "")
    path = Path(args.label_names_file)
    if not path.is_file():
        raise UserError(f"--label_names_file {path}: there is no such file")
    names: list[str] = []
    for number, line in enumerate(read_lines(path, args.encoding), 1):
        name = line.strip()
        if "\t" in name or (name and name in names):
            raise UserError(f"line {number} of {path.name}: {name!r} is not one new name: write a name a line")
        if name and len(names) < number - 1:
            raise UserError(
                f"line {len(names) + 1} of {path.name} is empty: the names behind it would move up a number"
            )
        names += [name] if name else []
    if not names:
        raise UserError(f"--label_names_file {path}: the file has no names")
    return names


def label_names(labels: Iterable[str] | Iterable[list[str]], order: Sequence[str] = ()) -> list[str]:
    """The distinct labels in the order of their ids: as in `order` where all are there, else as numbers where all are
    ("2" before "10"), else as text."""
    distinct = {name for label in labels for name in as_list(label)}
    if distinct <= set(order):
        return [name for name in order if name in distinct]
    try:
        return sorted(sorted(distinct), key=float)
    except ValueError:
        return sorted(distinct)


def as_list(label: str | list[str] | float) -> list[str]:
    return label if isinstance(label, list) else [str(label)]


def check_labels(
    tables: dict[str, Table], labels: dict[str, Labels], label_column: str, names: Sequence[str] = ()
) -> None:
    """Training has labels to tell apart, and the other splits have none but these."""
    train = tables["train"].name
    known = set(label_names(labels["train"]))
    if len(known) < (1 if isinstance(labels["train"][0], list) else 2):
        found = f"one label only, {min(known)!r}" if known else "no label at all"
        raise UserError(f"--label_column {label_column}: {train} has {found}")
    refuse_scores(labels["train"], label_column, train)
    if absent := [name for name in names or label_columns(tables["train"], label_column) if name not in known]:
        tell(f"{train}: no row has the label {', '.join(absent)}: the model does not learn it")
    for split, table in tables.items():
        for number, label in zip(table.numbers, labels[split], strict=True):
            for name in as_list(label):
                if name not in known:
                    raise UserError(
                        f"row {number} of {table.name}: column {label_column!r} has the label {name!r}, "
                        f"which {train} never has: correct it, or add training rows"
                    )


# --- cells ---


def check_names(table: Table, column: str, cells: list[Any]) -> list[str]:
    odd = [isinstance(cell, (list, dict)) for cell in cells]
    complain(table, column, odd, "holds something else than a name or number")
    labels = [plain(cell).strip() for cell in cells]
    complain(table, column, [not label for label in labels], "is empty: remove such rows, or label them")
    return labels


def check_lists(table: Table, column: str, cells: list[Any]) -> list[list[str]]:
    complain(table, column, [not isinstance(cell, list) for cell in cells], "isn't a list, as the others are")
    odd = [any(isinstance(part, (list, dict, bytes)) for part in cell) for cell in cells]
    complain(table, column, odd, "holds something else than names or numbers")
    shares = [any(isinstance(part, float) and part % 1 > 0 for part in cell) for cell in cells]
    complain(table, column, shares, "holds a share: a label is there or it is not, so write names, or a 0 or 1 a class")
    numbers = [[part for part in cell if isinstance(part, (int, float))] for cell in cells]
    twice = [len(set(cell)) < len(cell) for cell in numbers]
    complain(table, column, twice, "has a number twice: a 0 or 1 a class needs lists of one length, and one 0 at least")
    return [list(dict.fromkeys(name for part in cell if (name := plain(part).strip()))) for cell in cells]


def unpack(table: Table, column: str, separator: str | None) -> list[Any]:
    """The cells, with lists for those that print one, or that the separator cuts."""
    cells = find_column(table, column, "--label_column")
    complain(table, column, [isinstance(cell, bytes) for cell in cells], "holds bytes: save the column as strings")
    lists = [cell if isinstance(cell, list) else printed_list(cell) for cell in cells]
    complain(
        table, column, [lacks_commas(cell) for cell in cells], "holds a list without commas between, as numpy prints it"
    )
    if any(cell is not None and isinstance(cells[row], str) for row, cell in enumerate(lists)):
        complain(table, column, [cell is None for cell in lists], "isn't a list, as the others are")
        example = next(cell for cell in cells if isinstance(cell, str))
        tell(f"{table.name}: column {column!r} is read as lists of labels, such as {example[:60]}")
        return lists
    if separator:
        return [cell if isinstance(cell, list) else plain(cell).split(separator) for cell in cells]
    return cells


# --- a 0 or 1 a class ---


def zero_one_width(cells: list[Any]) -> int:
    """How many classes, where each cell is a list with a 0 or 1 for each; 0 where the cells are something else."""
    widths = {len(cell) if isinstance(cell, list) else 0 for cell in cells}
    values = [part for cell in cells if isinstance(cell, list) for part in cell]
    alike = len(widths) == 1 and all(map(is_zero_or_one, values)) and 0 in values
    return max(widths) if alike and max(widths) > 1 else 0


def is_zero_or_one(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) and value in (0, 1)


def names_twice(cell: Any) -> bool:
    """No list names a class twice: zeros and ones that stand there twice are a 0 or 1 for each class."""
    return is_of_zeros_and_ones(cell) and len(set(cell)) < len(cell)


def zeros_and_ones(cell: Any) -> Any:
    """Numbers for the strings "0" and "1" of a list that has no others."""
    return list(map(int, cell)) if is_of_zeros_and_ones(cell) else cell


def is_of_zeros_and_ones(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(part, str) and part.strip() in ("0", "1") for part in cell)


def names_of_positions(table: Table, column: str, width: int, names: Sequence[str]) -> Sequence[str]:
    if names and len(names) != width:
        raise UserError(
            f"--label_names has {len(names)} names, the lists in column {column!r} of {table.name} have {width} cells"
        )
    names = names or [str(position) for position in range(width)]
    advice = "" if names[0] != "0" else "; --label_names names them"
    tell(f"{table.name}: column {column!r} is read as a 0 or 1 for each class: {', '.join(names)}{advice}")
    return names


def ones(table: Table, column: str, cells: list[Any], names: Sequence[str]) -> list[list[str]]:
    width = len(names)
    odd = [not isinstance(cell, list) or len(cell) != width or not all(map(is_zero_or_one, cell)) for cell in cells]
    complain(table, column, odd, f"isn't a list of {width} zeros and ones")
    return [[name for name, value in zip(names, cell, strict=True) if value] for cell in cells]


def ones_of_columns(table: Table, columns: list[str]) -> list[list[str]]:
    flags = []
    for column in columns:
        values = [
            ZERO_OR_ONE.get(str(plain(cell)).strip().lower()) for cell in find_column(table, column, "--label_column")
        ]
        complain(table, column, [value is None for value in values], "is neither 0 nor 1")
        flags.append(values)
    return [[name for name, value in zip(columns, row, strict=True) if value] for row in zip(*flags, strict=True)]


# --- class numbers ---


def numbers_or_names(table: Table, column: str, labels: Labels, names: Sequence[str]) -> dict[str, str]:
    """What each label stands for: itself where labels are names, else the name of that number."""
    distinct = set(label_names(labels))
    by_number = {str(number): name for number, name in enumerate(names)}
    if distinct <= set(names):
        if distinct <= by_number.keys() and any(by_number[label] != label for label in distinct):
            raise UserError(
                f"--label_column {column}: the labels of {table.name} could be the given names, or their numbers: "
                "give names that are no numbers"
            )
        return {name: name for name in names}
    if distinct <= by_number.keys():
        shown = ", ".join(f"{number} {name}" for number, name in list(by_number.items())[:5])
        tell(f"{table.name}: column {column!r} is read as numbers of classes: {shown}{' …' if len(names) > 5 else ''}")
        return by_number
    return {name: name for name in names} if distinct & set(names) else by_number


def renamed(table: Table, column: str, labels: Labels, known: dict[str, str]) -> Labels:
    odd = [next((name for name in as_list(label) if name not in known), None) for label in labels]
    first = next((name for name in odd if name is not None), None)
    complain(
        table, column, [name is not None for name in odd],
        f"has the label {first!r}, which is neither one of the {len(known)} given names nor a number from 0 to "
        f"{len(known) - 1}",
    )  # fmt: skip
    return [[known[name] for name in label] if isinstance(label, list) else known[label] for label in labels]
