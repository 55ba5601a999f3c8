"""Load a classifier: a new head on an encoder, or one that is trained already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.model import CheckpointArguments, ModelArguments
from ..arguments.problems import REGRESSION, SINGLE_LABEL
from ..run.errors import UserError, shorten, tell
from ..text.long_texts import TRUNCATED, LongTexts
from .adapters import is_adapter, load_adapted
from .aspect_attention import AspectBertConfig
from .bert_variants import BertVariantConfig
from .layers import draw_anew
from .long_texts import set_long_texts, trained_long_texts
from .mean_pooling import MeanPoolingBertConfig
from .pretrained import HEAD, load_config, load_model, new_parts, say_what_is_new, with_names_of_today
from .tokenization import load_tokenizer

CLASSIFIER = "ForSequenceClassification"  # how the names of such classes end


def load_classifier(
    model_args: ModelArguments,
    label_names: Sequence[str],
    problem_type: str = SINGLE_LABEL,
    freeze_encoder: bool = False,
    train: bool = True,
    long_texts: LongTexts = TRUNCATED,
) -> PreTrainedModel:
    """The encoder with a head for `label_names`, in fp32 whatever the checkpoint's files hold.

    The head is new, unless the checkpoint is a classifier of these very labels (`names_as_trained` puts them into its
    order). `freeze_encoder` leaves the head and the pooler to train, and nothing else. Raises `UserError` where nothing
    is to `train` and the head would be new.
    """
    name, variant = model_args.model_name_or_path, variant_asked_for(model_args)
    labels = {
        "id2label": dict(enumerate(label_names)),
        "label2id": {label: index for index, label in enumerate(label_names)},
        "problem_type": problem_type,
    }
    if model_args.from_scratch:
        config = load_config(model_args, **labels)
        config = variant.of(config) if variant else config
        model = with_names_of_today(AutoModelForSequenceClassification.from_config(config, dtype=torch.float32))
    else:
        if variant:
            labels = {"config": variant.of(load_config(model_args, **labels))}
        model, loading = load_model(AutoModelForSequenceClassification, model_args, **labels)
        head = f"head for the labels {shorten(label_names)}"
        new = new_parts(model, loading, head)
        if trained_labels(load_config(model_args), problem_type) != list(label_names) and head not in new:
            renew_head(model)  # one of other labels means nothing here
            new = sorted([*new, head])
        if new and not train:
            raise UserError(
                f"--do_train false: {name} has no {' and no '.join(new)}{theirs(model_args)}: name a classifier of "
                "these labels, give the data its names with --label_names, or train"
            )
        say_what_is_new(new, name)
    if freeze_encoder:
        for parameter_name, parameter in model.base_model.named_parameters():
            parameter.requires_grad = parameter_name.startswith("pooler.")
    return set_long_texts(model, long_texts)


def variant_asked_for(model_args: ModelArguments) -> type[BertVariantConfig] | None:
    """None: what the checkpoint is."""
    if getattr(model_args, "aspect_attention", False):
        return AspectBertConfig
    pooling = getattr(model_args, "pooling", None)
    reads_mean = load_config(model_args).model_type == MeanPoolingBertConfig.model_type
    if reads_mean and pooling == "cls":
        raise UserError(
            f"--pooling cls: {model_args.model_name_or_path} was trained to read the mean of the tokens: leave it out, "
            "or start from the model before"
        )
    if reads_mean:
        tell(f"{model_args.model_name_or_path} reads the mean of the tokens, not [CLS]")
    return MeanPoolingBertConfig if pooling == "mean" else None


def trained_labels(config: PretrainedConfig, problem_type: str) -> list[str] | None:
    """The labels of the classifier that a checkpoint is, where it decides in the same way; "1" for LABEL_1, which
    transformers calls a class that nobody has named. None for any other model."""
    architecture = (config.architectures or ["none"])[0]
    if not architecture.endswith(CLASSIFIER) or config.problem_type not in (None, problem_type):
        return None
    return [re.sub("^LABEL_(?=[0-9]+$)", "", config.id2label[index]) for index in range(config.num_labels)]


def names_as_trained(
    model_args: ModelArguments, label_names: Sequence[str], problem_type: str, train: bool = True
) -> list[str]:
    """The data's labels in the order in which the checkpoint, a classifier of them, has them; else as they are.

    Where nothing is to `train`, the data may lack some of the checkpoint's labels.
    """
    former = None if model_args.from_scratch else trained_labels(load_config(model_args), problem_type)
    if former and problem_type == REGRESSION and len(former) == 1:
        return former
    if former and (set(former) == set(label_names) or (not train and set(former) > set(label_names))):
        return former
    return list(label_names)


def theirs(model_args: ModelArguments) -> str:
    """The labels that a classifier has, in brackets; nothing for any other model."""
    config = load_config(model_args)
    classifier = (config.architectures or ["none"])[0].endswith(CLASSIFIER)
    return f" (it has {shorten(config.id2label.values())})" if classifier else ""


def renew_head(model: PreTrainedModel) -> None:
    """Draw the head anew: one that was fine-tuned on other labels means nothing here, even where its size fits."""
    for name, module in model.named_children():
        if name != model.base_model_prefix:
            draw_anew(model, module)


def load_trained_classifier(model_args: CheckpointArguments) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A classifier that one of the recipes, or anyone, has trained, and its tokenizer: a model folder, the folder of an
    adapter or of a LoRA run's checkpoint, or a Hub id."""
    name = model_args.model_name_or_path
    if is_adapter(Path(name)):
        model, tokenizer = load_adapted(model_args)
        set_long_texts(model.get_base_model(), trained_long_texts(model.config, model_args, tokenizer))
        return model, tokenizer
    architecture = (load_config(model_args).architectures or ["none"])[0]
    if not architecture.endswith(CLASSIFIER):
        raise UserError(
            f"--model_name_or_path {name} is no classifier (it is {architecture}): train one with recipes/finetune.py "
            "or recipes/lora.py"
        )
    model, loading = load_model(AutoModelForSequenceClassification, model_args)
    if new := new_parts(model, loading, HEAD):
        raise UserError(
            f"--model_name_or_path {name}: its file has no {' and no '.join(new)}, so it can't label a text"
        )
    tokenizer = load_tokenizer(model_args)
    return set_long_texts(model, trained_long_texts(model.config, model_args, tokenizer)), tokenizer
