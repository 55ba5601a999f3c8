"""What a stage changed, measured from the folders before and after it, on text that no stage was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from datasets import Dataset, DatasetDict
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.classifier import FinetuneArguments
from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.mlm import MlmArguments
from ..arguments.model import ClassifierModelArguments
from ..arguments.parse import parse
from ..models.classifiers import load_classifier
from ..models.masked_lm import has_masked_lm_head, load_masked_lm
from ..models.tokenization import load_tokenizer
from ..text.chunks import chunk_documents
from ..text.documents import code_fingerprint, load_documents, load_validation
from ..text.encoding import join_columns, sort_by_length
from ..text.masking import VALIDATION_MLM_PROBABILITY, MaskedChunks
from .evidence import loss_with_head, representations, similarity_by_layer, weight_changes

GENERAL_TEXT = "peoples_daily"
HELD_OUT_TEXTS = 50  # about 3,000 tokens


def measure_changes(argv: list[str]) -> dict:
    """What fine-tuning changed, from the folder that it left: see `compare`; and `masked_lm_loss` of the encoder with
    its masked-language-model head put back, where it has one (random weights have none), [before, after] on the task's
    validation text and on general text."""
    # The run's seed draws the same random weights again: its start.
    model_args, data_args, args = parse(ClassifierModelArguments, LabelledDataArguments, FinetuneArguments, argv=argv)
    after = AutoModelForSequenceClassification.from_pretrained(args.output_dir)
    before = load_classifier(model_args, [after.config.id2label[index] for index in range(after.config.num_labels)])
    tokenizer, texts = load_tokenizer(model_args), held_out(data_args)
    changes = compare(before, after, tokenizer, texts["task"])
    if not model_args.from_scratch and has_masked_lm_head(model_args):
        masked_lm = load_masked_lm(model_args, tokenizer)
        changes["masked_lm_loss"] = {
            name: [loss_with_head(masked_lm, model, chunks, tokenizer) for model in (before, after)]
            for name, chunks in masked_once(texts, tokenizer, args.output_dir).items()
        }
    return changes


def compare(before: PreTrainedModel, after: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]):
    """`weights_moved` by parameter group, and `similarity` of the embeddings' output and each layer's to what they were
    (linear CKA, tokens of `texts`)."""
    states = [representations(model, tokenizer, texts) for model in (before, after)]
    return {"weights_moved": weight_changes(before, after), "similarity": similarity_by_layer(*states)}


def held_out(data_args: DataArguments) -> dict[str, list[str]]:
    """Text that no stage was trained on: of the task, and general."""
    validation = load_validation(replace(data_args, max_eval_samples=HELD_OUT_TEXTS))["validation"]
    # The cache of data sets keeps them: to read the newspaper takes longer than to measure with them.
    general = Dataset.from_generator(general_texts, gen_kwargs={"version": code_fingerprint()})
    return {"task": join_columns(validation, data_args.text_column_names), "general": general["text"][:]}


def general_texts(version: str) -> Iterator[dict[str, str]]:
    yield from load_documents(DataArguments(GENERAL_TEXT, max_eval_samples=HELD_OUT_TEXTS))["validation"]


def masked_once(
    texts: dict[str, list[str]], tokenizer: PreTrainedTokenizerBase, output_dir: str
) -> dict[str, MaskedChunks]:
    args = MlmArguments(output_dir=output_dir, overwrite=True)
    documents = DatasetDict({name: Dataset.from_dict({"text": of_source}) for name, of_source in texts.items()})
    chunks = chunk_documents(documents, tokenizer, ["text"], args)
    return {
        name: MaskedChunks(sort_by_length(part), tokenizer, VALIDATION_MLM_PROBABILITY, seed=0)
        for name, part in chunks.items()
    }
