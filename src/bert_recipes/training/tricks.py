"""The Trainer of texts or tokens with labels, with what `TrickArguments` ask for."""

from __future__ import annotations

import torch

from ..models.layers import depths, repeated_layers, set_dropout
from ..run.checkpoints import written_checkpoints
from ..run.errors import UserError, tell
from .adversarial import FastGradientMethod
from .averaging import mean_of_checkpoints
from .r_drop import r_drop_loss, twice
from .trainer import Trainer


class TrickTrainer(Trainer):
    """`Trainer` with adversarial steps, R-Drop, dropout, a learning rate for each layer, and the mean of checkpoints;
    without the arguments that ask for them it is `Trainer`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.args.dropout is not None:
            set_dropout(self.model, self.args.dropout)
        self.adversary: FastGradientMethod | None = None
        if self.args.adversarial:
            self.adversary = FastGradientMethod(self.model.get_input_embeddings(), self.args.adversarial_epsilon)
        if self.args.r_drop:
            self.compute_loss_func = r_drop_loss(self.compute_loss_func, self.args.r_drop)
        self.checkpoints_to_average = getattr(self.args, "average_checkpoints", 0)  # of finetune.py alone
        refuse_what_cannot_be(self)

    def for_model(self, inputs):
        read = super().for_model(inputs)
        return twice(read) if self.args.r_drop and self.model.training else read

    def training_step(self, model, inputs, num_items_in_batch=None):
        """The gradients of a batch; with an adversary those of the moved rows are added. The loss is the plain one."""
        if self.adversary is None:
            return super().training_step(model, inputs, num_items_in_batch)
        with self.adversary.watching():
            loss = super().training_step(model, inputs, num_items_in_batch)
        with self.adversary.attacking():
            of_moved_rows = super().training_step(model, inputs, num_items_in_batch)
        self.stop.add(-of_moved_rows)  # which has been added: nothing of it stays, unless it is no number
        return loss

    def create_optimizer(self, model=None):
        made = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if made and self.args.layer_learning_rate_decay < 1:
            decay_by_layer(optimizer, self.model if model is None else model, self.args.layer_learning_rate_decay)
        return optimizer

    def _finalize_training(self, *args, **kwargs):
        output = super()._finalize_training(*args, **kwargs)
        if self.checkpoints_to_average and not self.stop.stopping:
            self.take_mean_of_checkpoints(self.checkpoints_to_average)
        return output

    def take_mean_of_checkpoints(self, count: int) -> None:
        folders = written_checkpoints(self.run_dir)[:count]
        self.accelerator.unwrap_model(self.model).load_state_dict(mean_of_checkpoints(folders))
        named = ", ".join(folder.name for folder in reversed(folders))
        fewer = f" (--average_checkpoints asks for {count}, and no more were saved)" if len(folders) < count else ""
        if self.is_world_process_zero():
            tell(f"The model is the mean of {named}{fewer}")


def decay_by_layer(optimizer: torch.optim.Optimizer, model: torch.nn.Module, decay: float) -> None:
    """Give each layer the learning rate of the one above it times `decay` (Howard & Ruder 2018, arXiv 1801.06146); what
    lies behind the layers keeps its own."""
    depth_of = {id(weight): depth for weight, depth in zip(model.parameters(), depths(model).values(), strict=True)}
    groups, optimizer.param_groups = optimizer.param_groups, []
    for depth in sorted(set(depth_of.values())):  # the logged rate is the first group's: the head's
        for group in groups:
            if weights := [weight for weight in group["params"] if depth_of[id(weight)] == depth]:
                optimizer.add_param_group(group | {"params": weights, "lr": group["lr"] * decay**depth})


def refuse_what_cannot_be(trainer: TrickTrainer) -> None:
    args, model = trainer.args, trainer.model
    if args.r_drop and not any(module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)):
        raise UserError(
            "--r_drop compares two passes that differ in dropout, and this model has none: add --dropout 0.1"
        )
    if args.layer_learning_rate_decay < 1 and not repeated_layers(model):
        raise UserError(f"--layer_learning_rate_decay: {type(model).__name__} repeats no layer: leave it out")
    asked = {
        "adversarial": args.adversarial,
        "layer_learning_rate_decay": args.layer_learning_rate_decay < 1,
        "average_checkpoints": trainer.checkpoints_to_average,
    }
    for name, is_asked in asked.items():
        if is_asked and (trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled):
            raise UserError(f"--{name} is not for DeepSpeed or FSDP, which hold the weights in parts: leave it out")
