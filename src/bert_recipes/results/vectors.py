"""Vectors -> a file, block after block: word2vec text, npz or parquet; their neighbours and their picture."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from transformers import PreTrainedTokenizerBase

from ..arguments.embed import WORD2VEC, EmbedArguments
from ..models.encoders import Encoder
from ..run.errors import counted, tell
from ..run.whole_files import whole_file
from .neighbours import Neighbour, find_neighbours, queries, tell_neighbours
from .vector_tables import CHARACTER, Vectors, vectors_in

DIGITS = 9  # significant ones: what float32 needs to come back as it was


def report_vectors(
    vectors: Vectors, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, args: EmbedArguments
) -> dict[str, list[Neighbour]]:
    """Write the file, print the neighbours and draw the picture that are asked for. Returns the neighbours."""
    if args.launch.process_index:
        return {}
    suffix = Path(args.output_file).suffix.lower()
    write = write_word2vec if suffix in WORD2VEC else write_npz if suffix == ".npz" else write_parquet
    wanted = queries(args, vectors, encoder, tokenizer)  # what is not there is told before anything is written
    with whole_file(Path(args.output_file)) as part:
        write(vectors, part)
    found = find_neighbours(wanted, vectors, args)
    tell_neighbours(found)
    if args.picture:
        from .map_of_vectors import draw_vectors

        draw_vectors(vectors, Path(args.picture))
        tell(f"drawn in {args.picture}")
    units = counted(vectors.count, "character" if vectors.of_characters else "text")
    tell(f"{units}, vectors of {vectors.width} numbers, saved in {args.output_file}")
    return found


def keys_of(vectors: Vectors) -> Iterator[tuple[list[str] | range, pa.Table]]:
    """What each table's rows are called, with the table: characters, or a text's row, counted from 1."""
    first = 1
    for table in vectors.tables():
        yield table[CHARACTER].to_pylist() if vectors.of_characters else range(first, first + len(table)), table
        first += len(table)


def write_word2vec(vectors: Vectors, path: Path) -> None:
    """A line with the two sizes, then a line a vector: its key, and its numbers, parted by spaces."""
    form = " ".join([f"%.{DIGITS}g"] * vectors.width)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{vectors.count} {vectors.width}\n")
        for keys, table in keys_of(vectors):
            file.writelines(
                f"{key} {form % tuple(row)}\n" for key, row in zip(keys, vectors_in(table).tolist(), strict=True)
            )


def write_npz(vectors: Vectors, path: Path) -> None:
    """`keys`, shape (rows,), and `vectors`, shape (rows, width), float32, as numpy.load has them."""
    keys = np.arange(1, vectors.count + 1)
    if vectors.of_characters:
        keys = np.array([character for characters, _ in keys_of(vectors) for character in characters], dtype=str)
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open(zipfile.ZipInfo("keys.npy"), "w") as file:
            np.lib.format.write_array(file, keys, allow_pickle=False)
        with archive.open(zipfile.ZipInfo("vectors.npy"), "w", force_zip64=True) as file:
            shape = {"descr": "<f4", "fortran_order": False, "shape": (vectors.count, vectors.width)}
            np.lib.format.write_array_header_1_0(file, shape)
            for table in vectors.tables():
                file.write(vectors_in(table).astype("<f4").tobytes())


def write_parquet(vectors: Vectors, path: Path) -> None:
    tables = vectors.tables()
    first = next(tables)
    with pyarrow.parquet.ParquetWriter(path, first.schema) as writer:
        for table in itertools.chain([first], tables):
            writer.write_table(table)
