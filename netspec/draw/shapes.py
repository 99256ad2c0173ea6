"""Outlines and arrowheads, common to every way of drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from netspec.draw.layout import Place, Point, Route

_CUT = 7.0  # of a corner
_HEAD = 8.0  # length of an arrowhead


def outline(place: Place) -> list[Point]:
    """The corners of a box, clockwise."""
    (x, y), (width, height) = place.centre, place.size
    left, top, right, bottom = (
        x - width / 2, y - height / 2, x + width / 2, y + height / 2
    )  # fmt: skip
    cut = _CUT if place.box.corners else 0.0
    return [
        *((left + cut, top), (right - cut, top), (right, top + cut)),
        *((right, bottom - cut), (right - cut, bottom), (left + cut, bottom)),
        *((left, bottom - cut), (left, top + cut)),
    ]


def visible(route: Route, places: Mapping[str, Place]) -> list[Point]:
    """The points of a route between the edges of its boxes."""
    points = list(route.points)
    first = _edge(places[route.arrow.tail], points[1])
    last = _edge(places[route.arrow.head], points[-2])
    return [first, *points[1:-1], last]


def _edge(place: Place, towards: Point) -> Point:
    """Where the line from a box's centre to a point leaves the box."""
    (x, y), (width, height) = place.centre, place.size
    dx, dy = towards[0] - x, towards[1] - y
    scale = min(
        width / 2 / abs(dx) if dx else math.inf,
        height / 2 / abs(dy) if dy else math.inf,
        1.0,
    )
    return x + dx * scale, y + dy * scale


def arrowhead(points: list[Point]) -> list[Point]:
    """The triangle at the end of a line."""
    (x0, y0), (x, y) = points[-2], points[-1]
    length = math.hypot(x - x0, y - y0) or 1.0
    dx, dy = (x - x0) / length * _HEAD, (y - y0) / length * _HEAD
    return [
        (x, y),
        (x - dx - dy * 0.4, y - dy + dx * 0.4),
        (x - dx + dy * 0.4, y - dy - dx * 0.4),
    ]


def label_place(points: list[Point]) -> tuple[Point, bool]:
    """Where a label stands: halfway along the middle stretch.

    Returns:
        The point, and whether the label is centred above it; else it begins there.
    """
    at = (len(points) - 1) // 2
    (x0, y0), (x1, y1) = points[at], points[at + 1]
    above = abs(x1 - x0) > abs(y1 - y0)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return ((x, y - 4) if above else (x + 5, y + 4)), above
