"""What the benchmarks share: the device, the models' sizes, the command line, and the figures of a machine."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from transformers import BertConfig

from bert_recipes.run.launch import available_cores

ROOT = Path(__file__).parents[1]
SIZES = {"tiny": (2, 64), "4x256": (4, 256), "12x768": (12, 768)}  # layers, width; the first one is for the tests
MEASURED_SIZES = ("4x256", "12x768")
VOCABULARY = 21_128  # of bert-base-chinese
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
WARM_UP = 10 if DEVICE.type == "cuda" else 1  # steps that are not timed: the first ones find their memory
# Of both sides: ours would choose bf16 by itself on a CPU that has it, and stock never does.
PRECISION = "bf16" if DEVICE.type == "cuda" else "fp32"
STOCK_PRECISION = {"bf16": True} if DEVICE.type == "cuda" else {"use_cpu": True}
OUR_PRECISION = ("--precision", PRECISION, *(["--use_cpu"] if DEVICE.type == "cpu" else []))


def config_of(size: str, dropout: float = 0.1) -> BertConfig:
    layers, width = SIZES[size]
    return BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )


def command_line(doc: str, argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """The options that every benchmark has; what it does not know are arguments of the recipe, for our side."""
    parser = argparse.ArgumentParser(
        description=doc.splitlines()[0],
        epilog="Any other argument is the recipe's, and holds for our side alone.",
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="few turns: within minutes")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(MEASURED_SIZES))
    parser.add_argument("--turns", type=int, help="2 or more; more make the medians firmer")
    options, ours = parser.parse_known_args(argv)
    if options.turns is not None and options.turns < 2:
        parser.error("--turns: two or more, quartiles need them")
    return options, ours


def wait_for_device() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def matrix_product_rate(width: int, tokens: int) -> float:
    """Floating-point operations a second: on a CPU of the feed-forward product of a step, `tokens` x `width` x 4
    `width`, on a GPU of 8,192 x 8,192 x 8,192 in bf16, which is the most that it does."""
    left, right = torch.randn(tokens, width), torch.randn(width, 4 * width)
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
    described = subprocess.run(("git", "rev-parse", "--short", "HEAD"), capture_output=True, text=True, cwd=ROOT)
    return {
        "device": torch.cuda.get_device_name() if DEVICE.type == "cuda" else platform.machine(),
        "cores": available_cores(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "commit": os.environ.get("COMMIT") or described.stdout.strip(),
    }


def ratio(ours: Sequence[float], stock: Sequence[float]) -> dict:
    """Turn by turn: the median of ours over stock's, and the quartiles as `ratio_spread`."""
    ratios = [one / other for one, other in zip(ours, stock, strict=True)]
    lower, median, upper = statistics.quantiles(ratios, n=4)
    return {"ratio": round(median, 3), "ratio_spread": [round(lower, 3), round(upper, 3)]}
