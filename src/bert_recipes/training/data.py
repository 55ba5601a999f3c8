"""The data of a stage: a classifier's label names and encoded splits, pretraining's masked chunks, each with its
tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datasets import DatasetDict
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from ..arguments.columns import split_names
from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.long_texts import ENCODER, LEARNED, SELECT, TRUNCATE, WINDOWS
from ..arguments.mlm import MlmArguments
from ..arguments.model import ModelArguments
from ..arguments.problems import MULTI_LABEL, REGRESSION, SINGLE_LABEL
from ..models.aspect_attention import AspectBertConfig
from ..models.classifiers import names_as_trained, trained_labels
from ..models.long_texts import check_text_columns, selecting_by_encoder, trained_long_texts
from ..models.mean_pooling import MeanPoolingBertConfig
from ..models.pretrained import load_config
from ..models.sentence_filter import LearnedScores, load_filter
from ..models.tokenization import load_or_train_tokenizer, load_tokenizer
from ..run.errors import UserError
from ..text.chunks import chunk_documents
from ..text.corpora import load_corpus
from ..text.data_summary import DataSummary, summarise_documents, summarise_labelled
from ..text.documents import load_documents, load_validation, texts_of_file
from ..text.encoding import encode_texts, sort_by_length
from ..text.labels import given_label_names, label_names
from ..text.long_texts import LongTexts, check_room
from ..text.masking import IGNORED, VALIDATION_MLM_PROBABILITY, MaskedChunks, MaskedPairs
from ..text.streaming import StreamedChunks
from .sentence_filter import train_filter


@dataclass
class ClassificationData:
    """Splits train, validation and test: as text (`corpus`) and, row by row the same, as token ids (`encoded`)."""

    corpus: DatasetDict
    encoded: DatasetDict
    tokenizer: PreTrainedTokenizerBase
    text_columns: list[str]
    label_names: list[str]
    problem_type: str
    summary: DataSummary
    long_texts: LongTexts


def load_classification_data(
    model_args: ModelArguments,
    data_args: LabelledDataArguments,
    seed: int,
    train: bool = True,
    resumed: str | None = None,
) -> ClassificationData:
    """Read, check and encode the labelled text that the arguments name; the labels are those of the training split, in
    the order of a checkpoint that was trained on them already (where nothing is to `train` it may have more). `resumed`
    is the checkpoint that a run goes on from."""
    corpus = load_corpus(data_args, seed)
    problem_type = problem_type_of(corpus, data_args)
    names = [data_args.label_column]
    if problem_type != REGRESSION:
        order = given_label_names(data_args) or split_names(data_args.label_column)
        names = label_names(corpus["train"]["label"][:], order)
    names = names_as_trained(model_args, names, problem_type, train)
    tokenizer = load_tokenizer(model_args)
    # Saved with the model: predict.py and a pipeline cut texts where training did.
    tokenizer.model_max_length = min(data_args.max_length, tokenizer.model_max_length)
    columns = data_args.text_column_names
    long_texts = choose_long_texts(model_args, data_args, corpus, tokenizer, names, seed, train, resumed)
    encoded = encode_texts(corpus, tokenizer, columns, names, long_texts)
    if long_texts.by == ENCODER:
        long_texts.score.unload()  # training needs the memory
    check_room(encoded, corpus, columns, tokenizer.model_max_length)
    summary = summarise_labelled(corpus, encoded, tokenizer, columns, names, long_texts)
    summary.show()
    return ClassificationData(corpus, encoded, tokenizer, columns, names, problem_type, summary, long_texts)


def choose_long_texts(
    model_args: ModelArguments,
    data_args: LabelledDataArguments,
    corpus: DatasetDict,
    tokenizer: PreTrainedTokenizerBase,
    label_names: list[str],
    seed: int,
    train: bool,
    resumed: str | None,
) -> LongTexts:
    """How long texts are read: as --long_text says, or a checkpoint that is a classifier. A filter is trained here,
    unless nothing is to `train`; a run that goes on takes the one that it began with."""
    config, columns = load_config(model_args), data_args.text_column_names
    asked_for, select_by = (getattr(data_args, name, None) for name in ("long_text", "select_by"))
    as_trained = not model_args.from_scratch and trained_labels(config, config.problem_type) is not None
    if as_trained and (asked_for is None or not train):
        check_text_columns(config, model_args, columns)
        long_texts = trained_long_texts(config, model_args, tokenizer)
    elif select_by == LEARNED:
        if resumed:
            score = LearnedScores(load_filter(Path(resumed)), tokenizer)
        elif train:
            score = train_filter(corpus, tokenizer, columns, label_names, model_args, seed)
        else:
            raise UserError(
                "--select_by learned needs a filter, and --do_train false trains none: name a classifier that has one, "
                "or train"
            )
        long_texts = LongTexts(SELECT, LEARNED, score=score)
    elif select_by == ENCODER:
        if model_args.from_scratch:
            raise UserError(
                "--select_by encoder compares vectors of trained weights, and --from_scratch has none: leave one of "
                "them out"
            )
        long_texts = selecting_by_encoder(model_args)
    else:
        long_texts = LongTexts(asked_for or TRUNCATE, select_by)
    if getattr(model_args, "aspect_attention", False) or config.model_type == AspectBertConfig.model_type:
        check_aspect_attention(config, data_args, long_texts)
    reads_mean = getattr(model_args, "pooling", None) == "mean" or config.model_type == MeanPoolingBertConfig.model_type
    if reads_mean and long_texts.how == WINDOWS:
        raise UserError("--pooling mean reads one text, and --long_text windows makes several: leave one of them out")
    return long_texts


def check_aspect_attention(config: PretrainedConfig, data_args: LabelledDataArguments, long_texts: LongTexts) -> None:
    AspectBertConfig.of(config)
    if len(data_args.text_column_names) == 1:
        raise UserError(
            f"--aspect_attention looks from an aspect to a text, and --text_columns {data_args.text_columns} has no "
            "aspect: name two columns such as aspect,text"
        )
    if long_texts.how == WINDOWS:
        raise UserError(
            "--aspect_attention reads one text, and --long_text windows makes several: leave one of them out"
        )


def problem_type_of(corpus: DatasetDict, data_args: LabelledDataArguments) -> str:
    """As the labels say; an argument that says otherwise is refused."""
    kinds = {str: SINGLE_LABEL, list: MULTI_LABEL, float: REGRESSION}
    found = kinds[type(corpus["train"]["label"][0])]
    if data_args.problem_type not in (None, found):
        raise UserError(f"--problem_type {data_args.problem_type}: the labels make it {found}: leave it out")
    return found


@dataclass
class PretrainingData:
    """Masked chunks: `train` draws new masks each epoch, `validation` was masked once, 15 % of its tokens."""

    train: MaskedChunks | StreamedChunks
    validation: MaskedChunks
    tokenizer: PreTrainedTokenizerBase
    summary: DataSummary


def load_pretraining_data(model_args: ModelArguments, data_args: DataArguments, args: MlmArguments) -> PretrainingData:
    """Read, check, tokenise and cut the plain text that the arguments name; with `--streaming` the training text is
    read while the model trains."""
    columns = data_args.text_column_names
    check_vocabulary(model_args, args)
    with args.main_process_first(desc="reading"):  # it writes the cache, the others read it
        documents = load_validation(data_args) if args.streaming else load_documents(data_args, args.seed)
        if args.streaming:
            rows = texts_of_file(data_args.train_file, data_args.encoding, "--train_file", tuple(columns))
        else:
            rows = documents["train"]
    texts = ("\n".join(row[name] for name in columns) for row in rows)
    tokenizer = load_or_train_tokenizer(model_args, args, texts)
    check_special_tokens(tokenizer, model_args)
    with args.main_process_first(desc="tokenising"):
        chunks = chunk_documents(documents, tokenizer, columns, args)
    masked = MaskedPairs if args.nsp else MaskedChunks
    # One fixed seed: runs with different seeds are scored on the same masks.
    validation = masked(sort_by_length(chunks["validation"]), tokenizer, VALIDATION_MLM_PROBABILITY, seed=0)
    if not any((example["labels"] != IGNORED).any() for example in validation.in_batches()):
        raise UserError("the validation text is too short for a masked token: add text")
    if args.streaming:
        train = StreamedChunks(data_args, tokenizer, args)
    else:
        train = masked(chunks["train"], tokenizer, args.mlm_probability, args.seed)
    for split, part in {"training": train, "validation": validation}.items():
        if args.nsp and not part.can_exchange:
            raise UserError(f"--nsp needs two {split} documents of two sentences: add text, or leave --nsp out")
    summary = summarise_documents(documents, {"train": train, "validation": validation}, tokenizer, columns)
    summary.show()
    return PretrainingData(train, validation, tokenizer, summary)


def check_vocabulary(model_args: ModelArguments, args: MlmArguments) -> None:
    of_a_new_one = {"vocab_size", "vocab_alphabet"} & getattr(args, "given", {}).keys()
    if not model_args.from_scratch and (
        unused := of_a_new_one | ({"keep_vocabulary"} if args.keep_vocabulary else set())
    ):
        raise UserError(f"--{min(unused)} is for --from_scratch: the checkpoint has its vocabulary")
    if args.keep_vocabulary and of_a_new_one:
        raise UserError(
            f"--{min(of_a_new_one)} is for a new vocabulary, --keep_vocabulary takes the checkpoint's: keep one"
        )


def check_special_tokens(tokenizer: PreTrainedTokenizerBase, model_args: ModelArguments) -> None:
    for name in ("mask", "cls", "sep", "pad"):
        if getattr(tokenizer, f"{name}_token_id") is None:
            raise UserError(
                f"--model_name_or_path {model_args.model_name_or_path}: its tokenizer has no {name} token, "
                "and masked-language-model pretraining needs one"
            )
