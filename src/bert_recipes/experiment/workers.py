"""Calls in processes of their own, some at a time: peak memory is the call's own, and none outlives this process.

`concurrent.futures` has no such pool: a `ProcessPoolExecutor` with `max_tasks_per_child` waits for ever where it is
shut down with calls in its queue (Python 3.11), trains on behind Ctrl-C, and its workers outlive a killed process.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..run.errors import LostProcess, UserError, closed_place

GRACE = 10  # seconds: a recipe that SIGTERM finds in training finishes its step, and may save a checkpoint
# What a recipe imports, at its end too: one that is not there is passed over.
PRELOADED = ["bert_recipes.results.reporting", "bert_recipes.results.confusion"]


class Failure(Exception):
    """A call that met a mistake of ours: its traceback."""


class Told(float):
    """What a call that goes on has told, such as the share of its work that is done."""


def call_each(
    function: Callable, calls: Sequence[tuple], workers: int, behind: Mapping[int, int] | None = None
) -> Iterator[tuple[int, Any]]:
    """`function(*arguments, tell)` for each of `calls`: its number, and its result, `UserError` or `Failure`, as they
    end. What a call hands to `tell`, a number, comes out before that as `Told`.

    They start in their order, but a call of `behind` only when the one that it names has ended. Behind one that failed
    no further one is started. Closing the iterator ends those under way.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)  # the imports are done once for all
    waiting, running, unfinished, behind = list(range(len(calls))), {}, set(range(len(calls))), behind or {}
    try:
        while waiting or running:
            ready = [number for number in waiting if behind.get(number) not in unfinished]
            assert ready or running, f"calls {waiting} wait for each other"
            for number in ready[: workers - len(running)]:
                waiting.remove(number)
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=send_result, args=(sender, function, calls[number]))
                process.start()
                sender.close()  # so that the other end is the only one, and its loss is noticed
                running[receiver] = number, process
            for receiver in wait(list(running)):
                number, process = running[receiver]
                result = received(receiver, process)
                if not isinstance(result, Told):
                    process.join()
                    del running[receiver]
                    unfinished.remove(number)
                if isinstance(result, Exception):
                    waiting.clear()
                yield number, result
    finally:
        processes = [process for _, process in running.values()]
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(GRACE)
            process.kill()


def received(receiver: Connection, process: BaseProcess) -> Any:
    try:
        return receiver.recv()
    except (EOFError, OSError):  # nothing came, or a part
        process.join()
        code = process.exitcode
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
        return LostProcess(f"its process ended without a result, by {ended}")


def send_result(sender: Connection, function: Callable, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches all of them: the parent ends its workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        result = function(*arguments, lambda number: sender.send(Told(number)))
    except UserError as error:
        result = error
    except (Exception, SystemExit) as error:
        result = closed_place(error) or Failure(traceback.format_exc())
    sender.send(result)


def end_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)
