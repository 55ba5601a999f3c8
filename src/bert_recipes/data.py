"""The data of a classifier: the corpus, its label names, the tokenizer, and the encoded splits."""

from __future__ import annotations

from dataclasses import dataclass

from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from .arguments import LabelledDataArguments, ModelArguments
from .corpora import label_names, load_corpus
from .encoding import encode_texts
from .models import load_tokenizer


@dataclass
class ClassificationData:
    """Splits train, validation and test: as text (`corpus`) and, row by row the same, as token ids (`encoded`)."""

    corpus: DatasetDict
    encoded: DatasetDict
    tokenizer: PreTrainedTokenizerBase
    text_columns: list[str]
    label_names: list[str]
    multi_label: bool


def load_classification_data(
    model_args: ModelArguments, data_args: LabelledDataArguments, seed: int
) -> ClassificationData:
    """Read, check and encode the labelled text that the arguments name; the labels are those of the training split."""
    corpus = load_corpus(data_args, seed)
    names = label_names(corpus["train"]["label"])
    tokenizer = load_tokenizer(model_args)
    # Saved with the model: predict.py and a pipeline cut texts where training did.
    tokenizer.model_max_length = min(data_args.max_length, tokenizer.model_max_length)
    encoded = encode_texts(corpus, tokenizer, data_args.text_column_names, names)
    multi_label = not isinstance(corpus["train"]["label"][0], str)
    return ClassificationData(corpus, encoded, tokenizer, data_args.text_column_names, names, multi_label)
