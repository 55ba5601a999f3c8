"""Stock and ours in processes of their own that take turns, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from measuring import DEVICE, SIZES, VOCABULARY, matrix_product_rate, ratio, wait_for_device
from transformers import Trainer, TrainerCallback

from bert_recipes.run.errors import run
from bert_recipes.run.memory import peak_memory_mb

ENDLESS = 100_000  # steps: a training ends when it is told to
# What takes seconds to import. The server that forks finds installed modules alone, not those of this folder.
IMPORTS = [f"bert_recipes.{name}" for name in ("training.assembling", "training.data", "results.inference")]
IMPORTS += ["bert_recipes.models.classifiers", "bert_recipes.models.masked_lm", "bert_recipes.results.vectors"]
Turn = dict[str, dict]  # what each run reports of a turn, with its seconds


class Processes:
    """`work(*arguments, pipe)` for each of `runs` (name -> arguments) in a process of its own, which does some steps
    when it is told how many, and answers with the seconds and a report."""

    def __init__(self, work: Callable, runs: dict[str, tuple]):
        context = forked_after_imports()
        self.pipes, self.processes = {}, []
        for name, arguments in runs.items():
            self.pipes[name], theirs = context.Pipe()
            self.processes.append(context.Process(target=start, args=(work, arguments, theirs), daemon=True))
            self.processes[-1].start()
            theirs.close()  # a process that dies closes the pipe's other end, and `recv` says so

    def __enter__(self) -> Processes:
        return self

    def turn(self, name: str, steps: int) -> dict:
        try:
            self.pipes[name].send(steps)
            seconds, report = self.pipes[name].recv()
        except (EOFError, BrokenPipeError):
            raise SystemExit(f"{name}: its process has ended, for the reason above") from None
        return {"seconds": seconds, **report}

    def __exit__(self, kind, *_) -> None:
        for pipe in self.pipes.values():
            with contextlib.suppress(BrokenPipeError):  # it has done all of its steps
                pipe.send(0)
        for process in self.processes:
            process.join() if kind is None else process.terminate()


def forked_after_imports():
    """Processes that are forked from one that has done no more than the imports: none shares memory with another."""
    if DEVICE.type == "cuda":  # a process that has looked for a GPU can't be forked into others that use it
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTS)
    return context


def start(work: Callable, arguments: tuple, pipe) -> None:
    os.dup2(2, 1)  # standard output is for the results
    run(lambda: work(*arguments, pipe))  # a mistake in the recipe's arguments is one line


def answer(pipe, do: Callable[[int], dict]) -> None:
    """`do(steps)` whenever a turn is asked for; its result is the report."""
    while steps := pipe.recv():
        started = time.perf_counter()
        report = do(steps)
        wait_for_device()
        pipe.send((time.perf_counter() - started, report))


class TakeTurns(TrainerCallback):
    """Trains so many steps a turn, when it is told to (0: no more), and reports the turn's seconds and `report()`."""

    def __init__(self, pipe):
        self.pipe, self.left, self.started = pipe, 0, None

    def on_step_begin(self, args, state, control, **kwargs):
        if self.left == 0:
            self.end_turn()
            self.left = self.pipe.recv()
            control.should_training_stop = self.left == 0
            self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.left -= 1

    def end_turn(self):
        if self.started is not None:
            wait_for_device()
            seconds = time.perf_counter() - self.started
            self.pipe.send((seconds, self.report()))

    def report(self) -> dict:
        raise NotImplementedError


class CountWork(TakeTurns):
    """Reports a turn's rows, tokens and floating-point operations, and the peak memory so far, in MB."""

    def __init__(self, pipe, size: str):
        super().__init__(pipe)
        self.size, self.batches = SIZES[size], []

    def count(self, module, arguments, inputs):
        """A hook in front of the model: what the batch holds. Padding is not counted, nor the products it costs."""
        input_ids = inputs["input_ids"]
        if "cu_seq_lens_q" in inputs:  # documents side by side, and behind them a few that fill the row up
            lengths, filling = inputs["cu_seq_lens_q"].diff(), input_ids == module.config.pad_token_id
            attended = input_ids.numel() - filling.sum()
        else:
            lengths = inputs.get("attention_mask", torch.ones_like(input_ids)).sum(1)
            attended = lengths.sum()
        if "masked_positions" in inputs:
            masked = inputs["masked_positions"].numel()
        else:  # of a classifier no token is predicted
            labels = inputs.get("labels", input_ids[:, 0])
            masked = (labels >= 0).sum() if labels.ndim == 2 else 0
        self.batches.append((len(lengths), attended, (lengths**2).sum(), masked))  # read when the turn is over

    def report(self) -> dict:
        layers, width = self.size
        rows = tokens = flops = 0
        # A weight costs 2 operations a token forward and 4 backward: 12 width^2 weights a layer (attention 4,
        # feed-forward 8). Scores and mixture are 2 products of length x width a token. The head has width^2 weights and
        # width x vocabulary, for the masked tokens alone, which is all that the exact loss needs.
        for count, attended, squares, masked in self.batches:
            encoder = layers * (12 * width**2 * int(attended) + 2 * width * int(squares))
            flops += 6 * (encoder + int(masked) * (width**2 + width * VOCABULARY))
            tokens += int(attended)
            rows += count
        self.batches = []
        return {"rows": rows, "tokens": tokens, "flops": flops, "memory": peak_memory_mb(DEVICE)}


def train_in_turns(trainer: Trainer, size: str, pipe) -> None:
    turns = CountWork(pipe, size)
    trainer.add_callback(turns)
    trainer.model.register_forward_pre_hook(turns.count, with_kwargs=True, prepend=True)
    trainer.train()


def take_turns(
    work: Callable, runs: dict[str, tuple], turns: int, steps: int, warm_up: int, product: tuple[int, int]
) -> tuple[list[Turn], list[float]]:
    """So many turns of so many steps of every run, each in the order opposite to the last one's; and before each the
    rate of the matrix product (`product`: width, tokens)."""
    taken, rates = [], []
    with Processes(work, runs) as processes:
        for name in runs:
            processes.turn(name, warm_up)
        for number in range(turns):
            rates.append(matrix_product_rate(*product))
            order = list(runs) if number % 2 else list(reversed(runs))
            taken.append({name: processes.turn(name, steps) for name in order})
            print(f"turn {number + 1} of {turns}", file=sys.stderr)
    return taken, rates


def per_second(turns: list[Turn], name: str, unit: str) -> list[float]:
    return [turn[name][unit] / turn[name]["seconds"] for turn in turns]


def beside_stock(turns: list[Turn], unit: str) -> dict:
    """What every benchmark tells: how fast `stock` and `ours` are, in `unit`s a second, and their peak memory."""
    speeds = {name: per_second(turns, name, unit) for name in ("stock", "ours")}
    return {
        **{f"{name}_{unit}_per_second": significant(statistics.median(speeds[name])) for name in speeds},
        **ratio(speeds["ours"], speeds["stock"]),
        **{f"{name}_peak_memory_mb": round(turns[-1][name]["memory"]) for name in speeds},
    }


def significant(value: float) -> float:
    """Four digits where there are fewer before the point: 3.142 rows a second, 256784 tokens."""
    return round(value) if value >= 1000 else float(f"{value:.4g}")


def product_rate(rates: list[float]) -> dict:
    return {"matmul_tflops": round(statistics.median(rates) / 1e12, 3)}


def product_share(turns: list[Turn], rates: list[float]) -> dict:
    """How much of the matrix product's rate ours has."""
    shares = [speed / rate for speed, rate in zip(per_second(turns, "ours", "flops"), rates, strict=True)]
    return {"matmul_share": round(statistics.median(shares), 3)}
