"""What the screen shows while a model trains: one bar with the time left, and a line for each validation."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized

from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback, Trainer, TrainerCallback

from ..models.pretrained import count_parameters
from ..run.errors import counted
from ..run.screen import show_bars
from ..text.packing import PackingCollator

# Of an evaluation's metrics, what is no score, and what the table at the end of the run has no place for either.
LEFT_OUT = ("runtime", "per_second", "precision", "recall", "mean_loss")
SECONDS_BETWEEN_LINES = 30  # of a bar in a log file, where each state of it is a line


def show_progress(trainer: Trainer) -> None:
    """In the place of the Trainer's own: its bars stand inside one another, and its logs are printed dictionaries."""
    for former in (ProgressCallback, PrinterCallback, Progress):
        trainer.remove_callback(former)
    trainer.add_callback(Progress(trainer.pack))


def with_progress(blocks: Iterable[Sized], total: int, trainer: Trainer) -> Iterator:
    """The blocks of a file of `total` rows, with one bar over all of them while `trainer` predicts each."""
    show_bars(False)  # of the tokenising: one is enough
    for former in (ProgressCallback, PrinterCallback, Progress):
        trainer.remove_callback(former)
    rows = RowsDone(bar("predicting", total, trainer.args, hidden=not trainer.is_world_process_zero(), unit=" rows"))
    trainer.add_callback(rows)
    for block in blocks:
        rows.begin(len(block))
        yield block
    rows.bar.close()


class RowsDone(TrainerCallback):
    """Of each block the share of its batches that is predicted, as rows."""

    def __init__(self, bar: tqdm):
        self.bar, self.before, self.rows, self.batches = bar, 0, 0, 0

    def begin(self, rows: int) -> None:
        self.before, self.rows, self.batches = self.before + self.rows, rows, 0
        self.bar.update(self.before - self.bar.n)

    def on_prediction_step(self, args, state, control, eval_dataloader=None, **kwargs):
        self.batches += 1
        share = min(1.0, self.batches / len(eval_dataloader))
        self.bar.update(self.before + int(self.rows * share) - self.bar.n)


class Progress(TrainerCallback):
    """One bar at a time; without bars (`--disable_tqdm`) a line each time the loss is logged."""

    def __init__(self, pack: PackingCollator | None = None):
        self.training = self.scoring = None
        self.pack = pack

    def on_train_begin(self, args, state, control, model=None, train_dataloader=None, **kwargs):
        self.on_train_end(args, state, control)  # --auto_find_batch_size begins again
        if not state.is_world_process_zero:
            return
        trained, frozen = count_parameters(model)
        weights = f"{trained:,} weights" if not frozen else f"{trained:,} of {trained + frozen:,} weights"
        batches = args.gradient_accumulation_steps * args.world_size
        rows = counted(args.train_batch_size * batches, "row")
        size = rows if self.pack is None else f"{self.pack.positions * batches:,} tokens"
        print(f"Training {weights}: {counted(state.max_steps, 'step')} of {size}")
        if args.precision_why:
            print(f"{'bf16' if args.bf16 else 'fp16' if args.fp16 else 'fp32'}: {args.precision_why}")
        sys.stdout.flush()
        self.started, self.first_step = time.monotonic(), state.global_step
        self.training = bar("training", state.max_steps, args, initial=state.global_step, unit=" steps")

    def on_step_end(self, args, state, control, **kwargs):
        if self.training is not None:
            self.training.update(state.global_step - self.training.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training is None or "loss" not in logs:
            return
        self.training.set_postfix_str(f"loss {logs['loss']:.4g}", refresh=False)
        if args.disable_tqdm:
            done = state.global_step - self.first_step
            left = (time.monotonic() - self.started) / done * (state.max_steps - state.global_step)
            told = f"step {state.global_step:,} of {state.max_steps:,}: loss {logs['loss']:.4g}"
            print(f"{told}, about {duration(left)} left", flush=True)

    def on_prediction_step(self, args, state, control, eval_dataloader=None, **kwargs):
        if not state.is_world_process_zero or not hasattr(eval_dataloader, "__len__"):
            return
        if self.scoring is None:
            # Inside the training's bar there is no second one: its name says how far the validation is.
            hidden = self.training is not None
            self.scoring = bar("scoring", len(eval_dataloader), args, unit=" batches", hidden=hidden)
            self.scored = 0
        self.scored += 1
        self.scoring.update()
        if self.training is not None:
            self.training.set_description_str(f"validating {self.scored}/{len(eval_dataloader)}")

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        self.close_scoring()
        if self.training is not None:
            self.training.set_description_str("training")
            scores = [f"{title(name)} {value:.4f}" for name, value in metrics.items() if is_score(name)]
            tqdm.write(f"epoch {state.epoch:.3g}, validation: {', '.join(scores)}")
            sys.stdout.flush()

    def on_predict(self, args, state, control, **kwargs):
        self.close_scoring()

    def close_scoring(self) -> None:
        if self.scoring is not None:
            self.scoring.close()
        self.scoring = None

    def on_train_end(self, args, state, control, **kwargs):
        if self.training is not None:
            self.training.close()
        self.training = None


def bar(name: str, total: int | None, args, hidden: bool = False, **kwargs) -> tqdm:
    return tqdm(
        desc=name,
        total=total,
        leave=False,
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES,
        disable=hidden or args.disable_tqdm,
        **kwargs,
    )


def is_score(name: str) -> bool:
    return name.startswith("eval_") and not name.endswith(LEFT_OUT)


def title(name: str) -> str:
    return name.removeprefix("eval_").replace("_", " ").replace("macro f1", "macro-F1")


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
