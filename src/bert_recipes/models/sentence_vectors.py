"""Sentences and aspects as mean vectors of an encoder, compared by their cosine."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.model import CheckpointArguments
from .pretrained import load_config, load_model

TEXTS = 128  # at a time


class EncoderScores:
    """`text.long_texts.Scores`: the cosine of the mean token vectors of a sentence and of its aspect, both less
    the mean over the text's sentences, which they all share."""

    def __init__(self, model_args: CheckpointArguments, tokenizer: PreTrainedTokenizerBase):
        self.model_args, self.tokenizer = model_args, tokenizer

    def __reduce__(self):  # a fingerprint of the arguments: the encoder's weights are those of its name
        return EncoderScores, (self.model_args, self.tokenizer)

    @cached_property
    def encoder(self) -> PreTrainedModel:
        load_config(self.model_args)
        model, _ = load_model(AutoModel, self.model_args)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        return model.eval().to(device)

    def __call__(self, sentences: list[list[str]], aspects: list[str]) -> list[np.ndarray]:
        distinct = list(dict.fromkeys(aspects))
        flat = [sentence for of_text in sentences for sentence in of_text]
        vectors = self.vectors([*distinct, *flat])
        of_aspect, of_sentences = dict(zip(distinct, vectors, strict=False)), vectors[len(distinct) :]
        scores, start = [], 0
        for of_text, aspect in zip(sentences, aspects, strict=True):
            of_this = of_sentences[start : start + len(of_text)]
            start += len(of_text)
            centre = of_this.mean(0)
            scores.append(unit(of_this - centre) @ unit(of_aspect[aspect] - centre))
        return scores

    @torch.no_grad()
    def vectors(self, texts: list[str]) -> np.ndarray:
        """Means over the tokens of the last layer, float32, shape (texts, width); batches of like length."""
        lengths = np.array([len(text) for text in texts])
        order, found = np.argsort(lengths, kind="stable"), [None] * len(texts)
        for start in range(0, len(order), TEXTS):
            rows = order[start : start + TEXTS]
            batch = self.tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt", verbose=False
            ).to(self.encoder.device)
            states = self.encoder(**batch)["last_hidden_state"]
            inside = batch["attention_mask"][..., None]
            means = (states * inside).sum(1) / inside.sum(1)
            for row, mean in zip(rows, means.float().cpu().numpy(), strict=True):
                found[row] = mean
        return np.stack(found)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
