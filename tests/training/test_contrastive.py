"""simcse.py: its loss, what its run leaves, a kill, and the stages that go on from it."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import recipe, refusal
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer, EvalPrediction

from bert_recipes.training import contrastive

SHORT = [
    *("--max_train_samples", "48", "--max_eval_samples", "24", "--per_device_train_batch_size", "8"),
    *("--max_steps", "4", "--disable_tqdm", "true", "--learning_rate", "1e-3"),
]


def simcse(folder, model, *words):
    return recipe("simcse").main(["--output_dir", str(folder), "--model_name_or_path", str(model), *SHORT, *words])


@pytest.fixture(scope="module")
def whole(tmp_path_factory, dropout_model):
    folder = tmp_path_factory.mktemp("simcse") / "whole"
    return folder, simcse(folder, dropout_model, "--save_strategy", "steps", "--save_steps", "2")


def test_the_loss_finds_each_texts_other_vector():
    first, second = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    # Cosines 1, 0.7071 and 0, 0.7071; divided by 0.5: 2, 1.4142 and 0, 1.4142.
    rows = [np.log(np.exp(2) + np.exp(2**0.5)) - 2, np.log(1 + np.exp(2**0.5)) - 2**0.5]
    assert contrastive.contrastive_loss(first, second, 0.5).item() == pytest.approx(np.mean(rows), rel=1e-5)


def test_uniformity_is_that_of_all_pairs():
    vectors = np.array([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0]])  # squared distances 2, 4, 2 at length 1
    scores = contrastive.uniformity(EvalPrediction(vectors, None))
    assert scores["uniformity"] == pytest.approx(np.log((2 * np.exp(-4) + np.exp(-8)) / 3))
    assert scores["mean_cosine"] == pytest.approx(-1 / 3)
    scores = contrastive.uniformity(EvalPrediction(np.array([[2.0, 0.0], [0.0, 0.0]]), None))  # of an empty text
    assert scores["uniformity"] == pytest.approx(-2)
    # More texts than are scored stand in the order of their lengths: the short ones alone are not all of them.
    by_length = np.concatenate([np.tile([1.0, 0.0], (contrastive.MOST_SCORED, 1)), np.tile([0.0, 1.0], (2000, 1))])
    assert contrastive.uniformity(EvalPrediction(by_length, None))["mean_cosine"] == pytest.approx(0.5, abs=0.03)


def test_what_a_run_leaves_loads_and_the_next_stages_go_on_from_it(whole, tiny_model, tmp_path):
    folder, results = whole
    names = {"model.safetensors", "config.json", "tokenizer.json", "README.md", "all_results.json", "figures"}
    assert names <= {path.name for path in folder.iterdir()}
    assert results["eval_uniformity"] < 0 and -1 <= results["eval_mean_cosine"] <= 1
    assert "before its first step" in (folder / "README.md").read_text()
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["BertModel"]
    began, saved = load_file(tiny_model / "model.safetensors"), load_file(folder / "model.safetensors")
    # A pooler of random weights, which no step reaches, would pass for a trained one.
    assert not any("pooler" in name for name in saved) and not any(name.startswith("cls.") for name in saved)
    word = "embeddings.word_embeddings.weight"
    assert (saved[word] - began[f"bert.{word}"]).abs().max() > 1e-4
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert model(**tokenizer("房间很干净", return_tensors="pt")).last_hidden_state.shape == (1, 7, 32)
    rows = tmp_path / "rows.txt"
    rows.write_text("房间很干净\n服务很差\n", encoding="utf-8")
    argv = ["--model_name_or_path", str(folder), "--input_file", str(rows), "--output_file", str(tmp_path / "v.npz")]
    recipe("embed").main(argv)
    assert np.load(tmp_path / "v.npz")["vectors"].shape == (2, 32)
    argv = [
        "--model_name_or_path",
        str(folder),
        "--max_train_samples",
        "16",
        "--max_eval_samples",
        "8",
        "--no_baseline",
    ]
    argv += ["--max_test_samples", "8", "--max_steps", "1", "--output_dir", str(tmp_path / "tuned")]
    assert 0 <= recipe("finetune").main(argv)["test_accuracy"] <= 1


def test_a_run_that_was_cut_goes_on_to_the_same_weights(whole, dropout_model, tmp_path):
    folder, results = whole
    cut = tmp_path / "cut"
    shutil.copytree(folder / "checkpoint-2", cut / "checkpoint-2")
    again = simcse(cut, dropout_model, "--resume_from_checkpoint", "auto", "--save_strategy", "no")
    assert again["eval_uniformity"] == pytest.approx(results["eval_uniformity"], abs=1e-6)
    weights, others = (load_file(path / "model.safetensors") for path in (folder, cut))
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_a_step_of_two_batches_has_the_mean_of_their_gradients(tmp_path, dropout_model, monkeypatch):
    """And the loss that is logged is the mean of theirs."""
    losses, compute = [], contrastive.ContrastiveTrainer.compute_loss

    def watched(self, *args, **kwargs):
        losses.append(compute(self, *args, **kwargs))
        return losses[-1]

    logged, log = [], contrastive.ContrastiveTrainer.log
    monkeypatch.setattr(contrastive.ContrastiveTrainer, "compute_loss", watched)
    monkeypatch.setattr(
        contrastive.ContrastiveTrainer, "log", lambda self, logs, *rest: (logged.append(logs), log(self, logs, *rest))
    )
    simcse(tmp_path / "out", dropout_model, "--gradient_accumulation_steps", "2", "--max_steps", "1")
    step = next(logs for logs in logged if "loss" in logs)
    assert len(losses) == 2 and step["loss"] == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)


MISTAKES = {
    "no dropout": (["--dropout", "0"], "--dropout 0.0: must lie between 0 and 1"),
    "one text a batch": (["--per_device_train_batch_size", "1"], "a text needs others to be told from"),
    "no temperature": (["--temperature", "0"], "--temperature 0.0: must be above 0"),
    "smoothing": (["--label_smoothing_factor", "0.1"], "SimCSE has no labels"),
    "an adapter": (["--model_name_or_path", "adapter"], "is an adapter"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, tiny_model, tmp_path, monkeypatch):
    words, message = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter").mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_model / file, tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    assert message in refusal(simcse, tmp_path / "out", tiny_model, *words)
    assert not (tmp_path / "out").exists()
