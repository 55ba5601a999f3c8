"""The tokenizer of a model, checked against it: its vocabulary, its positions, its token types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from accelerate.utils import broadcast_object_list
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase
from transformers.utils import cached_file

from ..arguments.mlm import MlmArguments
from ..arguments.model import CheckpointArguments, ModelArguments
from ..run.checkpoints import checkpoint_to_resume
from ..run.errors import UserError, counted, tell
from ..text.encoding import train_tokenizer
from ..text.flat import PAD_TO_MULTIPLE_OF
from .pretrained import load, load_config, resolve

VOCABULARY_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model", "spm.model")
WORDPIECE, SENTENCEPIECE = "WordPiece", "SentencePiece"
KINDS = {"WordPiece": WORDPIECE, "Unigram": SENTENCEPIECE}
USUAL_VOCABULARIES = {
    **dict.fromkeys(("bert", "distilbert", "electra", "ernie", "mpnet"), WORDPIECE),
    **dict.fromkeys(("albert", "xlm-roberta", "deberta-v2", "camembert"), SENTENCEPIECE),
}
CURES = {WORDPIECE: "BertTokenizer", SENTENCEPIECE: "XLMRobertaTokenizer"}


def load_tokenizer(model_args: CheckpointArguments) -> PreTrainedTokenizerBase:
    """The tokenizer, checked against the model's vocabulary and cut to the positions that the model has.

    A folder with vocab.txt alone gives `model_max_length` 1e30, where truncation truncates nothing.
    """
    name, config = model_args.model_name_or_path, load_config(model_args)
    refuse_unnamed_tokenizer(config, model_args)
    tokenizer = load(AutoTokenizer, model_args)
    # A model's table may be padded up a little, for the sake of speed: mDeBERTa's most, by 899 entries.
    if not config.vocab_size - 1000 < len(tokenizer) <= config.vocab_size:
        if not any(file_of(model_args, file) for file in VOCABULARY_FILES):
            raise UserError(f"--model_name_or_path {name}: it has no tokenizer: copy its model's tokenizer.json there")
        raise UserError(
            f"--model_name_or_path {name}: its tokenizer has {len(tokenizer):,} entries, its model "
            f"{config.vocab_size:,}: they belong to different models"
        )
    if len(tokenizer) < config.vocab_size:
        unused = config.vocab_size - len(tokenizer)
        tell(f"{name}: no token uses {counted(unused, 'row')} at the end of its table")
    if getattr(config, "type_vocab_size", None) == 1 and "token_type_ids" in tokenizer.model_input_names:
        leave_out_token_types(tokenizer)
        tell(f"{name} has one token type: the two texts of a pair are told apart by the token between them")
    tokenizer.model_max_length = min(tokenizer.model_max_length, readable_length(config))
    return tokenizer


def leave_out_token_types(tokenizer: PreTrainedTokenizerBase) -> None:
    """RoBERTa goes round with BERT's tokenizer, whose type 1 is beyond the end of RoBERTa's table."""
    tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names  # what is saved


def refuse_unnamed_tokenizer(config: PretrainedConfig, model_args: CheckpointArguments) -> None:
    """Without a tokenizer_config.json transformers takes the tokenizer that models of this type have most often: with
    another kind of vocabulary it gives wrong tokens, or ends in an error from inside."""
    name, usual = model_args.model_name_or_path, USUAL_VOCABULARIES.get(config.model_type)
    named = getattr(config, "tokenizer_class", None) or file_of(model_args, "tokenizer_config.json")
    if usual is None or named:
        return
    kind = vocabulary_of(model_args)
    if kind not in (None, usual):
        raise UserError(
            f"--model_name_or_path {name}: its vocabulary is {kind}, models of type {config.model_type} have "
            f'{usual}, and no tokenizer_config.json says which it is: put "tokenizer_class": "{CURES[kind]}" into its '
            "config.json"
        )


def vocabulary_of(model_args: CheckpointArguments) -> str | None:
    """The kind of vocabulary that the model's files hold, or None where they hold none that is known here."""
    if path := file_of(model_args, "tokenizer.json"):
        return KINDS.get(json.loads(Path(path).read_text(encoding="utf-8"))["model"].get("type"))
    return WORDPIECE if file_of(model_args, "vocab.txt") else None


def file_of(model_args: CheckpointArguments, name: str) -> str | None:
    """The path of a file of the model's, from its folder or the Hub; None where it has none of that name."""
    return cached_file(
        resolve(model_args.model_name_or_path),
        name,
        revision=model_args.revision,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )


def load_or_train_tokenizer(model_args: ModelArguments, args: MlmArguments, texts: Iterable[str]):
    """The checkpoint's tokenizer; with `--from_scratch`, unless `--keep_vocabulary` is given, a WordPiece vocabulary
    trained on `texts`.

    Trained twice, a vocabulary comes out in another order: one process trains it for all, and a run that goes on
    takes the one it began with.
    """
    if args.keep_vocabulary or not model_args.from_scratch:
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
    if positions < 1:  # XLNet's -1: it has no such table
        positions = 512
    return positions // PAD_TO_MULTIPLE_OF * PAD_TO_MULTIPLE_OF
