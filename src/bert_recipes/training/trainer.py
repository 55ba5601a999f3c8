"""The one Trainer of every recipe: train, evaluate, predict, save, resume."""

from __future__ import annotations

from contextlib import nullcontext

import torch
import transformers
from transformers import EarlyStoppingCallback

from ..models.decided import forget_decisions
from ..models.pretrained import count_parameters
from ..run.checkpoints import checkpoint_to_resume, passed_over
from ..run.errors import UserError, counted
from ..run.hub import failures_of_upload, open_for_upload, repo_id_of
from ..run.memory import keep_freed_memory, peak_memory_mb
from ..run.output_folder import forget_run, holds_run, only_run_in
from ..run.stops import StopTogether, end_of_training, failures_told
from ..text.streaming import StreamedChunks
from .callbacks import GiveBackHoles, SetEpoch
from .compiling import compile_as_asked
from .metrics import MEAN_LOSS
from .packing import PackedTrainer
from .progress import show_progress
from .samplers import LengthGroupedSampler


class Trainer(PackedTrainer):
    """`transformers.Trainer`, right where the stock one is not: rows of like length in an order that every process and
    every resume shares, an evaluation loss that weighs rows alike, checkpoints that are there whole or not at all, and
    a stop that says why.

    `loss_of_guessing`: nats of a uniform guess, which a loss that explodes is measured by.
    """

    def __init__(self, *args, loss_of_guessing: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.batch_size_tried: int | None = None
        if self.args.do_train:
            forget_decisions(self.model.config)
        if self.args.device.type == "cpu":
            keep_freed_memory(self.model)
            self.add_callback(GiveBackHoles())
        compile_as_asked(self, one_shape=self.pack is not None)
        self.stop = StopTogether(self, loss_of_guessing)
        self.add_callback(self.stop)
        self.add_callback(SetEpoch(self))
        if self.args.early_stopping_patience is not None:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))

    def init_hf_repo(self, *args, **kwargs):  # transformers 5.23 hands on more than those before it
        with failures_of_upload(self.args, f"--push_to_hub to {repo_id_of(self.args)}"):
            super().init_hf_repo(*args, **kwargs)
            if self.is_world_process_zero():
                open_for_upload(self.args, self.hub_model_id)

    def save_model(self, output_dir=None, _internal_call=False):
        # Stock uploads here, with a card of its own: a run is uploaded once it is whole.
        super().save_model(output_dir, _internal_call=True)

    def _get_train_sampler(self, train_dataset=None):
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        # Trainer drops the length column before its own sampler can see it.
        self.train_sampler = LengthGroupedSampler(
            self.train_dataset.lengths,
            self.rows_a_device_and_step * self.args.world_size,
            self.args.seed if self.args.data_seed is None else self.args.data_seed,
        )
        return self.train_sampler

    def _get_eval_sampler(self, eval_dataset):
        # Trainer would group evaluation rows by length too, and predictions would come out permuted.
        return torch.utils.data.SequentialSampler(eval_dataset)

    def get_train_dataloader(self):
        if isinstance(self.train_dataset, StreamedChunks):
            # Each process reads the stream and takes its share: batches sent out by the first would need one length.
            self.accelerator.dataloader_config.dispatch_batches = False
            return super().get_train_dataloader()
        try:
            batches = super().get_train_dataloader()
        except (ValueError, AssertionError) as error:  # arguments of the data loader that do not go together
            raise UserError(" ".join(str(error).split())) from error
        if not len(batches):
            rows = counted(len(self.train_dataset), "training row does", "training rows do")
            raise UserError(
                f"{rows} not fill a batch, and --dataloader_drop_last drops it: lower --per_device_train_batch_size"
            )
        return batches

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.stop.add(loss)
        return loss

    def rows_of_step(self, step: int) -> list[int]:
        """The training rows of a step (0: the first), where their order is ours to know."""
        sampler = getattr(self, "train_sampler", None)
        return [] if sampler is None else sampler.rows_of_step(step)

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        with failures_told(self.args, f"--per_device_eval_batch_size {self.args.per_device_eval_batch_size}: lower it"):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        mean_loss = output.metrics.pop(f"{metric_key_prefix}_{MEAN_LOSS}", None)
        if mean_loss is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = mean_loss
        return output

    def _update_auto_batch_size(self, batch_size: int) -> None:
        # Down to a divisor of the rows of a step, which stay the same; from the weights that the run began with.
        rows = self.rows_a_device_and_step
        fits = max(size for size in range(1, batch_size + 1) if rows % size == 0)
        if fits == self.batch_size_tried:
            raise torch.OutOfMemoryError(f"{counted(fits, 'row')} at a time: out of memory.")
        if self.batch_size_tried is None:
            self.first_weights = {name: weight.cpu().clone() for name, weight in self.model.state_dict().items()}
        else:
            print(f"Out of memory: now {counted(fits, 'row')} at a time, {rows // fits} times a step", flush=True)
            self.model.load_state_dict(self.first_weights)
            self.optimizer = self.lr_scheduler = None  # with what they know of the steps so far
            transformers.set_seed(self.args.seed)
        self.batch_size_tried = fits
        self.args.gradient_accumulation_steps = rows // fits
        super()._update_auto_batch_size(fits)


def train_and_evaluate(trainer: Trainer) -> dict[str, float]:
    """Train (from a checkpoint where the arguments ask for one), then score the best model on the validation split.

    Returns the results so far: `train_*` (with trained and frozen parameters and the peak memory) and `eval_*`.
    """
    args, results = trainer.args, {}
    show_progress(trainer)
    if args.do_train:
        checkpoint = checkpoint_to_resume(args)
        if args.resume_from_checkpoint == "auto" and args.process_index == 0:
            for damaged in passed_over(args, checkpoint):
                print(f"Passed over {damaged}", flush=True)
        if args.resume_from_checkpoint and args.process_index == 0:
            print(f"Going on from {checkpoint}" if checkpoint else f"No checkpoint in {args.output_dir}: starting anew")
        alone = only_run_in(args.output_dir) if args.process_index == 0 else nullcontext()
        with alone, end_of_training(trainer.stop):
            if args.overwrite and args.should_save and holds_run(trainer.run_dir):
                forget_run(trainer.run_dir)
            results.update(trainer.train(resume_from_checkpoint=checkpoint).metrics)
    if args.do_eval:
        results.update(trainer.evaluate())
    trained, frozen = count_parameters(trainer.model)
    return {
        **results,
        "train_parameters": trained,
        "frozen_parameters": frozen,
        "train_peak_memory_mb": peak_memory_mb(args.device),
    }
