"""What SimCSE does to a nearest-neighbour classifier of the built-in reviews, five seeds, two base models.

    python benchmarks/simcse.py > docs/comparisons/simcse.jsonl
    python benchmarks/simcse.py --table docs/comparisons/simcse.jsonl

The classifier (scikit-learn, cosine) looks a review up among 2,000 labelled ones, and takes the majority of the nearest
k; k is the best of seven on 800 reviews of the validation split. SimCSE trains on the text of 5,120 training reviews
without their labels, 80 steps of 64, at most 64 tokens of each. Beside it: the vectors of the base as it is, of random
weights, and of character tf-idf. One JSON object a run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from measuring import ROOT, where
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import NearestNeighbors

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.encoders import Pooling, load_to_contrast
from bert_recipes.results.baseline import character_tfidf
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.encoded import EncodedTexts
from bert_recipes.text.encoding import encode_texts

STARTS, POOLINGS, NEIGHBOURS = ("bert-mini-zh", "bert-mini-zh-v3"), ("mean", "cls"), (1, 3, 7, 15, 31, 63, 127)
REFERENCE, VALIDATION, MAX_LENGTH = 2_000, 800, 64
TRAINING = ["--max_train_samples", "5120", "--max_length", str(MAX_LENGTH), "--max_eval_samples", "256"]
TRAINING += ["--save_strategy", "no", "--eval_on_start", "false", "--eval_strategy", "no", "--disable_tqdm", "true"]
Splits = dict[str, Dataset]


def reviews(reference: int) -> Splits:
    splits = load_builtin("reviews")
    few = {"train": reference, "validation": VALIDATION}
    return {**splits, **{split: splits[split].shuffle(seed=0).take(count) for split, count in few.items()}}


def trained(start: str, seed: int, folder: str, words: list[str]) -> str:
    """The folder of a model that the recipe has trained."""
    output_dir = str(Path(folder) / f"{start}-{seed}")
    argv = ["--model_name_or_path", start, "--seed", str(seed), "--output_dir", output_dir, *TRAINING, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "recipes" / "simcse.py"), *argv]
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}")
    return output_dir


@torch.inference_mode()
def vectors_of(
    model_args: ModelArguments, splits: Splits, poolings: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    """Pooling -> split -> vectors, shape (rows, width)."""
    model, tokenizer = load_to_contrast(model_args, dropout=0.0, max_length=MAX_LENGTH)
    model.eval()
    pools = {name: Pooling(tokenizer, name) for name in poolings}
    vectors = {name: {split: np.empty((len(rows), model.config.hidden_size)) for split, rows in splits.items()}
               for name in poolings}  # fmt: skip
    for split, rows in splits.items():
        encoded = EncodedTexts(encode_texts(rows, tokenizer, ["text"]), tokenizer)
        for batch in np.array_split(np.argsort(encoded.lengths), max(1, len(rows) // 64)):
            inputs = encoded.__getitems__(batch)
            del inputs["num_tokens"]
            states = model(**inputs).last_hidden_state
            for name, pool in pools.items():
                vectors[name][split][batch] = pool(states, inputs["input_ids"]).numpy()
    return vectors


def look_up(vectors: dict[str, np.ndarray], splits: Splits) -> dict:
    """Accuracy and macro-F1 on the test split, with the k that is best on the validation split."""
    labels = {split: np.array(rows["label"][:]) for split, rows in splits.items()}
    classes = sorted(set(labels["train"]))
    index = NearestNeighbors(n_neighbors=NEIGHBOURS[-1], metric="cosine", algorithm="brute").fit(vectors["train"])
    votes = {
        split: labels["train"][index.kneighbors(vectors[split], return_distance=False)] == classes[1]
        for split in ("validation", "test")
    }

    def predicted(split: str, k: int) -> np.ndarray:
        return np.where(votes[split][:, :k].mean(1) > 0.5, classes[1], classes[0])

    on_validation = {k: accuracy_score(labels["validation"], predicted("validation", k)) for k in NEIGHBOURS}
    k = max(on_validation, key=on_validation.get)
    found = predicted("test", k)
    return {
        "k": k,
        "validation_accuracy": round(on_validation[k], 4),
        "test_accuracy": round(accuracy_score(labels["test"], found), 4),
        "test_macro_f1": round(f1_score(labels["test"], found, average="macro"), 4),
    }


def mean_cosine(vectors: np.ndarray) -> float:
    """Of all pairs of different rows."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    count = len(directions)
    return round(float(((directions.sum(0) ** 2).sum() - count) / (count * (count - 1))), 4)


def measure(kind: str, start: str | None, seed: int | None, splits: Splits, words: list[str]) -> list[dict]:
    """A run of a kind of vectors: `tfidf`, or of `start` `random`, `base` or `simcse`; a result a pooling."""
    shared = {"benchmark": "simcse", "vectors": kind, "start": start, "seed": seed}
    shared |= {"reference_rows": len(splits["train"]), "our_arguments": words}
    if kind == "tfidf":
        return [shared | {"pooling": None} | look_up(character_tfidf(DatasetDict(splits), ["text"]), splits)]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed or 0)
        name = trained(start, seed, folder, words) if kind == "simcse" else start
        found = vectors_of(ModelArguments(model_name_or_path=name, from_scratch=kind == "random"), splits, POOLINGS)
    return [
        shared | {"pooling": pooling} | look_up(vectors, splits) | {"mean_cosine": mean_cosine(vectors["test"])}
        for pooling, vectors in found.items()
    ]


def runs(seeds: int, starts: tuple[str, ...]) -> list[tuple[str, str | None, int | None]]:
    plan = [("tfidf", None, None), *(("random", starts[0], seed) for seed in range(seeds))]
    plan += [("base", start, None) for start in starts]
    return plan + [("simcse", start, seed) for seed in range(seeds) for start in starts]


def table(path: Path) -> str:
    """In Markdown: the test accuracy, mean and half of its 95 % interval over the seeds, and the mean cosine."""
    groups: dict[tuple, list[dict]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        groups.setdefault((result["vectors"], result["start"], result["pooling"]), []).append(result)
    lines = [["vectors", "start", "pooling", "test accuracy", "mean cosine"], ["---", "---", "---", "---:", "---:"]]
    for (vectors, start, pooling), found in groups.items():
        cosine = statistics.mean(run.get("mean_cosine", 0) for run in found)
        lines.append([vectors, start or "", pooling or "", interval([run["test_accuracy"] for run in found]),
                      f"{cosine:.2f}" if pooling else ""])  # fmt: skip
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def interval(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.4f} ± {half:.4f}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False,
                                     epilog="Any other argument is the recipe's.")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--starts", nargs="+", default=list(STARTS))
    parser.add_argument("--reference", type=int, default=REFERENCE, help="labelled rows to look a review up in")
    parser.add_argument("--table", type=Path, help="print the table of a file of results, and measure nothing")
    options, words = parser.parse_known_args(argv)
    if options.table:
        return print(table(options.table))
    splits = reviews(options.reference)
    for kind, start, seed in runs(options.seeds, tuple(options.starts)):
        for result in measure(kind, start, seed, splits, words):
            print(json.dumps(result | where()), flush=True)


if __name__ == "__main__":
    main()
