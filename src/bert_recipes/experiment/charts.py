"""The report's figures as SVG: text stays text, shapes and numbers carry what colours do, nothing is loaded."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from html import escape

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from .intervals import Interval

# Okabe & Ito (2008): told apart by colour-blind readers; marker and line style tell the same in grey.
STYLES = [
    {"color": "#D55E00", "marker": "s", "linestyle": "-"},
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#009E73", "marker": "^", "linestyle": "-"},
    {"color": "#444444", "marker": "D", "linestyle": "--"},
    {"color": "#CC79A7", "marker": "v", "linestyle": ":"},
    {"color": "#000000", "marker": "X", "linestyle": "-."},
]
# Inches. Narrow, so that a telephone shows letters at nearly their own size.
WIDTH = 4.2
LETTERS = 9  # points
SPACING = 1.3  # lines of labels, in their height
NAME_WIDTH = 21  # characters, of a line in a name
ISO_LINES, TICKS = 6, 5  # about

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
    narrow = [column.replace(" ", "\n").replace("-", "-\n") for column in columns]
    axes.set_xticks(range(len(columns)), narrow, fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    return as_svg(figure, title)


def line_chart(
    lines: Mapping[str, Line],
    title: str,
    x_label: str,
    y_label: str,
    ticks: Mapping[float, str],
    logarithmic: bool = False,
) -> str:
    """Lines with their intervals as bars, each named at its end. `ticks` are the places that the x axis names."""
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    lines = {textwrap.fill(name, NAME_WIDTH): points for name, points in lines.items()}
    places = sorted(ticks)
    step = np.log(places[-1] / places[0]) if logarithmic else places[-1] - places[0]
    for number, ((_, points), style) in enumerate(zip(lines.items(), STYLES, strict=False)):
        x, y, half = (np.array(values, dtype=float) for values in zip(*points, strict=True))
        # Side by side: bars on one another can't be read.
        aside = 0.012 * step * (number - (len(lines) - 1) / 2)
        x = x * np.exp(aside) if logarithmic else x + aside
        axes.errorbar(x, y, yerr=half if half.any() else None, capsize=2, markersize=4, linewidth=1.5, **style)
    if logarithmic:
        axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, [ticks[place] for place in places])
    axes.set_xlabel(x_label, fontsize=LETTERS)
    axes.set_ylabel(y_label, fontsize=LETTERS)
    axes.tick_params(labelsize=LETTERS)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    name_line_ends(axes, lines)
    return as_svg(figure, title)


def name_line_ends(axes: Axes, lines: Mapping[str, Line]) -> None:
    """The names right of the axes, each beside its line's end or as near as the others leave room."""
    low, high = axes.get_ylim()
    room = axes.figure.get_figheight() * 72 * 0.8 / (LETTERS * SPACING)  # of the axes, in lines of letters, about
    # A name of two lines of letters is two that have one place.
    ends = sorted((points[-1][1], name) for name, points in lines.items() for _ in name.split("\n"))
    heights = spread([end for end, _ in ends], (high - low) / room)
    for (name, _), style in zip(lines.items(), STYLES, strict=False):
        height = np.mean([place for place, (_, other) in zip(heights, ends, strict=True) if other == name])
        color = tuple(0.8 * np.array(to_rgb(style["color"])))  # letters want more contrast than lines
        place = {"xy": (1.03, height), "xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(name, fontsize=LETTERS, color=color, linespacing=1.1, **place)


def spread(places: Sequence[float], least: float) -> list[float]:
    """Ascending `places`, moved as little as it takes for `least` between neighbours."""
    groups: list[list[float]] = []  # of places that touch
    for place in places:
        groups.append([place])
        while len(groups) > 1 and lowest(groups[-1], least) - lowest(groups[-2], least) < least * len(groups[-2]):
            last = groups.pop()
            groups[-1] += last
    return [lowest(group, least) + least * number for group in groups for number in range(len(group))]


def lowest(group: Sequence[float], least: float) -> float:
    return float(np.mean(group)) - least * (len(group) - 1) / 2


def contour_chart(
    x: Mapping[float, str], y: Mapping[float, str], values: np.ndarray, title: str, x_label: str, y_label: str
) -> str:
    """Lines of equal values, each with its value, between the places (dots) where they were measured: `values` has
    shape (len(y), len(x)), NaN where nothing was; `x` and `y` are places on the axes and their names."""
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    axes = figure.subplots()
    columns, rows = np.meshgrid(list(x), list(y))
    measured = ~np.isnan(values)
    axes.plot(columns[measured], rows[measured], linestyle="", marker="o", markersize=4, color=STYLES[1]["color"])
    if np.nanmin(values) < np.nanmax(values):
        shown = np.ma.masked_invalid(values)
        lines = axes.contour(list(x), list(y), shown, levels=ISO_LINES, colors="black", linewidths=1)
        for letters in axes.clabel(lines, fontsize=LETTERS - 1, inline_spacing=3):
            letters.set_clip_on(False)
    for limit, places in ((axes.set_xlim, x), (axes.set_ylim, y)):  # with room for whole dots
        low, high = min(places), max(places)
        limit(low - 0.07 * (high - low), high + 0.07 * (high - low))
    for name_places, places in ((axes.set_xticks, x), (axes.set_yticks, y)):
        name_places(list(places), list(places.values()))
    axes.set_xlabel(x_label, fontsize=LETTERS)
    axes.set_ylabel(y_label, fontsize=LETTERS)
    axes.tick_params(labelsize=LETTERS)
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure, title)


def difference_chart(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]], title: str, x_label: str) -> str:
    """Points with their intervals beside a line at zero, filled where the interval leaves zero out: panel -> series ->
    row -> difference. Panels stand below each other and share their axis."""
    rows = {
        panel: list(dict.fromkeys(row for of_rows in series.values() for row in of_rows))
        for panel, series in panels.items()
    }
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    styles = dict(zip(names, STYLES[1:], strict=False))
    heights = [len(of_panel) * (0.16 + 0.14 * len(names)) + 0.3 for of_panel in rows.values()]
    legend = 0.2 * len(names) if len(names) > 1 else 0
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5 + legend), layout="constrained")
    all_axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    shown = {}
    for axes, (panel, series) in zip(all_axes, panels.items(), strict=True):
        axes.axvline(0, color="black", linewidth=1)
        for name, of_rows in series.items():
            aside = 0.22 * (names.index(name) - (len(names) - 1) / 2)
            places = [rows[panel].index(row) + aside for row in of_rows]
            shown[name] = draw_intervals(axes, places, of_rows.values(), styles[name])
        axes.set_title(panel, fontsize=LETTERS, loc="left")
        axes.set_yticks(range(len(rows[panel])), [textwrap.fill(row, NAME_WIDTH) for row in rows[panel]])
        axes.set_ylim(len(rows[panel]) - 0.5, -0.5)
        axes.tick_params(labelsize=LETTERS)
        axes.tick_params(axis="y", length=0)
        axes.grid(alpha=0.3, axis="x")
        axes.spines[["top", "right", "left"]].set_visible(False)
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(TICKS))
    all_axes[-1].set_xlabel(x_label, fontsize=LETTERS)
    if len(names) > 1:
        figure.legend(shown.values(), shown, loc="outside lower left", fontsize=LETTERS, frameon=False)
    return as_svg(figure, title)


def draw_intervals(axes: Axes, places: Sequence[float], intervals: Collection[Interval], style: Mapping[str, str]):
    """Returns what a legend shows of them."""
    color, marker = style["color"], style["marker"]
    for place, (mean, low, high) in zip(places, intervals, strict=True):
        axes.plot([low, high], [place, place], color=color, linewidth=1.5)
        face = "white" if low <= 0 <= high else color
        axes.plot(mean, place, marker=marker, markersize=5, color=color, markerfacecolor=face)
    return axes.plot([], [], marker=marker, markersize=5, color=color, linewidth=1.5)[0]


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
    return svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{escape(title)}</title>", 1)
