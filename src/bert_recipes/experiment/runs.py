"""A run of an experiment: what it is called by, and how it is done; files that are whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..run.errors import UserError
from ..run.whole_files import whole_file

Result = dict  # one object of results.json
TRIALS = "learning_rate"  # the experiment whose runs try the learning rates
OTHER_RATE = "other_rate"  # runs at a rate that was the best of fewer


@dataclass(frozen=True)
class Run:
    """One training run, or one fit of tf-idf, where start and learning rate mean nothing.

    What it is called by stands in its result; `recipe` (none: tf-idf) and `argv` are how it is done.
    """

    experiment: str
    start: str | None
    method: str
    labels: int | str = "all"  # or a number
    seed: int = 0
    learning_rate: float | None = None
    columns: str | None = None
    fold: int | None = None
    passes: float | None = None
    variant: str | None = None  # what else tells it apart: a trick, a rank
    tokens: float = 0  # that it trains on, about: what a forecast of its time is made of
    recipe: Path | None = None
    argv: tuple[str, ...] = ()

    @property
    def name(self) -> dict:
        given = asdict(replace(self, recipe=None, argv=()))
        return {key: value for key, value in given.items() if key not in ("tokens", "recipe", "argv")}

    @property
    def file_name(self) -> str:
        return "-".join(str(value).replace("/", "_") for value in self.name.values() if value is not None)


def with_seed(run: Run, seed: int) -> Run:
    return replace(run, seed=seed, argv=(*run.argv, "--seed", str(seed)))


def distinct_runs(runs: Iterable[Run]) -> list[Run]:
    """Two questions may want the same run."""
    return list({run.file_name: run for run in runs}.values())


def read_json(path: Path, default):
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): put it right, or name another --output_dir") from error


def write_json(path: Path, content) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
