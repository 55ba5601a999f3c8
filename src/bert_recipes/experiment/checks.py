"""What is refused before anything is trained: a model that no question can be put to, the folder of another
experiment."""

from __future__ import annotations

import torch
from transformers import AutoModelForSequenceClassification

from ..arguments.model import ModelArguments
from ..arguments.problems import REGRESSION
from ..models.masked_lm import class_for, has_masked_lm_head
from ..models.mean_pooling import MeanPoolingBertConfig
from ..models.pretrained import load_config, weights_fingerprint
from ..run.errors import UserError
from ..run.launch import launched_precision, precision_of_device
from ..text.corpora import corpus_fingerprint, sha256
from .evidence import parameter_groups
from .runs import read_json, write_json
from .setting import Setting

# What an experiment may not change half-way: results of either side could not be compared.
FIXED = (
    "model_name_or_path", "revision", "weights", "data", "dataset_name", "encoding", "text_columns", "label_column",
    "column_names", "label_separator", "label_names", "label_names_file",
    "max_length", "max_train_samples", "max_eval_samples", "max_test_samples",
    "full", "pretraining_epochs", "steps_at_100_labels", "batch_size", "trial_labels", "precision",
)  # fmt: skip


def check_model(setting: Setting) -> None:
    """Every question needs a classifier whose layers can be compared, and a masked language model of it."""
    model_args = setting.model_args
    if model_args.from_scratch:
        raise UserError("--from_scratch: random weights are one of --starts already")
    if setting.data_args.problem_type == REGRESSION:
        raise UserError("--problem_type regression: the experiment compares classifiers")
    config = load_config(model_args)
    class_for(config, nsp=False)
    if "mean_pooling" in setting.args.methods:
        MeanPoolingBertConfig.of(config, argument="--methods mean_pooling")
    with torch.device("meta"):
        parameter_groups(AutoModelForSequenceClassification.from_config(config))


def say_without_head(model_args: ModelArguments) -> None:
    if not has_masked_lm_head(model_args):
        name = model_args.model_name_or_path
        print(f"{name} has no masked-language-model head: what fine-tuning forgets can't be told", flush=True)


def claim_folder(setting: Setting) -> None:
    """`experiment.json` says what the folder's experiment is. Raises `UserError` where it is another."""
    folder = setting.folder
    settings = {**vars(setting.args), **vars(setting.model_args), **vars(setting.data_args)}
    names = setting.data_args.label_names_file
    named = {names: sha256(names)} if names else {}
    settings |= {"data": corpus_fingerprint(setting.data_args) | named, "precision": precision()}
    settings |= {"weights": weights_fingerprint(setting.model_args)}
    mine = {name: settings[name] for name in FIXED}
    former = read_json(folder / "experiment.json", None)
    if former is None and folder.exists() and any(folder.iterdir()):
        raise UserError(f"--output_dir {folder} holds files that are no experiment's: name another folder")
    if former:  # an earlier version did not write all of it
        former = {"full": mine["full"]} | former | {"data": named | former["data"]}
    different = [name for name in FIXED if former and former.get(name) != mine[name]]
    if different:
        name = different[0]
        raise UserError(
            f"--output_dir {folder} holds an experiment with {name} {former.get(name)}, not {mine[name]}: "
            "name another folder"
        )
    write_json(folder / "experiment.json", mine)


def precision() -> str:
    """The launch decides it, for the experiment has no flag of its own."""
    return launched_precision() or precision_of_device(use_cpu=not torch.accelerator.is_available())[0]
