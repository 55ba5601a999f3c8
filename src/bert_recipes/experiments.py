"""The grid behind recipes/split.py: which runs, each in a process of its own, results kept as they come."""

from __future__ import annotations

import itertools
import json
import math
import os
import runpy
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

import torch
from scipy import stats
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification

from .arguments import (
    DataArguments,
    FinetuneArguments,
    LabelledDataArguments,
    LoraArguments,
    MlmArguments,
    ModelArguments,
    parse,
)
from .baseline import score_baseline
from .corpora import corpus_fingerprint, label_names, load_corpus
from .data import load_pretraining_data
from .encoding import join_columns
from .errors import UserError
from .evidence import loss_with_head, representations, similarity_by_layer, weight_changes
from .launch import available_cores
from .masking import MaskedChunks
from .models import load_classifier, load_config, load_masked_lm, load_tokenizer
from .training import peak_memory_mb, suitable_learning_rate

STARTS = ("random", "base", "continued")
METHODS = ("full", "lora", "head_only", "tfidf")
# method -> recipe and its flags, the arguments that hold the recipe's own learning rate, and the multiples of it tried.
RECIPES = {
    "full": ("finetune.py", [], FinetuneArguments, (0.3, 1, 3)),
    "lora": ("lora.py", [], LoraArguments, (0.3, 1, 3)),
    "head_only": ("finetune.py", ["--freeze_encoder"], FinetuneArguments, (3, 10, 30)),
}
GENERAL_TEXT = "peoples_daily"
HELD_OUT_TEXTS = 100  # about 6,000 tokens

# What an experiment may not change half-way: results of either side could not be compared.
FIXED = (
    "model_name_or_path", "data", "text_columns", "max_length", "max_train_samples", "max_eval_samples",
    "max_test_samples", "pretraining_epochs", "steps_at_100_labels", "trial_labels",
)  # fmt: skip


@dataclass
class SplitArguments:
    _argument_group_name = "experiment"

    output_dir: str = field(default="outputs/split", metadata={"help": "a stopped experiment goes on where it stopped"})
    full: bool = field(default=False, metadata={"help": "the whole grid: hours"})
    starts: str = field(default="random,base,continued", metadata={"help": "weights that fine-tuning starts from"})
    methods: str = field(default="full,lora,head_only,tfidf", metadata={"help": "what moves while it fine-tunes"})
    label_counts: str | None = field(
        default=None, metadata={"help": "labelled rows, such as 500,2000,all; 100,500, or with --full 100,500,2000,all"}
    )
    num_seeds: int | None = field(default=None, metadata={"help": "runs of each kind: 2, or with --full 3"})
    steps_at_100_labels: int = field(
        default=48, metadata={"help": "optimiser steps, the same for every start and method; grows as sqrt(labels)"}
    )
    trial_labels: int = field(
        default=500, metadata={"help": "labelled rows, at most, with which each start and method picks its rate"}
    )
    pretraining_epochs: float | None = field(
        default=None, metadata={"help": "passes of the continued start over the training text: 1, or with --full 6"}
    )
    workers: int | None = field(default=None, metadata={"help": "runs at a time: one a core, or one on a GPU"})

    def __post_init__(self):
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            raise UserError(
                "split.py starts its runs itself: launch it as one process, --workers says how many at a time"
            )
        self.label_counts = self.label_counts or ("100,500,2000,all" if self.full else "100,500")
        self.num_seeds = self.num_seeds or (3 if self.full else 2)
        self.pretraining_epochs = self.pretraining_epochs or (6 if self.full else 1)
        if self.workers is None:
            self.workers = 1 if torch.accelerator.is_available() else available_cores()
        self.starts = choices("--starts", self.starts, STARTS)
        self.methods = choices("--methods", self.methods, METHODS)
        self.label_counts = [count.strip() for count in self.label_counts.split(",")]
        for count in self.label_counts:
            if count != "all" and not (count.isdigit() and int(count) > 0):
                raise UserError(f"--label_counts {count}: must be numbers above 0, or all, with commas between them")
        if self.num_seeds < 2:
            raise UserError(f"--num_seeds {self.num_seeds}: an interval needs 2 or more")
        for name in ("workers", "trial_labels", "steps_at_100_labels"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")


@dataclass
class SeedArguments:
    seed: int = 0


def choices(argument: str, names: str, known: Iterable[str]) -> list[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen or [names]:
        if name not in known:
            raise UserError(f"{argument} {name}: must be of {', '.join(known)}, with commas between them")
    return chosen


@dataclass(frozen=True)
class Run:
    """One training run, or one fit of tf-idf, where start, learning rate and steps mean nothing."""

    experiment: str  # "learning_rate": a trial at one of the rates; "labels": at the rate that won
    start: str | None
    method: str
    labels: int | str = "all"  # or a number
    seed: int = 0
    learning_rate: float | None = None
    steps: int = 0

    @property
    def name(self) -> str:
        parts = (self.start, self.method, self.labels, self.learning_rate, f"seed{self.seed}")
        return "-".join(str(part) for part in parts if part is not None)


class Experiment:
    """A folder of runs: `results.json` has an object a run, and what stands there is not run again."""

    def __init__(
        self,
        args: SplitArguments,
        model_args: ModelArguments,
        data_args: LabelledDataArguments,
        recipes: Path,
    ):
        """`recipes` is the folder of the recipes that the runs call. Raises `UserError` where `output_dir` holds
        another experiment."""
        self.args, self.model_args, self.data_args, self.recipes = args, model_args, data_args, recipes
        self.folder = Path(args.output_dir)
        self.claim_folder()
        self.write_data()
        self.results = read_json(self.folder / "results.json", [])

    def claim_folder(self) -> None:
        settings = {**vars(self.args), **vars(self.model_args), **vars(self.data_args)}
        settings["data"] = corpus_fingerprint(self.data_args)
        mine = {name: settings[name] for name in FIXED}
        former = read_json(self.folder / "experiment.json", None)
        if former is None and self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(f"--output_dir {self.folder} holds files that are no experiment's: name another folder")
        different = [name for name in FIXED if former and former.get(name) != mine[name]]
        if different:
            name = different[0]
            raise UserError(
                f"--output_dir {self.folder} holds an experiment with {name} {former.get(name)}, not {mine[name]}: "
                "name another folder"
            )
        write_json(self.folder / "experiment.json", mine)

    def write_data(self) -> None:
        """The checked splits as files: every run reads the same rows, and none cleans them again."""
        corpus = load_corpus(self.data_args)
        self.rows = len(corpus["train"])
        for count in self.args.label_counts:
            if count != "all" and int(count) > self.rows:
                raise UserError(f"--label_counts {count}: the training split has {self.rows:,} rows")
        self.files = {split: self.folder / "data" / f"{split}.jsonl" for split in corpus}
        for split, path in self.files.items():
            if not path.exists():
                corpus[split].to_json(path, force_ascii=False)

    def steps(self, labels: int | str) -> int:
        """Ten times the labels, about three times the steps: 48, 107 and 215 for 100, 500 and 2,000."""
        return round(self.args.steps_at_100_labels * math.sqrt((self.rows if labels == "all" else labels) / 100))

    def data_flags(self, *splits: str) -> list[str]:
        flags = ["--text_columns", self.data_args.text_columns]
        return flags + [word for split in splits for word in (f"--{split}_file", str(self.files[split]))]

    def model_flags(self, start: str) -> list[str]:
        name = str(self.continued) if start == "continued" else self.model_args.model_name_or_path
        return ["--model_name_or_path", name] + (["--from_scratch"] if start == "random" else [])

    @property
    def continued(self) -> Path:
        return self.folder / "continued"

    def pretrain(self) -> None:
        """The continued start: the base model, some passes further over the training rows' text, without labels."""
        if "continued" not in self.args.starts or (self.continued / "all_results.json").exists():
            return
        passes = f"{self.args.pretraining_epochs:g}"
        print(f"Pretraining on the text of the training rows, passes: {passes}", flush=True)
        argv = [
            *self.model_flags("base"), *self.data_flags("train", "validation"), "--num_train_epochs", passes,
            "--output_dir", str(self.continued), "--resume_from_checkpoint", "auto",
        ]  # fmt: skip
        with worker_pool(1) as pool:
            log = self.folder / "logs" / "continued.txt"
            pool.submit(call_recipe, self.recipes / "mlm_pretrain.py", argv, log, available_cores()).result()

    def buy(self) -> list[dict]:
        """What each start and method buys: a run for every start × method × number of labels × seed.

        Each start × method tries its learning rates first, with the first seed and `trial_labels` rows; the best one on
        the validation split serves everywhere. Returns the runs at the chosen rates.
        """
        self.pretrain()
        counts = [count if count == "all" else int(count) for count in self.args.label_counts]
        trials = {
            (start, method): self.trials(start, method, min(self.args.trial_labels, self.rows))
            for method in self.args.methods
            if method != "tfidf"
            for start in self.args.starts
        }
        self.execute([run for runs in trials.values() for run in runs])
        winners = {cell: max(runs, key=self.validation_accuracy) for cell, runs in trials.items()}
        for winner in winners.values():
            if winner.labels in counts:  # that run is not run twice
                self.keep(replace(winner, experiment="labels"), self.result(winner))
        runs = [
            replace(winner, experiment="labels", labels=count, seed=seed, steps=self.steps(count))
            for count in counts
            for winner in [*winners.values(), *[Run("labels", None, "tfidf")] * ("tfidf" in self.args.methods)]
            for seed in range(self.args.num_seeds)
        ]
        self.execute(runs)
        return [self.result(run) for run in runs]

    def trials(self, start: str, method: str, labels: int | str) -> list[Run]:
        *_, arguments, factors = RECIPES[method]
        recipe_rate = suitable_learning_rate(arguments, load_config(self.model_args))
        rates = [float(f"{factor * recipe_rate:.2g}") for factor in factors]
        return [Run("learning_rate", start, method, labels, 0, rate, self.steps(labels)) for rate in rates]

    def validation_accuracy(self, run: Run) -> float:
        return self.result(run)["validation_accuracy"]

    def execute(self, runs: list[Run]) -> None:
        """Train what has no result yet, some at a time; each result is kept as soon as it is there."""
        missing = [run for run in runs if self.result(run) is None]
        threads = max(1, available_cores() // self.args.workers)
        progress = tqdm(total=sum(1 + run.steps for run in missing), unit="step", disable=not missing)
        with worker_pool(self.args.workers) as pool, progress:
            futures = {pool.submit(train, *self.call(run), threads): run for run in missing}
            for future in as_completed(futures):
                run = futures[future]
                try:
                    self.keep(run, future.result())
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
                progress.update(1 + run.steps)
                progress.write(f"{run.name}: test accuracy {self.result(run)['test_accuracy']:.4f}")

    def call(self, run: Run) -> tuple[Path | None, list[str], Path]:
        """What `train` needs: the recipe (none: tf-idf), its arguments and the log."""
        argv = [*self.data_flags(*self.files), "--seed", str(run.seed), "--max_length", str(self.data_args.max_length)]
        if run.labels != "all":
            argv += ["--max_train_samples", str(run.labels)]
        log = self.folder / "logs" / f"{run.name}.txt"
        if run.method == "tfidf":
            return None, argv, log
        recipe, flags, *_ = RECIPES[run.method]
        argv += [
            *self.model_flags(run.start), *flags, "--learning_rate", str(run.learning_rate),
            "--max_steps", str(run.steps), "--eval_strategy", "no", "--save_strategy", "no", "--no_baseline",
            "--output_dir", str(self.folder / "runs" / run.name), "--overwrite",
        ]  # fmt: skip
        return self.recipes / recipe, argv, log

    def result(self, run: Run) -> dict | None:
        return next((entry for entry in self.results if all(entry[k] == v for k, v in identity(run).items())), None)

    def keep(self, run: Run, result: dict) -> None:
        if self.result(run) is None:
            self.results.append({**result, **identity(run)})
            write_json(self.folder / "results.json", self.results)


def identity(run: Run) -> dict:
    return {name: value for name, value in asdict(run).items() if name != "steps"}


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that serve one run each, so that peak memory is the run's own; the imports are done once for all."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["bert_recipes.reporting"])
    return ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1)


def call_recipe(recipe: Path, argv: list[str], log: Path, threads: int) -> dict[str, float]:
    """Run a recipe's `main` in this process, what it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    sys.argv = [str(recipe), *argv]  # the run's card quotes it
    os.environ.pop("OMP_NUM_THREADS", None)  # accelerate's 1, which a recipe takes for "use every core"
    torch.set_num_threads(threads)
    return runpy.run_path(str(recipe))["main"](argv)


def train(recipe: Path | None, argv: list[str], log: Path, threads: int) -> dict:
    """One run's object in results.json, without its name."""
    started = time.perf_counter()
    results = fit_baseline(argv) if recipe is None else call_recipe(recipe, argv, log, threads)
    seconds = results.get("train_runtime", time.perf_counter() - started)
    memory = peak_memory_mb(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return {
        "arguments": argv,
        "validation_accuracy": results.get("eval_accuracy"),
        "test_accuracy": results["test_accuracy"],
        "test_macro_f1": results["test_macro_f1"],
        "seconds": round(seconds, 2),
        "peak_memory_mb": round(memory, 1),
        "trained_parameters": results.get("train_parameters", 0),
        **(measure_changes(argv) if recipe else {"weights_moved": {}}),
    }


def measure_changes(argv: list[str]) -> dict:
    """What a run changed in its model, from the folder that it left, which goes: `weights_moved` by parameter group,
    `similarity` of the embeddings' output and each layer's to what they were (linear CKA, tokens of validation texts),
    and `masked_lm_loss` of the encoder with its masked-language-model head put back (what random weights have none
    of), [before, after] on the task's validation text and on general text."""
    # The run's seed draws the same random weights again: its start.
    model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, FinetuneArguments, argv=argv)
    after = AutoModelForSequenceClassification.from_pretrained(args.output_dir)
    before = load_classifier(model_args, [after.config.id2label[index] for index in range(after.config.num_labels)])
    tokenizer = load_tokenizer(model_args)
    texts = join_columns(load_corpus(data_args)["validation"].take(HELD_OUT_TEXTS), data_args.text_column_names)
    states = [representations(model, tokenizer, texts) for model in (before, after)]
    changes = {"weights_moved": weight_changes(before, after), "similarity": similarity_by_layer(*states)}
    if not model_args.from_scratch:
        masked_lm = load_masked_lm(model_args, tokenizer)
        changes["masked_lm_loss"] = {
            name: [loss_with_head(masked_lm, model, chunks, tokenizer) for model in (before, after)]
            for name, chunks in held_out_chunks(model_args, data_args, args.output_dir).items()
        }
    shutil.rmtree(args.output_dir)
    return changes


def held_out_chunks(
    model_args: ModelArguments, data_args: LabelledDataArguments, output_dir: str
) -> dict[str, MaskedChunks]:
    """Text that no stage was trained on, masked once: of the task, and general."""
    files = {"train_file": data_args.train_file, "validation_file": data_args.validation_file}
    limits = {"max_train_samples": 1, "max_eval_samples": HELD_OUT_TEXTS}
    sources = {
        "task": DataArguments(text_columns=data_args.text_columns, **files, **limits),
        "general": DataArguments(GENERAL_TEXT, **limits),
    }
    args = MlmArguments(output_dir=output_dir, overwrite=True)
    return {name: load_pretraining_data(model_args, source, args).validation for name, source in sources.items()}


def fit_baseline(argv: list[str]) -> dict[str, float]:
    data_args, args = parse(LabelledDataArguments, SeedArguments, argv=argv)
    corpus = load_corpus(data_args, args.seed)
    scores = score_baseline(corpus, data_args.text_column_names, label_names(corpus["train"]["label"]))
    return {f"test_{name}": value for name, value in scores.items()}


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t: t(0.975, n - 1) s / sqrt(n)."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), float(half)


def table_of_scores(results: list[dict]) -> list[list[str]]:
    """A line a start and method, a column a number of labels: test accuracy, mean ± 95 % interval over the seeds."""
    counts = list(dict.fromkeys(result["labels"] for result in results))
    lines = dict.fromkeys((result["method"], result["start"]) for result in results)
    table = [["test accuracy", *(f"{count} labels" for count in counts)]]
    for method, start in lines:
        cells = []
        for count in counts:
            scores = scores_of(results, start, method, count)
            mean, half = mean_and_interval(scores)
            cells.append(f"{mean:.4f} ± {half:.4f}")
        table.append([f"{method}, {start}" if start else method, *cells])
    return table


def table_of_gains(results: list[dict]) -> list[list[str]]:
    """What a start adds to the one before it: pairs of runs with one seed, and so the same labelled rows."""
    counts = list(dict.fromkeys(result["labels"] for result in results))
    starts = [start for start in STARTS if any(result["start"] == start for result in results)]
    table = [["gain in test accuracy", *(f"{count} labels" for count in counts)]]
    for method in dict.fromkeys(result["method"] for result in results if result["start"]):
        for former, latter in itertools.pairwise(starts):
            cells = []
            for count in counts:
                pairs = zip(
                    scores_of(results, latter, method, count), scores_of(results, former, method, count), strict=True
                )
                mean, half = mean_and_interval([after - before for after, before in pairs])
                cells.append(f"{mean:+.4f} ± {half:.4f}")
            table.append([f"{method}, {former} to {latter}", *cells])
    return table


def scores_of(results: list[dict], start: str | None, method: str, labels: int | str) -> list[float]:
    """Test accuracies in the order of the seeds."""
    wanted = {"start": start, "method": method, "labels": labels}
    chosen = [result for result in results if all(result[name] == value for name, value in wanted.items())]
    return [result["test_accuracy"] for result in sorted(chosen, key=lambda result: result["seed"])]


def read_json(path: Path, default):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def write_json(path: Path, content) -> None:
    """Whole or not at all: beside it first, then in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)
