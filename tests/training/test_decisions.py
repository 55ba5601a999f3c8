"""Thresholds and temperatures: chosen as they should be, kept in the config, and folded into the head exactly."""

import numpy as np
import pytest
import torch
from conftest import refusal
from sklearn.metrics import f1_score
from transformers import AutoConfig, BertConfig, BertModel, RobertaConfig, RobertaForSequenceClassification

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.problems import MULTI_LABEL, SINGLE_LABEL
from bert_recipes.models.adapters import add_lora, last_projection
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.training.calibration import fit_temperature, reliability
from bert_recipes.training.decisions import best_threshold, divide_head, thresholds_of, tuned_thresholds
from bert_recipes.training.metrics import decide


def test_the_best_threshold_is_the_best_of_all():
    generator = np.random.default_rng(0)
    for _ in range(3):
        has_label = generator.random(60) < 0.2
        probabilities = np.clip(generator.normal(0.3 + 0.2 * has_label, 0.15), 0, 1).round(2)
        found = best_threshold(probabilities, has_label)
        every = [f1_score(has_label, probabilities >= tried) for tried in np.linspace(0.005, 0.995, 100)]
        assert f1_score(has_label, probabilities >= found) == pytest.approx(max(every)) and 0 < found < 1
        assert found not in probabilities  # halfway: no rounding decides
    assert best_threshold(np.array([0.2, 0.4]), np.array([True, True])) == pytest.approx(0.1)
    assert best_threshold(np.array([0.1, 0.7, 0.9]), np.array([False, True, True])) == pytest.approx(0.4)


def test_decisions_at_a_threshold():
    logits = np.log(np.array([[0.9, 0.1], [0.69, 0.31], [0.2, 0.8]]))
    assert decide(logits, False).tolist() == [0, 0, 1]
    config = BertConfig(id2label={0: "no", 1: "yes"}, problem_type=SINGLE_LABEL)
    assert thresholds_of(config) is None
    for label, threshold in (("yes", 0.3), ("no", 0.7)):
        config.label_thresholds = {label: threshold}
        assert decide(logits, False, thresholds_of(config)).tolist() == [0, 1, 1]
    config = BertConfig(id2label={0: "a", 1: "b"}, problem_type=MULTI_LABEL, label_thresholds={"b": 0.2})
    assert thresholds_of(config).tolist() == [0.5, 0.2]
    assert decide(np.array([[-0.1, -1.0], [0.1, -2.0]]), True, thresholds_of(config)).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "thresholds", "said"),
    [
        (["a", "b"], {"c": 0.3}, "label_thresholds has 'c', which is no label of the model"),
        (["a", "b", "c"], {"c": 0.3}, "label_thresholds is for one of two classes, or for several labels a row"),
    ],
)
def test_thresholds_of_a_config_that_do_not_fit_it(labels, thresholds, said):
    config = BertConfig(id2label=dict(enumerate(labels)), label_thresholds=thresholds)
    assert said in refusal(thresholds_of, config)


def test_a_label_that_no_validation_row_has_keeps_one_half(capsys):
    logits, labels = np.array([[1.0, -3.0], [-1.0, -2.0], [-0.5, -3.0]]), np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    found = tuned_thresholds(logits, labels, ["a", "b"], ["a", "b"])
    assert found["b"] == 0.5 and 1 / (1 + np.exp(1.0)) < found["a"] < 1 / (1 + np.exp(0.5))
    assert "No validation row has 'b': its threshold stays 0.5" in capsys.readouterr().out


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_the_temperature_that_rows_were_drawn_at_is_found(temperature):
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20_000, 3)) * 2
    noise = generator.gumbel(size=logits.shape)
    labels = (logits + noise).argmax(axis=-1)  # drawn from the softmax of the logits
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)
    several = (generator.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    assert fit_temperature(logits * temperature, several) == pytest.approx(temperature, rel=0.05)
    off, on = (reliability(rows, labels).expected_error for rows in (logits * temperature, logits))
    assert on < 0.02 < off


def test_the_calibration_error_is_counted_by_bins():
    # Probabilities 0.9 twice, one of them right, and 0.6 once, which is right: (2 * 0.4 + 1 * 0.4) / 3.
    logits = np.log(np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4]]))
    found = reliability(logits, np.array([0, 0, 0]))
    assert found.expected_error == pytest.approx(0.4) and found.count.tolist() == [1, 2]
    several = reliability(np.array([[-np.log(3), 0.1]]), np.array([[0.0, 1.0]]))  # 0.25 and 0.525, each alone in a bin
    assert several.expected_error == pytest.approx((0.25 + 1 - 1 / (1 + np.exp(-0.1))) / 2)


@pytest.mark.parametrize("kind", ["bert", "lora", "roberta"])
def test_a_head_that_is_divided_gives_the_logits_divided(tiny_model, tmp_path, kind):
    torch.manual_seed(0)
    if kind == "roberta":
        config = RobertaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
        model = RobertaForSequenceClassification(config)
    else:
        model = load_classifier(ModelArguments(str(tiny_model)), ["a", "b", "c"])
    if kind == "lora":
        model = add_lora(model, LoraArguments(output_dir=str(tmp_path), use_cpu=True))
    torch.nn.init.normal_(last_projection(model).bias)
    rows = torch.arange(4, 24).reshape(2, 10)
    model.eval()
    with torch.no_grad():
        before = model(rows).logits
        divide_head(model, 2.5)
        torch.testing.assert_close(model(rows).logits, before / 2.5)
    model.config.label_thresholds = {"a": 0.3}
    model.config.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).label_thresholds == {"a": 0.3}


def test_a_head_that_is_not_found():
    model = BertModel(BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1))
    assert "--calibrate: no last projection is found in BertModel" in refusal(last_projection, model)
