"""Load a model that tags the tokens of a text: a new head on an encoder, or one that is trained already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from peft import PeftModel, TaskType
from transformers import AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.model import CheckpointArguments, ModelArguments
from ..arguments.ner import NerArguments
from ..run.errors import UserError, shorten
from ..text.tags import tag_names, types_of
from .adapters import add_lora, is_adapter, load_adapted
from .classifiers import renew_head
from .pretrained import HEAD, load_config, load_model, new_parts, say_what_is_new, with_names_of_today
from .tokenization import load_tokenizer

TOKEN_CLASSIFIER = "ForTokenClassification"  # how the names of such classes end


def load_token_classifier(model_args: ModelArguments, names: Sequence[str], train: bool = True) -> PreTrainedModel:
    """The encoder with a head for the tags `names`, in fp32; the head is new unless the checkpoint has these very tags.
    Raises `UserError` where nothing is to `train` and the head would be new."""
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    if model_args.from_scratch:
        config = load_config(model_args, **labels)
        return with_names_of_today(AutoModelForTokenClassification.from_config(config, dtype=torch.float32))
    model, loading = load_model(AutoModelForTokenClassification, model_args, **labels)
    head = f"head for the tags of {shorten(types_of(names))}"
    new = new_parts(model, loading, head)
    if trained_tags(model_args) != list(names) and head not in new:
        renew_head(model)
        new = sorted([*new, head])
    if new and not train:
        raise UserError(
            f"--do_train false: {model_args.model_name_or_path} has no {' and no '.join(new)}: name a model of ner.py "
            "that was trained on these types, or train"
        )
    say_what_is_new(new, model_args.model_name_or_path)
    return model


def trained_tags(model_args: CheckpointArguments) -> list[str] | None:
    """Those of the token classifier that a checkpoint is; None for any other model."""
    config = load_config(model_args)
    if not (config.architectures or ["none"])[0].endswith(TOKEN_CLASSIFIER):
        return None
    return [config.id2label[number] for number in range(config.num_labels)]


def tags_as_trained(model_args: ModelArguments, types: Iterable[str], train: bool = True) -> list[str]:
    """The tags of these types, in the order of a checkpoint that has them already; where nothing is to `train` it may
    have more."""
    names = tag_names(types)
    former = None if model_args.from_scratch else trained_tags(model_args)
    if former and (set(former) == set(names) or (not train and set(former) > set(names))):
        return former
    return names


def with_adapters(model: PreTrainedModel, args: NerArguments) -> PreTrainedModel | PeftModel:
    """The model as it is, or with --lora frozen, adapters beside its projections, its head to train in full."""
    return add_lora(model, args, TaskType.TOKEN_CLS) if args.lora else model


def load_trained_token_classifier(
    model_args: CheckpointArguments,
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """One that ner.py, or anyone, has trained, and its tokenizer: a model folder, an adapter's folder, or a Hub id."""
    if is_adapter(Path(model_args.model_name_or_path)):
        return load_adapted(model_args, AutoModelForTokenClassification)
    model, loading = load_model(AutoModelForTokenClassification, model_args)
    if new := new_parts(model, loading, HEAD):
        raise UserError(
            f"--model_name_or_path {model_args.model_name_or_path}: its file has no {' and no '.join(new)}, so it "
            "can't tag a text"
        )
    return model, load_tokenizer(model_args)
