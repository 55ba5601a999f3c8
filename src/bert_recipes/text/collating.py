"""Batches of arrays -> batches of tensors."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from .flat import padded_length
from .masking import IGNORED, Example

# What the host knows of a batch, so that no step has to ask the device: numbers, which the model does not see.
HOST_COUNTS = ("num_tokens", "num_pairs", "num_labels")


class MaskedLanguageModelCollator:
    """Pad examples to one length, a multiple of `PAD_TO_MULTIPLE_OF`; a batch that the data set has padded already
    (`MaskedChunks.__getitems__`) goes through."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.fillings = {"input_ids": tokenizer.pad_token_id, "labels": IGNORED, "token_type_ids": 0}

    def __call__(self, examples: Example | list[Example]) -> dict[str, torch.Tensor | int]:
        """`input_ids`, `attention_mask`, `labels`, shape (rows, length), and `masked_positions`, shape (masked,): where
        something is predicted, counted row after row; of pairs `token_type_ids` too, and `next_sentence_label`, shape
        (rows,). All int64. Numbers: `num_tokens` without padding, and of pairs `num_pairs` with a label."""
        batch = dict(examples) if isinstance(examples, dict) else self.pad(examples)
        lengths = batch.pop("lengths")
        batch["attention_mask"] = (np.arange(batch["input_ids"].shape[1]) < lengths[:, None]).astype(np.int64)
        batch["masked_positions"] = np.flatnonzero(batch["labels"] != IGNORED)
        tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
        if "next_sentence_label" in batch:
            tensors["num_pairs"] = int((batch["next_sentence_label"] != IGNORED).sum())
        return {**tensors, "num_tokens": int(lengths.sum())}

    def pad(self, examples: list[Example]) -> Example:
        lengths = np.array([len(example["input_ids"]) for example in examples])
        batch = {"lengths": lengths}
        for name in examples[0]:
            if name not in self.fillings:
                batch[name] = np.array([example[name] for example in examples])
                continue
            batch[name] = np.full((len(examples), padded_length(lengths)), self.fillings[name])
            for row, example in zip(batch[name], examples, strict=True):
                row[: len(example[name])] = example[name]
        return batch
