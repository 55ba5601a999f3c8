"""A small LSTM with attention that learns from a task's labels which sentences of a text bear on an aspect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from transformers import PreTrainedTokenizerBase

from ..run.errors import UserError
from ..text.sentences import token_ids_of

WEIGHTS, CONFIG = "sentence_filter.safetensors", "sentence_filter.json"
LONGEST = 64  # tokens of a sentence that are read
ROWS = 64  # texts at a time, where nothing is trained

Texts = list[list[list[int]]]  # token ids of each text's sentences


class SentenceFilter(torch.nn.Module):
    """Attention over the tokens of a text, asked by an aspect: the weighted sum of their LSTM states predicts the
    task's label, and the weights of a sentence's tokens add up to how much it bears on the aspect.

    A token's weight grows with how near its embedding is to the aspect's, the mean of its tokens', in directions that
    are learned, and with what the LSTM makes of it. Without an aspect the LSTM alone decides.
    """

    def __init__(self, vocab_size: int, outputs: int, size: int = 64):
        super().__init__()
        self.config = {"vocab_size": vocab_size, "outputs": outputs, "size": size}
        self.embeddings = torch.nn.Embedding(vocab_size, size)
        self.nearness = torch.nn.Linear(size, size, bias=False)
        self.sharpness = torch.nn.Parameter(torch.tensor(5.0))
        self.lstm = torch.nn.LSTM(size, size // 2, batch_first=True, bidirectional=True)
        self.asked, self.score = torch.nn.Linear(2 * size, size), torch.nn.Linear(size, 1)
        self.dropout = torch.nn.Dropout(0.2)
        self.head = torch.nn.Linear(2 * size, outputs)
        torch.nn.init.eye_(self.nearness.weight)

    @torch.no_grad()
    def start_from(self, embeddings: torch.Tensor) -> None:
        """The principal components of an encoder's word embeddings, shape (vocabulary, width)."""
        table, size = embeddings.float().cpu() - embeddings.float().cpu().mean(0), self.embeddings.embedding_dim
        if table.shape[1] >= size:
            _, _, directions = torch.pca_lowrank(table, q=size, center=False, niter=4)
            components = table @ directions
            self.embeddings.weight.copy_(components / components.std() * 0.5)

    def forward(self, texts: Texts, aspects: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """The task's logits, shape (texts, outputs), and the weights of the sentences, shape (texts, sentences), which
        add up to 1 in each text."""
        flat = [torch.tensor(sentence[:LONGEST] or [0]) for text in texts for sentence in text]
        counts, lengths = [len(text) for text in texts], torch.tensor([len(sentence) for sentence in flat])
        embedded = self.embeddings(pad_sequence(flat, batch_first=True))
        aspect = torch.stack([self.aspect_vector(token_ids) for token_ids in aspects])
        of_sentence = aspect.repeat_interleave(torch.tensor(counts), 0)[:, None]
        # Packed: what a sentence becomes does not depend on how long its neighbours are.
        packed = pack_padded_sequence(self.dropout(embedded), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        near = functional.cosine_similarity(self.nearness(embedded), self.nearness(of_sentence), dim=-1)
        asked = torch.tanh(self.asked(torch.cat([states, of_sentence.expand(-1, states.shape[1], -1)], -1)))
        scores = self.sharpness * near + self.score(asked)[..., 0]
        scores = scores.masked_fill(torch.arange(states.shape[1]) >= lengths[:, None], -torch.inf)
        # A text's sentences side by side: one softmax over all its tokens.
        in_text = pad_sequence(scores.split(counts), batch_first=True, padding_value=-torch.inf)
        weights = in_text.flatten(1).softmax(-1).view_as(in_text)
        of_text = torch.einsum("tsl,tslw->tw", weights, pad_sequence(states.split(counts), batch_first=True))
        return self.head(self.dropout(torch.cat([of_text, aspect], -1))), weights.sum(-1)

    def aspect_vector(self, token_ids: list[int]) -> torch.Tensor:
        if not token_ids:
            return self.embeddings.weight.new_zeros(self.embeddings.embedding_dim)
        return self.embeddings(torch.tensor(token_ids)).mean(0)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(self.config) + "\n", encoding="utf-8")


def load_filter(folder: Path) -> SentenceFilter:
    if not (folder / WEIGHTS).exists():
        raise UserError(f"{folder} has no {WEIGHTS}, which chooses the sentences that this model reads: copy it there")
    sentence_filter = SentenceFilter(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    sentence_filter.load_state_dict(load_file(folder / WEIGHTS))
    return sentence_filter.eval()


def aspects_as_ids(aspects: list[str | None], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    (ids,) = token_ids_of([[aspect or "" for aspect in aspects]], tokenizer)
    return ids


class LearnedScores:
    """`text.long_texts.Scores` by a trained filter."""

    def __init__(self, sentence_filter: SentenceFilter, tokenizer: PreTrainedTokenizerBase):
        self.sentence_filter, self.tokenizer = sentence_filter.eval(), tokenizer

    def __call__(self, sentences: list[list[str]], aspects: list[str | None]) -> list[np.ndarray]:
        return list(self.in_blocks(sentences, aspects))

    @torch.no_grad()
    def in_blocks(self, sentences: list[list[str]], aspects: list[str | None]) -> Iterator[np.ndarray]:
        texts, aspect_ids = token_ids_of(sentences, self.tokenizer), aspects_as_ids(aspects, self.tokenizer)
        for start in range(0, len(texts), ROWS):
            block = texts[start : start + ROWS]
            _, weights = self.sentence_filter(block, aspect_ids[start : start + ROWS])
            yield from (row[: len(text)].numpy() for row, text in zip(weights, block, strict=True))
