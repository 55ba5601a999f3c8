"""Intervals are Student's, and the bootstrap's over rows."""

import numpy as np
import pytest
from scipy import stats

from bert_recipes.experiment.intervals import mean_and_interval, paired_bootstrap


def test_the_interval_is_students():
    values = [0.71, 0.74, 0.69, 0.75, 0.72]
    mean, half = mean_and_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-12)


def test_the_bootstrap_draws_rows():
    generator = np.random.default_rng(1)
    before = (generator.random(400) < 0.7).astype(float)
    after = np.maximum(before, generator.random(400) < 0.2)  # right wherever it was, and in a fifth of the rest
    mean, low, high = paired_bootstrap(after, before)
    assert mean == pytest.approx((after - before).mean()) and low < mean < high
    # The normal interval of a mean of 400 differences is near it.
    half = 1.96 * (after - before).std() / 20
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.005)
    assert paired_bootstrap(before, before) == (0, 0, 0)
