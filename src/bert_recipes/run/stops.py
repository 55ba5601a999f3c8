"""Why a run stops before its end: a signal, a loss out of bounds, memory. Every process stops at the same step."""

from __future__ import annotations

import math
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from accelerate.utils.memory import should_reduce_batch_size
from transformers import Trainer, TrainerCallback, TrainingArguments

from .checkpoints import newest_checkpoint
from .errors import ExplodedLoss, LostProcess, OutOfMemory, shorten

EXPLODED = 20  # times the loss of guessing
STOPPED = 128 + signal.SIGTERM  # a shell's status for a process that SIGTERM ended; 143


class StopTogether(TrainerCallback):
    """Looks at each step's loss, and at SIGTERM: a process that meets either one tells the others, which else would
    wait for it.

    On a CPU it looks before the weights move. On a GPU it looks a step later, so that no step waits for its own loss,
    and always before a checkpoint, an evaluation and the end of training: none of them has weights of a broken step.

    `loss_of_guessing`: nats of a uniform guess, ln(classes). After SIGTERM the step in hand is finished and a
    checkpoint is saved.
    """

    def __init__(self, trainer: Trainer, loss_of_guessing: float):
        self.trainer, self.limit = trainer, EXPLODED * max(loss_of_guessing, math.log(2))
        self.signalled = self.stopping = False
        self.loss = 0.0
        self.pending: StepFlags | None = None
        self.former_handler = None

    def add(self, loss: torch.Tensor) -> None:
        """A part of the step's loss: of one batch of `gradient_accumulation_steps`."""
        self.loss = self.loss + loss.detach().float()

    def on_train_begin(self, args, state, control, **kwargs):
        self.loss, self.pending = 0.0, None  # with --auto_find_batch_size training begins again
        if threading.current_thread() is threading.main_thread() and self.former_handler is None:
            self.former_handler = signal.signal(signal.SIGTERM, self.on_signal)

    def on_train_end(self, args, state, control, **kwargs):
        self.restore_handler()

    def restore_handler(self) -> None:
        if self.former_handler is not None:
            signal.signal(signal.SIGTERM, self.former_handler)
            self.former_handler = None

    def on_signal(self, number, frame):
        self.signalled = True

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        loss, self.loss = self.loss, 0.0
        out_of_bounds = ~(loss.abs() <= self.limit)  # a NaN is not below it either
        flags = torch.stack((out_of_bounds.float(), torch.full_like(loss, float(self.signalled)), loss))
        if args.world_size > 1:
            gathered = self.trainer.accelerator.gather(flags).reshape(-1, 3)
            # The loss that broke the bounds, wherever it was; `max` hands a NaN on.
            flags = torch.cat((gathered[:, :2].amax(0), gathered[:, 2].max().reshape(1)))
        self.look()
        self.pending = StepFlags(flags, state.global_step, self.trainer._get_learning_rate())
        if not self.looks_later(flags):
            self.look()

    def looks_later(self, flags: torch.Tensor) -> bool:
        return flags.device.type != "cpu"

    def look(self) -> None:
        """At the flags of the last step that was not looked at, if there is one."""
        step, self.pending = self.pending, None
        if step is not None:
            out_of_bounds, self.stopping, loss = step.read()
            if out_of_bounds:
                self.refuse_loss(loss, step)

    def on_step_end(self, args, state, control, **kwargs):
        if self.stopping or control.should_save or control.should_evaluate or control.should_training_stop:
            self.look()
        if self.stopping:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args, state, control, **kwargs):
        self.look()
        # The Trainer says so of a pass that is cut off, too; the run that goes on evaluates where the pass ends.
        ended = state.global_step >= state.max_steps or math.isclose(state.epoch, round(state.epoch), abs_tol=1e-6)
        if self.stopping and not ended:
            control.should_evaluate = control.should_save = False

    def refuse_loss(self, loss: float, at: StepFlags) -> NoReturn:
        step, trainer = at.step + 1, self.trainer
        rows = trainer.rows_of_step(at.step)
        named = f" (training rows {shorten(rows)})" if rows else ""
        checkpoint = newest_checkpoint(trainer.run_dir)
        last = f"the last checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint yet"
        raise ExplodedLoss(
            f"the loss is {loss:.4g} at step {step}{named}, learning rate {at.learning_rate:.2e}; {last}: "
            "lower --max_grad_norm or train in fp32 (--precision fp32) and go on, or begin anew with a lower "
            "--learning_rate"
        )


class StepFlags:
    """Three numbers of a step (out of bounds, stopping, loss), on their way from the device: nothing waits for them
    before they are read."""

    def __init__(self, flags: torch.Tensor, step: int, learning_rate: float):
        self.step, self.learning_rate, self.flags, self.copied = step, learning_rate, flags, None
        if flags.device.type == "cuda":
            self.flags = torch.empty(flags.shape, pin_memory=True).copy_(flags, non_blocking=True)
            self.copied = torch.cuda.Event()
            self.copied.record()

    def read(self) -> list[float]:
        if self.copied is not None:
            self.copied.synchronize()
        return self.flags.tolist()


@contextmanager
def end_of_training(stop: StopTogether) -> Iterator[None]:
    """Around `train`: a run that SIGTERM cut short ends with a status of its own, `STOPPED`."""
    args = stop.trainer.args
    advice = "--auto_find_batch_size finds one that fits and keeps the rows of a step"
    try:
        with failures_told(args, f"--per_device_train_batch_size {args.per_device_train_batch_size}: {advice}"):
            yield
    finally:
        stop.restore_handler()
    if stop.stopping:
        if args.process_index == 0:
            checkpoint = stop.trainer.run_dir / f"checkpoint-{stop.trainer.state.global_step}"
            print(f"Stopped by SIGTERM; saved {checkpoint}: go on with --resume_from_checkpoint auto", file=sys.stderr)
        sys.exit(STOPPED)
    if stop.signalled:  # too late for a step: what the signal does elsewhere
        signal.raise_signal(signal.SIGTERM)


@contextmanager
def failures_told(args: TrainingArguments, batch_size: str) -> Iterator[None]:
    """Too little memory and lost processes end as errors that say what to do; `batch_size` says which argument it is,
    and what to do with it."""
    try:
        yield
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        if is_out_of_memory(error):
            raise OutOfMemory(f"out of memory with {batch_size}; or cut texts shorter ({reason[:200]})") from error
        if args.world_size > 1 and is_lost_process(error):
            goes_on = " with --resume_from_checkpoint auto" if args.do_train else ""
            raise LostProcess(
                f"process {args.process_index} of {args.world_size} lost another one ({reason[:200]}): launch all "
                f"again{goes_on}"
            ) from error
        raise


def is_out_of_memory(error: RuntimeError) -> bool:
    no_size_fits = "No executable batch size found" in str(error)
    return no_size_fits or isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def is_lost_process(error: RuntimeError) -> bool:
    """gloo has no exception of its own: its messages name the file they come from."""
    return isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)
