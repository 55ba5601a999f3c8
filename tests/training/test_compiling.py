"""`--torch_compile`: once for all layers, not anew for other batches, and nothing that is saved shows it."""

import pytest
import torch
from accelerate.utils import is_compiled_module
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from varlen_on_cpu import needs_varlen, use_kernel

from bert_recipes.arguments.classifier import FinetuneArguments, LoraArguments
from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.adapters import add_lora, save_lora
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.models.compiled_layers import compile_layers
from bert_recipes.models.layers import repeated_layers
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.run.errors import UserError
from bert_recipes.training.assembling import classifier_trainer, masked_language_model_trainer
from bert_recipes.training.data import load_classification_data, load_pretraining_data
from bert_recipes.training.trainer import train_and_evaluate

LIMITS = {"max_train_samples": 120, "max_eval_samples": 30}


@pytest.fixture(autouse=True)
def compiled_anew():
    torch._dynamo.reset()
    counters.clear()


@pytest.fixture(scope="module")
def reviews(tiny_model):
    data_args = LabelledDataArguments(**LIMITS, max_test_samples=10, max_length=64)
    return load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1)


def trainer_of(stage, folder, model, reviews, **given):
    given = {
        "max_steps": 6, "torch_compile_backend": "eager", "use_cpu": True, "disable_tqdm": True,
        "logging_strategy": "no", "save_strategy": "no", "eval_strategy": "no", "per_device_train_batch_size": 8,
        **given,
    }  # fmt: skip
    model_args = ModelArguments(str(model))
    torch.manual_seed(0)
    if stage == "finetune":
        args = FinetuneArguments(output_dir=str(folder), **given)
        return classifier_trainer(
            load_classifier(model_args, reviews.label_names), args, reviews.tokenizer, reviews.encoded
        )
    if stage == "lora":
        args = LoraArguments(output_dir=str(folder), **given)
        adapted = add_lora(load_classifier(model_args, reviews.label_names), args)
        return classifier_trainer(adapted, args, reviews.tokenizer, reviews.encoded)
    args = MlmArguments(output_dir=str(folder), chunk_length=64, packing=stage == "packed", **given)
    data = load_pretraining_data(model_args, DataArguments(dataset_name="peoples_daily", **LIMITS), args)
    return masked_language_model_trainer(load_masked_lm(model_args, data.tokenizer), args, data)


def compilations():
    return counters["stats"]["unique_graphs"]


def shapes_of_steps(trainer):
    seen, step = [], trainer.training_step

    def training_step(model, inputs, *args):
        seen.append((tuple(inputs["input_ids"].shape), compilations()))
        return step(model, inputs, *args)

    trainer.training_step = training_step
    return seen


@pytest.mark.parametrize("stage, most", [("packed", 1), ("mlm", 2), ("finetune", 2), ("lora", 4)])
def test_layers_are_compiled_once_and_nothing_saved_shows_it(tmp_path, tiny_model, reviews, capsys, stage, most):
    trainer = trainer_of(stage, tmp_path / "compiled", tiny_model, reviews, save_strategy="steps", save_steps=3)
    seen = shapes_of_steps(trainer)
    trainer.train()
    shapes = {shape for shape, _ in seen}
    assert len(shapes) == 1 if stage == "packed" else len(shapes) > 2
    assert 1 <= compilations() <= most
    assert stage != "packed" or seen[1][1] == compilations()  # none after the first step
    assert not counters["graph_break"]
    assert "Compiled 2 layers in " in capsys.readouterr().out
    assert not is_compiled_module(trainer.model_wrapped)
    trained = compilations()
    trainer.evaluate()
    assert trained < compilations() <= trained + 2
    plain = trainer_of(stage, tmp_path / "plain", tiny_model, reviews, torch_compile_backend=None)
    plain.train()
    for one in (trainer, plain):
        save_lora(one.model, one.processing_class, one.args) if stage == "lora" else one.save_model()
    saved, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("compiled", "plain"))
    assert saved.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(saved[name], weight, atol=1e-5, rtol=1e-4, msg=name)
    (checkpoint,) = (tmp_path / "compiled" / "checkpoint-3").glob("*model.safetensors")
    assert not any("_orig_mod" in name for name in load_file(checkpoint))


@needs_varlen
def test_layers_with_the_kernel_of_a_gpu_are_compiled_once(tmp_path, tiny_model, reviews, monkeypatch):
    use_kernel(monkeypatch)
    losses = []
    for backend in ("aot_eager", None):
        trainer = trainer_of("packed", tmp_path / str(backend), tiny_model, reviews, torch_compile_backend=backend)
        losses.append(trainer.train().training_loss)
        assert compilations() == 1 and not counters["graph_break"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_resumed_compiled_run_ends_with_the_same_weights(tmp_path, dropout_model, reviews):
    given = {"save_strategy": "steps", "save_steps": 3, "save_total_limit": None}
    whole = trainer_of("finetune", tmp_path, dropout_model, reviews, **given)
    train_and_evaluate(whole)
    checkpoint = str(tmp_path / "checkpoint-3")
    again = trainer_of("finetune", tmp_path, dropout_model, reviews, resume_from_checkpoint=checkpoint, **given)
    train_and_evaluate(again)
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.model.state_dict().items())


@pytest.mark.parametrize("said", ["eager", "no"])
def test_what_accelerate_is_launched_with(tmp_path, tiny_model, reviews, monkeypatch, capsys, said):
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", said.upper())
    monkeypatch.setenv("ACCELERATE_DYNAMO_USE_DYNAMIC", "True")
    trainer = trainer_of("finetune", tmp_path, tiny_model, reviews, max_steps=2, torch_compile_backend=None)
    trainer.train()
    assert not is_compiled_module(trainer.model_wrapped)
    assert (compilations() > 0) == ("--dynamo_use_dynamic is left out" in capsys.readouterr().out) == (said == "eager")


def test_the_compiler_of_this_machine(tmp_path, tiny_model, reviews, capsys):
    losses = []
    for given in ({"torch_compile": True}, {}):
        trainer = trainer_of(
            "packed", tmp_path / str(len(losses)), tiny_model, reviews, max_steps=3, torch_compile_backend=None, **given
        )
        losses.append(trainer.train().training_loss)
        assert compilations() == 1
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert "Compiled 2 layers in " in capsys.readouterr().out


def test_a_model_that_repeats_no_layer():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.ReLU()]))
    assert repeated_layers(model) == []
    with pytest.raises(UserError, match="Sequential repeats no layer"):
        compile_layers(model, "eager")
