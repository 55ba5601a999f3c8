"""What happens between steps: the epoch is told on, freed memory is given back."""

from __future__ import annotations

import transformers
from transformers import TrainerCallback

from ..run.memory import give_back_holes


class SetEpoch(TrainerCallback):
    """Tells the sampler and the data set which epoch it is, however accelerate has wrapped them."""

    def __init__(self, trainer: transformers.Trainer):
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
