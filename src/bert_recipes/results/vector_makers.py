"""A block of rows -> vectors of its texts, or sums of those of its characters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import BUILT_IN, CLS, EmbedArguments
from ..models.encoders import Encoder
from ..run.errors import counted, tell
from ..run.stops import failures_told
from ..text.characters import Windows, by_frequency, count_characters, sums_by_character, tell_of_unknown
from ..text.data_summary import Reading
from ..text.encoded import EncodedTexts
from ..text.encoding import join_columns
from ..text.long_texts import TRUNCATED
from .parts import Parts, precision_of
from .vector_tables import (
    CHARACTER,
    COUNT,
    VECTOR,
    Vectors,
    normalized,
    vector_column,
    vectors_in,
    vectors_of_characters,
)

SUM = "sum"
Block = dict[str, list[str]]


class Maker:
    """A block of rows -> a table, and what there is to tell of it."""

    def __init__(self, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, args: EmbedArguments):
        self.encoder, self.tokenizer, self.args, self.launch = encoder, tokenizer, args, args.launch
        self.bar = None  # counts the rows that are done

    def batches(self, encoded: EncodedTexts) -> Iterator[tuple[np.ndarray, dict[str, torch.Tensor]]]:
        """Rows, and what the model reads of them, the longest first."""
        order = np.argsort(-encoded.lengths, kind="stable")
        size = self.launch.per_device_eval_batch_size
        for start in range(0, len(order), size):
            batch = encoded.__getitems__(order[start : start + size])
            del batch["num_tokens"]
            yield order[start : start + size], {name: ids.to(self.launch.device) for name, ids in batch.items()}

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Without gradients, in the precision of the launch; too little memory is told."""
        advice = f"--per_device_eval_batch_size {self.launch.per_device_eval_batch_size}: lower it"
        precision = precision_of(self.launch)
        dtype = torch.float16 if precision == "fp16" else torch.bfloat16
        autocast = torch.autocast(self.launch.device.type, dtype, enabled=precision != "fp32")
        with failures_told(self.launch, advice), torch.inference_mode(), autocast:
            yield


class Texts(Maker):
    """A vector a row."""

    def __call__(self, block: Block, first: int) -> tuple[pa.Table, dict[str, Any]]:
        rows = TRUNCATED.encode(self.tokenizer, list(block.values()))
        encoded = EncodedTexts(pa.table(rows), self.tokenizer)
        vectors = np.empty((len(encoded), self.encoder.model.config.hidden_size), np.float32)
        empty, unknown, tokens = [], 0, 0
        with self.computing():
            for numbers, batch in self.batches(encoded):
                vectors[numbers] = self.encoder(batch).cpu().numpy()
                own = self.encoder.pooling.own_tokens(batch["input_ids"])
                tokens += int(own.sum())
                unknown += int((batch["input_ids"] == self.tokenizer.unk_token_id).sum()) if self.has_unk else 0
                empty += (first + 1 + numbers[~own.any(1).cpu().numpy()]).tolist()
                self.bar.update(len(numbers))
        cut = sum(length > kept for length, kept in zip(rows["uncut_length"], rows["length"], strict=True))
        vectors = normalized(vectors) if self.args.normalize else vectors
        notes = {"cut": cut, "empty": sorted(empty), "unknown": unknown, "tokens": tokens}
        return pa.table({**block, VECTOR: vector_column(vectors)}), notes

    @property
    def has_unk(self) -> bool:
        return self.tokenizer.unk_token_id is not None

    def put_together(self, parts: Parts, count: int) -> Vectors:
        if parts.main_process:
            self.tell(list(parts.notes()), count)
        return Vectors(count, self.encoder.model.config.hidden_size, False, parts.tables)

    def tell(self, notes: list[dict[str, Any]], count: int) -> None:
        name, limit = self.args.input_file or BUILT_IN, self.tokenizer.model_max_length
        cut, tokens = (sum(note[key] for note in notes) for key in ("cut", "tokens"))
        if cut:
            tell(f"{name}: {cut:,} of {count:,} rows are longer than {limit} tokens, and lose their end")
        empty = [row for note in notes for row in note["empty"]]
        if empty:
            vector = "that of [CLS] alone" if self.args.pooling == CLS else "zeros"
            which = f"{counted(len(empty), 'text')} (number {empty[0]} first)"
            tell(f"{name}: the tokenizer drops all of {which}, whose vector is {vector}")
        for line in Reading(sum(note["unknown"] for note in notes) / max(1, tokens), 0).notes(name):
            tell(line)


class Contexts(Maker):
    """The sum of each character's vectors over its places."""

    def __call__(self, block: Block, first: int) -> tuple[pa.Table, dict[str, Any]]:
        texts = join_columns(block, list(block))
        windows = Windows(texts, self.tokenizer)
        characters = sorted(count_characters(texts))
        numbers = {character: number for number, character in enumerate(characters)}
        counts = np.zeros(len(characters), np.int64)
        sums = np.zeros((len(characters), self.encoder.model.config.hidden_size))
        with self.computing():
            for rows, batch in self.batches(EncodedTexts(pa.table(windows.rows), self.tokenizer)):
                states = self.encoder.hidden_states(batch).cpu().numpy()
                for row, vectors in zip(rows, states, strict=True):
                    sums_by_character(vectors, list(windows.places(row)), numbers, sums, counts)
        self.bar.update(len(texts))
        return pa.table({CHARACTER: characters, COUNT: counts, SUM: vector_column(sums)}), {}

    def put_together(self, parts: Parts, count: int) -> Vectors:
        sums, counts = {}, {}
        for table in parts.tables() if parts.main_process else ():
            block_counts = table[COUNT].to_pylist()
            for character, number, vector in zip(
                table[CHARACTER].to_pylist(), block_counts, vectors_in(table, SUM), strict=True
            ):
                sums[character] = sums.get(character, 0) + vector
                counts[character] = counts.get(character, 0) + number
        read = [character for character in by_frequency(counts) if counts[character]]
        tell_of_unknown(counts, [character for character in by_frequency(counts) if not counts[character]])
        means = np.array([sums[character] / counts[character] for character in read], dtype=np.float32)
        means = means.reshape(len(read), self.encoder.model.config.hidden_size)
        return vectors_of_characters(read, [counts[character] for character in read], means, self.args)
