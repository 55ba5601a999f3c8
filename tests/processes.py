"""Recipes in processes that are forked from one with the imports done: a launch costs seconds, not the imports of each.

A process of a group has what `accelerate launch` gives it, its place in the group. That accelerate itself starts the
recipes so is seen in test_recipes.py, run/test_faults.py, run/test_hosts.py and test_launch_configs.py.
"""

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from conftest import recipe

from bert_recipes.run.errors import run

context = multiprocessing.get_context("forkserver")
# What the end of a run imports late, and the built-in reviews (`preloaded`), too.
context.set_forkserver_preload(
    ["bert_recipes.results.reporting", "bert_recipes.results.confusion", "preloaded", "processes"]
)


def run_recipe(name: str, argv: list[str]) -> None:
    sys.argv = [f"recipes/{name}.py", *argv]
    run(recipe(name).main)


def work(target: Callable, arguments: tuple, log: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background hands down an ignored one
    for descriptor, path in ((1, log), (2, log.with_suffix(".err"))):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    torch.set_num_threads(1)
    target(*arguments)


def start(log: Path, target: Callable, *arguments, processes: int = 1) -> list[multiprocessing.Process]:
    """`target(*arguments)` in so many processes of one group; what they print goes to `log` and `log`.err."""
    group = [{}]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        common = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_MIXED_PRECISION": "no"}
        group = [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    started = [context.Process(target=work, args=(target, arguments, log, place)) for place in group]
    for process in started:
        process.start()
    return started


def said(log: Path) -> str:
    paths = [path for path in (log, log.with_suffix(".err")) if path.exists()]
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def statuses(started: list[multiprocessing.Process], seconds: float = 600) -> list[int]:
    deadline = time.monotonic() + seconds
    for process in started:
        process.join(max(0, deadline - time.monotonic()))
    return [process.exitcode for process in started]
