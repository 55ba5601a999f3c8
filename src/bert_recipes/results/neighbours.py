"""The nearest neighbours of characters or texts by cosine, found block after block."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import CHAR, EmbedArguments
from ..models.encoders import Encoder
from ..run.errors import tell
from ..run.tables import print_table
from ..text.encoded import EncodedTexts
from ..text.long_texts import TRUNCATED
from .vector_tables import CHARACTER, Vectors, normalized, vectors_in

SHORT = 40  # characters of a text that is shown
Neighbour = tuple[str, float]  # a character or text, and its cosine


def queries(
    args: EmbedArguments, vectors: Vectors, encoder: Encoder, tokenizer: PreTrainedTokenizerBase
) -> dict[str, np.ndarray]:
    """What neighbours are asked of, each with its vector: of a character the file's, a text goes through the model."""
    wanted = args.nearest[1:] if args.nearest else []
    if args.unit != CHAR:
        return {text: vector_of(text, encoder, tokenizer) for text in wanted}
    (table,) = vectors.tables()
    there = {character: number for number, character in enumerate(table[CHARACTER].to_pylist())}
    for character in wanted:
        if character not in there:
            tell(f"--nearest: {character!r} has no vector: the file or the vocabulary lacks it")
    return {character: vectors_in(table)[there[character]] for character in wanted if character in there}


@torch.inference_mode()
def vector_of(text: str, encoder: Encoder, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    encoded = EncodedTexts(pa.table(TRUNCATED.encode(tokenizer, [[text]])), tokenizer)
    batch = encoded.__getitems__([0])
    del batch["num_tokens"]
    device = encoder.pooling.frame.device
    return encoder({name: ids.to(device) for name, ids in batch.items()})[0].cpu().numpy()


def find_neighbours(
    wanted: dict[str, np.ndarray], vectors: Vectors, args: EmbedArguments
) -> dict[str, list[Neighbour]]:
    """The nearest first. The query itself is left out, and of a repeated text all but one."""
    if not wanted:
        return {}
    count = int(args.nearest[0])
    best: dict[str, list[Neighbour]] = {name: [] for name in wanted}
    directions = normalized(np.array(list(wanted.values())))
    for table in vectors.tables():
        row_of: dict[str, int] = {}
        for row, name in enumerate(names_of(table, np.arange(len(table)))):
            row_of.setdefault(name, row)
        names = list(row_of)
        cosines = directions @ normalized(vectors_in(table)[list(row_of.values())]).T
        for name, row in zip(wanted, cosines, strict=True):
            known = {name, *(other for other, _ in best[name])}
            new = (number for number in np.argsort(-row, kind="stable") if names[number] not in known)
            found = ((names[number], float(row[number])) for number in itertools.islice(new, count))
            best[name] = sorted([*best[name], *found], key=lambda neighbour: -neighbour[1])[:count]
    return best


def names_of(table: pa.Table, rows: np.ndarray) -> Iterator[str]:
    """Of a pair both texts."""
    names = [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]
    for row in table.select(names).take(pa.array(rows)).to_pylist():
        yield " | ".join(row[name] for name in names)


def tell_neighbours(found: dict[str, list[Neighbour]]) -> None:
    for name, neighbours in found.items():
        print_table([[shorten(name), "cosine"], *([shorten(other), f"{cosine:.4f}"] for other, cosine in neighbours)])
    print(flush=True) if found else None


def shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[:SHORT]}…"
