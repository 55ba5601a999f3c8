"""Masked-language-model examples (Devlin et al. 2019, arXiv 1810.04805): masks that are a function of their chunk."""

from __future__ import annotations

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from .encoding import PAD_TO_MULTIPLE_OF

IGNORED = -100  # the label of a position that is not predicted, as everywhere in transformers


class MaskedChunks(torch.utils.data.Dataset):
    """Chunks of token ids with a share of their tokens masked.

    The mask of a chunk is drawn from (seed, epoch, index of the chunk), so it is the same whatever the batch, the
    rank, the worker or the moment of a resume; `set_epoch` draws new ones. An evaluation split stays at epoch 0: it is
    masked once, and every evaluation sees the same masks.
    """

    def __init__(self, chunks: Dataset, tokenizer: PreTrainedTokenizerBase, mlm_probability: float, seed: int):
        self.chunks, self.mlm_probability, self.seed, self.epoch = chunks, mlm_probability, seed, 0
        self.mask_token_id = tokenizer.mask_token_id
        self.special_ids = np.array(tokenizer.all_special_ids)
        # Random replacements are words of the vocabulary, never [PAD] or [CLS].
        self.word_ids = np.setdiff1d(np.arange(len(tokenizer)), self.special_ids)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.chunks)

    @property
    def lengths(self) -> list[int]:
        return list(self.chunks["length"])

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """`input_ids` and `labels` of one chunk, int64, shape (length,); labels are -100 where nothing is predicted."""
        input_ids = np.array(self.chunks[index]["input_ids"])
        generator = np.random.default_rng((self.seed, self.epoch, index))
        masked_positions = self.choose(input_ids, generator)
        labels = np.full_like(input_ids, IGNORED)
        labels[masked_positions] = input_ids[masked_positions]
        input_ids[masked_positions] = self.corrupt(input_ids[masked_positions], generator)
        return {"input_ids": input_ids, "labels": labels}

    def choose(self, input_ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Positions to predict: `mlm_probability` of the tokens that are not special, at least one.

        The number is rounded up or down at random, so that the share is exact on average:
        11 tokens x 0.15 = 1.65 gives 2 in 65 % of the draws and 1 in the rest.
        """
        candidates = np.flatnonzero(~np.isin(input_ids, self.special_ids))
        count = max(1, int(len(candidates) * self.mlm_probability + generator.random()))
        return generator.permutation(candidates)[:count]

    def corrupt(self, token_ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """80 % [MASK], 10 % a random word, 10 % unchanged."""
        draw = generator.random(len(token_ids))
        random_ids = generator.choice(self.word_ids, len(token_ids))
        return np.where(draw < 0.8, self.mask_token_id, np.where(draw < 0.9, random_ids, token_ids))


class MaskedLanguageModelCollator:
    """Pad chunks to one length, a multiple of `PAD_TO_MULTIPLE_OF`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.pad_token_id = tokenizer.pad_token_id

    def __call__(self, rows: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask`, `labels` (all int64) and `masked_positions` (bool), shape (rows, length)."""
        longest = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), -(-longest // PAD_TO_MULTIPLE_OF) * PAD_TO_MULTIPLE_OF)
        batch = {
            "input_ids": torch.full(shape, self.pad_token_id),
            "attention_mask": torch.zeros(shape, dtype=torch.long),
            "labels": torch.full(shape, IGNORED),
        }
        for index, row in enumerate(rows):
            length = len(row["input_ids"])
            batch["input_ids"][index, :length] = torch.from_numpy(row["input_ids"])
            batch["labels"][index, :length] = torch.from_numpy(row["labels"])
            batch["attention_mask"][index, :length] = 1
        batch["masked_positions"] = batch["labels"] != IGNORED
        return batch
