"""Texts that stand in a data set more than once, within a split and across splits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas
from datasets import DatasetDict

from ..run.errors import counted
from .documents import keys
from .labels import as_list
from .splits import texts_as_one


def repeated_rows(corpus: DatasetDict, text_columns: list[str]) -> Iterator[str]:
    """Rows whose texts differ in case, width and punctuation at most, in a split and across splits."""
    rows = {
        split: pandas.DataFrame(
            {
                "text": [hash(text) for text in texts_as_one(part, text_columns)],
                "label": ["\n".join(sorted(as_list(label))) for label in part["label"][:]],
            }
        )
        for split, part in corpus.items()
    }
    for split, part in rows.items():
        if repeats := int(part["text"].duplicated().sum()):
            torn = int((part.groupby("text")["label"].nunique() > 1).sum())
            labels = f"; {counted(torn, 'text has', 'texts have')} different labels" if torn else ""
            yield f"{split}: {repeats:,} of {len(part):,} rows repeat the text of an earlier one{labels}"
    for earlier, later in combinations(rows, 2):
        yield from repeats_of(rows[later], rows[earlier], later, earlier)


def repeats_of(part: pandas.DataFrame, other: pandas.DataFrame, split: str, other_split: str) -> Iterator[str]:
    repeats = part["text"].isin(other["text"])
    if repeats.any():
        same = part[repeats].merge(other.drop_duplicates(), on=["text", "label"])
        torn = int(repeats.sum()) - len(same)
        labels = f", {torn:,} of them under another label" if torn else ""
        yield (
            f"{split}: {repeats.sum():,} of {len(part):,} rows have a text that {other_split} has too{labels}: "
            "their scores say nothing about new texts"
        )


def repeated_documents(documents: DatasetDict) -> Iterator[str]:
    for split, part in documents.items():
        if repeats := len(part) - len(np.unique(keys(part))):
            yield f"{split}: {repeats:,} of {len(part):,} documents repeat an earlier one"
    if "train" in documents:
        repeats = int(np.isin(keys(documents["validation"]), keys(documents["train"])).sum())
        if repeats:
            which = counted(repeats, "document is a training document", "documents are training documents")
            yield f"validation: {which} too, which says nothing about new text"
