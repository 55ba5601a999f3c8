"""A table as read, with new columns behind its own -> csv, tsv, jsonl, json or parquet: each cell as it went in."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..run.errors import UserError
from ..text.columns import SURROGATE
from ..text.files import Table, first_line


class CannotHold(Exception):
    """A cell that a format has no place for."""


def check_output(table: Table, path: str) -> None:
    """Before a model loads: the new columns have names of their own, and the format of `path` can hold the others."""
    for name in ("prediction", "score"):
        if name in table.columns:
            raise UserError(f"{table.name} has a column {name!r} already: rename or remove it")
    for _ in converted(table, {}, Path(path)):
        pass


def write_file(table: Table, new_columns: dict[str, list], path: Path) -> None:
    """Write the columns of `table` and behind them the new ones, in the format that the file's name says.

    csv and tsv hold text: a gap is an empty cell there, a list or object is JSON, a date or time is ISO 8601; so it is
    in JSON. Raises UserError, as `check_output` does, where a format can't hold a column.
    """
    columns = dict(converted(table, new_columns, path))
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        metadata = table.arrow.schema.metadata if table.arrow is not None else None
        pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)
        return
    rows = zip(*columns.values(), strict=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        match suffix:
            case ".csv" | ".tsv":
                file.writelines(csv_lines([list(columns), *rows], "," if suffix == ".csv" else "\t"))
            case ".jsonl":
                file.writelines(f"{as_line(dict(zip(columns, row, strict=True)))}\n" for row in rows)
            case ".json":
                records = (as_line(dict(zip(columns, row, strict=True))) for row in rows)
                file.write("[\n" + ",\n".join(f"  {record}" for record in records) + "\n]\n")


def converted(table: Table, new_columns: dict[str, list], path: Path) -> Iterable[tuple[str, Any]]:
    """Each column as the format of `path` has it: strings, values of JSON, or an Arrow array."""
    suffix = path.suffix.lower()
    typed = {name: table.arrow[name] for name in table.columns} if table.arrow is not None else {}
    for name, cells in {**table.columns, **new_columns}.items():
        try:
            if suffix == ".parquet":
                yield name, typed[name] if name in typed else arrow_column(name, cells)
            elif suffix in (".csv", ".tsv"):
                refuse_lost_digits(typed.get(name), cells)
                yield name, list(map(as_text, cells))
            elif name in typed:
                refuse_lost_digits(typed[name], cells)
                yield name, list(map(as_json, cells))
            else:
                yield name, cells
        except CannotHold as error:
            kind = f" ({typed[name].type})" if name in typed else ""
            fits = ".parquet" if typed else ".jsonl"
            raise UserError(
                f"--output_file {path}: a {suffix} file can't hold column {name!r}{kind} of {table.name}: {error}; "
                f"a {fits} file can"
            ) from error


def as_text(cell: Any) -> str:
    if isinstance(cell, (list, dict)):
        cell = json.dumps(as_json(cell, finite=False), ensure_ascii=False)
    elif isinstance(cell, (bool, int, float)):
        cell = repr(cell)
    text = "" if cell is None else as_json(cell)
    if SURROGATE.search(text):
        raise CannotHold("it has half of a UTF-16 character")
    if "\0" in text:
        raise CannotHold("it has a NUL character")
    return text


def as_json(cell: Any, finite: bool = True) -> Any:
    """A cell of Arrow as JSON has it; dates, times and decimals are strings, without a digit lost."""
    match cell:
        case None | bool() | int() | str():
            return cell
        case float():
            if finite and not math.isfinite(cell):
                raise CannotHold(f"it has a {cell}, which JSON has not")
            return cell
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case Decimal():
            return str(cell)
        case list():
            return [as_json(part, finite) for part in cell]
        case dict():
            return {name: as_json(part, finite) for name, part in cell.items()}
    raise CannotHold(f"it has values of type {type(cell).__name__}")


def refuse_lost_digits(column: pyarrow.ChunkedArray | None, cells: list[Any]) -> None:
    """Python's times of day end at microseconds: Arrow cuts what stands behind them."""
    is_time = column is not None and pyarrow.types.is_time64(column.type)
    if is_time and pyarrow.chunked_array([cells], column.type) != column:
        raise CannotHold("it has nanoseconds")


def arrow_column(name: str, cells: Sequence[Any]) -> pyarrow.Array:
    """A column of one type, equal to the cells."""
    try:
        array = pyarrow.array(cells)
        pyarrow.parquet.ParquetWriter(io.BytesIO(), pyarrow.schema([(name, array.type)])).close()
    except (pyarrow.ArrowException, OverflowError, UnicodeError) as error:
        raise CannotHold(f"{first_line(error)} (a column has one type)") from error
    row = next((row for row, cell in enumerate(array.to_pylist()) if not same(cell, cells[row])), None)
    if row is not None:
        raise CannotHold(
            f"{str(cells[row])[:60]!r} would become {str(array[row].as_py())[:60]!r} (a column has one type)"
        )
    return array


def same(one: Any, other: Any) -> bool:
    """Equal; not a number is equal to itself, objects have the same names."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return one == other or (one != one and other != other)


def as_line(record: dict[str, Any]) -> str:
    line = json.dumps(record, ensure_ascii=False)
    return json.dumps(record) if SURROGATE.search(line) else line


def csv_lines(rows: Iterable[Sequence[str]], separator: str) -> Iterable[str]:
    """The lines of a csv; all cells of a row are quoted where one holds a carriage return, or tabs in a tsv's lines:
    unquoted neighbours would leave a doubt where the row ends."""
    buffer = io.StringIO(newline="")
    usual = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    quoting = csv.writer(buffer, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        doubtful = any("\r" in cell or (separator in cell and "\n" in cell) for cell in row)
        (quoting if doubtful else usual).writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
