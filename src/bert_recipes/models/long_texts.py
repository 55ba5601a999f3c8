"""How a model reads long texts: as its config and the files beside it say, for training and for prediction alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.long_texts import ENCODER, LEARNED, LEXICAL, SELECT, TRUNCATE, WINDOWS
from ..arguments.model import CheckpointArguments
from ..run.errors import UserError
from ..text.long_texts import LongTexts
from .aspect_attention import AspectBertConfig
from .pretrained import load_config, resolve, weights_fingerprint
from .sentence_filter import LearnedScores, load_filter
from .sentence_vectors import EncoderScores
from .tokenization import load_tokenizer
from .window_average import average_windows

NUM_TEXT_COLUMNS = "num_text_columns"  # in a classifier's config.json: 1, or 2 for a pair


def trained_long_texts(
    config: PretrainedConfig, model_args: CheckpointArguments, tokenizer: PreTrainedTokenizerBase
) -> LongTexts:
    """As the checkpoint of `model_args` has learned to read them; where its config says nothing, a text loses its
    end."""
    kept = getattr(config, "long_text", None) or {"how": TRUNCATE}
    by = kept.get("select_by")
    if by == LEARNED:
        return LongTexts(kept["how"], by, score=LearnedScores(load_filter(folder_of(model_args)), tokenizer))
    if by == ENCODER:
        return selecting_as_trained(kept["encoder"], model_args)
    return LongTexts(kept["how"], by)


def selecting_by_encoder(model_args: CheckpointArguments) -> LongTexts:
    """Select by the vectors of the encoder that the arguments name; its weights are noted, so that others are refused
    when the model is used."""
    commit = getattr(load_config(model_args), "_commit_hash", None)
    encoder = {
        "model_name_or_path": model_args.model_name_or_path,
        "revision": commit or model_args.revision,
        "fingerprint": weights_fingerprint(model_args),
    }
    return LongTexts(SELECT, ENCODER, encoder, EncoderScores(model_args, load_tokenizer(model_args)))


def selecting_as_trained(encoder: dict[str, str], model_args: CheckpointArguments) -> LongTexts:
    """By the very encoder that training took, which is found by its name and known by its weights."""
    name = encoder["model_name_or_path"]
    long_texts = selecting_by_encoder(
        CheckpointArguments(name, encoder["revision"], trust_remote_code=model_args.trust_remote_code)
    )
    if long_texts.encoder["fingerprint"] != encoder["fingerprint"]:
        raise UserError(
            f"--model_name_or_path {model_args.model_name_or_path} selects sentences by the encoder {name}, whose "
            "weights are no longer those of its training: put them back, or train again"
        )
    return long_texts


def check_text_columns(config: PretrainedConfig, model_args: CheckpointArguments, text_columns: list[str]) -> None:
    """Raises `UserError` where a trained model needs an aspect beside the text, and there is one column."""
    selects: dict[str, Any] = getattr(config, "long_text", None) or {}
    needs_aspect = selects.get("select_by") in (LEXICAL, ENCODER) or config.model_type == AspectBertConfig.model_type
    if needs_aspect and len(text_columns) == 1:
        raise UserError(
            f"--text_columns {text_columns[0]} has no aspect, and {model_args.model_name_or_path} was trained with "
            "one: name two columns such as aspect,text"
        )


def check_as_trained(config: PretrainedConfig, model_args: CheckpointArguments, text_columns: list[str]) -> None:
    """Raises `UserError` where a model that was trained on single texts is to label pairs, or the other way round."""
    check_text_columns(config, model_args, text_columns)
    trained_on = getattr(config, NUM_TEXT_COLUMNS, len(text_columns))
    if trained_on != len(text_columns):
        advice = "one column, such as text" if trained_on == 1 else "two columns, such as title,text"
        raise UserError(
            f"--text_columns {','.join(text_columns)}: {model_args.model_name_or_path} was trained on {trained_on} "
            f"text{'s' * (trained_on > 1)} a row: name {advice}"
        )


def folder_of(model_args: CheckpointArguments) -> Path:
    """Where the files of a trained model lie. A filter is not looked for on the Hub."""
    folder = Path(resolve(model_args.model_name_or_path))
    if not folder.is_dir():
        raise UserError(
            f"--model_name_or_path {folder}: its filter of sentences is read from a folder: download it "
            f"with `hf download {folder} --local-dir {folder.name}`, and name that folder"
        )
    return folder


def set_long_texts(model: PreTrainedModel, long_texts: LongTexts) -> PreTrainedModel:
    """Note in the model's config how it reads long texts, and let it take windows where it reads those."""
    if long_texts.as_config() or hasattr(model.config, "long_text"):
        model.config.long_text = long_texts.as_config()
    model.long_texts = long_texts
    if long_texts.how == WINDOWS:
        average_windows(model)
    return model


def save_filter(model: PreTrainedModel, folder: Path) -> None:
    """What config.json does not hold: the filter of the sentences."""
    long_texts = getattr(model, "long_texts", None)
    if long_texts is not None and long_texts.by == LEARNED:
        long_texts.score.sentence_filter.save(Path(folder))
