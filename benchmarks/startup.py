"""From launch to the first training step, stock and ours side by side: seconds of a second run, whose caches are warm.

    python benchmarks/startup.py
    python benchmarks/startup.py --quick --recipes finetune

Ours is `accelerate launch recipes/X.py` with no argument, stock `stock_glue.py` or `stock_mlm.py` on a file of the same
rows: both start from the embedded model, and both are run once before. The launches take turns. `ratio` is the time of
ours over stock's: below 1 ours is faster; the median over the turns, `ratio_spread` its quartiles. One JSON object a
recipe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import DEVICE, ROOT, ratio, where

from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.text.builtin_corpora import load_builtin

FIRST_STEP = ROOT / "benchmarks" / "first_step.py"
MODEL = "bert-mini-zh"
STOCK = {"finetune": ["stock_glue.py"], "lora": ["stock_glue.py", "--lora"], "mlm_pretrain": ["stock_mlm.py"]}
TURNS = (5, 2)  # in full, and with --quick


def seconds_to_first_step(words: list[str], folder: str) -> float:
    """Of `accelerate launch` of a script and its arguments, with a data sets' cache in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as run:
        moment = Path(run) / "moment.txt"
        launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", str(FIRST_STEP)]
        command = [*launch, str(moment), *words, "--output_dir", f"{run}/run"]
        started = time.time()
        done = subprocess.run(
            command, cwd=run, env={**os.environ, "HF_DATASETS_CACHE": f"{folder}/cache"}, capture_output=True, text=True
        )
        if not moment.exists():
            raise SystemExit(f"{words[0]} has made no step:\n{done.stdout}{done.stderr}")
        return float(moment.read_text()) - started


def commands(recipe: str, folder: str, words: list[str]) -> dict[str, list[str]]:
    """What is launched for each side; stock reads a file that is written here."""
    rows = f"{folder}/rows.jsonl"
    if not Path(rows).exists():
        load_builtin("reviews")["train"].to_json(rows, force_ascii=False)
    script, *flags = STOCK[recipe]
    of_stock = ["--train_file", rows, "--model_name_or_path", str(EMBEDDED_MODELS / MODEL), *flags]
    of_stock += ["--per_device_train_batch_size", "32", *(["--bf16"] if DEVICE.type == "cuda" else [])]
    return {
        "stock": [str(ROOT / "benchmarks" / script), *of_stock],
        "ours": [str(ROOT / "recipes" / f"{recipe}.py"), *words],
    }


def measure(recipe: str, turns: int, words: list[str], folder: str) -> dict:
    launched = commands(recipe, folder, words)
    seconds = {kind: [] for kind in launched}
    for turn in range(turns + 1):  # the first one fills the caches
        for kind in launched if turn % 2 else reversed(launched):
            taken = seconds_to_first_step(launched[kind], folder)
            if turn:
                seconds[kind].append(taken)
        print(f"{recipe}: turn {turn} of {turns}", file=sys.stderr)
    return {
        "benchmark": "startup",
        "size": MODEL,
        "recipe": recipe,
        **{f"{kind}_seconds": round(statistics.median(values), 2) for kind, values in seconds.items()},
        **ratio(seconds["ours"], seconds["stock"]),
        "turns": turns,
        "our_arguments": words,
        **where(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="few turns: within minutes")
    parser.add_argument("--recipes", nargs="+", choices=STOCK, default=list(STOCK))
    parser.add_argument("--turns", type=int, help="2 or more")
    options, words = parser.parse_known_args()
    if options.turns is not None and options.turns < 2:
        parser.error("--turns: two or more, quartiles need them")
    with tempfile.TemporaryDirectory() as folder:
        for recipe in options.recipes:
            turns = options.turns or TURNS[options.quick]
            print(json.dumps(measure(recipe, turns, words, folder)), flush=True)


if __name__ == "__main__":
    main()
