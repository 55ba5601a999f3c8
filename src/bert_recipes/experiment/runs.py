"""The runs of an experiment: each a recipe in a process of its own, its result kept as soon as it is there."""

from __future__ import annotations

import datetime
import json
import os
import platform
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import pandas
import torch
from datasets import Dataset, DatasetDict
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer import DEFAULT_CALLBACKS

from ..arguments.classifier import FinetuneArguments
from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.mlm import MlmArguments
from ..arguments.model import ModelArguments
from ..arguments.parse import parse
from ..models.classifiers import load_classifier
from ..models.masked_lm import has_masked_lm_head, load_masked_lm
from ..models.tokenization import load_tokenizer
from ..results.baseline import score_baseline, score_majority
from ..run.errors import LostProcess, UserError
from ..run.launch import available_cores
from ..run.memory import peak_memory_mb
from ..run.stops import STOPPED
from ..text.chunks import chunk_documents
from ..text.corpora import load_corpus
from ..text.documents import code_fingerprint, load_documents, load_validation
from ..text.encoding import join_columns, sort_by_length
from ..text.labels import label_names
from ..text.masking import VALIDATION_MLM_PROBABILITY, MaskedChunks
from .evidence import loss_with_head, representations, similarity_by_layer, weight_changes
from .forecast import Progress
from .workers import Told, call_each

GENERAL_TEXT = "peoples_daily"
HELD_OUT_TEXTS = 50  # about 3,000 tokens
VERSIONS = {name: version(name) for name in ("torch", "transformers", "peft", "scikit-learn")}

OPTIONAL_NAMES = ("columns", "fold", "passes")  # left out of a result that has none

Result = dict  # one object of results.json


@dataclass(frozen=True)
class Run:
    """One training run, or one fit of tf-idf, where start and learning rate mean nothing.

    What it is called by stands in its result; `recipe` (none: tf-idf) and `argv` are how it is done.
    """

    experiment: str
    start: str | None
    method: str
    labels: int | str = "all"  # or a number
    seed: int = 0
    learning_rate: float | None = None
    columns: str | None = None
    fold: int | None = None
    passes: float | None = None
    tokens: float = 0  # that it trains on, about: what a forecast of its time is made of
    recipe: Path | None = None
    argv: tuple[str, ...] = ()

    @property
    def name(self) -> dict:
        given = asdict(replace(self, recipe=None, argv=()))
        return {key: value for key, value in given.items() if key not in ("tokens", "recipe", "argv")}

    @property
    def file_name(self) -> str:
        return "-".join(str(value).replace("/", "_") for value in self.name.values() if value is not None)


def with_seed(run: Run, seed: int) -> Run:
    return replace(run, seed=seed, argv=(*run.argv, "--seed", str(seed)))


class Runs:
    """`results.json` of a folder: an object a run. What stands there is not run again."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / "results.json"
        self.results: list[Result] = read_json(self.path, [])
        if not isinstance(self.results, list):
            raise UserError(f"{self.path} is no list of results: put it right, or name another --output_dir")

    def execute(self, runs: Sequence[Run], workers: int, progress: Progress | None = None) -> list[Result]:
        """Do what has no result yet, `workers` at a time; the results of all. Where a run fails, those under way end
        first, and are kept; after Ctrl-C or SIGTERM they are ended."""
        missing = [run for run in runs if self.result(run) is None]
        calls = [(run, self.output_dir(run), self.log(run), threads_each(workers)) for run in missing]
        progress, failures = progress or Progress(), []
        with closing(call_each(perform, calls, workers)) as done:
            for number, result in done:
                run = missing[number]
                match result:
                    case Told():
                        progress.go_on(run.file_name, result)
                    case Exception():
                        failures.append((run, result))
                    case _:
                        self.keep(run, result)
                        progress.end(run.file_name, headline(self.result(run)))
        if failures:
            self.refuse(*failures[0])
        return [self.result(run) for run in runs]

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """SIGTERM is like Ctrl-C; both say how to go on."""
        former = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(STOPPED))
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            print(f"\nstopped: {self.path} keeps what is finished, and the same command goes on", file=sys.stderr)
            raise
        finally:
            signal.signal(signal.SIGTERM, former)

    def refuse(self, run: Run, error: Exception) -> NoReturn:
        where = f"{run.file_name} (its log: {self.log(run)})"
        if isinstance(error, LostProcess):
            raise LostProcess(f"{where}: {error}; the same command goes on, with --workers 1 if memory was too little")
        if isinstance(error, UserError):
            raise type(error)(f"{where}: {error}")
        raise RuntimeError(f"{where}:\n{error}")

    def result(self, run: Run) -> Result | None:
        """Of the run of that name. Raises `UserError` where it was trained in another way."""
        named = run.name.items()
        found = next((result for result in self.results if all(result.get(key) == value for key, value in named)), None)
        former, today = (without_folders(argv) for argv in (found["arguments"] if found else run.argv, run.argv))
        if former != today:
            raise UserError(
                f"{self.path}: {run.file_name} was trained with {only_in(former, today)}, and today "
                f"would be with {only_in(today, former)}: name another --output_dir"
            )
        return found

    def keep(self, run: Run, result: Result) -> None:
        if self.result(run) is None:
            named = {key: value for key, value in run.name.items() if value is not None or key not in OPTIONAL_NAMES}
            self.results.append({**result, **named})
            write_json(self.path, self.results)

    def forget(self, run: Run) -> None:
        self.results = [result for result in self.results if result is not self.result(run)]

    def output_dir(self, run: Run) -> Path:
        return self.folder / "runs" / run.file_name

    def log(self, run: Run) -> Path:
        return self.folder / "logs" / f"{run.file_name}.txt"


def without_folders(argv: Sequence[str]) -> list[str]:
    """Arguments as they are wherever the experiment's folder lies."""
    return ["/".join(Path(word).parts[-2:]) for word in argv]


def only_in(argv: Sequence[str], other: Sequence[str]) -> str:
    return " ".join(word for word in argv if word not in other) or "less"


def headline(result: Result) -> str:
    name = "test_accuracy" if "test_accuracy" in result else "validation_loss"
    mark = ", collapsed to one class" if result.get("predicted_labels") == 1 else ""
    return f"{name.replace('_', ' ')} {result[name]:.4f}{mark}"


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
    results = call_recipe(run.recipe, argv, log, threads)
    rows = pandas.read_csv(output_dir / "predictions.csv", dtype=str, keep_default_na=False)
    if run.experiment in ("labels", "learning_rate"):
        changes = measure_changes(argv)
    else:  # of the others the rows count, for the bootstrap
        changes = {"weights_moved": {}, "rows_told_right": (rows["label"] == rows["prediction"]).astype(int).tolist()}
    shutil.rmtree(output_dir)
    return {
        # Of passes over the training rows, these stand in the validation split's place.
        "validation_accuracy" if run.passes is None else "training_accuracy": results["eval_accuracy"],
        "validation_loss" if run.passes is None else "training_loss": results["eval_loss"],
        "test_accuracy": results["test_accuracy"],
        "test_macro_f1": results["test_macro_f1"],
        "majority_accuracy": results["majority_accuracy"],
        "majority_macro_f1": results["majority_macro_f1"],
        "predicted_labels": rows["prediction"].nunique(),  # 1: collapsed
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
    names = label_names(corpus["train"]["label"])
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


def measure_changes(argv: list[str]) -> dict:
    """What fine-tuning changed, from the folder that it left: see `compare`; and `masked_lm_loss` of the encoder with
    its masked-language-model head put back, where it has one (random weights have none), [before, after] on the task's
    validation text and on general text."""
    # The run's seed draws the same random weights again: its start.
    model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, FinetuneArguments, argv=argv)
    after = AutoModelForSequenceClassification.from_pretrained(args.output_dir)
    before = load_classifier(model_args, [after.config.id2label[index] for index in range(after.config.num_labels)])
    tokenizer, texts = load_tokenizer(model_args), held_out(data_args)
    changes = compare(before, after, tokenizer, texts["task"])
    if not model_args.from_scratch and has_masked_lm_head(model_args):
        masked_lm = load_masked_lm(model_args, tokenizer)
        changes["masked_lm_loss"] = {
            name: [loss_with_head(masked_lm, model, chunks, tokenizer) for model in (before, after)]
            for name, chunks in masked_once(texts, tokenizer, args.output_dir).items()
        }
    return changes


def compare(before: PreTrainedModel, after: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]):
    """`weights_moved` by parameter group, and `similarity` of the embeddings' output and each layer's to what they were
    (linear CKA, tokens of `texts`)."""
    states = [representations(model, tokenizer, texts) for model in (before, after)]
    return {"weights_moved": weight_changes(before, after), "similarity": similarity_by_layer(*states)}


def held_out(data_args: DataArguments) -> dict[str, list[str]]:
    """Text that no stage was trained on: of the task, and general."""
    validation = load_validation(replace(data_args, max_eval_samples=HELD_OUT_TEXTS))["validation"]
    # The cache of data sets keeps them: to read the newspaper takes longer than to measure with them.
    general = Dataset.from_generator(general_texts, gen_kwargs={"version": code_fingerprint()})
    return {"task": join_columns(validation, data_args.text_column_names), "general": general["text"][:]}


def general_texts(version: str) -> Iterator[dict[str, str]]:
    yield from load_documents(DataArguments(GENERAL_TEXT, max_eval_samples=HELD_OUT_TEXTS))["validation"]


def masked_once(
    texts: dict[str, list[str]], tokenizer: PreTrainedTokenizerBase, output_dir: str
) -> dict[str, MaskedChunks]:
    args = MlmArguments(output_dir=output_dir, overwrite=True)
    documents = DatasetDict({name: Dataset.from_dict({"text": of_source}) for name, of_source in texts.items()})
    chunks = chunk_documents(documents, tokenizer, ["text"], args)
    return {
        name: MaskedChunks(sort_by_length(part), tokenizer, VALIDATION_MLM_PROBABILITY, seed=0)
        for name, part in chunks.items()
    }


def read_json(path: Path, default):
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): put it right, or name another --output_dir") from error


def write_json(path: Path, content) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Whole or not at all: beside it first, then in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
