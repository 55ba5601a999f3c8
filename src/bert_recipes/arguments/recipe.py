"""The arguments that every recipe that trains has: `TrainingArguments`, with defaults of our own and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import transformers
from transformers.integrations import get_available_reporting_integrations

from ..run.devices import choose_for_device
from ..run.errors import UserError
from ..run.hub import check_upload
from ..run.launch import choose_precision, form_group, launched_processes, refuse_separate_runs, use_every_core
from ..run.screen import show_bars
from .dry_run import build_what_is_asked_for
from .output_dir import choose_output_dir

# Below these, torch ends in an error from inside, or trains away from the goal.
LEAST = {
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"), 1),
    **dict.fromkeys(("dataloader_prefetch_factor", "early_stopping_patience", "ddp_timeout"), 1),
    **dict.fromkeys(
        ("dataloader_num_workers", "max_grad_norm", "weight_decay", "label_smoothing_factor", "save_total_limit"), 0
    ),
}


@dataclass
class RecipeArguments(transformers.TrainingArguments):
    """`TrainingArguments` with the defaults that these recipes want, a place to write to, and one source of precision.

    `learning_rate` None becomes a rate that suits the model's width
    (`training.learning_rate.suitable_learning_rate`).
    """

    overwrite: bool = field(default=False, metadata={"help": "let go of the finished run that output_dir holds"})
    precision: str | None = field(
        default=None,
        metadata={
            "choices": ["fp32", "bf16", "fp16"],
            "help": "else as launched, else by the device: bf16 where it is native",
        },
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
    per_device_eval_batch_size: int | None = field(
        default=None, metadata={"help": "rows an evaluation step on each device: 64, on a GPU 256"}
    )
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

    precision_why: ClassVar[str | None] = None  # in words, where the device has decided
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
        show_bars(not self.disable_tqdm)
        self.precision_why = choose_precision(self)
        choose_for_device(self)
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
        if self.num_train_epochs is None and not self.do_train:
            self.num_train_epochs = 0.0  # the length of no training; transformers compares it with a number
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
        if self.accelerator_config.dispatch_batches:
            raise UserError("--accelerator_config dispatch_batches: every process makes its own batches: leave it out")
        refuse_separate_runs(self)
        if self.n_gpu > 1:
            raise UserError(f"{self.n_gpu} GPUs and one process: start the recipe with accelerate launch, not python")
        check_upload(self)
        missing = set(self.report_to) - {"none", "all", *get_available_reporting_integrations()}
        if missing:
            raise UserError(f"--report_to {sorted(missing)[0]}: it is not installed, or no such thing")
        if self.do_train:
            build_what_is_asked_for(self)

    def check_given(self) -> None:
        """Raise `UserError` for what was typed (`given`) beside arguments that it does not go with, be it the default.
        `parse` calls it."""
