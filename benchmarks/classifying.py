"""What the benchmarks of classifiers share: rows of the built-in reviews, a model of random weights, stock and ours."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from datasets import Dataset
from measuring import DEVICE, OUR_PRECISION, STOCK_PRECISION, VOCABULARY, command_line, config_of
from stock_glue import stock_trainer, tokenised, with_adapters
from taking_turns import ENDLESS, train_in_turns
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    BertTokenizer,
    Trainer,
    TrainingArguments,
)

from bert_recipes.arguments.classifier import FinetuneArguments, LoraArguments
from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.adapters import add_lora
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.training.assembling import classifier_trainer
from bert_recipes.training.data import load_classification_data

ROWS, MAX_LENGTH = 32, 128  # rows a step; tokens of a row at most
KINDS = {"finetune": FinetuneArguments, "lora": LoraArguments}
# Turns, and rows a turn, which are all that there is to train on, so that a turn has as many rows as an epoch, of every
# length: in full, and with --quick.
TURNS = {"tiny": ((3, 64), (2, 32)), "4x256": ((8, 1600), (3, 640)), "12x768": ((4, 640), (2, 128))}
TURNS_ON_GPU = ((5, 13_740), (3, 3_200))


def turns_of(size: str, quick: bool, turns: dict = TURNS) -> tuple[int, int]:
    return TURNS_ON_GPU[quick] if DEVICE.type == "cuda" and size != "tiny" else turns[size][quick]


def measure_sizes(doc: str, measure: Callable[[str, int, int, list[str]], dict], turns: dict = TURNS) -> None:
    """A benchmark's main: prints what it measures of each size, as JSON."""
    options, words = command_line(doc)
    for size in options.sizes:
        count, rows = turns_of(size, options.quick, turns)
        print(json.dumps(measure(size, options.turns or count, rows, words)), flush=True)


def steps_of(rows: int) -> int:
    return math.ceil(rows / ROWS)


def write_rows(folder: str, count: int) -> dict[str, str]:
    """Files of so many training reviews, drawn at random, and of a few to validate and test on."""
    splits, files = load_builtin("reviews"), {}
    for split, rows in {"train": count, "validation": 64, "test": 64}.items():
        files[split] = f"{folder}/{split}.jsonl"
        chosen = splits[split].shuffle(seed=0)
        chosen.select(range(min(rows, len(chosen)))).to_json(files[split], force_ascii=False)
    return files


def write_model(folder: str, size: str) -> str:
    """A checkpoint of random weights, which both sides load: a classifier, with the embedded model's words."""
    torch.manual_seed(0)
    labels = ["negative", "positive"]  # in the order of the data, so that ours takes the head as it is
    config = config_of(size)
    config.id2label, config.label2id = dict(enumerate(labels)), {name: index for index, name in enumerate(labels)}
    model = BertForSequenceClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=0.1)  # so that scores differ from row to row
    path = str(Path(folder) / size)
    model.save_pretrained(path)
    vocabulary = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh").get_vocab()
    vocabulary |= {f"[unused{index}]": index for index in range(len(vocabulary), VOCABULARY)}
    BertTokenizer(vocab=vocabulary, do_lower_case=True).save_pretrained(path)
    return path


def stock(folder: str, files: dict[str, str], model: str, lora: bool = False) -> Trainer:
    tokenizer = AutoTokenizer.from_pretrained(model)
    classifier = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    args = TrainingArguments(
        folder, per_device_train_batch_size=ROWS, max_steps=ENDLESS, save_strategy="no", disable_tqdm=True,
        logging_strategy="no", **STOCK_PRECISION,
    )  # fmt: skip
    rows = Dataset.from_json(files["train"], cache_dir=folder)
    return stock_trainer(
        with_adapters(classifier) if lora else classifier, args, tokenised(rows, tokenizer, MAX_LENGTH), tokenizer
    )


def ours(recipe: str, folder: str, files: dict[str, str], model: str, words: list[str]) -> Trainer:
    model_args, data_args, args = parse(
        ModelArguments, LabelledDataArguments, KINDS[recipe],
        argv=["--model_name_or_path", model, "--max_length", str(MAX_LENGTH), "--output_dir", folder,
              *(word for split, path in files.items() for word in (f"--{split}_file", path)),
              "--per_device_train_batch_size", str(ROWS), "--max_steps", str(ENDLESS), "--learning_rate", "5e-5",
              "--save_strategy", "no", "--eval_strategy", "no", "--disable_tqdm", "true", "--logging_strategy", "no",
              *OUR_PRECISION, *words],
    )  # fmt: skip
    data = load_classification_data(model_args, data_args, args.seed)
    classifier = load_classifier(model_args, data.label_names, data.problem_type)
    if recipe == "lora":
        classifier = add_lora(classifier, args)
    return classifier_trainer(classifier, args, data.tokenizer, data.encoded)


def train(kind: str, recipe: str, size: str, folder: str, files: dict, model: str, words: list[str], pipe) -> None:
    """One run: `kind` stock or ours, of finetune or lora, in a folder of its own."""
    if kind == "stock":
        trainer = stock(f"{folder}/{kind}", files, model, lora=recipe == "lora")
    else:
        trainer = ours(recipe, f"{folder}/{kind}_{recipe}", files, model, words)
    train_in_turns(trainer, size, pipe)
