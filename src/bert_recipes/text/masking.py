"""Masked-language-model examples (Devlin et al. 2019, arXiv 1810.04805): masks that are a function of their chunk,
drawn for a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .draws import below, draw, keys, share
from .flat import FlatLists, as_table, numbers, pad, padded_length, side_by_side

IGNORED = -100  # the label of what is not predicted, as everywhere in transformers
IS_NEXT, IS_RANDOM = 0, 1  # as BertForPreTraining has them
COUNTED_CHUNKS = 10_000  # about a million tokens
# BERT's own share, whatever --mlm_probability trains with: runs that differ in it are scored on the same masks.
VALIDATION_MLM_PROBABILITY = 0.15

Example = dict[str, np.ndarray]  # of one row, or of a batch: then padded, with the `lengths` of its rows

# What is drawn for a row, and for each of its positions: counters of the row's own sequence of random numbers.
ROUNDING, EXCHANGE, OTHER_CHUNK, ROW_DRAWS = range(4)
ORDER, CROSSING, FATE, REPLACEMENT, POSITION_DRAWS = range(5)
LAST = np.uint64(2**64 - 1)  # sorts behind every number that is drawn
SECOND_TEXT = 1 << 32  # added to the numbers of a second text's words: no word of the first has one of them


class MaskedChunks(torch.utils.data.Dataset):
    """Chunks of token ids with a share of their tokens masked, word by word where the chunks know their `words`
    (Cui et al. 2019, arXiv 1906.08101).

    The mask of a chunk is drawn from (seed, epoch, index of the chunk), so it is the same whatever the batch, the
    rank, the worker or the moment of a resume; `set_epoch` draws new ones. An evaluation split stays at epoch 0: it is
    masked once, and every evaluation sees the same masks. A data loader takes whole batches (`__getitems__`).
    """

    def __init__(
        self,
        chunks: Dataset | pa.Table,
        tokenizer: PreTrainedTokenizerBase,
        mlm_probability: float,
        seed: int | tuple[int, ...],
    ):
        self.chunks, self.mlm_probability, self.epoch = chunks, mlm_probability, 0
        self.seed = seed if isinstance(seed, tuple) else (seed,)
        self.mask_token_id, self.pad_token_id = tokenizer.mask_token_id, tokenizer.pad_token_id
        special_ids = np.array(tokenizer.all_special_ids)
        self.is_special = np.isin(np.arange(max(len(tokenizer), special_ids.max() + 1)), special_ids)
        # Random replacements are words of the vocabulary, never [PAD] or [CLS].
        self.word_ids = np.setdiff1d(np.arange(len(tokenizer)), special_ids)
        table = as_table(chunks)
        self.lengths = numbers(table, "length")
        self.lists = {name: FlatLists(table[name]) for name in table.column_names if pa.types.is_list(table[name].type)}

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def token_counts(self) -> np.ndarray:
        """How often each token that can be masked stands in the chunks, in `COUNTED_CHUNKS` of them if there are more:
        shape (highest token id + 1,)."""
        counted = np.arange(0, len(self), -(-len(self) // COUNTED_CHUNKS))
        names = self.lists.keys() & {"input_ids", "second_ids"}
        token_ids = side_by_side([piece for name in names for piece in self.lists[name].pieces(counted)])
        return np.bincount(token_ids[~self.is_special[token_ids]])

    def __getitem__(self, index: int) -> Example:
        """`input_ids` and `labels` of one chunk, int64, shape (length,); labels are -100 where nothing is predicted."""
        return self.examples([index])[0]

    def examples(self, indices: Sequence[int]) -> list[Example]:
        """As of `__getitem__`, of several chunks: without padding."""
        batch = self.__getitems__(indices)
        lengths = batch.pop("lengths")
        return [
            {name: values[row, :length] if values.ndim == 2 else values[row] for name, values in batch.items()}
            for row, length in enumerate(lengths)
        ]

    def __getitems__(self, indices: Sequence[int]) -> Example:
        """`input_ids` and `labels` of a batch, int64, shape (rows, length), padded as `MaskedLanguageModelCollator`
        has it, and `lengths`, shape (rows,)."""
        indices = np.asarray(indices)
        lengths = self.lists["input_ids"].lengths[indices]
        tokens = side_by_side(self.lists["input_ids"].pieces(indices))
        words = side_by_side(self.lists["words"].pieces(indices)) if "words" in self.lists else None
        return self.mask(tokens, lengths, words, self.keys(indices))

    def in_batches(self, size: int = 256) -> Iterator[Example]:
        """All chunks in their order."""
        for start in range(0, len(self), size):
            yield self.__getitems__(range(start, min(start + size, len(self))))

    def keys(self, indices: np.ndarray) -> np.ndarray:
        return keys((*self.seed, self.epoch), indices)

    def mask(self, tokens: np.ndarray, lengths: np.ndarray, words: np.ndarray | None, keys: np.ndarray) -> Example:
        """The batch of rows whose `tokens`, and the numbers of their `words`, stand side by side."""
        inside = np.arange(padded_length(lengths)) < lengths[:, None]
        input_ids = pad(tokens, inside, self.pad_token_id)
        maskable = inside & ~self.is_special[input_ids]
        wanted = (maskable.sum(1) * self.mlm_probability + share(draw(keys, ROUNDING))).astype(np.int64)
        if words is None:
            chosen = first_of_word = choose_tokens(maskable, wanted, keys)
        else:
            chosen, first_of_word = choose_words(maskable, pad(words, inside, 0), wanted, keys)
        labels = np.full_like(input_ids, IGNORED)
        labels.flat[chosen] = original = input_ids.flat[chosen]
        input_ids.flat[chosen] = self.corrupt(original, chosen, first_of_word, keys, input_ids.shape[1])
        return {"input_ids": input_ids, "labels": labels, "lengths": lengths}

    def corrupt(self, token_ids, chosen: np.ndarray, first_of_word: np.ndarray, keys: np.ndarray, length: int):
        """80 % [MASK], 10 % random, 10 % unchanged, one draw for all tokens of a word: a character that stays would
        tell the rest of its word."""
        fate = share(draw_at(keys, first_of_word, length, FATE))
        random_ids = self.word_ids[below(draw_at(keys, chosen, length, REPLACEMENT), len(self.word_ids))]
        return np.where(fate < 0.8, self.mask_token_id, np.where(fate < 0.9, random_ids, token_ids))


class MaskedPairs(MaskedChunks):
    """Chunks of two texts for next-sentence prediction: half of the second texts are exchanged for one of another
    document, drawn as the mask is. A chunk of one text alone (it could not be cut in two) is there to be masked only,
    and so is every chunk where no other document has pairs (a block of a stream).
    """

    def __init__(self, chunks: Dataset | pa.Table, *args, **kwargs):
        super().__init__(chunks, *args, **kwargs)
        table = as_table(chunks)
        self.is_paired, self.document = numbers(table, "paired"), numbers(table, "document")
        paired = np.flatnonzero(self.is_paired)
        # The chunks that are pairs, a document's side by side.
        self.paired = paired[np.argsort(self.document[paired], kind="stable")]
        self.documents = self.document[self.paired]

    @property
    def can_exchange(self) -> bool:
        """Whether two documents have pairs: else no second text could come from another one."""
        return len(self.documents) > 0 and self.documents[0] != self.documents[-1]

    def __getitems__(self, indices: Sequence[int]) -> Example:
        """As of `MaskedChunks`, with `token_type_ids` and `next_sentence_label`: 0 where the second text follows the
        first, 1 where it is another document's, -100 where there is none."""
        indices = np.asarray(indices)
        keys, second_of = self.keys(indices), indices.copy()
        next_sentence_label = np.full(len(indices), IGNORED)
        if self.can_exchange:
            exchanged = share(draw(keys, EXCHANGE)) < 0.5
            next_sentence_label = np.where(self.is_paired[indices], np.where(exchanged, IS_RANDOM, IS_NEXT), IGNORED)
            random = next_sentence_label == IS_RANDOM
            drawn = draw(keys[random], OTHER_CHUNK)
            second_of[random] = self.of_another_document(self.document[indices[random]], drawn)
        first_lengths = self.lists["input_ids"].lengths[indices]
        lengths = first_lengths + self.lists["second_ids"].lengths[second_of]
        second = np.repeat(np.tile((0, 1), len(indices)), np.stack((first_lengths, lengths - first_lengths), 1).ravel())
        words = None
        if "words" in self.lists:
            words = self.joined("words", indices, "second_words", second_of) + second * SECOND_TEXT
        batch = self.mask(self.joined("input_ids", indices, "second_ids", second_of), lengths, words, keys)
        inside = np.arange(batch["input_ids"].shape[1]) < lengths[:, None]
        return batch | {"token_type_ids": pad(second, inside, 0), "next_sentence_label": next_sentence_label}

    def joined(self, first: str, indices: np.ndarray, second: str, second_of: np.ndarray) -> np.ndarray:
        """Of each row the list of the one column and the list of the other one, side by side."""
        pieces = [[]] * 2 * len(indices)
        pieces[::2], pieces[1::2] = self.lists[first].pieces(indices), self.lists[second].pieces(second_of)
        return side_by_side(pieces)

    def of_another_document(self, documents: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """Of each document a chunk that is a pair of another one, each as likely, as the uint64 `drawn` says."""
        start, end = np.searchsorted(self.documents, documents), np.searchsorted(self.documents, documents + 1)
        place = below(drawn, len(self.documents) - (end - start))
        return self.paired[np.where(place < start, place, place + end - start)]


def draw_at(keys: np.ndarray, places: np.ndarray, length: int, what: int) -> np.ndarray:
    """Random numbers, uint64, for places in a batch of rows of such a `length` in memory, counted row after row."""
    row, position = np.divmod(places, length)
    return draw(keys[row], counter_of(position, what))


def counter_of(position: np.ndarray, what: int) -> np.ndarray:
    return position * POSITION_DRAWS + ROW_DRAWS + what


def choose_tokens(maskable: np.ndarray, wanted: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Places of `wanted` tokens a row, counted row after row: those to which the lowest numbers are drawn.

    `wanted` is the share of the tokens, rounded up or down at random, so that it is exact on average: 11 tokens x 0.15
    = 1.65 gives 2 in 65 % of the draws and 1 in the rest; 3 x 0.15 gives none in 55 %.
    """
    order = draw(keys[:, None], counter_of(np.arange(maskable.shape[1]), ORDER))
    order[~maskable] = LAST
    last = np.sort(order, axis=1)[np.arange(len(order)), np.maximum(wanted, 1) - 1]
    return np.flatnonzero(maskable & (order <= last[:, None]) & (wanted > 0)[:, None])


def choose_words(
    maskable: np.ndarray, words: np.ndarray, wanted: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places of whole words with `wanted` tokens a row, as `choose_tokens` has them, and for each the place where its
    word begins. Words are taken in random order; a last word that is longer than what is left, left tokens of length,
    is taken in left / length of the draws."""
    places = np.flatnonzero(maskable)
    row, number = places // maskable.shape[1], words.flat[places]
    begins = np.ones(len(places), dtype=bool)
    begins[1:] = (row[1:] != row[:-1]) | (number[1:] != number[:-1])
    word, first = np.cumsum(begins) - 1, places[begins]
    inside = np.arange(maskable.shape[1]) < np.bincount(row[begins], minlength=len(maskable))[:, None]
    lengths = pad(np.bincount(word), inside, 0)
    order = np.argsort(pad(draw_at(keys, first, maskable.shape[1], ORDER), inside, LAST), axis=1)
    lengths = np.take_along_axis(lengths, order, axis=1)
    crossing = pad(share(draw_at(keys, first, maskable.shape[1], CROSSING)), inside, 0)
    left = wanted[:, None] - (np.cumsum(lengths, axis=1) - lengths)
    taken = (left > 0) & (left > np.take_along_axis(crossing, order, axis=1) * lengths)
    by_place = np.empty_like(taken)
    np.put_along_axis(by_place, order, taken, axis=1)
    chosen = by_place[inside][word]
    return places[chosen], first[word[chosen]]


def column(chunks: Dataset, name: str) -> Any:
    """A column of a data set, as numpy arrays that take four or eight bytes a number."""
    return chunks.with_format("numpy")[name][:]
