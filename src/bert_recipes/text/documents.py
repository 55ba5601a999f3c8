"""Plain text for pretraining: the documents of a corpus, on disk and memory-mapped however many they are."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict, Features, Value
from datasets.exceptions import DatasetGenerationError

from ..arguments.data import DataArguments
from ..run.errors import UserError
from .columns import find_column, read_texts
from .corpora import load_by_name
from .files import Row, Table, iterate_rows
from .packaged_text import normalise
from .splits import HELD_OUT_SEED

KEY = "key of the text"  # a column that no file has
MOST_HELD_OUT = 5_000  # documents: enough for a loss, and an evaluation stays short


def load_documents(data_args: DataArguments, seed: int = 42) -> DatasetDict:
    """Train and validation with the columns of --text_columns and `KEY` (`keys`), a document a row, all of it checked.

    A validation split that isn't given is a tenth of the training documents (5,000 at most), chosen by the hash of
    their text, so that the same text never stands on two sides. Raises UserError for what the user can put right.
    """
    splits = {split: store(source, data_args, split) for split, source in sources(data_args).items()}
    if "validation" not in splits:
        splits = hold_out(splits["train"])
    limits = {"train": (data_args.max_train_samples, seed), "validation": (data_args.max_eval_samples, HELD_OUT_SEED)}
    for split, (limit, drawn_by) in limits.items():
        splits[split] = draw(splits[split], limit, drawn_by)
    return DatasetDict(train=splits["train"], validation=splits["validation"])


def draw(documents: Dataset, size: int | None, seed: int) -> Dataset:
    """`size` of the documents at random, in their order; all of them where no more are asked for than there are."""
    if not size or size >= len(documents):
        return documents
    return documents.select(sorted(np.random.default_rng(seed).permutation(len(documents))[:size]))


def load_validation(data_args: DataArguments) -> DatasetDict:
    """The validation file alone: the training text is streamed, and nothing can be held out of a stream."""
    if not data_args.validation_file:
        raise UserError("--streaming needs a --validation_file beside the --train_file")
    documents = store(data_args.validation_file, data_args, "validation")
    return DatasetDict(validation=draw(documents, data_args.max_eval_samples, HELD_OUT_SEED))


def sources(data_args: DataArguments) -> dict[str, Dataset | str]:
    """Of each split the rows, or the path of the file that holds them."""
    if data_args.train_file:
        files = {"train": data_args.train_file, "validation": data_args.validation_file}
        return {split: path for split, path in files.items() if path}
    rows = load_by_name(data_args)
    return {split: rows[split] for split in ("train", "validation") if split in rows}


def store(source: Dataset | str, data_args: DataArguments, split: str) -> Dataset:
    """The checked texts of a source, each with the `KEY` of its row, written to the data sets' cache once."""
    columns = data_args.text_column_names
    features = Features({column: Value("string") for column in columns} | {KEY: Value("int64")})
    if isinstance(source, Dataset):
        # A tuple: datasets would take a list for shards, and read all rows once for each.
        options = {"rows": source, "name": f"{data_args.corpus_name} ({split})", "text_columns": tuple(columns)}
        options["version"] = (code_fingerprint(),)
        return write(texts_of_rows, features, options)
    if not Path(source).is_file():
        raise UserError(f"--{split}_file {source}: there is no such file")
    # The cache knows a file by what is passed on here, and nothing else: its size and time tell a changed one, and the
    # code is what read it.
    status = Path(source).stat()
    options = {"path": source, "encoding": data_args.encoding, "argument": f"--{split}_file"}
    options |= {"text_columns": tuple(columns), "column_names": tuple(data_args.given_column_names)}
    options |= {"version": (status.st_size, status.st_mtime_ns, code_fingerprint())}
    return write(texts_of_file, features, options)


def write(generator: Callable[..., Iterator[Row]], features: Features, options: dict) -> Dataset:
    try:
        return Dataset.from_generator(generator, features=features, gen_kwargs=options)
    except DatasetGenerationError as error:  # says that something went wrong; what did stands behind it
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__ or cause.__context__
        raise cause or error from error


@functools.cache
def code_fingerprint() -> str:
    """Of this package: what another version of it has read and cut is not taken from the cache."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.blake2b(b"".join(path.read_bytes() for path in sources), digest_size=8).hexdigest()


def texts_of_rows(rows: Dataset, name: str, text_columns: tuple[str, ...], version: tuple) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield checked(row, name, number, text_columns)


def texts_of_file(
    path: str,
    encoding: str,
    argument: str,
    text_columns: tuple[str, ...],
    column_names: tuple[str, ...] = (),
    version: tuple | None = None,
) -> Iterator[Row]:
    for number, row in iterate_rows(path, encoding, list(text_columns), argument, column_names):
        yield checked(row, Path(path).name, number, text_columns)


def checked(row: Row, name: str, number: int | str, text_columns: Sequence[str]) -> Row:
    table = Table(name, {column: [cell] for column, cell in row.items()}, [number])
    for column in text_columns:
        if column not in row:  # other rows may have it
            find_column(replace(table, name=f"row {number} of {name}"), column, "--text_columns")
    texts = {column: cells[0] for column, cells in read_texts(table, list(text_columns)).items()}
    digest = hashlib.blake2b("\n".join(map(normalise, texts.values())).encode(), digest_size=8).digest()
    return texts | {KEY: int.from_bytes(digest, "big", signed=True)}


def keys(documents: Dataset) -> np.ndarray:
    """A number for each row, int64, the same for texts that differ in case, punctuation and width alone."""
    return documents.with_format("numpy")[KEY][:]


def hold_out(documents: Dataset) -> dict[str, Dataset]:
    """A tenth of the distinct texts, those with the smallest keys, is validation."""
    distinct = np.unique(keys(documents))
    size = min(max(1, len(distinct) // 10), MOST_HELD_OUT)
    if len(distinct) < 2:
        raise UserError("one text alone: none can be held out for validation; add text, or give a --validation_file")
    held_out = keys(documents) <= distinct[size - 1]
    return {
        "train": documents.select(np.flatnonzero(~held_out)),
        "validation": documents.select(np.flatnonzero(held_out)),
    }
