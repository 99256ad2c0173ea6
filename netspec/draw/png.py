"""Layouts as PNG."""

from __future__ import annotations

import io
from typing import Any

from netspec.draw.layout import LINE, Layout, Point
from netspec.draw.shapes import arrowhead, label_place, outline, visible

_FONT = 12
_MOST_PIXELS = 40_000_000  # beyond, the picture is made smaller


def to_png(layout: Layout) -> bytes:
    """The file's bytes."""
    from PIL import Image, ImageDraw, ImageFont

    scale = min(1.0, (_MOST_PIXELS / max(1.0, layout.size[0] * layout.size[1])) ** 0.5)
    size = tuple(max(1, round(extent * scale)) for extent in layout.size)
    image = Image.new("RGB", size, "white")
    _draw(ImageDraw.Draw(image), ImageFont.load_default(_FONT * scale), layout, scale)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _draw(pen: Any, font: Any, layout: Layout, scale: float) -> None:
    def scaled(points: list[Point]) -> list[Point]:
        return [(x * scale, y * scale) for x, y in points]

    for route in layout.routes:
        points = visible(route, layout.places)
        pen.line(scaled(points), fill="black")
        pen.polygon(scaled(arrowhead(points)), fill="black")
        (x, y), above = label_place(points)
        anchor = "ms" if above else "ls"
        at, label = (x * scale, y * scale), route.arrow.label
        halo = {"stroke_width": 2, "stroke_fill": "white"}
        pen.text(at, label, "black", font, anchor, **halo)
    for place in layout.places.values():
        pen.polygon(scaled(outline(place)), fill=place.box.colour, outline="black")
        x, y = place.centre
        first = y - (len(place.box.lines) - 1) * LINE / 2
        for i, line in enumerate(place.box.lines):
            pen.text((x * scale, (first + i * LINE) * scale), line, "black", font, "mm")
