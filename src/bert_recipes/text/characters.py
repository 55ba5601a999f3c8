"""The distinct characters of texts, and the tokens that stand for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
from transformers import PreTrainedTokenizerBase

from ..run.errors import UserError, shorten, tell
from .encoding import encode_with_overflow

SHOWN = 10  # characters of a line that names those left out


def count_characters(texts: Iterable[str]) -> Counter[str]:
    """How often each character occurs; white space is none."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return Counter({character: count for character, count in counts.items() if not character.isspace()})


def by_frequency(counts: Mapping[str, int]) -> list[str]:
    """The most frequent first; of the same frequency in the order of Unicode."""
    return sorted(counts, key=lambda character: (-counts[character], character))


def known_tokens(characters: Iterable[str], tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """The token ids of each character that the vocabulary has."""
    characters = list(characters)
    encoded = tokenizer(characters, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    pairs = zip(characters, encoded, strict=True)
    return {character: ids for character, ids in pairs if ids and tokenizer.unk_token_id not in ids}


def tell_of_unknown(characters: Collection[str], unknown: list[str]) -> None:
    if unknown:
        tell(
            f"{len(unknown):,} of {len(characters):,} characters have no vector, since the tokenizer reads them as "
            f"[UNK] or drops them: {shorten(map(repr, unknown), SHOWN)}"
        )


class Windows:
    """Texts as rows of token ids that the model can read: a longer text is cut into several, and nothing is lost.

    Two rows of a text share a quarter of their tokens. Of these each row counts the half that it has more context of.
    """

    def __init__(self, texts: list[str], tokenizer: PreTrainedTokenizerBase):
        if not tokenizer.is_fast:
            raise UserError(f"--context needs to know where tokens stand: {type(tokenizer).__name__} does not tell")
        tokenizer.truncation_side = "right"  # the rows of a text come in their order
        shared = (tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()) // 4
        encoded = encode_with_overflow(texts, tokenizer, shared)
        self.offsets, self.unk_token_id = encoded.pop("offset_mapping"), tokenizer.unk_token_id
        sources = encoded.pop("overflow_to_sample_mapping")
        self.texts = [texts[source] for source in sources]
        starts = [
            [start for (start, _), special in zip(*row, strict=True) if not special]
            for row in zip(self.offsets, encoded.pop("special_tokens_mask"), strict=True)
        ]
        self.counted = counted_spans(starts, sources, shared)
        self.rows = dict(encoded) | {"length": [len(input_ids) for input_ids in encoded["input_ids"]]}

    def places(self, row: int) -> Iterator[tuple[int, str]]:
        """Each token's place in a row and a character that it stands for: of an English word's token all of them."""
        text, input_ids = self.texts[row], self.rows["input_ids"][row]
        first, behind = self.counted[row]
        for place, (start, end) in enumerate(self.offsets[row]):
            if first <= start < behind and input_ids[place] != self.unk_token_id:
                yield from ((place, character) for character in text[start:end] if not character.isspace())


def counted_spans(starts: list[list[int]], sources: list[int], shared: int) -> list[tuple[float, float]]:
    """From which character of its text to before which one each row counts. `starts`: where the text of its tokens
    begins. Between two rows of a text the border stands in the middle of the `shared` tokens that both have."""
    first = [0.0] * len(starts)
    for row in range(1, len(starts)):
        if sources[row] == sources[row - 1]:
            first[row] = starts[row][shared // 2]
    behind = [following or math.inf for following in [*first[1:], 0.0]]
    return list(zip(first, behind, strict=True))


def sums_by_character(
    vectors: np.ndarray, places: list[tuple[int, str]], numbers: Mapping[str, int], sums: np.ndarray, counts: np.ndarray
) -> None:
    """Add the vectors of the places, float, shape (tokens, width), to `sums`, float64, shape (characters, width)."""
    if places:
        tokens, characters = zip(*places, strict=True)
        rows = [numbers[character] for character in characters]
        np.add.at(sums, rows, vectors[list(tokens)].astype(np.float64))
        np.add.at(counts, rows, 1)
