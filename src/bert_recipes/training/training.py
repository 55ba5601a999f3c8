"""The one Trainer of every recipe: train, evaluate, predict, save, resume."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from datasets import Dataset, DatasetDict
from peft import PeftModel
from transformers import (
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
)
from transformers.trainer import TRAINER_STATE_NAME

from ..arguments.arguments import MlmArguments, RecipeArguments
from ..arguments.problems import REGRESSION
from ..models.models import count_parameters, guess_the_mean
from ..run.checkpoints import (
    RUN_FACTS,
    bytes_of_checkpoint,
    checkpoint_to_resume,
    fault_of,
    forget_run,
    holds_run,
    only_run_in,
    passed_over,
    refuse_another_run,
    rotate,
    written_whole,
)
from ..run.errors import UserError
from ..run.hub import failures_of_upload, open_for_upload, repo_id_of
from ..run.memory import give_back_holes, keep_freed_memory, peak_memory_mb
from ..run.stops import StopTogether, end_of_training, failures_told
from ..text.encoding import PAD_TO_MULTIPLE_OF, sort_by_length
from ..text.masking import IGNORED, MaskedChunks, MaskedLanguageModelCollator
from ..text.streaming import StreamedChunks
from .data import PretrainingData
from .losses import classification_loss, masked_language_model_loss, pretraining_loss
from .metrics import (
    MEAN_LOSS,
    classification_metrics,
    masked_language_model_metrics,
    regression_metrics,
    token_losses,
)
from .training_length import choose_length

STREAM_POSITION = "stream.json"


class Trainer(transformers.Trainer):
    """`transformers.Trainer`, right where the stock one is not: rows of like length in an order that every process and
    every resume shares, an evaluation loss that weighs rows alike, checkpoints that are there whole or not at all, and
    a stop that says why.

    `loss_of_guessing`: nats of a uniform guess, which a loss that explodes is measured by.
    """

    def __init__(self, *args, loss_of_guessing: float = 0.0, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except (ValueError, ImportError) as error:  # arguments that do not go together
            raise UserError(" ".join(str(error).split())) from error
        self.run_dir = Path(self.args.output_dir)
        self.writing_to: Path | None = None  # while a checkpoint is written
        # What --auto_find_batch_size leaves as it is: it trades rows at a time for batches a step.
        self.rows_a_device_and_step = self.args.train_batch_size * self.args.gradient_accumulation_steps
        self.batch_size_tried: int | None = None
        if self.args.device.type == "cpu":
            keep_freed_memory(self.model)
            self.add_callback(GiveBackHoles())
        self.stop = StopTogether(self, loss_of_guessing)
        self.add_callback(self.stop)
        self.add_callback(SetEpoch(self))
        if self.args.early_stopping_patience is not None:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))

    def init_hf_repo(self, token=None, private=None):
        with failures_of_upload(self.args, f"--push_to_hub to {repo_id_of(self.args)}"):
            super().init_hf_repo(token, private)
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
            lengths_of(self.train_dataset),
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
            raise UserError(
                f"{len(self.train_dataset):,} training rows do not fill a batch, and --dataloader_drop_last drops it: "
                "lower --per_device_train_batch_size"
            )
        return batches

    def _get_num_items_in_batch(self, batch_samples, device):
        tokens = super()._get_num_items_in_batch(batch_samples, device)
        if "next_sentence_label" not in batch_samples[0]:
            return tokens
        pairs = sum((batch["next_sentence_label"] != IGNORED).sum() for batch in batch_samples).to(device)
        return torch.stack((tokens.to(device), self.accelerator.gather(pairs).sum()))

    def compute_loss(self, model, inputs, *args, **kwargs):
        if "next_sentence_label" in inputs:  # both tasks' labels go to the loss, and not to the model
            inputs["labels"] = (inputs["labels"], inputs.pop("next_sentence_label"))
        return super().compute_loss(model, inputs, *args, **kwargs)

    def training_step(self, model, inputs, num_items_in_batch=None):
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.stop.add(loss)
        return loss

    def rows_of_step(self, step: int) -> list[int]:
        """The training rows of a step (0: the first), where their order is ours to know."""
        sampler = getattr(self, "train_sampler", None)
        if sampler is None:
            return []
        size, count = self.rows_a_device_and_step * self.args.world_size, len(sampler)
        start = step % math.ceil(count / size) * size
        return list(itertools.islice(iter(sampler), start, start + size))

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        with failures_told(self.args, f"--per_device_eval_batch_size {self.args.per_device_eval_batch_size}: lower it"):
            output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        mean_loss = output.metrics.pop(f"{metric_key_prefix}_{MEAN_LOSS}", None)
        if mean_loss is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = mean_loss
        return output

    def facts(self) -> dict[str, Any]:
        """What a run that goes on from a checkpoint has in common with the one that saved it."""
        streamed = isinstance(self.train_dataset, StreamedChunks)
        return {
            **self.args.run_facts,
            "rows of a step": self.rows_a_device_and_step * self.args.world_size,
            "labels": list(self.model.config.id2label.values()),
            "training data of": f"{self.train_dataset.size} bytes" if streamed else f"{len(self.train_dataset)} rows",
        }

    def train(self, resume_from_checkpoint=None, **kwargs):
        if resume_from_checkpoint:
            refuse_another_run(resume_from_checkpoint, self.facts())
        if resume_from_checkpoint and isinstance(self.train_dataset, StreamedChunks):
            position = json.loads((Path(resume_from_checkpoint) / STREAM_POSITION).read_text(encoding="utf-8"))
            self.train_dataset.go_on_from(position)
            self.args.ignore_data_skip = True  # the stream begins where the checkpoint was: there is nothing to skip
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def _init_training_state(self, max_steps, steps_in_epoch, epochs, resume_from_checkpoint, trial):
        position = super()._init_training_state(max_steps, steps_in_epoch, epochs, resume_from_checkpoint, trial)
        if resume_from_checkpoint and self.state.best_global_step:
            self.find_best_checkpoint(Path(resume_from_checkpoint).parent)
        return position

    def find_best_checkpoint(self, folder: Path) -> None:
        """Beside the checkpoint that the run goes on from: the state has it where it was before the run was moved."""
        best = folder / f"checkpoint-{self.state.best_global_step}"
        self.state.best_model_checkpoint = str(best)
        if fault := fault_of(best):
            if self.is_world_process_zero():
                print(
                    f"The best checkpoint so far, {best}, is lost: {fault}. The best from here on is kept", flush=True
                )
            self.state.best_model_checkpoint = self.state.best_global_step = self.state.best_metric = None

    def _run_epoch(self, *args, **kwargs):
        # Stock counts once a step is done: a run that was cut behind its last checkpoint would take one more.
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*args, **kwargs)

    def _finalize_training(self, *args, **kwargs):
        # Of a limit of 1 stock leaves the best checkpoint alone: what SIGTERM has just saved would go.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        output = super()._finalize_training(*args, **kwargs)
        self.args.save_total_limit = limit
        if self.args.should_save:
            rotate(self.run_dir, limit, self.state.best_model_checkpoint, goes_on=self.stop.stopping)
        return output

    def _update_auto_batch_size(self, batch_size: int) -> None:
        # Down to a divisor of the rows of a step, which stay the same; from the weights that the run began with.
        rows = self.rows_a_device_and_step
        fits = max(size for size in range(1, batch_size + 1) if rows % size == 0)
        if fits == self.batch_size_tried:
            raise torch.OutOfMemoryError(f"{fits} rows at a time: out of memory.")
        if self.batch_size_tried is None:
            self.first_weights = {name: weight.cpu().clone() for name, weight in self.model.state_dict().items()}
        else:
            print(f"Out of memory: now {fits} rows at a time, {rows // fits} times a step", flush=True)
            self.model.load_state_dict(self.first_weights)
            transformers.set_seed(self.args.seed)
        self.batch_size_tried = fits
        self.args.gradient_accumulation_steps = rows // fits
        super()._update_auto_batch_size(fits)

    def _get_output_dir(self, trial):
        return str(self.writing_to or self.run_dir)

    def _save_checkpoint(self, model, trial):
        name = f"checkpoint-{self.state.global_step}"
        needed = bytes_of_checkpoint(self.model, adapter_only=isinstance(self.model, PeftModel))
        with written_whole(self.accelerator, self.run_dir, name, needed) as self.writing_to:
            super()._save_checkpoint(model, trial)
            if self.state.best_global_step == self.state.global_step:  # the best one is this one, and will move
                self.state.best_model_checkpoint = str(self.run_dir / name)
            if self.args.should_save:
                self.complete_checkpoint(self.writing_to / name)
        self.writing_to = None
        if self.args.should_save:
            rotate(self.run_dir, self.args.save_total_limit, self.state.best_model_checkpoint, goes_on=True)

    def complete_checkpoint(self, folder: Path) -> None:
        self.state.save_to_json(str(folder / TRAINER_STATE_NAME))
        (folder / RUN_FACTS).write_text(json.dumps(self.facts(), ensure_ascii=False, indent=1), encoding="utf-8")
        if isinstance(self.train_dataset, StreamedChunks):
            position = self.train_dataset.position_after(self.state.global_step * self.train_dataset.batch_size)
            (folder / STREAM_POSITION).write_text(json.dumps(position), encoding="utf-8")

    def _save(self, output_dir=None, state_dict=None):
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            folder = Path(output_dir or self.args.output_dir)
            # A pickle; README.md of the run holds the arguments as text.
            (folder / "training_args.bin").unlink(missing_ok=True)
            if isinstance(self.model, PeftModel):  # peft's own file has no label names
                self.model.get_base_model().config.save_pretrained(folder)

    def _issue_warnings_after_load(self, load_result):
        # Stock warns, and goes on with the weights of this moment in place of the checkpoint's.
        tied = getattr(self.model, "all_tied_weights_keys", {}).keys()
        if different := sorted({*load_result.missing_keys, *load_result.unexpected_keys} - tied):
            raise UserError(
                f"{self.run_dir}: a checkpoint's weights are not those of this model, such as {different[0]}: another "
                "version saved it; start another run in another --output_dir"
            )


class LengthGroupedSampler(torch.utils.data.Sampler):
    """Rows in random order, fifty batches of them at a time sorted by length, so that a batch has little padding; the
    batches in random order.

    The order is a function of (seed, epoch): every process draws the same one, and a resumed run goes on in it.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = np.asarray(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        rows, size = generator.permutation(len(self)), self.batch_size
        for start in range(0, len(rows), 50 * size):
            block = rows[start : start + 50 * size]
            block = block[np.argsort(self.lengths[block], kind="stable")]
            whole = len(block) // size
            for batch in [*generator.permutation(whole), whole]:  # a short batch is the epoch's last
                yield from block[batch * size : (batch + 1) * size].tolist()


class SetEpoch(TrainerCallback):
    """Tells the sampler and the data set which epoch it is, however accelerate has wrapped them."""

    def __init__(self, trainer: Trainer):
        self.trainer = trainer

    def on_epoch_begin(self, args, state, control, **kwargs):
        for target in (getattr(self.trainer, "train_sampler", None), self.trainer.train_dataset):
            if hasattr(target, "set_epoch"):
                target.set_epoch(int(state.epoch))


class GiveBackHoles(TrainerCallback):
    """Keeps a long run's memory from creeping up. To fetch the pages again costs a part of a step: done every ten steps
    3.5 % of the time (4 x 256), so it is done every fifty."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % 50 == 0:
            give_back_holes()


def lengths_of(dataset: Dataset | MaskedChunks) -> Sequence[int]:
    return dataset.lengths if isinstance(dataset, MaskedChunks) else dataset["length"]


def classifier_trainer(
    model: PreTrainedModel,
    args: RecipeArguments,
    tokenizer: PreTrainedTokenizerBase,
    dataset: DatasetDict | None = None,
) -> Trainer:
    """A Trainer for encoded texts (`encoding.encode_texts`): with the splits train and validation, or to predict."""
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    regression = model.config.problem_type == REGRESSION
    if dataset:
        args.suit(regression)
    if dataset and args.do_train:
        choose_length(args, len(dataset["train"]))
    if dataset and args.do_train and regression:
        guess_the_mean(model, dataset["train"]["labels"][:])
    return Trainer(
        model=model,
        args=args,
        train_dataset=dataset and dataset["train"],
        eval_dataset=dataset and sort_by_length(dataset["validation"]),
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=PAD_TO_MULTIPLE_OF),
        compute_loss_func=classification_loss(args.label_smoothing_factor),
        compute_metrics=regression_metrics if regression else classification_metrics,
        loss_of_guessing=loss_of_guessing(model.config, dataset),
    )


def loss_of_guessing(config: PretrainedConfig, dataset: DatasetDict | None) -> float:
    """Of all classes alike, or of a regression's mean."""
    if config.problem_type != REGRESSION:
        return math.log(config.num_labels)
    return float(np.var(dataset["train"]["labels"][:])) if dataset else 0.0


def masked_language_model_trainer(model: PreTrainedModel, args: MlmArguments, data: PretrainingData) -> Trainer:
    """A Trainer for masked chunks, or pairs of them for next-sentence prediction too."""
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    args.label_names = ["labels", "next_sentence_label"] if args.nsp else ["labels"]
    return Trainer(
        model=model,
        args=args,
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=data.tokenizer,
        data_collator=MaskedLanguageModelCollator(data.tokenizer),
        compute_loss_func=pretraining_loss if args.nsp else masked_language_model_loss,
        compute_metrics=masked_language_model_metrics,
        preprocess_logits_for_metrics=token_losses,
        loss_of_guessing=math.log(model.config.vocab_size),
    )


def suitable_learning_rate(args: RecipeArguments | type[RecipeArguments], config: PretrainedConfig) -> float:
    """The recipe's rate for a 768-wide model times (768 / width)^2: narrow models want larger steps.

    For full fine-tuning 3e-5 at 768 (the middle of what the BERT paper searched) and 1.7e-5 at 1,024; at 256 it is
    2.7e-4, where 3e-4 beat 1.5e-4 on the validation split. Below 256 nothing was measured: the rate stays.
    """
    return float(f"{args.base_learning_rate * (768 / max(256, config.hidden_size)) ** 2:.2g}")


def train_and_evaluate(trainer: Trainer) -> dict[str, float]:
    """Train (from a checkpoint where the arguments ask for one), then score the best model on the validation split.

    Returns the results so far: `train_*` (with trained and frozen parameters and the peak memory) and `eval_*`.
    """
    args, results = trainer.args, {}
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
