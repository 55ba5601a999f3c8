"""`from_pretrained` that draws nothing of an encoder anew: what a checkpoint lacks is told, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedModel
from transformers.utils import logging

from ..arguments.model import CheckpointArguments
from ..run.errors import UserError, counted, tell
from ..run.hub import reason
from ..text.corpora import sha256

EMBEDDED_MODELS = Path(__file__).parents[1] / "assets"
# Runs kept in docs/comparisons, and commands that were written down, name the model as it was called then.
FORMER_MODEL_NAMES = {"bert-mini-zh-v3": "bert-mini-zh"}
# What DataParallel and torch.compile put in front of every name of a model that is saved as they have wrapped it.
WRAPPERS = r"^(?:(?:module|_orig_mod)\.)+"
SIZES = ("_size", "_embeddings", "dim")  # how the names of a config's sizes end
HEAD, POOLER = "head", "pooler"
PARTS = {"cls.seq_relationship": "next-sentence head", "pooler": POOLER, "aspect_attention": "aspect attention"}


def resolve(model_name_or_path: str) -> str:
    """The folder of an embedded model, or the name as it stands: a folder of the user's, or a Hub id."""
    embedded = EMBEDDED_MODELS / FORMER_MODEL_NAMES.get(model_name_or_path, model_name_or_path)
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
        told = reason(error, model_args.model_name_or_path).partition(" Model type should be one of")[0]
        raise UserError(f"--model_name_or_path {model_args.model_name_or_path} can't be loaded: {told}") from error


def load_config(model_args: CheckpointArguments, **kwargs):
    return load(AutoConfig, model_args, **kwargs)


def load_model(auto_class: type, model_args: CheckpointArguments, **kwargs) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model in fp32, its encoder wholly the checkpoint's, and transformers' loading info (`missing_keys`,
    `unexpected_keys`, `mismatched_keys`).

    Its heads and its pooler may be new: `new_parts` names them. Raises `UserError` where any weight of the encoder
    would start from random numbers: the file lacks it, names it otherwise, or has another shape than config.json.
    """
    refuse_adapter(model_args.model_name_or_path)
    with load_report_unsaid():
        model, loading = load(
            auto_class,
            model_args,
            dtype=torch.float32,
            key_mapping={WRAPPERS: ""},
            ignore_mismatched_sizes=True,  # of a head for other labels; all else is refused below
            output_loading_info=True,
            **kwargs,
        )
    name = model_args.model_name_or_path
    refuse_new_encoder(model, loading, name)
    say_what_is_left_out(model, loading["unexpected_keys"], name)
    if any(conversion.source_patterns == [WRAPPERS] for conversion in model._weight_conversions):
        tell(f"{name}: the names of its weights begin with module. or _orig_mod., which is taken off")
    return with_names_of_today(model), loading


def refuse_adapter(name: str) -> None:
    """A folder of peft's, which holds a part of a model only."""
    files = {path.name for path in Path(name).glob("*")}
    if "adapter_config.json" in files and not any(file.startswith(("model", "pytorch_model")) for file in files):
        raise UserError(
            f"--model_name_or_path {name} is an adapter: start from a whole model, such as the merged one that lora.py "
            "leaves in its output_dir"
        )


def with_names_of_today(model: PreTrainedModel) -> PreTrainedModel:
    """Have the model saved under the names that its own weights have. transformers would go back to those of the file
    that it came from (`LayerNorm.gamma`), which a resume and the best checkpoint, by `load_state_dict`, do not find."""
    model._weight_conversions = []
    return model


@contextmanager
def load_report_unsaid() -> Iterator[None]:
    """transformers prints a table of all that is new, left out or of another shape, and calls a checkpoint without a
    masked-token head corrupted. What matters of it is told in a line each."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def in_encoder(model: PreTrainedModel, keys: Iterable[str]) -> list[str]:
    """The names among `keys` that belong to the encoder, without its pooler; `model` may be an encoder alone."""
    alone = not hasattr(model, model.base_model_prefix)
    parts = [name for name, _ in model.named_children()] if alone else [model.base_model_prefix]
    return sorted(key for key in keys if key.split(".")[0] in parts and POOLER not in key)


def refuse_new_encoder(model: PreTrainedModel, loading: dict[str, Any], name: str) -> None:
    missing = in_encoder(model, loading["missing_keys"])
    if missing:
        encoder = in_encoder(model, (key for key, _ in model.named_parameters()))
        others = sorted(loading["unexpected_keys"])
        found = f"; it has {others[0]}, which this model has no place for" if others else ""
        raise UserError(
            f"--model_name_or_path {name}: its file lacks {len(missing)} of the encoder's {len(encoder)} weights, such "
            f"as {missing[0]}{found}. They would start from random numbers: config and weights must be of one model"
        )
    shapes = {key: (tuple(saved), tuple(built)) for key, saved, built in loading["mismatched_keys"]}
    for key in in_encoder(model, shapes):
        saved, built = shapes[key]
        raise UserError(
            f"--model_name_or_path {name}: {key} has shape {saved} in its file, and {built} by its config.json"
            f"{size_in_config(model.config, saved, built)}: put the config right"
        )


def size_in_config(config: transformers.PretrainedConfig, saved: tuple[int, ...], built: tuple[int, ...]) -> str:
    """Which number of config.json makes the shape that the file has not, where one alone can be meant."""
    for in_file, by_config in zip(saved, built, strict=False):
        names = [key for key, value in config.to_dict().items() if value == by_config and key.endswith(SIZES)]
        if in_file != by_config and names:
            return f" ({names[0]} {by_config}, the file's {in_file})"
    return ""


def say_what_is_left_out(model: PreTrainedModel, unexpected_keys: Iterable[str], name: str) -> None:
    """Of a head for another task nothing is said, but of a part of the encoder: a config.json with fewer layers."""
    if left_out := in_encoder(model, unexpected_keys):
        weights = counted(len(left_out), "weight of its encoder has", "weights of its encoder have")
        tell(f"{name}: {weights} no place in the model that its config.json describes, such as {left_out[0]}: left out")


def new_parts(model: PreTrainedModel, loading: dict[str, Any], head: str) -> list[str]:
    """The parts that the checkpoint lacks, or has in another shape, and that start from random numbers: its `head`,
    the pooler, the next-sentence head."""
    keys = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
    outside = keys - set(in_encoder(model, keys))
    return sorted({next((title for part, title in PARTS.items() if part in key), head) for key in outside})


def say_what_is_new(parts: Iterable[str], name: str) -> None:
    for part in parts:
        tell(f"{name} has no {part}: a new one starts from random weights")


def weights_fingerprint(model_args: CheckpointArguments) -> str:
    """sha256 of the weights' files in their order, or of a Hub model the commit that is loaded."""
    folder = Path(resolve(model_args.model_name_or_path))
    if not folder.exists():
        return load_config(model_args)._commit_hash
    return " ".join(sha256(str(path)) for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]))


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Trained and frozen weights; peft's idle copies of the modules that it trains in full are no part of the model."""
    used = [parameter for name, parameter in model.named_parameters() if ".original_module." not in name]
    trained = sum(parameter.numel() for parameter in used if parameter.requires_grad)
    return trained, sum(parameter.numel() for parameter in used) - trained
