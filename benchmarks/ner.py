"""Persons and places in newspaper text: the embedded model beside random weights and a CRF, on the same rows.

python benchmarks/ner.py
python benchmarks/ner.py --table
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import crf
from comparing import Comparison, Setting, main, run_recipe

ROWS = ("--max_train_samples", "2000")
TRAINED = (
    *("--max_length", "128", "--per_device_train_batch_size", "16", "--max_steps", "500"),
    *("--eval_strategy", "no", "--save_strategy", "no", "--no_do_eval"),
)


def setting(name: str, *arguments: str) -> Setting:
    return Setting(name, "ner", (*ROWS, *TRAINED, *arguments))


def measure(recipe: str, arguments: Sequence[str], output_dir: Path) -> dict[str, float]:
    """The results of ner.py, or of the CRF that stands beside this file."""
    if recipe != "crf":
        return run_recipe(recipe, arguments, output_dir)
    with contextlib.redirect_stdout(sys.stderr):  # stdout is the table's
        return crf.main([*arguments, "--output_dir", str(output_dir), "--overwrite"])


COMPARISON = Comparison(
    "ner",
    settings=[
        setting("random weights", "--from_scratch"),
        setting("bert-mini-zh", "--model_name_or_path", "bert-mini-zh"),
        Setting("CRF over characters", "crf", ROWS),
    ],
    scores={
        "F1": "test_f1",
        "precision": "test_precision",
        "recall": "test_recall",
        "F1 of PER": "test_PER_f1",
        "F1 of LOC": "test_LOC_f1",
    },
    against="random weights",
    seeds=3,
    run=measure,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
