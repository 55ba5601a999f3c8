"""Train the filter of the sentences on a task's labels."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset, DatasetDict
from torch.nn import functional
from transformers import AutoModel, PreTrainedTokenizerBase

from ..arguments.model import ModelArguments
from ..models.pretrained import load_model
from ..models.sentence_filter import LearnedScores, SentenceFilter, aspects_as_ids
from ..run.errors import tell
from ..text.encoding import label_vector
from ..text.sentences import sentences_of, token_ids_of

EPOCHS, PATIENCE, ROWS, LEARNING_RATE = 10, 2, 32, 2e-3


def train_filter(
    corpus: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    text_columns: list[str],
    label_names: list[str],
    model_args: ModelArguments,
    seed: int,
) -> LearnedScores:
    """A `SentenceFilter` that starts from the encoder's word embeddings, is trained on the training split, and has the
    lowest loss on the validation split. The first process trains it for all; the random numbers of the run stay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sentence_filter = SentenceFilter(len(tokenizer), len(label_names))
        if PartialState().is_main_process:
            if not model_args.from_scratch:
                encoder, _ = load_model(AutoModel, model_args)
                sentence_filter.start_from(encoder.get_input_embeddings().weight[: len(tokenizer)])
            splits = [as_ids(corpus[split], tokenizer, text_columns, label_names) for split in ("train", "validation")]
            fit(sentence_filter, *splits, seed)
    (weights,) = broadcast_object_list([sentence_filter.state_dict()])
    sentence_filter.load_state_dict(weights)
    return LearnedScores(sentence_filter, tokenizer)


def as_ids(rows: Dataset, tokenizer: PreTrainedTokenizerBase, text_columns: list[str], label_names: list[str]) -> list:
    """(token ids of the sentences, of the aspect, label) a row."""
    longest = max(1, tokenizer.model_max_length // 2)
    texts = token_ids_of([sentences_of(text, longest) for text in rows[text_columns[-1]]], tokenizer)
    aspects = aspects_as_ids(rows[text_columns[0]][:] if len(text_columns) == 2 else [None] * len(rows), tokenizer)
    label_ids = {name: index for index, name in enumerate(label_names)}
    labels = [label_vector(label, label_ids) for label in rows["label"]]
    return list(zip(texts, aspects, labels, strict=True))


def fit(sentence_filter: SentenceFilter, train: list, validation: list, seed: int) -> None:
    """Train until the validation loss has not fallen for `PATIENCE` epochs, and end with the best weights."""
    began, generator = time.perf_counter(), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(sentence_filter.parameters(), lr=LEARNING_RATE)
    best, losses = sentence_filter.state_dict(), []
    tell(f"Sentence filter: training on {len(train):,} rows, {EPOCHS} epochs at most")
    for _ in range(EPOCHS):
        sentence_filter.train()
        order = generator.permutation(len(train))
        for start in range(0, len(order), ROWS):
            loss = total_loss(sentence_filter, [train[row] for row in order[start : start + ROWS]])
            optimizer.zero_grad()
            (loss / len(order[start : start + ROWS])).backward()
            torch.nn.utils.clip_grad_norm_(sentence_filter.parameters(), 1.0)
            optimizer.step()
        losses.append(mean_loss(sentence_filter, validation))
        tell(f"Sentence filter: epoch {len(losses)}, validation loss {losses[-1]:.4f}")
        if losses[-1] == min(losses):
            best = copy.deepcopy(sentence_filter.state_dict())
        if len(losses) - losses.index(min(losses)) > PATIENCE:
            break
    sentence_filter.load_state_dict(best)
    count, took = sum(weight.numel() for weight in sentence_filter.parameters()), time.perf_counter() - began
    tell(f"Sentence filter: {count:,} weights, {took:.0f} s, the best validation loss is {min(losses):.4f}")


@torch.no_grad()
def mean_loss(sentence_filter: SentenceFilter, rows: list) -> float:
    sentence_filter.eval()
    losses = [total_loss(sentence_filter, rows[start : start + ROWS]) for start in range(0, len(rows), ROWS)]
    return float(sum(losses)) / len(rows)


def total_loss(sentence_filter: SentenceFilter, rows: list) -> torch.Tensor:
    """Cross-entropy of classes; of several labels a row binary cross-entropy, of a regression's numbers squared
    error."""
    texts, aspects, labels = zip(*rows, strict=True)
    logits, _ = sentence_filter(list(texts), list(aspects))
    if isinstance(labels[0], list):
        return functional.binary_cross_entropy_with_logits(logits, torch.tensor(labels), reduction="sum")
    if isinstance(labels[0], float):
        return functional.mse_loss(logits[:, 0], torch.tensor(labels), reduction="sum")
    return functional.cross_entropy(logits, torch.tensor(labels), reduction="sum")
