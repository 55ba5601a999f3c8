"""A user's csv, tsv, jsonl, json, parquet or txt file -> its columns, where every mistake names its file and row."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from .errors import UserError


@dataclass
class Table:
    """Rows as read. `numbers` says where each stands in `name`, for messages.

    In csv and tsv the header is row 1, as a spreadsheet shows it, however many lines a quoted cell takes; in jsonl and
    txt a row's number is its line's; elsewhere the first row is 1.
    """

    name: str
    columns: dict[str, list[Any]]
    numbers: Sequence[int]


def read_table(path: str, encoding: str, text_columns: list[str], argument: str) -> Table:
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{argument} {path}: there is no such file")
    match file.suffix.lower():
        case ".csv" | ".tsv" as suffix:
            table = read_csv(file.name, decode(file, encoding), "," if suffix == ".csv" else "\t")
        case ".jsonl":
            table = read_jsonl(file.name, decode(file, encoding))
        case ".json":
            table = read_json(file.name, decode(file, encoding))
        case ".parquet":
            try:
                columns = pyarrow.parquet.read_table(file).to_pydict()
            except pyarrow.ArrowException as error:
                raise UserError(f"{argument} {path}: not a parquet file ({first_line(error)})") from error
            table = Table(file.name, columns, range(1, 1 + max(map(len, columns.values()), default=0)))
        case ".txt":
            if len(text_columns) != 1:
                raise UserError(
                    f"{argument} {path}: a txt file has one column, --text_columns names {len(text_columns)}"
                )
            lines = numbered_lines(decode(file, encoding))
            table = Table(file.name, {text_columns[0]: list(lines.values())}, list(lines))
        case _:
            raise UserError(f"{argument} {path}: must be csv, tsv, jsonl, json, parquet or txt")
    if not table.numbers:
        raise UserError(f"{argument} {path}: the file has no rows")
    return table


def decode(file: Path, encoding: str) -> str:
    content = file.read_bytes()
    try:
        # A byte-order mark, which Windows programs write, is no part of the first column's name.
        return content.decode("utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding)
    except LookupError as error:
        raise UserError(f"--encoding {encoding}: no such encoding; common ones are utf-8, gb18030, utf-16") from error
    except UnicodeError as error:
        start = getattr(error, "start", 0)  # utf-16 without its mark has none
        line = content.count(b"\n", 0, start) + 1
        raise UserError(
            f"{file.name} is not {encoding} (byte {start}, line {line}): {encoding_advice(content)}"
        ) from error


def encoding_advice(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "try --encoding utf-16"
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
            return f"try --encoding {encoding}"
        except UnicodeDecodeError:
            continue
    return "say with --encoding which it is, or save it as utf-8"


def numbered_lines(text: str) -> dict[int, str]:
    return {number: line.strip() for number, line in enumerate(text.split("\n"), 1) if line.strip()}


def read_csv(name: str, text: str, delimiter: str) -> Table:
    # pandas pads a short row and takes a longer one's first cell for an index: the csv module lets us name the row.
    csv.field_size_limit(2**31 - 1)
    rows: dict[int, list[str]] = {}
    number = 0
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            if row:
                rows[number] = row
    except csv.Error as error:
        raise UserError(
            f"row {number + 1} of {name} is broken: {error}; a quote in a quoted cell is doubled"
        ) from error
    header = [column.strip() for column in rows.pop(min(rows))] if rows else []
    # Spreadsheets leave columns behind that have neither a name nor a cell.
    while header and not header[-1] and all(len(row) < len(header) or not row[-1].strip() for row in rows.values()):
        rows = {number: row[: len(header) - 1] for number, row in rows.items()}
        header.pop()
    if repeated := [column for column in header if header.count(column) > 1]:
        raise UserError(f"{name} has two columns named {repeated[0]!r}: rename one")
    for number, row in rows.items():
        if len(row) != len(header):
            raise UserError(
                f"row {number} of {name} has {len(row)} cells, the header has {len(header)}: "
                "put quotes around a cell that holds the separator"
            )
    return Table(name, {column: [row[i] for row in rows.values()] for i, column in enumerate(header)}, list(rows))


def read_jsonl(name: str, text: str) -> Table:
    records = {}
    for number, line in numbered_lines(text).items():
        try:
            records[number] = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"line {number} of {name} is not JSON: {error.msg} at character {error.pos + 1}") from error
    return from_records(name, records)


def read_json(name: str, text: str) -> Table:
    try:
        content = json.loads(text.strip() or "[]")
    except json.JSONDecodeError as error:
        advice = "; one record a line is a .jsonl file" if error.msg == "Extra data" else ""
        raise UserError(f"{name} is not JSON: {error.msg} at line {error.lineno}{advice}") from error
    if isinstance(content, list):
        return from_records(name, dict(enumerate(content, 1)))
    # What pandas writes: {"text": {"0": ..., "1": ...}, "label": {...}}, or lists in place of the inner ones.
    columns = content.items() if isinstance(content, dict) else []
    columns = {column: list(cells.values()) if isinstance(cells, dict) else cells for column, cells in columns}
    if not all(isinstance(cells, list) for cells in columns.values()) or len(set(map(len, columns.values()))) != 1:
        raise UserError(f"{name} must be a list of records, or an object with one list a column, all as long")
    return Table(name, columns, range(1, 1 + len(next(iter(columns.values())))))


def from_records(name: str, records: dict[int, Any]) -> Table:
    for number, record in records.items():
        if not isinstance(record, dict):
            raise UserError(f'row {number} of {name} is not a record such as {{"text": "...", "label": "..."}}')
    columns = dict.fromkeys(column for record in records.values() for column in record)
    return Table(
        name, {column: [record.get(column) for record in records.values()] for column in columns}, list(records)
    )


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
