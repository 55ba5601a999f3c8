"""What the texts and their entities are, told before a model trains on them and in its card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from .data_summary import SAMPLED_TEXTS, DataSummary, Reading, read
from .entities import count_types
from .entity_windows import texts_of_windows
from .flat import FlatLists, as_table
from .repeats import repeated_rows
from .sentences import UNSPACED, WORD
from .tags import types_of


def summarise_entities(
    corpus: DatasetDict, encoded: DatasetDict, tokenizer: PreTrainedTokenizerBase, tag_names: Sequence[str]
) -> DataSummary:
    """Of texts with their entities, and their windows (`entity_windows.encode_windows`)."""
    limit = tokenizer.model_max_length
    heading = ["", "rows", "median tokens", "95 %", "longest", f"in windows of {limit}", "entities", *Reading.heading]
    splits, readings = [heading], {split: read(corpus[split], encoded[split], tokenizer, ["text"]) for split in corpus}
    counts = {split: count_types(rows) for split, rows in corpus.items()}
    for split, rows in encoded.items():
        lengths, windows = FlatLists(as_table(rows)["starts"]).lengths, texts_of_windows(rows)
        tokens = np.array([lengths[of_text].sum() for of_text in windows])
        median, most = np.percentile(tokens, [50, 95])
        several = sum(len(of_text) > 1 for of_text in windows)
        cells = [f"{len(windows):,}", f"{median:,.0f}", f"{most:,.0f}", f"{tokens.max():,}", f"{several:,}"]
        splits.append([split, *cells, f"{counts[split].total():,}", *readings[split].cells])
    types = types_of(tag_names)
    labels = [
        [str(number), name, *(f"{count[name]:,}" for count in counts.values())] for number, name in enumerate(types)
    ]
    notes = [*repeated_rows(corpus, ["text"]), *absent_types(counts, types), *readings["train"].notes("train")]
    return EntitySummary(splits, [["number", "type", *corpus], *labels], notes)


class EntitySummary(DataSummary):
    counted = "types, training entities"


def absent_types(counts: dict[str, dict[str, int]], types: Sequence[str]) -> Iterator[str]:
    for split, count in counts.items():
        if absent := [name for name in types if not count[name]]:
            yield f"{split}: no text has {', '.join(absent)}"


def mostly_unspaced(texts: Sequence[str]) -> bool:
    """Whether most words, of a sample, are characters of a script that sets no spaces, as Chinese is."""
    rows = np.linspace(0, len(texts) - 1, min(len(texts), SAMPLED_TEXTS)).astype(int)
    words = [word for row in rows for word in WORD.findall(texts[int(row)])]
    return sum(bool(re.match(f"[{UNSPACED}]", word)) for word in words) > len(words) / 2
