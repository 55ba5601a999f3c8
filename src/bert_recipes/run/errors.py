"""A user's mistake is one line and exit status 2; a bug of ours keeps its traceback."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

import torch

from .screen import quiet_libraries

# A right is missing, or a file stands where a folder should be.
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


class UserError(Exception):
    """Something that the user can put right: says what is wrong, where (file, row, column, argument), what to do.

    Every process of a launch meets the same mistake, and the first one speaks for all, unless it is one's `own`.
    """

    status = 2
    own = False


class ExplodedLoss(UserError):
    """Training went out of bounds: another learning rate may not."""


class OutOfMemory(UserError):
    """Of one process's device: the others may have had room."""

    own = True


class ClosedPlace(UserError):
    """A full disk, or a file or folder without the right to it: on one process's machine, maybe not the others'."""

    own = True


class LostProcess(UserError):
    """Another process is gone. Of a launch, each that is left tells it, since the first one may be the lost one."""

    status = 1
    own = True


def run(main: Callable[[], None]) -> None:
    """Run a recipe's `main`; a `UserError` ends the process with status 2 and one line on stderr."""
    quiet_libraries()
    try:
        main()
    except UserError as error:
        exit_with(error)
    except SystemExit:
        leave_group()
        raise
    except KeyboardInterrupt:
        print("stopped by Ctrl-C: nothing more is saved", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(128 + signal.SIGINT)  # the group's and the data loader's threads may be in the middle of something
    except Exception as error:
        told = closed_place(error)
        if told is None:
            raise
        exit_with(told)
    leave_group()


def closed_place(error: BaseException) -> ClosedPlace | None:
    """What an error says of the place where something should have been written or read, or None: a mistake of ours."""
    # safetensors, torch and json each have an exception of their own for a full disk.
    if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
        advice = "make room and start again (a training goes on with --resume_from_checkpoint auto)"
        return ClosedPlace(f"the disk is full ({error}): {advice}")
    if isinstance(error, OSError) and error.filename and error.errno in CLOSED:
        return ClosedPlace(f"{error.filename}: {error.strerror}: name another place, or get the right to this one")
    return None


def leave_group() -> None:
    # Left to the interpreter's end, the group's threads were once still running there, and the process was aborted.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def tell(message: str) -> None:
    """Say in one line, once for all processes of a launch, what a person would want to know."""
    if os.environ.get("RANK", "0") == "0":
        print(message, flush=True)


def shorten(names: Iterable[object], limit: int = 8) -> str:
    """The first of several names, for a line on the screen, and a mark where there are more."""
    first = list(map(str, itertools.islice(names, limit + 1)))
    return ", ".join(first[:limit]) + (", …" if len(first) > limit else "")


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 row`, `2,000 rows`; `several` is `one` with an s where it is left out."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def exit_with(error: UserError) -> NoReturn:
    if os.environ.get("RANK", "0") == "0" or error.own:
        print(f"error: {error}", file=sys.stderr, flush=True)
    sys.exit(error.status)
