"""Pooling of regions: the bins of boxes on a map.

A region is (image, left, top, right, bottom) in pixels of the net's input, corners
included; *scale* is the size of such a pixel on the map.  Places are computed in the
arrays' own float type, as Caffe's forks do, since they round to whole pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
Bins = NDArray[np.int64]
LEAST_SIZE = 0.1  # of a region, in pixels of the map, for position-sensitive pooling


def _round(values: Array) -> Array:
    """To the nearest integers, halves away from 0."""
    return np.copysign(np.floor(np.abs(values) + values.dtype.type(0.5)), values)


def _cut(low: Array, high: Array, size: int) -> Bins:
    """First and end of the pixels that a map has, (R, bins, 2)."""
    return np.stack([low, high], axis=-1).astype(np.int64).clip(0, size)


def whole_bins(start: Array, stop: Array, bins: int, size: int, scale: float) -> Bins:
    """Rows or columns of each bin of regions that are rounded to pixels of the map.

    Args:
        start, stop: (R,), along one axis.
        size: of the map.

    Returns:
        First and end, (R, bins, 2).
    """
    kind = start.dtype.type
    first, last = (_round(edge * kind(scale)) for edge in (start, stop))
    each = np.maximum(last - first + kind(1), kind(1)) / kind(bins)
    steps = np.arange(bins + 1, dtype=start.dtype) * each[:, None]
    first = first[:, None]
    return _cut(np.floor(steps[:, :-1]) + first, np.ceil(steps[:, 1:]) + first, size)


def part_bins(start: Array, stop: Array, bins: int, size: int, scale: float) -> Bins:
    """The same for regions that are rounded to pixels before they are scaled."""
    kind = start.dtype.type
    first = _round(start) * kind(scale)
    last = (_round(stop) + kind(1)) * kind(scale)
    each = np.maximum(last - first, kind(LEAST_SIZE)) / kind(bins)
    steps = np.arange(bins + 1, dtype=start.dtype) * each[:, None] + first[:, None]
    return _cut(np.floor(steps[:, :-1]), np.ceil(steps[:, 1:]), size)


class RegionOps:
    """Regions (R, 5) of maps x (N, C, H, W) to y (R, K, bins down, bins across)."""

    def region_max(
        self, x: Array, regions: Array, y: Array, index: Array, scale: float
    ) -> None:
        """The maximum of each bin, of equals the first; 0 of a bin without a pixel.

        Args:
            index: (R, C, bins down, bins across) int32: gets where in its H × W plane
                each maximum lies, -1 nowhere.
        """
        y.fill(0)
        index.fill(-1)
        for r, n, i, j, rows, columns in _bins(x, regions, y, scale, whole_bins):
            values = x[n, :, rows, columns]
            if values.size:
                flat = values.reshape(len(values), -1)
                best = flat.argmax(axis=1)
                y[r, :, i, j] = flat[np.arange(len(flat)), best]
                row, column = np.divmod(best, values.shape[2])
                place = (row + rows.start) * x.shape[3] + column + columns.start
                index[r, :, i, j] = place

    def region_max_backward(
        self, dy: Array, regions: Array, index: Array, dx: Array
    ) -> None:
        """The gradient of each bin goes to its maximum; they add up, in order."""
        dx.fill(0)
        planes = dx.reshape(*dx.shape[:2], -1)
        for r, image in enumerate(regions[:, 0].astype(np.int64)):
            places, diffs = (a[r].reshape(len(a[r]), -1) for a in (index, dy))
            channel, number = np.nonzero(places >= 0)
            where = image, channel, places[channel, number]
            np.add.at(planes, where, diffs[channel, number])

    def region_mean(self, x: Array, regions: Array, y: Array, scale: float) -> None:
        """The mean of each bin, from a channel of its own; 0 of a bin without a pixel.

        Output channel k of bin (i, j) is input channel (k · bins + i) · bins + j.
        """
        bins = y.shape[2]
        y.fill(0)
        for r, n, i, j, rows, columns in _bins(x, regions, y, scale, part_bins):
            values = x[n, i * bins + j :: bins * bins, rows, columns]
            if values.size:
                total = values.sum(axis=(1, 2), dtype=np.float64)
                y[r, :, i, j] = total / values[0].size

    def region_mean_backward(
        self, dy: Array, regions: Array, dx: Array, scale: float
    ) -> None:
        """Every pixel of a bin gets its share; they add up, in order."""
        bins = dy.shape[2]
        dx.fill(0)
        for r, n, i, j, rows, columns in _bins(dx, regions, dy, scale, part_bins):
            seen = dx[n, i * bins + j :: bins * bins, rows, columns]
            if seen.size:
                seen += (dy[r, :, i, j] / seen[0].size)[:, None, None]


def region_bins(
    x: Array, regions: Array, y: Array, scale: float, along: Any
) -> tuple[Bins, Bins]:
    """Rows and columns of the bins of all regions, by *along* for each axis."""
    _, left, top, right, bottom = regions.T
    rows = along(top, bottom, y.shape[2], x.shape[2], scale)
    return rows, along(left, right, y.shape[3], x.shape[3], scale)


def _bins(
    x: Array, regions: Array, y: Array, scale: float, along: Any
) -> Iterator[tuple[int, int, int, int, slice, slice]]:
    """Region, image, bin down and across, and the part of the map that it sees."""
    rows, columns = region_bins(x, regions, y, scale, along)
    for r, image in enumerate(regions[:, 0]):
        for i, down in enumerate(rows[r]):
            for j, across in enumerate(columns[r]):
                yield r, int(image), i, j, slice(*down), slice(*across)
