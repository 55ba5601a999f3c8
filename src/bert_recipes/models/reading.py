"""How a model reads long texts: as its config and the files beside it say, for training and for prediction alike."""

from __future__ import annotations

from pathlib import Path

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.long_texts import ENCODER, LEARNED, TRUNCATE, WINDOWS
from ..arguments.model import CheckpointArguments
from ..run.errors import UserError
from ..text.long_texts import LongTexts
from .pretrained import resolve
from .sentence_filter import LearnedScores, load_filter
from .sentence_vectors import EncoderScores
from .tokenization import load_tokenizer
from .windows import average_windows


def read_as_trained(
    config: PretrainedConfig, model_args: CheckpointArguments, tokenizer: PreTrainedTokenizerBase
) -> LongTexts:
    """As the checkpoint of `model_args` has learned to; where its config says nothing, a text loses its end."""
    kept = getattr(config, "long_text", None) or {"how": TRUNCATE}
    by = kept.get("select_by")
    if by == LEARNED:
        return LongTexts(kept["how"], by, score=LearnedScores(load_filter(folder_of(model_args)), tokenizer))
    if by == ENCODER:
        return by_encoder(CheckpointArguments(kept["encoder"], trust_remote_code=model_args.trust_remote_code))
    return LongTexts(kept["how"], by)


def by_encoder(model_args: CheckpointArguments) -> LongTexts:
    """Select by the vectors of the encoder that the arguments name."""
    score = EncoderScores(model_args, load_tokenizer(model_args))
    return LongTexts("select", ENCODER, model_args.model_name_or_path, score)


def folder_of(model_args: CheckpointArguments) -> Path:
    """Where the files of a trained model lie. A filter is not looked for on the Hub."""
    folder = Path(resolve(model_args.model_name_or_path))
    if not folder.is_dir():
        raise UserError(
            f"--model_name_or_path {folder}: its filter of sentences is read from a folder: download it "
            f"with `hf download {folder} --local-dir {folder.name}`, and name that folder"
        )
    return folder


def read_so(model: PreTrainedModel, long_texts: LongTexts) -> PreTrainedModel:
    """Note in the model's config how it reads long texts, and let it take windows where it reads those."""
    if long_texts.as_config() or hasattr(model.config, "long_text"):
        model.config.long_text = long_texts.as_config()
    model.long_texts = long_texts
    if long_texts.how == WINDOWS:
        average_windows(model)
    return model


def save_reading(model: PreTrainedModel, folder: Path) -> None:
    """What config.json does not hold: the filter of the sentences."""
    long_texts = getattr(model, "long_texts", None)
    if long_texts is not None and long_texts.by == LEARNED:
        long_texts.score.sentence_filter.save(Path(folder))
