"""Adversarial steps, R-Drop, a learning rate for each layer, layers that stay or start anew, the mean of checkpoints,
the mean of a text's tokens: each beside the same thing worked out by hand."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import recipe, refusal, short, tools_first
from safetensors.torch import load_file
from torch.nn import functional

from bert_recipes.arguments.classifier import FinetuneArguments, LoraArguments
from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.arguments.model import CheckpointArguments, ClassifierModelArguments, ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.adapters import add_lora
from bert_recipes.models.classifiers import load_classifier, load_trained_classifier
from bert_recipes.text.masking import IGNORED
from bert_recipes.training.adversarial import perturbation
from bert_recipes.training.assembling import classifier_for, classifier_trainer
from bert_recipes.training.averaging import mean_of_checkpoints
from bert_recipes.training.data import load_classification_data
from bert_recipes.training.losses import classification_loss
from bert_recipes.training.r_drop import divergence, r_drop_loss, twice


@pytest.fixture(scope="module")
def data(tiny_model):
    data_args = ClassifierDataArguments(max_train_samples=24, max_eval_samples=8, max_test_samples=8, max_length=24)
    return load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1)


@pytest.fixture
def trainer_for(tiny_model, tmp_path, data):
    def make(*argv, arguments=FinetuneArguments, **model_given):
        argv = ["--output_dir", str(tmp_path / "out"), "--overwrite", "--use_cpu", "--precision", "fp32", *argv]
        (args,) = parse(arguments, argv=argv)
        model = classifier_for(data, ClassifierModelArguments(str(tiny_model), **model_given), args)
        model = add_lora(model, args) if arguments is LoraArguments else model
        return classifier_trainer(model, args, data.tokenizer, data.encoded)

    return make


def batches(trainer, count=1):
    rows = iter(trainer.get_train_dataloader())
    return [next(rows) for _ in range(count)]


def gradients(model):
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("arguments", [FinetuneArguments, LoraArguments])
def test_an_adversarial_step_adds_the_gradients_of_moved_rows(trainer_for, arguments):
    epsilon = 2.0
    argv = ["--adversarial", "fgm", "--adversarial_epsilon", str(epsilon), "--per_device_train_batch_size", "6"]
    trainer = trainer_for(*argv, arguments=arguments)
    model, parts = trainer.model, batches(trainer, 2)
    losses = [trainer.training_step(model, dict(part), num_items_in_batch=12) for part in parts]
    found = gradients(model)
    model.zero_grad()
    table = model.get_input_embeddings()
    for part, loss in zip(parts, losses, strict=True):
        read = {name: part[name] for name in ("attention_mask", "token_type_ids") if name in part}
        embedded = table(part["input_ids"]).detach().requires_grad_()
        plain = functional.cross_entropy(model(inputs_embeds=embedded, **read).logits, part["labels"], reduction="sum")
        (direction,) = torch.autograd.grad(plain, embedded)
        moved = torch.stack([epsilon * row / row.norm() for row in direction])
        for change in (0, moved):
            logits = model(inputs_embeds=table(part["input_ids"]) + change, **read).logits
            (functional.cross_entropy(logits, part["labels"], reduction="sum") / 12).backward()
        assert loss.item() == pytest.approx(plain.item() / 12, rel=1e-5)
    expected = gradients(model)
    assert found.keys() == expected.keys() and len(found) > 5
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-6, rtol=1e-3)
    assert not table._forward_hooks


def test_a_gradient_of_zero_or_without_bounds_moves_nothing():
    gradient = torch.ones(3, 2, 2)
    gradient[1], gradient[2, 0, 0] = 0, torch.inf
    expected = torch.tensor([0.5, 0.0, 0.0])[:, None, None].expand(3, 2, 2)
    torch.testing.assert_close(perturbation(gradient, 1.0), expected)


def test_r_drop_is_the_mean_of_two_passes_and_their_divergence():
    torch.manual_seed(0)
    logits, labels = torch.randn(8, 3), torch.tensor([0, 2, 1, 1])
    loss = r_drop_loss(classification_loss(), 0.7)
    first, second = logits.chunk(2)
    p, q = first.log_softmax(-1), second.log_softmax(-1)
    both = [functional.kl_div(a, b, reduction="sum", log_target=True) for a, b in ((p, q), (q, p))]
    passes = (functional.cross_entropy(first, labels) + functional.cross_entropy(second, labels)) / 2
    torch.testing.assert_close(loss({"logits": logits}, labels), passes + 0.7 * sum(both) / 2 / 4)
    torch.testing.assert_close(loss({"logits": logits}, labels, 16), (passes * 4 + 0.7 * sum(both) / 2) / 16)
    torch.testing.assert_close(loss({"logits": first}, labels), functional.cross_entropy(first, labels))
    p, q = (torch.stack((part.sigmoid(), 1 - part.sigmoid()), -1) for part in (first, second))
    each = ((p - q) * (p.log() - q.log())).sum() / 2
    torch.testing.assert_close(divergence(first, second, torch.zeros(4, 3)), each)
    tokens = torch.tensor([[1, IGNORED], [2, 0]])
    p, q = (part.view(2, 2, 3).log_softmax(-1) for part in (first, second))
    of_tokens = ((p.exp() - q.exp()) * (p - q)).sum(-1) / 2
    expected = of_tokens.sum() - of_tokens[0, 1]
    torch.testing.assert_close(divergence(first.view(2, 2, 3), second.view(2, 2, 3), tokens), expected)


def test_r_drop_trains_on_every_row_twice_and_scores_it_once(trainer_for):
    trainer = trainer_for("--r_drop", "1", "--dropout", "0.2", "--per_device_train_batch_size", "6")
    (batch,) = batches(trainer)
    seen = []
    trainer.model.register_forward_pre_hook(lambda model, args, kwargs: seen.append(kwargs), with_kwargs=True)
    trainer.training_step(trainer.model, dict(batch), num_items_in_batch=6)
    assert seen[0]["input_ids"].tolist() == batch["input_ids"].tolist() * 2
    trainer.evaluate()
    assert len(seen[1]["input_ids"]) == 8
    windows = {"text_of_window": torch.tensor([0, 0, 1]), "windows_of_text": torch.tensor([2, 1])}
    doubled = twice(windows | {"labels": torch.tensor([1, 0])})
    assert doubled["text_of_window"].tolist() == [0, 0, 1, 2, 2, 3]
    assert doubled["windows_of_text"].tolist() == [2, 1, 2, 1] and doubled["labels"].tolist() == [1, 0]


def test_a_tagger_is_trained_with_tricks_too(tiny_model, tmp_path, monkeypatch):
    attacks, groups = [], []
    monkeypatch.setattr("bert_recipes.training.adversarial.perturbation", lambda *args: attacks.append(args) or 0.0)
    monkeypatch.setattr("bert_recipes.training.tricks.decay_by_layer", lambda *args: groups.append(args))
    argv = [*short("ner"), "--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")]
    argv += ["--adversarial", "fgm", "--r_drop", "1", "--dropout", "0.1", "--layer_learning_rate_decay", "0.9"]
    recipe("ner").main([*argv, "--max_length", "32", "--eval_strategy", "no", "--save_strategy", "no"])
    assert len(attacks) == 4 and groups[0][2] == 0.9
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_dropout_prob"] == 0


def test_each_layer_has_the_rate_of_the_one_above_it_times_the_decay(trainer_for):
    trainer = trainer_for("--layer_learning_rate_decay", "0.5", "--learning_rate", "0.08", "--weight_decay", "0.1")
    names = {id(weight): name for name, weight in trainer.model.named_parameters()}
    found = {
        names[id(weight)]: (group["lr"], group["weight_decay"])
        for group in trainer.create_optimizer().param_groups
        for weight in group["params"]
    }
    assert found.keys() == set(names.values())
    assert found["classifier.weight"] == found["bert.pooler.dense.weight"] == (0.08, 0.1)
    assert found["bert.encoder.layer.1.output.dense.weight"] == (0.04, 0.1)
    assert found["bert.encoder.layer.0.output.LayerNorm.bias"] == (0.02, 0.0)
    assert found["bert.embeddings.word_embeddings.weight"] == (0.01, 0.1)
    trainer.create_scheduler(10, trainer.optimizer)
    assert trainer.lr_scheduler.base_lrs[0] == 0.08


def test_lower_layers_stay_and_upper_ones_start_anew(trainer_for, tiny_model, capsys):
    model = trainer_for("--freeze_layers", "1").model
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if "embeddings" in name or "layer.0." in name}
    assert "Frozen: the embeddings and the lowest 1 of 2 layers" in capsys.readouterr().out
    model = trainer_for("--reinitialize_layers", "1").model
    assert "The topmost 1 of 2 layers and the pooler start from random weights" in capsys.readouterr().out
    saved = load_file(tiny_model / "model.safetensors")
    same = {name for name, weight in model.state_dict().items() if name in saved and torch.equal(weight, saved[name])}
    matrices = {name for name in saved if name.endswith("dense.weight") and name.startswith("bert.encoder")}
    assert {name for name in matrices if "layer.0." in name} <= same
    assert not {name for name in matrices if "layer.1." in name} & same
    spread = model.bert.encoder.layer[1].output.dense.weight.std().item()
    assert spread == pytest.approx(model.config.initializer_range, rel=0.1)


def test_a_run_ends_with_the_mean_of_its_last_checkpoints(tiny_model, tmp_path, capsys):
    """Not of the best one, which is the first: at so low a rate no prediction changes."""
    argv = [*short("finetune"), "--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")]
    argv += ["--average_checkpoints", "2", "--eval_strategy", "steps", "--eval_steps", "1", "--save_strategy", "steps"]
    argv += ["--save_steps", "1", "--metric_for_best_model", "accuracy", "--warmup_steps", "0"]
    recipe("finetune").main([*argv, "--learning_rate", "1e-4", "--no_baseline"])
    assert "The model is the mean of checkpoint-3, checkpoint-4" in capsys.readouterr().out
    assert (tmp_path / "out" / "checkpoint-1").exists()
    folders = [tmp_path / "out" / f"checkpoint-{step}" for step in (3, 4)]
    weights = [load_file(folder / "model.safetensors") for folder in folders]
    found = load_file(tmp_path / "out" / "model.safetensors")
    for name, weight in found.items():
        torch.testing.assert_close(weight, sum(part[name] for part in weights) / 2)
    assert not torch.equal(found["classifier.weight"], weights[-1]["classifier.weight"])
    assert mean_of_checkpoints(folders[:1]).keys() == found.keys()


def test_the_mean_of_the_tokens_in_place_of_cls(tiny_model, tmp_path, tokenizer, capsys):
    model = load_classifier(ClassifierModelArguments(str(tiny_model), pooling="mean"), ["好", "坏"]).eval()
    texts = ["房间很干净，服务也好，下次还来。", "纸张太差"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        found = model(**batch).logits
        for row, text in enumerate(texts):
            alone = tokenizer(text, return_tensors="pt")
            mean = model.bert(**alone).last_hidden_state.mean(1)
            expected = model.classifier(model.bert.pooler.dense(mean).tanh())
            torch.testing.assert_close(found[row : row + 1], expected, atol=1e-5, rtol=1e-4)
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        reloaded, _ = load_trained_classifier(CheckpointArguments(str(tmp_path)))
        again = load_classifier(ClassifierModelArguments(str(tmp_path)), ["好", "坏"]).eval()
        torch.testing.assert_close(again(**batch).logits, found)
        torch.testing.assert_close(reloaded.eval()(**batch).logits, found)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "bert_mean_pooling"
    assert "reads the mean of the tokens, not [CLS]" in capsys.readouterr().out
    told = refusal(load_classifier, ClassifierModelArguments(str(tmp_path), pooling="cls"), ["好", "坏"])
    assert "was trained to read the mean of the tokens: leave it out" in told


@pytest.mark.full
def test_plain_transformers_refuses_a_model_that_reads_the_mean(tiny_model, tmp_path):
    load_classifier(ClassifierModelArguments(str(tiny_model), pooling="mean"), ["好", "坏"]).save_pretrained(tmp_path)
    load = f"from transformers import AutoModelForSequenceClassification as A; A.from_pretrained({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, env=tools_first())
    assert done.returncode != 0 and "bert_mean_pooling" in done.stderr


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["--r_drop", "1"],
            "--r_drop compares two passes that differ in dropout, and this model has none: add --dropout",
        ),
        (["--adversarial_epsilon", "2"], "--adversarial_epsilon is for --adversarial fgm: add it"),
        (["--adversarial", "fgm", "--adversarial_epsilon", "0"], "--adversarial_epsilon 0.0: must be above 0"),
        (["--adversarial", "pgd"], "--adversarial: invalid choice: 'pgd'"),
        (["--r_drop", "-1"], "--r_drop -1.0: must be 0 or more"),
        (["--dropout", "1"], "--dropout 1.0: must be 0 or more, and below 1"),
        (["--layer_learning_rate_decay", "1.2"], "--layer_learning_rate_decay 1.2: must be above 0, and at most 1"),
        (["--freeze_layers", "3"], "--freeze_layers 3: BertForSequenceClassification has 2 layers"),
        (["--reinitialize_layers", "3"], "--reinitialize_layers 3: BertForSequenceClassification has 2 layers"),
        (["--freeze_encoder", "--freeze_layers", "1"], "--freeze_encoder trains no layer at all: leave it out, or"),
        (["--average_checkpoints", "1"], "--average_checkpoints 1: one checkpoint is its own mean, name 2 or more"),
        (["--average_checkpoints", "2", "--save_strategy", "no"], "--save_strategy no leaves none"),
        (["--average_checkpoints", "2", "--early_stopping_patience", "1"], "ends with a mean"),
        (["--average_checkpoints", "2", "--load_best_model_at_end", "true"], "with a mean: keep one of them"),
        (["--average_checkpoints", "3", "--save_total_limit", "3"], "--save_total_limit 3 keeps too few checkpoints"),
        (["--freeze_layers", "2", "--reinitialize_layers", "1"], "of 2 layers some would be random and never trained"),
        (["--freeze_encoder", "--layer_learning_rate_decay", "0.9"], "is for layers that train: leave it out"),
    ],
)
def test_what_cannot_be_is_refused(trainer_for, argv, said):
    assert said in refusal(trainer_for, *argv)


def test_random_layers_are_not_frozen(tiny_model, data, tmp_path):
    (args,) = parse(FinetuneArguments, argv=["--output_dir", str(tmp_path), "--overwrite", "--freeze_layers", "1"])
    scratch = ClassifierModelArguments(str(tiny_model), from_scratch=True)
    told = refusal(classifier_for, data, scratch, args)
    assert told == "--freeze_layers: with --from_scratch every layer is random: leave one of them out"


def test_an_adversarial_loss_without_bounds_is_noticed_and_a_plain_one_counts_once(trainer_for):
    trainer = trainer_for("--adversarial", "fgm", "--per_device_train_batch_size", "6")
    (batch,) = batches(trainer)
    loss = trainer.training_step(trainer.model, dict(batch), num_items_in_batch=6)
    assert trainer.stop.loss.item() == pytest.approx(loss.item(), rel=1e-5)
    trainer.adversary.epsilon = float("nan")
    trainer.training_step(trainer.model, dict(batch), num_items_in_batch=6)
    assert trainer.stop.loss.isnan()


def test_two_ways_to_pool_are_refused():
    told = refusal(ClassifierModelArguments, "bert-mini-zh", aspect_attention=True, pooling="mean")
    assert told == "--aspect_attention adds to what [CLS] gives, --pooling mean leaves [CLS] out: keep one"
