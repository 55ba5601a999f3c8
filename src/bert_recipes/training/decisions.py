"""How a classifier's probabilities become labels: `--threshold` and `--calibrate`, settled on the validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import expit, softmax
from sklearn.metrics import precision_recall_curve
from transformers import PretrainedConfig

from ..arguments.losses import TUNED, LossArguments
from ..arguments.problems import MULTI_LABEL, REGRESSION
from ..models.adapters import last_projection
from ..models.decided import TEMPERATURE, THRESHOLDS, forget_thresholds
from ..run.errors import UserError, shorten, tell
from .calibration import LARGEST_TEMPERATURE, fit_temperature
from .choosing_loss import label_counts
from .data import ClassificationData
from .trainer import Trainer

NO_THRESHOLD = 0.5


def check_decisions(args: LossArguments, data: ClassificationData) -> None:
    """Raises `UserError` where `--threshold` or `--calibrate` does not suit the labels of the data."""
    names, several = data.label_names, data.problem_type == MULTI_LABEL
    for argument, asked in {"--threshold": args.threshold, "--calibrate": args.calibrate}.items():
        if asked and data.problem_type == REGRESSION:
            raise UserError(f"{argument} is for classes: a regression's labels are numbers, leave it out")
    if args.threshold and not several and len(names) > 2:
        raise UserError(
            f"--threshold is for two classes, or several labels a row: here are {len(names)} classes, and each row "
            "gets the most probable one; --class_weights moves their shares"
        )
    given = args.given_thresholds()
    if isinstance(given, dict):
        if unknown := given.keys() - set(names):
            raise UserError(f"--threshold: {min(unknown)!r} is no label of the training rows: {shorten(names)}")
        if not several and len(given) == 2:
            raise UserError(
                f"--threshold {args.threshold}: of two classes one has a threshold, the other gets the rest"
            )


def settle_decisions(trainer: Trainer, data: ClassificationData) -> dict[str, float]:
    """Fit the temperature and choose the thresholds that the arguments ask for, and write both into the model's config;
    the temperature goes into its head, so that every reader of the model has calibrated scores.

    Returns what was settled, as results: `calibration_temperature`, `threshold_LABEL`.
    """
    args, config = trainer.args, trainer.model.config
    results = {}
    if args.calibrate or args.threshold:
        forget_thresholds(config, told=not args.threshold)  # a trained model has none; others are of another scale
    if args.calibrate or args.threshold == TUNED:
        output = trainer.predict(trainer.eval_dataset, metric_key_prefix="eval")
        logits, labels = np.asarray(output.predictions, dtype=np.float64), np.asarray(output.label_ids)
    if args.calibrate:
        temperature = fit_temperature(logits, labels)
        divide_head(trainer.model, temperature)
        logits = logits / temperature
        setattr(config, TEMPERATURE, temperature * getattr(config, TEMPERATURE, 1.0))
        results[TEMPERATURE] = temperature
        tell(f"Calibrated on {len(labels):,} validation rows: logits divided by {temperature:.3f}")
        if not 1.01 / LARGEST_TEMPERATURE < temperature < LARGEST_TEMPERATURE / 1.01:
            tell("That is the limit of what is tried: the scores say little about the labels, so train for longer")
    if args.threshold:
        names = names_with_threshold(args, data)
        given = args.given_thresholds()
        if args.threshold == TUNED:
            thresholds = tuned_thresholds(logits, labels, data.label_names, names)
        elif isinstance(given, dict):
            thresholds = dict.fromkeys(names, NO_THRESHOLD) | given
        else:
            thresholds = dict.fromkeys(names, given)
        setattr(config, THRESHOLDS, thresholds)
        results |= {f"threshold_{name}": value for name, value in thresholds.items()}
    return results


@torch.no_grad()
def divide_head(model: torch.nn.Module, temperature: float) -> None:
    """Weights and bias of the last projection: then the logits are divided, exactly."""
    projection = last_projection(model)
    for parameter in projection.parameters():
        parameter.div_(temperature)


# --- thresholds ---


def names_with_threshold(args: LossArguments, data: ClassificationData) -> list[str]:
    """All of several labels a row; of two classes the one that is named, else the one that fewer training rows have."""
    given = args.given_thresholds()
    if data.problem_type == MULTI_LABEL:
        return data.label_names
    if isinstance(given, dict):
        return list(given)
    counts, _ = label_counts(data)
    return [data.label_names[1 if counts[1] <= counts[0] else 0]]


def tuned_thresholds(
    logits: np.ndarray, labels: np.ndarray, label_names: Sequence[str], chosen: Sequence[str]
) -> dict[str, float]:
    """Of each chosen label the threshold with the highest F1 on these rows; 0.5 where none of them has it."""
    thresholds = {}
    several = labels.ndim == 2
    probabilities = expit(logits) if several else softmax(logits, axis=-1)
    for index, name in enumerate(label_names):
        if name not in chosen:
            continue
        has_label = labels[:, index] > 0 if several else labels == index
        if not has_label.any():
            thresholds[name] = NO_THRESHOLD
            tell(f"No validation row has {name!r}: its threshold stays 0.5")
            continue
        thresholds[name] = best_threshold(probabilities[:, index], has_label)
    told = shorten(f"{name} {threshold:.3f}" for name, threshold in thresholds.items())
    tell(f"Thresholds of {len(labels):,} validation rows: {told}")
    return thresholds


def best_threshold(probabilities: np.ndarray, has_label: np.ndarray) -> float:
    """The one with the highest F1, halfway to the next lower probability; of several such the one nearest to 0.5."""
    precision, recall, found = precision_recall_curve(has_label, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    between = np.clip((found + np.concatenate(([0.0], found[:-1]))) / 2, 1e-6, 1 - 1e-6)
    best = np.flatnonzero(f1[:-1] >= f1[:-1].max() - 1e-12)
    return float(between[best[np.abs(between[best] - 0.5).argmin()]])


def thresholds_of(config: PretrainedConfig) -> np.ndarray | None:
    """Of a model's labels, shape (labels,), as `metrics.decide` takes them; None where its config has none. Raises
    `UserError` where it names labels that the model does not have."""
    thresholds = getattr(config, THRESHOLDS, None)
    if not thresholds:
        return None
    names = [config.id2label[index] for index in range(config.num_labels)]
    if unknown := thresholds.keys() - set(names):
        raise UserError(f"config.json: {THRESHOLDS} has {min(unknown)!r}, which is no label of the model")
    if config.problem_type == MULTI_LABEL:
        return np.array([thresholds.get(name, NO_THRESHOLD) for name in names])
    if len(names) != 2 or len(thresholds) != 1:
        raise UserError(f"config.json: {THRESHOLDS} is for one of two classes, or for several labels a row")
    (threshold,) = thresholds.values()
    return np.array([threshold if name in thresholds else 1 - threshold for name in names])
