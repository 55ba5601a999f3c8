"""Losses where one class is rare: reviews with 20 negative ones to a positive one.

    python benchmarks/losses.py
    python benchmarks/losses.py --table

Training has 2,000 negative and 100 positive rows of the built-in reviews, drawn once; validation and test keep their
negative rows, and positive ones in the same ratio. Every run takes 200 steps, with the last weights. Each is calibrated
on validation, which changes no label: the expected calibration error is that before it.
"""

from __future__ import annotations

from comparing import OUTPUTS, Comparison, Setting, main
from datasets import Dataset, concatenate_datasets

from bert_recipes.text.builtin_corpora import load_builtin

FOLDER = OUTPUTS / "losses"
NEGATIVE_TO_POSITIVE = 20
TRAINING_NEGATIVES = 2000
FILES = {
    split: str((FOLDER / f"{split}.jsonl").relative_to(OUTPUTS.parents[1])) for split in ("train", "validation", "test")
}
SAME = (
    *(word for split, file in FILES.items() for word in (f"--{split}_file", file)),
    *("--model_name_or_path", "bert-mini-zh-v3", "--max_length", "64", "--max_steps", "200"),
    *("--eval_strategy", "no", "--save_strategy", "no", "--calibrate", "--disable_tqdm", "true"),
)


def thin() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for split, rows in load_builtin("reviews").items():
        negatives = len(of_label(rows, "negative")) if split != "train" else TRAINING_NEGATIVES
        counts = {"negative": negatives, "positive": negatives // NEGATIVE_TO_POSITIVE}
        parts = [of_label(rows, label).shuffle(seed=0).select(range(count)) for label, count in counts.items()]
        concatenate_datasets(parts).shuffle(seed=0).to_json(FOLDER / f"{split}.jsonl", force_ascii=False)


def of_label(rows: Dataset, label: str) -> Dataset:
    return rows.filter(lambda row: row["label"] == label)


COMPARISON = Comparison(
    "losses",
    settings=[
        Setting("cross-entropy", "finetune", SAME),
        Setting("class weights", "finetune", (*SAME, "--class_weights", "balanced")),
        Setting("focal", "finetune", (*SAME, "--loss", "focal")),
        Setting("focal, class weights", "finetune", (*SAME, "--loss", "focal", "--class_weights", "balanced")),
        Setting("label smoothing 0.1", "finetune", (*SAME, "--label_smoothing_factor", "0.1")),
        Setting("cross-entropy, tuned threshold", "finetune", (*SAME, "--threshold", "tuned")),
    ],
    scores={
        "macro-F1": "test_macro_f1",
        "recall of positive": "test_recall_positive",
        "precision of positive": "test_precision_positive",
        "ECE": "test_ece_before",
        "ECE, calibrated": "test_ece",
    },
    against="cross-entropy",
    prepare=thin,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
