"""Texts -> vectors in constant memory: block after block, the rows in their order, sorted by length inside a block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import BUILT_IN, CHAR, CLS, EmbedArguments
from ..arguments.recipe import RecipeArguments
from ..models.encoders import Encoder
from ..models.pretrained import weights_fingerprint
from ..run.errors import tell
from ..run.stops import failures_told
from ..text.builtin_corpora import load_builtin
from ..text.characters import (
    Windows,
    by_frequency,
    count_characters,
    known_tokens,
    sums_by_character,
    tell_of_unknown,
)
from ..text.corpora import sha256
from ..text.data_summary import Reading
from ..text.documents import store
from ..text.encoded import EncodedTexts
from ..text.encoding import join_columns
from ..text.long_texts import TRUNCATED
from ..training.progress import bar
from .parts import Parts

BLOCK_ROWS = 2048  # enough to sort by length, few enough to lose in a kill
# What the vectors come from: a run that goes on has the same.
FACTS = ("model_name_or_path", "unit", "context", "pooling", "layer", "normalize", "max_length", "text_columns")
FACTS += ("column_names", "encoding")
VECTOR, CHARACTER, COUNT, SUM = "vector", "character", "count", "sum"
Block = dict[str, list[str]]


@dataclass
class Vectors:
    """`tables()`: Arrow tables in their order, with the texts' columns or `character` and `count`, and `vector`."""

    count: int
    width: int
    of_characters: bool
    tables: Callable[[], Iterator[pa.Table]] = field(repr=False)


def read_rows(args: EmbedArguments) -> Dataset:
    """The checked texts of the input, memory-mapped. Raises `UserError` for an empty text, with its row."""
    with args.launch.main_process_first(desc="reading"):  # it writes the cache, the others read it
        return store(args.input_file or load_builtin(BUILT_IN)["test"], args, "input")


@contextmanager
def embed(
    rows: Dataset, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, args: EmbedArguments
) -> Iterator[Vectors]:
    """The vectors of the rows, or of their distinct characters. Each process of a launch computes some of the blocks,
    and all come back together; the blocks are deleted at the end, unless it is an error."""
    launch, columns = args.launch, args.text_column_names
    if args.unit == CHAR and not args.context:
        yield vectors_of_table(rows, encoder, tokenizer, args)
        return
    maker = Contexts if args.unit == CHAR else Texts
    make = maker(encoder.to(launch.device).eval(), tokenizer, args)
    blocks = math.ceil(len(rows) / BLOCK_ROWS)
    parts = Parts(args.output_file, facts(args), blocks, args.overwrite, launch.process_index == 0)
    with parts.alone():
        launch.distributed_state.wait_for_everyone()
        mine = [block for block in parts.missing() if block % launch.world_size == launch.process_index]
        total = sum(min(BLOCK_ROWS, len(rows) - block * BLOCK_ROWS) for block in mine)
        make.bar = bar("vectors", total, args, hidden=not parts.main_process, unit=" rows")
        for block in mine:
            chosen = rows[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS]
            parts.write(block, *make({name: chosen[name] for name in columns}, block * BLOCK_ROWS))
        make.bar.close()
        launch.distributed_state.wait_for_everyone()
        yield make.put_together(parts, len(rows))
    if parts.main_process:
        parts.remove()


def facts(args: EmbedArguments) -> dict[str, Any]:
    return {name: getattr(args, name) for name in FACTS} | {
        "weights": weights_fingerprint(args),
        "text": sha256(args.input_file) if args.input_file else BUILT_IN,
        "precision": precision_of(args.launch),
        "rows a block": BLOCK_ROWS,
    }


def precision_of(launch: RecipeArguments) -> str:
    return "bf16" if launch.bf16 else "fp16" if launch.fp16 else "fp32"


def vectors_of_table(
    rows: Dataset, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, args: EmbedArguments
) -> Vectors:
    """A character's row of the embedding table; of one that the vocabulary has in pieces, their mean."""
    counts = count_characters(
        text for batch in rows.iter(BLOCK_ROWS) for name in args.text_column_names for text in batch[name]
    )
    known = known_tokens(by_frequency(counts), tokenizer)
    tell_of_unknown(counts, [character for character in by_frequency(counts) if character not in known])
    table = encoder.model.get_input_embeddings().weight.detach()
    vectors = np.array([table[ids].mean(0).numpy() for ids in known.values()], dtype=np.float32)
    return vectors_of_characters(list(known), [counts[character] for character in known], vectors, args)


def vectors_of_characters(
    characters: list[str], counts: list[int], vectors: np.ndarray, args: EmbedArguments
) -> Vectors:
    vectors = normalized(vectors) if args.normalize else vectors
    table = pa.table({CHARACTER: characters, COUNT: counts, VECTOR: vector_column(vectors)})
    return Vectors(len(characters), vectors.shape[1], True, lambda: iter([table]))


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
            vector = "their vector is that of [CLS] alone" if self.args.pooling == CLS else "their vector is zeros"
            tell(f"{name}: the tokenizer drops all of {len(empty):,} rows (row {empty[0]} first), and {vector}")
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


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def vector_column(vectors: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])


def vectors_in(table: pa.Table, column: str = VECTOR) -> np.ndarray:
    """Shape (rows, width)."""
    values = table[column].combine_chunks()
    return values.flatten().to_numpy().reshape(len(table), values.type.list_size)
