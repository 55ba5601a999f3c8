"""Every kind of encoder through every stage: the best checkpoint and a resume bit for bit, under today's names, and
what is saved gives plain transformers the same logits."""

import json
import shutil

import pytest
import torch
from conftest import recipe
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ErnieConfig,
    ModernBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
    XLMRobertaTokenizer,
)

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import CheckpointArguments, ModelArguments
from bert_recipes.models.classifiers import load_trained_classifier
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.text.corpora import load_corpus

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
ROBERTA = SIZES | {"max_position_embeddings": 66, "pad_token_id": 1, "type_vocab_size": 1}
CONFIGS = {
    "bert, old names": BertConfig(**SIZES, max_position_embeddings=64),
    "bert": BertConfig(**SIZES, max_position_embeddings=64),
    "roberta": RobertaConfig(**ROBERTA),
    "electra": ElectraConfig(**SIZES, embedding_size=16),
    "ernie": ErnieConfig(**SIZES),
    "albert": AlbertConfig(**SIZES, embedding_size=16),
    "distilbert": DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    "deberta-v2": DebertaV2Config(**SIZES, relative_attention=True, pos_att_type=["p2c", "c2p"], pooler_hidden_size=32),
    "modernbert": ModernBertConfig(**SIZES, pad_token_id=0, cls_token_id=2, sep_token_id=3),
    "xlm-roberta": XLMRobertaConfig(**ROBERTA),
}
ARGUMENTS = [
    *("--max_steps", "8", "--eval_strategy", "steps", "--eval_steps", "2", "--save_strategy", "steps"),
    *("--save_steps", "2", "--save_total_limit", "9", "--lr_scheduler_type", "constant", "--warmup_steps", "0"),
    *("--metric_for_best_model", "loss", "--per_device_train_batch_size", "4", "--disable_tqdm", "true", "--use_cpu"),
]
CLASSIFY = ["--max_length", "32", "--no_baseline"]
STAGES = {
    "mlm_pretrain": ["--chunk_length", "32", "--mlm_probability", "0.3", "--learning_rate", "1"],
    "finetune": [*CLASSIFY, "--learning_rate", "0.02"],
    "lora": [*CLASSIFY, "--learning_rate", "0.02", "--lora_target_modules", "all-linear"],
}
PLAIN = {
    "mlm_pretrain": AutoModelForMaskedLM,
    "finetune": AutoModelForSequenceClassification,
    "lora": AutoModelForSequenceClassification,
}


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("reviews")
    limits = {"max_train_samples": 32, "max_eval_samples": 12, "max_test_samples": 12}
    corpus = load_corpus(LabelledDataArguments(dataset_name="reviews", **limits))
    # Training rows of one class, but for one, and validation rows of the other: the more is learnt, the higher is the
    # validation loss, so that the best checkpoint is not the last one.
    for split, label, other in (("train", "positive", "negative"), ("validation", "negative", "positive")):
        labels = [other, *[label] * (len(corpus[split]) - 1)]
        corpus[split] = corpus[split].remove_columns("label").add_column("label", labels)
    for split, rows in corpus.items():
        rows.to_json(folder / f"{split}.jsonl", force_ascii=False)
    return [
        word for split in ("train", "validation", "test") for word in (f"--{split}_file", f"{folder}/{split}.jsonl")
    ]


@pytest.fixture(scope="module")
def sentencepiece(tokenizer) -> XLMRobertaTokenizer:
    """XLM-R's kind of tokenizer, a character a token."""
    characters = sorted(word for word in tokenizer.get_vocab() if len(word) == 1)
    special = ["<s>", "<pad>", "</s>", "<unk>", "▁"]
    return XLMRobertaTokenizer(vocab=[(word, -1.0) for word in [*special, *characters, "<mask>"]])


# Four stand for the rest in `make test`: old names, other token types, other parts, another tokenizer.
SHORT = ("bert, old names", "roberta", "modernbert", "xlm-roberta")


@pytest.fixture(
    scope="module",
    params=[name if name in SHORT else pytest.param(name, marks=pytest.mark.full) for name in CONFIGS],
)
def checkpoint(request, tmp_path_factory, tokenizer, sentencepiece):
    """A tiny model of that type, with dropout, as its file would lie on the Hub."""
    folder, config = tmp_path_factory.mktemp("checkpoint") / "model", CONFIGS[request.param]
    of_its_own = sentencepiece if request.param == "xlm-roberta" else tokenizer
    config.vocab_size = len(of_its_own)
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    of_its_own.save_pretrained(folder)
    if request.param == "bert, old names":
        weights = load_file(folder / "model.safetensors")
        old = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
            for name, weight in weights.items()
        }
        save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_a_model_of_any_type_is_saved_as_it_was_best_and_resumed_as_it_was(checkpoint, reviews, stage, tmp_path):
    data = reviews[:4] if stage == "mlm_pretrain" else reviews
    argv = [*data, *ARGUMENTS, *STAGES[stage], "--model_name_or_path", str(checkpoint)]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    recipe(stage).main([*argv, "--output_dir", str(whole)])
    name, folder = ("model.safetensors", "") if stage != "lora" else ("adapter_model.safetensors", "adapter")
    saved = load_file(whole / folder / name)
    assert not any("gamma" in key or "beta" in key for key in saved)

    # The best checkpoint: every weight of it, and not of the last step.
    state = json.loads((whole / "checkpoint-8" / "trainer_state.json").read_text())
    best = whole / f"checkpoint-{state['best_global_step']}"
    assert state["best_global_step"] < 8 and equal(saved, load_file(best / name))
    assert not equal(saved, load_file(whole / "checkpoint-8" / name))

    # A resume: from the middle on, the undisturbed run's weights.
    cut.mkdir()
    for step in (2, 4):
        shutil.copytree(whole / f"checkpoint-{step}", cut / f"checkpoint-{step}")
    recipe(stage).main([*argv, "--output_dir", str(cut), "--resume_from_checkpoint", "auto"])
    assert equal(load_file(cut / "checkpoint-8" / name), load_file(whole / "checkpoint-8" / name))
    assert equal(load_file(cut / folder / name), saved)

    # Plain transformers has the same logits: of LoRA's merged model those of its adapter.
    plain, loading = PLAIN[stage].from_pretrained(whole, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["mismatched_keys"]
    inputs = AutoTokenizer.from_pretrained(whole)("房间很干净，服务也好。", return_tensors="pt")
    if stage == "mlm_pretrain":
        ours = load_masked_lm(ModelArguments(str(best)), AutoTokenizer.from_pretrained(best))
    else:
        ours, _ = load_trained_classifier(CheckpointArguments(str(best)))
    with torch.no_grad():
        torch.testing.assert_close(plain(**inputs).logits, ours.eval()(**inputs).logits, atol=1e-6, rtol=0)


def equal(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return weights.keys() == others.keys() and all(torch.equal(weight, others[key]) for key, weight in weights.items())
