"""Which task a trained model is for, as its config says."""

from __future__ import annotations

from pathlib import Path

from peft import PeftConfig, TaskType
from transformers import PretrainedConfig

from ..arguments.model import CheckpointArguments
from .adapters import config_of_adapter, is_adapter
from .classifiers import CLASSIFIER
from .pretrained import load_config

# What an adapter's task is called -> how the architecture's name of such a model ends.
ADAPTED = {TaskType.SEQ_CLS: CLASSIFIER, None: CLASSIFIER}  # None: peft was told no task, and its head decides


def load_task(model_args: CheckpointArguments) -> tuple[str, PretrainedConfig]:
    """The architecture of a trained model (`BertForSequenceClassification`), by which its task is known, and its
    config; of an adapter those of the model that it makes of its base."""
    folder = Path(model_args.model_name_or_path)
    if is_adapter(folder):
        task = PeftConfig.from_pretrained(folder).task_type
        return ADAPTED.get(task, str(task)), config_of_adapter(model_args)
    config = load_config(model_args)
    return (config.architectures or ["none"])[0], config
