"""LoRA on and off: adapters beside a frozen encoder, saved, merged, and put back on their base model."""

from __future__ import annotations

import copy
import zlib
from pathlib import Path

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from safetensors import safe_open
from transformers import (
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainingArguments,
)

from ..arguments.adapters import AdapterArguments
from ..arguments.model import CheckpointArguments
from ..run.errors import UserError
from .long_texts import save_filter
from .pretrained import load_config, load_model
from .tokenization import load_tokenizer

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# The last projection of a classifier: RoBERTa's, and everybody else's.
HEADS = ("classifier.out_proj", "classifier", "score")


def add_lora(model: PreTrainedModel, args: AdapterArguments, task: TaskType = TaskType.SEQ_CLS) -> PeftModel:
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
        task_type=task,
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


def save_lora(model: PeftModel, tokenizer: PreTrainedTokenizerBase, args: TrainingArguments) -> None:
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
    save_filter(model, adapter_dir)
    if args.merge:
        copy.deepcopy(model).merge_and_unload().save_pretrained(args.output_dir)
        tokenizer.save_pretrained(args.output_dir)
        save_filter(model, Path(args.output_dir))


def checksum_of_frozen(model: PeftModel) -> str:
    """CRC-32 of the weights that the adapter stands beside, as eight hexadecimal digits. Without peft's idle copies of
    the head, which start from random numbers."""
    value = 0
    for name, weight in model.named_parameters():
        if not weight.requires_grad and ".original_module." not in name:
            value = zlib.crc32(weight.detach().cpu().flatten().view(torch.uint8).numpy(), value)
    return f"{value:08x}"


def is_adapter(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).exists()


def load_adapted(
    model_args: CheckpointArguments, auto_class: type = AutoModelForSequenceClassification
) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """The base model that an adapter's folder names, with the adapter and its head on it; and the tokenizer."""
    folder = Path(model_args.model_name_or_path)
    base_args = base_of_adapter(folder, model_args)
    config = config_of_adapter(model_args)
    # AutoPeftModel would want the label maps again.
    base, _ = load_model(auto_class, base_args, config=config)
    return PeftModel.from_pretrained(base, folder), load_tokenizer(model_args if is_whole(folder) else base_args)


def config_of_adapter(model_args: CheckpointArguments) -> PretrainedConfig:
    """The folder's config.json, which has the label names (`save_lora`, and each checkpoint of a run); where peft alone
    has written it, its base's: its labels are LABEL_0 and so on."""
    folder = Path(model_args.model_name_or_path)
    if is_whole(folder):
        return load_config(model_args)
    return load_config(base_of_adapter(folder, model_args), num_labels=classes_of_head(folder))


def base_of_adapter(folder: Path, model_args: CheckpointArguments) -> CheckpointArguments:
    adapter = PeftConfig.from_pretrained(folder)
    return CheckpointArguments(
        adapter.base_model_name_or_path, adapter.revision or "main", model_args.trust_remote_code
    )


def is_whole(folder: Path) -> bool:
    return (folder / "config.json").exists()


def last_projection(model: torch.nn.Module) -> torch.nn.Linear:
    """The one that gives a classifier's logits, of an adapted one too. Raises `UserError` where it is not found."""
    for name, module in model.named_modules():
        name = name.replace(".modules_to_save.default", "")  # peft trains a copy
        of_labels = isinstance(module, torch.nn.Linear) and module.out_features == model.config.num_labels
        if of_labels and name.endswith(HEADS):
            return module
    raise UserError(f"--calibrate: no last projection is found in {type(model).__name__}: leave it out")


def classes_of_head(folder: Path) -> int:
    """Of the classifier that an adapter brings along: the rows of its last matrix."""
    if not (folder / ADAPTER_WEIGHTS).exists():
        raise UserError(f"--model_name_or_path {folder}: it has no {ADAPTER_WEIGHTS}")
    with safe_open(folder / ADAPTER_WEIGHTS, "pt") as weights:
        names = list(weights.keys())
        heads = [name for ending in HEADS for name in names if name.endswith(f"{ending}.weight")]
        if not heads:
            raise UserError(f"--model_name_or_path {folder}: its adapter has no classifier's head, and no config.json")
        return weights.get_slice(heads[0]).get_shape()[0]
