"""Fine-tuning a classifier on the built-in reviews, stock and ours side by side: rows a second, memory.

    python benchmarks/finetune.py
    python benchmarks/finetune.py --quick --sizes 4x256

Stock is run_glue.py's way (`stock_glue.py`): a random order, batches padded to their longest row. Ours is
`recipes/finetune.py`'s, with batches of like length. Both train every weight of the same model of random weights, with
dropout 0.1, 32 rows a step, 128 tokens a row at most; on a GPU in bf16, on a CPU in fp32. They take turns of an epoch;
a ratio is the median over the turns, `ratio_spread` its quartiles. One JSON object a size.
"""

from __future__ import annotations

import tempfile

from classifying import ROWS, measure_sizes, steps_of, train, write_model, write_rows
from measuring import PRECISION, SIZES, WARM_UP, where
from taking_turns import beside_stock, product_rate, product_share, take_turns


def measure(size: str, turns: int, rows: int, words: list[str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        files, model = write_rows(folder, rows), write_model(folder, size)
        runs = {kind: (kind, "finetune", size, folder, files, model, words) for kind in ("stock", "ours")}
        product = (SIZES[size][1], ROWS * 64)
        taken, rates = take_turns(train, runs, turns, steps_of(rows), WARM_UP, product)
    return {
        "benchmark": "finetune",
        "size": size,
        **beside_stock(taken, "rows"),
        **product_rate(rates),
        **product_share(taken, rates),
        "turns": turns,
        "rows_per_turn": rows,
        "rows": ROWS,
        "precision": PRECISION,
        "our_arguments": words,
        **where(),
    }


if __name__ == "__main__":
    measure_sizes(__doc__, measure)
