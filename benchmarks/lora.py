"""A step of LoRA beside a full step, both ours, and beside peft's own in a stock Trainer: rows a second, memory.

    python benchmarks/lora.py
    python benchmarks/lora.py --quick --sizes 4x256

Adapters of rank 8 stand beside query and value. Stock is peft in run_glue.py's way (`stock_glue.py --lora`), ours
`recipes/lora.py`'s; "full" is `recipes/finetune.py`'s, every weight. `ratio` is LoRA over stock's LoRA, `of_full_step`
the time of a step of LoRA over that of a full one: the median of the turns, with quartiles. Rows, model, precision and
turns are those of `finetune.py`. One JSON object a size.
"""

from __future__ import annotations

import statistics
import tempfile

from classifying import ROWS, measure_sizes, steps_of, train, write_model, write_rows
from measuring import PRECISION, SIZES, WARM_UP, ratio, where
from taking_turns import beside_stock, per_second, product_rate, significant, take_turns

LORA = ("--lora_target_modules", "query,value")


def measure(size: str, turns: int, rows: int, words: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        files, model = write_rows(folder, rows), write_model(folder, size)
        shared = (size, folder, files, model)
        runs = {
            "stock": ("stock", "lora", *shared, []),
            "ours": ("ours", "lora", *shared, [*LORA, *words]),
            "full": ("ours", "finetune", *shared, words),
        }
        taken, rates = take_turns(train, runs, turns, steps_of(rows), WARM_UP, (SIZES[size][1], ROWS * 64))
    full, ours = (per_second(taken, kind, "rows") for kind in ("full", "ours"))
    of_full_step = ratio(full, ours)
    return {
        "benchmark": "lora",
        "size": size,
        **beside_stock(taken, "rows"),
        "full_rows_per_second": significant(statistics.median(full)),
        "of_full_step": of_full_step["ratio"],
        "of_full_step_spread": of_full_step["ratio_spread"],
        "full_peak_memory_mb": round(taken[-1]["full"]["memory"]),
        **product_rate(rates),
        "turns": turns,
        "rows_per_turn": rows,
        "rows": ROWS,
        "precision": PRECISION,
        "our_arguments": words,
        **where(),
    }


if __name__ == "__main__":
    measure_sizes(__doc__, measure)
