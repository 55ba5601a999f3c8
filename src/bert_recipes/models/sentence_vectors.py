"""Sentences and aspects as mean vectors of an encoder, compared by their cosine."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import MEAN
from ..arguments.model import CheckpointArguments
from .encoders import Encoder, Pooling, load_encoder

TEXTS = 128  # at a time


class EncoderScores:
    """`text.long_texts.Scores`: the cosine of the mean token vectors of a sentence and of its aspect, both less
    the mean over the text's sentences, which they all share."""

    def __init__(self, model_args: CheckpointArguments, tokenizer: PreTrainedTokenizerBase):
        self.model_args, self.tokenizer = model_args, tokenizer

    def __reduce__(self):  # a fingerprint of the arguments: the encoder's weights are those of its name
        return EncoderScores, (self.model_args, self.tokenizer)

    @cached_property
    def encoder(self) -> Encoder:
        model, _ = load_encoder(self.model_args)
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
        return Encoder(model, Pooling(self.tokenizer, MEAN)).eval().to(device)

    def unload(self) -> None:
        """Free the encoder's memory; the next call loads it again."""
        self.__dict__.pop("encoder", None)

    def __call__(self, sentences: list[list[str]], aspects: list[str]) -> list[np.ndarray]:
        distinct = list(dict.fromkeys(aspects))
        flat = [sentence for of_text in sentences for sentence in of_text]
        vectors = self.vectors([*distinct, *flat])
        of_aspect = dict(zip(distinct, vectors, strict=False))
        in_texts = vectors[len(distinct) :].split([len(of_text) for of_text in sentences])
        scores = []
        for of_sentences, aspect in zip(in_texts, aspects, strict=True):
            centre = of_sentences.mean(0)
            cosines = functional.cosine_similarity(of_sentences - centre, of_aspect[aspect] - centre, dim=-1)
            scores.append(cosines.numpy())
        return scores

    @torch.no_grad()
    def vectors(self, texts: list[str]) -> torch.Tensor:
        """Means over a text's own tokens in the last layer, float32, shape (texts, width); batches of like length."""
        order, found = np.argsort([len(text) for text in texts], kind="stable"), [None] * len(texts)
        device = self.encoder.pooling.frame.device
        for start in range(0, len(order), TEXTS):
            rows = order[start : start + TEXTS]
            batch = self.tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt", verbose=False
            ).to(device)
            for row, vector in zip(rows, self.encoder(dict(batch)).cpu(), strict=True):
                found[row] = vector
        return torch.stack(found)
