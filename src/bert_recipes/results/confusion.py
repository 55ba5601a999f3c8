"""figures/confusion.png and figures/confusion.svg: which labels a classifier takes for which.

The svg keeps its words as text, so whatever shows it draws them with fonts of its own, on any machine. The png has
numbers for names where no font here has their characters.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from .figures import BLUE, ORANGE, save
from .fonts import families_with_glyphs

LONGEST_NAME = 32  # characters on an axis
MOST_NAMED = 200  # ticks with a name on an axis
MOST_NUMBERS = 20  # labels a side, with a number in each cell
FONT_SIZE = 9  # points

Labels = Sequence[str] | Sequence[list[str]]
Ticks = dict[Axis, np.ndarray]  # the number of the label at each tick


def draw_confusion(labels: Labels, predictions: Sequence[str], label_names: Sequence[str], folder: Path) -> None:
    """Share of each label's rows (lines) that got each prediction (columns); of several labels a row, how many rows
    of each label were found, missed and invented. A label that no row has is left out, and the figure says so.

    Prints a line where the png has to show numbers.
    """
    names = axis_names(label_names)
    families, missing = families_with_glyphs("".join(names))
    numbers = [str(number) for number in range(len(names))]
    # While the layout is made, a dash, as wide as a Chinese character, stands for each character that is missing here:
    # what shows the svg has them.
    dashes = dict.fromkeys(map(ord, missing), "—")
    draw = draw_shares if isinstance(labels[0], str) else draw_hits
    options = {"font.family": [*families, "sans-serif"], "font.sans-serif": families, "font.size": FONT_SIZE}
    options |= {"text.parse_math": False, "svg.fonttype": "none"}
    with matplotlib.rc_context(options), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for suffix, shown in {"svg": names, "png": numbers if missing else names}.items():
            figure, ticks = draw(labels, predictions, label_names, [name.translate(dashes) for name in shown])
            lay_out(figure, ticks)
            name_ticks(ticks, shown)
            save(figure, folder / f"confusion.{suffix}")
    if missing:
        some = "".join(sorted(missing)[:5])
        print(
            f"{folder / 'confusion.png'} shows the labels' numbers, since no font here has {some} ({len(missing)} such "
            "characters): the names are in confusion.svg beside it and in README.md",
            flush=True,
        )


def axis_names(label_names: Sequence[str]) -> list[str]:
    """Label names as an axis shows them: on one line, a long one cut, its number in front of it."""
    names = []
    for number, name in enumerate(label_names):
        name = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
        long = len(name) > LONGEST_NAME
        names.append(f"{number}: {name[: LONGEST_NAME - 6]}…" if long else name or str(number))
    return names


def draw_shares(labels, predictions, label_names, shown) -> tuple[Figure, Ticks]:
    counts = confusion_matrix(labels, predictions, labels=label_names)
    rows = np.flatnonzero(counts.sum(axis=1))
    columns = np.flatnonzero(counts.sum(axis=1) + counts.sum(axis=0))
    shares = counts[np.ix_(rows, columns)] / counts[rows].sum(axis=1, keepdims=True)

    cell = 0.45 if len(columns) <= MOST_NUMBERS else 0.17  # inches: a number, or a line of text
    names = inches_of_widest(shown)
    width, height = (names + 1 + cell * min(MOST_NAMED, len(numbers)) for numbers in (columns, rows))
    figure = Figure(figsize=(max(3.5, width), max(3, height)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="none")
    if len(columns) <= MOST_NUMBERS:
        for row, column in np.ndindex(shares.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", color=color)
    else:
        figure.colorbar(image, ax=axes, aspect=height / 0.15)
    axes.set(xlabel="Predicted label", ylabel="True label")
    say(figure, "Share of each label's rows.", len(label_names) - len(rows), len(label_names), len(columns))
    ticks = {axes.xaxis: columns, axes.yaxis: rows}
    name_ticks(ticks, shown)
    if names > cell:  # a svg places a text by its anchor, however wide it comes out
        for label in axes.get_xticklabels():
            label.set(rotation=90, rotation_mode="anchor", horizontalalignment="right", verticalalignment="center")
    return figure, ticks


def draw_hits(labels, predictions, label_names, shown) -> tuple[Figure, Ticks]:
    pairs = [(set(truth), set(guess.split(";"))) for truth, guess in zip(labels, predictions, strict=True)]
    found = np.array([sum(name in truth & guess for truth, guess in pairs) for name in label_names])
    missed = np.array([sum(name in truth - guess for truth, guess in pairs) for name in label_names])
    invented = np.array([sum(name in guess - truth for truth, guess in pairs) for name in label_names])
    rows = np.flatnonzero(found + missed + invented)
    figure = Figure(figsize=(inches_of_widest(shown) + 5, 0.25 * min(MOST_NAMED, len(rows)) + 2), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))
    axes.barh(places, found[rows], color=BLUE, label="found")
    axes.barh(places, missed[rows], left=found[rows], color="#BBBBBB", label="missed")
    axes.barh(places, -invented[rows], color=ORANGE, label="invented")
    axes.set(xlabel="rows", ylabel="Label", ylim=(len(rows) - 0.4, -0.6))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    say(figure, "Rows of each label.", len(label_names) - len(rows), len(label_names), len(rows))
    ticks = {axes.yaxis: rows}
    name_ticks(ticks, shown)
    return figure, ticks


def say(figure: Figure, what: str, absent: int, all_labels: int, on_axis: int) -> None:
    """Above the figure, what it shows and what it leaves out."""
    if absent:
        what += f" {absent} of {all_labels} labels have no line, since no row has them."
    if on_axis > MOST_NAMED:
        what += f" One label in {-(-on_axis // MOST_NAMED)} is named."
    figure.suptitle(textwrap.fill(what, int(figure.get_figwidth() * 72 / (0.6 * FONT_SIZE))), fontsize=FONT_SIZE)


def lay_out(figure: Figure, ticks: Ticks) -> None:
    """Place everything, for good: what the names are exchanged for moves nothing."""
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
    for axis in ticks:
        axis.get_tightbbox()  # puts the axis label beside the names
        place = axis.label.get_transform().transform(axis.label.get_position())
        axis.set_label_coords(*figure.transFigure.inverted().transform(place), transform=figure.transFigure)


def name_ticks(ticks: Ticks, shown: Sequence[str]) -> None:
    """Names at the ticks, of which no axis has more than `MOST_NAMED`."""
    for axis, numbers in ticks.items():
        step = max(1, -(-len(numbers) // MOST_NAMED))
        axis.set_ticks(range(0, len(numbers), step), [shown[number] for number in numbers[::step]])


def inches_of_widest(names: Sequence[str]) -> float:
    """About: a Chinese character, or a dash, is as wide as the font is high, a letter six tenths of it."""
    return max(sum(1.0 if letter > "\u2000" else 0.6 for letter in name) for name in names) * FONT_SIZE / 72
