"""A table, whole or block by block -> csv, tsv, jsonl, json or parquet: a file that is there whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet

from ..run.whole_files import whole_file
from ..text.columns import SURROGATE
from ..text.files import Table
from ..training.trainer import Trainer
from .cells import converted
from .input_rows import InputRows

Columns = dict[str, Any]


def write_file(table: Table, new_columns: dict[str, list], path: Path) -> None:
    """Write the columns of `table` and behind them the new ones, in the format that the file's name says."""
    with FileWriter(path) as writer:
        writer.write(table.with_columns(new_columns))


def open_output(rows: InputRows, trainer: Trainer, stdout: BinaryIO | None) -> FileWriter:
    """For `--output_file`, or `stdout` in its place; the first process writes."""
    active = trainer.is_world_process_zero()
    return FileWriter(Path(rows.args.output_file), rows.schema, active, stdout)


class FileWriter:
    """Writes blocks of one table, in the format that the name of `path` says (`cells.converted`).

    A run that ends early leaves no file. `schema` has the Arrow types of the columns; else a parquet file has those of
    the first block. `active` False writes nothing: of several processes one writes. Into a `stream` each block goes as
    it comes, and `path` says the format alone.
    """

    def __init__(
        self,
        path: Path,
        schema: pyarrow.Schema | None = None,
        active: bool = True,
        stream: BinaryIO | None = None,
    ):
        self.path, self.schema, self.active, self.stream = path, schema, active, stream
        self.place = f"saved in {path}" if stream is None else "written to stdout"
        self.file = self.format = None
        self.at_the_end = ExitStack()

    def __enter__(self) -> FileWriter:
        return self

    def write(self, block: Table) -> None:
        if not self.active:
            return
        columns = dict(converted(block, self.path, self.schema))
        if self.format is None:
            metadata = block.arrow.schema.metadata if block.arrow is not None else None
            self.file = self.stream or self.open_part()
            self.format = FORMATS[self.path.suffix.lower()](self.file, columns, metadata)
            if self.stream is None:
                self.at_the_end.callback(self.format.close)
        self.format.write(columns)
        self.file.flush()

    def open_part(self) -> BinaryIO:
        part = self.at_the_end.enter_context(whole_file(self.path))
        return self.at_the_end.enter_context(part.open("wb"))

    def __exit__(self, kind, error, trace) -> None:
        self.at_the_end.__exit__(kind, error, trace)


class Lines:
    """Of csv, tsv, jsonl and json: a line a row."""

    opening = closing = ""

    def __init__(self, file: BinaryIO, columns: Columns, metadata: dict | None):
        self.file = file
        self.put([self.opening])

    def put(self, lines: Iterable[str]) -> None:
        self.file.writelines(line.encode() for line in lines)

    def write(self, columns: Columns) -> None:
        self.put(self.lines(columns))

    def close(self) -> None:
        self.put([self.closing])


class Csv(Lines):
    separator = ","

    def __init__(self, file: BinaryIO, columns: Columns, metadata: dict | None):
        super().__init__(file, columns, metadata)
        self.put(csv_lines([list(columns)], self.separator))

    def lines(self, columns: Columns) -> Iterable[str]:
        return csv_lines(zip(*columns.values(), strict=True), self.separator)


class Tsv(Csv):
    separator = "\t"


class Jsonl(Lines):
    def lines(self, columns: Columns) -> Iterable[str]:
        return (f"{record}\n" for record in records(columns))


class Json(Lines):
    opening, closing = "[\n", "\n]\n"
    between = ""

    def lines(self, columns: Columns) -> Iterable[str]:
        for record in records(columns):
            yield f"{self.between}  {record}"
            self.between = ",\n"


class Parquet:
    def __init__(self, file: BinaryIO, columns: Columns, metadata: dict | None):
        schema = pyarrow.schema([(name, column.type) for name, column in columns.items()], metadata)
        self.writer = pyarrow.parquet.ParquetWriter(file, schema)

    def write(self, columns: Columns) -> None:
        self.writer.write_table(pyarrow.table(columns, self.writer.schema))

    def close(self) -> None:
        self.writer.close()


FORMATS = {".csv": Csv, ".tsv": Tsv, ".jsonl": Jsonl, ".json": Json, ".parquet": Parquet}


def records(columns: Columns) -> Iterable[str]:
    return (as_line(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True))


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
