"""A user's csv, tsv, jsonl, json, parquet or txt file -> its columns, where every mistake names its file and row."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..run.errors import UserError, counted, tell
from .delimited import FIRST_ROWS, looks_like_data, read_delimited, refuse_repeats
from .lines import decoded, read_lines, tell_of_returns

Row = dict[str, Any]


@dataclass
class Table:
    """Rows as read. `numbers` says where each stands in `name`, for messages.

    In csv and tsv the header is row 1, as a spreadsheet shows it, however many lines a quoted cell takes; without a
    header the first row is row 1; in jsonl and txt a row's number is its line's; elsewhere the first row is 1; in a
    stream it is a place ("at byte 1,024"). `arrow` is what a parquet file holds, with its types. `more`: rows of the
    file follow.
    """

    name: str
    columns: dict[str, list[Any]]
    numbers: Sequence[int | str]
    arrow: pyarrow.Table | None = None
    more: bool = False

    def __len__(self) -> int:
        return len(self.numbers)

    def with_columns(self, columns: dict[str, list[Any]]) -> Table:
        """The same rows with more columns behind their own."""
        return replace(self, columns={**self.columns, **columns})

    def take(self, rows: Sequence[int]) -> Table:
        """Those rows (0: the first) in that order; one may come several times."""
        columns = {name: [cells[row] for row in rows] for name, cells in self.columns.items()}
        arrow = self.arrow.take(pyarrow.array(rows, pyarrow.int64())) if self.arrow is not None else None
        return replace(self, columns=columns, numbers=[self.numbers[row] for row in rows], arrow=arrow)


def read_table(
    path: str, encoding: str, text_columns: list[str], argument: str, column_names: Sequence[str] = ()
) -> Table:
    """The whole of a file, column by column; a cell that a row of jsonl or json has not is None."""
    rows = dict(iterate_rows(path, encoding, text_columns, argument, column_names))
    names = dict.fromkeys(name for row in rows.values() for name in row)
    columns = {name: [row.get(name) for row in rows.values()] for name in names}
    arrow = pyarrow.parquet.ParquetFile(path).read() if Path(path).suffix.lower() == ".parquet" else None
    return Table(Path(path).name, columns, list(rows), arrow)


def iterate_rows(
    path: str, encoding: str, text_columns: list[str], argument: str, column_names: Sequence[str] = ()
) -> Iterator[tuple[int, Row]]:
    """The rows of a file and their numbers (as in `Table`), one at a time, so that it may be larger than memory.

    `column_names` are those of a csv, tsv or txt file (its cells parted by tabs) without a header. (json alone is read
    whole: it has no rows that stand apart.)
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{argument} {path}: there is no such file")
    suffix = file.suffix.lower()
    if suffix not in READERS:
        raise UserError(f"{argument} {path}: must be csv, tsv, jsonl, json, parquet or txt")
    if column_names and suffix not in (".csv", ".tsv", ".txt"):
        raise UserError(f"--column_names is for csv, tsv and txt files without a header: {file.name} names its columns")
    if suffix == ".txt" and len(text_columns) != 1 and not column_names:
        raise UserError(
            f"{argument} {path}: a txt file is one text a line, --text_columns names {len(text_columns)} columns: "
            "where tabs part its lines, --column_names says what they are"
        )
    if column_names:
        rows = read_delimited(file, encoding, column_names)
    elif suffix == ".txt":
        rows = ((number, {text_columns[0]: line}) for number, line in read_txt(file, encoding))
    else:
        rows = READERS[suffix](file, encoding)
    first: list[Row] = []
    before, blank = int(suffix in (".csv", ".tsv") and not column_names), 0  # the header is row 1
    for number, row in rows:
        if len(first) < FIRST_ROWS:
            first.append(row)
        before, blank = number, blank + number - before - 1
        yield number, row
    if blank:
        lines = counted(blank, "blank line between its rows is", "blank lines between its rows are")
        tell(f"{file.name}: {lines} left out")
    if not first:
        raise UserError(f"{argument} {path}: the file has no rows")
    if suffix in (".csv", ".tsv") and not column_names and set(text_columns) <= first[0].keys():
        tell_of_a_header_like_data(file.name, first)


def tell_of_a_header_like_data(name: str, rows: list[Row]) -> None:
    columns = {column: [row.get(column) for row in rows] for column in rows[0]}
    if looks_like_data(columns):
        tell(
            f"{name}: its first row, {shortened(columns)}, is read as its header and looks like data: if it is, name "
            "the columns with --column_names"
        )


def shortened(names: Iterable[str]) -> str:
    return ", ".join(repr(name if len(name) <= 30 else f"{name[:30]}…") for name in names)


def read_txt(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank."""
    tabs: set[int] = set()
    for number, line in enumerate(tell_of_returns(read_lines(file, encoding), file.name), 1):
        if line.strip():
            tabs.add(line.rstrip("\r\n").count("\t"))
            yield number, line.strip()
    if len(tabs) == 1 and tabs != {0}:
        tell(
            f"{file.name}: each line is read as one text, and tabs part it in {min(tabs) + 1}: if these are columns, "
            "name them with --column_names"
        )


def read_jsonl(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_lines(file, encoding), 1):
        if line.strip():
            record = parse_json(line.strip(), f"line {number} of {file.name}")
            yield number, check_record(file.name, number, record)


def read_json(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    with decoded(file, encoding) as text:
        content = text.read().removeprefix("\ufeff").rstrip()
    content = parse_json(content or "[]", file.name)
    if isinstance(content, list):
        for number, record in enumerate(content, 1):
            yield number, check_record(file.name, number, record)
        return
    columns = columns_of_object(content)
    if not columns or len(set(map(frozenset, columns.values()))) != 1:
        raise UserError(f"{file.name} must be a list of records, or an object with one list a column, all as long")
    for number, key in enumerate(next(iter(columns.values())), 1):
        yield number, {column: cells[key] for column, cells in columns.items()}


def columns_of_object(content: Any) -> dict[str, dict[Any, Any]]:
    """What pandas writes: {"text": {"0": ..., "1": ...}, "label": {...}}, or lists in place of the inner ones."""
    columns = content if isinstance(content, dict) else {}
    columns = {name: dict(enumerate(cells)) if isinstance(cells, list) else cells for name, cells in columns.items()}
    return columns if all(isinstance(cells, dict) for cells in columns.values()) else {}


def parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=record_of_pairs)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, character {error.colno}" if "\n" in text else f"character {error.pos + 1}"
        advice = "; one record a line is a .jsonl file" if error.msg == "Extra data" and "\n" in text else ""
        raise UserError(f"{place} is not JSON: {error.msg} at {where}{advice}") from error
    except RecursionError as error:
        raise UserError(f"{place} is nested too deep to be read") from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise UserError(f"{place} can't be read: {first_line(error)}") from error


def record_of_pairs(pairs: list[tuple[str, Any]]) -> Row:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {repeated!r} stands twice in one object")
    return record


def read_parquet(file: Path, encoding: str) -> Iterator[tuple[int, Row]]:
    number = itertools.count(1)
    try:
        with pyarrow.parquet.ParquetFile(file) as parquet:
            refuse_repeats(parquet.schema_arrow.names, file.name)
            for batch in parquet.iter_batches(1000):
                columns = {name: cells_of(batch[name], name, file.name) for name in batch.schema.names}
                for cells in zip(*columns.values(), strict=True):
                    yield next(number), dict(zip(columns, cells, strict=True))
    except PermissionError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{file.name} is not a parquet file ({first_line(error)})") from error


def cells_of(column: pyarrow.Array, name: str, file_name: str) -> list[Any]:
    try:
        return column.to_pylist()
    except (pyarrow.ArrowException, ValueError, OverflowError) as error:  # a date beyond the year 9999, broken utf-8
        raise UserError(f"{file_name}: column {name!r} ({column.type}) can't be read: {first_line(error)}") from error


def check_record(name: str, number: int | str, record: Any) -> Row:
    if not isinstance(record, dict):
        raise UserError(f'row {number} of {name} is not a record such as {{"text": "...", "label": "..."}}')
    return record


READERS: dict[str, Callable[[Path, str], Iterator[tuple[int, Any]]]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
    ".txt": read_txt,
}


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
