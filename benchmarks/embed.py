"""Vectors of texts, three ways side by side: rows a second, and whether all give the same.

    python benchmarks/embed.py
    python benchmarks/embed.py --quick --sizes 4x256

Stock is `pipeline("feature-extraction")` at the best of four batch sizes, the loop gives the model one text after
another, ours is what `recipes/embed.py` does, with its file. Each takes the mean of a text's tokens without [CLS] and
[SEP], in fp32, on a CPU or a GPU. The model has random weights. They take turns of all rows; a ratio is the median over
the turns, `ratio_spread` its quartiles; `of_loop` is ours beside the loop. `largest_difference` is that of two numbers
of a vector, ours and either of the others'. One JSON object a size.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from classifying import MAX_LENGTH, measure_sizes, write_model
from measuring import DEVICE, SIZES, ratio, where
from taking_turns import answer, beside_stock, per_second, product_rate, significant, take_turns
from transformers import AutoModel, AutoTokenizer, pipeline

from bert_recipes.arguments.embed import EmbedArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.encoders import load_to_embed
from bert_recipes.results.embedding import embed, read_rows
from bert_recipes.results.vector_tables import vectors_in
from bert_recipes.results.vectors import report_vectors
from bert_recipes.run.memory import peak_memory_mb
from bert_recipes.text.builtin_corpora import load_builtin

BATCH_SIZES = (1, 8, 32, 128)  # of the pipeline; the best is chosen on some of the rows
# Turns, and rows a turn: in full, and with --quick.
TURNS = {"tiny": ((3, 64), (2, 32)), "4x256": ((6, 1280), (3, 640)), "12x768": ((4, 256), (2, 64))}


def stock(model: str, texts: list[str], pipe) -> None:
    extract = pipeline("feature-extraction", model=model, device=DEVICE, dtype=torch.float32)
    extract.tokenizer.model_max_length = MAX_LENGTH
    seconds, some = {}, texts[: max(len(texts) // 10, 32)]

    def vectors(of: list[str], batch_size: int) -> list[np.ndarray]:
        found = extract(of, batch_size=batch_size, truncation=True, return_tensors=True)
        lengths = map(len, extract.tokenizer(of, truncation=True)["input_ids"])  # behind it stands a batch's padding
        return [states[0, 1 : length - 1].mean(0).numpy() for states, length in zip(found, lengths, strict=True)]

    for batch_size in BATCH_SIZES:
        started = time.perf_counter()
        vectors(some, batch_size)
        seconds[batch_size] = time.perf_counter() - started
    best = min(seconds, key=seconds.get)
    answer(pipe, lambda _: report(vectors(texts, best), best))


@torch.inference_mode()
def loop(model: str, texts: list[str], pipe) -> None:
    encoder, tokenizer = AutoModel.from_pretrained(model).to(DEVICE).eval(), AutoTokenizer.from_pretrained(model)

    def vector(text: str) -> np.ndarray:
        inputs = tokenizer(text, truncation=True, max_length=MAX_LENGTH, return_tensors="pt").to(DEVICE)
        return encoder(**inputs).last_hidden_state[0, 1:-1].mean(0).cpu().numpy()

    answer(pipe, lambda _: report([vector(text) for text in texts], 1))


def ours(model: str, texts: list[str], folder: str, words: list[str], pipe) -> None:
    input_file = Path(folder) / "texts.jsonl"
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    input_file.write_text("\n".join(lines), encoding="utf-8")
    (args,) = parse(EmbedArguments, argv=["--model_name_or_path", model, "--max_length", str(MAX_LENGTH),
        "--input_file", str(input_file), "--output_file", f"{folder}/vectors.parquet", "--overwrite",
        "--disable_tqdm", "true", *words])  # fmt: skip
    rows = read_rows(args)
    encoder, tokenizer = load_to_embed(args)

    def vectors(_) -> dict:
        with embed(rows, encoder, tokenizer, args) as found:
            report_vectors(found, encoder, tokenizer, args)
            computed = np.concatenate([vectors_in(table) for table in found.tables()])
        return report(computed, args.launch.per_device_eval_batch_size)

    answer(pipe, vectors)


def report(vectors: list[np.ndarray], batch_size: int) -> dict:
    memory = peak_memory_mb(DEVICE)
    return {"rows": len(vectors), "vectors": np.array(vectors), "batch_size": batch_size, "memory": memory}


def work(kind: str, model: str, texts: list[str], folder: str, words: list[str], pipe) -> None:
    if kind == "ours":
        ours(model, texts, folder, words, pipe)
    else:
        (stock if kind == "stock" else loop)(model, texts, pipe)


def measure(size: str, turns: int, rows: int, words: list[str]) -> dict:
    texts = load_builtin("reviews")["train"].shuffle(seed=0)["text"][:rows]
    with tempfile.TemporaryDirectory() as folder:
        model = write_model(folder, size)
        runs = {kind: (kind, model, texts, folder, words) for kind in ("stock", "loop", "ours")}
        taken, rates = take_turns(work, runs, turns, steps=1, warm_up=1, product=(SIZES[size][1], 32 * 64))
    speeds = {kind: per_second(taken, kind, "rows") for kind in ("loop", "ours")}
    of_loop = ratio(speeds["ours"], speeds["loop"])
    found = {kind: taken[-1][kind]["vectors"] for kind in runs}
    return {
        "benchmark": "embed",
        "size": size,
        **beside_stock(taken, "rows"),
        "loop_rows_per_second": significant(float(np.median(speeds["loop"]))),
        **{f"of_loop{name.removeprefix('ratio')}": value for name, value in of_loop.items()},
        "largest_difference": round(max(float(abs(found["ours"] - found[kind]).max()) for kind in runs), 8),
        **product_rate(rates),
        "turns": turns,
        "rows_per_turn": rows,
        "batch_size": {kind: taken[-1][kind]["batch_size"] for kind in runs},
        "precision": "fp32",
        "our_arguments": words,
        **where(),
    }


if __name__ == "__main__":
    measure_sizes(__doc__, measure, TURNS)
