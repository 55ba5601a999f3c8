"""The experiments behind recipes/split.py: which runs answer which question, all of them the recipes' own."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from datasets import DatasetDict
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from ..arguments.columns import split_names
from ..arguments.data import LabelledDataArguments
from ..arguments.mlm import MlmArguments
from ..arguments.model import ModelArguments
from ..arguments.problems import REGRESSION
from ..arguments.split_arguments import RECIPES, SIZES, SplitArguments
from ..models.masked_lm import class_for, has_masked_lm_head
from ..models.pretrained import load_config, weights_fingerprint
from ..models.tokenization import load_tokenizer
from ..run.checkpoints import only_run_in
from ..run.errors import UserError
from ..run.launch import launched_precision
from ..text.builtin_corpora import SOURCES
from ..text.corpora import corpus_fingerprint, load_corpus
from ..text.repeats import repeated_rows
from ..training.assembling import suitable_learning_rate
from .evidence import parameter_groups
from .folds import files_flags, label_set, write_splits
from .forecast import Progress, in_words, seconds_a_token, tokens_a_row
from .results import merit
from .runs import GENERAL_TEXT, Result, Run, Runs, read_json, threads_each, with_seed, write_json
from .title_questions import TitleQuestions

# Of the data in the short form, where the user says nothing else: to score all 3,279 rows would take most of its time.
SHORT_DATA = {"max_eval_samples": 150, "max_test_samples": 300, "max_length": 64}
LEAST_PRETRAINED_ROWS = 500  # 16 steps: a quarter pass over a small file is one, and the warm-up's, at rate 0
MOST_PRETRAINED_TOKENS = 750_000  # in the short form: a quarter pass over the reviews has 0.70 million
RUN_SECONDS = 5  # of a run beside what its tokens take: the data, figures, weights compared
MEASURED_TEXTS = 300  # 50 held-out texts, before and after, in the task's words and in general ones

# What an experiment may not change half-way: results of either side could not be compared.
FIXED = (
    "model_name_or_path", "revision", "weights", "data", "dataset_name", "encoding", "text_columns", "label_column",
    "column_names", "label_separator", "label_names", "label_names_file",
    "max_length", "max_train_samples", "max_eval_samples", "max_test_samples",
    "pretraining_epochs", "steps_at_100_labels", "batch_size", "trial_labels", "precision",
)  # fmt: skip


class Experiment(TitleQuestions):
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
        if self.data_args.problem_type == REGRESSION:
            raise UserError("--problem_type regression: the experiment compares classifiers")
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


def name_of(data_args: LabelledDataArguments) -> str:
    if data_args.dataset_name in SOURCES:
        return f"{data_args.dataset_name}, the built-in corpus"
    return data_args.dataset_name or data_args.train_file


def describe(corpus: DatasetDict, data_args: LabelledDataArguments) -> str:
    sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in corpus.items())
    return f"{', '.join(corpus_fingerprint(data_args))}; rows: {sizes}"
