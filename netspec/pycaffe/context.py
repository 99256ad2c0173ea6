"""Windows with a border of their surroundings, as R-CNN cuts them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from netspec.pycaffe.faults import BadValueError
from netspec.pycaffe.images import Size, resize_image

Array = Any


class _Span(NamedTuple):
    """One axis of a window: pixels of the image, and where they go in the crop."""

    first: int
    end: int
    offset: int
    extent: int


def context_window(
    image: Array, window: Sequence[float], size: Size, pad: int, mean: Array
) -> Array:
    """A window warped to *size*, with a border of *pad* pixels from around it.

    Args:
        image: (H, W, K).
        window: ymin, xmin, ymax, xmax.
        size: (height, width) of the crop, border included.
        mean: (height, width, K): what stands where the border leaves the image.

    Raises:
        BadValueError: the window lies outside the image.
    """
    top, left, bottom, right = window
    rows = _span((top, bottom), image.shape[0], size[0], pad)
    columns = _span((left, right), image.shape[1], size[1], pad)
    part = image[rows.first : rows.end, columns.first : columns.end]
    crop = np.array(mean, np.float32)
    down = slice(rows.offset, rows.offset + rows.extent)
    across = slice(columns.offset, columns.offset + columns.extent)
    crop[down, across] = resize_image(part, (rows.extent, columns.extent))
    return crop


def _span(edges: tuple[float, float], length: int, size: int, pad: int) -> _Span:
    """Widen a window along one axis so that *pad* of *size* pixels are surroundings.

    Both edges of the window count as part of it, as in R-CNN, whose arithmetic and
    rounding this is.
    """
    low, high = edges
    half = (high - low + 1) / 2
    wide = half * size / (size - 2 * pad)
    first, end = round(low + half - wide), round(low + half + wide)
    scale = size / (end - first + 1)
    inside = max(first, 0), min(end, length)
    if inside[0] >= inside[1]:
        raise BadValueError(
            f"the window from {low:g} to {high:g} lies outside an image of {length} "
            "pixels.",
            "Give windows as ymin, xmin, ymax, xmax.",
        )
    offset = min(round((inside[0] - first) * scale), size - 1)
    extent = max(1, round((inside[1] - inside[0] + 1) * scale))
    return _Span(*inside, offset, min(extent, size - offset))
