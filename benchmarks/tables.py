"""The rows of the tables of docs/performance.md, from what the benchmarks have printed.

    make bench BENCHMARK=mlm > docs/performance/mlm_cpu.jsonl
    python benchmarks/tables.py docs/performance/mlm_cpu.jsonl

A test holds the tables to the files that their rows link.
"""

from __future__ import annotations

import json
import sys
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

HEADINGS = {
    "mlm": ["size", "stock, tokens/s", "ours, tokens/s", "ratio (quartiles)", "same dropout",
            "peak memory, stock / ours", "of the matrix-product rate"],
    "finetune": ["size", "stock, rows/s", "ours, rows/s", "ratio (quartiles)", "peak memory, stock / ours",
                 "of the matrix-product rate"],
    "lora": ["size", "stock, rows/s", "ours, rows/s", "ratio (quartiles)", "peak memory, stock / ours",
             "of the time of a full step (quartiles)"],
    "predict": ["size", "stock, rows/s", "ours, rows/s", "ratio (quartiles)", "peak memory, stock / ours",
                "rows with equal labels", "largest difference of scores"],
    "embed": ["size", "pipeline, rows/s", "one by one, rows/s", "ours, rows/s", "beside the pipeline (quartiles)",
              "beside one by one (quartiles)", "largest difference"],
    "data_path": ["batches", "rows a batch", "tokens/s of one core", "quartiles"],
    "startup": ["recipe", "stock, s", "ours, s", "ratio (quartiles)"],
}  # fmt: skip


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def row(result: dict) -> list[str]:
    """The cells under `HEADINGS`."""
    name = result.get("benchmark", "mlm")  # the oldest file has no name in it
    if name == "data_path":
        numbers = [result["tokens_per_second"], *result["spread"]]
        median, lower, upper = (f"{number / 1e6:.1f} M" for number in numbers)
        return [result["path"], str(result["rows"]), median, f"{lower} to {upper}"]
    if name == "startup":
        return [
            f"`{result['recipe']}`",
            *(f"{result[f'{kind}_seconds']:.1f}" for kind in ("stock", "ours")),
            ratio(result),
        ]
    if name == "embed":
        speeds = [f"{result[f'{kind}_rows_per_second']:,}" for kind in ("stock", "loop", "ours")]
        return [size(result), *speeds, ratio(result), ratio(result, "of_loop"), f"{result['largest_difference']:.1e}"]
    unit = "tokens" if name == "mlm" else "rows"
    cells = [size(result), *(f"{result[f'{kind}_{unit}_per_second']:,}" for kind in ("stock", "ours")), ratio(result)]
    memory = "{stock_peak_memory_mb:,} / {ours_peak_memory_mb:,} MB".format(**result)
    last = {
        "mlm": lambda: [f"{hundredths(result['exact_ratio'])}", memory, f"{hundredths(result['matmul_share'])}"],
        "finetune": lambda: [memory, f"{hundredths(result['matmul_share'])}"],
        "lora": lambda: [memory, ratio(result, "of_full_step")],
        "predict": lambda: [memory, f"{result['equal_labels']:.4f}", f"{result['largest_difference']:.6f}"],
    }
    return cells + last[name]()


def size(result: dict) -> str:
    return "{} layers × {}".format(*result["size"].split("x"))


def ratio(result: dict, name: str = "ratio") -> str:
    lower, upper = result[f"{name}_spread"]
    return f"{hundredths(result[name])} ({hundredths(lower)} to {hundredths(upper)})"


def hundredths(value: float) -> Decimal:
    """2.505 is 2.51: a float would be a little below it."""
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def table(path: Path) -> str:
    """In Markdown, each row with a link to its file."""
    results = read(path)
    headings = [*HEADINGS[results[0].get("benchmark", "mlm")], "file"]
    rows = [[*row(result), f"[{path.stem}](performance/{path.name})"] for result in results]
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(table(Path(name)), end="\n\n")
