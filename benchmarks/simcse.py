"""What SimCSE does to a nearest-neighbour classifier of the built-in reviews.

    python benchmarks/simcse.py
    python benchmarks/simcse.py --table

The classifier (scikit-learn, cosine) looks a review up among 2,000 labelled ones, and takes the majority of the nearest
k; k is the best of seven on 800 reviews of the validation split. SimCSE trains on the text of 3,840 training reviews
without their labels, 60 steps of 64, at most 64 tokens of each. Beside it: the same vectors before the first step,
those of random weights, and character tf-idf.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from comparing import Comparison, Setting, main, run_recipe
from datasets import Dataset, DatasetDict
from sklearn.metrics import accuracy_score
from sklearn.neighbors import NearestNeighbors

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.encoders import Pooling, load_to_contrast
from bert_recipes.results.baseline import character_tfidf
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.encoded import EncodedTexts
from bert_recipes.text.encoding import encode_texts

POOLINGS, NEIGHBOURS = ("mean", "cls"), (1, 3, 7, 15, 31, 63, 127)
ROWS = {"train": 2_000, "validation": 800, "test": 10_000}  # at most
MAX_LENGTH, BATCH = 64, 64
TRAINING = ("--max_train_samples", "3840", "--max_length", str(MAX_LENGTH), "--max_eval_samples", "256")
TRAINING += ("--save_strategy", "no", "--eval_strategy", "no", "--eval_on_start", "false", "--disable_tqdm", "true")
UNTRAINED = ("--do_train", "false")
Splits = dict[str, Dataset]


def reviews() -> Splits:
    splits = load_builtin("reviews")
    return {split: splits[split].shuffle(seed=0).take(min(count, len(splits[split]))) for split, count in ROWS.items()}


def measure(recipe: str, arguments: Sequence[str], output_dir: Path) -> dict[str, float]:
    """The scores of a pooling each, such as `mean_accuracy`; of tf-idf, which has none, those of `mean`."""
    splits = reviews()
    if recipe == "tfidf":
        return {"mean_accuracy": look_up(character_tfidf(DatasetDict(splits), ["text"]), splits)}
    results = run_recipe(recipe, arguments, output_dir)
    for pooling, vectors in vectors_of(str(output_dir), splits).items():
        results[f"{pooling}_accuracy"] = look_up(vectors, splits)
        results[f"{pooling}_cosine"] = mean_cosine(vectors["test"])
    return results


@torch.inference_mode()
def vectors_of(model: str, splits: Splits) -> dict[str, dict[str, np.ndarray]]:
    """Pooling -> split -> vectors, shape (rows, width)."""
    encoder, tokenizer = load_to_contrast(ModelArguments(model_name_or_path=model), dropout=0.0, max_length=MAX_LENGTH)
    encoder.eval()
    pools = {name: Pooling(tokenizer, name) for name in POOLINGS}
    vectors = {name: {} for name in POOLINGS}
    for split, rows in splits.items():
        encoded = EncodedTexts(encode_texts(rows, tokenizer, ["text"]), tokenizer)
        for name in POOLINGS:
            vectors[name][split] = np.empty((len(rows), encoder.config.hidden_size))
        for batch in np.array_split(np.argsort(encoded.lengths), -(-len(rows) // BATCH)):
            inputs = encoded.__getitems__(batch)
            del inputs["num_tokens"]
            states = encoder(**inputs).last_hidden_state
            for name, pool in pools.items():
                vectors[name][split][batch] = pool(states, inputs["input_ids"]).numpy()
    return vectors


def look_up(vectors: dict[str, np.ndarray], splits: Splits) -> float:
    """Accuracy on the test split, with the k that is best on the validation split."""
    labels = {split: np.array(rows["label"][:]) for split, rows in splits.items()}
    negative, positive = sorted(set(labels["train"]))
    counts = [k for k in NEIGHBOURS if k <= len(labels["train"])]
    index = NearestNeighbors(n_neighbors=counts[-1], metric="cosine", algorithm="brute").fit(vectors["train"])

    def accuracies(split: str) -> dict[int, float]:
        votes = labels["train"][index.kneighbors(vectors[split], return_distance=False)] == positive
        majority = {k: np.where(votes[:, :k].mean(1) > 0.5, positive, negative) for k in counts}
        return {k: accuracy_score(labels[split], labelled) for k, labelled in majority.items()}

    on_validation = accuracies("validation")
    return round(accuracies("test")[max(on_validation, key=on_validation.get)], 4)


def mean_cosine(vectors: np.ndarray) -> float:
    """Of all pairs of different rows."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    count = len(directions)
    return round(float(((directions.sum(0) ** 2).sum() - count) / (count * (count - 1))), 4)


def settings_of(start: str) -> list[Setting]:
    argv = ("--model_name_or_path", start, *TRAINING)
    return [Setting(start, "simcse", (*argv, *UNTRAINED), seeds=1), Setting(f"{start}, SimCSE", "simcse", argv)]


COMPARISON = Comparison(
    "simcse",
    settings=[
        Setting("character tf-idf", "tfidf", (), seeds=1),
        Setting(
            "random weights",
            "simcse",
            ("--model_name_or_path", "bert-mini-zh", *TRAINING, *UNTRAINED, "--from_scratch"),
        ),
        *settings_of("bert-mini-zh"),
        Setting(
            "bert-mini-zh, SimCSE of [CLS]",
            "simcse",
            ("--model_name_or_path", "bert-mini-zh", *TRAINING, "--pooling", "cls"),
            seeds=3,
        ),
    ],
    scores={
        "accuracy, mean of the tokens": "mean_accuracy",
        "accuracy, [CLS]": "cls_accuracy",
        "mean cosine, mean of the tokens": "mean_cosine",
        "mean cosine, [CLS]": "cls_cosine",
    },
    run=measure,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
