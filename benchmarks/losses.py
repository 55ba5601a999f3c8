"""Losses where one class is rare: reviews with 20 negative ones to a positive one.

    python benchmarks/losses.py
    python benchmarks/losses.py --table

Training has 2,000 negative and 100 positive rows of the built-in reviews, drawn once; validation and test keep their
negative rows, and positive ones in the same ratio. Every run takes 200 steps, with the last weights. Each is calibrated
on validation, which changes no label: the expected calibration error is that before it. Beside them stands character
tf-idf with a logistic regression, of whole texts and of as many characters as the runs' tokens.
"""

from __future__ import annotations

import argparse
import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from comparing import OUTPUTS, ROOT, Comparison, Setting, main, run_recipe
from datasets import Dataset, DatasetDict, concatenate_datasets, load_dataset
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score

from bert_recipes.results.baseline import INVERSE_REGULARISATIONS, character_tfidf
from bert_recipes.text.builtin_corpora import load_builtin

FOLDER = OUTPUTS / "losses"
NEGATIVE_TO_POSITIVE = 20
TRAINING_NEGATIVES = 2000
FILES = {
    split: str((FOLDER / f"{split}.jsonl").relative_to(OUTPUTS.parents[1])) for split in ("train", "validation", "test")
}
ROWS = tuple(word for split, file in FILES.items() for word in (f"--{split}_file", file))


def trained(max_length: int) -> tuple[str, ...]:
    return (
        *ROWS,
        *("--model_name_or_path", "bert-mini-zh", "--max_length", str(max_length), "--max_steps", "200"),
        *("--eval_strategy", "no", "--save_strategy", "no", "--calibrate", "--disable_tqdm", "true"),
    )


SAME = trained(64)
TFIDF = "tfidf"
BALANCED_AND_TUNED = ("--class_weights", "balanced", "--threshold", "tuned")
CUT = ("--characters", "62")  # 64 tokens are [CLS], [SEP] and about a character each


def thin() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for split, rows in load_builtin("reviews").items():
        negatives = len(of_label(rows, "negative")) if split != "train" else TRAINING_NEGATIVES
        counts = {"negative": negatives, "positive": negatives // NEGATIVE_TO_POSITIVE}
        parts = [of_label(rows, label).shuffle(seed=0).select(range(count)) for label, count in counts.items()]
        concatenate_datasets(parts).shuffle(seed=0).to_json(FOLDER / f"{split}.jsonl", force_ascii=False)


def of_label(rows: Dataset, label: str) -> Dataset:
    return rows.filter(lambda row: row["label"] == label)


def measure(recipe: str, arguments: Sequence[str], output_dir: Path) -> dict[str, float]:
    if recipe != TFIDF:
        return run_recipe(recipe, arguments, output_dir)
    parser = argparse.ArgumentParser()
    parser.add_argument("--class_weights")
    parser.add_argument("--threshold")
    parser.add_argument("--characters", type=int)
    options, _ = parser.parse_known_args(arguments)
    corpus = load_dataset("json", data_files={split: str(ROOT / file) for split, file in FILES.items()})
    corpus = corpus.map(lambda row: {"text": row["text"][: options.characters]})
    return score_tfidf(corpus, options.class_weights, options.threshold == "tuned")


def score_tfidf(corpus: DatasetDict, class_weight: str | None, tuned: bool) -> dict[str, float]:
    """Regularised, and where it is `tuned` with the threshold, that validation likes best by macro-F1."""
    features = character_tfidf(corpus, ["text"])
    positive = {split: np.array(rows["label"][:]) == "positive" for split, rows in corpus.items()}
    best = (-1.0, None, 0.5)
    for penalty in INVERSE_REGULARISATIONS:
        model = LogisticRegression(C=penalty, class_weight=class_weight, max_iter=300)
        model.fit(features["train"], positive["train"])
        scores = model.predict_proba(features["validation"])[:, 1]
        for threshold in np.unique(scores) if tuned else [0.5]:
            macro_f1 = f1_score(positive["validation"], scores >= threshold, average="macro")
            best = max(best, (macro_f1, model, threshold), key=operator.itemgetter(0))
    _, model, threshold = best
    truth, found = positive["test"], model.predict_proba(features["test"])[:, 1] >= threshold
    return {
        "test_macro_f1": f1_score(truth, found, average="macro"),
        "test_recall_positive": recall_score(truth, found),
        "test_precision_positive": precision_score(truth, found, zero_division=0),
    }


def tfidf(name: str, *arguments: str) -> Setting:
    return Setting(f"tf-idf + logistic regression{name}", TFIDF, (*ROWS, *arguments), seeds=1)


COMPARISON = Comparison(
    "losses",
    settings=[
        Setting("cross-entropy", "finetune", SAME),
        Setting("class weights", "finetune", (*SAME, "--class_weights", "balanced")),
        Setting("focal", "finetune", (*SAME, "--loss", "focal")),
        Setting("focal, class weights", "finetune", (*SAME, "--loss", "focal", "--class_weights", "balanced")),
        Setting("label smoothing 0.1", "finetune", (*SAME, "--label_smoothing_factor", "0.1")),
        Setting("cross-entropy, tuned threshold", "finetune", (*SAME, "--threshold", "tuned")),
        Setting("the same, 256 tokens", "finetune", (*trained(256), "--threshold", "tuned")),
        tfidf(""),
        tfidf(", class weights, tuned threshold", *BALANCED_AND_TUNED),
        tfidf(", the same, first 62 characters", *BALANCED_AND_TUNED, *CUT),
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
    run=measure,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
