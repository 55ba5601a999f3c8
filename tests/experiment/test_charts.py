"""Figures can be read aloud, in grey, and by colour-blind readers; names at the ends of lines keep apart."""

import re

import matplotlib
import numpy as np
import pytest

from bert_recipes.experiment.charts import STYLES, difference_chart, line_chart, spread


def test_lines_are_told_apart_without_colour_and_cells_by_how_light_they_are():
    marks = [(style["marker"], style["linestyle"]) for style in STYLES]
    assert len(set(marks)) == len(marks)
    rgb = matplotlib.colormaps["cividis"](np.linspace(0, 1, 64))[:, :3]
    lightness = rgb @ [0.2126, 0.7152, 0.0722]  # as a grey print has it
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize(
    "places, expected",
    [
        ([0, 5], [0, 5]),
        ([0, 0], [-0.5, 0.5]),
        ([0, 0.5, 5], [-0.25, 0.75, 5]),
        ([0, 0, 1.2], [-0.6, 0.4, 1.4]),  # the first two meet the third
    ],
)
def test_names_move_as_little_as_it_takes(places, expected):
    assert spread(places, 1) == pytest.approx(expected)


def test_one_place_and_one_line_are_a_figure():
    assert "only" in line_chart({"only": [(20, 0.7, 0.1)]}, "one", "x", "y", {20: "20"}, logarithmic=True)


def test_a_point_whose_interval_has_zero_inside_is_hollow():
    def faces(low: float) -> int:
        drawn = difference_chart({"": {"": {"row": (0.1, low, 0.2)}}}, "differences", "gain")
        return len(re.findall(r"fill: #ffffff; stroke: #0072b2", drawn))

    assert faces(-0.1) == 1 and faces(0.05) == 0
