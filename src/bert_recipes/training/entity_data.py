"""The data of ner.py: texts with their entities, and their windows of tagged tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datasets import DatasetDict
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ..arguments.model import ModelArguments
from ..arguments.ner import NerDataArguments
from ..models.character_tokens import can_split_characters, split_characters
from ..models.token_classifiers import tags_as_trained
from ..models.tokenization import load_tokenizer
from ..run.errors import UserError, counted, tell
from ..text.data_summary import DataSummary
from ..text.entities import count_types, load_entities
from ..text.entity_summary import mostly_unspaced, summarise_entities
from ..text.entity_windows import encode_windows, misplaced

STRIDE = "window_stride"  # in a model's config.json, for predict.py


@dataclass
class EntityData:
    """Splits train, validation and test: texts with `entities` (`corpus`), and their windows (`encoded`)."""

    corpus: DatasetDict
    encoded: DatasetDict
    tokenizer: PreTrainedTokenizerBase
    tag_names: list[str]
    stride: int
    summary: DataSummary


def load_entity_data(
    model_args: ModelArguments, data_args: NerDataArguments, seed: int, train: bool = True
) -> EntityData:
    """Read, check and encode the texts that the arguments name; the types are those of the training split."""
    corpus = load_entities(data_args, seed)
    names = tags_as_trained(model_args, count_types(corpus["train"]), train)
    tokenizer = load_tokenizer(model_args)
    if not tokenizer.is_fast:
        raise UserError(f"--model_name_or_path {model_args.model_name_or_path}: its tokenizer tells no offsets")
    # Saved with the model: predict.py cuts windows as training did.
    tokenizer.model_max_length = min(data_args.max_length, tokenizer.model_max_length)
    tokenizer.padding_side = "right"
    stride = tokenizer.model_max_length // 4 if data_args.stride is None else data_args.stride
    if stride > tokenizer.model_max_length // 2:
        raise UserError(
            f"--stride {stride}: windows have {tokenizer.model_max_length} tokens: share half of them at most"
        )
    tokenizer, encoded = encode(corpus, tokenizer, stride, names, data_args.split_characters)
    summary = summarise_entities(corpus, encoded, tokenizer, tag_names=names)
    summary.show()
    return EntityData(corpus, encoded, tokenizer, names, stride, summary)


def stride_of(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that two windows of a text share: as the model was trained, where its config says so."""
    return getattr(config, STRIDE, tokenizer.model_max_length // 4)


def encode(
    corpus: DatasetDict, tokenizer: PreTrainedTokenizerBase, stride: int, names: Sequence[str], characters: bool | None
) -> tuple[PreTrainedTokenizerBase, DatasetDict]:
    """The windows, and the tokenizer that made them: one of characters, where words would hide the borders of entities
    in Chinese training text. What it still hides is told."""
    if characters and not can_split_characters(tokenizer):
        raise UserError(
            "--split_characters true: it is for BERT's own tokenizers, and this model has another: leave it out"
        )
    encoded = None if characters else encode_windows(corpus, tokenizer, stride, names)
    may_split = characters is None and can_split_characters(tokenizer) and mostly_unspaced(corpus["train"]["text"])
    if may_split and (hidden := len(misplaced(corpus["train"], encoded["train"], names))):
        encoded = None
        entities = counted(hidden, "entity begins or ends", "entities begin or end")
        tell(
            f"train: {entities} inside a token: each character is made a token of its own "
            "(--split_characters false keeps words whole)"
        )
    if encoded is None:
        tokenizer = split_characters(tokenizer)
        encoded = encode_windows(corpus, tokenizer, stride, names)
    for split, rows in corpus.items():
        if hidden := misplaced(rows, encoded[split], names):
            row, entity = hidden[0]
            example = rows[row]["text"][entity.start : entity.end]
            tell(
                f"{split}: {len(hidden):,} of {count_types(rows).total():,} entities begin or end inside a token, such "
                f"as {example!r}: their tags are those of the whole token"
            )
    return tokenizer, encoded
