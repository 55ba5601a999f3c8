"""Texts with their entities: a built-in corpus, the user's files or a Hub data set, as train, validation and test."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, DatasetDict, Features, List, Value

from ..arguments.ner import NerDataArguments
from ..run.errors import UserError, counted, tell
from .builtin_corpora import SOURCES
from .columns import advice, read_texts
from .conll import SUFFIXES, Sentence, check_tags, read_sentences, texts_of
from .corpora import as_tables, load_by_name
from .files import Table, read_table
from .spans import read_entities
from .splits import choose_rows
from .tags import Entity

SPAN_FILES = (".jsonl", ".json", ".parquet")
SPAN_COLUMNS = ("entities", "label", "labels", "spans")
TAG_COLUMNS = ("ner_tags", "tags", "labels")  # beside "tokens", as data sets of the Hub have them
ENTITY = {"start": Value("int64"), "end": Value("int64"), "label": Value("string")}
FEATURES = Features({"text": Value("string"), "entities": List(ENTITY), "label": List(Value("string"))})


class Row(NamedTuple):
    """`place` says where it stands, for messages."""

    text: str
    entities: list[Entity]
    place: str


def load_entities(data_args: NerDataArguments, seed: int = 42) -> DatasetDict:
    """Train, validation and test: `text`, its `entities` (start, end, label) in their order, none overlapping another,
    and `label`, the types that occur in it.

    A split that isn't given is held out of the training rows, a tenth each, evenly over the types; no text stands on
    two sides. Raises UserError for whatever the user can put right.
    """
    rows = {split: read_source(source, data_args, f"--{split}_file") for split, source in sources_of(data_args).items()}
    name = Path(data_args.train_file).name if data_args.train_file else data_args.corpus_name
    check_types(rows, name)
    splits = {split: as_dataset(part) for split, part in rows.items()}
    return choose_rows(splits, data_args, name, ["text"], seed)


def as_dataset(rows: list[Row]) -> Dataset:
    columns = {
        "text": [row.text for row in rows],
        "entities": [[entity._asdict() for entity in row.entities] for row in rows],
        "label": [sorted({entity.label for entity in row.entities}) for row in rows],
    }
    return Dataset.from_dict(columns, features=FEATURES)


def entities_in(row: Sequence[dict[str, Any]]) -> list[Entity]:
    """A cell of the column `entities`."""
    return [Entity(**entity) for entity in row]


def count_types(rows: Dataset) -> Counter[str]:
    return Counter(entity["label"] for entities in rows["entities"][:] for entity in entities)


def sources_of(data_args: NerDataArguments) -> dict[str, Table | str]:
    """Of each split the table, or the path of the file that holds it."""
    if not data_args.train_file:
        return as_tables(load_by_name(data_args), data_args.corpus_name)
    paths = {"train": data_args.train_file, "validation": data_args.validation_file, "test": data_args.test_file}
    return {split: path for split, path in paths.items() if path}


def read_source(source: Table | str, data_args: NerDataArguments, argument: str) -> list[Row]:
    if isinstance(source, str) and Path(source).suffix.lower() not in SPAN_FILES:
        if Path(source).suffix.lower() not in SUFFIXES:
            raise UserError(
                f"{argument} {source}: must be a token and its tag a line ({', '.join(SUFFIXES)}), or texts with their "
                f"spans ({', '.join(SPAN_FILES)})"
            )
        sentences, name = list(read_sentences(source, data_args.encoding, argument)), Path(source).name
        if not sentences:
            raise UserError(f"{argument} {source}: the file has no sentences")
        if len(sentences) == 1:
            tell(
                f"{name}: no blank line parts its {len(sentences[0].tokens):,} tokens, so they are read as one sentence"
            )
        return read_tags(sentences, name, data_args)
    if isinstance(source, str):
        source = read_table(source, data_args.encoding, data_args.text_column_names, argument)
    if data_args.text_columns not in source.columns and "tokens" in source.columns:
        return read_tags(list(sentences_of(source)), source.name, data_args)
    (texts,) = read_texts(source, data_args.text_column_names).values()
    cells = source.columns[span_column(source, data_args.label_column)]
    span_ends = "exclusive" if data_args.dataset_name in SOURCES else data_args.span_ends
    places = [f"row {number} of {source.name}" for number in source.numbers]
    entities, _ = read_entities(source.name, places, texts, cells, span_ends, data_args.overlaps)
    return list(map(Row, texts, entities, places))


def read_tags(sentences: list[Sentence], name: str, data_args: NerDataArguments) -> list[Row]:
    check_tags(sentences, data_args.repair_tags)
    texts = texts_of(sentences, name)
    return [
        Row(*text, f"the sentence that begins at {sentence.places[0]}")
        for text, sentence in zip(texts, sentences, strict=True)
    ]


def sentences_of(table: Table) -> Iterator[Sentence]:
    """Of a table with the columns tokens and ner_tags, lists of one length."""
    column = next((name for name in TAG_COLUMNS if name in table.columns), None)
    if column is None:
        raise UserError(f"{table.name} has a column 'tokens', and none of their tags: {', '.join(TAG_COLUMNS)}")
    for number, tokens, tags in zip(table.numbers, table.columns["tokens"], table.columns[column], strict=True):
        lists = isinstance(tokens, list) and isinstance(tags, list) and len(tokens) == len(tags) > 0
        if not lists or not all(isinstance(part, str) and part for part in [*tokens, *tags]):
            raise UserError(
                f"row {number} of {table.name}: 'tokens' and {column!r} must be lists of one length, of words and of "
                "tags such as B-PER"
            )
        yield Sentence(tokens, tags, [f"row {number} of {table.name}, token {i}" for i in range(1, 1 + len(tokens))])


def span_column(table: Table, given: str | None) -> str:
    names = [given] if given else [name for name in SPAN_COLUMNS if name in table.columns]
    if not names or names[0] not in table.columns:
        wanted = repr(given) if given else f"of spans ({', '.join(SPAN_COLUMNS)})"
        raise UserError(f"--label_column: {table.name} has no column {wanted}{advice(table, given or SPAN_COLUMNS[0])}")
    return names[0]


def check_types(rows: dict[str, list[Row]], name: str) -> None:
    """Training has entities, and the other splits have none of another type."""
    known = {entity.label for row in rows["train"] for entity in row.entities}
    if not known:
        texts = counted(len(rows["train"]), "text")
        raise UserError(f"{name} has no entity in any of its {texts}: there is nothing to learn")
    for row in itertools.chain.from_iterable(rows.values()):
        for entity in row.entities:
            if entity.label not in known:
                near = difflib.get_close_matches(entity.label, known, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise UserError(
                    f"{row.place}: the entity {row.text[entity.start : entity.end]!r} is of the type "
                    f"{entity.label!r}{hint}, which {name} never has: correct it, or add training rows"
                )
