"""figures/scatter.png: a regression's predictions against the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .figures import BLUE, save


def draw_scatter(
    labels: Sequence[float], predictions: Sequence[float], label_names: Sequence[str], folder: Path
) -> None:
    """A point a row, and the line on which a prediction is the label; both axes show the same range."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(labels, predictions, s=12, alpha=0.5, color=BLUE)
    ends = min(*labels, *predictions), max(*labels, *predictions)
    axes.plot(ends, ends, color="#888888", linewidth=1)
    axes.set(xlabel="label", ylabel="prediction", aspect="equal")
    axes.grid(alpha=0.3)
    save(figure, folder / "scatter.png")
