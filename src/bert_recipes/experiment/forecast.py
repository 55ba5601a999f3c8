"""How long an experiment will take: a step of the model is timed before it starts, and what has ended corrects it."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping

import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from ..arguments.model import ModelArguments
from ..models.pretrained import load_config
from .workers import call_each

SAMPLE = 200  # rows whose mean length stands for all
TIMED_STEPS = 2
STEPS = 0.8  # of a run's time, about: behind them come scores and measures
TRUST = 0.1  # of the whole time: when so much of it is over, it weighs as much as the forecast


@functools.cache
def tokens_a_row(
    rows: Dataset, columns: tuple[str, ...], tokenizer: PreTrainedTokenizerBase, most: int | None
) -> float:
    """Mean length in tokens of a text, or pair, of `rows`; `most` is what a text is cut to."""
    sample = rows[:: math.ceil(len(rows) / SAMPLE)]  # a file is often sorted: its first rows are not like the others
    texts = [sample[column] for column in columns]
    encoded = tokenizer(*texts, truncation=bool(most), max_length=most, verbose=False)
    return sum(map(len, encoded["input_ids"])) / len(texts[0])


def seconds_a_token(
    model_args: ModelArguments, rows: int, length: int, precision: str, threads: int, workers: int
) -> float:
    """Of training on so many texts a step, of so many tokens, in one of `workers` processes that train at the same
    time."""
    calls = [(model_args, rows, length, precision, threads)] * workers
    timed = []
    for _, result in call_each(time_steps, calls, workers):
        if isinstance(result, Exception):
            raise result
        timed.append(result)
    return sum(timed) / len(timed)


def time_steps(
    model_args: ModelArguments, rows: int, length: int, precision: str, threads: int, tell: Callable
) -> float:
    """Seconds that a token takes forward and backward, in a model of random weights."""
    torch.set_num_threads(threads)
    # A build for GPUs names one on machines without it, too.
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    # A cross-encoder's config says what its own head was trained for.
    config = load_config(model_args, num_labels=2, problem_type="single_label_classification")
    model = AutoModelForSequenceClassification.from_config(config).to(device).train()
    tokens = torch.randint(model.config.vocab_size, (rows, length), device=device)
    labels = torch.zeros(rows, dtype=torch.long, device=device)
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    for step in range(1 + TIMED_STEPS):  # the first one warms up
        if step == 1:
            wait_for(device)
            started = time.perf_counter()
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
    wait_for(device)
    return (time.perf_counter() - started) / TIMED_STEPS / tokens.numel()


def wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


class Progress:
    """A bar over the runs that are to be done, and what is left of the time: `seconds` is the forecast of each, by its
    name, and how long they took so far corrects it. Without a forecast there is no bar."""

    def __init__(self, seconds: Mapping[str, float] | None = None):
        self.seconds, self.done, self.ended = seconds or {}, {}, 0
        self.total, self.started = sum(self.seconds.values()), time.monotonic()
        bar = "{percentage:3.0f}%|{bar}| {desc}"
        self.bar = tqdm(total=self.total, bar_format=bar, mininterval=1, leave=False, disable=not self.seconds)
        self.show()

    def plan_anew(self, seconds: Mapping[str, float]) -> None:
        """The forecast of what is left, where runs have other names now."""
        self.seconds = {name: self.seconds[name] for name in self.done if name in self.seconds} | dict(seconds)
        self.total = self.bar.total = sum(self.seconds.values())
        self.show()

    def go_on(self, name: str, share: float) -> None:
        """So much of the run's steps is done."""
        self.done[name] = STEPS * share * self.seconds.get(name, 0)
        self.show()

    def end(self, name: str, said: str) -> None:
        self.done[name] = self.seconds.get(name, 0)
        self.ended += 1
        self.bar.write(f"{name}: {said}")
        self.show()

    def show(self) -> None:
        said = f"{self.ended} of {len(self.seconds)} runs done, about {in_words(self.seconds_left())} left"
        self.bar.set_description_str(said, refresh=False)
        self.bar.update(sum(self.done.values()) - self.bar.n)

    def seconds_left(self) -> float:
        done, trusted = sum(self.done.values()), TRUST * self.total
        pace = (time.monotonic() - self.started + trusted) / (done + trusted) if self.total else 1
        return pace * (self.total - done)

    def close(self) -> None:
        self.bar.close()


def in_words(seconds: float) -> str:
    """A time that nobody knows to the second."""
    if seconds < 60:
        return f"{math.ceil(max(seconds, 1) / 10) * 10} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
