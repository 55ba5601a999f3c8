"""No step waits for the device: nothing is read from it, and no shape hangs on what a tensor holds, but for logging."""

import collections

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import ClassifierDataArguments, DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.ner import NerArguments, NerDataArguments
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.models.token_classifiers import load_token_classifier
from bert_recipes.run.errors import UserError
from bert_recipes.training.assembling import classifier_for, classifier_trainer, masked_language_model_trainer
from bert_recipes.training.data import load_classification_data, load_pretraining_data
from bert_recipes.training.entity_data import load_entity_data
from bert_recipes.training.entity_trainer import entity_trainer

WAITING = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "_unique2", "unique_dim"}


class CountWaits(TorchDispatchMode):
    """Counts the operations that wait for a GPU, of tensors on any device."""

    def __init__(self):
        super().__init__()
        self.found = collections.Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in WAITING:
            self.found[name] += 1
        if name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            self.found[f"{name} by booleans"] += 1
        return function(*args, **(kwargs or {}))


class WatchSteps(TrainerCallback):
    """Counts from the second step to the eleventh: the first fills caches."""

    def __init__(self):
        self.mode = CountWaits()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 1:
            self.mode.__enter__()
        if state.global_step == 11:
            self.mode.__exit__(None, None, None)


def trainer_of(stage, folder, model_args, **given):
    given = {
        "max_steps": 12, "logging_strategy": "no", "save_strategy": "no", "eval_strategy": "no", "disable_tqdm": True,
        "per_device_train_batch_size": 8, **given,
    }  # fmt: skip
    limits = {"max_train_samples": 200, "max_eval_samples": 30}
    if stage in ("finetune", "tricks", "windows"):
        tricks = {"adversarial": "fgm", "r_drop": 1.0, "dropout": 0.1} if stage == "tricks" else {}
        args = FinetuneArguments(output_dir=str(folder), **tricks, **given)
        reading = {"max_length": 64, "long_text": "windows" if stage == "windows" else None}
        data = load_classification_data(model_args, ClassifierDataArguments(**reading, **limits), seed=1)
        model = classifier_for(data, model_args, args)
        return classifier_trainer(model, args, data.tokenizer, data.encoded)
    if stage == "ner":
        args = NerArguments(output_dir=str(folder), **given)
        data = load_entity_data(model_args, NerDataArguments(max_length=64, **limits), seed=1)
        return entity_trainer(load_token_classifier(model_args, data.tag_names), args, data.tokenizer, data)
    kind = {"chunk_length": 64, "nsp": stage == "nsp", "packing": stage == "packed"}
    args = MlmArguments(output_dir=str(folder), **kind, **given)
    data = load_pretraining_data(model_args, DataArguments(dataset_name="peoples_daily", **limits), args)
    model = load_masked_lm(model_args, data.tokenizer, args.dropout, args.nsp)
    return masked_language_model_trainer(model, args, data)


@pytest.mark.parametrize(
    ("stage", "accumulation"),
    [*((stage, 2) for stage in ("mlm", "packed", "nsp", "finetune", "tricks", "windows", "ner")), ("finetune", 1)],
)
def test_ten_steps_wait_for_nothing(tmp_path, tiny_model, stage, accumulation):
    model_args = ModelArguments(str(tiny_model))
    trainer = trainer_of(stage, tmp_path, model_args, use_cpu=True, gradient_accumulation_steps=accumulation)
    watch = WatchSteps()
    trainer.add_callback(watch)
    trainer.train()
    assert not watch.mode.found
    assert trainer.state.global_step == 12


def test_the_count_of_waits_finds_them():
    mode, values = CountWaits(), torch.arange(4)
    with mode:
        values.sum().item()
        values[values > 1]
        values.nonzero()
        values[values > 2] = 0
    assert mode.found["_local_scalar_dense"] == 1 and mode.found["nonzero"] == 1
    assert sum(count for name, count in mode.found.items() if "booleans" in name) == 2


@pytest.mark.gpu
@pytest.mark.parametrize("stage", ["mlm", "packed", "nsp", "finetune", "tricks", "windows"])
def test_ten_steps_on_a_gpu_wait_for_nothing(tmp_path, tiny_model, stage):
    class Forbid(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            torch.cuda.set_sync_debug_mode("error" if 1 <= state.global_step < 11 else "default")

    trainer = trainer_of(stage, tmp_path, ModelArguments(str(tiny_model)))
    trainer.add_callback(Forbid())
    trainer.train()


@pytest.mark.parametrize("save_steps, told", [(4, 6), (5, 5)])
def test_a_loss_that_is_looked_at_a_step_later_is_in_no_checkpoint(tmp_path, tiny_model, save_steps, told):
    trainer = trainer_of(
        "mlm", tmp_path, ModelArguments(str(tiny_model)), use_cpu=True, save_strategy="steps", save_steps=save_steps
    )
    trainer.stop.looks_later = lambda flags: True  # as on a GPU
    seen, step = [], trainer.training_step

    def training_step(model, inputs, *args):
        seen.append(trainer.state.global_step + 1)
        if seen[-1] == 5:
            trainer.stop.add(torch.tensor(float("nan")))
        return step(model, inputs, *args)

    trainer.training_step = training_step
    with pytest.raises(UserError, match=r"the loss is nan at step 5 \(training rows"):
        trainer.train()
    assert seen[-1] == told  # at the next step, or at once where a checkpoint would be written
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ([] if save_steps == 5 else ["checkpoint-4"])
