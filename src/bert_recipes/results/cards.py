"""The front matter of a model's card: what the Hub reads of it, such as language, license, base model and scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from huggingface_hub import EvalResult, ModelCardData, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import HTTPError
from huggingface_hub.repocard import metadata_load
from transformers import PretrainedConfig

from ..arguments.data import DataArguments
from ..arguments.model import CheckpointArguments, ModelArguments
from ..models.bert_variants import BertVariantConfig
from ..models.pretrained import resolve
from ..text.builtin_corpora import SOURCES

SPLITS = {"eval": "validation", "test": "test"}  # prefix of a result -> split
# Name of a result -> the metric's id on the Hub, and what we call it.
METRICS = {
    "accuracy": ("accuracy", "accuracy"),
    "macro_f1": ("f1", "macro-F1"),
    "macro_precision": ("precision", "macro-precision"),
    "macro_recall": ("recall", "macro-recall"),
    "f1": ("f1", "F1 of entities"),
    "precision": ("precision", "precision of entities"),
    "recall": ("recall", "recall of entities"),
    "mse": ("mse", "mean squared error"),
    "pearson": ("pearsonr", "Pearson"),
    "spearman": ("spearmanr", "Spearman"),
    "perplexity": ("perplexity", "perplexity"),
    "masked_accuracy": ("accuracy", "masked accuracy"),
    "nsp_accuracy": ("accuracy", "NSP accuracy"),
}


def front_matter(
    name: str, task: str, results: dict[str, float], model_args: ModelArguments, data_args: DataArguments
) -> ModelCardData:
    """Of the model `name` with its `results`; what is not known (the license of a base without a card) is left out."""
    base = {} if model_args.from_scratch else card_of(model_args)
    scores = list(eval_results(task, results, data_args))
    return ModelCardData(
        language="zh" if data_args.dataset_name in SOURCES else base.get("language"),
        license=base.get("license"),
        license_name=base.get("license_name"),
        license_link=base.get("license_link"),
        base_model=model_args.model_name_or_path if starts_from_hub(model_args) else None,
        datasets=[data_args.dataset_name] if comes_from_hub(data_args) else None,
        metrics=list(dict.fromkeys(score.metric_type for score in scores)) or None,
        model_name=name,
        eval_results=scores or None,
        library_name="transformers",
        pipeline_tag=task,
        tags=["bert-recipes"],
    )


def eval_results(task: str, results: dict[str, float], data_args: DataArguments) -> Iterator[EvalResult]:
    file = Path(data_args.train_file or "")
    for prefix, split in SPLITS.items():
        for name, (metric, title) in METRICS.items():
            if f"{prefix}_{name}" in results:
                yield EvalResult(
                    task_type=task,
                    dataset_type=data_args.dataset_name or file.suffix.removeprefix("."),
                    dataset_name=data_args.corpus_name or file.name,
                    dataset_config=data_args.dataset_config_name,
                    dataset_split=split,
                    metric_type=metric,
                    metric_name=title,
                    metric_value=results[f"{prefix}_{name}"],
                )


def card_of(model_args: CheckpointArguments) -> dict:
    """The front matter of the checkpoint's own card; empty where it has none, or none that can be read."""
    name = resolve(model_args.model_name_or_path)
    try:
        folder = Path(name)
        path = (
            folder / "README.md"
            if folder.exists()
            else hf_hub_download(name, "README.md", revision=model_args.revision)
        )
        return metadata_load(path) or {}
    except (OSError, ValueError, HTTPError, yaml.YAMLError):
        return {}


def starts_from_hub(model_args: ModelArguments) -> bool:
    return not model_args.from_scratch and not Path(resolve(model_args.model_name_or_path)).exists()


def comes_from_hub(data_args: DataArguments) -> bool:
    name = data_args.dataset_name
    return name is not None and name not in SOURCES and not Path(name).exists()


def origin(model_args: ModelArguments) -> str:
    """What the weights started from, in words; of a Hub model with the commit, since a branch moves."""
    name = model_args.model_name_or_path
    if model_args.from_scratch:
        return f"random weights, in the architecture of `{name}`"
    if starts_from_hub(model_args):
        config = try_to_load_from_cache(name, "config.json", revision=model_args.revision)
        commit = f", commit `{Path(config).parent.name}`" if isinstance(config, str) else ""
        return f"`{name}`, revision `{model_args.revision}`{commit}"
    return f"the folder `{name}`" if Path(name).exists() else f"`{name}`, which comes with bert-recipes"


def usage(task: str, name: str, config: PretrainedConfig, merged: bool) -> str:
    """The line that loads a model. Plain transformers reads neither a type of our own, nor an adapter that stands
    alone."""
    if merged and not isinstance(config, BertVariantConfig):
        return f'`transformers.pipeline("{task}", model="{name}")`'
    folder = name if merged else f"{name}/adapter"
    return f"`recipes/predict.py --model_name_or_path {folder}` labels a file; plain transformers does not read it."
