"""The report's figures as SVG: text stays text, shapes and numbers carry what colours do, nothing is loaded."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape

import matplotlib
import numpy as np
from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart by colour-blind readers; marker and line style tell the same in grey.
STYLES = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#E69F00", "marker": "v", "linestyle": "-"},
    {"color": "#56B4E9", "marker": "P", "linestyle": "--"},
    {"color": "#666666", "marker": "X", "linestyle": "-."},
    {"color": "#000000", "marker": "*", "linestyle": ":"},
]
# Inches. Narrow, so that a telephone shows letters at nearly their own size.
WIDTH = 4.2

Line = Sequence[tuple[float, float, float]]  # x, y, half of the interval


def heat_map(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, title: str) -> str:
    """A cell a row and column, its number in it; on a logarithmic scale, for a change may be small or large. NaN is a
    cell that has none."""
    figure = Figure(figsize=(WIDTH, 0.8 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    shown = np.log10(np.clip(values, 1e-4, None))
    axes.imshow(shown, cmap="cividis", aspect="auto", vmin=-4, vmax=max(0, np.nanmax(shown)))
    for row, column in np.ndindex(values.shape):
        light = not shown[row, column] <= -2  # an empty cell is white
        text = f"{values[row, column]:.2g}".replace("nan", "–")
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="black" if light else "white")
    axes.set_xticks(range(len(columns)), [column.replace(" ", "\n") for column in columns], fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    return as_svg(figure, title)


def line_chart(
    panels: Mapping[str, Mapping[str, Line]],
    title: str,
    x_label: str,
    y_label: str,
    ticks: Sequence[str] | None = None,
) -> str:
    """Lines with their intervals as bars, in panels below each other that share their axes; a line's name has one style
    in all of them. `ticks` name the places 0, 1, 2 … on the x axis."""
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    styles = dict(zip(names, STYLES[: len(names)], strict=True))
    height = 1 + 1.8 * len(panels) + 0.2 * len(names)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    all_axes = figure.subplots(len(panels), sharex=True, sharey=True, squeeze=False)[:, 0]
    shown = {}
    for axes, (panel, lines) in zip(all_axes, panels.items(), strict=True):
        for name, points in lines.items():
            x, y, half = (np.array(values) for values in zip(*points, strict=True))
            # Side by side: bars on one another can't be read.
            x = x + 0.05 * (names.index(name) - (len(names) - 1) / 2)
            shown[name] = axes.errorbar(
                x, y, yerr=half if half.any() else None, capsize=2, markersize=4, linewidth=1.2, **styles[name]
            )
        axes.set_title(panel, fontsize=9, loc="left")
        axes.set_ylabel(y_label, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    if ticks:
        all_axes[-1].set_xticks(range(len(ticks)), ticks)
    all_axes[-1].set_xlabel(x_label, fontsize=9)
    figure.legend(shown.values(), shown, loc="outside lower center", fontsize=8, frameon=False)
    return as_svg(figure, title)


def interval_chart(values: Mapping[str, tuple[float, float, float]], title: str, x_label: str) -> str:
    """A line a name: its value and the ends of its interval."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.35 * len(values)), layout="constrained")
    axes = figure.subplots()
    for row, (mean, low, high) in enumerate(values.values()):
        axes.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="o", color=STYLES[0]["color"], capsize=4)
        axes.annotate(f"{mean:.3f}", (mean, row), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=8)
    axes.set_yticks(range(len(values)), values.keys(), fontsize=8)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.margins(x=0.12)  # room for a number at the end
    axes.set_xlabel(x_label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3, axis="x")
    return as_svg(figure, title)


def as_svg(figure: Figure, title: str) -> str:
    """An <svg> element for a page: its title is read out, its letters are the page's own."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(r"^.*?(?=<svg)", "", stream.getvalue(), flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Of several figures on one page no two parts may have one name.
    prefix = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'(id="|"#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{escape(title)}</title>", 1)
