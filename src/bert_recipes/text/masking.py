"""Masked-language-model examples (Devlin et al. 2019, arXiv 1810.04805): masks that are a function of their chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .encoding import PAD_TO_MULTIPLE_OF

IGNORED = -100  # the label of what is not predicted, as everywhere in transformers
IS_NEXT, IS_RANDOM = 0, 1  # as BertForPreTraining has them
COUNTED_CHUNKS = 10_000  # about a million tokens
# BERT's own share, whatever --mlm_probability trains with: runs that differ in it are scored on the same masks.
VALIDATION_MLM_PROBABILITY = 0.15

Example = dict[str, np.ndarray]


class MaskedChunks(torch.utils.data.Dataset):
    """Chunks of token ids with a share of their tokens masked, word by word where the chunks know their `words`
    (Cui et al. 2019, arXiv 1906.08101).

    The mask of a chunk is drawn from (seed, epoch, index of the chunk), so it is the same whatever the batch, the
    rank, the worker or the moment of a resume; `set_epoch` draws new ones. An evaluation split stays at epoch 0: it is
    masked once, and every evaluation sees the same masks.
    """

    def __init__(
        self,
        chunks: Sequence[dict[str, Any]],
        tokenizer: PreTrainedTokenizerBase,
        mlm_probability: float,
        seed: int | tuple[int, ...],
    ):
        self.chunks, self.mlm_probability, self.epoch = chunks, mlm_probability, 0
        self.seed = seed if isinstance(seed, tuple) else (seed,)
        self.mask_token_id = tokenizer.mask_token_id
        self.special_ids = np.array(tokenizer.all_special_ids)
        # Random replacements are words of the vocabulary, never [PAD] or [CLS].
        self.word_ids = np.setdiff1d(np.arange(len(tokenizer)), self.special_ids)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chunks)

    @property
    def lengths(self) -> np.ndarray:
        return column(self.chunks, "length")

    def token_counts(self) -> np.ndarray:
        """How often each token that can be masked stands in the chunks, in `COUNTED_CHUNKS` of them if there are more:
        shape (highest token id + 1,)."""
        step = -(-len(self.chunks) // COUNTED_CHUNKS)
        counted = [self.chunks[index] for index in range(0, len(self.chunks), step)]
        parts = [chunk.get(name, []) for chunk in counted for name in ("input_ids", "second_ids")]
        token_ids = np.concatenate(parts).astype(np.int64)  # an empty part is of floats
        return np.bincount(token_ids[~np.isin(token_ids, self.special_ids)])

    def __getitem__(self, index: int) -> Example:
        """`input_ids` and `labels` of one chunk, int64, shape (length,); labels are -100 where nothing is predicted."""
        chunk, generator = self.chunks[index], self.generator(index)
        input_ids = np.array(chunk["input_ids"])
        return self.mask(input_ids, np.array(chunk.get("words", range(len(input_ids)))), generator)

    def generator(self, index: int) -> np.random.Generator:
        return np.random.default_rng((*self.seed, self.epoch, index))

    def mask(self, input_ids: np.ndarray, words: np.ndarray, generator: np.random.Generator) -> Example:
        chosen = self.choose(input_ids, words, generator)
        labels = np.full_like(input_ids, IGNORED)
        labels[chosen] = input_ids[chosen]
        input_ids[chosen] = self.corrupt(input_ids[chosen], words[chosen], generator)
        return {"input_ids": input_ids, "labels": labels}

    def choose(self, input_ids: np.ndarray, words: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Positions to predict: whole words, with `mlm_probability` of the tokens that are not special.

        The number is rounded up or down at random, so that the share is exact on average: 11 tokens x 0.15 = 1.65
        gives 2 in 65 % of the draws and 1 in the rest; 3 x 0.15 gives none in 55 %. Words are taken in random order; a
        last word that is longer than what is left, left tokens of length, is taken in left / length of the draws.
        """
        candidates = np.flatnonzero(~np.isin(input_ids, self.special_ids))
        wanted = int(len(candidates) * self.mlm_probability + generator.random())
        _, word, lengths = np.unique(words[candidates], return_inverse=True, return_counts=True)
        order = generator.permutation(len(lengths))
        before = np.cumsum(lengths[order]) - lengths[order]
        left = wanted - before
        taken = np.zeros(len(lengths), dtype=bool)
        taken[order] = left > generator.random() * lengths[order]
        taken[order[left <= 0]] = False
        return candidates[taken[word]]

    def corrupt(self, token_ids: np.ndarray, words: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """80 % [MASK], 10 % random, 10 % unchanged, one draw for all tokens of a word: a character that stays would
        tell the rest of its word."""
        _, word = np.unique(words, return_inverse=True)
        draw = generator.random(len(token_ids))[word]
        random_ids = generator.choice(self.word_ids, len(token_ids))
        return np.where(draw < 0.8, self.mask_token_id, np.where(draw < 0.9, random_ids, token_ids))


class MaskedPairs(MaskedChunks):
    """Chunks of two texts for next-sentence prediction: half of the second texts are exchanged for one of another
    document, drawn as the mask is. A chunk of one text alone (it could not be cut in two) is there to be masked only,
    and so is every chunk where no other document has pairs (a block of a stream).
    """

    def __init__(self, chunks: Sequence[dict[str, Any]], *args, **kwargs):
        super().__init__(chunks, *args, **kwargs)
        paired, documents = np.flatnonzero(column(chunks, "paired")), column(chunks, "document")
        order = np.argsort(documents[paired], kind="stable")
        # The chunks that are pairs, a document's side by side.
        self.paired, self.documents = paired[order], documents[paired[order]]

    @property
    def can_exchange(self) -> bool:
        """Whether two documents have pairs: else no second text could come from another one."""
        return len(self.documents) > 0 and self.documents[0] != self.documents[-1]

    def __getitem__(self, index: int) -> Example:
        """As of `MaskedChunks`, with `token_type_ids` and `next_sentence_label`: 0 where the second text follows the
        first, 1 where it is another document's, -100 where there is none."""
        first, generator = self.chunks[index], self.generator(index)
        label, second = IGNORED, first
        if first["paired"] and self.can_exchange:
            label = IS_RANDOM if generator.random() < 0.5 else IS_NEXT
            if label == IS_RANDOM:
                second = self.chunks[self.of_another_document(first["document"], generator)]
        parts = [np.array(first["input_ids"]), np.array(second["second_ids"], dtype=np.int64)]
        input_ids = np.concatenate(parts)
        words = np.arange(len(input_ids))
        if "words" in first:
            words = np.concatenate((first["words"], np.array(second["second_words"], dtype=np.int64) + len(input_ids)))
        example = self.mask(input_ids, words, generator)
        example["token_type_ids"] = np.repeat((0, 1), [len(part) for part in parts])
        example["next_sentence_label"] = np.array(label)
        return example

    def of_another_document(self, document: int, generator: np.random.Generator) -> int:
        """A chunk that is a pair, each one of the other documents as likely."""
        start, end = np.searchsorted(self.documents, (document, document + 1))
        drawn = generator.integers(len(self.documents) - (end - start))
        return int(self.paired[drawn if drawn < start else drawn + end - start])


def column(chunks: Sequence[dict[str, Any]], name: str) -> Any:
    """A column of a data set, as numpy arrays that take four or eight bytes a number, or of a list of rows."""
    if hasattr(chunks, "with_format"):
        return chunks.with_format("numpy")[name][:]
    values = [chunk[name] for chunk in chunks]
    return np.array(values) if np.isscalar(values[0]) else values


class MaskedLanguageModelCollator:
    """Pad examples to one length, a multiple of `PAD_TO_MULTIPLE_OF`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.fillings = {"input_ids": tokenizer.pad_token_id, "labels": IGNORED, "token_type_ids": 0}

    def __call__(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask`, `labels` (int64) and `masked_positions` (bool), shape (rows, length); of pairs
        `token_type_ids` too, and `next_sentence_label`, shape (rows,)."""
        lengths = np.array([len(example["input_ids"]) for example in examples])
        longest = -(-lengths.max() // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF
        batch = {"attention_mask": torch.from_numpy((np.arange(longest) < lengths[:, None]).astype(np.int64))}
        for name in examples[0].keys() & self.fillings.keys():
            batch[name] = torch.full((len(examples), longest), self.fillings[name])
            for row, example in zip(batch[name], examples, strict=True):
                row[: len(example[name])] = torch.from_numpy(example[name])
        batch["masked_positions"] = batch["labels"] != IGNORED
        if "next_sentence_label" in examples[0]:
            batch["next_sentence_label"] = torch.tensor([int(example["next_sentence_label"]) for example in examples])
        return batch
