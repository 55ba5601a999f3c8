"""The columns of a table: found by their names, their texts checked, every mistake with its row."""

from __future__ import annotations

import difflib
import math
import re
from typing import Any

from ..run.errors import UserError
from .delimited import looks_like_data
from .files import Table, shortened

SURROGATE = re.compile("[\ud800-\udfff]")  # "\ud83d" in JSON, where an emoji was cut in two: Arrow can't hold it


def find_column(table: Table, column: str, argument: str) -> list[Any]:
    if column not in table.columns:
        raise UserError(f"{argument}: {table.name} has no column {column!r}{advice(table, column)}")
    return table.columns[column]


def advice(table: Table, column: str) -> str:
    names = list(table.columns)
    if table.name.endswith(".txt"):
        return ": a txt file is one text a line; where tabs part its lines, name the columns with --column_names"
    delimited = table.name.endswith((".csv", ".tsv"))
    if delimited and looks_like_data(table.columns):
        return (
            f": its first row, {shortened(names)}, looks like data; if the file has no header, name its {len(names)} "
            "columns with --column_names, else correct the header"
        )
    if delimited and len(names) == 1 and (separator := re.search(r"[;\t,|]", names[0])):
        return f" but {names[0]!r} alone: its cells seem to be parted by {separator[0]!r}, not as its name says"
    near = difflib.get_close_matches(column, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "name one of them"
    header = " (a file without a header needs --column_names)" if delimited else ""
    return f" but {', '.join(map(repr, names))}: {hint}{header}"


def read_texts(table: Table, text_columns: list[str]) -> dict[str, list[str]]:
    texts = {column: [plain(cell) for cell in find_column(table, column, "--text_columns")] for column in text_columns}
    for column, cells in texts.items():
        complain(
            table, column, [isinstance(cell, (list, dict)) for cell in cells], "holds a list or an object, not text"
        )
        complain(table, column, [isinstance(cell, bytes) for cell in cells], "holds bytes: save the column as strings")
        complain(table, column, [not cell.strip() for cell in cells], "is empty: remove such rows, or fill them in")
        complain(table, column, [bool(SURROGATE.search(cell)) for cell in cells], "holds half of a UTF-16 character")
    return texts


def plain(cell: Any) -> Any:
    """A cell as a string: "" where there is none, "1" for 1 and 1.0; lists, objects and bytes as they are, for the
    checks."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell if isinstance(cell, (list, dict, bytes)) else str(cell)


def complain(table: Table, column: str, wrong: list[bool], what: str) -> None:
    if any(wrong):
        seen = f" up to row {table.numbers[-1]}" if table.more else ""
        others = f" ({sum(wrong)} such rows{seen})" if sum(wrong) > 1 else ""
        raise UserError(f"row {table.numbers[wrong.index(True)]} of {table.name}: column {column!r} {what}{others}")
