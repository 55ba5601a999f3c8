"""`--torch_compile`: layers are compiled, not the Trainer's whole step, and the screen says how long that takes."""

from __future__ import annotations

import os
import sys

import transformers
from accelerate.utils import DynamoBackend
from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainingArguments

from ..models.compiled_layers import compile_layers, compiling_seconds
from ..run.errors import tell


def compile_as_asked(trainer: transformers.Trainer, one_shape: bool = False) -> None:
    """As `--torch_compile` says, or `accelerate launch --dynamo_backend`; the Trainer's accelerator, which would wrap
    and compile the whole model, leaves it as it is."""
    trainer.accelerator.state.dynamo_plugin.backend = DynamoBackend.NO
    backend, mode = compiler_of(trainer.args)
    if backend != "no":
        for option in ("dynamic", "fullgraph"):
            if os.environ.get(f"ACCELERATE_DYNAMO_USE_{option.upper()}", "").lower() == "true":
                tell(f"accelerate's --dynamo_use_{option} is left out: the batches say how layers are compiled")
        layers = compile_layers(trainer.model, backend, mode, one_shape)
        trainer.add_callback(TellCompiling(layers))


def compiler_of(args: TrainingArguments) -> tuple[str, str | None]:
    """Backend ("no": none) and mode."""
    if args.torch_compile:
        return args.torch_compile_backend.lower(), args.torch_compile_mode
    launched = os.environ.get("ACCELERATE_DYNAMO_BACKEND", "no").lower()
    return launched, os.environ.get("ACCELERATE_DYNAMO_MODE")


class TellCompiling(TrainerCallback):
    """Says how long compiling has taken, once a step passes without any; and at the end, what came later."""

    def __init__(self, layers: int):
        self.layers = layers

    def on_train_begin(self, args, state, control, **kwargs):
        self.begin = self.before = compiling_seconds()
        self.told = False

    def on_step_end(self, args, state, control, **kwargs):
        now = compiling_seconds()
        if not self.told and now == self.before > self.begin:
            self.tell(state, f"Compiled {self.layers} layers in {now - self.begin:.0f} s")
        if not self.told:
            self.before = now

    def on_train_end(self, args, state, control, **kwargs):
        later = compiling_seconds() - self.before
        if not self.told:
            self.tell(state, f"Compiled {self.layers} layers in {later + self.before - self.begin:.0f} s")
        elif later:
            self.tell(state, f"Compiled for batches of another kind, such as validation's, in {later:.0f} s more")

    def tell(self, state, message: str) -> None:
        self.told = True
        if state.is_world_process_zero:
            tqdm.write(message)
            sys.stdout.flush()
