"""Sampling a part of a picture: once, smoothly, straight into a net's input.

A target pixel is the mean of the source under a triangle about its middle, which
reaches as far as the next target pixel, or the next source pixel where that is
further. That is Pillow's ``BILINEAR`` without its rounding between and after the two
passes, and at the places that are wanted alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.data.protocols import Floats, Raster
from netspec.data.view import View

_Span = tuple[float, float]  # where the first target pixel begins, and its step


def sample(
    raster: Raster, view: View, bias: NDArray[Any], scale: float, out: Floats
) -> None:
    """Fill *out* (C, n, m) with (value + bias) * scale of a part of a picture.

    Args:
        view: the part, in pixels of the picture as it is stored.
        bias: one a channel, or one.
        scale: a factor.
    """
    factor = np.broadcast_to(bias, len(out)).astype(np.float32), np.float32(scale)
    if view.angle:
        _sample_turned(raster, view, *factor, out)
    else:
        _run(raster, *_spans(view, raster.factor), *factor, view.mirror, out)


def recolour(out: Floats, matrix: NDArray[Any], offset: NDArray[Any]) -> None:
    """Replace each colour x of *out* (3, n, m) by matrix x + offset."""
    from netspec.data.resampling import recolour as run

    run(out, matrix.astype(np.float32), offset.astype(np.float32))


def _spans(view: View, factor: int) -> tuple[_Span, _Span]:
    """Down and across, in pixels of a raster that is *factor* times smaller."""
    down, across = view.step
    return (view.y / factor, down / factor), (view.x / factor, across / factor)


def _run(
    raster: Raster,
    rows: _Span,
    columns: _Span,
    bias: Floats,
    scale: np.float32,
    mirror: bool,
    out: Floats,
) -> None:
    from netspec.data.resampling import sample as run

    # One compiled version a type: contiguous, and not read-only.
    source = np.require(raster.pixels.transpose(1, 2, 0), requirements=["C", "W"])
    run(source, rows, columns, bias, scale, mirror, out)


def _sample_turned(
    raster: Raster, view: View, bias: Floats, scale: np.float32, out: Floats
) -> None:
    """Sample all that the turned part touches, then turn that.

    Turning what is mirrored goes the other way round.
    """
    from netspec.data.resampling import turn

    angle = -view.radians if view.mirror else view.radians
    sine, cosine = math.sin(angle), math.cos(angle)
    _, height, width = out.shape
    extra_y = _beyond(height, width, sine, cosine) - height
    extra_x = _beyond(width, height, sine, cosine) - width
    (top, down), (left, across) = _spans(view, raster.factor)
    around = np.empty((len(out), height + extra_y, width + extra_x), np.float32)
    rows = (top - down * extra_y / 2, down)
    columns = (left - across * extra_x / 2, across)
    _run(raster, rows, columns, bias, scale, view.mirror, around)
    turn(around, cosine, sine, out)


def _beyond(along: int, other: int, sine: float, cosine: float) -> int:
    """Pixels that a turned rectangle spans, and one beyond each end."""
    return math.ceil(abs(cosine) * along + abs(sine) * other) + 2
