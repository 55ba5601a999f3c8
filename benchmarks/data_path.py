"""Tokens a second that the data path hands to the model: one process, one core, no model.

    python benchmarks/data_path.py
    python benchmarks/data_path.py --quick

Batches come from the data loader of the recipe's own Trainer: drawn, masked, padded, made tensors. A GPU that trains
faster than this waits. Padding is not counted. Seconds are those of the core, so that other work beside it takes none.
One JSON object a path; `tokens_per_second` is the median over passes, `spread` their quartiles, `bar` what is asked
for.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time

import torch
from measuring import where
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.training.assembling import classifier_trainer, masked_language_model_trainer
from bert_recipes.training.data import load_classification_data, load_pretraining_data

# What each trains with, rows a step, and the tokens a second that it must reach.
PATHS = {
    "characters": ({}, 256, 5e6),
    "packed": ({"packing": True}, 256, 5e6),
    "whole words": ({"whole_word_mask": True}, 256, 2e6),
    "pairs": ({"nsp": True}, 256, 1e6),
    "classification": (None, 32, 3e6),
}
SMALL = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}


def training_batches(path: str, folder: str, rows: int | None) -> DataLoader:
    given, batch_size, _ = PATHS[path]
    arguments = {"output_dir": folder, "per_device_train_batch_size": batch_size, "use_cpu": True, "seed": 0}
    if given is None:
        args = FinetuneArguments(**arguments)
        data = load_classification_data(ModelArguments(), LabelledDataArguments(max_train_samples=rows), seed=0)
        model = BertForSequenceClassification(BertConfig(vocab_size=len(data.tokenizer), **SMALL))
        return classifier_trainer(model, args, data.tokenizer, data.encoded).get_train_dataloader()
    args = MlmArguments(**arguments, **given)
    data = load_pretraining_data(ModelArguments(), DataArguments("peoples_daily", max_train_samples=rows), args)
    model_class = BertForPreTraining if args.nsp else BertForMaskedLM
    model = model_class(BertConfig(vocab_size=len(data.tokenizer), **SMALL))
    return masked_language_model_trainer(model, args, data).get_train_dataloader()


def measure(path: str, passes: int, rows: int | None) -> dict:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        batches = training_batches(path, folder, rows)
    speeds = []
    for number in range(passes + 1):  # the first pass reads the files' pages into memory
        batches.set_epoch(number)
        started, tokens = time.process_time(), 0
        for batch in batches:
            tokens += batch["num_tokens"]
        speeds.append(tokens / (time.process_time() - started))
    lower, median, upper = statistics.quantiles(speeds[1:], n=4)
    return {
        "benchmark": "data_path",
        "path": path,
        "tokens_per_second": round(median),
        "spread": [round(lower), round(upper)],
        "bar": round(PATHS[path][2]),
        "rows": PATHS[path][1],
        "passes": passes,
        **where(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, few passes: half a minute")
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=list(PATHS))
    options = parser.parse_args()
    passes, rows = (3, 2_000) if options.quick else (5, None)
    for path in options.paths:
        print(json.dumps(measure(path, passes, rows)), flush=True)


if __name__ == "__main__":
    main()
