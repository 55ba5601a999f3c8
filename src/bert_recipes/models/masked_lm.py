"""Load a masked language model, with next-sentence prediction too."""

from __future__ import annotations

import inspect

import torch
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ..arguments.model import ModelArguments
from ..run.errors import UserError
from ..text.masking import MaskedChunks
from ..text.streaming import StreamedChunks
from .layers import set_dropout
from .pretrained import load_config, load_model, new_parts, say_what_is_new, with_names_of_today
from .sparse_head import sparse_head
from .starting_weights import attend_to_neighbours, guess_by_frequency

MASKED_LM_HEAD = "masked-language-model head"


def load_masked_lm(
    model_args: ModelArguments,
    tokenizer: PreTrainedTokenizerBase,
    dropout: float = 0.0,
    nsp: bool = False,
    train: MaskedChunks | StreamedChunks | None = None,
) -> PreTrainedModel:
    """A masked language model whose vocabulary projection sees the masked positions alone (`sparse_head`); with `nsp`
    one that tells consecutive texts too (`BertForPreTraining`, or its like).

    `dropout` holds while this model trains; the config that is saved keeps its own for the stages to come. With
    `--from_scratch` the model starts from what `train` tells without training: how frequent each token is.
    """
    if model_args.from_scratch:
        special_ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
        config = load_config(model_args, vocab_size=len(tokenizer), **special_ids)
        model = with_names_of_today(class_for(config, nsp)._from_config(config, dtype=torch.float32))
        attend_to_neighbours(model)
        if train is not None:
            guess_by_frequency(model, train.token_counts())
    else:
        model, loading = load_model(class_for(load_config(model_args), nsp), model_args)
        say_what_is_new(new_parts(model, loading, MASKED_LM_HEAD), model_args.model_name_or_path)
        if not nsp and any("pooler" in key for key in loading["unexpected_keys"]):
            carry_pooler(model, model_args)
    set_dropout(model, dropout)
    return sparse_head(model)


def class_for(config: PretrainedConfig, nsp: bool) -> type[PreTrainedModel]:
    model_class = (MODEL_FOR_PRETRAINING_MAPPING if nsp else MODEL_FOR_MASKED_LM_MAPPING).get(type(config), None)
    if nsp and (model_class is None or "next_sentence_label" not in inspect.signature(model_class.forward).parameters):
        raise UserError(f"--nsp: models of type {config.model_type} do not predict next sentences; BERT does")
    if model_class is None or config.is_encoder_decoder:
        raise UserError(f"--model_name_or_path: models of type {config.model_type} do not guess masked tokens")
    return model_class


def has_masked_lm_head(model_args: ModelArguments) -> bool:
    """Whether the checkpoint brings one along: a classifier's does not, nor does an encoder that was saved alone."""
    model, loading = load_model(class_for(load_config(model_args), nsp=False), model_args)
    return MASKED_LM_HEAD not in new_parts(model, loading, MASKED_LM_HEAD)


def carry_pooler(model: PreTrainedModel, model_args: ModelArguments) -> None:
    """Keep the checkpoint's pooler for the classifier that starts from what is saved.

    `BertForMaskedLM` has no pooler, so a classifier that starts from it would get a random one. The loss does not
    reach it: it is frozen, and saved as it came.
    """
    encoder, _ = load_model(AutoModel, model_args)
    model.base_model.pooler = encoder.pooler.requires_grad_(False)
