"""Charts as SVG and PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import hypot
from os import PathLike
from pathlib import Path
from typing import Any

from netspec.draw.chart import FONT, Chart, Line, Mark, Point
from netspec.draw.svg import text as svg_text
from netspec.errors import UsageError
from netspec.files import replacing
from netspec.registry import suggest

_DASH, _SPACE = 7.0, 4.0
_FINE = 2  # the PNG is drawn so many times larger, then made smaller: smooth lines
_PAPER = "white"


def to_svg(chart: Chart) -> bytes:
    """The file's bytes; text stays text."""
    width, height = chart.size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="{FONT:.0f}">'
    )
    lines = [head, f"<title>{svg_text(chart.title)}</title>"]
    lines.append(f'<rect width="100%" height="100%" fill="{_PAPER}"/>')
    lines += map(_svg_mark, chart.marks)
    return "\n".join([*lines, "</svg>\n"]).encode()


def _svg_mark(mark: Mark) -> str:
    if isinstance(mark, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
        dash = f' stroke-dasharray="{_DASH:g} {_SPACE:g}"' if mark.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{mark.colour}" '
            f'stroke-width="{mark.width:g}"{dash}/>'
        )
    x, y = mark.at
    return (
        f'<text x="{x:.1f}" y="{y + FONT / 3:.1f}" text-anchor="{mark.anchor}">'
        f"{svg_text(mark.text)}</text>"
    )


def to_png(chart: Chart) -> bytes:
    """The file's bytes."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = (round(extent * _FINE) for extent in chart.size)
    image = Image.new("RGB", (width, height), _PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(FONT * _FINE)
    for mark in chart.marks:
        _png_mark(pen, font, mark)
    size = (width // _FINE, height // _FINE)
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BOX).save(out, "PNG")
    return out.getvalue()


def _png_mark(pen: Any, font: Any, mark: Mark) -> None:
    if isinstance(mark, Line):
        pieces = _dashes(mark.points) if mark.dashed else iter([mark.points])
        for piece in pieces:
            points = [(x * _FINE, y * _FINE) for x, y in piece]
            pen.line(points, mark.colour, round(mark.width * _FINE), joint="curve")
    else:
        anchor = {"start": "lm", "middle": "mm", "end": "rm"}[mark.anchor]
        x, y = mark.at
        pen.text((x * _FINE, y * _FINE), mark.text, "black", font, anchor)


def _dashes(points: tuple[Point, ...]) -> Iterator[tuple[Point, ...]]:
    """The dashes of a line; the pattern runs on around its corners."""
    done, period = 0.0, _DASH + _SPACE
    for (x0, y0), (x1, y1) in pairwise(points):
        length = hypot(x1 - x0, y1 - y0)
        first = done - done % period
        while length and first < done + length:
            a, b = (
                min(max(end - done, 0.0), length) / length
                for end in (first, first + _DASH)
            )
            if b > a:
                yield tuple((x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (a, b))
            first += period
        done += length


CHART_FORMATS: dict[str, Callable[[Chart], bytes]] = {"png": to_png, "svg": to_svg}


def write_chart(chart: Chart, path: str | PathLike[str]) -> None:
    """Draw into a file; the end of its name is the format.

    Raises:
        UsageError: neither .png nor .svg.
        DataError: it cannot be written.
    """
    kind = Path(path).suffix.lstrip(".").lower()
    if kind not in CHART_FORMATS:
        problem = f"a chart cannot be drawn as {kind!r}."
        raise UsageError(problem, suggest(kind, CHART_FORMATS))
    data = CHART_FORMATS[kind](chart)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)
