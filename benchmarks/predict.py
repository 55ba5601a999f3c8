"""Labelling texts, stock and ours side by side: rows a second, and whether both say the same.

    python benchmarks/predict.py
    python benchmarks/predict.py --quick --sizes 4x256

Stock is `pipeline("text-classification")` at the best of four batch sizes, ours what `recipes/predict.py` does; both
tokenise, on a GPU both predict in bf16, on a CPU in fp32. The model has random weights. They take turns of all rows; a
ratio is the median over the turns, `ratio_spread` its quartiles. `equal_labels` is the share of rows with one label on
both sides, `largest_difference` that of two scores. One JSON object a size.
"""

from __future__ import annotations

import tempfile
import time

import torch
from classifying import MAX_LENGTH, measure_sizes, write_model
from datasets import Dataset
from measuring import DEVICE, OUR_PRECISION, PRECISION, SIZES, where
from taking_turns import answer, beside_stock, product_rate, take_turns
from transformers import pipeline

from bert_recipes.arguments.model import CheckpointArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.models.classifiers import load_trained_classifier
from bert_recipes.results.inference import name_predictions, predict
from bert_recipes.run.memory import peak_memory_mb
from bert_recipes.text.builtin_corpora import load_builtin
from bert_recipes.text.encoding import encode_texts
from bert_recipes.training.assembling import classifier_trainer

BATCH_SIZES = (1, 8, 32, 128)  # of the pipeline; the best is chosen on some of the rows
# Turns, and rows a turn: in full, and with --quick.
TURNS = {"tiny": ((3, 64), (2, 32)), "4x256": ((8, 1280), (3, 640)), "12x768": ((4, 256), (2, 64))}


def stock(model: str, texts: list[str], pipe) -> None:
    dtype = torch.bfloat16 if PRECISION == "bf16" else torch.float32
    classify = pipeline("text-classification", model=model, device=DEVICE, dtype=dtype)
    classify.tokenizer.model_max_length = MAX_LENGTH
    seconds, some = {}, texts[: max(len(texts) // 10, 32)]
    for batch_size in BATCH_SIZES:
        started = time.perf_counter()
        classify(some, batch_size=batch_size, truncation=True)
        seconds[batch_size] = time.perf_counter() - started
    best = min(seconds, key=seconds.get)

    def label(_) -> dict:
        found = classify(texts, batch_size=best, truncation=True)
        answers = [(row["label"], row["score"]) for row in found]
        return {"rows": len(texts), "answers": answers, "batch_size": best, "memory": peak_memory_mb(DEVICE)}

    answer(pipe, label)


def ours(model: str, texts: list[str], folder: str, words: list[str], pipe) -> None:
    (args,) = parse(PredictArguments, argv=["--model_name_or_path", model, "--input_file", "none.csv",
        "--output_file", f"{folder}/none.csv", "--disable_tqdm", "true", *OUR_PRECISION, *words])  # fmt: skip
    classifier, tokenizer = load_trained_classifier(CheckpointArguments(model))
    tokenizer.model_max_length = MAX_LENGTH
    trainer = classifier_trainer(classifier, args.for_trainer(), tokenizer)
    names = list(classifier.config.id2label.values())

    def label(_) -> dict:
        logits, _ = predict(trainer, encode_texts(Dataset.from_dict({"text": texts}), tokenizer, ["text"]))
        found = name_predictions(logits, names, classifier.config.problem_type)
        answers = list(zip(found["prediction"], found["score"], strict=True))
        batch_size = trainer.args.per_device_eval_batch_size
        return {"rows": len(texts), "answers": answers, "batch_size": batch_size, "memory": peak_memory_mb(DEVICE)}

    answer(pipe, label)


def work(kind: str, model: str, texts: list[str], folder: str, words: list[str], pipe) -> None:
    if kind == "stock":
        stock(model, texts, pipe)
    else:
        ours(model, texts, folder, words, pipe)


def agreement(ours: list[tuple[str, float]], stock: list[tuple[str, float]]) -> dict:
    pairs = list(zip(ours, stock, strict=True))
    equal = sum(label == other for (label, _), (other, _) in pairs)
    return {
        "equal_labels": round(equal / len(pairs), 4),
        # Of two labels, a score of 0.6 for one is 0.4 for the other.
        "largest_difference": round(max(abs(a - (b if x == y else 1 - b)) for (x, a), (y, b) in pairs), 6),
    }


def measure(size: str, turns: int, rows: int, words: list[str]) -> dict:
    texts = load_builtin("reviews")["train"].shuffle(seed=0)["text"][:rows]
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(folder, size)
        runs = {kind: (kind, model, texts, folder, words) for kind in ("stock", "ours")}
        taken, rates = take_turns(work, runs, turns, steps=1, warm_up=1, product=(SIZES[size][1], 32 * 64))
    return {
        "benchmark": "predict",
        "size": size,
        **beside_stock(taken, "rows"),
        **agreement(taken[-1]["ours"]["answers"], taken[-1]["stock"]["answers"]),
        **product_rate(rates),
        "turns": turns,
        "rows_per_turn": rows,
        "batch_size": {kind: taken[-1][kind]["batch_size"] for kind in runs},
        "precision": PRECISION,
        "our_arguments": words,
        **where(),
    }


if __name__ == "__main__":
    measure_sizes(__doc__, measure, TURNS)
