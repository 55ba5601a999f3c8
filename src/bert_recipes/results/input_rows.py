"""The file to predict: looked at as a whole before a model loads, then read again in blocks."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow

from ..arguments.predict import PredictArguments
from ..run.errors import UserError
from ..text.blocks import read_blocks
from ..text.columns import read_texts
from ..text.data_summary import is_first_process
from ..text.files import Table
from ..training.progress import bar
from .cells import converted, types_of

SECONDS_WITHOUT_BAR = 2


@dataclass
class InputRows:
    """The rows of `--input_file` as blocks, each time anew: `text.files.Table`s with the columns `names`.

    `count` is their number, `blocks` that of the blocks, `schema` what a parquet output has for their columns, None for
    another format.
    """

    args: PredictArguments
    names: list[str] = field(default_factory=list)
    count: int = 0
    blocks: int = 0
    schema: pyarrow.Schema | None = None

    def read(self) -> Iterator[Table]:
        args = self.args
        return read_blocks(
            args.input_file, args.encoding, args.text_column_names, "--input_file", args.given_column_names, self.names
        )

    def __iter__(self) -> Iterator[Table]:
        return without_words(self.read())

    def announce(self, new_columns: dict[str, pyarrow.DataType]) -> None:
        """The columns that are written behind the file's own. Raises `UserError` where a name is taken."""
        for name, kind in new_columns.items():
            if name in self.names:
                raise UserError(f"{Path(self.args.input_file).name} has a column {name!r} already: rename or remove it")
            self.schema = None if self.schema is None else self.schema.append(pyarrow.field(name, kind))


def check_rows(args: PredictArguments) -> InputRows:
    """Read the file once without a model, so that a mistake in its last row is told in seconds: each text is one, and
    the format of `--output_file` can hold each cell."""
    rows, output = InputRows(args), Path(args.output_file)
    with bar("checking", None, args, hidden=not is_first_process(), unit=" rows", delay=SECONDS_WITHOUT_BAR) as checked:
        for block in rows.read():
            read_texts(block, args.text_column_names)
            rows.names, rows.count = list(block.columns), rows.count + len(block)
            rows.blocks += 1
            if output.suffix.lower() == ".parquet":
                rows.schema = types_of(block, output, rows.schema)
            else:
                check_block(block, output)
            checked.update(len(block))
    if rows.schema is not None:
        for block in rows:  # a number of a late row may have made a column's type another one
            check_block(block, output, rows.schema)
    return rows


def check_block(block: Table, output: Path, schema: pyarrow.Schema | None = None) -> None:
    for _ in converted(block, output, schema):
        pass


def without_words(blocks: Iterator[Table]) -> Iterator[Table]:
    """The blocks, and nothing on the screen: what there is to say of the file was said when it was read first."""
    while True:
        with contextlib.redirect_stdout(io.StringIO()):
            block = next(blocks, None)
        if block is None:
            return
        yield block
