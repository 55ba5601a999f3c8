"""What a classifier minimises: weights, focal loss, one of one's own; and what is said where they do not fit."""

import sys

import numpy as np
import pytest
import torch
from conftest import refusal
from scipy.special import expit, softmax
from test_waits import CountWaits
from torch.nn import functional

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.training.assembling import classifier_trainer
from bert_recipes.training.choosing_loss import choose_loss
from bert_recipes.training.data import load_classification_data
from bert_recipes.training.decisions import check_decisions
from bert_recipes.training.losses import focal_loss

OWN_LOSSES = """
import torch
from torch.nn import functional

NUMBER = 1

def unlikelihood(logits, labels):
    return functional.cross_entropy(logits, labels, reduction="none") ** 2

def of_numbers(logits, labels):
    return functional.huber_loss(logits, labels, reduction="none")

def of_several(logits, labels):
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1)

def mean(logits, labels):
    return functional.cross_entropy(logits, labels)

def constant(logits, labels):
    return torch.ones(len(labels))

def broken(logits, labels):
    return logits @ labels
"""


@pytest.fixture(scope="module")
def data(tiny_model, tmp_path_factory):
    """Name -> data: rows of one label, "b" of every fourth one; of two labels; of numbers; of three classes."""
    folder, found = tmp_path_factory.mktemp("data"), {}
    cells = {
        "one": lambda row: "ab"[row % 4 == 0],
        "several": lambda row: ";".join(name for name, every in (("a", 2), ("b", 5)) if row % every == 0) or "a",
        "number": lambda row: row / 7,
        "three": lambda row: "abc"[row % 3],
    }
    for name, cell in cells.items():
        rows = ["text,label", *(f"第{row}天的事情{'很多' * (row % 7)},{cell(row)}" for row in range(100))]
        (folder / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
        given = {"several": {"label_separator": ";"}, "number": {"problem_type": "regression"}}.get(name, {})
        data_args = LabelledDataArguments(train_file=str(folder / f"{name}.csv"), **given)
        found[name] = load_classification_data(ModelArguments(str(tiny_model)), data_args, seed=1)
    return found


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    (tmp_path / "own_losses.py").write_text(OWN_LOSSES)
    (tmp_path / "unfinished.py").write_text("def loss(:\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_losses", None)


def arguments(folder, *argv) -> FinetuneArguments:
    argv = ["--output_dir", str(folder / "out"), "--overwrite", "--use_cpu", *argv]
    return parse(FinetuneArguments, argv=argv)[0]


def labels_of(data) -> torch.Tensor:
    labels = torch.tensor(data.encoded["train"]["labels"][:])
    return labels if labels.is_floating_point() or labels.ndim == 1 else labels.float()


def test_balanced_weights_are_torchs_over_the_training_rows(tmp_path, data):
    labels = labels_of(data["one"])
    logits = torch.randn(len(labels), 2)
    counts = torch.bincount(labels).float()
    for argv, weights in (
        (["--class_weights", "balanced"], 1 / counts),
        (["--class_weights", "b=20，a=1"], torch.tensor([1.0, 20.0])),
        (["--class_weights", "a=0.5,b=2", "--label_smoothing_factor", "0.1"], torch.tensor([0.5, 2.0])),
    ):
        chosen = choose_loss(arguments(tmp_path, *argv), data["one"])
        smoothing = 0.1 if "--label_smoothing_factor" in argv else 0.0
        # torch divides by the sum of the rows' weights, here that is the number of rows.
        expected = functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)
        torch.testing.assert_close(chosen.function({"logits": logits}, labels), expected)
        assert chosen.scale == pytest.approx((weights.max() * len(labels) / (weights * counts).sum()).item())


def test_weights_of_several_labels_a_row_are_those_of_the_positives(tmp_path, data):
    labels = labels_of(data["several"])
    logits = torch.randn(labels.shape)
    positives = labels.sum(0)
    for text, weights in (("balanced", (len(labels) - positives) / positives), ("a=1,b=3", torch.tensor([1.0, 3.0]))):
        chosen = choose_loss(arguments(tmp_path, "--class_weights", text), data["several"])
        expected = functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)
        torch.testing.assert_close(chosen.function({"logits": logits}, labels), expected)


def test_the_focal_loss_is_that_of_its_formula():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(9, 3)), generator.integers(0, 3, 9)
    weights = np.array([0.5, 1.0, 4.0])
    p = softmax(logits, axis=-1)[range(9), labels]
    found = focal_loss(1.5, torch.tensor(weights))({"logits": torch.tensor(logits)}, torch.tensor(labels))
    assert found.item() == pytest.approx((weights[labels] * (1 - p) ** 1.5 * -np.log(p)).mean(), rel=1e-5)
    labels = generator.integers(0, 2, (9, 3))
    p = np.where(labels, expit(logits), 1 - expit(logits))
    row_weights = np.where(labels, weights, 1)
    found = focal_loss(2.0, torch.tensor(weights))({"logits": torch.tensor(logits)}, torch.tensor(labels).double())
    assert found.item() == pytest.approx((row_weights * (1 - p) ** 2 * -np.log(p)).mean(), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_row_that_is_certain_has_a_gradient(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0], [0.3, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1])
    loss = focal_loss(gamma)({"logits": logits}, labels)
    loss.backward()
    assert torch.isfinite(logits.grad).all() and torch.isfinite(loss)
    if gamma == 0:
        torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("one", ["--loss", "focal", "--class_weights", "a=1,b=20"]),
        ("several", ["--loss", "own_losses:of_several"]),
        ("number", ["--loss", "own_losses:of_numbers"]),
    ],
)
def test_accumulation_changes_neither_loss_nor_gradient_norm(tmp_path, tiny_model, data, own_folder, name, argv):
    runs = []
    for size, accumulation in ((16, 1), (4, 4)):
        args = arguments(
            tmp_path, *argv, "--max_steps", "4", "--logging_steps", "1", "--save_strategy", "no", "--disable_tqdm",
            "true", "--eval_strategy", "no", "--per_device_train_batch_size", str(size),
            "--gradient_accumulation_steps", str(accumulation),
        )  # fmt: skip
        torch.manual_seed(0)
        model = load_classifier(ModelArguments(str(tiny_model)), data[name].label_names, data[name].problem_type)
        trainer = classifier_trainer(
            model, args, data[name].tokenizer, data[name].encoded, choose_loss(args, data[name])
        )
        trainer.train()
        runs.append([(e["loss"], e["grad_norm"]) for e in trainer.state.log_history if "loss" in e])
    assert len(runs[0]) == 4
    # A heavy row's loss is not taken for one that explodes.
    assert trainer.stop.limit >= 19 * np.log(2) * choose_loss(args, data[name]).scale
    assert np.array(runs[1]) == pytest.approx(np.array(runs[0]), rel=1e-4)
    # What an evaluation says is plain cross-entropy (of numbers the squared error), whatever was minimised.
    logits = torch.tensor(trainer.predict(trainer.eval_dataset).predictions)
    labels = torch.tensor(trainer.eval_dataset.labels)
    plain = {"one": functional.cross_entropy, "several": functional.binary_cross_entropy_with_logits}
    expected = plain.get(name, lambda a, b: functional.mse_loss(a.squeeze(-1), b))(logits, labels)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("argv", [["--class_weights", "balanced"], ["--loss", "focal", "--class_weights", "balanced"]])
@pytest.mark.parametrize("name", ["one", "several"])
def test_no_loss_waits_for_the_device(tmp_path, data, name, argv):
    chosen, labels = choose_loss(arguments(tmp_path, *argv), data[name]), labels_of(data[name])
    logits, mode = torch.randn(len(labels), 2, requires_grad=True), CountWaits()
    with mode:
        chosen.function({"logits": logits}, labels, 80).backward()
    assert not mode.found


MISTAKES = {
    "an unknown loss": ("one", "--loss hinge", "--loss hinge: write cross_entropy, focal, or package.module:function"),
    "smoothed and focal": ("one", "--loss focal --label_smoothing_factor 0.1", "--label_smoothing_factor is not for"),
    "gamma alone": ("one", "--focal_gamma 2", "--focal_gamma is for --loss focal"),
    "a negative gamma": ("one", "--loss focal --focal_gamma -1", "--focal_gamma -1.0: must be 0 or more"),
    "own and weights": ("one", "--loss own_losses:mean --class_weights balanced", "which weighs its rows itself"),
    "an unknown class": (
        "one",
        "--class_weights a=1,c=2",
        "--class_weights: 'c' is no label of the training rows: a, b",
    ),
    "a class left out": ("one", "--class_weights a=1", "--class_weights: 'b' has no weight: give one to each of a, b"),
    "a weight of 0": ("one", "--class_weights a=1,b=0", "--class_weights b=0: must be above 0"),
    "a weight of no number": ("one", "--class_weights a=1,b=x", "'b=x' is no name=number"),
    "a class twice": ("one", "--class_weights a=1,a=2", "'a' stands there twice"),
    "weights in order": ("one", "--class_weights 1,20", "'1' is no name=number: write balanced or negative=1"),
    "weights of numbers": ("number", "--class_weights balanced", "--class_weights is for classes"),
    "focal of numbers": ("number", "--loss focal", "--loss focal is for classes"),
    "a threshold of numbers": ("number", "--threshold 0.3", "--threshold is for classes"),
    "calibrated numbers": ("number", "--calibrate", "--calibrate is for classes"),
    "a threshold of 1": ("one", "--threshold 1", "--threshold 1: must lie between 0 and 1"),
    "a threshold of 0": ("several", "--threshold a=0", "--threshold a=0: must lie between 0 and 1"),
    "an unknown label": ("several", "--threshold c=0.3", "--threshold: 'c' is no label of the training rows: a, b"),
    "no threshold": ("one", "--threshold low", "--threshold low: write tuned, 0.3 or positive=0.3"),
    "both of two": ("one", "--threshold a=0.3,b=0.4", "of two classes one has a threshold"),
    "three classes": ("three", "--threshold tuned", "here are 3 classes"),
    "no module": ("one", "--loss nowhere:loss", "nowhere can't be imported: ModuleNotFoundError"),
    "a broken module": ("one", "--loss unfinished:loss", "unfinished can't be imported: SyntaxError"),
    "no function": ("one", "--loss own_losses:hinge", "own_losses.py has no function 'hinge'"),
    "not callable": ("one", "--loss own_losses:NUMBER", "own_losses.py has no function 'NUMBER'"),
    "a mean": ("one", "--loss own_losses:mean", "of 4 rows it must return a tensor of shape (4,): shape ()"),
    "no gradient": ("one", "--loss own_losses:constant", "does not depend on the logits"),
    "an error": ("one", "--loss own_losses:broken", "logits of shape (4, 2) and labels of shape (4,) it raises"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_before_the_model_loads(tmp_path, data, own_folder, mistake):
    name, argv, message = MISTAKES[mistake]

    def check():
        args = arguments(tmp_path, *argv.split())
        choose_loss(args, data[name])
        check_decisions(args, data[name])

    assert message in refusal(check)


def test_a_function_of_ones_own_stands_beside_an_installed_module(tmp_path, data, own_folder):
    before = list(sys.path)
    chosen = choose_loss(arguments(tmp_path, "--loss", "own_losses:unlikelihood"), data["one"])
    labels, logits = labels_of(data["one"]), torch.randn(80, 2)
    expected = (functional.cross_entropy(logits, labels, reduction="none") ** 2).mean()
    torch.testing.assert_close(chosen.function({"logits": logits}, labels), expected)
    assert sys.path == before
