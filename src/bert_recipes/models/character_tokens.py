"""A tokenizer with a token for each character: whatever an entity's border, it lies between two tokens."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


def can_split_characters(tokenizer: PreTrainedTokenizerBase) -> bool:
    """BERT's own kind, which begins with a normalizer that can be told to drop nothing."""
    return isinstance(backend(tokenizer).normalizer, normalizers.BertNormalizer)


def split_characters(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """The same vocabulary, where a word of letters or digits is a token a character, and control characters and those
    for private use, which BERT's tokenizer drops, are [UNK]. It is saved so, and `from_pretrained` loads it so."""
    changed = Tokenizer.from_str(backend(tokenizer).to_str())
    normalizer = changed.normalizer
    normalizer.clean_text = False
    changed.normalizer = normalizer
    each = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    changed.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), each])
    return PreTrainedTokenizerFast(
        tokenizer_object=changed,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        **tokenizer.special_tokens_map,
    )


def backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    return tokenizer.backend_tokenizer
