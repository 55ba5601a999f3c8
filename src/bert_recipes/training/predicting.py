"""Predictions for rows in their order: the longest first inside, where padding costs, and put back outside."""

from __future__ import annotations

import numpy as np
from transformers.trainer_utils import PredictionOutput

from ..text.encoded import EncodedTexts
from .trainer import Trainer


def longest_first(rows: EncodedTexts) -> np.ndarray:
    """The order of `predict_in_order`: too little memory shows at once, and the time left is not underestimated."""
    return rows.order_by_length()[::-1]


def predict_in_order(trainer: Trainer, rows: EncodedTexts, metric_key_prefix: str = "test") -> PredictionOutput:
    """Predictions in the order of `rows`, one array or several, and the metrics; `compute_metrics` has them as they
    were made, in the order of `longest_first`."""
    order = longest_first(rows)
    loaders = trainer.accelerator._dataloaders
    earlier = len(loaders)
    output = trainer.predict(rows.select(order), metric_key_prefix=metric_key_prefix)
    del loaders[earlier:]  # accelerate keeps them, and with them the rows, of every block of a file
    several = isinstance(output.predictions, tuple)
    in_place = tuple(in_order(values, order) for values in (output.predictions if several else [output.predictions]))
    return output._replace(predictions=in_place if several else in_place[0])


def arrays_in_order(trainer: Trainer, rows: EncodedTexts) -> tuple[np.ndarray, ...]:
    """Predictions in the order of `rows`, as a tuple also where there is one array."""
    predictions = predict_in_order(trainer, rows).predictions
    return predictions if isinstance(predictions, tuple) else (predictions,)


def in_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rows predicted in `order`, back in their own."""
    own = np.empty_like(values)
    own[order] = values
    return own
