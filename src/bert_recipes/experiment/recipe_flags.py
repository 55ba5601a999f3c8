"""The runs as the recipes' command lines: which file, which start, how long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import DatasetDict

from ..arguments.classifier import FinetuneArguments
from ..arguments.columns import split_names
from ..arguments.mlm import MlmArguments
from ..arguments.split_arguments import RECIPES
from ..models.pretrained import load_config
from ..training.learning_rate import suitable_learning_rate
from .folds import files_flags
from .runs import Run, with_seed
from .setting import Setting

LEAST_PRETRAINED_ROWS = 500  # 16 steps: a quarter pass over a small file is one, and the warm-up's, at rate 0
MOST_PRETRAINED_TOKENS = 750_000  # in the short form: a quarter pass over the reviews has 0.28 million
TITLES_MAX_LENGTH = 128


def pretraining_run(
    setting: Setting,
    nsp: bool | None = None,
    share: float = 1,
    variant: str | None = None,
    flags: Sequence[str] = (),
) -> Run:
    """The base model, some passes further over the training rows' text, without their labels; `nsp` says whether
    title and text are a pair to tell apart, too (None: the task's text). `share` of --pretraining_epochs; a `variant`
    has `flags` of its own."""
    corpus, files, columns = setting.corpus, setting.task, setting.data_args.text_columns
    if nsp is not None:
        corpus, files, columns = setting.titles_corpus, setting.titles_data(), ",".join(setting.title_and_text)
    epochs = share * pretraining_epochs(setting, corpus, columns)
    argv = [*start_flags(setting, "base"), "--text_columns", columns, *files_flags(files, "train", "validation")]
    # Packed batches, a GPU's default, are larger and so fewer: the same steps on every device.
    argv += ["--num_train_epochs", f"{epochs:g}", "--packing", "false"]
    argv += [*(["--nsp"] if nsp else []), *flags]
    run = Run(
        "pretraining", "base", "mlm+nsp" if nsp else "mlm", columns=None if nsp is None else columns,
        passes=None if share == 1 else float(f"{epochs:g}"), variant=variant,
        recipe=setting.recipes / "mlm_pretrain.py", argv=tuple(argv),
        tokens=epochs * tokens_of_pass(setting, corpus, columns),
    )  # fmt: skip
    return with_seed(run, MlmArguments.seed)  # the recipe's own


def pretraining_epochs(setting: Setting, corpus: DatasetDict, columns: str) -> float:
    """--pretraining_epochs where it is given; its default is raised for a small file, and in the short form lowered for
    a large one."""
    args = setting.args
    if "pretraining_epochs" in args.given:
        return args.pretraining_epochs
    epochs = max(args.pretraining_epochs, LEAST_PRETRAINED_ROWS / len(corpus["train"]))
    return epochs if args.full else min(epochs, MOST_PRETRAINED_TOKENS / tokens_of_pass(setting, corpus, columns))


def tokens_of_pass(setting: Setting, corpus: DatasetDict, columns: str) -> float:
    return len(corpus["train"]) * setting.tokens_a_row(corpus, split_names(columns), None)


def classifier_run(
    setting: Setting,
    experiment: str,
    start: str,
    method: str,
    labels: int | str,
    learning_rate: float,
    pretrained: Run | None = None,
    more: Sequence[str] = (),
) -> Run:
    """So many labelled rows of the task, from a start (the weights of `pretrained`, where it is given), by a method;
    `more` flags stand behind all others, and win."""
    (recipe, flags, *_), data_args = RECIPES[method], setting.data_args
    steps = setting.steps(setting.number_of_rows(labels))
    tokens = setting.tokens_of_run(setting.corpus, data_args.text_column_names, data_args.max_length, steps)
    from_where = pretrained_flags(setting, pretrained) if pretrained else start_flags(setting, start)
    argv = [*task_flags(setting, labels), *from_where, *flags, *training_flags(setting, learning_rate, steps), *more]
    return Run(
        experiment, start, method, labels, learning_rate=learning_rate, recipe=setting.recipes / recipe,
        argv=tuple(argv), tokens=tokens,
    )  # fmt: skip


def baseline_run(setting: Setting, labels: int | str) -> Run:
    return Run("labels", None, "tfidf", labels, argv=tuple(task_flags(setting, labels)))


def titles_run(
    setting: Setting,
    experiment: str,
    start: str,
    files: dict[str, Path],
    columns: list[str],
    pretrained: Run | None = None,
    steps: int | None = None,
) -> Run:
    """Full fine-tuning on rows with titles; from the weights of `pretrained` (None: from the base model)."""
    steps = steps or setting.steps(1000)
    rate = suitable_learning_rate(FinetuneArguments, load_config(setting.model_args))
    length = min(TITLES_MAX_LENGTH, setting.data_args.max_length)
    argv = [*files_flags(files), "--text_columns", ",".join(columns), "--max_length", str(length)]
    argv += pretrained_flags(setting, pretrained) if pretrained else start_flags(setting, "base")
    return Run(
        experiment, start, "full", learning_rate=rate, recipe=setting.recipes / "finetune.py",
        argv=(*argv, *training_flags(setting, rate, steps)),
        tokens=setting.tokens_of_run(setting.titles_corpus, columns, length, steps),
    )  # fmt: skip


def task_flags(setting: Setting, labels: int | str) -> list[str]:
    flags = [*files_flags(setting.task), "--text_columns", setting.data_args.text_columns]
    flags += ["--max_length", str(setting.data_args.max_length)]
    return flags + ([] if labels == "all" else ["--max_train_samples", str(labels)])


def start_flags(setting: Setting, start: str) -> list[str]:
    if start == "continued":
        return pretrained_flags(setting, pretraining_run(setting))
    model_args = setting.model_args
    flags = ["--model_name_or_path", model_args.model_name_or_path, "--revision", model_args.revision]
    return flags + trust_flags(setting) + (["--from_scratch"] if start == "random" else [])


def pretrained_flags(setting: Setting, run: Run) -> list[str]:
    return ["--model_name_or_path", str(setting.runs.output_dir(run)), *trust_flags(setting)]


def trust_flags(setting: Setting) -> list[str]:
    return ["--trust_remote_code"] if setting.model_args.trust_remote_code else []


def training_flags(setting: Setting, learning_rate: float, steps: int) -> list[str]:
    return [
        "--learning_rate", str(learning_rate), "--max_steps", str(steps),
        "--per_device_train_batch_size", str(setting.args.batch_size),
        "--eval_strategy", "no", "--save_strategy", "no", "--no_baseline",
    ]  # fmt: skip
