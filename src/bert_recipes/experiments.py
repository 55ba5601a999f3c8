"""The experiments behind recipes/split.py: which runs answer which question, all of them the recipes' own."""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas
import torch
from datasets import Dataset, DatasetDict
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from .arguments import (
    FinetuneArguments,
    LabelledDataArguments,
    LoraArguments,
    MlmArguments,
    ModelArguments,
    split_names,
)
from .builtin_corpora import SOURCES, drop_leaks
from .checkpoints import only_run_in
from .corpora import corpus_fingerprint, load_corpus
from .data_summary import repeated_rows
from .errors import UserError
from .evidence import parameter_groups
from .folds import FOLDS, Splits, contiguous_folds, drop_repeats, shuffled_within
from .forecast import Progress, in_words, seconds_a_token, tokens_a_row
from .launch import available_cores, launched_precision, launched_processes
from .models import class_for, has_masked_lm_head, weights_fingerprint
from .pretrained import load_config
from .results import merit
from .runs import GENERAL_TEXT, Result, Run, Runs, read_json, threads_each, write_json
from .tokenization import load_tokenizer
from .training import suitable_learning_rate

STARTS = ("random", "base", "continued")
METHODS = ("full", "lora", "head_only", "tfidf")
# method -> recipe and its flags, the arguments that hold the recipe's own learning rate, and the multiples of it tried.
RECIPES = {
    "full": ("finetune.py", [], FinetuneArguments, (0.3, 1, 3)),
    "lora": ("lora.py", [], LoraArguments, (0.3, 1, 3)),
    "head_only": ("finetune.py", ["--freeze_encoder"], FinetuneArguments, (3, 10, 30)),
}
EXPERIMENTS = ("labels", "nsp", "titles", "passes")
# Of an argument that is not given: in the short form, and with --full.
SIZES = {
    "output_dir": ("outputs/split", "outputs/split_full"),
    "label_counts": ("100,500", "100,500,2000,all"),
    "num_seeds": (2, 3),
    "steps_at_100_labels": (12, 48),
    "batch_size": (16, 32),
    "trial_labels": ("100", "500,2000"),
    "pretraining_epochs": (0.25, 12),
}
# Of the data in the short form, where the user says nothing else: to score all 3,279 rows would take most of its time.
SHORT_DATA = {"max_eval_samples": 150, "max_test_samples": 300, "max_length": 64}
LEAST_PRETRAINED_ROWS = 500  # 16 steps: a quarter pass over a small file is one, and the warm-up's, at rate 0
MOST_PRETRAINED_TOKENS = 300_000  # in the short form: a quarter pass over the reviews has 0.24 million
RUN_SECONDS = 5  # of a run beside what its tokens take: the data, figures, weights compared
MEASURED_TEXTS = 300  # 50 held-out texts, before and after, in the task's words and in general ones
PASSES = (1, 2, 4, 8, 16)
TITLES_MAX_LENGTH = 128
SHUFFLED = " (shuffled)"  # behind the columns' names: titles of other rows

# What an experiment may not change half-way: results of either side could not be compared.
FIXED = (
    "model_name_or_path", "revision", "weights", "data", "dataset_name", "encoding", "text_columns", "label_column",
    "column_names", "label_separator", "label_names", "label_names_file",
    "max_length", "max_train_samples", "max_eval_samples", "max_test_samples",
    "pretraining_epochs", "steps_at_100_labels", "batch_size", "trial_labels", "precision",
)  # fmt: skip


@dataclass
class SplitArguments:
    _argument_group_name = "experiment"

    output_dir: str | None = field(
        default=None,
        metadata={
            "help": "a stopped experiment goes on where it stopped: outputs/split, or with --full outputs/split_full"
        },
    )
    full: bool = field(default=False, metadata={"help": "the whole grid, on whole texts and all rows: hours"})
    experiments: str = field(default="labels,nsp,titles,passes", metadata={"help": "questions to answer"})
    starts: str = field(default="random,base,continued", metadata={"help": "weights that fine-tuning starts from"})
    methods: str = field(default="full,lora,head_only,tfidf", metadata={"help": "what moves while it fine-tunes"})
    label_counts: str | None = field(
        default=None, metadata={"help": "labelled rows, such as 500,2000,all; 100,500, or with --full 100,500,2000,all"}
    )
    num_seeds: int | None = field(default=None, metadata={"help": "runs of each kind: 2, or with --full 3"})
    steps_at_100_labels: int | None = field(
        default=None,
        metadata={
            "help": "optimiser steps, the same for every start and method; grows as sqrt(labels). 12, or with --full 48"
        },
    )
    batch_size: int | None = field(default=None, metadata={"help": "rows a step: 16, or with --full 32"})
    trial_labels: str | None = field(
        default=None,
        metadata={
            "help": "labelled rows with which each start and method picks its learning rate; a number of labels takes "
            "the rate of the nearest of these: 100, or with --full 500,2000"
        },
    )
    pretraining_epochs: float | None = field(
        default=None,
        metadata={
            "help": "passes of the continued start over the training text: 0.25 (of 500 rows in all, at least), "
            "or with --full 12"
        },
    )
    workers: int | None = field(default=None, metadata={"help": "runs at a time: one a core, or one on a GPU"})

    def __post_init__(self):
        if launched_processes() > 1:
            raise UserError("split.py starts its runs by itself, --workers at a time: launch it as one process")
        for name, (short, full) in SIZES.items():
            if getattr(self, name) is None:
                setattr(self, name, full if self.full else short)
        if self.workers is None:
            self.workers = 1 if torch.accelerator.is_available() else available_cores()
        self.experiments = choices("--experiments", self.experiments, EXPERIMENTS)
        self.starts = choices("--starts", self.starts, STARTS)
        self.methods = choices("--methods", self.methods, METHODS)
        self.label_counts = label_counts("--label_counts", self.label_counts)
        self.trial_labels = label_counts("--trial_labels", self.trial_labels)
        if self.num_seeds < 2:
            raise UserError(f"--num_seeds {self.num_seeds}: an interval needs 2 or more")
        for name in ("workers", "batch_size", "steps_at_100_labels"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")
        if self.pretraining_epochs <= 0:
            raise UserError(f"--pretraining_epochs {self.pretraining_epochs}: must be above 0")


def choices(argument: str, names: str, known: Iterable[str]) -> list[str]:
    chosen = [name.strip() for name in names.split(",") if name.strip()]
    for name in chosen or [names]:
        if name not in known:
            raise UserError(f"{argument} {name}: must be of {', '.join(known)}, with commas between them")
    return list(dict.fromkeys(chosen))


def label_counts(argument: str, counts: str) -> list[int | str]:
    chosen = [count.strip() for count in counts.split(",")]
    for count in chosen:
        if count != "all" and not (count.isdigit() and int(count) > 0):
            raise UserError(f"{argument} {count}: must be numbers above 0, or all, with commas between them")
    return list(dict.fromkeys(count if count == "all" else int(count) for count in chosen))


class Experiment:
    """The questions, each a method that returns its results; the runs are kept in `output_dir`."""

    def __init__(
        self, args: SplitArguments, model_args: ModelArguments, data_args: LabelledDataArguments, recipes: Path
    ):
        """`recipes` is the folder of the recipes that the runs call. Raises `UserError` where `output_dir` holds
        another experiment, or where the model is none that the questions can be put to."""
        self.args, self.model_args, self.data_args, self.recipes = args, model_args, data_args, recipes
        self.folder, self.runs = Path(args.output_dir), None
        for name, size in ({} if args.full else SHORT_DATA).items():
            if name not in data_args.given:
                setattr(data_args, name, size)
        if "experiments" not in args.given and not self.own_titles and data_args.dataset_name not in SOURCES:
            self.leave_out_titles()
        self.check_model()
        self.corpus = load_corpus(data_args)
        for note in repeated_rows(self.corpus, data_args.text_column_names):
            print(note, flush=True)
        self.rows = len(self.corpus["train"])
        if "labels" in args.experiments:
            self.check_label_counts()
        if "titles" in args.experiments:
            self.check_folds()
        self.claim_folder()
        self.task = write_splits(self.corpus, self.folder / "data" / "task")

    def answer(self) -> None:
        """Ask every question; one process at a time writes to the folder."""
        with only_run_in(self.folder):
            self.runs = Runs(self.folder)
            with self.runs.stoppable(), closing(Progress(self.forecast())) as self.progress:
                for question in self.args.experiments:
                    getattr(self, question)()

    def execute(self, runs: Sequence[Run], workers: int | None = None) -> list[Result]:
        return self.runs.execute(runs, workers or self.args.workers, self.progress)

    # --- what there is to do, and how long it will take ---

    def plan(self) -> list[Run]:
        """Every run of the questions; where no trial has chosen a learning rate yet, at the first one to be tried."""
        return [run for question in self.args.experiments for run in getattr(self, f"plan_{question}")()]

    def to_do(self) -> list[Run]:
        return [run for run in self.plan() if self.runs.result(run) is None or self.is_lost(run)]

    def is_lost(self, run: Run) -> bool:
        """A pretraining whose weights, which others start from, are gone."""
        return run.experiment == "pretraining" and not (self.runs.output_dir(run) / "all_results.json").exists()

    def forecast(self) -> dict[str, float]:
        """Seconds of each run that is to be done, by its name: a share of what all of them take side by side."""
        runs, workers = self.to_do(), self.args.workers
        if not runs:
            return {}
        length = round(self.tokens_a_row(self.corpus, self.data_args.text_column_names, self.data_args.max_length))
        rate = seconds_a_token(self.model_args, length, threads_each(workers), workers)
        seconds = {run.file_name: (RUN_SECONDS + rate * run.tokens) / workers for run in runs}
        whole = sum(seconds.values())
        print(
            f"{len(seconds)} runs to do, about {in_words(whole)}: a step of the model was timed on this "
            "machine as it is now; the time left is corrected as runs end",
            flush=True,
        )
        return seconds

    def tokens_a_row(self, corpus: DatasetDict, columns: Sequence[str], max_length: int | None) -> float:
        most = max_length and min(max_length, self.tokenizer.model_max_length)
        return tokens_a_row(corpus["train"], tuple(columns), self.tokenizer, most)

    def tokens_of_run(self, corpus: DatasetDict, columns: Sequence[str], max_length: int, steps: int) -> float:
        """Of training; what is scored, and what the changes are measured on, goes forward alone: a third."""
        scored = len(corpus["validation"]) + len(corpus["test"]) + MEASURED_TEXTS
        rows = steps * self.args.batch_size + scored / 3
        return rows * self.tokens_a_row(corpus, columns, max_length)

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.model_args)

    def leave_out_titles(self) -> None:
        """Of a file with one text column nobody has asked what the newspaper's titles add."""
        args, names = self.args, ",".join(self.args.experiments)
        args.experiments = ["labels"]
        print(
            f"{self.data_args.train_file or self.data_args.dataset_name} has no title beside its text: nsp, titles and "
            f"passes are left out (--experiments {names} asks them of the built-in newspaper)",
            flush=True,
        )

    def check_model(self) -> None:
        """Every question needs a classifier whose layers can be compared, and a masked language model of it."""
        if self.model_args.from_scratch:
            raise UserError("--from_scratch: random weights are one of --starts already")
        config = load_config(self.model_args)
        class_for(config, nsp=False)
        if "nsp" in self.args.experiments:
            try:
                class_for(config, nsp=True)
            except UserError as error:
                raise UserError(f"{error}: leave nsp out of --experiments") from error
        with torch.device("meta"):
            parameter_groups(AutoModelForSequenceClassification.from_config(config))
        if not has_masked_lm_head(self.model_args):
            name = self.model_args.model_name_or_path
            print(f"{name} has no masked-language-model head: what fine-tuning forgets can't be told", flush=True)

    def check_label_counts(self) -> None:
        classes = len(label_set(self.corpus["train"]["label"]))
        for name in ("label_counts", "trial_labels"):
            for count in getattr(self.args, name):
                # A default for trials that is more than there is means all of it.
                most = self.rows if name in self.args.given or name == "label_counts" else math.inf
                if count != "all" and not classes <= count <= most:
                    raise UserError(
                        f"--{name} {count}: the training split has {self.rows:,} rows of {classes} labels, and a run "
                        "wants a row of each: name numbers between, or all"
                    )

    def claim_folder(self) -> None:
        settings = {**vars(self.args), **vars(self.model_args), **vars(self.data_args)}
        settings |= {"data": corpus_fingerprint(self.data_args), "weights": weights_fingerprint(self.model_args)}
        settings |= {"precision": self.precision}
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

    def facts(self) -> dict[str, str]:
        """How it was measured, for the report."""
        given = {name: getattr(self.args, name) for name in SIZES if name in FIXED}
        given["max_length"] = self.data_args.max_length
        facts = {"data": describe(self.corpus, self.data_args)}
        if self.asks_titles:
            facts["titles and texts"] = describe(self.titles_corpus, self.titles_args)
        measured = {
            ", ".join(f"{name} {value}" for name, value in run["measured"].items()) for run in self.runs.results
        }
        return {
            **facts,
            "general text": f"{GENERAL_TEXT}, its validation split",
            "model": self.model_args.model_name_or_path,
            "arguments": ", ".join(f"{name} {value}" for name, value in given.items()),
            "precision": self.precision,
            "measured": "; ".join(sorted(measured)),
        }

    def corpora(self) -> dict[str, str]:
        """Names of the data that the sections of the report are about."""
        return {text: name_of(args) for text, args in (("task", self.data_args), ("titles", self.titles_args))}

    @property
    def asks_titles(self) -> bool:
        """Of results that an earlier call has left, too."""
        asked = {run["experiment"] for run in self.runs.results} | set(self.args.experiments)
        return bool(asked & {"nsp", "titles", "passes"})

    @property
    def precision(self) -> str:
        """The launch decides it, for the experiment has no flag of its own."""
        return launched_precision(use_cpu=not torch.accelerator.is_available())

    def steps(self, labels: int) -> int:
        """Ten times the labels, about three times the steps: of 48 at 100 labels 107 at 500, and 215 at 2,000."""
        return max(1, round(self.args.steps_at_100_labels * math.sqrt(labels / 100)))

    # --- pretraining: what continued pretraining changes, and the starts that it makes ---

    def pretrain(self, *runs: Run) -> list[Result]:
        for run in filter(self.is_lost, runs):
            self.runs.forget(run)
        return self.execute(runs, min(len(runs), self.args.workers))

    def pretraining_run(self, nsp: bool | None = None) -> Run:
        """The base model, some passes further over the training rows' text, without their labels; `nsp` says whether
        title and text are a pair to tell apart, too (None: the task's text)."""
        corpus, files, columns = self.corpus, self.task, self.data_args.text_columns
        if nsp is not None:
            corpus, files, columns = self.titles_corpus, self.titles_data(), ",".join(self.title_and_text)
        tokens = len(corpus["train"]) * self.tokens_a_row(corpus, split_names(columns), None)
        epochs = self.args.pretraining_epochs
        if "pretraining_epochs" not in self.args.given:
            epochs = max(epochs, LEAST_PRETRAINED_ROWS / len(corpus["train"]))
            if not self.args.full:
                epochs = min(epochs, MOST_PRETRAINED_TOKENS / tokens)
        argv = [*self.start_flags("base"), "--text_columns", columns, *files_flags(files, "train", "validation")]
        argv += ["--num_train_epochs", f"{epochs:g}"]
        if nsp:
            argv += ["--nsp"]
        run = Run(
            "pretraining", "base", "mlm+nsp" if nsp else "mlm", columns=None if nsp is None else columns,
            recipe=self.recipes / "mlm_pretrain.py", argv=tuple(argv), tokens=epochs * tokens,
        )  # fmt: skip
        return with_seed(run, MlmArguments.seed)  # the recipe's own

    # --- labels: what each start and method buys, moves and forgets ---

    def labels(self) -> list[Result]:
        """A run for every start × method × number of labels × seed.

        Each start × method tries its learning rates first, with the first seed and each number of `trial_labels`; the
        best one on the validation split (of equals the one with the lowest loss there) serves the numbers of labels
        near it. Returns the runs at the chosen rates.
        """
        if "continued" in self.args.starts:
            self.pretrain(self.pretraining_run())
        for labels in self.trial_counts:
            trials = self.trials(labels)
            self.execute(trials)
            rates = self.rates(labels)
            for trial in trials:  # the best one is the first seed's run with so many labels: it is not run twice
                if trial.learning_rate == rates[trial.start, trial.method] and labels in self.args.label_counts:
                    self.runs.keep(replace(trial, experiment="labels"), self.runs.result(trial))
        return self.execute(self.labelled_runs())

    def plan_labels(self) -> list[Run]:
        pretraining = [self.pretraining_run()] if "continued" in self.args.starts else []
        trials = [trial for labels in self.trial_counts for trial in self.trials(labels)]
        # The best trial becomes the first seed's run.
        counts = self.trial_counts
        more = [run for run in self.labelled_runs() if run.seed or run.labels not in counts or run.method == "tfidf"]
        return [*pretraining, *trials, *more]

    def labelled_runs(self) -> list[Run]:
        runs = []
        for count in self.args.label_counts:
            rates = self.rates(self.nearest_trial(count))
            cells = [self.classifier_run("labels", *cell, count, rate) for cell, rate in rates.items()]
            cells += [self.baseline_run(count)] if "tfidf" in self.args.methods else []
            runs += [with_seed(run, seed) for run in cells for seed in range(self.args.num_seeds)]
        return runs

    @property
    def trial_counts(self) -> list[int]:
        return list(dict.fromkeys(map(self.nearest_trial, self.args.label_counts)))

    def nearest_trial(self, count: int | str) -> int:
        """Of `trial_labels` the nearest to a number of labels, by their ratio; all rows, where there are fewer."""
        labels = self.number_of_rows(count)
        trials = [self.number_of_rows(trial) for trial in self.args.trial_labels]
        return min(trials, key=lambda trial: abs(math.log(trial / labels)))

    def number_of_rows(self, count: int | str) -> int:
        return self.rows if count == "all" else min(count, self.rows)

    def trials(self, labels: int) -> list[Run]:
        cells = [(start, method) for method in self.args.methods if method != "tfidf" for start in self.args.starts]
        return [
            with_seed(self.classifier_run("learning_rate", *cell, labels, rate), 0)
            for cell in cells
            for rate in self.rates_to_try(cell[1])
        ]

    def rates(self, labels: int) -> dict[tuple[str, str], float]:
        """The learning rate of each start and method: with so many labels, the best on the validation split of those
        that were tried; else the first to try."""
        best: dict[tuple[str, str], tuple] = {}
        for trial in self.trials(labels):
            result, cell = self.runs.result(trial), (trial.start, trial.method)
            tried = merit(result) if result else (-math.inf,)
            if cell not in best or tried > best[cell][0]:
                best[cell] = tried, trial.learning_rate
        return {cell: rate for cell, (_, rate) in best.items()}

    def rates_to_try(self, method: str) -> list[float]:
        *_, arguments, factors = RECIPES[method]
        recipe_rate = suitable_learning_rate(arguments, load_config(self.model_args))
        return [float(f"{factor * recipe_rate:.2g}") for factor in factors]

    def classifier_run(self, experiment: str, start: str, method: str, labels: int | str, learning_rate: float) -> Run:
        recipe, flags, *_ = RECIPES[method]
        steps = self.steps(self.number_of_rows(labels))
        tokens = self.tokens_of_run(self.corpus, self.data_args.text_column_names, self.data_args.max_length, steps)
        argv = [*self.task_flags(labels), *self.start_flags(start), *flags, *self.training_flags(learning_rate, steps)]
        return Run(
            experiment, start, method, labels, learning_rate=learning_rate, recipe=self.recipes / recipe,
            argv=tuple(argv), tokens=tokens,
        )  # fmt: skip

    def baseline_run(self, labels: int | str) -> Run:
        return Run("labels", None, "tfidf", labels, argv=tuple(self.task_flags(labels)))

    def task_flags(self, labels: int | str = "all") -> list[str]:
        flags = [*files_flags(self.task), "--text_columns", self.data_args.text_columns]
        flags += ["--max_length", str(self.data_args.max_length)]
        return flags + ([] if labels == "all" else ["--max_train_samples", str(labels)])

    def start_flags(self, start: str) -> list[str]:
        if start == "continued":
            return self.pretrained_flags(self.pretraining_run())
        flags = ["--model_name_or_path", self.model_args.model_name_or_path, "--revision", self.model_args.revision]
        return flags + self.trust_flags() + (["--from_scratch"] if start == "random" else [])

    def pretrained_flags(self, run: Run) -> list[str]:
        return ["--model_name_or_path", str(self.runs.output_dir(run)), *self.trust_flags()]

    def trust_flags(self) -> list[str]:
        return ["--trust_remote_code"] if self.model_args.trust_remote_code else []

    def training_flags(self, learning_rate: float, steps: int) -> list[str]:
        return [
            "--learning_rate", str(learning_rate), "--max_steps", str(steps),
            "--per_device_train_batch_size", str(self.args.batch_size),
            "--eval_strategy", "no", "--save_strategy", "no", "--no_baseline",
        ]  # fmt: skip

    # --- titles and texts: what the pair adds, where passes stop to help, what next-sentence prediction adds ---

    def nsp(self) -> list[Result]:
        """The same passes of continued pretraining over titles and texts with masked tokens alone and with
        next-sentence prediction too, then fine-tuned on the pairs."""
        self.pretrain(*(self.pretraining_run(nsp) for nsp in (False, True)))
        return self.execute(self.plan_nsp())

    def plan_nsp(self) -> list[Run]:
        starts, runs = [self.pretraining_run(nsp) for nsp in (False, True)], []
        for start in starts:
            flags = self.pretrained_flags(start)
            run = self.titles_run("nsp", start.method, self.titles_data(), self.title_and_text, flags)
            runs += [with_seed(run, seed) for seed in range(self.args.num_seeds)]
        return starts + runs

    def titles(self) -> list[Result]:
        """Title alone, text alone, the pair, and the pair with titles of other rows (the control): five contiguous
        folds, so that every row is a test row once."""
        return self.execute(self.plan_titles())

    def plan_titles(self) -> list[Run]:
        title, text = self.title_and_text
        runs = []
        for fold, shuffled in itertools.product(range(FOLDS), (False, True)):
            files = self.fold_data(fold, shuffled)
            for columns in [[title, text]] if shuffled else [[title], [text], [title, text]]:
                name = ",".join(columns) + (SHUFFLED if shuffled else "")
                run = self.titles_run("titles", "base", files, columns)
                runs.append(with_seed(replace(run, columns=name, fold=fold), 0))
        return runs

    def passes(self) -> list[Result]:
        """The pair after ever more passes over the training rows: what it makes of them (in the validation split's
        place), and of the test rows."""
        return self.execute(self.plan_passes())

    def plan_passes(self) -> list[Run]:
        data, runs = self.titles_data(), []
        for passes in PASSES if self.args.full else PASSES[:2]:
            steps = math.ceil(len(self.titles_corpus["train"]) * passes / self.args.batch_size)
            files = {**data, "validation": data["train"]}
            run = self.titles_run("passes", "base", files, self.title_and_text, steps=steps)
            runs += [with_seed(replace(run, passes=passes), seed) for seed in range(self.args.num_seeds)]
        return runs

    def titles_run(
        self,
        experiment: str,
        start: str,
        files: dict[str, Path],
        columns: list[str],
        start_flags: list[str] | None = None,
        steps: int | None = None,
    ) -> Run:
        steps = steps or self.steps(1000)
        rate = suitable_learning_rate(FinetuneArguments, load_config(self.model_args))
        length = min(TITLES_MAX_LENGTH, self.data_args.max_length)
        argv = [*files_flags(files), "--text_columns", ",".join(columns), "--max_length", str(length)]
        argv += [*(start_flags or self.start_flags("base")), *self.training_flags(rate, steps)]
        return Run(
            experiment, start, "full", learning_rate=rate, recipe=self.recipes / "finetune.py",
            argv=tuple(argv), tokens=self.tokens_of_run(self.titles_corpus, columns, length, steps),
        )  # fmt: skip

    @property
    def title_and_text(self) -> list[str]:
        return [name for name in self.titles_corpus["train"].column_names if name != "label"]

    @property
    def own_titles(self) -> bool:
        return len(self.data_args.text_column_names) == 2

    @property
    def titles_args(self) -> LabelledDataArguments:
        """The user's own title,text file, or the newspaper's."""
        if self.own_titles:
            return self.data_args
        return LabelledDataArguments("peoples_daily_titles", text_columns="title,text")

    @functools.cached_property
    def titles_corpus(self) -> DatasetDict:
        return self.corpus if self.own_titles else load_corpus(self.titles_args)

    def titles_data(self) -> dict[str, Path]:
        return write_splits(self.titles_corpus, self.folder / "data" / "titles")

    def fold_data(self, fold: int, shuffled: bool) -> dict[str, Path]:
        """The files of a fold; `shuffled` gives every text another row's title, of the same split."""
        title, _ = self.title_and_text
        splits = shuffled_within(self.folds[fold], title) if shuffled else self.folds[fold]
        corpus = DatasetDict({split: Dataset.from_pandas(part, preserve_index=False) for split, part in splits.items()})
        return write_splits(corpus, self.folder / "data" / f"fold{fold}{'_shuffled' if shuffled else ''}")

    @functools.cached_property
    def folds(self) -> list[Splits]:
        rows = pandas.concat([part.to_pandas() for part in self.titles_corpus.values()], ignore_index=True)
        newspaper = self.titles_args.dataset_name == "peoples_daily_titles"
        return contiguous_folds(rows, drop_leaks if newspaper else drop_repeats)

    def check_folds(self) -> None:
        """Before anything is trained: a file that is sorted by its labels has folds without one of them."""
        labels = {split: label_set(part["label"]) for split, part in self.titles_corpus.items()}
        for number, fold in enumerate(self.folds, start=1):
            missing = set().union(*labels.values()) - label_set(fold["train"]["label"])
            if missing:
                raise UserError(
                    f"--experiments titles: of {FOLDS} folds of the rows in their order, number {number} has no "
                    f"training row of label {min(missing)!r}: shuffle the file's rows, or leave titles out"
                )


def name_of(data_args: LabelledDataArguments) -> str:
    if data_args.dataset_name in SOURCES:
        return f"{data_args.dataset_name}, the built-in corpus"
    return data_args.dataset_name or data_args.train_file


def describe(corpus: DatasetDict, data_args: LabelledDataArguments) -> str:
    sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in corpus.items())
    return f"{', '.join(corpus_fingerprint(data_args))}; rows: {sizes}"


def label_set(labels: Iterable[str | list[str]]) -> set[str]:
    return {label for row in labels for label in ([row] if isinstance(row, str) else row)}


def with_seed(run: Run, seed: int) -> Run:
    return replace(run, seed=seed, argv=(*run.argv, "--seed", str(seed)))


def files_flags(files: dict[str, Path], *splits: str) -> list[str]:
    return [word for split in splits or files for word in (f"--{split}_file", str(files[split]))]


def write_splits(corpus: DatasetDict, folder: Path) -> dict[str, Path]:
    """The checked splits as files: every run reads the same rows, and none cleans them again."""
    files = {split: folder / f"{split}.jsonl" for split in corpus}
    for split, path in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".part")
            corpus[split].to_json(beside, force_ascii=False)
            os.replace(beside, path)
    return files
