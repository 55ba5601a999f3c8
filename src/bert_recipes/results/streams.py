"""`-` in the place of a file: stdin and stdout."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..arguments.predict import STANDARD_STREAM, PredictArguments
from ..run.errors import UserError


@contextlib.contextmanager
def standard_streams(args: PredictArguments) -> Iterator[BinaryIO | None]:
    """Give `args` a file's name for each `-`; yields stdout where it takes the output, else None.

    stdin is copied to a file first, since the rows are read twice: it has `stdin.jsonl` in the system's folder for
    temporary files (`TMPDIR`), which is deleted. With the output on stdout all that is printed goes to stderr.
    """
    with contextlib.ExitStack() as stack:
        if args.input_file == STANDARD_STREAM:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            args.input_file = str(folder / f"stdin.{args.format}")
            with open(args.input_file, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        if args.output_file != STANDARD_STREAM:
            yield None
            return
        args.output_file = f"stdout.{args.output_format}"
        stdout = sys.stdout.buffer
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            yield stdout
        except BrokenPipeError as error:
            # The interpreter flushes stdout once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            raise UserError("--output_file -: the program behind the pipe takes no more rows") from error
