"""A user's csv, tsv, jsonl, json, parquet or txt file -> its columns, where every mistake names its file and row."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pyarrow
import pyarrow.parquet

from .errors import UserError

Row = dict[str, Any]


@dataclass
class Table:
    """Rows as read. `numbers` says where each stands in `name`, for messages.

    In csv and tsv the header is row 1, as a spreadsheet shows it, however many lines a quoted cell takes; in jsonl and
    txt a row's number is its line's; elsewhere the first row is 1; in a stream it is a place ("at byte 1,024").
    """

    name: str
    columns: dict[str, list[Any]]
    numbers: Sequence[int | str]


def read_table(path: str, encoding: str, text_columns: list[str], argument: str) -> Table:
    """The whole of a file, column by column; a cell that a row of jsonl or json has not is None."""
    rows = dict(iterate_rows(path, encoding, text_columns, argument))
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return Table(Path(path).name, {name: [row.get(name) for row in rows.values()] for name in names}, list(rows))


def iterate_rows(path: str, encoding: str, text_columns: list[str], argument: str) -> Iterator[tuple[int, Row]]:
    """The rows of a file and their numbers (as in `Table`), one at a time, so that it may be larger than memory.

    (json alone is read whole: it has no rows that stand apart.)
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{argument} {path}: there is no such file")
    suffix = file.suffix.lower()
    if suffix not in READERS:
        raise UserError(f"{argument} {path}: must be csv, tsv, jsonl, json, parquet or txt")
    if suffix == ".txt" and len(text_columns) != 1:
        raise UserError(f"{argument} {path}: a txt file has one column, --text_columns names {len(text_columns)}")
    number = None
    for number, row in READERS[suffix](file, encoding):
        yield number, {text_columns[0]: row} if suffix == ".txt" else row
    if number is None:
        raise UserError(f"{argument} {path}: the file has no rows")


@contextmanager
def decoded(file: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, read as it is asked for; what is not in `encoding` is an error that names byte and line."""
    try:
        # A byte-order mark, which Windows programs write, is no part of the first column's name.
        name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        with file.open(encoding=name, newline="") as text:
            yield text
    except LookupError as error:
        raise UserError(f"--encoding {encoding}: no such encoding; common ones are utf-8, gb18030, utf-16") from error
    except UnicodeError as error:
        content = file.read_bytes()
        start = first_undecodable_byte(content, name)
        line = content.count(b"\n", 0, start) + 1
        raise UserError(
            f"{file.name} is not {encoding} (byte {start}, line {line}): {encoding_advice(content)}"
        ) from error


def first_undecodable_byte(content: bytes, encoding: str) -> int:
    """Where it is in the file: a reader's own error counts from the start of its buffer."""
    try:
        content.decode(encoding)
    except UnicodeError as error:
        return getattr(error, "start", 0)  # utf-16 without its mark has none
    return 0


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


def read_txt(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank."""
    with decoded(file, encoding) as text:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield number, line.strip()


def read_csv(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    # pandas pads a short row and takes a longer one's first cell for an index: the csv module lets us name the row.
    csv.field_size_limit(2**31 - 1)
    header = None
    with decoded(file, encoding) as text:
        for number, cells in csv_rows(file, text):
            if header is None:
                header, width = names_of(cells, file.name), len(cells)
            elif len(cells) not in (len(header), width) or any(cell.strip() for cell in cells[len(header) :]):
                raise UserError(
                    f"row {number} of {file.name} has {len(cells)} cells, the header has {len(header)}: "
                    "put quotes around a cell that holds the separator"
                )
            else:
                yield number, dict(zip(header, cells, strict=False))


def csv_rows(file: Path, text: TextIO) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        reader = csv.reader(text, delimiter="\t" if file.suffix.lower() == ".tsv" else ",", strict=True)
        for number, cells in enumerate(reader, 1):
            if cells:
                yield number, cells
    except csv.Error as error:
        raise UserError(
            f"row {number + 1} of {file.name} is broken: {error}; a quote in a quoted cell is doubled"
        ) from error


def names_of(header: list[str], name: str) -> list[str]:
    """The column names; spreadsheets leave columns behind at the end that have neither a name nor a cell."""
    header = [column.strip() for column in header]
    while header and not header[-1]:
        header.pop()
    if repeated := [column for column in header if header.count(column) > 1]:
        raise UserError(f"{name} has two columns named {repeated[0]!r}: rename one")
    return header


def read_jsonl(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    for number, line in read_txt(file, encoding):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"line {number} of {file.name} is not JSON: {error.msg} at character {error.pos + 1}"
            ) from error
        yield number, check_record(file.name, number, record)


def read_json(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    with decoded(file, encoding) as text:
        try:
            content = json.loads(text.read().strip() or "[]")
        except json.JSONDecodeError as error:
            advice = "; one record a line is a .jsonl file" if error.msg == "Extra data" else ""
            raise UserError(f"{file.name} is not JSON: {error.msg} at line {error.lineno}{advice}") from error
    if isinstance(content, list):
        for number, record in enumerate(content, 1):
            yield number, check_record(file.name, number, record)
        return
    # What pandas writes: {"text": {"0": ..., "1": ...}, "label": {...}}, or lists in place of the inner ones.
    columns = content.items() if isinstance(content, dict) else []
    columns = {column: list(cells.values()) if isinstance(cells, dict) else cells for column, cells in columns}
    if not all(isinstance(cells, list) for cells in columns.values()) or len(set(map(len, columns.values()))) != 1:
        raise UserError(f"{file.name} must be a list of records, or an object with one list a column, all as long")
    for number, cells in enumerate(zip(*columns.values(), strict=True), 1):
        yield number, dict(zip(columns, cells, strict=True))


def read_parquet(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            rows = itertools.chain.from_iterable(batch.to_pylist() for batch in parquet.iter_batches(1000))
            yield from enumerate(rows, 1)
    except pyarrow.ArrowException as error:
        raise UserError(f"{file.name} is not a parquet file ({first_line(error)})") from error


def check_record(name: str, number: int | str, record: Any) -> Row:
    if not isinstance(record, dict):
        raise UserError(f'row {number} of {name} is not a record such as {{"text": "...", "label": "..."}}')
    return record


READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, Any]]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
    ".txt": read_txt,
}


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
