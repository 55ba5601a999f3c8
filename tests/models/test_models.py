import copy
import json
import math

import numpy as np
import pytest
import torch
from conftest import refusal
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn import functional
from transformers import (
    AutoModelForMaskedLM,
    BartConfig,
    BertConfig,
    BertModel,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
    pipeline,
)

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.problems import MULTI_LABEL, SINGLE_LABEL
from bert_recipes.experiment.evidence import loss_with_head
from bert_recipes.models.attention_masks import expand_masks
from bert_recipes.models.classifiers import load_classifier, names_as_trained
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.models.pretrained import EMBEDDED_MODELS, count_parameters, resolve
from bert_recipes.models.sparse_head import sparse_head
from bert_recipes.models.starting_weights import guess_by_frequency
from bert_recipes.run.errors import UserError
from bert_recipes.text.chunks import chunk_documents
from bert_recipes.text.documents import load_documents
from bert_recipes.text.masking import MaskedChunks
from bert_recipes.training.losses import masked_language_model_loss

TEXTS = ["房间很干净，服务也好。", "这本书不值得买，纸张太差", "电池只能用两个小时"]

every_head = pytest.mark.parametrize(
    "config",
    [
        BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=99),
        RobertaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=99),
        XLMRobertaConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=99),
        DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, vocab_size=99),
        ElectraConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=99),
        ModernBertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=99,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
        ),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip


def test_layers_that_see_the_tokens_near_them_alone_keep_their_masks():
    torch.manual_seed(0)
    config = ModernBertConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64, vocab_size=99,
        local_attention=8, global_attn_every_n_layers=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
    )  # fmt: skip
    model = AutoModelForMaskedLM.from_config(config).eval()
    batch = {"input_ids": torch.randint(5, 99, (2, 40)), "attention_mask": torch.ones(2, 40, dtype=torch.long)}
    batch["attention_mask"][1, 30:] = 0
    before = model(**batch).logits
    assert not expand_masks(model) and torch.equal(model(**batch).logits, before)


@every_head
def test_the_sparse_head_gives_the_dense_loss_and_gradients(config):
    torch.manual_seed(0)
    dense = AutoModelForMaskedLM.from_config(config).eval()
    sparse = sparse_head(copy.deepcopy(dense))
    input_ids = torch.randint(5, 99, (3, 16))
    labels = torch.where(torch.rand(3, 16) < 0.3, input_ids, -100)
    logits = sparse(input_ids=input_ids, masked_positions=labels != -100).logits
    assert logits.shape == (1, (labels != -100).sum(), 99)
    dense_loss = functional.cross_entropy(dense(input_ids=input_ids).logits.view(-1, 99), labels.view(-1))
    sparse_loss = functional.cross_entropy(logits[0], labels[labels != -100])
    torch.testing.assert_close(sparse_loss, dense_loss, atol=1e-6, rtol=1e-5)
    dense_loss.backward()
    sparse_loss.backward()
    for (name, parameter), other in zip(dense.named_parameters(), sparse.parameters(), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(other.grad, parameter.grad, atol=1e-6, rtol=1e-5, msg=name)
    assert sparse(input_ids=input_ids).logits.shape == (3, 16, 99)  # any other call stays dense


@pytest.mark.parametrize("way", ["checkpointing", "bf16", "lora", "copy"])
def test_the_sparse_head_works_with_everything_else(tiny_model, way):
    """Activation checkpointing, autocast, adapters around it, a copy of the model: the dense loss and gradients."""
    torch.manual_seed(0)
    input_ids = torch.randint(10, 7000, (3, 16))
    labels = torch.where(torch.rand(3, 16) < 0.3, input_ids, -100)
    losses, gradients = [], []
    for masked_positions in (None, labels != -100):
        torch.manual_seed(1)
        model = sparse_head(AutoModelForMaskedLM.from_pretrained(tiny_model)).train()
        if way == "copy":
            model = copy.deepcopy(model)
        if way == "lora":
            model = get_peft_model(model, LoraConfig(target_modules=["query", "value"], init_lora_weights=False))
        if way == "checkpointing":
            model.gradient_checkpointing_enable()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=way == "bf16"):
            outputs = model(input_ids=input_ids, masked_positions=masked_positions)
            loss = masked_language_model_loss(outputs, labels)
        assert outputs.logits.shape[:2] == ((3, 16) if masked_positions is None else (1, (labels != -100).sum()))
        loss.backward()
        losses.append(loss)
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    tolerance = {"atol": 5e-3, "rtol": 2e-2} if way == "bf16" else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(losses[1], losses[0], **tolerance)
    assert gradients[0].keys() == gradients[1].keys() and len(gradients[0]) > 3
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name, **tolerance)


def test_a_head_that_looks_at_other_positions_stays_dense(tiny_model, capsys):
    model = AutoModelForMaskedLM.from_pretrained(tiny_model)
    model.cls.predictions.transform.register_forward_pre_hook(lambda module, args: args[0] + args[0].mean(1, True))
    sparse_head(model)
    masked_positions = torch.tensor([[True, False, True, False]])
    assert model(input_ids=torch.arange(4)[None], masked_positions=masked_positions).logits.shape[:2] == (1, 4)
    assert "it stays dense" in capsys.readouterr().out


def test_a_checkpoint_without_a_head_gets_one_and_says_so(tiny_model, tokenizer, tmp_path, capsys):
    BertModel.from_pretrained(tiny_model, add_pooling_layer=False).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    load_masked_lm(ModelArguments(str(tmp_path)), tokenizer)
    assert f"{tmp_path} has no masked-language-model head: a new one starts from random" in capsys.readouterr().out
    load_masked_lm(ModelArguments(str(tiny_model)), tokenizer)
    assert capsys.readouterr().out == ""
    load_masked_lm(ModelArguments(str(tiny_model)), tokenizer, nsp=True)
    said = capsys.readouterr().out
    assert "no next-sentence head" in said and "no pooler" in said and "masked-language" not in said


def test_a_pooler_that_next_sentences_trained_goes_into_the_classifier(tiny_model, tokenizer, tmp_path):
    model = load_masked_lm(ModelArguments(str(tiny_model)), tokenizer, nsp=True)
    assert model.bert.pooler.dense.weight.requires_grad
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    classifier = load_classifier(ModelArguments(str(tmp_path)), ["a", "b"])
    torch.testing.assert_close(classifier.bert.pooler.dense.weight, model.bert.pooler.dense.weight)
    assert len(pipeline("fill-mask", model=str(tmp_path))("北京是中国的首[MASK]。")) == 5


def test_next_sentences_are_for_models_that_predict_them(tokenizer, tmp_path):
    AutoModelForMaskedLM.from_config(RobertaConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, vocab_size=len(tokenizer))).save_pretrained(tmp_path)  # fmt: skip
    with pytest.raises(UserError, match="--nsp: models of type roberta do not predict next sentences"):
        load_masked_lm(ModelArguments(str(tmp_path)), tokenizer, nsp=True)


def test_a_model_with_a_decoder_is_none_of_these(tokenizer, tmp_path):
    BartConfig(vocab_size=len(tokenizer), d_model=32).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="models of type bart do not guess masked tokens"):
        load_masked_lm(ModelArguments(str(tmp_path)), tokenizer)


def test_from_scratch_attention_starts_with_what_is_near(tmp_path, tokenizer):
    config = BertConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128)
    config.save_pretrained(tmp_path)
    model = load_masked_lm(ModelArguments(str(tmp_path), from_scratch=True), tokenizer)
    positions = model.bert.embeddings.position_embeddings.weight
    assert positions.std().item() == pytest.approx(config.initializer_range, rel=0.3)
    attention = model.bert.encoder.layer[0].attention.self
    queries, keys = attention.query(positions), attention.key(positions)
    scores = (queries - attention.query.bias) @ (keys - attention.key.bias).T
    near, far = scores.diagonal(offset=1).mean(), scores.diagonal(offset=30).mean()
    assert scores.diagonal().mean() > near > far


@every_head
def test_from_scratch_a_model_guesses_by_frequency_before_it_is_trained(config):
    torch.manual_seed(0)
    token_counts = np.arange(90) % 7 * 10  # of 99 tokens: some never occur, the last are not even counted
    model = guess_by_frequency(AutoModelForMaskedLM.from_config(config).eval(), token_counts)
    shares = model(torch.randint(5, 90, (4, 16))).logits.softmax(-1).mean((0, 1)).detach()
    expected = torch.ones(len(shares))
    expected[:90] += torch.from_numpy(token_counts)
    # The random weights add a little noise; without the counts the rarest would be off by a factor of 25.
    torch.testing.assert_close(shares.log(), (expected / expected.sum()).log(), rtol=0, atol=math.log(2))


def test_from_scratch_the_first_loss_is_that_of_the_characters_frequencies(tokenizer, tmp_path):
    """Newspaper: log(7,168) = 8.9 nats of any token, and less where the frequent ones are known."""
    BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64).save_pretrained(
        tmp_path
    )
    documents = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=500, max_eval_samples=50))
    chunks = chunk_documents(
        documents, tokenizer, ["text"], MlmArguments(output_dir=str(tmp_path / "out"), use_cpu=True)
    )
    train = MaskedChunks(chunks["train"], tokenizer, 0.15, seed=0)
    held_out = MaskedChunks(chunks["validation"], tokenizer, 0.15, seed=0)
    model_args = ModelArguments(str(tmp_path), from_scratch=True)
    blind, knowing = (load_masked_lm(model_args, tokenizer, train=known) for known in (None, train))
    losses = [loss_with_head(model, model, held_out, tokenizer) for model in (blind, knowing)]
    assert abs(losses[0] - math.log(len(tokenizer))) < 0.2 and losses[1] < 7


def test_the_embedded_model_loads_with_plain_transformers_and_is_small():
    folder = EMBEDDED_MODELS / "bert-mini-zh"
    guesses = pipeline("fill-mask", model=str(folder))("北京是中国的首[MASK]。")
    assert len(guesses) == 5 and all(len(guess["token_str"]) >= 1 for guess in guesses)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 25e6
    config = json.loads((folder / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (4, 256)


def test_a_former_name_means_the_embedded_model_and_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    assert resolve("bert-mini-zh-v3") == resolve("bert-mini-zh") == str(EMBEDDED_MODELS / "bert-mini-zh")
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "bert-mini-zh-v3"
    own.mkdir()
    (own / "config.json").write_text("{}")
    assert resolve("bert-mini-zh-v3") == "bert-mini-zh-v3"


def test_it_guesses_better_than_chance(tokenizer):
    """Some two thousand characters of validation text; the most common one would be right in 4 % of the cases."""
    model = AutoModelForMaskedLM.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh").eval()
    texts = load_documents(DataArguments(dataset_name="peoples_daily", max_eval_samples=200))["validation"]["text"]
    batch = tokenizer(list(texts), padding=True, truncation=True, max_length=64, return_tensors="pt")
    masked = (torch.rand(batch["input_ids"].shape, generator=torch.manual_seed(0)) < 0.15) & (batch["input_ids"] > 5)
    shown = batch["input_ids"].masked_fill(masked, tokenizer.mask_token_id)
    with torch.no_grad():
        guessed = model(input_ids=shown, attention_mask=batch["attention_mask"]).logits.argmax(-1)
    assert (guessed == batch["input_ids"])[masked].float().mean() > 0.15


def test_a_poolers_weights_come_through_the_masked_stage(tiny_model, tokenizer, tmp_path):
    model = BertModel.from_pretrained(tiny_model)  # its pooler is new here: drawn now, saved with it
    model.save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    load_masked_lm(ModelArguments(str(tmp_path / "encoder")), tokenizer).save_pretrained(tmp_path / "continued")
    classifier = load_classifier(ModelArguments(str(tmp_path / "continued")), ["a", "b"])
    torch.testing.assert_close(classifier.bert.pooler.dense.weight, model.pooler.dense.weight)


def test_a_checkpoint_without_a_pooler_gets_none(tiny_model, tokenizer):
    model = load_masked_lm(ModelArguments(str(tiny_model)), tokenizer)
    assert model.bert.pooler is None and count_parameters(model)[1] == 0


def test_dropout_is_the_stages_own_and_the_config_stays(dropout_model, tokenizer):
    model = load_masked_lm(ModelArguments(str(dropout_model)), tokenizer, dropout=0.0)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}
    assert model.config.hidden_dropout_prob == 0.1


def test_weights_are_fp32_whatever_the_files_hold(tiny_model, tokenizer, tmp_path):
    AutoModelForMaskedLM.from_pretrained(tiny_model).half().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for model in (
        load_classifier(ModelArguments(str(tmp_path)), ["a", "b"]),
        load_masked_lm(ModelArguments(str(tmp_path)), tokenizer),
    ):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_from_scratch_and_freeze_encoder(tiny_model):
    pretrained = load_classifier(ModelArguments(str(tiny_model)), ["a", "b"], freeze_encoder=True)
    scratch = load_classifier(ModelArguments(str(tiny_model), from_scratch=True), ["a", "b"])
    word = "bert.embeddings.word_embeddings.weight"
    stored = load_file(tiny_model / "model.safetensors")[word]
    assert torch.equal(pretrained.state_dict()[word], stored) and not torch.equal(scratch.state_dict()[word], stored)
    moving = {name for name, parameter in pretrained.named_parameters() if parameter.requires_grad}
    head = {"classifier.weight", "classifier.bias"}
    assert moving == head | {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}


def test_a_head_of_other_labels_is_renewed_and_one_of_the_same_is_kept(tiny_model, tokenizer, tmp_path):
    torch.manual_seed(1)
    trained = load_classifier(ModelArguments(str(tiny_model)), ["a", "b"])
    trained.classifier.bias.data.fill_(3)
    trained.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    same = load_classifier(ModelArguments(str(tmp_path)), ["a", "b"])
    other = load_classifier(ModelArguments(str(tmp_path)), ["b", "a"])
    assert torch.equal(same.classifier.weight, trained.classifier.weight)
    assert not torch.equal(other.classifier.weight, trained.classifier.weight) and not other.classifier.bias.any()
    assert torch.equal(other.bert.pooler.dense.weight, trained.bert.pooler.dense.weight)


def test_a_head_of_numbered_labels_stays_for_data_with_these_numbers(tiny_model, tokenizer, tmp_path, capsys):
    trained = load_classifier(ModelArguments(str(tiny_model)), ["LABEL_0", "LABEL_1"])
    trained.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model_args = ModelArguments(str(tmp_path))
    names = names_as_trained(model_args, ["0", "1"], SINGLE_LABEL)
    capsys.readouterr()
    model = load_classifier(model_args, names, train=False)
    assert torch.equal(model.classifier.weight, trained.classifier.weight) and capsys.readouterr().out == ""
    assert model.config.id2label == {0: "0", 1: "1"}


def test_labels_take_the_order_of_a_classifier_that_has_them(tiny_model, tokenizer, tmp_path):
    trained = load_classifier(ModelArguments(str(tiny_model)), ["positive", "negative"])
    trained.save_pretrained(tmp_path)
    model_args = ModelArguments(str(tmp_path))
    assert names_as_trained(model_args, ["negative", "positive"], SINGLE_LABEL) == ["positive", "negative"]
    assert names_as_trained(model_args, ["positive"], SINGLE_LABEL, train=False) == ["positive", "negative"]
    assert names_as_trained(model_args, ["a", "b"], SINGLE_LABEL) == ["a", "b"]
    # Another way to decide is another head.
    assert names_as_trained(model_args, ["negative", "positive"], MULTI_LABEL) == ["negative", "positive"]


def test_a_head_is_never_drawn_where_nothing_trains(tiny_model, tokenizer, tmp_path):
    message = refusal(load_classifier, ModelArguments(str(tiny_model)), ["a", "b"], train=False)
    assert "has no head for the labels a, b and no pooler: name a classifier" in message
    load_classifier(ModelArguments(str(tiny_model)), ["a", "b"]).save_pretrained(tmp_path)
    assert "has no head for the labels b, c (it has a, b): name a classifier" in refusal(
        load_classifier, ModelArguments(str(tmp_path)), ["b", "c"], train=False
    )
