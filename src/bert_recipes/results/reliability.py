"""figures/reliability.png: how often predictions of a probability come true, before and after calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..training.calibration import BINS, reliability
from .figures import BLUE, ORANGE, save


def draw_reliability(logits: np.ndarray, labels: np.ndarray, temperature: float, path: Path) -> None:
    """Of calibrated `logits`, shape (rows, classes), which were divided by the temperature."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot((0, 1), (0, 1), color="#888888", linestyle=":", label="as often as the model says")
    states = {"before": (logits * temperature, ORANGE, "--"), "after": (logits, BLUE, "-")}
    for title, (of_state, color, style) in states.items():
        found = reliability(of_state, labels)
        label = f"{title}: expected calibration error {found.expected_error:.4f}"
        axes.plot(found.probability, found.share, style, color=color, marker="o", label=label)
        counts.step(found.probability, found.count, style, where="mid", color=color)
    first = 0 if labels.ndim == 2 else 1 / logits.shape[1]  # the most probable of so many classes
    axes.set(ylabel="share that comes true", ylim=(-0.02, 1.02), title=f"Test rows, {BINS} bins of probability")
    counts.set(xlabel="probability of the prediction", ylabel="predictions", xlim=(max(0, first - 0.02), 1.02))
    axes.legend()
    for one in (axes, counts):
        one.grid(alpha=0.3)
    save(figure, path)
