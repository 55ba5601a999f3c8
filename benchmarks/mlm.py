"""Masked-language-model pretraining, stock and ours side by side: tokens a second, memory, share of the machine.

    python benchmarks/mlm.py
    python benchmarks/mlm.py --quick

Stock is run_mlm.py's way: `BertForMaskedLM`, texts joined and cut into blocks, `DataCollatorForLanguageModeling`,
`Trainer` with its defaults. Ours is `recipes/mlm_pretrain.py`'s, with dropout 0 (`ratio`), and with the model's own 0.1
as stock has it (`exact_ratio`). Where a GPU is, all train on it in bf16, 256 rows a step. Each trains in a process of
its own, and they take turns of a few steps, so that a noisy machine disturbs all of them alike; a ratio is the median
over the turns, `ratio_spread` its quartiles. One JSON object a size. Tokens are those of the text: padding is not
counted, nor are the products that padding costs. A document is ten paragraphs of People's Daily, so that ours, which
joins no documents, has blocks of about the same length: of short documents a batch of so many rows holds fewer tokens,
and the optimizer's share of a step grows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

import torch
import transformers
from datasets import Dataset
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.models.sparse_head import sparse_head
from bert_recipes.run.launch import available_cores
from bert_recipes.run.memory import peak_memory_mb
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.documents import load_documents
from bert_recipes.text.masking import IGNORED
from bert_recipes.training.assembling import masked_language_model_trainer
from bert_recipes.training.data import load_pretraining_data

HERE = Path(__file__).parent
VOCABULARY, BLOCK, MASKED = 21_128, 128, 0.15  # of bert-base-chinese; what BERT saw most of; run_mlm.py's default
SIZES = {"4x256": (4, 256, 32), "12x768": (12, 768, 8)}  # layers, width, rows a step on a CPU
ROWS_ON_GPU = 256
KINDS = ("stock", "ours", "ours with dropout")
# Turns, and steps a turn: in full, and with --quick.
TURNS = {"4x256": ((12, 10), (4, 2)), "12x768": ((12, 4), (3, 1))}
TURNS_ON_GPU = {"4x256": ((8, 60), (4, 30)), "12x768": ((8, 20), (4, 8))}
ENDLESS = 100_000  # steps: a run ends when it is told to
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WARM_UP = 10 if DEVICE.type == "cuda" else 1  # steps that are not timed: the first ones find their memory


def precision() -> dict:
    """Of both: on a GPU bf16, on a CPU that of its numbers."""
    return {"bf16": True} if DEVICE.type == "cuda" else {"use_cpu": True}


def rows_of(size: str) -> int:
    return ROWS_ON_GPU if DEVICE.type == "cuda" else SIZES[size][2]


def model_of(size: str, dropout: float) -> BertForMaskedLM:
    layers, width, _ = SIZES[size]
    torch.manual_seed(0)
    return BertForMaskedLM(
        BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            intermediate_size=4 * width,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


def write_pages(folder: str) -> DataArguments:
    paragraphs = load_builtin("peoples_daily")["train"]["text"][:5000]
    pages = ["\n".join(paragraphs[start : start + 10]) for start in range(0, len(paragraphs), 10)]
    files = {"train_file": pages[20:], "validation_file": pages[:20]}
    for name, rows in files.items():
        Dataset.from_dict({"text": rows}).to_json(f"{folder}/{name}.jsonl", force_ascii=False)
    return DataArguments(**{name: f"{folder}/{name}.jsonl" for name in files})


def joined_blocks(texts: list[str], tokenizer) -> Dataset:
    """As run_mlm.py has them: all texts in one line, cut every 128 tokens."""
    joined = list(chain.from_iterable(tokenizer(texts, verbose=False)["input_ids"]))
    blocks = [joined[start : start + BLOCK] for start in range(0, len(joined) // BLOCK * BLOCK, BLOCK)]
    return Dataset.from_dict({"input_ids": blocks})


def stock_trainer(size: str, folder: str, data_args: DataArguments, **arguments) -> Trainer:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh")
    return Trainer(
        model=model_of(size, dropout=0.1),
        args=TrainingArguments(
            folder, per_device_train_batch_size=rows_of(size), save_strategy="no",
            disable_tqdm=True, logging_strategy="no", **precision(), **arguments,
        ),
        train_dataset=joined_blocks(list(load_documents(data_args)["train"]["text"]), tokenizer),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED),
    )  # fmt: skip


def our_trainer(size: str, folder: str, data_args: DataArguments, model: BertForMaskedLM, **arguments) -> Trainer:
    args = MlmArguments(
        output_dir=folder, per_device_train_batch_size=rows_of(size), save_strategy="no",
        eval_strategy="no", disable_tqdm=True, logging_strategy="no", mlm_probability=MASKED, chunk_length=BLOCK,
        **precision(), **arguments,
    )  # fmt: skip
    with contextlib.redirect_stdout(sys.stderr):  # what it tells of the data: standard output is JSON alone
        data = load_pretraining_data(ModelArguments("bert-mini-zh"), data_args, args)
    return masked_language_model_trainer(sparse_head(model), args, data)


def wait_for_device() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


class TakeTurns(TrainerCallback):
    """Trains so many steps a turn, when it is told to (0: no more), and reports the turn's seconds and `report()`."""

    def __init__(self, pipe):
        self.pipe, self.left, self.started = pipe, 0, None

    def on_step_begin(self, args, state, control, **kwargs):
        if self.left == 0:
            self.end_turn()
            self.left = self.pipe.recv()
            control.should_training_stop = self.left == 0
            self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.left -= 1

    def end_turn(self):
        if self.started is not None:
            wait_for_device()
            seconds = time.perf_counter() - self.started
            self.pipe.send((seconds, self.report()))

    def report(self):
        raise NotImplementedError


class CountWork(TakeTurns):
    """Reports a turn's tokens and floating-point operations, and the peak memory so far."""

    def __init__(self, pipe, model_size: tuple[int, int]):
        super().__init__(pipe)
        self.size, self.batches = model_size, []

    def report(self) -> tuple[int, int, float]:
        layers, width = self.size
        tokens = flops = 0
        # A weight costs 2 operations a token forward and 4 backward: 12 width^2 weights a layer (attention 4,
        # feed-forward 8). Scores and mixture are 2 products of length x width a token. The head has width^2 weights and
        # width x vocabulary.
        for attended, squares, masked in self.batches:
            encoder = layers * (12 * width**2 * int(attended) + 2 * width * int(squares))
            flops += 6 * (encoder + int(masked) * (width**2 + width * VOCABULARY))
            tokens += int(attended)
        self.batches = []
        return tokens, flops, peak_memory_mb(DEVICE)

    def count(self, module, arguments, inputs):
        """A hook in front of the model: what the batch holds. Only products that the exact loss needs are counted."""
        input_ids = inputs["input_ids"]
        attended = inputs.get("attention_mask", torch.ones_like(input_ids)).sum(1)
        masked = (inputs["labels"] != IGNORED).sum() if "labels" in inputs else len(inputs["masked_positions"])
        self.batches.append((attended.sum(), (attended**2).sum(), masked))  # read when the turn is over


def work(kind: str, size: str, pipe) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if kind == "stock":
            trainer = stock_trainer(size, folder, write_pages(folder), max_steps=ENDLESS)
        else:
            model = model_of(size, dropout=0.1 if kind == "ours with dropout" else 0.0)
            trainer = our_trainer(size, folder, write_pages(folder), model, max_steps=ENDLESS, learning_rate=5e-5)
        turns = CountWork(pipe, SIZES[size][:2])
        trainer.remove_callback(PrinterCallback)  # standard output is for the results
        trainer.add_callback(turns)
        trainer.model.register_forward_pre_hook(turns.count, with_kwargs=True, prepend=True)
        trainer.train()


def matrix_product_rate(size: str) -> float:
    """Floating-point operations a second: on a CPU of the feed-forward product, all tokens of a step x width x 4 width,
    on a GPU of 8,192 x 8,192 x 8,192 in bf16, which is the most that it does."""
    _, width, rows = SIZES[size]
    left, right = torch.randn(rows * BLOCK, width), torch.randn(width, 4 * width)
    if DEVICE.type == "cuda":
        left, right = (torch.randn(8192, 8192, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        left @ right
        wait_for_device()
        seconds.append(time.perf_counter() - started)
    return 2 * left.numel() * right.shape[1] / statistics.median(seconds)


def where() -> dict:
    """The machine and the versions that a figure belongs to."""
    described = subprocess.run(("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, cwd=HERE)
    return {
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else platform.machine(),
        "cores": available_cores(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "commit": os.environ.get("COMMIT") or described.stdout.strip(),
    }


def imported_once():
    """Processes that are forked from one that has done no more than the imports: none shares memory with another."""
    if DEVICE.type == "cuda":  # a process that has looked for a GPU can't be forked into others that use it
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mlm"])
    return context


def measure(size: str, turns: int, steps: int) -> dict:
    context = imported_once()
    pipes, workers = {}, []
    for kind in KINDS:
        pipes[kind], theirs = context.Pipe()
        workers.append(context.Process(target=work, args=(kind, size, theirs), daemon=True))
        workers[-1].start()
        theirs.close()  # a worker that dies closes the pipe's other end, and `recv` says so
    for kind in KINDS:
        pipes[kind].send(WARM_UP)
        pipes[kind].recv()
    speeds, shares, rates, memory = {kind: [] for kind in KINDS}, [], [], {}
    for turn in range(turns):
        rate = matrix_product_rate(size)
        rates.append(rate)
        for kind in KINDS if turn % 2 else reversed(KINDS):
            pipes[kind].send(steps)
            seconds, (tokens, flops, memory[kind]) = pipes[kind].recv()
            speeds[kind].append(tokens / seconds)
            if kind == "ours":
                shares.append(flops / seconds / rate)
        print(f"{size}: turn {turn + 1} of {turns}", file=sys.stderr)
    for kind, worker in zip(KINDS, workers, strict=True):
        pipes[kind].send(0)
        worker.join()
    ratios = [ours / stock for ours, stock in zip(speeds["ours"], speeds["stock"], strict=True)]
    exact = [ours / stock for ours, stock in zip(speeds["ours with dropout"], speeds["stock"], strict=True)]
    lower, _, upper = statistics.quantiles(ratios, n=4)
    return {
        "size": size,
        "stock_tokens_per_second": round(statistics.median(speeds["stock"])),
        "ours_tokens_per_second": round(statistics.median(speeds["ours"])),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_spread": [round(lower, 3), round(upper, 3)],
        "exact_ratio": round(statistics.median(exact), 3),
        "stock_peak_memory_mb": round(memory["stock"]),
        "ours_peak_memory_mb": round(memory["ours"]),
        "matmul_tflops": round(statistics.median(rates) / 1e12, 3),
        "matmul_share": round(statistics.median(shares), 3),
        "turns": turns,
        "steps_per_turn": steps,
        "rows": rows_of(size),
        "dropout": {"stock": 0.1, "ours": 0.0, "exact": 0.1},
        **where(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few turns: within three minutes")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--turns", type=int, help="2 or more; more make the medians firmer")
    options = parser.parse_args()
    if options.turns is not None and options.turns < 2:
        parser.error("--turns: two or more, quartiles need them")
    for size in options.sizes:
        turns, steps = (TURNS_ON_GPU if DEVICE.type == "cuda" else TURNS)[size][options.quick]
        print(json.dumps(measure(size, options.turns or turns, steps)), flush=True)


if __name__ == "__main__":
    main()
