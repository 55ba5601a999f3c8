"""The finished blocks of a long computation, a parquet file each beside its output; a killed run continues there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ..arguments.recipe import RecipeArguments
from ..run.errors import UserError, tell
from ..run.output_folder import only_run_in
from ..run.whole_files import whole_file

FACTS = "run.json"
NOTES = b"notes"  # what a block's table says of it, as JSON in its schema


class Parts:
    """Tables of blocks 0, 1, … in the folder `<output_file>.parts`. Each is there whole or not at all.

    `facts`: what a run that goes on must have in common with the one that began, unless its blocks are given up
    (`overwrite`).
    """

    def __init__(self, output_file: str, facts: dict[str, Any], blocks: int, overwrite: bool, main_process: bool):
        self.output_file, self.folder = output_file, Path(f"{output_file}.parts")
        self.facts, self.blocks = json.loads(json.dumps(facts)), blocks
        self.overwrite, self.main_process = overwrite, main_process

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other run writes here meanwhile; the blocks are deleted at the end, unless it is an error. Raises
        `UserError` where another run is writing, or has left blocks."""
        place = f"--output_file {self.output_file}"
        with only_run_in(self.folder, place) if self.main_process else nullcontext():
            if not self.overwrite:
                self.refuse_another_run()
            if self.main_process:
                self.begin()
            yield
            if self.main_process:
                self.remove_blocks()
        if self.main_process:
            with suppress(OSError):  # another run has begun there
                self.folder.rmdir()

    def refuse_another_run(self) -> None:
        then, facts = read_json(self.folder / FACTS), self.facts
        if then is None or not any(self.folder.glob("*.parquet")):
            return
        if other := [name for name in facts if then.get(name) != facts[name]]:
            former, now = ("left out" if value is None else value for value in (then.get(other[0]), facts[other[0]]))
            raise UserError(
                f"{self.folder} holds blocks of a run with {other[0]} {former}, not {now}: go on with the same, name "
                "another --output_file, or give the blocks up with --overwrite"
            )

    def begin(self) -> None:
        if self.overwrite:
            self.remove_blocks()
        with whole_file(self.folder / FACTS) as part:
            part.write_text(json.dumps(self.facts, ensure_ascii=False), encoding="utf-8")
        if done := self.blocks - len(self.missing()):
            tell(f"{self.folder} has {done:,} of {self.blocks:,} blocks already: going on behind them")

    def missing(self) -> list[int]:
        return [block for block in range(self.blocks) if not is_whole(self.path(block))]

    def path(self, block: int) -> Path:
        return self.folder / f"{block:06}.parquet"

    def write(self, block: int, table: pyarrow.Table, notes: dict[str, Any]) -> None:
        table = table.replace_schema_metadata({NOTES: json.dumps(notes)})
        with whole_file(self.path(block)) as part:
            pyarrow.parquet.write_table(table, part)

    def tables(self) -> Iterator[pyarrow.Table]:
        yield from map(self.table, range(self.blocks))

    def table(self, block: int) -> pyarrow.Table | None:
        """None where it is missing."""
        if not is_whole(self.path(block)):
            return None
        return pyarrow.parquet.read_table(self.path(block)).replace_schema_metadata(None)

    def notes(self) -> Iterator[dict[str, Any]]:
        for block in range(self.blocks):
            yield json.loads(pyarrow.parquet.read_schema(self.path(block)).metadata[NOTES])

    def remove_blocks(self) -> None:
        """And what a killed run has left of one; the lock and files of the user's stay."""
        for path in [self.folder / FACTS, *self.folder.glob("*.parquet"), *self.folder.glob("*.part")]:
            path.unlink(missing_ok=True)


def precision_of(launch: RecipeArguments) -> str:
    return "bf16" if launch.bf16 else "fp16" if launch.fp16 else "fp32"


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
