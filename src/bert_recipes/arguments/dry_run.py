"""What the arguments ask for, built for one made-up weight: what can't be built is told before anything is loaded."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers
from transformers import TrainingArguments
from transformers.utils import is_liger_kernel_available

from ..run.errors import UserError

STEPS = 100


def build_what_is_asked_for(args: TrainingArguments) -> None:
    """The optimizer and its learning-rate schedule. Raises `UserError` where a package or a schedule's own arguments
    are missing: transformers would say so once the data are read and the model is loaded."""
    if args.use_liger_kernel and not is_liger_kernel_available():
        raise UserError("--use_liger_kernel needs a package that is not installed: pip install liger-kernel")
    args = copy.copy(args)
    args.learning_rate = args.learning_rate or 1e-5  # else it is the model's to say
    model = torch.nn.Linear(1, 1)
    with refused(f"--optim {args.optim.value}" + (f" --optim_args {args.optim_args}" if args.optim_args else "")):
        optimizer_class, options = transformers.Trainer.get_optimizer_cls_and_kwargs(args, model)
        optimizer = optimizer_class(model.parameters(), **options)
    if args.torch_compile_backend:
        with refused(f"--torch_compile_backend {args.torch_compile_backend}"):
            torch.compile(model, backend=args.torch_compile_backend.lower())
    if args.torch_compile_mode:
        with refused(f"--torch_compile_mode {args.torch_compile_mode}"):
            torch.compile(model, mode=args.torch_compile_mode)
    given = f" --lr_scheduler_kwargs {args.lr_scheduler_kwargs}" if args.lr_scheduler_kwargs else ""
    with refused(f"--lr_scheduler_type {args.lr_scheduler_type.value}{given}"):
        transformers.get_scheduler(
            args.lr_scheduler_type,
            optimizer=optimizer,
            num_warmup_steps=args.get_warmup_steps(STEPS),
            num_training_steps=STEPS,
            scheduler_specific_kwargs=args.lr_scheduler_kwargs,
        )


@contextmanager
def refused(arguments: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each optimizer and schedule has exceptions of its own
        reason = " ".join(str(error).split())
        if "missing" in reason and "argument" in reason:
            reason += """; give it as in --lr_scheduler_kwargs '{"num_decay_steps": 500}'"""
        raise UserError(f"{arguments}: {reason}") from error
