"""Load a classifier or a masked language model; the exact sparse head."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    AutoModel,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import ModelOutput

from ..arguments.arguments import CheckpointArguments, ModelArguments
from ..arguments.problems import REGRESSION, SINGLE_LABEL
from ..run.errors import UserError, tell
from ..text.corpora import sha256
from ..text.masking import MaskedChunks
from ..text.streaming import StreamedChunks
from .adapters import is_adapter, load_adapted
from .pretrained import (
    HEAD,
    load_config,
    load_model,
    new_parts,
    resolve,
    say_what_is_new,
    with_names_of_today,
)
from .tokenization import load_tokenizer

MASKED_LM_HEAD = "masked-language-model head"
CLASSIFIER = "ForSequenceClassification"  # how the names of such classes end


def weights_fingerprint(model_args: CheckpointArguments) -> str:
    """sha256 of the weights' files in their order, or of a Hub model the commit that is loaded."""
    folder = Path(resolve(model_args.model_name_or_path))
    if not folder.exists():
        return load_config(model_args)._commit_hash
    return " ".join(sha256(str(path)) for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]))


def load_classifier(
    model_args: ModelArguments,
    label_names: Sequence[str],
    problem_type: str = SINGLE_LABEL,
    freeze_encoder: bool = False,
    train: bool = True,
) -> PreTrainedModel:
    """The encoder with a head for `label_names`, in fp32 whatever the checkpoint's files hold.

    The head is new, unless the checkpoint is a classifier of these very labels (`names_as_trained` puts them into its
    order). `freeze_encoder` leaves the head and the pooler to train, and nothing else. Raises `UserError` where nothing
    is to `train` and the head would be new.
    """
    name = model_args.model_name_or_path
    labels = {
        "id2label": dict(enumerate(label_names)),
        "label2id": {label: index for index, label in enumerate(label_names)},
        "problem_type": problem_type,
    }
    if model_args.from_scratch:
        config = load_config(model_args, **labels)
        model = with_names_of_today(AutoModelForSequenceClassification.from_config(config, dtype=torch.float32))
    else:
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
    return model


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
    return f" (it has {shorten(list(config.id2label.values()))})" if classifier else ""


def shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f", … ({len(names)} in all)" if len(names) > 8 else "")


def renew_head(model: PreTrainedModel) -> None:
    """Draw the head anew: one that was fine-tuned on other labels means nothing here, even where its size fits."""
    for name, module in model.named_children():
        if name != model.base_model_prefix:
            for part in module.modules():
                for parameter in part.parameters(recurse=False):
                    parameter._is_hf_initialized = False  # else transformers leaves a loaded weight as it is
                model._init_weights(part)


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
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return sparse_head(model)


@torch.no_grad()
def attend_to_neighbours(model: PreTrainedModel) -> PreTrainedModel:
    """Start a BERT where attention prefers tokens that are near and alike, which it otherwise has to find out first.

    Sinusoids for position embeddings (Vaswani et al. 2017, arXiv 1706.03762; of the size that the others have), whose
    products fall with the distance, and key weights equal to the query's, a positive product (Trockman & Kolter 2023,
    arXiv 2305.09828). Fixed values at the start, trained like all others. A model of another build is left as it is.
    """
    embeddings = getattr(model.base_model, "embeddings", None)
    positions = getattr(embeddings, "position_embeddings", None)
    attentions = [module for module in model.modules() if hasattr(module, "query") and hasattr(module, "key")]
    if not isinstance(positions, torch.nn.Embedding) or not attentions:
        return model
    count, width = positions.weight.shape
    angles = torch.arange(count).unsqueeze(1) * 10_000 ** (-torch.arange(0, width, 2) / width)
    waves = torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :width]
    positions.weight.copy_(waves * 2**0.5 * model.config.initializer_range)  # a sinusoid's mean square is a half
    for attention in attentions:
        attention.key.weight.copy_(attention.query.weight.mul_(1.5))  # 1.5 did well; little else was tried
    return model


@torch.no_grad()
def guess_by_frequency(model: PreTrainedModel, token_counts: np.ndarray) -> PreTrainedModel:
    """Start a masked language model from how frequent each token is, which its first hundred steps learn otherwise:
    the bias of the vocabulary projection, where it has one, becomes log((count + 1) / (all + vocabulary)).

    `token_counts` has shape (vocabulary,), or less where the last tokens never occur.
    """
    bias = getattr(model.get_output_embeddings(), "bias", None)
    if bias is not None:
        counts = torch.ones_like(bias)
        counts[: len(token_counts)] += torch.from_numpy(token_counts)
        bias.copy_((counts / counts.sum()).log())
    return model


@torch.no_grad()
def guess_the_mean(model: torch.nn.Module, labels: Sequence[float]) -> None:
    """Let a regression's new head, whose bias is 0, start from the mean of the labels, which its first hundred steps
    learn otherwise. A head that was trained stays as it is."""
    for module in model.modules():
        one_output = isinstance(module, torch.nn.Linear) and module.out_features == 1
        if one_output and module.bias is not None and not module.bias.any():
            module.bias.fill_(float(np.mean(labels)))


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


def sparse_head(model: PreTrainedModel) -> PreTrainedModel:
    """Let everything behind the encoder see the masked positions alone: exact, and most of the work saved.

    32 x 128 tokens x 21,128 words are 86 M logits, of which 15 % have a label. A call that passes
    `masked_positions` (bool, shape (rows, length)) gets logits of shape (1, masked, vocabulary) in row-major order;
    any other call gets the dense (rows, length, vocabulary). Works by hooks, so a model's forward stays its own. A head
    that looks at more than one position, or has another shape, is found out by a trial, and stays dense.
    """
    handles = [
        model.register_forward_pre_hook(take_masked_positions, with_kwargs=True),
        model.base_model.register_forward_hook(keep_masked_positions),
    ]
    if not sparse_is_exact(model):
        for handle in handles:
            handle.remove()
        model.register_forward_pre_hook(drop_masked_positions, with_kwargs=True)
        tell(f"the head of {type(model).__name__} needs every position: it stays dense, exact but slower")
    return model


def take_masked_positions(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    # On the encoder, not in a closure: a copy of the model has an encoder of its own.
    model.base_model.masked_positions = kwargs.pop("masked_positions", None)
    return args, kwargs


def drop_masked_positions(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    kwargs.pop("masked_positions", None)
    return args, kwargs


def keep_masked_positions(encoder: torch.nn.Module, args: tuple, outputs: ModelOutput) -> ModelOutput:
    if encoder.masked_positions is not None:
        outputs["last_hidden_state"] = outputs["last_hidden_state"][encoder.masked_positions].unsqueeze(0)
    return outputs


@torch.no_grad()
def sparse_is_exact(model: PreTrainedModel) -> bool:
    """Whether eight made-up tokens, of which three count, get the logits that the dense head gives them."""
    training, model_input = model.training, torch.arange(8).view(2, 4).to(model.device)
    masked_positions = torch.tensor([[False, True, False, True], [True, False, False, False]], device=model.device)
    model.eval()
    try:
        dense = model(input_ids=model_input)
        name = "logits" if "logits" in dense else "prediction_logits"
        sparse = model(input_ids=model_input, masked_positions=masked_positions)[name]
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    finally:
        model.train(training)
        model.base_model.masked_positions = None
    expected = dense[name][masked_positions].unsqueeze(0)
    return sparse.shape == expected.shape and torch.allclose(sparse, expected, atol=1e-4, rtol=1e-4)


def load_trained_classifier(model_args: CheckpointArguments) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A classifier that one of the recipes, or anyone, has trained, and its tokenizer: a model folder, the folder of an
    adapter or of a LoRA run's checkpoint, or a Hub id."""
    name = model_args.model_name_or_path
    if is_adapter(Path(name)):
        return load_adapted(model_args)
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
    return model, load_tokenizer(model_args)


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Trained and frozen weights; peft's idle copies of the modules that it trains in full are no part of the model."""
    used = [parameter for name, parameter in model.named_parameters() if ".original_module." not in name]
    trained = sum(parameter.numel() for parameter in used if parameter.requires_grad)
    return trained, sum(parameter.numel() for parameter in used) - trained
