"""A run, done in this process: the recipe's scores, what it cost, and what it changed, as an object of results.json."""

from __future__ import annotations

import datetime
import os
import platform
import runpy
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pandas
import torch
from transformers import TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.mlm import MlmArguments
from ..arguments.model import ModelArguments
from ..arguments.parse import parse
from ..models.masked_lm import has_masked_lm_head, load_masked_lm
from ..models.tokenization import load_tokenizer
from ..results.baseline import score_baseline, score_majority
from ..run.errors import ExplodedLoss
from ..run.launch import available_cores
from ..run.memory import peak_memory_mb
from ..text.corpora import load_corpus
from ..text.labels import label_names
from .changes import compare, held_out, masked_once, measure_changes
from .evidence import loss_with_head
from .runs import TRIALS, Result, Run, read_json

VERSIONS = {name: version(name) for name in ("torch", "transformers", "peft", "scikit-learn")}


def call_recipe(recipe: Path, argv: Sequence[str], log: Path, threads: int) -> dict[str, float]:
    """Run a recipe's `main` in this process; what it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.argv = [str(recipe), *argv]  # the run's card quotes it
    os.environ.pop("OMP_NUM_THREADS", None)  # accelerate's 1, which a recipe takes for "use every core"
    torch.set_num_threads(threads)
    return runpy.run_path(str(recipe))["main"](list(argv))


class StepsTold(TrainerCallback):
    """Hands the share of the steps that are done to `tell`."""

    def __init__(self, tell: Callable[[float], None]):
        self.tell = tell

    def on_step_end(self, args, state, control, **kwargs):
        self.tell(state.global_step / state.max_steps)


def threads_each(workers: int) -> int:
    return max(1, available_cores() // workers)


def perform(run: Run, output_dir: Path, log: Path, threads: int, tell: Callable[[float], None]) -> Result:
    """The run's object in results.json, without its name. `tell` hears the share of the steps that are done."""
    started = time.perf_counter()
    DEFAULT_CALLBACKS.append(StepsTold(tell))  # every Trainer of this process has these
    work = fit_baseline if run.recipe is None else pretrain if run.recipe.stem == "mlm_pretrain" else fine_tune
    results = work(run, output_dir, log, threads)
    seconds = results.pop("seconds", time.perf_counter() - started)
    memory = results.pop("peak_memory_mb", None) or peak_memory_mb(torch.device("cpu"))
    return {
        "arguments": list(run.argv),
        "seconds": round(seconds, 2),
        "peak_memory_mb": round(memory, 1),
        "measured": {"date": datetime.date.today().isoformat(), "machine": machine(), **VERSIONS},
        **results,
    }


def machine() -> str:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return f"{available_cores()} cores, {device}, {platform.system()}"


def fine_tune(run: Run, output_dir: Path, log: Path, threads: int) -> Result:
    """Scores and changes; the model itself goes."""
    argv = [*run.argv, "--output_dir", str(output_dir), "--overwrite"]
    try:
        results = call_recipe(run.recipe, argv, log, threads)
    except ExplodedLoss:
        shutil.rmtree(output_dir, ignore_errors=True)
        return {"exploded": True}  # the other runs go on without it
    rows = pandas.read_csv(output_dir / "predictions.csv", dtype=str, keep_default_na=False)
    changes = measure_changes(argv) if run.experiment in ("labels", TRIALS) else {"weights_moved": {}}
    if run.experiment in ("nsp", "titles", "passes"):  # of the newspaper the rows count, for the bootstrap
        changes["rows_told_right"] = (rows["label"] == rows["prediction"]).astype(int).tolist()
    # Of passes over the training rows, these stand in the validation split's place.
    scored = "training" if run.experiment == "passes" else "validation"
    shutil.rmtree(output_dir)
    return {
        f"{scored}_accuracy": results["eval_accuracy"],
        f"{scored}_loss": results["eval_loss"],
        "test_accuracy": results["test_accuracy"],
        "test_macro_f1": results["test_macro_f1"],
        "majority_accuracy": results["majority_accuracy"],
        "majority_macro_f1": results["majority_macro_f1"],
        # 1: collapsed, unless that is all there is to tell.
        "predicted_labels": rows["prediction"].nunique() if rows["label"].nunique() > 1 else None,
        "seconds": results["train_runtime"],
        "peak_memory_mb": results["train_peak_memory_mb"],
        "trained_parameters": results["train_parameters"],
        **changes,
    }


def pretrain(run: Run, output_dir: Path, log: Path, threads: int) -> Result:
    """Scores and changes; the model stays in `output_dir`, for other runs to start from."""
    argv = [*run.argv, "--output_dir", str(output_dir)]
    finished = output_dir / "all_results.json"
    if not finished.exists():
        call_recipe(run.recipe, [*argv, "--resume_from_checkpoint", "auto"], log, threads)
    results = read_json(finished, None)
    model_args, data_args, args = parse(ModelArguments, DataArguments, MlmArguments, argv=[*argv, "--overwrite"])
    trained_args = replace(model_args, model_name_or_path=str(output_dir))
    tokenizer, texts = load_tokenizer(trained_args), held_out(data_args)
    models = [load_masked_lm(start, tokenizer) for start in (model_args, trained_args)]
    changes = compare(*models, tokenizer, texts["task"])
    if has_masked_lm_head(model_args):
        changes["masked_lm_loss"] = {
            name: [loss_with_head(model, model, chunks, tokenizer) for model in models]
            for name, chunks in masked_once(texts, tokenizer, args.output_dir).items()
        }
    else:  # it began with random weights, and not with these
        del changes["weights_moved"]["head"]
    return {
        "validation_loss": results["eval_loss"],
        "seconds": results["train_runtime"],
        "peak_memory_mb": results["train_peak_memory_mb"],
        "trained_parameters": results["train_parameters"],
        "tokens_seen": results["train_tokens_seen"],
        **({"nsp_accuracy": results["eval_nsp_accuracy"]} if args.nsp else {}),
        **changes,
    }


def fit_baseline(run: Run, output_dir: Path, log: Path, threads: int) -> Result:
    data_args, args = parse(LabelledDataArguments, SeedArguments, argv=list(run.argv))
    corpus = load_corpus(data_args, args.seed)
    names = label_names(corpus["train"]["label"][:])
    scores, majority = score_baseline(corpus, data_args.text_column_names, names), score_majority(corpus, names)
    return {
        "validation_accuracy": None,
        "test_accuracy": scores["accuracy"],
        "test_macro_f1": scores["macro_f1"],
        "majority_accuracy": majority["accuracy"],
        "majority_macro_f1": majority["macro_f1"],
        "trained_parameters": 0,
        "weights_moved": {},
    }


@dataclass
class SeedArguments:
    seed: int = 0
