"""figures/training.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

# Colours of Okabe & Ito (2008), told apart by colour-blind readers and in grey.
BLUE, ORANGE = "#0072B2", "#D55E00"


def draw_training(log_history: list[dict], scores: Sequence[str], path: Path) -> None:
    """The training and validation loss, and the validation scores, over the epochs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, score_axes = figure.subplots(1, 2)
    losses.plot(*curve(log_history, "loss"), color=BLUE, label="training")
    losses.plot(*curve(log_history, "eval_loss"), color=ORANGE, marker="o", label="validation")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    for name, style, color in zip(scores, ("-", "--"), (BLUE, ORANGE), strict=False):
        score_axes.plot(*curve(log_history, f"eval_{name}"), style, color=color, marker="o", label=name)
    score_axes.set(xlabel="epoch", title="Validation")
    for axes in (losses, score_axes):
        axes.grid(alpha=0.3)
        axes.legend()
    save(figure, path)


def curve(log_history: list[dict], name: str) -> tuple[list[float], list[float]]:
    """Epochs and values; the first of a step, since the last evaluation, of the best model, repeats one."""
    points: dict[int, tuple[float, float]] = {}
    for entry in log_history:
        if name in entry:
            points.setdefault(entry["step"], (entry["epoch"], entry[name]))
    return [epoch for epoch, _ in points.values()], [value for _, value in points.values()]


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
