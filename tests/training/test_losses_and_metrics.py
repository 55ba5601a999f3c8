import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, log_loss
from torch.nn import functional
from transformers import EvalPrediction

from bert_recipes.training.losses import classification_loss, masked_language_model_loss
from bert_recipes.training.metrics import (
    MEAN_LOSS,
    classification_metrics,
    load_metric,
    masked_language_model_metrics,
    token_losses,
)


def test_losses_of_parts_add_up_to_the_loss_of_the_whole():
    logits, labels = torch.randn(12, 3), torch.randint(0, 3, (12,))
    whole = functional.cross_entropy(logits, labels)
    parts = [classification_loss()({"logits": logits[i : i + 4]}, labels[i : i + 4], 12) for i in (0, 4, 8)]
    torch.testing.assert_close(sum(parts), whole)
    torch.testing.assert_close(classification_loss()({"logits": logits}, labels), whole)
    smooth = functional.cross_entropy(logits, labels, label_smoothing=0.2)
    torch.testing.assert_close(classification_loss(0.2)({"logits": logits}, labels, 12), smooth)


def test_several_labels_a_row():
    logits, labels = torch.randn(6, 4), torch.randint(0, 2, (6, 4)).float()
    expected = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(classification_loss()({"logits": logits}, labels, labels.numel()), expected)


def test_the_masked_loss_counts_masked_tokens_alone():
    labels = torch.tensor([[-100, 3, -100], [1, -100, 2]])
    logits = torch.randn(2, 3, 5)
    sparse = {"logits": logits[labels != -100].unsqueeze(0)}
    expected = functional.cross_entropy(logits.view(-1, 5), labels.view(-1))
    torch.testing.assert_close(masked_language_model_loss(sparse, labels, 3), expected)
    losses, guessed = token_losses(sparse["logits"], labels)
    metrics = masked_language_model_metrics(EvalPrediction((losses.numpy(), guessed.numpy()), labels.numpy()))
    assert metrics[MEAN_LOSS] == pytest.approx(expected.item(), abs=1e-6)
    assert metrics["perplexity"] == pytest.approx(expected.exp().item(), rel=1e-5)
    hits = (logits.argmax(-1) == labels)[labels != -100].float().mean().item()
    assert metrics["masked_accuracy"] == pytest.approx(hits)


def test_classification_metrics_are_scikit_learns():
    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(50, 3)), generator.integers(0, 3, 50)
    scores = classification_metrics(EvalPrediction(logits, labels))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, logits.argmax(-1), average="macro"))
    assert scores["accuracy"] == pytest.approx((labels == logits.argmax(-1)).mean())
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert scores[MEAN_LOSS] == pytest.approx(log_loss(labels, probabilities))


def test_multi_label_metrics_count_rows_that_are_all_right():
    logits = np.array([[2.0, -1.0], [-1.0, 3.0], [1.0, 1.0]])
    labels = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    scores = classification_metrics(EvalPrediction(logits, labels))
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_metric_is_an_evaluate_metric_that_needs_no_network():
    import evaluate

    metric = load_metric()
    assert isinstance(metric, evaluate.Metric)
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add_batch(predictions=[1], references=[0])
    assert metric.compute()["accuracy"] == pytest.approx(2 / 3)
