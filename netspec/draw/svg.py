"""Layouts as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from netspec.draw.layout import LINE, Layout, Place, Point, Route
from netspec.draw.shapes import arrowhead, label_place, outline, visible

_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="12"'
_HALO = 'stroke="white" stroke-width="4" paint-order="stroke"'  # over lines that cross


def to_svg(layout: Layout, title: str) -> str:
    """A picture that any browser shows; text stays text."""
    width, height = layout.size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.1f} {height:.1f}" {_FONT}>',
        f"<title>{text(title)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for route in layout.routes:
        lines += _arrow(route, visible(route, layout.places))
    for place in layout.places.values():
        lines += _box(place)
    return "\n".join([*lines, "</svg>\n"])


def _arrow(route: Route, points: list[Point]) -> Iterable[str]:
    yield f'<polyline points="{_points(points)}" fill="none" stroke="black"/>'
    yield f'<polygon points="{_points(arrowhead(points))}"/>'
    if route.arrow.label:
        (x, y), above = label_place(points)
        anchor = "middle" if above else "start"
        yield (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_HALO}>'
            f"{text(route.arrow.label)}</text>"
        )


def _box(place: Place) -> Iterable[str]:
    yield (
        f'<polygon points="{_points(outline(place))}" '
        f'fill={quoteattr(place.box.colour)} stroke="black"/>'
    )
    x, y = place.centre
    first = y - (len(place.box.lines) - 1) * LINE / 2 + 4
    for i, line in enumerate(place.box.lines):
        yield (
            f'<text x="{x:.1f}" y="{first + i * LINE:.1f}" text-anchor="middle">'
            f"{text(line)}</text>"
        )


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def text(text: str) -> str:
    """Text that XML can hold: control characters become a box."""
    return escape("".join(c if c >= " " else "\N{REPLACEMENT CHARACTER}" for c in text))
