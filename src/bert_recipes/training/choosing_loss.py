"""The loss that `--loss`, `--class_weights` and `--focal_gamma` ask for, checked against the labels of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from ..arguments.losses import FOCAL, FOCAL_GAMMA, LossArguments, find_function, in_one_line
from ..arguments.problems import MULTI_LABEL, REGRESSION
from ..run.errors import UserError, shorten, tell
from .data import ClassificationData
from .losses import LossFunction, classification_loss, focal_loss, own_loss

ROWS_TRIED = 4  # of made-up logits that a loss of one's own is tried with
UNKNOWN_SCALE = 1e36  # of a loss of one's own: what is finite has not exploded


@dataclass
class ClassifierLoss:
    """What a classifier's training minimises. `scale`: how many times plain cross-entropy a row can cost at most."""

    function: LossFunction = field(default_factory=classification_loss)
    scale: float = 1.0


def choose_loss(args: LossArguments, data: ClassificationData) -> ClassifierLoss:
    """As the arguments say, with balanced weights counted on the training rows. Raises `UserError` where they do not
    suit the labels; where nothing is to train, they are not looked at."""
    if not args.do_train:
        return ClassifierLoss()
    regression = data.problem_type == REGRESSION
    for argument, asked in {"--loss focal": args.loss == FOCAL, "--class_weights": args.class_weights}.items():
        if asked and regression:
            raise UserError(f"{argument} is for classes: a regression's labels are numbers, leave it out")
    if args.is_own_loss:
        function = find_function(args.loss)
        try_function(args, function, len(data.label_names), data.problem_type)
        return ClassifierLoss(own_loss(function), UNKNOWN_SCALE)
    weights = class_weights(args, data)
    scale = 1.0 if weights is None else max(1.0, float(weights.max()))
    if args.loss == FOCAL:
        gamma = FOCAL_GAMMA if args.focal_gamma is None else args.focal_gamma
        return ClassifierLoss(focal_loss(gamma, weights), scale)
    return ClassifierLoss(classification_loss(args.label_smoothing_factor, weights), scale)


# --- weights ---


def class_weights(args: LossArguments, data: ClassificationData) -> torch.Tensor | None:
    """Shape (classes,), on the device that trains. Of one label a row, scaled so that their mean over the training rows
    is 1: then the divisor of the loss is the number of rows, in every launch. Of several labels a row those of the
    positive labels, as they are given, or as many as there are negatives to a positive one."""
    if args.class_weights is None:
        return None
    names = data.label_names
    given = args.given_class_weights()
    if unknown := given.keys() - set(names):
        raise UserError(f"--class_weights: {min(unknown)!r} is no label of the training rows: {shorten(names)}")
    if missing := [name for name in names if given and name not in given]:
        raise UserError(f"--class_weights: {missing[0]!r} has no weight: give one to each of {shorten(names)}")
    counts, rows = label_counts(data)
    if data.problem_type == MULTI_LABEL:
        if not given and rows in counts:
            name = names[list(counts).index(rows)]
            raise UserError(f"--class_weights balanced: every training row has {name!r}: give a weight for each label")
        weights = np.array([given[name] for name in names]) if given else (rows - counts) / counts
    else:
        weights = np.array([given[name] for name in names]) if given else 1 / counts
        weights = weights * rows / (weights * counts).sum()
    told = shorten(f"{name} {weight:.4g}" for name, weight in zip(names, weights, strict=True))
    tell(f"Class weights: {told}")
    return torch.tensor(weights, dtype=torch.float32, device=args.device)


def label_counts(data: ClassificationData) -> tuple[np.ndarray, int]:
    """Training rows of each label, shape (classes,), and training rows in all."""
    labels = np.asarray(data.encoded["train"]["labels"][:])
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=len(data.label_names))
    return counts, len(labels)


# --- a loss of one's own ---


def try_function(args: LossArguments, function: Callable, classes: int, problem_type: str) -> None:
    """Raises `UserError` where made-up rows do not come back as a loss for each, from which a model can learn."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(ROWS_TRIED, classes, generator=generator)
    labels = torch.arange(ROWS_TRIED) % classes
    if problem_type == MULTI_LABEL:
        labels = torch.randint(2, (ROWS_TRIED, classes), generator=generator).float()
    if problem_type == REGRESSION:
        logits, labels = logits.squeeze(-1), torch.randn(ROWS_TRIED, generator=generator)
    try:
        losses = function(logits.to(args.device).requires_grad_(), labels.to(args.device))
    except Exception as error:
        shapes = f"logits of shape {tuple(logits.shape)} and labels of shape {tuple(labels.shape)}"
        raise UserError(f"--loss {args.loss}: with {shapes} it raises {in_one_line(error)}") from error
    if not isinstance(losses, torch.Tensor) or losses.shape != (ROWS_TRIED,):
        found = f"shape {tuple(losses.shape)}" if isinstance(losses, torch.Tensor) else type(losses).__name__
        raise UserError(
            f"--loss {args.loss}: of {ROWS_TRIED} rows it must return a tensor of shape ({ROWS_TRIED},): {found}"
        )
    if not losses.requires_grad:
        raise UserError(f"--loss {args.loss}: its result does not depend on the logits, so it trains nothing")
