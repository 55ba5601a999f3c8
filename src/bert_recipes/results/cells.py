"""A column of a table -> what csv, tsv, jsonl, json or parquet has for it: each cell as it went in, or an error."""

from __future__ import annotations

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


def converted(table: Table, path: Path, schema: pyarrow.Schema | None = None) -> Iterable[tuple[str, Any]]:
    """Each column as the format of `path` has it: strings, values of JSON, or an Arrow array.

    csv and tsv hold text: a gap is an empty cell there, a list or object is JSON, a date or time is ISO 8601; so it is
    in JSON. `schema` has the Arrow types of columns that are no parquet file's own. Raises UserError where the format
    can't hold a column.
    """
    suffix = path.suffix.lower()
    typed = {name: table.arrow[name] for name in table.arrow.column_names} if table.arrow is not None else {}
    for name, cells in table.columns.items():
        try:
            if suffix == ".parquet":
                known = schema is not None and name in schema.names
                kind = schema.field(name).type if known else None
                yield name, typed[name] if name in typed else arrow_column(name, cells, kind)
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


def types_of(table: Table, path: Path, known: pyarrow.Schema | None) -> pyarrow.Schema:
    """The Arrow types of a block's columns, made one with those `known` of the blocks before it."""
    if table.arrow is not None:
        return table.arrow.schema
    schema = known if known is not None else pyarrow.schema([])
    for name, column in converted(table, path):
        try:
            more = pyarrow.schema([(name, column.type)])
            schema = pyarrow.unify_schemas([schema, more], promote_options="permissive")
        except pyarrow.ArrowException as error:
            raise UserError(
                f"--output_file {path}: a .parquet file can't hold column {name!r} of {table.name}: from row "
                f"{table.numbers[0]} on it is {column.type}, before it {schema.field(name).type} (a column has one "
                "type); a .jsonl file can"
            ) from error
    return schema


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


def arrow_column(name: str, cells: Sequence[Any], kind: pyarrow.DataType | None = None) -> pyarrow.Array:
    """A column of one type, equal to the cells: of `kind`, or of what they are."""
    try:
        array = pyarrow.array(cells, kind)
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
