"""A checkpoint as people have it: old names, prefixes, another config, parts that are missing."""

import json
import shutil

import pytest
import torch
from conftest import refusal
from safetensors.torch import load_file, save_file

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.model import CheckpointArguments, ModelArguments
from bert_recipes.models.adapters import add_lora, save_lora
from bert_recipes.models.classifiers import load_classifier, load_trained_classifier
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.models.tokenization import load_tokenizer


def renamed(folder, target, rename):
    """A copy of a model's folder whose weights have the names that `rename` gives them; None leaves one out."""
    shutil.copytree(folder, target)
    weights = load_file(folder / "model.safetensors")
    weights = {rename(name): weight for name, weight in weights.items() if rename(name)}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def with_config(folder, target, **changes):
    shutil.copytree(folder, target)
    config = json.loads((folder / "config.json").read_text()) | changes
    (target / "config.json").write_text(json.dumps(config))
    return target


def load_both(folder, tokenizer):
    model_args = ModelArguments(str(folder))
    return load_classifier(model_args, ["a", "b"]), load_masked_lm(model_args, tokenizer)


def old_names(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        (old_names, ""),
        (lambda name: f"module.{name}", "begin with module. or _orig_mod."),
        (lambda name: f"_orig_mod.module.{old_names(name)}", "begin with module. or _orig_mod."),
    ],
    ids=["old names", "DataParallel", "compiled, old names"],
)
def test_every_weight_of_the_encoder_is_the_checkpoints_and_is_saved_under_todays_name(
    tiny_model, tokenizer, tmp_path, capsys, rename, said
):
    folder, right = renamed(tiny_model, tmp_path / "model", rename), load_file(tiny_model / "model.safetensors")
    for model in load_both(folder, tokenizer):
        encoder = {name: weight for name, weight in model.state_dict().items() if name in right and "bert." in name}
        assert len(encoder) > 30 and all(torch.equal(weight, right[name]) for name, weight in encoder.items())
        model.save_pretrained(tmp_path / "saved")
        # What `load_state_dict` finds there: a resume, and the best checkpoint.
        assert model.load_state_dict(load_file(tmp_path / "saved" / "model.safetensors"), strict=False)[1] == []
        assert encoder.keys() <= load_file(tmp_path / "saved" / "model.safetensors").keys()
    output = capsys.readouterr()
    assert said in output.out and "LOAD REPORT" not in output.out + output.err


def test_weights_of_another_model_are_refused(tiny_model, tokenizer, tmp_path):
    lightning = renamed(tiny_model, tmp_path / "lightning", lambda name: f"net.{name}")
    message = refusal(load_classifier, ModelArguments(str(lightning)), ["a", "b"])
    assert "lacks 37 of the encoder's 37 weights" in message and "it has net.bert.embeddings" in message
    assert "lacks 37" in refusal(load_masked_lm, ModelArguments(str(lightning)), tokenizer)
    halved = renamed(tiny_model, tmp_path / "halved", lambda name: None if "layer.1." in name else name)
    assert "lacks 16 of the encoder's 37 weights, such as bert.encoder.layer.1.attention" in refusal(
        load_classifier, ModelArguments(str(halved)), ["a", "b"]
    )


@pytest.mark.parametrize("size", ["vocab_size", "max_position_embeddings", "hidden_size"])
def test_a_config_with_another_size_than_the_weights_is_refused(tiny_model, tokenizer, tmp_path, size):
    former = json.loads((tiny_model / "config.json").read_text())[size]
    folder = with_config(tiny_model, tmp_path / "model", **{size: former + 4})
    for load, names in ((load_classifier, ["a", "b"]), (load_masked_lm, tokenizer)):
        message = refusal(load, ModelArguments(str(folder)), names)
        assert f"({size} {former + 4}, the file's {former})" in message


def test_a_config_with_fewer_layers_is_told(tiny_model, tokenizer, tmp_path, capsys):
    folder = with_config(tiny_model, tmp_path / "model", num_hidden_layers=1)
    load_classifier(ModelArguments(str(folder)), ["a", "b"])
    assert "16 weights of its encoder have no place" in capsys.readouterr().out


PARTS = ("head for the labels a, b", "pooler")


def test_new_parts_are_told_in_a_line_each(tiny_model, capsys):
    load_classifier(ModelArguments(str(tiny_model)), ["a", "b"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{tiny_model} has no {part}: a new one starts from random weights" for part in PARTS]


def test_a_classifier_whose_head_is_missing_labels_nothing(tiny_model, tokenizer, tmp_path):
    load_classifier(ModelArguments(str(tiny_model)), ["a", "b"]).save_pretrained(tmp_path / "whole")
    tokenizer.save_pretrained(tmp_path / "whole")
    folder = renamed(tmp_path / "whole", tmp_path / "headless", lambda n: None if n.startswith("classifier") else n)
    assert "its file has no head" in refusal(load_trained_classifier, CheckpointArguments(str(folder)))


def test_an_adapter_is_no_start(tiny_model, tokenizer, tmp_path):
    args = LoraArguments(output_dir=str(tmp_path / "run"), use_cpu=True)
    save_lora(add_lora(load_classifier(ModelArguments(str(tiny_model)), ["a", "b"]), args), tokenizer, args)
    message = refusal(load_classifier, ModelArguments(str(tmp_path / "run" / "adapter")), ["a", "b"])
    assert "is an adapter: start from a whole model" in message


def test_folders_that_are_no_models(tiny_model, tmp_path):
    assert "no config.json" in refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))
    assert "no such folder" in refusal(load_tokenizer, CheckpointArguments("outputs/nothing"))
    (tmp_path / "config.json").write_text("{}")
    assert "can't be loaded" in refusal(load_tokenizer, CheckpointArguments(str(tmp_path)))
    assert "is no classifier" in refusal(load_trained_classifier, CheckpointArguments(str(tiny_model)))


def test_a_hub_id_that_cannot_be_reached_is_one_line():
    message = refusal(load_tokenizer, CheckpointArguments("somebody/some-bert"))
    assert message.startswith("--model_name_or_path somebody/some-bert can't be loaded")


def test_broken_weights_are_one_line(tiny_model, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((tiny_model / "config.json").read_text())
    whole = (tiny_model / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "can't be loaded" in refusal(load_classifier, ModelArguments(str(tmp_path)), ["a", "b"])
