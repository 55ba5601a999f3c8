"""What a run leaves in its output_dir: whether a folder holds one, whose files stand there, and who writes now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .checkpoints import UNFINISHED, checkpoints_of
from .errors import UserError

# What a run writes into its output_dir, beside checkpoints.
FOLDERS = ("adapter", "figures")
FILES = (
    *("all_results.json", "predictions.csv", "predictions.jsonl", "README.md", "config.json"),
    *("model.safetensors", "sentence_filter.safetensors", "sentence_filter.json"),
)


def holds_run(output_dir: Path) -> bool:
    return (output_dir / "all_results.json").exists() or any(output_dir.glob("checkpoint-*"))


def file_in_the_way(output_dir: Path) -> str | None:
    """Something that a run would write over, where no run has written it."""
    names = [name for name in (*FILES, *FOLDERS) if (output_dir / name).exists()]
    return names[0] if names and not holds_run(output_dir) else None


@contextmanager
def only_run_in(output_dir: str | Path, place: str | None = None) -> Iterator[None]:
    """Two runs that were started together would have chosen the same folder: the second one ends with an error.
    `place`: the argument that its message names, with its value."""
    Path(output_dir).mkdir(parents=True, exist_ok=True)
    lock = FileLock(Path(output_dir) / ".lock", timeout=0)
    try:
        with suppress(NotImplementedError):  # some network file systems have no locks
            lock.acquire()
    except Timeout as error:
        place = place or f"--output_dir {output_dir}"
        raise UserError(f"{place}: another run is writing there: name another") from error
    try:
        yield
    finally:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def forget_run(output_dir: Path) -> None:
    """What `--overwrite` deletes: all that a run leaves and a new one might not write again.

    Only of a folder that holds a run: anywhere else these names are files of the user's.
    """
    for folder in [*checkpoints_of(output_dir), *(output_dir / name for name in (UNFINISHED, *FOLDERS))]:
        shutil.rmtree(folder, ignore_errors=True)
    for name in FILES:
        (output_dir / name).unlink(missing_ok=True)
