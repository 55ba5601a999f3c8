"""The dataclasses of the recipes, and `parse`: defaults < YAML < command line, where a typo fails."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
import transformers
from transformers.integrations import get_available_reporting_integrations

from ..run.checkpoints import checkpoint_to_resume, file_in_the_way, holds_run, refuse_another_run
from ..run.errors import UserError
from ..run.hub import check_upload
from ..run.launch import choose_precision, form_group, launched_processes, refuse_separate_runs, use_every_core
from .dry_run import build_what_is_asked_for
from .parser import RecipeParser
from .problems import PROBLEM_TYPES, REGRESSION

UNTYPED = object()
# What the weights, the optimizer's moments, the schedule, the order of the rows and the best score so far come from.
# Left out: what may change while a run goes on (steps, evaluations, saving, logging, precision, max_grad_norm).
FACTS_OF_RUN = (
    *("model_name_or_path", "from_scratch", "dataset_name", "dataset_config_name", "train_file"),
    *("text_columns", "label_column", "max_length"),
    *("column_names", "label_separator", "label_names", "label_names_file", "problem_type"),
    *("validation_file", "max_train_samples", "max_eval_samples", "chunk_length", "streaming", "nsp"),
    *("whole_word_mask", "mlm_probability", "dropout"),
    *("freeze_encoder", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora", "use_dora"),
    *("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim", "optim_args"),
    *("adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "label_smoothing_factor"),
    *("seed", "data_seed", "train_sampling_strategy", "metric_for_best_model", "early_stopping_patience"),
)
# Scores to choose the best checkpoint by.
OF_CLASSES, OF_NUMBERS = ("macro_f1", "accuracy", "macro_precision", "macro_recall"), ("pearson", "spearman")
WRITABLE = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
# Below these, torch ends in an error from inside, or trains away from the goal.
LEAST = {
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"), 1),
    **dict.fromkeys(("dataloader_prefetch_factor", "early_stopping_patience", "ddp_timeout"), 1),
    **dict.fromkeys(
        ("dataloader_num_workers", "max_grad_norm", "weight_decay", "label_smoothing_factor", "save_total_limit"), 0
    ),
}
# What predict.py takes of transformers.TrainingArguments: the names that mean something where nothing trains.
OF_TRAINING_ARGUMENTS = (
    *("per_device_eval_batch_size", "precision", "bf16", "fp16", "use_cpu", "torch_compile", "dataloader_num_workers"),
    *("eval_accumulation_steps", "disable_tqdm", "ddp_timeout"),
)


@dataclass
class CheckpointArguments:
    _argument_group_name = "model"

    model_name_or_path: str = field(
        default="bert-mini-zh", metadata={"help": "the embedded bert-mini-zh, a folder, or a Hub id"}
    )
    revision: str = field(default="main", metadata={"help": "branch, tag or commit of a Hub model"})
    trust_remote_code: bool = field(default=False, metadata={"help": "run code that comes with a Hub model"})


@dataclass
class ModelArguments(CheckpointArguments):
    from_scratch: bool = field(default=False, metadata={"help": "the same architecture from random weights"})


@dataclass
class DataArguments:
    _argument_group_name = "data"

    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "reviews, review_domains, peoples_daily, peoples_daily_titles, or a Hub id; "
            "reviews where no --train_file is given"
        },
    )
    dataset_config_name: str | None = field(
        default=None, metadata={"help": "the configuration of a Hub data set that has several"}
    )
    train_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json, parquet or txt"})
    validation_file: str | None = field(
        default=None, metadata={"help": "where it is left out, a tenth of the training rows is held out"}
    )
    encoding: str = field(default="utf-8", metadata={"help": "of csv, tsv, json and txt files, such as gb18030"})
    text_columns: str = field(default="text", metadata={"help": "one column, or two for a pair: title,text"})
    column_names: str | None = field(
        default=None, metadata={"help": "the columns of csv, tsv or txt files without a header, in order: text,label"}
    )
    max_train_samples: int | None = field(default=None, metadata={"help": "train on this many rows, drawn by --seed"})
    max_eval_samples: int | None = field(
        default=None,
        metadata={"help": "validate on this many rows, the same for every --seed, evenly drawn over the labels"},
    )

    def __post_init__(self):
        if self.dataset_name and self.train_file:
            raise UserError("--dataset_name and --train_file are both given: keep one of them")
        if self.dataset_config_name and not self.dataset_name:
            raise UserError("--dataset_config_name needs the --dataset_name of a Hub data set beside it")
        if not self.train_file:
            self.dataset_name = self.dataset_name or "reviews"
            for name in ("validation_file", "test_file"):
                if getattr(self, name, None):
                    raise UserError(f"--{name} needs a --train_file beside it")
        check_text_columns(self.text_columns)
        check_column_names(self)
        for name in ("max_train_samples", "max_eval_samples", "max_test_samples"):
            if getattr(self, name, None) is not None and getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")

    @property
    def text_column_names(self) -> list[str]:
        return split_names(self.text_columns)

    @property
    def given_column_names(self) -> list[str]:
        return split_names(self.column_names or "")

    @property
    def corpus_name(self) -> str:
        """What messages and cards call a data set: its name, and its configuration where one is named."""
        return " ".join(filter(None, (self.dataset_name, self.dataset_config_name)))


@dataclass
class LabelledDataArguments(DataArguments):
    test_file: str | None = field(
        default=None, metadata={"help": "where it is left out, a tenth of the training rows is held out"}
    )
    max_test_samples: int | None = field(
        default=None,
        metadata={"help": "test on this many rows, the same for every --seed, evenly drawn over the labels"},
    )
    label_column: str = field(
        default="label",
        metadata={"help": "a list in a cell makes the task multi-label, and so do columns of 0 and 1: toxic,insult"},
    )
    label_separator: str | None = field(
        default=None, metadata={"help": "cut the label column at this string: multi-label from a csv"}
    )
    label_names: str | None = field(default=None, metadata={"help": "of the classes 0, 1, 2 …, in order: a,b,c"})
    label_names_file: str | None = field(default=None, metadata={"help": "the same as a file, a name a line"})
    problem_type: str | None = field(
        default=None,
        metadata={
            "choices": PROBLEM_TYPES,
            "help": "regression: the labels are numbers; else they are classes, several a row where a cell is a list",
        },
    )
    max_length: int = field(
        default=256, metadata={"help": "tokens of a text or pair; the longer is cut, no further than the model reads"}
    )

    def __post_init__(self):
        super().__post_init__()
        check_label_names(self)
        named = "--label_names_file" if self.label_names_file else "--label_names"
        if (self.label_names or self.label_names_file) and self.problem_type == REGRESSION:
            raise UserError(f"{named} is for classes: --problem_type regression has numbers, leave one of them out")
        if (self.label_names or self.label_names_file) and len(split_names(self.label_column)) > 1:
            raise UserError(f"{named}: the classes of several label columns have the columns' names: leave it out")
        if self.max_length < 8:
            raise UserError(f"--max_length {self.max_length}: must be 8 or more")


@dataclass
class RecipeArguments(transformers.TrainingArguments):
    """`TrainingArguments` with the defaults that these recipes want, a place to write to, and one source of precision.

    Units: `learning_rate` None becomes a rate that suits the model's width (`training.suitable_learning_rate`).
    """

    overwrite: bool = field(default=False, metadata={"help": "let go of the finished run that output_dir holds"})
    precision: str | None = field(
        default=None,
        metadata={"choices": ["fp32", "bf16", "fp16"], "help": "else as launched, else the device's best"},
    )
    early_stopping_patience: int | None = field(
        default=None, metadata={"help": "stop after this many evaluations without a better one"}
    )
    learning_rate: float | None = field(
        default=None, metadata={"help": "peak learning rate; left out, it is chosen by the model's width"}
    )
    num_train_epochs: float = field(default=2.0, metadata={"help": "passes over the training rows"})
    lr_scheduler_type: str = field(default="linear", metadata={"help": "linear, cosine, constant, …"})
    warmup_steps: float = field(default=0.06, metadata={"help": "steps, or below 1 a share of all steps"})
    weight_decay: float = field(default=0.01, metadata={"help": "decoupled weight decay of AdamW"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "rows a step on each device"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "rows an evaluation step on each device"})
    do_train: bool = field(default=True, metadata={"help": "train"})
    do_eval: bool = field(default=True, metadata={"help": "evaluate on the validation split"})
    do_predict: bool = field(default=True, metadata={"help": "predict and score the test split"})
    eval_strategy: str = field(default="epoch", metadata={"help": "no, steps or epoch"})
    save_strategy: str = field(default="epoch", metadata={"help": "no, steps, epoch or best"})
    save_total_limit: int | None = field(default=2, metadata={"help": "checkpoints kept: the best and the newest"})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "end with the best checkpoint, not the last"})
    # Fifty points draw a curve, however long the run is.
    logging_steps: float = field(default=0.02, metadata={"help": "steps, or below 1 a share of all steps"})
    # Trainer's filter logs the average of earlier losses in the place of a NaN; training.Trainer stops at one instead.
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "report the last finite loss for a NaN"})
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "resume with the early-stopping patience that was left"}
    )
    train_sampling_strategy: str = field(
        default="group_by_length",
        metadata={
            "choices": ["random", "sequential", "group_by_length", "batch_rebalance"],
            "help": "group_by_length draws batches of rows of like length",
        },
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "a checkpoint folder, or auto: the newest of output_dir"}
    )

    label_names: list[str] | None = field(default=None, init=False)  # the flag names the classes, not Trainer's columns
    hub_strategy: str = field(default="end", metadata={"help": "what --push_to_hub uploads: end is the finished model"})

    default_output_dir = "outputs/run"
    base_learning_rate = 3e-5  # for a model 768 wide

    # What a run that goes on must have in common with its beginning; `parse` sets it.
    run_facts: ClassVar[dict[str, Any]] = {}

    def __post_init__(self):
        if self.overwrite and self.resume_from_checkpoint:
            raise UserError("--overwrite gives a run up, --resume_from_checkpoint goes on with it: keep one of them")
        if self.resume_from_checkpoint and not self.do_train:
            raise UserError("--resume_from_checkpoint goes on with training, --do_train false leaves it out: keep one")
        self.output_dir = choose_output_dir(self)
        self.use_cpu = self.use_cpu or not torch.accelerator.is_available()
        use_every_core(self)
        choose_precision(self)
        if not self.do_eval:
            self.eval_strategy = "no"
        if "no" in (self.eval_strategy, self.save_strategy):  # there is no best one to end with
            self.load_best_model_at_end = False
        if self.early_stopping_patience is not None and not self.load_best_model_at_end:
            raise UserError("--early_stopping_patience needs evaluations, checkpoints and --load_best_model_at_end")
        if self.max_steps == 0:
            raise UserError("--max_steps 0: must be above 0, or -1 for --num_train_epochs")
        if self.num_train_epochs is not None and self.num_train_epochs <= 0 and self.max_steps < 0:
            raise UserError(f"--num_train_epochs {self.num_train_epochs}: must be above 0")
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise UserError(f"--learning_rate {self.learning_rate}: must be above 0")
        if self.prediction_loss_only:
            raise UserError("--prediction_loss_only leaves out the scores that a run ends with: leave it away")
        if not self.eval_do_concat_batches:
            raise UserError("--eval_do_concat_batches false: scores are those of all batches together: leave it away")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed {self.seed}: must be 0 or more, and below 2^32")
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"--{name} {value}: must be {least} or more")
        if self.label_smoothing_factor >= 1:
            raise UserError(f"--label_smoothing_factor {self.label_smoothing_factor}: must be below 1")
        if self.greater_is_better and "loss" in (self.metric_for_best_model or ""):
            raise UserError("--greater_is_better true would keep the checkpoint with the highest loss: leave it out")
        if self.auto_find_batch_size and launched_processes() > 1:
            raise UserError(
                "--auto_find_batch_size finds the size for one process, and several would each find another: "
                "find it so, then launch them with --per_device_train_batch_size"
            )
        form_group(self)
        try:
            super().__post_init__()
        except (ValueError, ImportError) as error:
            raise UserError(" ".join(str(error).split())) from error
        refuse_separate_runs(self)
        if self.n_gpu > 1:
            raise UserError(f"{self.n_gpu} GPUs and one process: start the recipe with accelerate launch, not python")
        check_upload(self)
        missing = set(self.report_to) - {"none", "all", *get_available_reporting_integrations()}
        if missing:
            raise UserError(f"--report_to {sorted(missing)[0]}: it is not installed, or no such thing")
        if self.do_train:
            build_what_is_asked_for(self)


@dataclass
class ClassifierArguments(RecipeArguments):
    num_train_epochs: float | None = field(
        default=None, metadata={"help": "passes over the training rows; left out, 2, or more where they are few"}
    )
    baseline: bool = field(default=True, metadata={"help": "score character tf-idf + logistic regression beside it"})
    metric_for_best_model: str = field(
        default="macro_f1",
        metadata={
            "choices": [*OF_CLASSES, *OF_NUMBERS, "loss"],
            "help": "the validation score that the best checkpoint has most (loss: least) of; of a regression pearson",
        },
    )

    def suit(self, regression: bool) -> None:
        """Check the arguments against what the labels are. Of a regression, which has no F1, the best checkpoint is the
        one with the highest Pearson correlation."""
        if regression and self.label_smoothing_factor:
            raise UserError("--label_smoothing_factor is for classes: a regression's numbers are not smoothed")
        scores, others = (OF_NUMBERS, OF_CLASSES) if regression else (OF_CLASSES, OF_NUMBERS)
        if self.metric_for_best_model in others:
            if "metric_for_best_model" in getattr(self, "given", {}):
                kind = "a regression has" if regression else "classes have"
                raise UserError(
                    f"--metric_for_best_model {self.metric_for_best_model}: {kind} {', '.join(scores)} and loss"
                )
            self.metric_for_best_model = scores[0]


@dataclass
class FinetuneArguments(ClassifierArguments):
    default_output_dir = "outputs/finetune"

    freeze_encoder: bool = field(default=False, metadata={"help": "train the head and the pooler alone"})


@dataclass
class LoraArguments(ClassifierArguments):
    default_output_dir = "outputs/lora"
    base_learning_rate = 3e-4  # a low-rank update wants about ten times the rate of the full one

    lora_r: int = field(default=8, metadata={"help": "rank of each adapter"})
    lora_alpha: int = field(default=16, metadata={"help": "the update is scaled by lora_alpha / lora_r"})
    lora_dropout: float = field(default=0.0, metadata={"help": "dropout in front of each adapter"})
    lora_target_modules: str | None = field(
        default=None, metadata={"help": "such as query,value or all-linear; left out, peft's choice for the model"}
    )
    use_rslora: bool = field(default=False, metadata={"help": "scale by alpha / sqrt(r) (arXiv 2312.03732)"})
    use_dora: bool = field(default=False, metadata={"help": "split magnitude and direction (arXiv 2402.09353)"})
    merge: bool = field(default=True, metadata={"help": "save the merged model too, beside adapter/"})

    def __post_init__(self):
        super().__post_init__()
        if self.lora_r < 1:
            raise UserError(f"--lora_r {self.lora_r}: must be 1 or more")
        if not 0 <= self.lora_dropout < 1:
            raise UserError(f"--lora_dropout {self.lora_dropout}: must be 0 or more, and below 1")


@dataclass
class MlmArguments(RecipeArguments):
    default_output_dir = "outputs/mlm_pretrain"
    base_learning_rate = 1e-4

    mlm_probability: float = field(
        default=0.15, metadata={"help": "share of the training tokens to predict; of the validation tokens it is 0.15"}
    )
    dropout: float = field(
        default=0.0,
        metadata={"help": "in this stage alone: 0 is faster, and enough for few epochs (arXiv 2212.14034)"},
    )
    whole_word_mask: bool = field(
        default=False, metadata={"help": "mask whole words, Chinese ones as jieba cuts them, not single characters"}
    )
    nsp: bool = field(
        default=False,
        metadata={"help": "next-sentence prediction too; of two --text_columns the pair is title and text"},
    )
    streaming: bool = field(
        default=False,
        metadata={"help": "tokenise --train_file (txt or jsonl) while it trains; needs --max_steps"},
    )
    chunk_length: int = field(default=128, metadata={"help": "tokens of a chunk, [CLS] and [SEP] included"})
    include_num_input_tokens_seen: str = field(
        default="non_padding", metadata={"help": "count the tokens that were trained on: no, all or non_padding"}
    )
    vocab_size: int = field(default=8192, metadata={"help": "with --from_scratch: entries of the trained vocabulary"})
    vocab_alphabet: str | None = field(
        default=None,
        metadata={"choices": ["gb2312"], "help": "with --from_scratch: characters that it holds besides the text's"},
    )
    metric_for_best_model: str = field(
        default="loss",
        metadata={
            "choices": ["loss", "masked_accuracy"],
            "help": "the validation score that the best checkpoint has most (loss: least) of",
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.mlm_probability < 1:
            raise UserError(f"--mlm_probability {self.mlm_probability}: must lie between 0 and 1")
        if not 0 <= self.dropout < 1:
            raise UserError(f"--dropout {self.dropout}: must be 0 or more, and below 1")
        if self.label_smoothing_factor:
            raise UserError("--label_smoothing_factor is for classifiers: masked tokens are not smoothed")
        if self.dataloader_persistent_workers:
            raise UserError("--dataloader_persistent_workers: such workers would draw the first epoch's masks for ever")
        if self.vocab_size < 100:
            raise UserError(f"--vocab_size {self.vocab_size}: must be 100 or more")
        if self.streaming and self.max_steps < 1:
            raise UserError("--streaming needs --max_steps: nobody has counted how many steps one pass is")


def split_names(names: str) -> list[str]:
    """Parted by commas, Chinese ones too."""
    return [name.strip() for name in re.split("[,，]", names) if name.strip()]


def check_text_columns(text_columns: str) -> None:
    names = split_names(text_columns)
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise UserError(f"--text_columns {text_columns}: name one column, or two for a pair such as title,text")


def check_column_names(args: DataArguments | PredictArguments) -> None:
    names = args.given_column_names
    if len(set(names)) < len(names):
        raise UserError(f"--column_names {args.column_names}: each column needs a name of its own")
    if names and getattr(args, "dataset_name", None):
        raise UserError("--column_names is for files: give a --train_file, or leave it out")
    labels = split_names(getattr(args, "label_column", "")) if isinstance(args, LabelledDataArguments) else []
    for name in [*args.text_column_names, *labels] if names else []:
        if name not in names:
            argument = "label_column" if name in labels else "text_columns"
            raise UserError(f"--{argument} {name}: --column_names {args.column_names} has no such column")


def check_label_names(args: LabelledDataArguments | PredictArguments) -> None:
    names = split_names(args.label_names or "")
    if args.label_names and args.label_names_file:
        raise UserError("--label_names and --label_names_file are both given: keep one of them")
    if len(set(names)) < len(names):
        raise UserError(f"--label_names {args.label_names}: each class needs a name of its own")


def choose_output_dir(args: RecipeArguments) -> str:
    """A named folder is taken as it is unless it holds a run; a default one steps aside to `<default>-2`, `-3` …"""
    named = args.output_dir is not None
    if args.output_dir == "":
        raise UserError("--output_dir is empty: name a folder, or leave it out")
    folder = Path(args.output_dir or args.default_output_dir)
    if not named and args.resume_from_checkpoint not in (None, "auto"):
        named, folder = True, Path(args.resume_from_checkpoint).parent
    nearest = nearest_folder(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UserError(f"--output_dir {folder}: nothing can be written to {nearest}")
    if named:
        refuse_to_write_over(folder, args)
        return str(folder)
    numbered = [folder]
    while holds_run(numbered[-1]) or file_in_the_way(numbered[-1]):
        numbered.append(Path(f"{folder}-{len(numbered) + 1}"))
    # The last folder is free; the newest run is the one that is meant by "resume" and "overwrite".
    runs = [path for path in numbered if holds_run(path)] if args.overwrite or args.resume_from_checkpoint else []
    return str(runs[-1] if runs else numbered[-1])


def nearest_folder(path: Path) -> Path:
    """The path itself, or the first above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())


def refuse_to_write_over(folder: Path, args: RecipeArguments) -> None:
    if args.overwrite:
        return
    finished = (folder / "all_results.json").exists() and args.resume_from_checkpoint != "auto"
    if holds_run(folder) and (finished or args.resume_from_checkpoint is None):
        raise UserError(
            f"--output_dir {folder} holds an earlier run: name another, give it up with --overwrite, "
            "or go on with --resume_from_checkpoint auto if it was interrupted"
        )
    if name := file_in_the_way(folder):
        raise UserError(
            f"--output_dir {folder} has a {name} that no run has left there: name another folder, or have it "
            "written over with --overwrite"
        )


@dataclass
class PredictArguments(CheckpointArguments):
    _argument_group_name = "predict"

    model_name_or_path: str = field(
        default="outputs/finetune", metadata={"help": "a folder that finetune.py or lora.py wrote, or a Hub id"}
    )
    input_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json, parquet or txt"})
    output_file: str | None = field(default=None, metadata={"help": "csv, tsv, jsonl, json or parquet"})
    overwrite: bool = field(default=False, metadata={"help": "write over an output_file that exists"})
    encoding: str = field(default="utf-8", metadata={"help": "of the input_file, such as gb18030"})
    text_columns: str = field(default="text", metadata={"help": "one column, or two for a pair: title,text"})
    label_column: str = field(default="label", metadata={"help": "where the file has it, the metrics are reported too"})
    label_separator: str = field(default=";", metadata={"help": "between the labels of a row that has several"})
    column_names: str | None = field(
        default=None, metadata={"help": "the columns of a csv, tsv or txt file without a header, in order: text,label"}
    )
    label_names: str | None = field(
        default=None, metadata={"help": "of the file's classes 0, 1, 2 …, in order, to score them: a,b,c"}
    )
    label_names_file: str | None = field(default=None, metadata={"help": "the same as a file, a name a line"})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "rows a step on each device"})
    precision: str | None = field(
        default=None,
        metadata={"choices": ["fp32", "bf16", "fp16"], "help": "else as launched, else the device's best"},
    )
    bf16: bool = field(default=False, metadata={"help": "the same as --precision bf16"})
    fp16: bool = field(default=False, metadata={"help": "the same as --precision fp16"})
    use_cpu: bool = field(default=False, metadata={"help": "even where there is a GPU"})
    torch_compile: bool = field(default=False, metadata={"help": "compile the model first"})
    dataloader_num_workers: int = field(default=0, metadata={"help": "processes that prepare batches"})
    eval_accumulation_steps: int | None = field(
        default=None, metadata={"help": "bring predictions to the CPU every so many steps"}
    )
    disable_tqdm: bool = field(default=False, metadata={"help": "no progress bars"})
    ddp_timeout: int = field(default=1800, metadata={"help": "seconds that a process waits for the others"})

    def __post_init__(self):
        for name in ("input_file", "output_file"):
            if not getattr(self, name):
                raise UserError(f"--{name} is missing: name a file")
        check_text_columns(self.text_columns)
        check_column_names(self)
        check_label_names(self)
        if Path(self.output_file).suffix not in WRITABLE:
            raise UserError(f"--output_file {self.output_file}: must end in {', '.join(WRITABLE)}")
        folder = nearest_folder(Path(self.output_file).parent)
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise UserError(f"--output_file {self.output_file}: nothing can be written to {folder}")
        if Path(self.output_file).exists() and not self.overwrite:
            raise UserError(f"--output_file {self.output_file} exists: name another, or add --overwrite")

    @property
    def text_column_names(self) -> list[str]:
        return split_names(self.text_columns)

    @property
    def given_column_names(self) -> list[str]:
        return split_names(self.column_names or "")

    def for_trainer(self) -> RecipeArguments:
        return RecipeArguments(
            output_dir=str(Path(self.output_file).parent),
            overwrite=True,  # of a folder that holds a run: a prediction touches none of its files
            do_train=False,
            do_eval=False,
            **{name: getattr(self, name) for name in OF_TRAINING_ARGUMENTS},
        )


def parse(*dataclass_types: type, argv: list[str] | None = None) -> tuple:
    """Parse the command line into one instance of each dataclass: defaults < `--config FILE.yaml` < command line.

    Raises `UserError` for an unknown key or flag (naming the nearest real one) or a value that its field can't take.
    """
    parser = RecipeParser(dataclass_types)
    argv = sys.argv[1:] if argv is None else list(argv)
    config = parser.parse_known_args(argv)[0].config
    # Later flags win in argparse: the file's stand in front of the user's.
    argv = parser.read_config(config) + argv if config else argv
    *instances, _ = parser.parse_args_into_dataclasses(argv, look_for_args_file=False)
    # What was typed, be it the default: argparse leaves a value that the namespace has already as it is.
    untyped = dict.fromkeys(vars(parser.parse_args([])), UNTYPED)
    typed = vars(parser.parse_args(argv, argparse.Namespace(**untyped)))
    given = {name: value for name, value in typed.items() if value is not UNTYPED}
    for instance in instances:
        instance.given = {field.name: given[field.name] for field in fields(instance) if field.name in given}
    for args in [instance for instance in instances if isinstance(instance, RecipeArguments)]:
        leave_if_finished(args)
        args.run_facts = facts_of_run(args, instances)
        if checkpoint := checkpoint_to_resume(args):
            refuse_another_run(checkpoint, args.run_facts)
        transformers.set_seed(args.seed)  # before a model draws its head
    return tuple(instances)


def facts_of_run(args: RecipeArguments, instances: Sequence) -> dict[str, Any]:
    values = {name: value for instance in reversed(instances) for name, value in vars(instance).items()}
    return {"recipe": Path(args.default_output_dir).name} | {
        name: values[name] for name in FACTS_OF_RUN if name in values
    }


def leave_if_finished(args: RecipeArguments) -> None:
    if args.resume_from_checkpoint == "auto" and (Path(args.output_dir) / "all_results.json").exists():
        print(f"{args.output_dir} holds a finished run: nothing to resume")
        sys.exit(0)
