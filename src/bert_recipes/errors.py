"""A user's mistake is one line and exit status 2; a bug of ours keeps its traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import torch


class UserError(Exception):
    """Something that the user can put right: says what is wrong, where (file, row, column, argument), what to do."""

    status = 2


class LostProcess(UserError):
    """Another process of the launch is gone: told by each that is left, since the first one may be the lost one."""

    status = 1


def run(main: Callable[[], None]) -> None:
    """Run a recipe's `main`; a `UserError` ends the process with status 2 and one line on stderr."""
    try:
        main()
    except UserError as error:
        exit_with(error)
    except SystemExit:
        leave_group()
        raise
    leave_group()


def leave_group() -> None:
    # Left to the interpreter's end, the group's threads were once still running there, and the process was aborted.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def exit_with(error: UserError) -> NoReturn:
    # Every process of a launch meets the same mistake; the first one speaks for all.
    if os.environ.get("RANK", "0") == "0" or isinstance(error, LostProcess):
        print(f"error: {error}", file=sys.stderr, flush=True)
    sys.exit(error.status)
