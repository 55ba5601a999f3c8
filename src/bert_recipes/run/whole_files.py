"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path, suffix: str = ".part") -> Iterator[Path]:
    """Gives the path to write to, which has `suffix` behind its name, and moves the file to `path` at the end.

    A move is one step of the file system. After an error nothing stays. Processes that may write at once each need a
    `suffix` of their own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}{suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
