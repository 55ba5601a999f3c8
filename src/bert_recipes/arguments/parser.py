"""`HfArgumentParser` with YAML files, typos that name the nearest argument, and a `--help` in groups."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import transformers
import yaml
from transformers import HfArgumentParser

from ..run.errors import UserError
from .former_names import unknown_name

# Those of transformers.TrainingArguments that most runs set; the help shows them with the recipe's own.
OFTEN_SET = {"output_dir", "num_train_epochs", "max_steps", "gradient_accumulation_steps", "seed", "bf16", "fp16"}
# Arguments that name what a run writes: one goes on in its checkpoint's folder.
WRITTEN_TO = ("output_dir", "output_file", "picture", "resume_from_checkpoint")
# Arguments that are names with commas between them; in a file they may be lists.
WITH_COMMAS = (
    *("text_columns", "label_column", "column_names", "label_names", "lora_target_modules"),
    *("class_weights", "threshold"),
    *("experiments", "starts", "methods", "label_counts", "trial_labels"),
)


class RecipeParser(HfArgumentParser):
    """An `HfArgumentParser` whose typos name the nearest argument and whose `--help` has a line for each."""

    def __init__(self, dataclass_types):
        usage = "%(prog)s [--config FILE.yaml] [--argument value ...]"
        super().__init__(dataclass_types, usage=usage, allow_abbrev=False, formatter_class=OneNameFormatter)
        self.add_argument("--config", help="a YAML file of flat keys, each an argument's name; the command line wins")

    def _add_dataclass_arguments(self, dtype):
        if not issubclass(dtype, transformers.TrainingArguments):
            return super()._add_dataclass_arguments(dtype)
        ours = [base for base in dtype.__mro__ if base.__module__.startswith("bert_recipes.")]
        own = {name for base in ours for name in base.__annotations__}
        recipe = self.add_argument_group("recipe")
        inherited = self.add_argument_group("everything else of transformers.TrainingArguments")
        types = get_type_hints(dtype)
        for field in fields(dtype):
            if field.init:
                field.type = types[field.name]
                self._parse_dataclass_field(recipe if field.name in own | OFTEN_SET else inherited, field)

    def error(self, message: str):
        raise UserError(re.sub("/--[a-z0-9-]+", "", message))  # --learning_rate/--learning-rate: one name is enough

    def parse_known_args(self, args=None, namespace=None):
        namespace, unknown = super().parse_known_args(args, namespace)
        for word in unknown:
            raise UserError(unknown_name(word.split("=")[0], self._option_string_actions, "argument"))
        return namespace, unknown

    def read_config(self, path: str) -> list[str]:
        """A YAML file as so many flags, so that argparse types a value alike wherever it stands."""
        try:
            config = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise UserError(f"--config {path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"--config {path} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(config, dict):
            raise UserError(f"--config {path}: expected flat keys such as `learning_rate: 2e-5`")
        words = []
        for key, value in config.items():
            if f"--{key}" not in self._option_string_actions or key in ("config", "help"):
                raise UserError(f"--config {path}: " + unknown_name(f"--{key}", self._option_string_actions, "key"))
            if isinstance(value, list) and key in WITH_COMMAS:
                value = ",".join(map(str, value))
            if isinstance(value, list) and self._option_string_actions[f"--{key}"].nargs is None:
                raise UserError(f"--config {path}: {key} takes one value, and {value} is a list")
            if key in WRITTEN_TO:
                refuse_escape(path, key, str(value))
            if isinstance(value, list):
                words += [f"--{key}", *map(str, value)]
            elif value is not None:
                words.append(f"--{key}={json.dumps(value) if isinstance(value, dict) else value}")
        return words


def refuse_escape(config: str, key: str, value: str) -> None:
    """A file that came with a colleague's folders must not write where nobody looks for it."""
    outside = not Path(value).is_absolute() and not Path(value).resolve().is_relative_to(Path.cwd().resolve())
    if outside or value.startswith("~"):
        raise UserError(
            f"--config {config}: {key} {value} leads out of this folder: give --{key} on the command line, or write "
            "the whole path"
        )


class OneNameFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """`--learning_rate float`, not `--learning_rate LEARNING_RATE, --learning-rate LEARNING_RATE`; no line for the
    `--no_…` twin that a flag has; what is not set or off has no default to tell."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=40, width=120)

    def _format_action_invocation(self, action):
        is_flag = action.nargs == 0 or isinstance(action.const, bool)
        choices = ",".join(map(str, action.choices or ()))
        kind = "" if is_flag else choices if 0 < len(choices) < 20 else getattr(action.type, "__name__", "str")
        return f"{action.option_strings[0]} {kind.replace('<lambda>', 'name')}".strip()

    def _get_help_string(self, action):
        if action.default is True:
            return f"{action.help} (--no_{action.dest} turns it off)"
        return action.help if action.default in (None, False) else super()._get_help_string(action)

    def add_argument(self, action):
        if not action.option_strings[0].startswith("--no_"):
            super().add_argument(action)
