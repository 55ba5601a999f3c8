"""Means with their intervals, and differences taken pair by pair."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from scipy import stats

Interval = tuple[float, float, float]  # a value, and the ends of its interval


def mean_and_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t: t(0.975, n - 1) s / sqrt(n)."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), float(half)


def paired_difference(after: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """`mean_and_interval` of the gains from `before` to `after`: runs of one seed are a pair."""
    return mean_and_interval([gain - loss for gain, loss in zip(after, before, strict=True)])


def paired_bootstrap(after: np.ndarray, before: np.ndarray, draws: int = 10_000, seed: int = 0) -> Interval:
    """Mean difference of two scores of the same rows, and its 95 % interval by drawing the rows anew (Efron 1979).

    `after` and `before` have shape (rows,), such as 1 where a row was told right, or the share of the seeds that did.
    """
    differences = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    generator = np.random.default_rng(seed)
    means = [differences[generator.integers(len(differences), size=len(differences))].mean() for _ in range(draws)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)
