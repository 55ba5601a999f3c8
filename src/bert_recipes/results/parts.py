"""The finished blocks of a long computation, a parquet file each beside its output; a killed run continues there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..run.errors import UserError, tell
from ..run.output_folder import only_run_in

FACTS = "run.json"
NOTES = b"notes"  # what a block's table says of it, as JSON in its schema


class Parts:
    """Tables of blocks 0, 1, … in the folder `<output_file>.parts`. Each is there whole or not at all.

    `facts`: what a run that goes on must have in common with the one that began. Raises `UserError` where the folder
    holds the blocks of another run, unless they are given up (`overwrite`).
    """

    def __init__(self, output_file: str, facts: dict[str, Any], blocks: int, overwrite: bool, main_process: bool):
        self.folder, self.blocks, self.main_process = Path(f"{output_file}.parts"), blocks, main_process
        facts = json.loads(json.dumps(facts))
        if not overwrite:
            self.refuse_another_run(facts)
        if main_process:
            self.begin(facts, overwrite)

    def refuse_another_run(self, facts: dict[str, Any]) -> None:
        then = read_json(self.folder / FACTS)
        if then is not None and (other := [name for name in facts if then.get(name) != facts[name]]):
            former, now = ("left out" if value is None else value for value in (then.get(other[0]), facts[other[0]]))
            raise UserError(
                f"{self.folder} holds blocks of a run with {other[0]} {former}, not {now}: go on with the same, name "
                "another --output_file, or give the blocks up with --overwrite"
            )

    def begin(self, facts: dict[str, Any], overwrite: bool) -> None:
        if overwrite and (self.folder / FACTS).exists():
            shutil.rmtree(self.folder)
        write_whole(self.folder / FACTS, lambda path: path.write_text(json.dumps(facts, ensure_ascii=False)))
        if done := self.blocks - len(self.missing()):
            tell(f"{self.folder} has {done:,} of {self.blocks:,} blocks already: going on behind them")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other run writes here meanwhile."""
        with only_run_in(self.folder) if self.main_process else nullcontext():
            yield

    def missing(self) -> list[int]:
        return [block for block in range(self.blocks) if not is_whole(self.path(block))]

    def path(self, block: int) -> Path:
        return self.folder / f"{block:06}.parquet"

    def write(self, block: int, table: pyarrow.Table, notes: dict[str, Any]) -> None:
        table = table.replace_schema_metadata({NOTES: json.dumps(notes)})
        write_whole(self.path(block), lambda unfinished: pyarrow.parquet.write_table(table, unfinished))

    def tables(self) -> Iterator[pyarrow.Table]:
        for block in range(self.blocks):
            yield pyarrow.parquet.read_table(self.path(block)).replace_schema_metadata(None)

    def notes(self) -> Iterator[dict[str, Any]]:
        for block in range(self.blocks):
            yield json.loads(pyarrow.parquet.read_schema(self.path(block)).metadata[NOTES])

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def is_whole(path: Path) -> bool:
    try:
        pyarrow.parquet.ParquetFile(path).close()
    except (OSError, pyarrow.ArrowException):
        return False
    return True


def write_whole(path: Path, write) -> None:
    """`write(unfinished path)`, then a move, which is one step of the file system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    write(unfinished)
    os.replace(unfinished, path)
