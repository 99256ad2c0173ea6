"""Line charts: ticks, places, gaps and dashes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.draw.axis import axis_over
from netspec.draw.chart import Line, Panel, Series, Text, chart
from netspec.draw.chart_files import to_png, to_svg

FINITE = st.floats(-1e9, 1e9, allow_subnormal=False)


@pytest.mark.parametrize(
    ("values", "log", "texts"),
    [
        ([0.0, 4000.0], False, ["0", "1000", "2000", "3000", "4000"]),
        ([0.301, 0.68], False, ["0.3", "0.4", "0.5", "0.6"]),
        ([3e-4, 0.2], True, ["1e-4", "1e-3", "1e-2", "1e-1", "1e0"]),
        ([5.0], False, ["4.6", "4.8", "5.0", "5.2", "5.4"]),
        ([], False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.0, 3e6], False, ["0", "5e+05", "1e+06", "1.5e+06", "2e+06", "2.5e+06",
                             "3e+06"]),
    ],
)  # fmt: skip
def test_ticks_are_round(values, log, texts):
    found = [text for _, text in axis_over(values, 0, 100, log).ticks()]
    assert found == texts


@given(st.lists(FINITE, min_size=1, max_size=9), st.booleans())
def test_every_value_has_its_place_between_the_ends(values, log):
    axis = axis_over(values, 300.0, 20.0, log)
    assert axis.high > axis.low
    shown = [v for v in values if axis.takes(v)]
    places = [axis.place(v) for v in sorted(shown)]
    assert all(20 <= p <= 300 for p in places)
    assert places == sorted(places, reverse=True)
    assert len(axis.ticks()) <= 12


def test_a_line_is_broken_where_a_value_is_missing():
    points = ((0.0, 1.0), (1.0, 2.0), (2.0, math.nan), (3.0, 1.0))
    marks = chart("t", [Panel("x", (Series("s", points),))]).marks
    pieces = [m for m in marks if isinstance(m, Line) and m.colour == "#1F77B4"]
    assert [len(p.points) for p in pieces] == [2, 2, 2]  # lone point; legend last
    assert pieces[1].points[1][0] - pieces[1].points[0][0] == 6


def test_on_a_log_scale_values_up_to_0_are_gaps():
    points = ((0.0, -1.0), (1.0, 0.1), (2.0, 10.0), (3.0, 0.0))
    marks = chart("t", [Panel("x", (Series("s", points),), True)]).marks
    pieces = [m for m in marks if isinstance(m, Line) and m.colour == "#1F77B4"]
    assert [len(p.points) for p in pieces] == [2, 2]


def test_a_long_legend_takes_rows_of_its_own():
    series = tuple(Series(f"series number {i}", ((0.0, float(i)),)) for i in range(9))
    one, many = (chart("t", [Panel("x", series[:n])]) for n in (1, 9))
    assert many.size[1] > one.size[1]
    names = [m for m in many.marks if isinstance(m, Text) and m.text[:3] == "ser"]
    assert len(names) == 9
    assert all(m.at[0] < 800 for m in names)


def test_text_of_a_log_is_escaped_and_dashes_reach_the_end():
    points = ((0.0, 0.0), (1.0, 1.0))
    drawn = chart("<a>", [Panel("x", (Series("<&>", points, dashed=True),))])
    text = to_svg(drawn).decode()
    assert "&lt;&amp;&gt;" in text
    assert "stroke-dasharray" in text
    assert to_png(drawn).startswith(b"\x89PNG")
