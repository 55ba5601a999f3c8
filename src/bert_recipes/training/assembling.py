"""The Trainer of a stage: a classifier's, a masked language model's, with losses, metrics and a learning rate."""

from __future__ import annotations

import math

import numpy as np
from datasets import DatasetDict
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.classifier import FinetuneArguments, LoraArguments
from ..arguments.mlm import MlmArguments
from ..arguments.model import ModelArguments
from ..arguments.problems import REGRESSION
from ..arguments.recipe import RecipeArguments
from ..arguments.tricks import TrickArguments
from ..models.adapters import last_projection
from ..models.classifiers import load_classifier
from ..models.layers import freeze_lower_layers, renew_upper_layers, repeated_layers
from ..models.long_texts import NUM_TEXT_COLUMNS
from ..models.starting_weights import guess_the_mean
from ..run.errors import UserError, counted
from ..text.collating import MaskedLanguageModelCollator
from ..text.encoded import EncodedTexts, as_it_is
from .choosing_loss import ClassifierLoss
from .data import ClassificationData, PretrainingData
from .learning_rate import suitable_learning_rate
from .losses import classification_loss, masked_language_model_loss, pretraining_loss
from .metrics import classification_metrics, masked_language_model_metrics, regression_metrics, token_losses
from .packing import choose_packing
from .trainer import Trainer
from .training_length import choose_length
from .tricks import TrickTrainer


def classifier_for(
    data: ClassificationData, model_args: ModelArguments, args: FinetuneArguments | LoraArguments
) -> PreTrainedModel:
    """`load_classifier` for these data, with the layers that the arguments ask for. Its config notes how
    many text columns it reads, which predict.py checks."""
    frozen = getattr(args, "freeze_encoder", False)
    model = load_classifier(model_args, data.label_names, data.problem_type, frozen, args.do_train, data.long_texts)
    setattr(model.config, NUM_TEXT_COLUMNS, len(data.text_columns))
    if args.do_train and isinstance(args, FinetuneArguments):
        change_layers(model, args, model_args.from_scratch)
    return model


def change_layers(model: PreTrainedModel, args: FinetuneArguments, from_scratch: bool) -> None:
    for name in ("freeze_layers", "reinitialize_layers"):
        if from_scratch and getattr(args, name):
            raise UserError(f"--{name}: with --from_scratch every layer is random: leave one of them out")
    layers = len(repeated_layers(model))
    if 0 < args.reinitialize_layers <= layers < args.freeze_layers + args.reinitialize_layers <= 2 * layers:
        raise UserError(
            f"--freeze_layers {args.freeze_layers} and --reinitialize_layers {args.reinitialize_layers}: of "
            f"{counted(layers, 'layer')} some would be random and never trained: lower one of them"
        )
    renew_upper_layers(model, args.reinitialize_layers)
    freeze_lower_layers(model, args.freeze_layers)


def classifier_trainer(
    model: PreTrainedModel,
    args: RecipeArguments,
    tokenizer: PreTrainedTokenizerBase,
    dataset: DatasetDict | None = None,
    loss: ClassifierLoss | None = None,
) -> Trainer:
    """A Trainer for encoded texts (`encoding.encode_texts`): with the splits train and validation, or to predict. It
    minimises `loss` (`choosing_loss.choose_loss`); left out, cross-entropy."""
    loss = loss or ClassifierLoss(classification_loss(args.label_smoothing_factor))
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    regression = model.config.problem_type == REGRESSION
    splits = {split: EncodedTexts(dataset[split], tokenizer) for split in ("train", "validation")} if dataset else {}
    if splits:
        args.suit(regression)
        if args.calibrate:
            last_projection(model)  # the head that a temperature goes into is there, or the run ends here
    if splits and args.do_train:
        choose_length(args, len(splits["train"]))
    if splits and args.do_train and regression:
        guess_the_mean(model, splits["train"].labels)
    trainer_class = TrickTrainer if isinstance(args, TrickArguments) else Trainer
    return trainer_class(
        model=model,
        args=args,
        train_dataset=splits.get("train"),
        eval_dataset=splits["validation"].by_length() if splits else None,
        processing_class=tokenizer,
        data_collator=as_it_is,
        compute_loss_func=loss.function,
        compute_metrics=regression_metrics if regression else classification_metrics,
        loss_of_guessing=loss_of_guessing(model.config, splits) * loss.scale,
    )


def loss_of_guessing(config: PretrainedConfig, splits: dict[str, EncodedTexts]) -> float:
    """Of all classes alike, or of a regression's mean."""
    if config.problem_type != REGRESSION:
        return math.log(config.num_labels)
    return float(np.var(splits["train"].labels)) if splits else 0.0


def masked_language_model_trainer(model: PreTrainedModel, args: MlmArguments, data: PretrainingData) -> Trainer:
    """A Trainer for masked chunks, or pairs of them for next-sentence prediction too."""
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    args.label_names = ["labels", "next_sentence_label"] if args.nsp else ["labels"]
    return Trainer(
        pack=choose_packing(model, args, data),
        model=model,
        args=args,
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=data.tokenizer,
        data_collator=MaskedLanguageModelCollator(data.tokenizer),
        compute_loss_func=pretraining_loss if args.nsp else masked_language_model_loss,
        compute_metrics=masked_language_model_metrics,
        preprocess_logits_for_metrics=token_losses,
        loss_of_guessing=math.log(model.config.vocab_size),
    )
