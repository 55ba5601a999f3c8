"""Temperature scaling, and how far a classifier's probabilities are from the shares that come true."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax

from .metrics import mean_cross_entropy

BINS = 15  # as in Guo et al. 2017
LARGEST_TEMPERATURE = 20.0


class Reliability(NamedTuple):
    """Of each bin that is not empty: mean probability, the share that came true, how many; each of shape (bins,)."""

    probability: np.ndarray
    share: np.ndarray
    count: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the mean distance between the two, weighted by the bins' counts."""
        return float((np.abs(self.probability - self.share) * self.count).sum() / self.count.sum())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The number to divide logits by so that their cross-entropy is least (Guo et al. 2017, arXiv 1706.04599), between
    1/20 and 20. Logits have shape (rows, classes), labels (rows,), or of several a row (rows, classes)."""
    logits, limit = np.asarray(logits, dtype=np.float64), math.log(LARGEST_TEMPERATURE)
    found = minimize_scalar(
        lambda log: mean_cross_entropy(logits / math.exp(log), labels), bounds=(-limit, limit), method="bounded"
    )
    return math.exp(found.x)


def reliability(logits: np.ndarray, labels: np.ndarray) -> Reliability:
    """Of the most probable class of each row, in bins of one width; with several labels a row, of every label of every
    row."""
    logits = np.asarray(logits, dtype=np.float64)
    if labels.ndim == 2:
        probabilities, hits = expit(logits).ravel(), labels.ravel().astype(float)
    else:
        probabilities, hits = softmax(logits, axis=-1).max(axis=-1), (logits.argmax(axis=-1) == labels).astype(float)
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    full = counts > 0
    means = [np.bincount(bins, weights=values, minlength=BINS)[full] / counts[full] for values in (probabilities, hits)]
    return Reliability(*means, counts[full])
