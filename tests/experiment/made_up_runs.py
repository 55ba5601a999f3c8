"""Results of runs that nobody trained, for tests of what is said of them; and those of docs/split."""

import json

from conftest import ROOT


def labelled(start: str, scores: list[float], method: str = "full", labels: int = 100, **more) -> list[dict]:
    moved = {"relative_change": 0.1, "moved": 9, "weights": 10, "effective_rank": 2.0}
    still = {"relative_change": 0.0, "moved": 0, "weights": 10, "effective_rank": 0.0}
    layers = still if method == "head_only" else moved
    groups = {f"layer {layer} {part}": layers for layer in (1, 0) for part in ("feed-forward", "attention")}
    return [
        {
            "experiment": "labels", "start": start, "method": method, "labels": labels, "seed": seed,
            "learning_rate": labels / 1e6, "arguments": [start, str(labels), str(seed)],
            "test_accuracy": score, "test_macro_f1": score, "validation_accuracy": score,
            "weights_moved": {"embeddings": layers, **groups, "head": moved},
            "similarity": [1.0, 0.9, 0.8 - seed / 100],
            "masked_lm_loss": {"task": [3.0, 3.5 + seed / 10], "general": [4.0, 4.0]}, **more,
        }
        for seed, score in enumerate(scores)
    ]  # fmt: skip


def every_question() -> list[dict]:
    half, all_of_them = [1, 0] * 20, [1] * 40
    right = {"title,text": all_of_them, "title": half, "title,text (shuffled)": half, "text": half}
    titles = [
        {"experiment": "titles", "method": "full", "start": "base", "columns": columns, "fold": 0, "seed": 0,
         "rows_told_right": rows, "arguments": [columns]}
        for columns, rows in right.items()
    ]  # fmt: skip
    nsp = [run | {"experiment": "nsp"} for start in ("mlm", "mlm+nsp") for run in labelled(start, [0.7, 0.8, 0.75])]
    passes = [
        run | {"experiment": "passes", "passes": count, "training_accuracy": 0.9}
        for count in (1, 2)
        for run in labelled("base", [0.6 + count / 10] * 2)
    ]
    pretraining = [labelled("base", [0.0])[0] | {"experiment": "pretraining", "method": "mlm"}]
    del pretraining[0]["weights_moved"]["head"]  # a part that this stage does not have
    return [
        *labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.80, 0.81, 0.83]),
        *labelled("continued", [0.78, 0.80, 0.80], "lora"),
        *labelled("base", [0.6, 0.6, 0.6], "head_only"), *pretraining, *titles, *nsp, *passes,
    ]  # fmt: skip


def kept_results() -> list[dict]:
    """The 278 results of docs/split, from before losses and majorities were kept."""
    return json.loads((ROOT / "docs" / "split" / "results.json").read_text(encoding="utf-8"))


def with_majority(run: dict, **more) -> dict:
    return run | {"majority_accuracy": 0.6, "majority_macro_f1": 0.375, "predicted_labels": 2, **more}
