"""What changed in a model, against cases that are computed by hand."""

import copy
import math

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.experiment.evidence import (
    effective_rank,
    linear_cka,
    loss_with_head,
    parameter_group,
    representations,
    similarity_by_layer,
    weight_changes,
)
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.run.errors import UserError
from bert_recipes.text.documents import load_documents
from bert_recipes.training.data import load_pretraining_data
from bert_recipes.training.metrics import token_losses


def test_the_effective_rank_of_matrices_whose_singular_values_are_known():
    assert effective_rank(torch.eye(5)) == pytest.approx(5)
    assert effective_rank(torch.outer(torch.arange(1.0, 4), torch.arange(1.0, 6))) == pytest.approx(1)
    assert effective_rank(torch.zeros(3, 4)) == 0
    # Singular values 3 and 1: shares 0.75 and 0.25, entropy -0.75 ln 0.75 - 0.25 ln 0.25 = 0.5623, e^0.5623 = 1.7548.
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(1.7548, abs=1e-4)


def test_cka_of_cases_computed_by_hand():
    left = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    # X'X = 2 I, of norm 2 sqrt 2. Y = first column alone: Y'Y = 2, Y'X = (2, 0). 4 / (2 sqrt 2 x 2) = 1 / sqrt 2.
    assert linear_cka(left, left[:, :1]) == pytest.approx(1 / math.sqrt(2))
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    assert linear_cka(left, 7 * left @ turn + 3) == pytest.approx(1)  # turned, scaled, shifted
    assert linear_cka(left, torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])) == pytest.approx(0)


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(num_hidden_layers=3),
        RobertaConfig(num_hidden_layers=3),
        ElectraConfig(num_hidden_layers=3),
        DistilBertConfig(n_layers=3),
        ModernBertConfig(num_hidden_layers=3),
    ],
    ids=lambda config: config.model_type,
)
def test_every_parameter_has_its_group(config):
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    groups = {parameter_group(name, model.base_model_prefix) for name, _ in model.named_parameters()}
    layers = {f"layer {layer} {part}" for layer in range(3) for part in ("attention", "feed-forward")}
    assert groups - {"pooler", "last norm"} == {"embeddings", "head"} | layers
    assert ("pooler" in groups) == (config.model_type == "bert")


def test_models_without_a_stack_of_layers_are_refused():
    model = AlbertForSequenceClassification(AlbertConfig(hidden_size=32, num_attention_heads=2, intermediate_size=32))
    with pytest.raises(UserError, match="albert have no stack of layers"):
        weight_changes(model, model)


@pytest.fixture
def classifier(tiny_model):
    torch.manual_seed(0)
    return load_classifier(ModelArguments(str(tiny_model)), ["negative", "positive"])


def test_weight_changes_of_a_change_that_is_known(classifier):
    after = copy.deepcopy(classifier)
    query = after.bert.encoder.layer[1].attention.self.query.weight
    with torch.no_grad():
        query[0, 0] += 1.0
        after.classifier.weight.mul_(1.5)
    changes = weight_changes(classifier, after)
    moved = {group: change["moved"] for group, change in changes.items() if change["moved"]}
    assert moved == {"layer 1 attention": 1, "head": 2 * 32}
    assert changes["layer 1 attention"]["effective_rank"] == pytest.approx(1)  # of the one matrix that moved
    attention = [weight for name, weight in classifier.named_parameters() if "layer.1.attention" in name]
    norm = torch.cat([weight.flatten() for weight in attention]).norm().item()
    assert changes["layer 1 attention"]["relative_change"] == pytest.approx(1 / norm, rel=1e-5)
    assert changes["head"]["relative_change"] == pytest.approx(0.5, rel=1e-5)  # its bias is zero
    assert sum(change["weights"] for change in changes.values()) == classifier.num_parameters()


def test_layers_below_a_change_see_what_they_saw(classifier, tokenizer):
    texts = load_documents(DataArguments("peoples_daily"))["validation"]["text"][:20]
    after = copy.deepcopy(classifier)
    with torch.no_grad():
        after.bert.encoder.layer[1].output.dense.weight.normal_()
    states = [representations(model, tokenizer, texts) for model in (classifier, after)]
    tokens = sum(len(ids) for ids in tokenizer(texts, truncation=True, max_length=128)["input_ids"])
    assert [tuple(state.shape) for state in states[0]] == 3 * [(tokens, 32)]  # padding is no token
    similarity = similarity_by_layer(*states)
    assert similarity[:2] == pytest.approx([1, 1]) and similarity[2] < 0.9


def test_the_loss_with_the_head_put_back_is_the_dense_one(tiny_model, classifier, tmp_path):
    model_args = ModelArguments(str(tiny_model))
    args = MlmArguments(output_dir=str(tmp_path), chunk_length=64)
    data = load_pretraining_data(
        model_args, DataArguments("peoples_daily", max_train_samples=48, max_eval_samples=40), args
    )
    masked_lm = load_masked_lm(model_args, data.tokenizer)
    losses = []
    for row in range(len(data.validation)):
        example = {name: torch.from_numpy(value).unsqueeze(0) for name, value in data.validation[row].items()}
        with torch.no_grad():
            logits = masked_lm.eval()(input_ids=example["input_ids"]).logits
        losses.append(token_losses(logits, example["labels"])[0][example["labels"] != -100])
    expected = torch.cat(losses).mean().item()
    # The classifier's encoder is the checkpoint's still, so nothing is forgotten.
    assert loss_with_head(masked_lm, classifier, data.validation, data.tokenizer) == pytest.approx(expected, abs=1e-5)
    with torch.no_grad():
        classifier.bert.encoder.layer[0].output.dense.weight.normal_()
    # Weights of chance guess by chance either way, but not the same.
    assert abs(loss_with_head(masked_lm, classifier, data.validation, data.tokenizer) - expected) > 5e-5
