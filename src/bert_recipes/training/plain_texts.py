"""The data of a stage that needs texts without labels: splits train and validation, with their tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from ..arguments.data import DataArguments
from ..arguments.simcse import SimcseArguments
from ..run.errors import UserError
from ..text.data_summary import DataSummary, Reading, long_rows, read
from ..text.documents import load_documents
from ..text.encoded import EncodedTexts
from ..text.encoding import encode_texts
from ..text.masking import column
from ..text.repeats import repeated_documents


@dataclass
class PlainTexts:
    train: EncodedTexts
    validation: EncodedTexts
    tokenizer: PreTrainedTokenizerBase
    summary: DataSummary


def load_plain_texts(data_args: DataArguments, args: SimcseArguments, tokenizer: PreTrainedTokenizerBase) -> PlainTexts:
    """Read, check and encode the text that the arguments name, a text or pair a row; the labels of a labelled corpus
    are not looked at."""
    columns = data_args.text_column_names
    with args.main_process_first(desc="reading"):  # it writes the cache, the others read it
        documents = load_documents(data_args, args.seed)
        encoded = encode_texts(documents, tokenizer, columns)
    if len(encoded["train"]) < 2 or len(encoded["validation"]) < 2:
        raise UserError("SimCSE needs at least two training and two validation texts: add text")
    splits = [["", "texts", "median tokens", f"cut at {tokenizer.model_max_length}", *Reading.heading]]
    notes = list(repeated_documents(documents))
    for split, rows in encoded.items():
        reading = read(documents[split], rows, tokenizer, columns)
        cut = long_rows(rows, tokenizer.model_max_length)
        median = f"{np.median(column(rows, 'uncut_length')):,.0f}"
        splits.append([split, f"{len(rows):,}", median, f"{cut:,} ({cut / len(rows):.1%})", *reading.cells])
        notes += reading.notes(split) if split == "train" else ()
    summary = DataSummary(splits, notes=notes)
    summary.show()
    train, validation = (EncodedTexts(encoded[split], tokenizer) for split in ("train", "validation"))
    return PlainTexts(train, validation.by_length(), tokenizer, summary)
