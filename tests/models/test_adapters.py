import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, DistilBertConfig

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.model import CheckpointArguments, ModelArguments
from bert_recipes.models.adapters import add_lora, save_lora
from bert_recipes.models.classifiers import load_classifier, load_trained_classifier
from bert_recipes.models.pretrained import count_parameters
from bert_recipes.run.errors import UserError

TEXTS = ["房间很干净，服务也好。", "这本书不值得买，纸张太差", "电池只能用两个小时"]


def test_lora_gives_the_same_logits_in_memory_reloaded_and_merged(tokenizer, tmp_path):
    args = LoraArguments(output_dir=str(tmp_path / "run"), use_cpu=True)
    model = add_lora(load_classifier(ModelArguments(), ["好", "坏", "中"]), args)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    for _ in range(3):  # away from the start, where an adapter is 0
        functional.cross_entropy(model(**batch).logits, torch.tensor([0, 1, 2])).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    save_lora(model, tokenizer, args)
    adapter = load_trained_classifier(CheckpointArguments(str(tmp_path / "run" / "adapter")))[0].eval()
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run").eval()
    with torch.no_grad():
        in_memory, reloaded, alone = (m(**batch).logits for m in (model, adapter, merged))
    torch.testing.assert_close(reloaded, in_memory, atol=1e-5, rtol=0)
    torch.testing.assert_close(alone, in_memory, atol=1e-5, rtol=0)
    assert adapter.config.id2label == merged.config.id2label == {0: "好", 1: "坏", 2: "中"}
    saved = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert {"pooler", "classifier"} <= {part for key in saved for part in key.split(".")}
    assert not (tmp_path / "run" / "adapter_config.json").exists()


def test_lora_counts_what_moves(tiny_model):
    args = LoraArguments(output_dir="unused", use_cpu=True)
    base = load_classifier(ModelArguments(str(tiny_model)), ["a", "b"])
    whole = sum(count_parameters(base))
    trained, frozen = count_parameters(add_lora(base, args))
    adapters = 2 * 2 * (8 * 32 + 32 * 8)  # layers x (query, value) x (A + B)
    assert trained == adapters + (32 * 32 + 32) + (32 * 2 + 2)
    assert trained + frozen == whole + adapters


def test_lora_finds_targets_where_peft_knows_none(tmp_path):
    config = DistilBertConfig(dim=32, n_layers=1, n_heads=2, hidden_dim=64, vocab_size=99)
    AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    model = load_classifier(ModelArguments(str(tmp_path)), ["a", "b"])
    model = add_lora(model, LoraArguments(output_dir="unused", use_cpu=True))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any("q_lin.lora_A" in name for name in trained) and any("pre_classifier" in name for name in trained)


def test_a_lora_target_that_is_not_there(tiny_model):
    args = LoraArguments(output_dir="unused", use_cpu=True, lora_target_modules="queri")
    with pytest.raises(UserError, match="--lora_target_modules queri"):
        add_lora(load_classifier(ModelArguments(str(tiny_model)), ["a", "b"]), args)


def test_an_adapter_that_peft_alone_has_saved(tiny_model, tmp_path):
    """Its folder has no config.json and no tokenizer: the labels are counted, the rest is the base model's."""
    base = load_classifier(ModelArguments(str(tiny_model)), ["a", "b", "c"])
    config = LoraConfig(task_type="SEQ_CLS", target_modules=["query"], modules_to_save=["classifier", "pooler"])
    model = get_peft_model(base, config).eval()
    torch.nn.init.normal_(model.base_model.model.classifier.modules_to_save["default"].weight)
    model.save_pretrained(tmp_path)
    loaded, tokenizer = load_trained_classifier(CheckpointArguments(str(tmp_path)))
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(loaded.eval()(**batch).logits, model(**batch).logits)
    assert list(loaded.config.id2label.values()) == ["LABEL_0", "LABEL_1", "LABEL_2"]


def test_an_adapter_without_a_head_labels_nothing(tiny_model, tmp_path):
    base = AutoModelForMaskedLM.from_pretrained(tiny_model)
    get_peft_model(base, LoraConfig(target_modules=["query"])).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="its adapter has no classifier's head"):
        load_trained_classifier(CheckpointArguments(str(tmp_path)))
