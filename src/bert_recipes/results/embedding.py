"""Texts -> vectors in constant memory: block after block, the rows in their order, sorted by length inside a block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import BUILT_IN, CHAR, EmbedArguments
from ..models.encoders import Encoder
from ..models.pretrained import weights_fingerprint
from ..run.errors import UserError
from ..text.builtin_corpora import load_builtin
from ..text.characters import (
    by_frequency,
    count_characters,
    known_tokens,
    tell_of_unknown,
)
from ..text.corpora import sha256
from ..text.documents import store
from ..training.progress import bar
from .parts import Parts, precision_of
from .vector_makers import Contexts, Texts
from .vector_tables import Vectors, vectors_of_characters

BLOCK_ROWS = 2048  # enough to sort by length, few enough to lose in a kill
# What the vectors come from: a run that goes on has the same.
FACTS = ("model_name_or_path", "unit", "context", "pooling", "layer", "normalize", "max_length", "text_columns")
FACTS += ("column_names", "encoding")


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


def facts(args: EmbedArguments) -> dict[str, Any]:
    return {name: getattr(args, name) for name in FACTS} | {
        "weights": weights_fingerprint(args),
        "text": sha256(args.input_file) if args.input_file else BUILT_IN,
        "precision": precision_of(args.launch),
        "rows a block": BLOCK_ROWS,
    }


def vectors_of_table(
    rows: Dataset, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, args: EmbedArguments
) -> Vectors:
    """A character's row of the embedding table; of one that the vocabulary has in pieces, their mean."""
    counts = count_characters(
        text for batch in rows.iter(BLOCK_ROWS) for name in args.text_column_names for text in batch[name]
    )
    known = known_tokens(by_frequency(counts), tokenizer)
    tell_of_unknown(counts, [character for character in by_frequency(counts) if character not in known])
    if not known:
        raise UserError(f"--input_file {args.input_file}: the tokenizer knows no character of it: take another model")
    table = encoder.model.get_input_embeddings().weight.detach()
    vectors = np.array([table[ids].mean(0).numpy() for ids in known.values()], dtype=np.float32)
    return vectors_of_characters(list(known), [counts[character] for character in known], vectors, args)
