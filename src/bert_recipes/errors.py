"""A user's mistake is one line and exit status 2; a bug of ours keeps its traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import torch


class UserError(Exception):
    """Something that the user can put right: says what is wrong, where (file, row, column, argument), what to do.

    Every process of a launch meets the same mistake, and the first one speaks for all, unless it is one's `own`.
    """

    status = 2
    own = False


class OutOfMemory(UserError):
    """Of one process's device: the others may have had room."""

    own = True


class LostProcess(UserError):
    """Another process of the launch is gone: told by each that is left, since the first one may be the lost one."""

    status = 1
    own = True


def run(main: Callable[[], None]) -> None:
    """Run a recipe's `main`; a `UserError` ends the process with status 2 and one line on stderr."""
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
        # safetensors, torch and json each have an exception of their own for a full disk.
        if "No space left on device" not in str(error):
            raise
        advice = "make room and start again (a training goes on with --resume_from_checkpoint auto)"
        exit_with(UserError(f"the disk is full ({error}): {advice}"))
    leave_group()


def leave_group() -> None:
    # Left to the interpreter's end, the group's threads were once still running there, and the process was aborted.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def exit_with(error: UserError) -> NoReturn:
    if os.environ.get("RANK", "0") == "0" or error.own:
        print(f"error: {error}", file=sys.stderr, flush=True)
    sys.exit(error.status)
