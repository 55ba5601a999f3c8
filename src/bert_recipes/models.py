"""Load a tokenizer, a classifier or a masked language model; the exact sparse head; LoRA on and off."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from huggingface_hub.errors import HTTPError
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import ModelOutput

from .arguments import CheckpointArguments, LoraArguments, MlmArguments, ModelArguments
from .checkpoints import checkpoint_to_resume
from .corpora import sha256
from .encoding import PAD_TO_MULTIPLE_OF, train_tokenizer
from .errors import UserError
from .hub import reason
from .masking import MaskedChunks
from .streaming import StreamedChunks

EMBEDDED_MODELS = Path(__file__).parent / "assets"
MASKED_LM_HEAD = "masked-language-model head"


def resolve(model_name_or_path: str) -> str:
    """The folder of an embedded model, or the name as it stands: a folder of the user's, or a Hub id."""
    embedded = EMBEDDED_MODELS / model_name_or_path
    folder = Path(model_name_or_path)
    if not folder.exists() and (embedded / "config.json").exists():
        return str(embedded)
    if folder.exists() and not (folder / "config.json").exists():
        raise UserError(f"--model_name_or_path {model_name_or_path} is no model folder: it has no config.json")
    looks_like_a_path = model_name_or_path.startswith((".", "/", "~", "outputs/")) or len(folder.parts) > 2
    if not folder.exists() and looks_like_a_path:
        raise UserError(f"--model_name_or_path {model_name_or_path}: there is no such folder")
    return model_name_or_path


def load(auto_class: type, model_args: CheckpointArguments, **kwargs):
    """`auto_class.from_pretrained` for the model that the arguments name, where a user's mistake is one line."""
    try:
        return auto_class.from_pretrained(
            resolve(model_args.model_name_or_path),
            revision=model_args.revision,
            trust_remote_code=model_args.trust_remote_code,
            **kwargs,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, HTTPError) as error:
        told = reason(error, model_args.model_name_or_path)
        raise UserError(f"--model_name_or_path {model_args.model_name_or_path} can't be loaded: {told}") from error


def load_config(model_args: CheckpointArguments, **kwargs):
    return load(AutoConfig, model_args, **kwargs)


def weights_fingerprint(model_args: CheckpointArguments) -> str:
    """sha256 of the weights' files in their order, or of a Hub model the commit that is loaded."""
    folder = Path(resolve(model_args.model_name_or_path))
    if not folder.exists():
        return load_config(model_args)._commit_hash
    return " ".join(sha256(str(path)) for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]))


def load_tokenizer(model_args: CheckpointArguments) -> PreTrainedTokenizerBase:
    """The tokenizer, checked against the model's vocabulary and cut to the positions that the model has.

    A folder with vocab.txt alone gives `model_max_length` 1e30, where truncation truncates nothing.
    """
    config, tokenizer = load_config(model_args), load(AutoTokenizer, model_args)
    # A model's table may be padded up a little, for the sake of speed: mDeBERTa's most, by 899 entries.
    if not config.vocab_size - 1000 < len(tokenizer) <= config.vocab_size:
        raise UserError(
            f"--model_name_or_path {model_args.model_name_or_path}: its tokenizer has {len(tokenizer):,} entries, "
            f"its model {config.vocab_size:,}: they belong to different models"
        )
    if len(tokenizer) < config.vocab_size:
        unused = config.vocab_size - len(tokenizer)
        print(f"{model_args.model_name_or_path}: no token uses the last {unused} rows of its table", flush=True)
    tokenizer.model_max_length = min(tokenizer.model_max_length, readable_length(config))
    return tokenizer


def load_or_train_tokenizer(model_args: ModelArguments, args: MlmArguments, texts: Iterable[str]):
    """The checkpoint's tokenizer; with `--from_scratch` a WordPiece vocabulary trained on `texts`.

    Trained twice, a vocabulary comes out in another order: one process trains it for all, and a run that goes on
    takes the one it began with.
    """
    if not model_args.from_scratch:
        return load_tokenizer(model_args)
    if checkpoint := checkpoint_to_resume(args):
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    else:
        trained = train_tokenizer(texts, args.vocab_size, args.vocab_alphabet) if args.process_index == 0 else None
        (tokenizer,) = broadcast_object_list([trained])
    tokenizer.model_max_length = readable_length(load_config(model_args))
    return tokenizer


def readable_length(config) -> int:
    """Tokens that the position table holds, down to a multiple of what batches are padded up to.

    RoBERTa's kind counts its positions from `pad_token_id + 1`.
    """
    offset = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    positions = getattr(config, "max_position_embeddings", 512) - offset
    return positions // PAD_TO_MULTIPLE_OF * PAD_TO_MULTIPLE_OF


def load_classifier(
    model_args: ModelArguments, label_names: Sequence[str], multi_label: bool = False, freeze_encoder: bool = False
) -> PreTrainedModel:
    """The encoder with a new head for `label_names`, in fp32 whatever the checkpoint's files hold.

    `freeze_encoder` leaves the head and the pooler to train, and nothing else.
    """
    head = {
        "id2label": dict(enumerate(label_names)),
        "label2id": {name: index for index, name in enumerate(label_names)},
        "problem_type": "multi_label_classification" if multi_label else "single_label_classification",
    }
    if model_args.from_scratch:
        model = AutoModelForSequenceClassification.from_config(load_config(model_args, **head), dtype=torch.float32)
    else:
        model = load(
            AutoModelForSequenceClassification, model_args, ignore_mismatched_sizes=True, dtype=torch.float32, **head
        )
        if load_config(model_args).id2label != head["id2label"]:
            renew_head(model)
    if freeze_encoder:
        for name, parameter in model.base_model.named_parameters():
            parameter.requires_grad = name.startswith("pooler.")
    return model


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
        model = attend_to_neighbours(class_for(config, nsp)._from_config(config, dtype=torch.float32))
        if train is not None:
            guess_by_frequency(model, train.token_counts())
    else:
        model_class = class_for(load_config(model_args), nsp)
        model, loading = load(model_class, model_args, dtype=torch.float32, output_loading_info=True)
        say_what_is_new(model, loading["missing_keys"], model_args)
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


def class_for(config: PretrainedConfig, nsp: bool) -> type[PreTrainedModel]:
    model_class = (MODEL_FOR_PRETRAINING_MAPPING if nsp else MODEL_FOR_MASKED_LM_MAPPING).get(type(config), None)
    if nsp and (model_class is None or "next_sentence_label" not in inspect.signature(model_class.forward).parameters):
        raise UserError(f"--nsp: models of type {config.model_type} do not predict next sentences; BERT does")
    if model_class is None or config.is_encoder_decoder:
        raise UserError(f"--model_name_or_path: models of type {config.model_type} do not guess masked tokens")
    return model_class


def new_parts(model: PreTrainedModel, missing_keys: Iterable[str]) -> set[str]:
    """The heads that a checkpoint lacks, which start from random weights."""
    names = {"cls.seq_relationship": "next-sentence head", "pooler": "pooler"}
    return {
        next((title for part, title in names.items() if part in key), MASKED_LM_HEAD)
        for key in missing_keys
        if not key.startswith(f"{model.base_model_prefix}.") or "pooler" in key
    }


def say_what_is_new(model: PreTrainedModel, missing_keys: Iterable[str], model_args: ModelArguments) -> None:
    for title in sorted(new_parts(model, missing_keys)):
        print(f"{model_args.model_name_or_path} has no {title}: a new one starts from random weights", flush=True)


def has_masked_lm_head(model_args: ModelArguments) -> bool:
    """Whether the checkpoint brings one along: a classifier's does not, nor does an encoder that was saved alone."""
    model, loading = load(class_for(load_config(model_args), nsp=False), model_args, output_loading_info=True)
    return MASKED_LM_HEAD not in new_parts(model, loading["missing_keys"])


def carry_pooler(model: PreTrainedModel, model_args: ModelArguments) -> None:
    """Keep the checkpoint's pooler for the classifier that starts from what is saved.

    `BertForMaskedLM` has no pooler, so a classifier that starts from it would get a random one. The loss does not
    reach it: it is frozen, and saved as it came.
    """
    encoder = load(AutoModel, model_args, dtype=torch.float32)
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
        print(f"the head of {type(model).__name__} needs every position: it stays dense, exact but slower", flush=True)
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


def add_lora(model: PreTrainedModel, args: LoraArguments) -> PeftModel:
    """Freeze the encoder; train low-rank adapters beside its projections (Hu et al. 2021, arXiv 2106.09685), and the
    head with its pooler in full.

    The pooler belongs to the head: BertForMaskedLM has none, so in a classifier that starts from one it is random, and
    frozen it would not be saved with the adapter: the reloaded model would give other logits.
    """
    head = [name for name, _ in model.named_children() if name != model.base_model_prefix and name != "dropout"]
    pooler = ["pooler"] if getattr(model.base_model, "pooler", None) is not None else []
    known = model.config.model_type in TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    named = args.lora_target_modules or (None if known else "all-linear")
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=args.lora_r,
        lora_alpha=args.lora_alpha,
        lora_dropout=args.lora_dropout,
        target_modules=[part.strip() for part in named.split(",")] if named and named != "all-linear" else named,
        modules_to_save=head + pooler,
        use_rslora=args.use_rslora,
        use_dora=args.use_dora,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"--lora_r {args.lora_r} --lora_target_modules {named}: {reason}") from error


def save_lora(model: PeftModel, tokenizer: PreTrainedTokenizerBase, args: LoraArguments) -> None:
    """Save the adapter, head and pooler to `adapter/`, and the model with the adapter merged in to `output_dir`
    itself (unless `--no_merge`).

    Apart, since `from_pretrained` applies an adapter that lies beside merged weights a second time. The config goes
    with the adapter too: peft's own file has no label names.
    """
    if not args.should_save:
        return
    adapter_dir = Path(args.output_dir) / "adapter"
    model.save_pretrained(adapter_dir)
    model.get_base_model().config.save_pretrained(adapter_dir)
    tokenizer.save_pretrained(adapter_dir)
    if args.merge:
        copy.deepcopy(model).merge_and_unload().save_pretrained(args.output_dir)
        tokenizer.save_pretrained(args.output_dir)


def load_trained_classifier(model_args: CheckpointArguments) -> PreTrainedModel:
    """A classifier that one of the recipes, or anyone, has trained: a model folder, an adapter folder, or a Hub id."""
    folder = Path(model_args.model_name_or_path)
    if (folder / "adapter_config.json").exists():
        # AutoPeftModel would want the label maps again: they lie beside the adapter.
        base_args = CheckpointArguments(PeftConfig.from_pretrained(folder).base_model_name_or_path)
        base_args.trust_remote_code = model_args.trust_remote_code
        base = load(
            AutoModelForSequenceClassification,
            base_args,
            config=AutoConfig.from_pretrained(folder),
            ignore_mismatched_sizes=True,  # the adapter brings its head with it
            dtype=torch.float32,
        )
        return PeftModel.from_pretrained(base, folder)
    architectures = load_config(model_args).architectures or ["none"]
    if not architectures[0].endswith("ForSequenceClassification"):
        raise UserError(
            f"--model_name_or_path {model_args.model_name_or_path} is no classifier (it is {architectures[0]}): "
            "train one with recipes/finetune.py or recipes/lora.py"
        )
    return load(AutoModelForSequenceClassification, model_args, dtype=torch.float32)


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Trained and frozen weights; peft's idle copies of the modules that it trains in full are no part of the model."""
    used = [parameter for name, parameter in model.named_parameters() if ".original_module." not in name]
    trained = sum(parameter.numel() for parameter in used if parameter.requires_grad)
    return trained, sum(parameter.numel() for parameter in used) - trained
