"""figures/training.png and figures/confusion.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

# Of the fonts that hold Chinese characters, those that systems ship most often.
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
)
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


def draw_confusion(
    labels: Sequence[str] | Sequence[list[str]], predictions: Sequence[str], label_names: Sequence[str], path: Path
) -> None:
    """Share of each label's rows (lines) that got each prediction (columns); of several labels a row, how many rows
    of each label were found, missed and invented."""
    shown = drawable(label_names)
    side = min(16, 3.5 + 0.45 * len(label_names))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    if isinstance(labels[0], str):
        indices = {name: index for index, name in enumerate(label_names)}
        ConfusionMatrixDisplay.from_predictions(
            [indices[label] for label in labels],
            [indices[label] for label in predictions],
            labels=range(len(label_names)),
            display_labels=shown,
            normalize="true",
            values_format=".2f",
            include_values=len(label_names) <= 20,
            xticks_rotation="vertical",
            cmap="Blues",
            ax=axes,
        )
    else:
        draw_hits(labels, [set(prediction.split(";")) for prediction in predictions], label_names, shown, axes)
    save(figure, path)


def draw_hits(labels, predictions, label_names, shown, axes) -> None:
    pairs = [(set(truth), prediction) for truth, prediction in zip(labels, predictions, strict=True)]
    found = np.array([sum(name in truth & prediction for truth, prediction in pairs) for name in label_names])
    missed = np.array([sum(name in truth - prediction for truth, prediction in pairs) for name in label_names])
    invented = np.array([sum(name in prediction - truth for truth, prediction in pairs) for name in label_names])
    axes.barh(shown, found, color=BLUE, label="found")
    axes.barh(shown, missed, left=found, color="#BBBBBB", label="missed")
    axes.barh(shown, -invented, color=ORANGE, label="invented")
    axes.set(xlabel="rows")
    axes.legend()


def drawable(label_names: Sequence[str]) -> list[str]:
    """The names as a figure can show them: numbers in their order where no font here holds their characters."""
    if all(name.isascii() for name in label_names):
        return list(label_names)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return list(label_names) if installed.intersection(CHINESE_FONTS) else [str(i) for i in range(len(label_names))]


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"font.sans-serif": [*CHINESE_FONTS, "DejaVu Sans"]}):
        figure.savefig(path, dpi=120)
