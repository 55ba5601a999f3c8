"""`parse`: defaults < YAML < command line, where a typo fails; and what a checkpoint remembers of its run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import transformers

from ..run.checkpoints import checkpoint_to_resume, refuse_another_run
from .parser import RecipeParser
from .recipe import RecipeArguments

# What the weights, the optimizer's moments, the schedule, the order of the rows and the best score so far come from.
# Left out: what may change while a run goes on (steps, evaluations, saving, logging, precision, max_grad_norm).
FACTS_OF_RUN = (
    *("model_name_or_path", "from_scratch", "keep_vocabulary", "dataset_name", "dataset_config_name", "train_file"),
    *("test_file", "encoding"),
    *("text_columns", "label_column", "max_length", "long_text", "select_by", "aspect_attention"),
    *("column_names", "label_separator", "label_names", "label_names_file", "problem_type"),
    *("validation_file", "max_train_samples", "max_eval_samples", "chunk_length", "streaming", "nsp"),
    *("whole_word_mask", "mlm_probability", "dropout", "pooling", "temperature"),
    *("span_ends", "overlaps", "repair_tags", "stride", "split_characters", "freeze_encoder"),
    *("lora", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "use_rslora", "use_dora"),
    *("learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "optim", "optim_args"),
    *("adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "label_smoothing_factor"),
    *("loss", "class_weights", "focal_gamma"),
    *("adversarial", "adversarial_epsilon", "r_drop", "layer_learning_rate_decay", "freeze_layers"),
    "reinitialize_layers",
    *("seed", "data_seed", "train_sampling_strategy", "metric_for_best_model", "early_stopping_patience"),
)
UNTYPED = object()


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
        args.check_given()
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
