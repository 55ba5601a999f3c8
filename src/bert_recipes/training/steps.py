"""Steps that never ask the device: what a step must know of its batch, the host has counted."""

from __future__ import annotations

from functools import cached_property

import torch
from transformers import TrainingArguments

from ..models.attention_masks import expand_masks
from ..run.devices import copy_without_waiting
from ..text.collating import HOST_COUNTS
from .checkpointing import CheckpointedTrainer
from .losses import MaskedLabels


class SteppingTrainer(CheckpointedTrainer):
    """`transformers.Trainer` whose steps wait for no GPU outside logging, evaluation and saving: stock counts labels
    and tokens, and looks for padding and masked positions, on the device, and waits for each answer."""

    def __init__(self, *, args: TrainingArguments, **kwargs):
        copy_without_waiting(args)  # before the accelerator is made
        super().__init__(args=args, **kwargs)
        self.can_leave_masks_out = expand_masks(self.model)
        self.tokens_on_device: torch.Tensor | int = 0  # of steps that no log has told of yet

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # the data sets of `text` hand out batches of what the model reads

    def _get_num_items_in_batch(self, batch_samples, device):
        if not batch_samples or "labels" not in batch_samples[0]:
            return None
        labels = sum(count_labels(batch) for batch in batch_samples)
        counts = [labels, sum(batch.get("num_pairs", 0) for batch in batch_samples)]
        if self.args.world_size > 1 and self.args.average_tokens_across_devices:
            counts = self.summed_over_processes(counts)
        return tuple(counts) if "num_pairs" in batch_samples[0] else counts[0]

    def summed_over_processes(self, numbers: list[int]) -> torch.Tensor:
        on_host = torch.tensor([numbers])
        if self.args.device.type == "cuda":
            on_host = on_host.pin_memory()
        return self.accelerator.gather(on_host.to(self.args.device, non_blocking=True)).sum(0)

    def for_model(self, inputs: dict[str, torch.Tensor | int]) -> dict[str, torch.Tensor | int]:
        """A batch without the host's counts, and without a mask where nothing is padded."""
        read = {name: values for name, values in inputs.items() if name not in HOST_COUNTS}
        if self.can_leave_masks_out and inputs.get("num_tokens") == inputs["input_ids"].numel():
            read.pop("attention_mask", None)
        return read

    def prediction_step(self, model, inputs, *args, **kwargs):
        if "labels" not in inputs:  # then it goes to the model as it is, and not to `compute_loss`
            inputs = self.for_model(inputs)
        return super().prediction_step(model, inputs, *args, **kwargs)

    def compute_loss(self, model, inputs, *args, **kwargs):
        inputs = self.for_model(inputs)
        if "next_sentence_label" in inputs or "masked_positions" in inputs:
            pairs = inputs.pop("next_sentence_label", None)  # both tasks' labels go to the loss, and not to the model
            inputs["labels"] = MaskedLabels.of(inputs["labels"], inputs.get("masked_positions"), pairs)
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _track_num_input_tokens(self, inputs):
        if self.args.include_num_input_tokens_seen != "non_padding" or "num_tokens" not in inputs:
            super()._track_num_input_tokens(inputs)
        elif self.args.world_size == 1:
            self.state.num_input_tokens_seen += inputs["num_tokens"]
        else:
            self.tokens_on_device += self.summed_over_processes([inputs["num_tokens"]])[0]

    def _maybe_log_save_evaluate(self, *args, **kwargs):
        control = self.control
        told = control.should_log or control.should_evaluate or control.should_save or control.should_training_stop
        if told and isinstance(self.tokens_on_device, torch.Tensor):
            self.state.num_input_tokens_seen += int(self.tokens_on_device)
            self.tokens_on_device = 0
        super()._maybe_log_save_evaluate(*args, **kwargs)

    @cached_property
    def weights_outside_embeddings(self) -> int:
        return self.model.num_parameters(exclude_embeddings=True)

    def floating_point_ops(self, inputs):
        # As stock, which counts the model's weights anew each step.
        return 6 * inputs["input_ids"].numel() * self.weights_outside_embeddings if "input_ids" in inputs else 0


def count_labels(batch: dict[str, torch.Tensor | int]) -> int:
    return batch["num_labels"] if "num_labels" in batch else batch.get("masked_positions", batch["labels"]).numel()
