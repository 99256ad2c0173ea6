"""Line charts, one panel above the other, as lines and texts at their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netspec.draw.axis import Axis, axis_over

Point = tuple[float, float]

COLOURS = (
    "#1F77B4", "#D62728", "#2CA02C", "#FF7F0E",
    "#9467BD", "#8C564B", "#E377C2", "#17BECF",
)  # fmt: skip
WIDTH, PANEL = 860.0, 360.0
FONT = 13.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 20.0, 12.0, 46.0
_LEGEND_LINE, _CHARACTER, _SAMPLE = 18.0, 7.0, 26.0
_GRID, _FRAME = "#DDDDDD", "#444444"


@dataclass(frozen=True)
class Series:
    """A line: points in the order of x; *dashed* tells it apart from its like."""

    name: str
    points: tuple[Point, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """A chart of its own: series over one x axis."""

    x: str
    series: tuple[Series, ...]
    log: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Text:
    """A text at the middle of its height; *anchor*: start, middle or end."""

    at: Point
    text: str
    anchor: str = "start"


Mark = Line | Text


@dataclass(frozen=True)
class Chart:
    """What is drawn, in its order, on white."""

    title: str
    size: Point
    marks: tuple[Mark, ...]


def chart(title: str, panels: Sequence[Panel]) -> Chart:
    """Lay out panels below each other."""
    marks: list[Mark] = []
    top = 0.0
    for panel in panels:
        places = _legend_places([series.name for series in panel.series])
        height = _LEGEND_LINE * len({y for _, y in places})
        marks += _panel(panel, top + _TOP + height)
        marks += _legend(panel.series, places, top + _TOP)
        top += height + PANEL
    return Chart(title, (WIDTH, top), tuple(marks))


def _panel(panel: Panel, top: float) -> Iterator[Mark]:
    points = [point for series in panel.series for point in series.points]
    across = axis_over([x for x, _ in points], _LEFT, WIDTH - _RIGHT)
    values = [y for _, y in points if Axis(0, 1, 0, 1, panel.log).takes(y)]
    bottom = top + PANEL - _TOP - _BOTTOM
    up = axis_over(values, bottom, top, panel.log)
    yield Text((WIDTH / 2, bottom + _BOTTOM - 14), panel.x, "middle")
    yield from _grid(across, up)
    for i, series in enumerate(panel.series):
        yield from _drawn(series, across, up, COLOURS[i % len(COLOURS)])


def _grid(across: Axis, up: Axis) -> Iterator[Mark]:
    for value, text in across.ticks():
        x = across.place(value)
        yield Line(((x, up.start), (x, up.end)), _GRID)
        yield Text((x, up.start + 13), text, "middle")
    for value, text in up.ticks():
        y = up.place(value)
        yield Line(((across.start, y), (across.end, y)), _GRID)
        yield Text((across.start - 7, y), text, "end")
    corners = [(across.start, up.end), (across.end, up.end), (across.end, up.start)]
    last = (across.start, up.start)
    yield Line((*corners, last, corners[0]), _FRAME)


def _drawn(series: Series, across: Axis, up: Axis, colour: str) -> Iterator[Line]:
    """The line in pieces, broken where a value has no place; lone points as ticks."""
    for piece in _pieces(series.points, up):
        places = tuple((across.place(x), up.place(y)) for x, y in piece)
        if len(places) == 1:
            ((x, y),) = places
            places = ((x - 3, y), (x + 3, y))
        yield Line(places, colour, 2.0, series.dashed)


def _pieces(points: Sequence[Point], up: Axis) -> Iterator[list[Point]]:
    piece: list[Point] = []
    for point in points:
        if up.takes(point[1]):
            piece.append(point)
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _legend_places(names: Sequence[str]) -> list[Point]:
    """Corners of the entries of a legend: side by side, in as many rows as it takes."""
    places, x, y = [], _LEFT, 0.0
    for name in names:
        wide = _SAMPLE + 30 + len(name) * _CHARACTER
        if x > _LEFT and x + wide > WIDTH - _RIGHT:
            x, y = _LEFT, y + _LEGEND_LINE
        places.append((x, y))
        x += wide
    return places


def _legend(
    series: Sequence[Series], places: Sequence[Point], top: float
) -> Iterator[Mark]:
    for i, (one, (x, y)) in enumerate(zip(series, places)):
        y += top
        colour = COLOURS[i % len(COLOURS)]
        yield Line(((x, y), (x + _SAMPLE, y)), colour, 2.0, one.dashed)
        yield Text((x + _SAMPLE + 6, y), one.name)
