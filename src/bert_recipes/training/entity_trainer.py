"""The Trainer of ner.py, and its predictions."""

from __future__ import annotations

import math

import numpy as np
from datasets import Dataset
from peft import PeftModel
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.recipe import RecipeArguments
from ..arguments.tricks import TrickArguments
from ..models.adapters import save_lora
from ..text.encoded import as_it_is
from ..text.entity_windows import EncodedWindows
from .entity_data import STRIDE, EntityData
from .entity_metrics import EntityScorer, Found, find_entities, token_predictions
from .learning_rate import suitable_learning_rate
from .losses import token_classification_loss
from .predicting import longest_first, predict_in_order
from .trainer import Trainer
from .training_length import choose_length
from .tricks import TrickTrainer


def entity_trainer(
    model: PreTrainedModel,
    args: RecipeArguments,
    tokenizer: PreTrainedTokenizerBase,
    data: EntityData | None = None,
) -> Trainer:
    """A Trainer for windows of tagged tokens: with the splits train and validation, or to predict."""
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    splits = (
        {split: EncodedWindows(data.encoded[split], tokenizer) for split in ("train", "validation")} if data else {}
    )
    if data:
        setattr(model.config, STRIDE, data.stride)
    if splits and args.do_train:
        choose_length(args, len(splits["train"]))
    trainer_class = TrickTrainer if isinstance(args, TrickArguments) else Trainer
    return trainer_class(
        model=model,
        args=args,
        train_dataset=splits.get("train"),
        eval_dataset=splits["validation"].by_length() if splits else None,
        processing_class=tokenizer,
        data_collator=as_it_is,
        compute_loss_func=token_classification_loss(args.label_smoothing_factor),
        compute_metrics=scorer(data, "validation", splits["validation"].order_by_length()) if splits else None,
        preprocess_logits_for_metrics=token_predictions,
        loss_of_guessing=math.log(model.config.num_labels),
    )


def save_tagger(trainer: Trainer, model: PreTrainedModel | PeftModel) -> None:
    """To output_dir; of adapters as `models.adapters.save_lora` does."""
    if isinstance(model, PeftModel):
        save_lora(model, trainer.processing_class, trainer.args)
    else:
        trainer.save_model()


def scorer(data: EntityData, split: str, order: np.ndarray) -> EntityScorer:
    return EntityScorer(data.corpus[split], data.encoded[split], data.tag_names, order)


def predict_entities(
    trainer: Trainer, encoded: Dataset, data: EntityData | None = None
) -> tuple[list[list[Found]], dict[str, float]]:
    """Of each text its entities with their scores; with `data`, of whose test split these are, the metrics too."""
    rows = EncodedWindows(encoded, trainer.processing_class)
    trainer.compute_metrics = scorer(data, "test", longest_first(rows)) if data else None
    output = predict_in_order(trainer, rows)
    tags, probabilities = output.predictions[:2]
    return find_entities(encoded, tags, probabilities, tag_names_of(trainer.model.config)), output.metrics


def tag_names_of(config: PretrainedConfig) -> list[str]:
    return [config.id2label[number] for number in range(config.num_labels)]
