"""Masked-language-model pretraining, stock and ours side by side: tokens a second, memory, share of the machine.

    python benchmarks/mlm.py
    python benchmarks/mlm.py --quick
    python benchmarks/mlm.py --sizes 12x768 --gradient_accumulation_steps 2

Stock is run_mlm.py's way (`stock_mlm.py`). Ours is `recipes/mlm_pretrain.py`'s, with dropout 0 (`ratio`), and with the
model's own 0.1 as stock has it (`exact_ratio`). Where a GPU is, all train on it in bf16, 256 rows a step; on a CPU all
train in fp32. They take turns of a few steps; a ratio is the median over the turns, `ratio_spread` its quartiles. One
JSON object a size. Tokens are those of the text: padding is not counted. A document is ten paragraphs of People's
Daily, so that ours, which joins no documents, has blocks of about the same length: of short documents a batch of so
many rows holds fewer tokens, and the optimizer's share of a step grows.
"""

from __future__ import annotations

import json
import tempfile

import torch
from datasets import Dataset
from measuring import (
    DEVICE,
    OUR_PRECISION,
    PRECISION,
    SIZES,
    STOCK_PRECISION,
    WARM_UP,
    command_line,
    config_of,
    ratio,
    where,
)
from stock_mlm import MASKED, joined_blocks, stock_trainer
from taking_turns import ENDLESS, beside_stock, per_second, product_rate, product_share, take_turns, train_in_turns
from transformers import AutoTokenizer, BertForMaskedLM, Trainer, TrainingArguments

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.models.sparse_head import sparse_head
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.documents import load_documents
from bert_recipes.training.assembling import masked_language_model_trainer
from bert_recipes.training.data import load_pretraining_data

BLOCK = 128  # what BERT saw most of
ROWS = {"tiny": 4, "4x256": 32, "12x768": 8}  # a step, on a CPU
ROWS_ON_GPU = 256
OUR_DROPOUT = {"ours": 0.0, "ours with dropout": 0.1}
# Turns, and steps a turn: in full, and with --quick.
TURNS = {"tiny": ((3, 2), (2, 1)), "4x256": ((12, 10), (4, 2)), "12x768": ((12, 4), (3, 1))}
TURNS_ON_GPU = {"tiny": ((3, 2), (2, 1)), "4x256": ((8, 60), (4, 30)), "12x768": ((8, 20), (4, 8))}


def rows_of(size: str) -> int:
    return ROWS_ON_GPU if DEVICE.type == "cuda" else ROWS[size]


def model_of(size: str, dropout: float) -> BertForMaskedLM:
    torch.manual_seed(0)
    return BertForMaskedLM(config_of(size, dropout))


def write_pages(folder: str, paragraphs: int = 5000) -> list[str]:
    """Documents of ten paragraphs; the arguments that name the files."""
    texts = load_builtin("peoples_daily")["train"]["text"][:paragraphs]
    pages = ["\n".join(texts[start : start + 10]) for start in range(0, len(texts), 10)]
    files = {"train_file": pages[20:], "validation_file": pages[:20]}
    for name, rows in files.items():
        Dataset.from_dict({"text": rows}).to_json(f"{folder}/{name}.jsonl", force_ascii=False)
    return [word for name in files for word in (f"--{name}", f"{folder}/{name}.jsonl")]


def stock(size: str, folder: str, data: list[str], **arguments) -> Trainer:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh")
    args = TrainingArguments(
        folder, per_device_train_batch_size=rows_of(size), save_strategy="no", disable_tqdm=True,
        logging_strategy="no", **STOCK_PRECISION, **arguments,
    )  # fmt: skip
    (data_args,) = parse(DataArguments, argv=data)
    blocks = joined_blocks(load_documents(data_args)["train"].select_columns("text"), tokenizer, BLOCK)
    return stock_trainer(model_of(size, dropout=0.1), args, blocks, tokenizer)


def ours(size: str, folder: str, data: list[str], model: BertForMaskedLM, *words: str) -> Trainer:
    model_args, data_args, args = parse(
        ModelArguments, DataArguments, MlmArguments,
        argv=[*data, "--output_dir", folder, "--per_device_train_batch_size", str(rows_of(size)),
              "--save_strategy", "no", "--eval_strategy", "no", "--disable_tqdm", "true", "--logging_strategy", "no",
              "--mlm_probability", str(MASKED), "--chunk_length", str(BLOCK), *OUR_PRECISION, *words],
    )  # fmt: skip
    return masked_language_model_trainer(sparse_head(model), args, load_pretraining_data(model_args, data_args, args))


def work(kind: str, size: str, data: list[str], words: list[str], pipe) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "stock":
            trainer = stock(size, folder, data, max_steps=ENDLESS)
        else:
            dropout = OUR_DROPOUT[kind]
            given = ("--dropout", str(dropout), "--max_steps", str(ENDLESS), "--learning_rate", "5e-5")
            trainer = ours(size, folder, data, model_of(size, dropout), *given, *words)
        train_in_turns(trainer, size, pipe)


def measure(size: str, turns: int, steps: int, words: list[str], data: list[str]) -> dict:
    runs = {kind: (kind, size, data, words) for kind in ("stock", *OUR_DROPOUT)}
    taken, rates = take_turns(work, runs, turns, steps, WARM_UP, product=(SIZES[size][1], rows_of(size) * BLOCK))
    speeds = {kind: per_second(taken, kind, "tokens") for kind in runs}
    return {
        "benchmark": "mlm",
        "size": size,
        **beside_stock(taken, "tokens"),
        "exact_ratio": ratio(speeds["ours with dropout"], speeds["stock"])["ratio"],
        **product_rate(rates),
        **product_share(taken, rates),
        "turns": turns,
        "steps_per_turn": steps,
        "rows": rows_of(size),
        "dropout": {"stock": 0.1, "ours": 0.0, "exact": 0.1},
        "precision": PRECISION,
        "our_arguments": words,
        **where(),
    }


def main():
    options, words = command_line(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        data = write_pages(folder)
        for size in options.sizes:
            turns, steps = (TURNS_ON_GPU if DEVICE.type == "cuda" else TURNS)[size][options.quick]
            print(json.dumps(measure(size, options.turns or turns, steps, words, data)), flush=True)


if __name__ == "__main__":
    main()
